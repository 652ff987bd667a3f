/* Keeps so many tasks waiting: jobs that are all alike but for their shape (and, with --bytes,
 * their names and arguments), a hundred to a SUBMIT, or arrays. Remembers what it submitted. */
#ifndef BENCH_BACKLOG_H
#define BENCH_BACKLOG_H

#include "bench/bench.h"

#define BACKLOG_BATCH 100

struct backlog {
    const struct bench *b;
    struct session *s; /* borrowed */
    struct ticket ticket;
    struct job_spec jobs[BACKLOG_BATCH];
    struct cq_str runs[BACKLOG_BATCH]; /* own.c: with --bytes, each job has its own */
    char names[BACKLOG_BATCH][32];
    char *shared; /* what pads all requests */
    const char *node_has[1];
    char tasks[32];
    uint64_t submitted;   /* tasks, acknowledged */
    uint64_t first, last; /* job numbers; 0 = none yet */
};

/* Jobs are called `name` and run on nodes with that feature (NULL: on any). Borrows all. */
void backlog_init(struct backlog *k, const struct bench *b, struct session *s, const char *name,
                  const char *feature);
void backlog_fini(struct backlog *k);

/* Submits at least so many tasks, in whole batches; returns when all are acknowledged. */
int backlog_add(struct backlog *k, uint64_t tasks, struct cq_err *err) CQ_MUST_CHECK;
int backlog_add_one(struct backlog *k, struct cq_err *err) CQ_MUST_CHECK; /* job of one task */

/* own.c: makes job n of a batch the one with that number, with a request of its own. */
void own_request(struct backlog *k, uint64_t number, size_t n);

/* Cancels all that has not ended. */
int backlog_cancel(struct backlog *k, struct cq_err *err) CQ_MUST_CHECK;

#endif
