/* The policy: priority, then arrival, over classes and shapes. What fair share, quotas and
 * licences will change: policy_job_before and the choice of the next class come from the
 * tournament; more stages join placement_choose's answer, each with a reason and a list to park on.
 */
#ifndef CHIPQ_POLICY_H
#define CHIPQ_POLICY_H

#include "scheduler/core/placement.h"

/* Strict and total. */
bool policy_job_before(const struct job *a, const struct job *b);

struct decision {
    struct job *job;
    uint32_t task;
    struct placement at; /* caller releases */
};

/* The next start, or false when nothing more can start; parks what does not fit on the way. */
bool policy_next(struct core *c, struct decision *d);

/* How many attempts a lease should have in its queue now, the running one included: 0 when it is
 * to drain and close. */
uint64_t policy_queue_target(const struct core *c, const struct lease *l);

/* Keeps a machine free for the best claim that has waited too long for room. */
void policy_consider_debt(struct core *c);

#endif
