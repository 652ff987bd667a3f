/* Finds the jobs of a flow that was submitted before, to follow it once more. */
#ifndef RUN_ATTACH_H
#define RUN_ATTACH_H

#include "cli/flow.h"
#include "cli/session.h"

/* The newest flow called `what`, or the one that job number `what` is part of. Of `f` only the name
 * is filled, of each planned job its name and whether it is a last stage: what the live view and
 * the report read. Release `f` with flow_fini, the rest with run_attach_fini, also on errors.
 * CQ_E_NOT_FOUND when there is no such flow; CQ_E_INVALID for a job of no flow. Blocks. */
int run_attach(struct net_client *s, const char *what, struct flow *f, struct flow_plan *plan,
               uint64_t **numbers, struct cq_err *err) CQ_MUST_CHECK;
void run_attach_fini(struct flow_plan *plan, uint64_t **numbers);

/* From rows of jobs of one flow name, the newest first: those that were submitted together with
 * the job `number` (0 = the newest), by number. They all have the same time of submission, since
 * a flow is one request. Caller owns. */
json_t *run_attach_choose(const json_t *rows, uint64_t number);

#endif
