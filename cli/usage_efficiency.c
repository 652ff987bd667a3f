/* Sums the rows of EFFICIENCY by project, user or tool, and says what would be better. */
#include "cli/usage_efficiency.h"
#include "cli/columns.h"
#include "cli/to_json.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

#include <inttypes.h>
#include <math.h>

enum {
    COLUMNS_N = 16,
    RUNS_MIN = 5,          /* fewer tell too little for advice */
    GIB_A_CORE = 4,        /* so much memory unused is as bad as a core unused */
    TOO_MUCH_PERCENT = 75, /* advice below this part of what was asked */
};

struct sum {
    const char *project, *user, *what; /* borrowed; NULL: of several */
    double runs, core_ms, cpu_ms, asked_mib_s, used_mib_s;
    const struct efficiency_row *worst; /* of its rows with advice */
};

/* ---- sums ---- */

static double waste_of(double core_ms, double cpu_ms, double asked_mib_s, double used_mib_s)
{
    double core_hours = fmax(core_ms - cpu_ms, 0) / 3.6e6;
    double gib_hours = fmax(asked_mib_s - used_mib_s, 0) / (1024. * 3600);
    return core_hours + gib_hours / GIB_A_CORE;
}

static double waste_of_row(const struct efficiency_row *r)
{
    return waste_of((double)r->core_ms, (double)r->cpu_ms, (double)r->asked_mib_s,
                    (double)r->used_mib_s);
}

static double waste_of_sum(const struct sum *s)
{
    return waste_of(s->core_ms, s->cpu_ms, s->asked_mib_s, s->used_mib_s);
}

/* The cores that such runs keep busy and a fifth more; 0: all that they ask. */
static uint64_t better_cores(const struct efficiency_row *r)
{
    if (r->runs < RUNS_MIN || r->run_ms == 0 || r->cores < 2)
        return 0;
    double busy = ceil((double)r->cpu_ms / (double)r->run_ms * 1.2);
    uint64_t cores = busy < 1 ? 1 : (uint64_t)busy;
    return cores * 100 <= r->cores * TOO_MUCH_PERCENT ? cores : 0;
}

static uint64_t better_mem(const struct efficiency_row *r)
{
    if (r->runs < RUNS_MIN || r->better_mib == 0)
        return 0;
    return r->better_mib * 100 <= r->asked_mib * TOO_MUCH_PERCENT ? r->better_mib : 0;
}

static bool is_of(const struct sum *s, const struct efficiency_row *r, enum efficiency_by by)
{
    if (by == EFFICIENCY_BY_USER)
        return strcmp(s->user, r->user) == 0;
    return strcmp(s->project, r->project) == 0
           && (by == EFFICIENCY_BY_PROJECT || strcmp(s->what, r->what) == 0);
}

static void add_row(struct sum *s, const struct efficiency_row *r)
{
    bool has_advice = better_cores(r) || better_mem(r);
    s->runs += (double)r->runs;
    s->core_ms += (double)r->core_ms;
    s->cpu_ms += (double)r->cpu_ms;
    s->asked_mib_s += (double)r->asked_mib_s;
    s->used_mib_s += (double)r->used_mib_s;
    if (has_advice && (s->worst == NULL || waste_of_row(r) > waste_of_row(s->worst)))
        s->worst = r;
}

static size_t sum_up(const struct msg_efficiency *m, enum efficiency_by by, struct sum *sums)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_rows; i++) {
        const struct efficiency_row *r = &m->rows[i];
        size_t k = 0;
        while (k < n && !is_of(&sums[k], r, by))
            k++;
        if (k == n)
            sums[n++] = (struct sum){.project = by == EFFICIENCY_BY_USER ? "" : r->project,
                                     .user = by == EFFICIENCY_BY_USER ? r->user : "",
                                     .what = by == EFFICIENCY_BY_TOOL ? r->what : ""};
        add_row(&sums[k], r);
    }
    return n;
}

static int by_waste(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    double dx = waste_of_sum(x), dy = waste_of_sum(y);
    int order = (dx < dy) - (dx > dy);
    order = order ? order : strcmp(x->project, y->project);
    order = order ? order : strcmp(x->user, y->user);
    return order ? order : strcmp(x->what, y->what);
}

/* ---- rows ---- */

static void make_columns(enum efficiency_by by, struct column out[COLUMNS_N])
{
    const struct column all[COLUMNS_N] = {
        {"project", "PROJECT", COLUMN_TEXT, by != EFFICIENCY_BY_USER},
        {"user", "USER", COLUMN_TEXT, by == EFFICIENCY_BY_USER},
        {"tool", "TOOL", COLUMN_TEXT, by == EFFICIENCY_BY_TOOL},
        {"runs", "RUNS", COLUMN_NUMBER, true},
        {"core_hours", "CORE-HOURS", COLUMN_NUMBER, true},
        {"cpu_hours", "CPU-HOURS", COLUMN_NUMBER, false},
        {"cpu_percent", "CPU %", COLUMN_NUMBER, true},
        {"mem_gib_hours", "GIB-HOURS", COLUMN_NUMBER, true},
        {"mem_used_gib_hours", "USED GIB-HOURS", COLUMN_NUMBER, false},
        {"mem_percent", "MEM %", COLUMN_NUMBER, true},
        {"advice", "ADVICE", COLUMN_TEXT, true},
        {0},
    };
    memcpy(out, all, sizeof all);
}

