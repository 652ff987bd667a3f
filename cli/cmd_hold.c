/* chipq hold: keep jobs from starting. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    return job_action_run(c, JOB_ACTION_HOLD, opts, n_args, args, err);
}

const struct command cmd_hold = {
    .name = "hold",
    .args = "JOB...|--flow NAME",
    .summary = "Keep waiting jobs from starting",
    .text = "What runs already goes on.",
    .examples = "chipq hold 12\nchipq hold 12-14 20\nchipq hold --flow nightly",
    .options = job_action_options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1000,
    .opts_bytes = sizeof(struct job_action_opts),
    .set = job_action_set,
    .run = run,
};
