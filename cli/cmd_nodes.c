/* chipq nodes: the machines of the pool. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

static const struct column columns[] = {
    {"name", "NODE", COLUMN_TEXT, true},
    {"state", "STATE", COLUMN_STATE, true},
    {"cores", "CORES", COLUMN_NUMBER, true},
    {"cores_used", "USED", COLUMN_NUMBER, true},
    {"mem_mib", "MEM", COLUMN_SIZE_MIB, true},
    {"mem_used_mib", "MEM USED", COLUMN_SIZE_MIB, true},
    {"leases", "LEASES", COLUMN_NUMBER, true},
    {"busy", "BUSY", COLUMN_LIST, true},
    {"features", "FEATURES", COLUMN_LIST, false},
    {"topology", "TOPOLOGY", COLUMN_TEXT, false},
    {"last_seen_us", "LAST SEEN", COLUMN_WALL, false},
    {0},
};

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct msg ask = {.code = MSG_NODES_QUERY}, reply = {0};
    (void)opts, (void)n_args, (void)args;
    if (columns_check(c, columns, err) != 0)
        return -1;
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? session_call(s, &ask, MSG_NODES, &reply, err) : -1;
    if (rc == 0) {
        json_t *rows = json_array();
        for (size_t i = 0; i < reply.u.nodes.n_nodes; i++)
            json_array_append_new(rows, json_of_node_row(&reply.u.nodes.nodes[i]));
        msg_fini(&reply);
        rc = columns_print(c, "nodes", rows, columns, err);
        json_decref(rows);
    }
    net_client_close(s);
    return rc;
}

const struct command cmd_nodes = {
    .name = "nodes",
    .args = "",
    .summary = "List the machines of the pool",
    .examples = "chipq nodes\nchipq nodes --format name,state,features\nchipq nodes --json",
    .flags = COMMAND_HAS_ROWS,
    .run = run,
};
