/* chipq cancel: stop jobs. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    return job_action_run(c, JOB_ACTION_CANCEL, opts, n_args, args, err);
}

const struct command cmd_cancel = {
    .name = "cancel",
    .args = "JOB...|--flow NAME",
    .summary = "Stop jobs, or tasks of an array",
    .text = "Running tasks get TERM, and KILL after their grace; every process of theirs ends.",
    .examples = "chipq cancel 12\nchipq cancel 12[3-7] 13-15\nchipq cancel --flow uart-signoff",
    .options = job_action_options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1000,
    .opts_bytes = sizeof(struct job_action_opts),
    .set = job_action_set,
    .run = run,
};
