/* chipq requeue: run jobs once more. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts;
    return job_action_run(c, JOB_ACTION_REQUEUE, n_args, args, err);
}

const struct command cmd_requeue = {
    .name = "requeue",
    .args = "JOB...",
    .summary = "Run jobs, or tasks of an array, once more",
    .text = "For jobs that have ended without a pass, or run.",
    .examples = "chipq requeue 12\nchipq requeue 12[3,17]",
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 1000,
    .run = run,
};
