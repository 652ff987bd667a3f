/* cancel, hold, release, requeue: one message, one report. */
#ifndef JOB_ACTION_H
#define JOB_ACTION_H

#include "cli/cli.h"

enum job_action { JOB_ACTION_CANCEL, JOB_ACTION_HOLD, JOB_ACTION_RELEASE, JOB_ACTION_REQUEUE };

/* Does `action` to the jobs named in `args`. Returns 0, or -1 with the first job's error when any
 * was refused; what became of each is printed. */
int job_action_run(struct cli *c, enum job_action action, size_t n_args, char **args,
                   struct cq_err *err);

#endif
