/* chipq cancel: stop jobs. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts;
    return job_action_run(c, JOB_ACTION_CANCEL, n_args, args, err);
}

const struct command cmd_cancel = {
    .name = "cancel",
    .args = "JOB...",
    .summary = "Stop jobs, or tasks of an array",
    .text = "Running tasks get TERM, and KILL after their grace; every process of theirs ends.",
    .examples = "chipq cancel 12\nchipq cancel 12[3-7] 13",
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 1000,
    .run = run,
};
