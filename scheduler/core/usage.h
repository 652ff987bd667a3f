/* What was used and how long was waited for it, per leaf of the share tree and wall hour, until the
 * shell takes it along with the records that say so. Nothing decides by these sums. */
#ifndef CHIPQ_USAGE_H
#define CHIPQ_USAGE_H

#include "scheduler/core/job.h"

struct usage_sum;

struct usage {
    struct map by_key; /* hash of leaf and hour -> struct usage_sum, chained */
    struct usage_sum **items;
    size_t n, cap;
};

void usage_fini(struct usage *u);

/* The job changed: notes since when it is ready as a whole (not held, all dependencies met).
 * at_us 0: from a snapshot, which has said it already. */
void usage_note_ready(const struct core *c, struct job *job, int64_t at_us);

/* An attempt's process runs: the task's wait is over, if it is its first. */
void usage_start(struct core *c, const struct job *job, struct task *t, int64_t start_us);

/* An attempt ended: charges what its lease held for as long as it ran. Nothing for one that never
 * ran, or that chipqd itself declared lost. Called before the task leaves its lease. */
void usage_end(struct core *c, const struct job *job, struct task *t,
               const struct attempt_end_rec *end);

#endif
