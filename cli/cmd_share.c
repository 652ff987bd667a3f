/* chipq share: the share tree, what is due to whom and what each got. */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/pages.h"
#include "cli/tree_rows.h"

#include <math.h>

static const struct column columns[] = {
    {"name", "NAME", COLUMN_TEXT, true},
    {"path", "PATH", COLUMN_TEXT, false},
    {"kind", "KIND", COLUMN_TEXT, false},
    {"weight", "WEIGHT", COLUMN_NUMBER, true},
    {"usage_core_hours", "CORE-HOURS", COLUMN_NUMBER, true},
    {"due_percent", "DUE %", COLUMN_NUMBER, true},
    {"got_percent", "GOT %", COLUMN_NUMBER, true},
    {"cores_used", "CORES", COLUMN_NUMBER, true},
    {"tasks_running", "RUNNING", COLUMN_NUMBER, true},
    {"tasks_waiting", "WAITING", COLUMN_NUMBER, true},
    {"limit", "AT LIMIT", COLUMN_TEXT, true},
    {0},
};

/* Parts of a million become what people and programs expect. */
static void convert(json_t *row)
{
    double hours = (double)json_integer_value(json_object_get(row, "usage_core_ms")) / 3.6e6;
    double weight = tree_rows_ppm(row, "weight_ppm");
    double due = tree_rows_ppm(row, "due_ppm"), got = tree_rows_ppm(row, "got_ppm");
    json_object_del(row, "usage_core_ms");
    json_object_set_new(row, "weight", json_real(weight));
    json_object_set_new(row, "usage_core_hours", json_real(round(hours * 1000) / 1000));
    json_object_set_new(row, "due", json_real(due));
    json_object_set_new(row, "got", json_real(got));
    json_object_set_new(row, "due_percent", json_real(tree_rows_percent(due)));
    json_object_set_new(row, "got_percent", json_real(tree_rows_percent(got)));
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct all_opts *o = opts;
    if (columns_check(c, columns, err) != 0)
        return -1;
    json_t *rows = pages_fetch(c, o->all ? AS_ADMIN : AS_USER, &pager_shares, err);
    if (rows == NULL)
        return -1;
    int rc = tree_rows_keep(rows, n_args ? args[0] : NULL, err);
    for (size_t i = 0; i < json_array_size(rows); i++)
        convert(json_array_get(rows, i));
    tree_rows_name(c, rows);
    if (rc == 0)
        rc = columns_print(c, "shares", rows, columns, err);
    json_decref(rows);
    return rc;
}

const struct command cmd_share = {
    .name = "share",
    .args = "[ENTERPRISE[/PROJECT[/USER]]]",
    .summary = "Show the share tree: weight, use, share due and share got",
    .text = "CORE-HOURS is recent use: it halves every day. DUE is the weighted part of the pool\n"
            "among those that want something now, GOT what is held now. Who has less than is due\n"
            "is served first. AT LIMIT names a limit of it that holds more back: then it can have "
            "less\n"
            "than is due (chipq quota). Without --all you see your own enterprise.",
    .examples = "chipq share\nchipq share acme/uart\nchipq share --all\nchipq share --json",
    .options = all_options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1,
    .opts_bytes = sizeof(struct all_opts),
    .set = all_options_set,
    .run = run,
};
