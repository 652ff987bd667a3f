/* chipq quota: each limit, and what is used of it. */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/pages.h"
#include "cli/tree_rows.h"

enum { BAR_CHARS = 20 };

#define COLUMNS(shows_bar)                                                                    \
    {                                                                                         \
        {"path", "NAME", COLUMN_TEXT, true}, {"kind", "KIND", COLUMN_TEXT, false},            \
            {"key", "LIMIT", COLUMN_TEXT, true}, {"limit", "SET TO", COLUMN_TEXT, true},      \
            {"used", "USED", COLUMN_TEXT, true}, {"percent", "USED %", COLUMN_NUMBER, true},  \
            {"bar", "", COLUMN_TEXT, shows_bar}, {"state", "STATE", COLUMN_STATE, true}, {0}, \
    }
static const struct column columns[] = COLUMNS(false), terminal_columns[] = COLUMNS(true);

static void add_bar(json_t *row, double part)
{
    char bar[BAR_CHARS + 1];
    size_t full = part >= 1 ? BAR_CHARS : part <= 0 ? 0 : (size_t)(part * BAR_CHARS);
    memset(bar, '.', BAR_CHARS);
    memset(bar, '#', full);
    bar[BAR_CHARS] = '\0';
    json_object_set_new(row, "bar", json_string(bar));
}

static void convert(const struct cli *c, json_t *row)
{
    double part = tree_rows_ppm(row, "fraction_ppm");
    bool is_counted = *json_string_value(json_object_get(row, "used")) != '\0';
    bool is_reached = json_is_true(json_object_get(row, "is_reached"));
    if (is_counted) {
        json_object_set_new(row, "percent", json_real(tree_rows_percent(part)));
        if (c->output == CLI_TABLE)
            add_bar(row, part);
    }
    json_object_set_new(row, "state", json_string(is_reached ? "reached" : ""));
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct all_opts *o = opts;
    const struct column *chosen = c->stdout_is_tty ? terminal_columns : columns;
    if (columns_check(c, chosen, err) != 0)
        return -1;
    json_t *rows = pages_fetch(c, o->all ? AS_ADMIN : AS_USER, &pager_quotas, err);
    if (rows == NULL)
        return -1;
    int rc = tree_rows_keep(rows, n_args ? args[0] : NULL, err);
    for (size_t i = 0; i < json_array_size(rows); i++)
        convert(c, json_array_get(rows, i));
    if (rc == 0 && json_array_size(rows) == 0 && c->output == CLI_TABLE)
        cli_talk("no limits are set");
    else if (rc == 0)
        rc = columns_print(c, "quotas", rows, chosen, err);
    json_decref(rows);
    return rc;
}

const struct command cmd_quota = {
    .name = "quota",
    .args = "[ENTERPRISE[/PROJECT[/USER]]]",
    .summary = "Show each limit with what is used of it",
    .text =
        "A limit that is reached holds back what would go over it; chipq why JOB names it. Of\n"
        "borrow-cores is used what is above min-cores; nothing is counted of lend-cores, max-wall\n"
        "and max-submit-rate.\n"
        "Without --all you see your own enterprise.",
    .examples = "chipq quota\nchipq quota acme/uart\nchipq quota --all --format path,key,limit,used"
                "\nchipq quota --json",
    .options = all_options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1,
    .opts_bytes = sizeof(struct all_opts),
    .set = all_options_set,
    .run = run,
};
