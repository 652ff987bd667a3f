/* Pieces of the expected start of a waiting job or task: how long runs take, what ends when, what
 * goes before it, when there is room. Each is asked twice: as it usually goes, and by limits. Times
 * are policy times; INT64_MAX: not to be seen. Private to estimate*.c. */
#ifndef CHIPQ_ESTIMATE_H
#define CHIPQ_ESTIMATE_H

#include "scheduler/core/holds_plan.h"

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
/* Of all leases, in order. The caller frees. */
struct ending *estimate_endings(const struct core *c, lease_end_fn end, size_t *n);

/* estimate_ahead.c: by how much what goes before it in its leaf and its job puts it off; and when
 * the limit that its array set itself lets it start. */
struct band estimate_ahead(const struct asked *a);
struct band estimate_array_limit(const struct asked *a);

/* estimate_room.c: when there is room for it, if nobody came before. */
struct band estimate_room(const struct asked *a);

#endif
