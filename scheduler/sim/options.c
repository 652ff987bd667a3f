/* The command line of chipq-sim. */
#include "scheduler/sim/options.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/sim/lines.h"
#include "scheduler/sim/report.h"

enum key {
    KEY_NONE = 0xff,
#define SIM_GROUP(heading)
#define SIM_OPTION(KEY, name, arg, help) KEY_##KEY,
#include "common/base/pure/sim_options.def"
#undef SIM_GROUP
#undef SIM_OPTION
    KEY_JSON, /* from here on: not of chipq simulate */
    KEY_TASKS,
    KEY_PROJECTS,
    KEY_USERS,
    KEY_BUCKETS,
    KEY_REQUESTS,
    KEY_DECISIONS,
    KEY_BATCH,
    KEY_REQUEST_BYTES,
    KEY_SINGLES,
    KEY_END
};

enum { WINDOWS_MAX = 10000, HOURS_MAX = 24 * 366 };

/* Group 0: in the order of the table. */
static const struct argp_option table[] = {
#define SIM_GROUP(heading)               {0, 0, 0, 0, heading, 0},
#define SIM_OPTION(KEY, name, arg, help) {name, KEY_##KEY, arg, 0, help, 0},
#include "common/base/pure/sim_options.def"
#undef SIM_GROUP
#undef SIM_OPTION
    {"json", KEY_JSON, 0, 0, "print one JSON object", 0},
    {0, 0, 0, 0, "chipq-sim policy:", 6},
    {"tasks", KEY_TASKS, "N", 0, "waiting, at most (1000000)", 6},
    {"projects", KEY_PROJECTS, "N", 0, "of each of the --enterprises (5; 200 enterprises)", 6},
    {"users", KEY_USERS, "N", 0, "of each project (5)", 6},
    {"buckets", KEY_BUCKETS, "N", 0, "of tasks with the same user and request (1000)", 6},
    {"requests", KEY_REQUESTS, "N", 0, "that differ, over all users (1, and a curve)", 6},
    {"singles", KEY_SINGLES, 0, 0, "separate jobs, not arrays", 6},
    {"decisions", KEY_DECISIONS, "N", 0, "to measure at each point (200000)", 6},
    {"batch", KEY_BATCH, "N", 0, "ends before each pass (32)", 6},
    {"request-bytes", KEY_REQUEST_BYTES, "N", 0, "of each job's request (600)", 6},
    {0}};

/* ---- values ---- */

static int count(const char *text, uint64_t max, uint64_t *value, struct cq_err *err)
{
    return parse_u64(text, 1, max, value, err);
}

static int real(const char *text, double min, double max, double *value, struct cq_err *err)
{
    double x = 0;
    if (parse_double(text, &x, err) != 0)
        return -1;
    if (x < min || x > max)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not from %g to %g", text, min, max);
    *value = x;
    return 0;
}

static int duration(const char *text, int64_t min_us, int64_t *us, struct cq_err *err)
{
    int64_t value = 0;
    if (parse_time_us(text, &value, err) != 0)
        return -1;
    if (value < min_us || value > INT64_C(1000) * 86400 * US_PER_S)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is out of range", text);
    *us = value;
    return 0;
}

/* A core_config field for which 0 means the default and -1 means 0. */
static int duration_or_none(const char *text, int64_t *us, struct cq_err *err)
{
    if (duration(text, 0, us, err) != 0)
        return -1;
    if (*us == 0)
        *us = -1;
    return 0;
}

static int add_window(struct options *o, const char *text, struct cq_err *err)
{
    char start[24] = "";
    uint64_t first = 0, n = 0;
    const char *colon = strchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof start)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is no START:COUNT, as in 1981:1024", text);
    (void)snprintf(start, sizeof start, "%.*s", (int)(colon - text), text);
    if (parse_u64(start, 0, WORKLOAD_ROWS_MAX, &first, err) != 0
        || count(colon + 1, WORKLOAD_ROWS_MAX, &n, err) != 0)
        return -1;
    if (o->n_windows >= WINDOWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d windows", WINDOWS_MAX);
    cq_grow(&o->windows, &o->cap_windows, o->n_windows);
    o->windows[o->n_windows++] = (struct window){.start = first, .count = n};
    return 0;
}

