/* The policy: which task starts next, and where. docs/POLICY.md says it in words.
 *
 *   the share tree's pick; each candidate passes limits,
 *   guarantees, licences, holds and placement, or is parked at what stops it and wakes with that.
 */
#ifndef CHIPQ_POLICY_H
#define CHIPQ_POLICY_H

#include "scheduler/core/placement.h"

#define PRIORITY_STEP_US (600 * US_PER_S) /* a point of priority is worth so much waiting */

struct decision {
    struct job *job;
    uint32_t task;
    struct placement at; /* caller releases */
};

/* The next start, or false when nothing more can start; parks what cannot on the way. */
bool policy_next(struct core *c, struct decision *d);

/* The first class of shapes that are shut which no limit and no guarantee holds back; those on the
 * way are parked. NULL: none. */
struct class *policy_first_waiting(struct core *c, struct shape *const *shapes, size_t n);
/* The same of the oldest job that waits longer than any should and may have a hold. */
struct class *policy_senior_to_hold(struct core *c);

/* Does the lease go on with its class, or has somebody else the better claim to what it has? */
bool policy_keeps(struct core *c, const struct lease *l);

/* How many attempts a lease that goes on should have in its queue now, the running one included. */
uint64_t policy_queue_target(const struct core *c, const struct lease *l);

/* Charge rates of what is held, in RATE_ONE: of its enterprise, and between projects and users. */
struct policy_load {
    uint64_t cores, mem_mib;
    const struct tokens *tokens;
};
void policy_charge(const struct core *c, const struct policy_load *load, int64_t *rate,
                   int64_t *inner);

#endif
