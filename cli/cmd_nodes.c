/* chipq nodes: the machines of the pool. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/machine_draw.h"
#include "cli/node_pages.h"
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
    {"offline", "OFFLINE", COLUMN_TEXT, false},
    {"gpus", "GPUS", COLUMN_LIST, false},
    {"features", "FEATURES", COLUMN_LIST, false},
    {"topology", "TOPOLOGY", COLUMN_TEXT, false},
    {"drain_why", "DRAINED FOR", COLUMN_TEXT, false},
    {"last_seen_us", "LAST SEEN", COLUMN_WALL, false},
    {0},
};

static const struct argp_option options[] = {
    {"topology", 't', NULL, 0, "draw packages, NUMA nodes and cores, with who is on them", 0},
    {0},
};

struct opts {
    bool draws;
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    (void)key, (void)arg, (void)err;
    ((struct opts *)p)->draws = true;
    return 0;
}

static int check(const struct cli *c, const struct opts *o, struct cq_err *err)
{
    if (o->draws && c->output != CLI_TABLE && c->output != CLI_JSON)
        return cq_fail(err, CQ_E_INVALID, "nodes: --topology draws, or takes --json");
    return columns_check(c, columns, err);
}

static void add_rows(void *rows, const struct msg_nodes *m)
{
    for (size_t i = 0; i < m->n_nodes; i++) {
        json_t *row = json_of_node_row(&m->nodes[i]);
        json_object_set_new(row, "gpus", machine_gpus(m->nodes[i].topology));
        json_array_append_new(rows, row);
    }
}

static void draw_all(void *text, const struct msg_nodes *m)
{
    struct cq_str *out = text;
    for (size_t i = 0; i < m->n_nodes; i++) {
        if (out->len > 0)
            cq_str_add_char(out, '\n');
        machine_draw(&m->nodes[i], out);
    }
}

static void add_machines(void *list, const struct msg_nodes *m)
{
    for (size_t i = 0; i < m->n_nodes; i++)
        json_array_append_new(list, machine_json(&m->nodes[i]));
}

static int print_rows(const struct cli *c, struct net_client *s, struct cq_err *err)
{
    json_t *rows = json_array();
    int rc = nodes_fetch(s, add_rows, rows, err);
    if (rc == 0)
        rc = columns_print(c, "nodes", rows, columns, err);
    json_decref(rows);
    return rc;
}

static int print_drawing(struct net_client *s, struct cq_err *err)
{
    struct cq_str out CQ_CLEANUP(cq_str_fini) = {0};
    int rc = nodes_fetch(s, draw_all, &out, err);
    if (rc == 0)
        (void)fputs(cq_str_text(&out), stdout);
    return rc;
}

static int print_machines(const struct cli *c, struct net_client *s, struct cq_err *err)
{
    json_t *list = json_array();
    int rc = nodes_fetch(s, add_machines, list, err);
    json_t *all = json_pack("{s:o}", "nodes", list);
    if (rc == 0)
        json_print(c, all);
    json_decref(all);
    return rc;
}

static int run(struct cli *c, void *p, size_t n_args, char **args, struct cq_err *err)
{
    const struct opts *o = p;
    (void)n_args, (void)args;
    if (check(c, o, err) != 0)
        return -1;
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? 0 : -1;
    if (rc == 0 && !o->draws)
        rc = print_rows(c, s, err);
    else if (rc == 0 && c->output == CLI_JSON)
        rc = print_machines(c, s, err);
    else if (rc == 0)
        rc = print_drawing(s, err);
    net_client_close(s);
    return rc;
}

const struct command cmd_nodes = {
    .name = "nodes",
    .args = "",
    .summary = "List the machines of the pool",
    .text = "With --topology each machine is drawn: a core shows the number of your job\n"
            "on it, \"busy\" for others' jobs, \".\" when it is idle, \"off\" when it is\n"
            "offline, \"sys\" when it is kept for the system and jobs never get it;\n"
            " \"|\" stands between cores that share no L3 cache. Beside each NUMA\n"
            "node stands its memory, used and all; behind a row the kind of its cores,\n"
            "where a machine has several (performance, efficiency). GPUs follow, with the NUMA "
            "node that\n"
            "each is near; --node-has gpu, gpu-nvidia or 'gpu>=2' sends a job to one.",
    .examples = "chipq nodes\nchipq nodes --topology\nchipq nodes --format name,gpus,features\n"
                "chipq nodes --json",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
