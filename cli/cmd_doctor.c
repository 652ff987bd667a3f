/* chipq doctor: is everything here that a pool needs, and what to do where it is not. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/doctor.h"

static const struct column columns[] = {
    {"status", "", COLUMN_STATE, true},
    {"check", "CHECK", COLUMN_TEXT, true},
    {"text", "FOUND", COLUMN_TEXT, true},
    {"advice", "WHAT TO DO", COLUMN_TEXT, true},
    {0},
};

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)opts, (void)n_args, (void)args;
    if (columns_check(c, columns, err) != 0 || cli_dir(c, err) == NULL)
        return -1;
    struct doctor d = {.cli = c, .rows = json_array()};
    doctor_check_instance(&d);
    doctor_check_machine(&d);
    doctor_check_pool(&d);
    int rc = columns_print(c, "checks", d.rows, columns, err);
    json_decref(d.rows);
    return rc == 0 && d.failed ? 1 : rc;
}

const struct command cmd_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "Check keys, tools, machine and pool; say what to do",
    .text = "Each line is ok, warn or fail. Exits 1 when one is fail.",
    .examples = "chipq doctor\nchipq doctor --json",
    .flags = COMMAND_HAS_ROWS,
    .run = run,
};
