/* chipq down: ends the local instance. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/instance.h"

#include <unistd.h>

enum { STOP_US = 10 * 1000 * 1000 };

/* Worker side first, so that chipqd hears of the ends. */
static const char *const roles[] = {"execd", "worker", "chipqd"};

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    static const char *const words[] = {"not running", "ended", "killed"};
    (void)opts, (void)n_args, (void)args;
    const char *dir = cli_dir(c, err);
    if (dir == NULL)
        return -1;
    int lock = instance_lock(dir);
    json_t *report = json_object();
    int rc = 0, ran = 0;
    for (size_t i = 0; i < CQ_COUNT(roles) && rc == 0; i++) {
        enum instance_stopped how = INSTANCE_NOT_RUNNING;
        rc = instance_stop(dir, roles[i], STOP_US, &how, err);
        ran += how != INSTANCE_NOT_RUNNING;
        json_object_set_new(report, roles[i], json_string(words[how]));
        if (how == INSTANCE_KILLED)
            cli_talk("%s did not end within 10 s and was killed", roles[i]);
    }
    if (rc == 0 && c->output == CLI_JSON)
        json_print(c, report);
    else if (rc == 0)
        cli_talk(ran ? "the pool in %s is down; unfinished jobs start again at the next chipq up"
                     : "no pool runs in %s",
                 dir);
    json_decref(report);
    if (lock >= 0)
        close(lock);
    return rc;
}

const struct command cmd_down = {
    .name = "down",
    .args = "",
    .summary = "Stop the local scheduler and worker",
    .text =
        "Running jobs are stopped and queued again: they start over at the next chipq up. Nothing\n"
        "is lost. Done when both are gone; it is no error when nothing runs.",
    .examples = "chipq down\nchipq --dir /tmp/try down",
    .run = run,
};
