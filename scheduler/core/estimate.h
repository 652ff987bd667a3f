/* Pieces of the expected start of a waiting job or task: how long runs take, what ends when, what
 * goes before it, when there is room. Each is asked twice: as it usually goes, and by limits. Times
 * are policy times; INT64_MAX: not to be seen. Private to estimate*.c. */
#ifndef CHIPQ_ESTIMATE_H
#define CHIPQ_ESTIMATE_H

#include "scheduler/core/holds_plan.h"
#include "scheduler/core/quota.h"

/* Whose start is asked for: a task that waits, after so many of its own job. */
struct asked {
    const struct core *core;
    const struct job *job;
    const struct shape *shape; /* of its own memory */
    uint64_t before;
};

/* From the one to the other it is expected. */
struct band {
    int64_t usual_us, limit_us;
};

/* estimate_runs.c */
int64_t estimate_later(int64_t at_us, double us);
int64_t estimate_limit_of(const struct job *job);
/* A run that has taken `run_us` already takes so much longer: until nine of ten such runs that took
 * as long are over. Where none is known, as its job's usually do; then a third of what is left. */
int64_t estimate_left_us(const struct core *c, const struct job *job, int64_t run_us);
/* Of many: what is long in one is short in another. */
double estimate_mean_us(const struct core *c, const struct job *job);
int64_t estimate_usual_end(const struct core *c, const struct lease *l);

struct ending {
    int64_t at_us;
    const struct lease *lease;
};
/* Of all leases below `node`, in order. The caller frees. */
struct ending *estimate_endings(const struct core *c, const struct share_node *node,
                                lease_end_fn end, size_t *n);

/* estimate_ahead.c: what goes before it in its leaf and its job, and by how much that puts it off;
 * when the limit that its array set itself lets it start. */
struct ahead {
    struct quota_change takes; /* all of it at once */
    double due_cores;          /* what its leaf is due, within its limits */
    struct band off;           /* one after the other, at that rate */
};
struct ahead estimate_ahead(const struct asked *a);
struct band estimate_array_limit(const struct asked *a);

/* estimate_limit.c: when the limits of its path let it start, as leases below them end; and, as it
 * usually goes, when they, what its leaf is due and what is free in the pool are enough for it and
 * all that goes before it at once. */
struct band estimate_limits(const struct asked *a);
int64_t estimate_all_at_once(const struct asked *a, const struct ahead *ahead);

/* estimate_room.c: when there is room for it after `from`, if nobody came before. */
struct band estimate_room(const struct asked *a, const struct band *from);

#endif
