/* chipq release: let held jobs start. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    return job_action_run(c, JOB_ACTION_RELEASE, opts, n_args, args, err);
}

const struct command cmd_release = {
    .name = "release",
    .args = "JOB...|--flow NAME",
    .summary = "Let held jobs start",
    .text = "Undoes chipq hold and chipq submit --hold.",
    .examples = "chipq release 12\nchipq release --flow nightly",
    .options = job_action_options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1000,
    .opts_bytes = sizeof(struct job_action_opts),
    .set = job_action_set,
    .run = run,
};
