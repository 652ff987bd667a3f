/* How much memory runs took: of each kind in a project (tool or name, cores) the newest 64 peaks.
 * From them comes the request of jobs that leave their memory to us. The history hangs at its
 * project, so nothing of one enterprise is ever seen by another. It follows from ATTEMPT_END alone,
 * and its MEM_LEARNED rows bring it back at load: a replay and a restart size jobs alike. */
#ifndef CHIPQ_LEARN_H
#define CHIPQ_LEARN_H

#include "scheduler/core/record.h"
#include "scheduler/core/view.h"

struct core;
struct job;
struct project;
struct share_node;

enum {
    LEARN_RUNS_KEPT = 64,
    LEARN_RUNS_MIN = 5,   /* fewer tell too little */
    LEARN_KINDS_MAX = 64, /* of one project; the one that ran longest ago leaves */
    LEARN_WHAT_BYTES = 256,
};

/* Why a job's first request has its size; in JOB_SUBMIT. */
enum mem_source { MEM_ASKED, MEM_DEFAULT, MEM_LEARNED };

struct learned;                       /* of one project */
void learned_free(struct learned *l); /* accepts NULL */

/* What runs are known by: the tool, with its stage where a task has several ("verilator.sim.build"
 * compiles what "verilator.sim" runs, and needs something else); without a tool the name with its
 * numbers as '#'. "": by nothing. */
const char *learn_what(const char *tool, const char *stage_of, const char *name,
                       char buf[LEARN_WHAT_BYTES]);

/* A request for runs that took so much: a fifth more, rounded up to an eighth of its octave, so
 * that sizes which hardly differ are one. */
uint64_t learn_request_mib(uint64_t peak_mib);

/* A run that ended. To be called for each, before its task moves on. */
void learn_add(const struct job *job, const struct attempt_end_rec *end);

struct learn_asked {
    const struct project *project; /* NULL: a new one */
    const struct share_node *node; /* where its limits are looked up */
    const char *tool, *stage_of, *name;
    uint64_t cores, exclusive; /* as in JOB_SUBMIT */
    uint64_t first_mib;        /* its default; 0: the instance's */
};
struct mem_size {
    uint64_t mem_mib, p95_mib, runs;
    enum mem_source source;
};
/* The first request of a job that leaves it to us: never above the largest worker that is up, nor
 * above what the path may have at once. With too little history: the default. */
struct mem_size learn_size(const struct core *c, const struct learn_asked *a);

/* The largest worker that is up and has these cores; 0: there is none. */
uint64_t learn_largest_mib(const struct core *c, uint64_t cores);

/* MEM_LEARNED: the door, and the rows that changed since the last call. */
int learn_apply(struct core *c, const struct mem_learned *r, struct cq_err *err) CQ_MUST_CHECK;
void learn_view_entities(struct core *c, entity_view_fn fn, void *arg);

#endif
