/* chipq hold: keep jobs from starting. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts;
    return job_action_run(c, JOB_ACTION_HOLD, n_args, args, err);
}

const struct command cmd_hold = {
    .name = "hold",
    .args = "JOB...",
    .summary = "Keep waiting jobs from starting",
    .text = "What runs already goes on.",
    .examples = "chipq hold 12\nchipq hold 12 13",
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 1000,
    .run = run,
};