static int read_windows(struct options *o, const char *path, struct cq_err *err)
{
    struct lines *l = lines_open(path, err);
    char *line;
    int rc;
    if (l == NULL)
        return -1;
    while ((rc = lines_next(l, &line, err)) > 0)
        if (*line && *line != '#' && add_window(o, line, err) != 0) {
            rc = lines_wrap(l, err);
            break;
        }
    lines_close(l);
    return rc;
}

static int set_source(struct options *o, enum source source, const char *path, struct cq_err *err)
{
    if (o->source != SOURCE_NONE)
        return cq_fail(err, CQ_E_INVALID,
                       "choose one of --swf, --tsv, --eda, --saturate and --placement");
    o->source = source;
    o->path = path;
    return 0;
}

static int set_compat(struct options *o, const char *rule, struct cq_err *err)
{
    if (strcmp(rule, "easy") != 0 && strcmp(rule, "fcfs") != 0)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not easy or fcfs", rule);
    o->run.core.is_easy = true;
    o->run.core.no_backfill = strcmp(rule, "fcfs") == 0;
    o->swf.one_leaf = true;
    return 0;
}

static int set_order(struct options *o, const char *order, struct cq_err *err)
{
    if (strcmp(order, "event") != 0 && strcmp(order, "batch") != 0)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not event or batch", order);
    o->run.order = strcmp(order, "batch") == 0 ? RUN_BATCH : RUN_EACH;
    o->has_order = true;
    return 0;
}

static int set_limits(struct options *o, const char *which, struct cq_err *err)
{
    if (strcmp(which, "user") != 0 && strcmp(which, "exact") != 0)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not user or exact", which);
    o->swf.exact_limits = strcmp(which, "exact") == 0;
    return 0;
}

/* ---- options ---- */

static int set_workload(struct options *o, int key, const char *arg, struct cq_err *err)
{
    switch (key) {
    case KEY_SWF:
        return set_source(o, SOURCE_SWF, arg, err);
    case KEY_TSV:
        return set_source(o, SOURCE_TSV, arg, err);
    case KEY_EDA:
        return set_source(o, SOURCE_EDA, NULL, err) != 0 ? -1 : eda_parse(arg, &o->eda, err);
    case KEY_SATURATE:
        return set_source(o, SOURCE_SATURATE, NULL, err);
    case KEY_PLACEMENT:
        return set_source(o, SOURCE_PLACEMENT, NULL, err);
    case KEY_CORES:
        return count(arg, WORKLOAD_CORES_MAX, &o->cores, err);
    case KEY_NODES:
        return count(arg, WORKLOAD_NODES_MAX, &o->nodes, err);
    case KEY_NODE_CORES:
        return count(arg, NODE_CORES_MAX, &o->node_cores, err);
    case KEY_COMPAT:
        return set_compat(o, arg, err);
    case KEY_ORDER:
        return set_order(o, arg, err);
    case KEY_LIMITS:
        return set_limits(o, arg, err);
    case KEY_WINDOW:
        return add_window(o, arg, err);
    case KEY_WINDOWS:
        return read_windows(o, arg, err);
    default:
        return 1;
    }
}

static int set_saturation(struct options *o, int key, const char *arg, struct cq_err *err)
{
    struct saturation *s = &o->saturation;
    switch (key) {
    case KEY_ENTERPRISES:
        if (count(arg, 10000, &s->enterprises, err) != 0)
            return -1;
        o->policy.enterprises = s->enterprises;
        return 0;
    case KEY_WEIGHTS:
        s->weights = arg;
        return 0;
    case KEY_SLOTS:
        if (count(arg, NODE_CORES_MAX, &s->slots, err) != 0)
            return -1;
        o->policy.slots = s->slots;
        return 0;
    case KEY_HOURS:
        return count(arg, HOURS_MAX, &s->hours, err);
    case KEY_RUN:
        return duration(arg, 1000, &s->run_us, err);
    case KEY_JITTER:
        return real(arg, 0, 1, &s->jitter, err);
    case KEY_SEED:
        return parse_u64(arg, 0, UINT64_MAX, &s->seed, err);
    default:
        return 1;
    }
}

