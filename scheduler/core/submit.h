/* What the files of SUBMIT share: submit.c (requests, records) and submit_deps.c (dependencies). */
#ifndef CHIPQ_SUBMIT_H
#define CHIPQ_SUBMIT_H

#include "scheduler/core/core_state.h"
#include "scheduler/core/learn.h"

#define JOB_TIME_MAX_US (INT64_C(3650) * 86400 * US_PER_S) /* of one attempt */

enum {
    JOBS_MAX = 1000,
    ARRAY_MAX = 100000,
    TASK_MAX = 999999999,
    CORES_MAX = 4096,
    NAME_BYTES_MAX = 255,
    RUN_BYTES_MAX = 262144,
    PRIORITY_MAX = 10,
    STARTS_MAX = 100,
    /* Bounds of what one SUBMIT, which may be short, asks us to remember. */
    PIECES_MAX = 500000, /* ranges of its arrays: "1-200000:2" has 100,000 */
    PAIRS_MAX = 2000000, /* tasks that wait for their counterpart; a job's snapshot holds them */
};

struct submit {
    struct core *core;
    const struct input *in;
    const struct in_submit *req;
    struct now now;
    const struct principal *who;
    struct ranges *arrays; /* of each job */
    uint64_t *cores;       /* that each is to have */
    struct mem_size *mem;
    struct dep **deps; /* of each job; ids of jobs of this submit are still places, from 1 */
    uint64_t first_id;
    uint64_t n_pieces, n_pairs, n_tasks;
};

/* Looks up what job `i` depends on: in the store's word, in memory, in the same SUBMIT. */
int submit_resolve_deps(struct submit *s, size_t i, struct cq_err *err) CQ_MUST_CHECK;
/* No job of the SUBMIT may wait for itself. */
int submit_check_cycles(const struct submit *s, struct cq_err *err) CQ_MUST_CHECK;
/* How a job is called in messages: its name, else its place. */
const char *submit_title(const struct submit *s, size_t i, char *buf, size_t size);

#endif
