/* What a flow came to: verdicts, metrics, gates, failures by signature, logs. */
#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include "cli/columns.h"
#include "cli/flow.h"
#include "cli/session.h"

/* Asks for every job of the plan and makes the report: {"flow", "verdict", "passed", "failed",
 * "jobs": [...]}. Caller owns it; NULL on errors. Blocks. */
json_t *run_report_make(struct net_client *s, const struct flow *f, const struct flow_plan *plan,
                        const uint64_t *numbers, struct cq_err *err) CQ_MUST_CHECK;

/* One job's part, from a JOB answer. Caller owns it. */
json_t *run_report_job(const struct msg_job *m, bool is_stage);

/* The lines of one job that did not pass: kinds of failure, or why it was not run. */
void run_report_failures(const json_t *job, struct cq_str *out);

void run_report_print(const struct cli *c, const json_t *report);

#endif