static int set_policy(struct options *o, int key, const char *arg, struct cq_err *err)
{
    struct core_config *c = &o->run.core;
    switch (key) {
    case KEY_BETA:
        return real(arg, 1e-6, 1e6, &c->beta, err);
    case KEY_HALF_LIFE:
        return duration(arg, US_PER_S, &c->half_life_us, err);
    case KEY_ARRAY_STEP:
        return duration_or_none(arg, &c->array_step_us, err);
    case KEY_CARRY:
        return real(arg, -1, 1e6, &c->carry, err);
    case KEY_PLAIN_CHARGE:
        c->has_plain_licence_charge = true;
        return 0;
    case KEY_MIN_SHARE:
        return real(arg, 0, 0.9, &o->run.min_share, err);
    case KEY_RECLAIM_GRACE:
        return duration(arg, 1, &c->reclaim_grace_us, err);
    default:
        return 1;
    }
}

static int set_bench(struct options *o, int key, const char *arg, struct cq_err *err)
{
    struct policy_bench *b = &o->policy;
    switch (key) {
    case KEY_TASKS:
        return count(arg, 20000000, &b->tasks, err);
    case KEY_PROJECTS:
        return count(arg, 1000, &b->projects, err);
    case KEY_USERS:
        return count(arg, 1000, &b->users, err);
    case KEY_BUCKETS:
        return count(arg, 1000000, &b->buckets, err);
    case KEY_REQUESTS:
        return count(arg, 1000000, &b->requests, err);
    case KEY_SINGLES:
        b->singles = true;
        return 0;
    case KEY_DECISIONS:
        return count(arg, 1000000000, &b->decisions, err);
    case KEY_BATCH:
        return count(arg, NODE_CORES_MAX, &b->batch, err);
    case KEY_REQUEST_BYTES:
        return count(arg, 65536, &b->request_bytes, err);
    default:
        return 1;
    }
}

static int set_placement(struct options *o, int key, const char *arg, struct cq_err *err)
{
    struct mixed *m = &o->placement.mixed;
    switch (key) {
    case KEY_LOADS:
        return placement_bench_loads(arg, &o->placement, err);
    case KEY_JOBS:
        return count(arg, WORKLOAD_ROWS_MAX, &m->jobs, err);
    case KEY_SOCKETS:
        return count(arg, MIXED_DOMAINS_MAX, &m->sockets, err);
    case KEY_DOMAINS:
        return count(arg, MIXED_DOMAINS_MAX, &m->domains, err);
    case KEY_DOMAIN_CORES:
        return count(arg, NODE_CORES_MAX, &m->domain_cores, err);
    default:
        return 1;
    }
}

static int set_output(struct options *o, int key, const char *arg)
{
    switch (key) {
    case KEY_JSON:
        o->as_json = o->policy.as_json = o->placement.as_json = true;
        return 0;
    case KEY_CSV:
        o->csv = arg;
        return 0;
    case KEY_WRITE_TSV:
        o->write_tsv = arg;
        return 0;
    case KEY_ROWS:
        o->config_rows = arg;
        return 0;
    case KEY_CHANGES:
        o->config_changes = arg;
        return 0;
    case KEY_QUIET:
        o->is_quiet = true;
        return 0;
    default:
        return 1;
    }
}

static const char *option_name(int key)
{
    for (size_t i = 0; i < CQ_COUNT(table); i++)
        if (table[i].key == key && table[i].name)
            return table[i].name;
    return "?";
}

static int set_any(struct options *o, int key, const char *arg)
{
    int rc = set_workload(o, key, arg, &o->err);
    rc = rc > 0 ? set_saturation(o, key, arg, &o->err) : rc;
    rc = rc > 0 ? set_policy(o, key, arg, &o->err) : rc;
    rc = rc > 0 ? set_bench(o, key, arg, &o->err) : rc;
    rc = rc > 0 ? set_placement(o, key, arg, &o->err) : rc;
    return rc > 0 ? set_output(o, key, arg) : rc;
}

