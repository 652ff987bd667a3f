/* Reclaim: a job within its guarantee that waits for room longer than the grace calls back
 * preemptible attempts of those who borrow. */
#ifndef CHIPQ_PREEMPT_H
#define CHIPQ_PREEMPT_H

#include "scheduler/core/effects.h"

#define RECLAIM_KILL_US (30 * US_PER_S) /* until then a victim is surely gone */

struct core;
struct job;
struct lease;
struct share_node;

/* After a pass: chooses victims for who has waited long enough, tells their workers to stop them.
 */
void preempt_run(struct core *c, int64_t wall_us, struct effects *out);
int64_t preempt_next_us(const struct core *c); /* policy time; INT64_MAX = nobody waits for it */

/* For words and expectations: the guarantee that has something called back for a job without room.
 */
struct claim {
    const struct share_node *node; /* whose guarantee it is */
    bool is_called;                /* that has been done: it is gone by `at_us` */
    int64_t at_us;                 /* else it is done then at the earliest; policy time */
    uint64_t before;               /* tasks that it is done for before this one, one by one */
    int64_t latest_us;             /* until then there is room for it */
};
/* False: it is not within a guarantee, or others fill that before, or nobody runs who could be
 * called back for it. Looks at all classes and some machines. */
bool preempt_claim(struct core *c, const struct job *job, struct claim *out);

/* Calls back all attempts of a lease: they run again, and its charge is given back. */
void preempt_lease(struct core *c, struct lease *l, const char *cause, int64_t wall_us,
                   struct effects *out);

#endif
