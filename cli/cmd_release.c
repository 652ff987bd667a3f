/* chipq release: let held jobs start. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts;
    return job_action_run(c, JOB_ACTION_RELEASE, n_args, args, err);
}

const struct command cmd_release = {
    .name = "release",
    .args = "JOB...",
    .summary = "Let held jobs start",
    .text = "Undoes chipq hold and chipq submit --hold.",
    .examples = "chipq release 12",
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 1000,
    .run = run,
};