static int check_all(struct options *o)
{
    if (o->source == SOURCE_NONE)
        return cq_fail(&o->err, CQ_E_INVALID,
                       "say what to run: --swf FILE, --tsv FILE, --eda SPEC, --saturate or "
                       "--placement");
    if (o->node_cores && !o->nodes)
        return cq_fail(&o->err, CQ_E_INVALID, "--node-cores needs --nodes");
    if (o->node_cores && o->cores)
        return cq_fail(&o->err, CQ_E_INVALID, "give --cores, or --nodes with --node-cores");
    if (o->node_cores)
        o->cores = o->nodes * o->node_cores;
    if (o->n_windows && o->source != SOURCE_SWF && o->source != SOURCE_TSV)
        return cq_fail(&o->err, CQ_E_INVALID, "--window cuts a trace: --swf or --tsv");
    if (o->n_windows > 1 && (o->csv || o->write_tsv))
        return cq_fail(&o->err, CQ_E_INVALID, "--csv and --write-tsv need one window, not %zu",
                       o->n_windows);
    if (o->n_windows > 1 && o->config_changes)
        return cq_fail(&o->err, CQ_E_INVALID, "--config-changes needs one window, not %zu",
                       o->n_windows);
    if (o->policy.batch > o->policy.slots)
        o->policy.batch = o->policy.slots;
    if (o->nodes)
        o->placement.mixed.nodes = o->nodes;
    o->placement.mixed.seed = o->saturation.seed;
    return 0;
}

/* Ends the program, in the words of chipq where chipq started it. */
static void CQ_PRINTF(2, 3) refuse(const struct options *o, const char *fmt, ...)
{
    bool is_chipq = strcmp(o->program, "chipq") == 0;
    struct cq_err why = {.code = CQ_E_INVALID};
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why.text, sizeof why.text, fmt, args);
    va_end(args);
    if (is_chipq)
        (void)cq_wrap(&why, "simulate");
    report_error(o->program, o->as_json, &why);
    exit(cq_code_exit_status(why.code));
}

static error_t on_key(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == ARGP_KEY_ARG) {
        if (strcmp(arg, "policy") != 0 || o->source != SOURCE_NONE)
            refuse(o, "'%.40s' is one word too many", arg);
        o->source = SOURCE_POLICY;
        return 0;
    }
    if (key == ARGP_KEY_END) {
        if (check_all(o) != 0)
            refuse(o, "%s", o->err.text);
        return 0;
    }
    int rc = key <= KEY_NONE || key >= KEY_END ? 1 : set_any(o, key, arg);
    if (rc < 0)
        refuse(o, "--%s: %s", option_name(key), o->err.text);
    return rc > 0 ? ARGP_ERR_UNKNOWN : 0;
}

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

void options_parse(struct options *o, int argc, char **argv)
{
    static const struct argp argp = {
        .options = table,
        .parser = on_key,
        .args_doc = "\npolicy",
        .doc = "Runs a workload through the scheduling core in virtual time and prints how long "
               "jobs waited and how evenly the pool was shared. \"chipq-sim policy\" measures how "
               "fast the core decides.\v"
               "Examples:\n  chipq-sim --swf KTH-SP2.swf.gz --compat easy\n"
               "  chipq-sim --eda seed=1,enterprises=40,days=2,load=0.85 --json\n"
               "  chipq-sim --saturate --weights 50,30,20 --slots 8 --hours 1\n"
               "  chipq-sim --placement --loads 0.85\n"
               "  chipq-sim policy --tasks 1000000"};
    *o = (struct options){
        .program = program_invocation_short_name,
        .as_json = has_word(argc, argv, "--json"), /* of errors before it too */
        .eda = {.seed = 1, .enterprises = 40, .days = 2, .load = 0.85},
        .saturation =
            {.enterprises = 20, .slots = 64, .hours = 1, .seed = 1, .run_us = 60 * US_PER_S},
        .policy = {.tasks = 1000000,
                   .enterprises = 200,
                   .projects = 5,
                   .users = 5,
                   .buckets = 1000,
                   .requests = 1,
                   .slots = 1024,
                   .decisions = 200000,
                   .batch = 32,
                   .request_bytes = 600},
        .placement =
            {.mixed = {.jobs = 40000, .nodes = 32, .sockets = 2, .domains = 8, .domain_cores = 8},
             .loads = {0.70, 0.85, 0.95},
             .n_loads = 3},
        .run = {.core = {.ahead_us = 1, .ahead_max = 1}}};
    argp_err_exit_status = cq_code_exit_status(CQ_E_INVALID);
    (void)argp_parse(&argp, argc, argv, 0, NULL, o);
}

void options_fini(struct options *o)
{
    free(o->windows);
}
