/* Rows of jobs that are asked for by number, or by the flow they belong to. */
#ifndef JOB_ROWS_H
#define JOB_ROWS_H

#include "cli/job_ref.h"
#include "cli/session.h"

#include <jansson.h>

#define JOB_ROWS_MAX 1000

/* The newest row of each job, as JSON, in the order of `jobs`; jobs that are not there (or not to
 * be seen) are left out. At most JOB_ROWS_MAX, all of one enterprise: CQ_E_INVALID else. Caller
 * owns the array; NULL on errors. Blocks. */
json_t *job_rows_ask(struct net_client *s, const struct job_name *jobs, size_t n,
                     struct cq_err *err) CQ_MUST_CHECK;

/* Rows of the live jobs of flows called `flow`, the newest first. CQ_E_NOT_FOUND when there are
 * none. */
json_t *job_rows_of_flow(struct net_client *s, const char *flow, struct cq_err *err) CQ_MUST_CHECK;

/* The row with this number, borrowed; NULL when it is not among them. */
json_t *job_rows_find(const json_t *rows, uint64_t number);

#endif
