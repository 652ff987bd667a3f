/* chipq node: take a machine out of service, and back. */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/session.h"

enum { DRAIN, RESUME, REASON_MAX_BYTES = 127 };

struct opts {
    const char *reason; /* of a drain; NULL: none given */
};

static const struct argp_option options[] = {
    {"reason", 'r', "TEXT", 0, "why it is drained; chipq why tells it to those who wait", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    (void)key;
    if (strlen(arg) > REASON_MAX_BYTES)
        return cq_fail(err, CQ_E_INVALID, "node: --reason has more than %d bytes",
                       REASON_MAX_BYTES);
    ((struct opts *)p)->reason = arg;
    return 0;
}

static int send_action(struct cli *c, const struct msg_node_action *action, struct cq_err *err)
{
    struct msg ask = {.code = MSG_NODE_ACTION, .u.node_action = *action}, reply = {0};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? session_call(s, &ask, MSG_OK, &reply, err) : -1;
    if (rc == 0)
        msg_fini(&reply);
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *o =
            json_pack("{s:s, s:b}", "node", action->node, "drains", action->action == DRAIN);
        json_print(c, o);
        json_decref(o);
    }
    net_client_close(s);
    return rc;
}

static int run(struct cli *c, void *p, size_t n_args, char **args, struct cq_err *err)
{
    static const char *const actions[] = {"drain", "resume", NULL};
    const char *reason = ((const struct opts *)p)->reason;
    (void)n_args;
    for (uint64_t i = 0; actions[i]; i++) {
        if (strcmp(actions[i], args[0]) != 0)
            continue;
        if (i == RESUME && reason)
            return cq_fail(err, CQ_E_INVALID, "node: --reason goes with drain only");
        return send_action(
            c, &(struct msg_node_action){.node = args[1], .action = i, .why = reason ? reason : ""},
            err);
    }
    const char *meant = cq_closest(args[0], actions);
    return cq_fail(err, CQ_E_INVALID, "node: no action '%s'; did you mean '%s'?", args[0],
                   meant ? meant : "drain' or 'resume");
}

const struct command cmd_node = {
    .name = "node",
    .args = "drain|resume NAME",
    .summary = "Take a machine out of service, or back",
    .text = "A draining machine gets no new jobs; what runs there goes on. Jobs that wait for it\n"
            "are told so, with the reason. Needs the admin key.",
    .examples = "chipq node drain farm3 --reason 'new disk, back at 14:00'\n"
                "chipq node resume farm3",
    .options = options,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
