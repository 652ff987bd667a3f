/* Reclaim: a job within its guarantee that waits for room longer than the grace calls back
 * preemptible attempts of those who borrow. */
#ifndef CHIPQ_PREEMPT_H
#define CHIPQ_PREEMPT_H

#include "scheduler/core/effects.h"

#define RECLAIM_KILL_US (30 * US_PER_S) /* until then a victim is surely gone */

struct core;
struct lease;

/* After a pass: chooses victims for who has waited long enough, tells their workers to stop them.
 */
void preempt_run(struct core *c, int64_t wall_us, struct effects *out);
int64_t preempt_next_us(const struct core *c); /* policy time; INT64_MAX = nobody waits for it */

/* Calls back all attempts of a lease: they run again, and its charge is given back. */
void preempt_lease(struct core *c, struct lease *l, const char *cause, int64_t wall_us,
                   struct effects *out);

#endif
