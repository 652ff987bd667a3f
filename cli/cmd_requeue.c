/* chipq requeue: call running jobs back. */
#include "cli/commands.h"
#include "cli/job_action.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts;
    return job_action_run(c, JOB_ACTION_REQUEUE, NULL, n_args, args, err);
}

const struct command cmd_requeue = {
    .name = "requeue",
    .args = "JOB...",
    .summary = "Call running jobs, or tasks of an array, back and start them again",
    .text = "The running attempt is stopped, and the job waits for its next start under the same\n"
            "number. A job that is over is not started again: submit it once more.",
    .examples = "chipq requeue 12\nchipq requeue 12[3,17]",
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 1000,
    .run = run,
};
