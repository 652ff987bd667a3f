/* chipq node: take a machine out of service, and back. */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/session.h"

static int send_action(struct cli *c, const char *node, uint64_t action, struct cq_err *err)
{
    struct msg ask = {.code = MSG_NODE_ACTION}, reply = {0};
    ask.u.node_action = (struct msg_node_action){.node = node, .action = action};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? session_call(s, &ask, MSG_OK, &reply, err) : -1;
    if (rc == 0)
        msg_fini(&reply);
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *o = json_pack("{s:s, s:b}", "node", node, "drains", action == 0);
        json_print(c, o);
        json_decref(o);
    }
    net_client_close(s);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    static const char *const actions[] = {"drain", "resume", NULL};
    (void)opts, (void)n_args;
    for (uint64_t i = 0; actions[i]; i++)
        if (strcmp(actions[i], args[0]) == 0)
            return send_action(c, args[1], i, err);
    const char *meant = cq_closest(args[0], actions);
    return cq_fail(err, CQ_E_INVALID, "node: no action '%s'; did you mean '%s'?", args[0],
                   meant ? meant : "drain' or 'resume");
}

const struct command cmd_node = {
    .name = "node",
    .args = "drain|resume NAME",
    .summary = "Take a machine out of service, or back",
    .text = "A draining machine gets no new jobs; what runs there goes on. Needs the admin key.",
    .examples = "chipq node drain farm3\nchipq node resume farm3",
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
