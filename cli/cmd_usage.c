/* chipq usage: what was used of the pool, by whom or when. */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/dates.h"
#include "cli/session.h"
#include "cli/to_json.h"
#include "cli/usage_efficiency.h"

#include "common/base/sys/clock.h"

#include <inttypes.h>
#include <math.h>

enum { KEY_BY = 0x2001, KEY_FROM, KEY_TO, KEY_ENTERPRISE, KEY_ALL, KEY_CSV, KEY_EFFICIENCY };
enum { BY_ENTERPRISE, BY_PROJECT, BY_USER, BY_DAY, BY_MONTH, BY_TOOL, COLUMNS_N = 13 };

static const char *const by_names[] = {"enterprise", "project", "user", "day",
                                       "month",      "tool",    NULL};

struct opts {
    const char *enterprise;
    int64_t from_us, to_us;
    uint64_t by;
    bool has_by, all, csv, efficiency;
};

static const struct argp_option options[] = {
    {"by", KEY_BY, "WHAT", 0,
     "one row for each: enterprise, project, user, day or month (project); with --efficiency: "
     "project, user or tool (tool)",
     0},
    {"efficiency", KEY_EFFICIENCY, NULL, 0,
     "used against asked, the worst first: who asks for too much; of the last 30 days without "
     "--from",
     0},
    {"from", KEY_FROM, "DATE", 0, "from then on: 2026-11-01, 2026-11, yesterday, -7d", 0},
    {"to", KEY_TO, "DATE", 0, "up to then, a day or month with its end", 0},
    {"enterprise", KEY_ENTERPRISE, "NAME", 0, "of this enterprise (platform admins)", 0},
    {"all", KEY_ALL, NULL, 0, "of every enterprise: act with the instance's admin key", 0},
    {"csv", KEY_CSV, NULL, 0, "as --format csv", 0},
    {0},
};