/* "sim of ann in uart: ask 2G instead of 16G, 1 core instead of 4"; what the row says is left out.
 */
static void format_advice(const struct sum *s, enum efficiency_by by, struct cq_str *out)
{
    const struct efficiency_row *r = s->worst;
    char better[32], asked[32];
    if (r == NULL)
        return;
    uint64_t mem_mib = better_mem(r), cores = better_cores(r);
    if (by != EFFICIENCY_BY_TOOL && *r->what)
        cq_str_printf(out, "%s", r->what);
    if (by == EFFICIENCY_BY_USER)
        cq_str_printf(out, " in %s", r->project);
    cq_str_printf(out, "%sask ", out->len ? ": " : "");
    if (mem_mib)
        cq_str_printf(out, "%s instead of %s (or --mem auto)",
                      format_size_mib(mem_mib, better, sizeof better),
                      format_size_mib(r->asked_mib, asked, sizeof asked));
    if (cores)
        cq_str_printf(out, "%s%" PRIu64 " core%s instead of %" PRIu64, mem_mib ? ", " : "", cores,
                      cores == 1 ? "" : "s", r->cores);
}

static bool wants_json(const struct cli *c)
{
    return c->output == CLI_JSON || c->output == CLI_JSONL;
}

/* A number in JSON; else written out, without an exponent. */
static json_t *cell(const struct cli *c, double value, int digits)
{
    char text[48];
    if (wants_json(c))
        return json_real(value);
    (void)snprintf(text, sizeof text, "%.*f", c->output == CLI_CSV ? 6 : digits, value);
    return json_string(text);
}

/* Of nothing nobody knows a part; a little is not nothing. */
static json_t *percent(const struct cli *c, double part, double whole)
{
    double value = whole > 0 ? 100 * part / whole : 0;
    if (whole <= 0)
        return c->output == CLI_TABLE || c->output == CLI_COLUMNS ? json_string("-") : json_null();
    if (value < 0.5 && (c->output == CLI_TABLE || c->output == CLI_COLUMNS))
        return json_string("<1");
    return cell(c, value, 0);
}

static void add_worst(json_t *o, const struct efficiency_row *r)
{
    if (r == NULL)
        return;
    json_object_set_new(o, "worst",
                        json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "project", r->project,
                                  "user", r->user, "tool", r->what, "cores", (json_int_t)r->cores,
                                  "better_cores", (json_int_t)better_cores(r), "asked_mib",
                                  (json_int_t)r->asked_mib, "p95_mib", (json_int_t)r->p95_mib,
                                  "better_mib", (json_int_t)better_mem(r)));
}

static json_t *row_of(const struct cli *c, const struct sum *s, enum efficiency_by by)
{
    struct cq_str advice = {0};
    const double mib_s = 1024. * 3600;
    format_advice(s, by, &advice);
    json_t *o = json_object();
    json_object_set_new(o, "project", json_text(s->project));
    json_object_set_new(o, "user", json_text(s->user));
    json_object_set_new(o, "tool", json_text(s->what));
    json_object_set_new(o, "runs", json_integer((json_int_t)s->runs));
    json_object_set_new(o, "core_hours", cell(c, s->core_ms / 3.6e6, 3));
    json_object_set_new(o, "cpu_hours", cell(c, s->cpu_ms / 3.6e6, 3));
    json_object_set_new(o, "cpu_percent", percent(c, s->cpu_ms, s->core_ms));
    json_object_set_new(o, "mem_gib_hours", cell(c, s->asked_mib_s / mib_s, 3));
    json_object_set_new(o, "mem_used_gib_hours", cell(c, s->used_mib_s / mib_s, 3));
    json_object_set_new(o, "mem_percent", percent(c, s->used_mib_s, s->asked_mib_s));
    json_object_set_new(o, "advice", json_text(cq_str_text(&advice)));
    if (wants_json(c))
        add_worst(o, s->worst);
    cq_str_fini(&advice);
    return o;
}

static int print(struct cli *c, const struct msg_efficiency *m, enum efficiency_by by,
                 struct cq_err *err)
{
    struct column columns[COLUMNS_N];
    struct sum *sums = cq_calloc(m->n_rows + 1, sizeof *sums);
    json_t *rows = json_array();
    make_columns(by, columns);
    size_t n = sum_up(m, by, sums);
    qsort(sums, n, sizeof *sums, by_waste);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rows, row_of(c, &sums[i], by));
    int rc = columns_print(c, "efficiency", rows, columns, err);
    if (m->is_cut)
        cli_talk("there is more than fits into one answer; narrow it with --from or --to");
    json_decref(rows);
    free(sums);
    return rc;
}

int usage_efficiency_check(const struct cli *c, enum efficiency_by by, struct cq_err *err)
{
    struct column columns[COLUMNS_N];
    make_columns(by, columns);
    return columns_check(c, columns, err);
}

int usage_efficiency(struct cli *c, struct net_client *s, enum efficiency_by by, int64_t from_us,
                     int64_t to_us, struct cq_err *err)
{
    struct msg ask = {.code = MSG_EFFICIENCY_QUERY}, reply = {0};
    ask.u.efficiency_query = (struct msg_efficiency_query){.from_us = from_us, .to_us = to_us};
    if (session_call(s, &ask, MSG_EFFICIENCY, &reply, err) != 0)
        return -1;
    int rc = print(c, &reply.u.efficiency, by, err);
    msg_fini(&reply);
    return rc;
}
