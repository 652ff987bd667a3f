/* chipq status: the scheduler at a glance. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <inttypes.h>

static void print_status(const struct msg_status *st, const struct msg_welcome *w)
{
    char uptime[32];
    printf("scheduler  %s, pid %" PRIu64 ", up %s, epoch %" PRIu64 "\n", w->server, w->pid,
           format_time_us((int64_t)st->uptime_us, uptime, sizeof uptime), st->epoch);
    printf("you        %s/%s (%s)\n", w->enterprise, w->user, w->role);
    printf("workers    %" PRIu64 " up, %" PRIu64 " of %" PRIu64 " cores in use\n", st->workers_up,
           st->cores_used, st->cores);
    bool is_all = strcmp(w->role, "platform") == 0;
    printf("jobs       %" PRIu64 " running, %" PRIu64 " waiting%s%s\n", st->jobs_running,
           st->jobs_waiting, is_all ? ", of all" : ", of ", is_all ? "" : w->enterprise);
    printf("tasks      %" PRIu64 " running, %" PRIu64 " waiting\n", st->tasks_running,
           st->tasks_waiting);
    if (st->disk && *st->disk && strcmp(st->disk, "fine") != 0)
        printf("disk       %" PRIu64 " MiB free on %s: submits are refused%s until %" PRIu64
               " MiB are free\n",
               st->disk_free_mib, st->disk_mount,
               strcmp(st->disk, "low") == 0 ? "" : " and nothing starts", st->disk_needed_mib);
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct msg ask = {.code = MSG_STATUS_QUERY}, reply = {0};
    (void)opts, (void)n_args, (void)args;
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? session_call(s, &ask, MSG_STATUS, &reply, err) : -1;
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *object = json_of_msg_status(&reply.u.status);
        json_object_update_new(object, json_of_msg_welcome(net_client_welcome(s)));
        json_print(c, object);
        json_decref(object);
    } else if (rc == 0) {
        print_status(&reply.u.status, net_client_welcome(s));
    }
    msg_fini(&reply);
    net_client_close(s);
    return rc;
}

const struct command cmd_status = {
    .name = "status",
    .args = "",
    .summary = "Show the scheduler at a glance",
    .examples = "chipq status\nchipq status --json",
    .run = run,
};
