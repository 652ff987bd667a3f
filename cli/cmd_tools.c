/* chipq tools: what the pool's plugins can do: parameters, metrics, outputs, an example. */
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

static const struct column metric_columns[] = {
    {"task", "TASK", COLUMN_TEXT, true}, {"name", "METRIC", COLUMN_TEXT, true},
    {"unit", "UNIT", COLUMN_TEXT, true}, {"stage", "STAGE", COLUMN_TEXT, false},
    {"help", "WHAT", COLUMN_TEXT, true}, {0},
};

static const struct column output_columns[] = {
    {"task", "TASK", COLUMN_TEXT, true},
    {"path", "OUTPUT", COLUMN_TEXT, true},
    {"help", "WHAT", COLUMN_TEXT, true},
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

/* What one task has, in the four parts of the answer. */
struct parts {
    json_t *params, *metrics, *outputs, *examples;
};

static void add_rows(json_t *rows, const char *task, const json_t *entries)
{
    json_t *entry;
    size_t i;
    json_array_foreach((json_t *)entries, i, entry)
    {
        if (!json_is_object(entry))
            continue;
        json_t *row = json_copy(entry), *fallback = json_object_get(entry, "default");
        json_object_set_new(row, "task", json_text(task));
        if (fallback && !json_is_string(fallback)) {
            CQ_CLEANUP(cq_free_ptr)
            char *text = json_is_null(fallback)
                             ? NULL
                             : json_dumps(fallback, JSON_ENCODE_ANY | JSON_COMPACT);
            json_object_set_new(row, "default", json_text(text));
        }
        json_array_append_new(rows, row);
    }
}

static void add_task(struct parts *p, const json_t *tool, const json_t *task)
{
    struct cq_str name = {0};
    cq_str_printf(&name, "%s.%s", row_text(tool, "name"), row_text(task, "name"));
    add_rows(p->params, cq_str_text(&name), json_object_get(task, "params"));
    add_rows(p->metrics, cq_str_text(&name), json_object_get(task, "metrics"));
    add_rows(p->outputs, cq_str_text(&name), json_object_get(task, "outputs"));
    if (*row_text(task, "example"))
        json_array_append_new(p->examples, json_text(row_text(task, "example")));
    cq_str_fini(&name);
}

/* "TOOL" and "TOOL.TASK" of all that there are; the closest one is what was meant. */
static int fail_unknown(const json_t *tools, const char *wanted, struct cq_err *err)
{
    json_t *all = json_array(), *tool, *task;
    size_t i, k;
    json_array_foreach((json_t *)tools, i, tool)
    {
        json_array_append(all, json_object_get(tool, "name"));
        json_array_foreach(json_object_get(tool, "tasks"), k, task) json_array_append_new(
            all, json_sprintf("%s.%s", row_text(tool, "name"), row_text(task, "name")));
    }
    size_t n = json_array_size(all);
    CQ_CLEANUP(cq_free_ptr) const char **names = cq_calloc(n + 1, sizeof *names);
    for (i = 0; i < n; i++)
        names[i] = json_string_value(json_array_get(all, i));
    const char *meant = cq_closest(wanted, names);
    cq_fail(err, CQ_E_NOT_FOUND, "no tool '%s' in this pool%s%s%s", wanted,
            meant ? "; did you mean '" : "; see: chipq tools", meant ? meant : "",
            meant ? "'?" : "");
    json_decref(all);
    return -1;
}

/* Everything about "TOOL" or "TOOL.TASK". */
static int collect_tasks(const json_t *tools, const char *wanted, struct parts *p,
                         struct cq_err *err)
{
    size_t len = strcspn(wanted, "."), n_found = 0, i, k;
    json_t *tool, *task;
    json_array_foreach((json_t *)tools, i, tool)
    {
        const char *name = row_text(tool, "name");
        if (strncmp(name, wanted, len) != 0 || name[len] != '\0')
            continue;
        json_array_foreach(json_object_get(tool, "tasks"), k, task)
        {
            if (wanted[len] && strcmp(wanted + len + 1, row_text(task, "name")) != 0)
                continue;
            add_task(p, tool, task);
            n_found++;
        }
    }
    return n_found ? 0 : fail_unknown(tools, wanted, err);
}

static int print_part(const struct cli *c, const char *name, json_t *rows,
                      const struct column *columns, struct cq_err *err)
{
    if (json_array_size(rows) == 0)
        return 0;
    (void)fputc('\n', stdout);
    return columns_print(c, name, rows, columns, err);
}

/* The examples as a flow has them: below `jobs:`. */
static void print_examples(const json_t *examples)
{
    json_t *example;
    size_t i;
    if (json_array_size(examples))
        (void)fputs("\nEXAMPLE\njobs:\n", stdout);
    json_array_foreach((json_t *)examples, i, example)
    {
        for (const char *line = json_string_value(example); *line;) {
            size_t len = strcspn(line, "\n");
            CQ_CLEANUP(cq_free_ptr) char *one = cq_strndup(line, len);
            CQ_CLEANUP(cq_free_ptr) char *harmless = cli_printable(one);
            (void)printf("  %s\n", harmless);
            line += len + (line[len] != '\0');
        }
    }
}

/* For people all parts; as one JSON object all parts too; rows of programs are the parameters. */
static int print_parts(struct cli *c, const struct parts *p, struct cq_err *err)
{
    if (c->output == CLI_JSON) {
        json_t *all = json_pack("{s:O, s:O, s:O, s:O}", "params", p->params, "metrics", p->metrics,
                                "outputs", p->outputs, "examples", p->examples);
        json_print(c, all);
        json_decref(all);
        return 0;
    }
    if (columns_print(c, "params", p->params, param_columns, err) != 0)
        return -1;
    if (c->output != CLI_TABLE)
        return 0;
    if (print_part(c, "metrics", p->metrics, metric_columns, err) != 0
        || print_part(c, "outputs", p->outputs, output_columns, err) != 0)
        return -1;
    print_examples(p->examples);
    return 0;
}

static int print_tasks(struct cli *c, const json_t *tools, const char *wanted, struct cq_err *err)
{
    struct parts p = {json_array(), json_array(), json_array(), json_array()};
    int rc = collect_tasks(tools, wanted, &p, err);
    if (rc == 0)
        rc = print_parts(c, &p, err);
    json_decref(p.params);
    json_decref(p.metrics);
    json_decref(p.outputs);
    json_decref(p.examples);
    return rc;
}

static int print_tools(struct cli *c, const struct msg_tools *m, const char *wanted,
                       struct cq_err *err)
{
    json_t *tools = json_array();
    for (size_t i = 0; i < m->n_tools; i++) {
        json_t *describe = json_loads(m->tools[i].describe, 0, NULL);
        if (describe)
            json_array_append_new(tools, tool_row_of(describe));
        json_decref(describe);
    }
    int rc = wanted ? print_tasks(c, tools, wanted, err)
                    : columns_print(c, "tools", tools, tool_columns, err);
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
    .summary = "List the pool's tools, or what a tool's tasks take and give, with an example",
    .examples = "chipq tools\nchipq tools yosys.synth\nchipq tools --json",
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1,
    .run = run,
};
