/* chipq tools: what the pool's plugins can do, with their parameters. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/to_json.h"

static const struct column tool_columns[] = {
    {"name", "TOOL", COLUMN_TEXT, true},        {"version", "VERSION", COLUMN_TEXT, true},
    {"found", "FOUND", COLUMN_TEXT, true},      {"task_names", "TASKS", COLUMN_LIST, true},
    {"summary", "SUMMARY", COLUMN_TEXT, true},  {"binary", "BINARY", COLUMN_TEXT, false},
    {"package", "PACKAGE", COLUMN_TEXT, false}, {0},
};

static const struct column param_columns[] = {
    {"task", "TASK", COLUMN_TEXT, true},
    {"name", "KEY", COLUMN_TEXT, true},
    {"type", "TYPE", COLUMN_TEXT, true},
    {"required", "REQUIRED", COLUMN_TEXT, true},
    {"default", "DEFAULT", COLUMN_TEXT, true},
    {"help", "WHAT", COLUMN_TEXT, true},
    {"min", "MIN", COLUMN_NUMBER, false},
    {"max", "MAX", COLUMN_NUMBER, false},
    {0},
};

static json_t *tool_row_of(const json_t *describe)
{
    json_t *row = json_deep_copy(describe), *names = json_array(), *task;
    const json_t *binary = json_object_get(describe, "tool");
    size_t i;
    json_array_foreach(json_object_get(describe, "tasks"), i, task)
        json_array_append_new(names, json_text(row_text(task, "name")));
    json_object_set_new(row, "task_names", names);
    json_object_set_new(row, "version", json_text(row_text(binary, "version")));
    json_object_set_new(row, "found", json_boolean(json_is_true(json_object_get(binary, "found"))));
    json_object_set_new(row, "binary", json_text(row_text(binary, "binary")));
    json_object_set_new(row, "package", json_text(row_text(binary, "package")));
    return row;
}

static void add_params(json_t *rows, const json_t *tool, const json_t *task)
{
    json_t *param;
    size_t i;
    json_array_foreach(json_object_get(task, "params"), i, param)
    {
        struct cq_str name = {0};
        cq_str_printf(&name, "%s.%s", row_text(tool, "name"), row_text(task, "name"));
        json_t *row = json_copy(param), *fallback = json_object_get(param, "default");
        json_object_set_new(row, "task", json_text(cq_str_text(&name)));
        if (fallback && !json_is_string(fallback)) {
            CQ_CLEANUP(cq_free_ptr)
            char *text = json_is_null(fallback)
                             ? NULL
                             : json_dumps(fallback, JSON_ENCODE_ANY | JSON_COMPACT);
            json_object_set_new(row, "default", json_text(text));
        }
        json_array_append_new(rows, row);
        cq_str_fini(&name);
    }
}

/* Parameters of "TOOL" or "TOOL.TASK". */
static int collect_params(const json_t *tools, const char *wanted, json_t *rows, struct cq_err *err)
{
    size_t len = strcspn(wanted, "."), i, k;
    json_t *tool, *task;
    json_array_foreach((json_t *)tools, i, tool)
    {
        const char *name = row_text(tool, "name");
        if (strncmp(name, wanted, len) != 0 || name[len] != '\0')
            continue;
        json_array_foreach(json_object_get(tool, "tasks"), k,
                           task) if (wanted[len] == '\0'
                                     || strcmp(wanted + len + 1, row_text(task, "name")) == 0)
            add_params(rows, tool, task);
    }
    return json_array_size(rows)
               ? 0
               : cq_fail(err, CQ_E_NOT_FOUND, "no tool '%s' in this pool", wanted);
}

static int print_tools(struct cli *c, const struct msg_tools *m, const char *wanted,
                       struct cq_err *err)
{
    json_t *tools = json_array(), *rows = json_array();
    for (size_t i = 0; i < m->n_tools; i++) {
        json_t *describe = json_loads(m->tools[i].describe, 0, NULL);
        if (describe)
            json_array_append_new(tools, tool_row_of(describe));
        json_decref(describe);
    }
    int rc = wanted ? collect_params(tools, wanted, rows, err) : 0;
    if (rc == 0 && wanted)
        rc = columns_print(c, "params", rows, param_columns, err);
    else if (rc == 0)
        rc = columns_print(c, "tools", tools, tool_columns, err);
    json_decref(rows);
    json_decref(tools);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct msg ask = {.code = MSG_TOOLS_QUERY}, reply = {0};
    (void)opts;
    if (columns_check(c, n_args ? param_columns : tool_columns, err) != 0)
        return -1;
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? session_call(s, &ask, MSG_TOOLS, &reply, err) : -1;
    if (rc == 0) {
        rc = print_tools(c, &reply.u.tools, n_args ? args[0] : NULL, err);
        msg_fini(&reply);
    }
    net_client_close(s);
    return rc;
}

const struct command cmd_tools = {
    .name = "tools",
    .args = "[TOOL[.TASK]]",
    .summary = "List the pool's tools, or the keys that a tool's tasks take in a flow",
    .examples = "chipq tools\nchipq tools verilator.sim\nchipq tools --json",
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1,
    .run = run,
};
