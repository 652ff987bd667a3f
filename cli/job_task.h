/* One task of a job, as in 1207[3]: does the job have it, how did its attempts end? */
#ifndef JOB_TASK_H
#define JOB_TASK_H

#include "cli/job_ref.h"
#include "cli/session.h"

/* For a task that no row tells of: it has not started, or it is none of the job's, then
 * CQ_E_NOT_FOUND says so. CQ_E_DENIED: who asks is told nothing of tasks. */
int job_task_check(struct net_client *s, const struct job_name *name, uint64_t task,
                   struct cq_err *err) CQ_MUST_CHECK;

/* How an attempt ended, in words: "exit 3", "signal 9", "time limit"; "" while it goes on. `size`:
 * 320 bytes hold all. */
const char *job_task_how(const struct task_row *t, char *buf, size_t size);

#endif