static int set_by(struct opts *o, const char *arg, struct cq_err *err)
{
    for (o->by = 0; by_names[o->by]; o->by++)
        if (strcmp(by_names[o->by], arg) == 0)
            return o->has_by = true, 0;
    const char *meant = cq_closest(arg, by_names);
    return cq_fail(err, CQ_E_INVALID,
                   "--by: '%.40s' is none of: enterprise, project, user, day, "
                   "month, tool%s%s%s",
                   arg, meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static int set_date(const char *arg, int key, struct opts *o, struct cq_err *err)
{
    struct date_span span;
    if (dates_parse(arg, clock_now().wall_us, &span, err) != 0)
        return cq_wrap(err, key == KEY_FROM ? "--from" : "--to");
    if (key == KEY_FROM)
        o->from_us = span.begin_us;
    else
        o->to_us = span.end_us;
    return 0;
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    switch (key) {
    case KEY_BY:
        return set_by(o, arg, err);
    case KEY_ENTERPRISE:
        o->enterprise = arg;
        return 0;
    case KEY_ALL:
        o->all = true;
        return 0;
    case KEY_EFFICIENCY:
        o->efficiency = true;
        return 0;
    case KEY_CSV:
        o->csv = true;
        return 0;
    default:
        return set_date(arg, key, o, err);
    }
}

/* Columns that say what a row is of come first; which are shown depends on --by. */
static void make_columns(uint64_t by, bool is_wide, struct column out[COLUMNS_N])
{
    const struct column all[COLUMNS_N] = {
        {"enterprise", "ENTERPRISE", COLUMN_TEXT, by == BY_ENTERPRISE || (is_wide && by < BY_DAY)},
        {"project", "PROJECT", COLUMN_TEXT, by == BY_PROJECT},
        {"user", "USER", COLUMN_TEXT, by == BY_USER},
        {"period", by == BY_MONTH ? "MONTH" : "DAY", COLUMN_TEXT, by >= BY_DAY},
        {"core_hours", "CORE-HOURS", COLUMN_NUMBER, true},
        {"mem_gib_hours", "GIB-HOURS", COLUMN_NUMBER, true},
        {"licence_hours", "LICENCE-HOURS", COLUMN_TEXT, true},
        {"attempts", "ATTEMPTS", COLUMN_NUMBER, true},
        {"starts", "STARTS", COLUMN_NUMBER, false},
        {"mean_wait_us", "MEAN WAIT", COLUMN_TIME, true},
        {"p95_wait_us", "P95 WAIT", COLUMN_TIME, true},
        {"period_us", "BEGIN", COLUMN_WALL, false},
        {0},
    };
    memcpy(out, all, sizeof all);
}

static double hours(uint64_t parts, double parts_an_hour)
{
    return round((double)parts / parts_an_hour * 1e6) / 1e6;
}

static bool wants_json(const struct cli *c)
{
    return c->output == CLI_JSON || c->output == CLI_JSONL;
}

/* A number in JSON; else written out, without an exponent. */
static json_t *hours_cell(const struct cli *c, double value)
{
    char text[48];
    if (wants_json(c))
        return json_real(value);
    (void)snprintf(text, sizeof text, c->output == CLI_CSV ? "%.6f" : "%.3f", value);
    return json_string(text);
}

/* {"vcs": 1.5} in JSON; else "vcs:1.500". */
static json_t *licences_cell(const struct cli *c, const struct usage_row *r)
{
    json_t *object = json_object();
    struct cq_str text = {0};
    for (size_t i = 0; i < r->n_licences; i++) {
        double value = hours(r->licences[i].token_ms, 3.6e6);
        json_object_set_new(object, r->licences[i].feature, json_real(value));
        cq_str_printf(&text, "%s%s:%.3f", i ? "," : "", r->licences[i].feature, value);
    }
    if (!wants_json(c)) {
        json_decref(object);
        object = json_text(cq_str_text(&text));
    }
    cq_str_fini(&text);
    return object;
}

static json_t *row_of(const struct cli *c, const struct usage_row *r, uint64_t by)
{
    char period[16] = "";
    if (by >= BY_DAY)
        (void)dates_format(r->period_us, by == BY_MONTH, period);
    json_t *o = json_object();
    json_object_set_new(o, "enterprise", json_text(r->enterprise));
    json_object_set_new(o, "project", json_text(r->project));
    json_object_set_new(o, "user", json_text(r->user));
    json_object_set_new(o, "period", json_text(period));
    json_object_set_new(o, "period_us", json_integer(r->period_us));
    json_object_set_new(o, "core_hours", hours_cell(c, hours(r->core_ms, 3.6e6)));
    json_object_set_new(o, "mem_gib_hours", hours_cell(c, hours(r->mem_mib_s, 1024. * 3600)));
    json_object_set_new(o, "licence_hours", licences_cell(c, r));
    json_object_set_new(o, "attempts", json_integer((json_int_t)r->attempts));
    json_object_set_new(o, "starts", json_integer((json_int_t)r->waits));
    json_object_set_new(o, "mean_wait_us", json_integer((json_int_t)r->mean_wait_us));
    json_object_set_new(o, "p95_wait_us", json_integer((json_int_t)r->p95_wait_us));
    return o;
}

/* What both reports say of their options. */
static int check_common(struct cli *c, const struct opts *o, struct cq_err *err)
{
    if (o->csv && c->output != CLI_TABLE && c->output != CLI_CSV)
        return cq_fail(err, CQ_E_INVALID, "usage: choose one of --csv, --json and --format");
    if (o->csv)
        c->output = CLI_CSV;
    if (o->to_us && o->to_us <= o->from_us)
        return cq_fail(err, CQ_E_INVALID, "usage: --to is before --from");
    return 0;
}

static int check(struct cli *c, struct opts *o, const struct column *columns, struct cq_err *err)
{
    if (check_common(c, o, err) != 0)
        return -1;
    if (o->by == BY_TOOL)
        return cq_fail(err, CQ_E_INVALID, "usage: --by tool goes with --efficiency");
    if (!o->has_by)
        o->by = o->all && o->enterprise == NULL ? BY_ENTERPRISE : BY_PROJECT;
    return columns_check(c, columns, err);
}

static int print(struct cli *c, const struct msg_usage *u, const struct opts *o, struct cq_err *err)
{
    struct column columns[COLUMNS_N];
    json_t *rows = json_array();
    make_columns(o->by, o->all, columns);
    for (size_t i = 0; i < u->n_rows; i++)
        json_array_append_new(rows, row_of(c, &u->rows[i], o->by));
    int rc = columns_print(c, "usage", rows, columns, err);
    if (u->is_cut)
        cli_talk("there is more than fits into one answer; narrow it with --from, --to or "
                 "--enterprise");
    json_decref(rows);
    return rc;
}

static int efficiency(struct cli *c, struct opts *o, struct cq_err *err)
{
    static const int64_t month_us = INT64_C(30) * 24 * 3600 * 1000000;
    o->by = o->has_by ? o->by : BY_TOOL;
    if (o->by != BY_PROJECT && o->by != BY_USER && o->by != BY_TOOL)
        return cq_fail(err, CQ_E_INVALID, "usage: --efficiency is by project, user or tool");
    if (o->all || o->enterprise)
        return cq_fail(err, CQ_E_INVALID,
                       "usage: --efficiency names jobs, which only their own enterprise sees");
    enum efficiency_by by = o->by == BY_PROJECT ? EFFICIENCY_BY_PROJECT
                            : o->by == BY_USER  ? EFFICIENCY_BY_USER
                                                : EFFICIENCY_BY_TOOL;
    if (check_common(c, o, err) != 0 || usage_efficiency_check(c, by, err) != 0)
        return -1;
    int64_t from_us = o->from_us || o->to_us ? o->from_us : clock_now().wall_us - month_us;
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? usage_efficiency(c, s, by, from_us, o->to_us, err) : -1;
    net_client_close(s);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct opts *o = opts;
    struct column columns[COLUMNS_N];
    struct msg ask = {.code = MSG_USAGE_QUERY}, reply = {0};
    (void)n_args, (void)args;
    if (o->efficiency)
        return efficiency(c, o, err);
    make_columns(o->by, o->all, columns);
    if (check(c, o, columns, err) != 0)
        return -1;
    ask.u.usage_query = (struct msg_usage_query){
        .enterprise = o->enterprise, .from_us = o->from_us, .to_us = o->to_us, .by = o->by};
    struct net_client *s = session_open(c, o->all || o->enterprise ? AS_ADMIN : AS_USER, err);
    int rc = s ? session_call(s, &ask, MSG_USAGE, &reply, err) : -1;
    if (rc == 0) {
        rc = print(c, &reply.u.usage, o, err);
        msg_fini(&reply);
    }
    net_client_close(s);
    return rc;
}

const struct command cmd_usage = {
    .name = "usage",
    .args = "",
    .summary = "Show what was used: core-hours, memory, licences, waits",
    .text =
        "A job is counted when an attempt of it ends, in the hours in which it ran: its cores,\n"
        "memory and licence tokens times its run time. What the scheduler itself declared\n"
        "lost costs nothing. A wait is from when a task could start as far as holds and\n"
        "dependencies go, to its first start. Days are UTC; all is kept by the hour.\n"
        "You see your own enterprise; platform admins see all with --all.\n"
        "--efficiency: CPU % is processor time of cores times run time, MEM % the peak of\n"
        "the memory asked; a GiB-hour unused counts as a quarter of a core-hour. Tools are\n"
        "plugins, else the names of jobs with their numbers as #. Five runs are needed for\n"
        "advice.",
    .examples =
        "chipq usage --by user --from -7d\n"
        "chipq usage --by project --from 2026-11-01 --to 2026-11-30\n"
        "chipq usage --efficiency --by user\n"
        "chipq usage --by month --csv\nchipq usage --all --from 2026-11 --to 2026-11 --json",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
