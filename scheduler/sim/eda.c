/* The generator: tenants first, then for each one its arrivals by class, then a pool that fits. */
#include "scheduler/sim/eda.h"

#include <inttypes.h>
#include <math.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"
#include "scheduler/sim/dice.h"

enum { NAME_BYTES = 64, ENTERPRISES_MAX = 1000, DAYS_MAX = 60 };
enum { HOUR = 3600, DAY = 24 * HOUR };
enum { LARGEST_JOB_CORES = 64, LARGEST_JOB_MEM_GIB = 700 };
#define CORE_MEM_MIB        UINT64_C(8000)
#define LARGEST_JOB_MEM_MIB (UINT64_C(1024) * LARGEST_JOB_MEM_GIB)

struct tenant {
    const struct eda *eda;
    struct workload *w;
    struct dice dice;
    char name[16];
    double weight, activity;
    uint64_t projects, users;
    double zone_hours;
    uint64_t next_number, next_array;
};

/* What a class of jobs looks like; cores and licences are drawn apart. */
struct model {
    const char *name;
    double per_hour; /* at full intensity, activity 1, weight 1 */
    double run_median_s, run_sigma, run_max_s;
    double mem_median_gib, mem_sigma;
    uint64_t mem_min_gib, mem_max_gib;
    double hint_s; /* how long the user thinks it takes: what three of four stay below */
    double oom_share;
};
static const struct model models[] = {
    {"debug", 9, 120, 1.5, 2 * HOUR, 3, 0.6, 1, 32, 330, 0},
    {"synth", 1.5, 40 * 60, 1.0, 12 * HOUR, 12, 0.55, 4, 64, 4700, 0.015},
    {"huge", 0.035, 5 * HOUR, 0.7, 24 * HOUR, 160, 0.45, 100, LARGEST_JOB_MEM_GIB, 28900, 0.015},
};

/* ---- parameters ---- */

static int fail_parameter(const char *name, struct cq_err *err)
{
    static const char *const known[] = {"seed", "enterprises", "days", "load", NULL};
    const char *meant = cq_closest(name, known);
    if (meant)
        return cq_fail(err, CQ_E_INVALID, "there is no such parameter; did you mean '%s'?", meant);
    return cq_fail(err, CQ_E_INVALID, "it is none of seed, enterprises, days, load");
}

static int set_parameter(struct eda *e, const char *name, const char *value, struct cq_err *err)
{
    if (strcmp(name, "seed") == 0)
        return parse_u64(value, 0, UINT64_MAX, &e->seed, err);
    if (strcmp(name, "enterprises") == 0)
        return parse_u64(value, 1, ENTERPRISES_MAX, &e->enterprises, err);
    if (strcmp(name, "days") == 0)
        return parse_u64(value, 1, DAYS_MAX, &e->days, err);
    if (strcmp(name, "load") != 0)
        return fail_parameter(name, err);
    double load;
    if (parse_double(value, &load, err) != 0)
        return -1;
    if (load < 0.05 || load > 5)
        return cq_fail(err, CQ_E_INVALID, "the load must be 0.05 to 5");
    e->load = load;
    return 0;
}

int eda_parse(const char *text, struct eda *e, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *copy = cq_strdup(text);
    for (char *rest = copy, *part; *text && (part = strsep(&rest, ","));) {
        char *value = strchr(part, '=');
        if (value == NULL)
            return cq_fail(err, CQ_E_INVALID,
                           "'%.40s' is no NAME=VALUE; write seed=1,enterprises=40,days=2,load=0.85",
                           part);
        *value++ = '\0';
        if (set_parameter(e, part, value, err) != 0)
            return cq_wrap(err, "'%.40s'", part);
    }
    return 0;
}

/* ---- what people do ---- */

/* How busy people are at a time of day there; the workload begins on a Monday at midnight UTC. */
static double intensity(const struct tenant *t, double at_s)
{
    double local_h = at_s / HOUR + t->zone_hours;
    double h = fmod(local_h + 7 * 24, 24), day = fmod(floor(local_h / 24) + 7, 7);
    double morning = (h - 10.5) / 2.2, afternoon = (h - 15.5) / 2.6;
    double x = 0.10 + 0.9 * (exp(-morning * morning) + 0.95 * exp(-afternoon * afternoon));
    return day >= 5 ? x * 0.25 : x;
}

static uint64_t round_limit_s(double wanted_s)
{
    static const uint64_t usual_s[] = {300,   900,   1800,  3600,   7200,  14400,
                                       28800, 43200, 86400, 172800, 259200}; /* 5 min to 3 days */
    for (size_t i = 0; i < CQ_COUNT(usual_s); i++)
        if (wanted_s <= (double)usual_s[i])
            return usual_s[i];
    return usual_s[CQ_COUNT(usual_s) - 1];
}

static uint64_t draw_limit_s(struct tenant *t, double hint_s)
{
    return round_limit_s(hint_s * exp(dice_between(&t->dice, log(1.5), log(10))));
}

static uint64_t draw_mem_mib(struct tenant *t, double median_gib, double sigma, uint64_t min_gib,
                             uint64_t max_gib)
{
    double gib = ceil(dice_lognormal(&t->dice, median_gib, sigma));
    gib = fmin(fmax(gib, (double)min_gib), (double)max_gib);
    return (uint64_t)gib * 1024;
}

static uint32_t draw_leaf(struct tenant *t)
{
    char project[NAME_BYTES], user[NAME_BYTES];
    uint64_t u = dice_whole(&t->dice, 0, t->users - 1);
    (void)snprintf(project, sizeof project, "%s.p%" PRIu64, t->name, u % t->projects);
    (void)snprintf(user, sizeof user, "%s.u%" PRIu64, t->name, u);
    return workload_leaf(t->w, t->name, project, user);
}

/* Sets the run time and how it ends: some jobs meet their limit, for whatever reason. */
static void set_run(struct tenant *t, struct sim_row *r, double run_s, double stuck_share)
{
    double limit_s = (double)r->limit_us / 1e6;
    run_s = fmax(1, floor(run_s + 0.5));
    if (run_s >= limit_s || dice_unit(&t->dice) < stuck_share) {
        run_s = limit_s;
        r->outcome = SIM_LIMIT;
    }
    r->run_us = (int64_t)run_s * US_PER_S;
}

/* Ends it early, at any point of the run that it would have had. */
static void end_early(struct tenant *t, struct sim_row *r, enum sim_outcome outcome)
{
    int64_t run_s = (int64_t)ceil((double)r->run_us / 1e6 * dice_unit(&t->dice));
    r->run_us = (run_s > 0 ? run_s : 1) * US_PER_S;
    r->outcome = outcome;
}

static int add(struct tenant *t, struct sim_row *r, struct cq_err *err)
{
    r->number = ++t->next_number;
    return workload_add(t->w, r, err);
}

/* ---- jobs by day ---- */

static void choose_debug(struct tenant *t, struct sim_row *r)
{
    r->cores = dice_unit(&t->dice) < 0.75 ? 1 : 2;
    r->licence = workload_licence(t->w, dice_whole(&t->dice, 1, 3) <= 2 ? "sim:1" : "");
}

static void choose_synth(struct tenant *t, struct sim_row *r)
{
    static const char *const what[] = {"synth:1", "sta:1", "formal:1"};
    r->cores = dice_unit(&t->dice) < 0.65 ? 4 : 8;
    r->licence = workload_licence(t->w, what[dice_whole(&t->dice, 0, 2)]);
}

static void choose_huge(struct tenant *t, struct sim_row *r)
{
    char bundle[NAME_BYTES] = "pnr:1";
    double x = dice_unit(&t->dice);
    r->cores = x < 0.50 ? 16 : x < 0.85 ? 32 : 64;
    uint64_t kind = dice_whole(&t->dice, 0, 2);
    if (kind == 1)
        (void)snprintf(bundle, sizeof bundle, "drc:%" PRIu32, r->cores / 4);
    if (kind == 2)
        (void)snprintf(bundle, sizeof bundle, "lvs:%" PRIu32, r->cores / 16);
    r->licence = workload_licence(t->w, bundle);
}

static int add_job(struct tenant *t, const struct model *m, double at_s, struct cq_err *err)
{
    struct sim_row r = {.submit_us = (int64_t)at_s * US_PER_S, .leaf = draw_leaf(t)};
    if (m == &models[0])
        choose_debug(t, &r);
    else if (m == &models[1])
        choose_synth(t, &r);
    else
        choose_huge(t, &r);
    r.klass = names_id(&t->w->classes, m->name);
    r.mem_mib = draw_mem_mib(t, m->mem_median_gib, m->mem_sigma, m->mem_min_gib, m->mem_max_gib);
    r.limit_us = (int64_t)draw_limit_s(t, m->hint_s) * US_PER_S;
    set_run(t, &r, fmin(dice_lognormal(&t->dice, m->run_median_s, m->run_sigma), m->run_max_s),
            0.01);
    if (dice_unit(&t->dice) < m->oom_share)
        end_early(t, &r, SIM_OOM);
    return add(t, &r, err);
}

/* Arrivals of a Poisson process whose rate follows the hours: drawn at the highest rate there can
 * be, and kept with the probability that the hour has. */
static int add_arrivals(struct tenant *t, const struct model *m, struct cq_err *err)
{
    const double highest = 0.10 + 0.9 * 1.95;
    double rate_per_s = m->per_hour * t->activity * t->weight / HOUR * highest;
    double end_s = (double)t->eda->days * DAY;
    for (double at_s = 0;;) {
        at_s += dice_exponential(&t->dice, 1 / rate_per_s);
        if (at_s >= end_s)
            return 0;
        if (dice_unit(&t->dice) * highest < intensity(t, at_s) && add_job(t, m, at_s, err) != 0)
            return -1;
    }
}

/* ---- regressions by night ---- */

static int add_array(struct tenant *t, double at_s, struct cq_err *err)
{
    double median_s = dice_lognormal(&t->dice, 75, 0.8), x = dice_unit(&t->dice);
    double size = dice_lognormal(&t->dice, 900 * sqrt(t->activity * t->weight), 0.9);
    uint64_t n = (uint64_t)fmin(fmax(size, 50), 20000);
    struct sim_row like = {.submit_us = (int64_t)at_s * US_PER_S,
                           .leaf = draw_leaf(t),
                           .array = ++t->next_array,
                           .licence = workload_licence(t->w, "sim:1"),
                           .cores = x < 0.88   ? 1
                                    : x < 0.95 ? 2
                                               : 4,
                           .klass = names_id(&t->w->classes, "regress")};
    like.mem_mib = draw_mem_mib(t, 2.6, 0.5, 1, 64);
    like.limit_us = (int64_t)draw_limit_s(t, median_s * exp(0.674 * 1.1)) * US_PER_S;
    for (uint64_t i = 0; i < n; i++) {
        struct sim_row r = like;
        set_run(t, &r, fmin(dice_lognormal(&t->dice, median_s, 1.1), 6 * HOUR), 0.01);
        if (dice_unit(&t->dice) < 0.06)
            end_early(t, &r, SIM_FAIL);
        if (add(t, &r, err) != 0)
            return -1;
    }
    return 0;
}

static int add_nights(struct tenant *t, struct cq_err *err)
{
    double end_s = (double)t->eda->days * DAY;
    bool has_regressions = dice_unit(&t->dice) < 0.8;
    for (uint64_t day = 0; has_regressions && day < t->eda->days; day++) {
        uint64_t n = dice_whole(&t->dice, 1, 3);
        for (uint64_t i = 0; i < n; i++) {
            double local_h = 19.5 + dice_normal(&t->dice, 0, 1.5);
            double at_s = (double)day * DAY + (local_h - t->zone_hours) * HOUR;
            if (at_s >= 0 && at_s < end_s && add_array(t, at_s, err) != 0)
                return -1;
        }
    }
    return 0;
}

/* ---- tenants and pool ---- */

static void draw_tenant(struct tenant *t, uint64_t index)
{
    static const double zones[] = {1, -5, 8};
    t->dice = dice_branch(t->eda->seed, index);
    (void)snprintf(t->name, sizeof t->name, "e%03" PRIu64, index);
    double x = dice_unit(&t->dice);
    t->weight = x < 0.50 ? 1 : x < 0.80 ? 2 : x < 0.95 ? 4 : 8;
    t->activity = dice_lognormal(&t->dice, 1, 0.8);
    t->users = dice_whole(&t->dice, 2, 12);
    t->projects = dice_whole(&t->dice, 1, t->users < 4 ? t->users : 4);
    t->zone_hours = dice_unit(&t->dice) < 0.5 ? 0 : zones[dice_whole(&t->dice, 0, 2)];
    (void)workload_enterprise(t->w, t->name, t->weight);
}

static int add_tenant(struct tenant *t, uint64_t index, struct cq_err *err)
{
    draw_tenant(t, index);
    for (size_t i = 0; i < CQ_COUNT(models); i++)
        if (add_arrivals(t, &models[i], err) != 0)
            return -1;
    return add_nights(t, err);
}

/* Enough for the load, and for the largest job. */
static void choose_pool(const struct eda *e, struct workload *w)
{
    double core_s = 0;
    for (size_t i = 0; i < w->n_rows; i++)
        core_s += (double)w->rows[i].run_us / 1e6 * w->rows[i].cores;
    if (w->cores == 0)
        w->cores = (uint64_t)ceil(core_s / ((double)e->days * DAY) / e->load);
    if (w->cores < LARGEST_JOB_CORES)
        w->cores = LARGEST_JOB_CORES;
    if (w->mem_mib == 0)
        w->mem_mib = w->cores * CORE_MEM_MIB;
    if (w->mem_mib < LARGEST_JOB_MEM_MIB)
        w->mem_mib = LARGEST_JOB_MEM_MIB;
}

static void add_features(struct workload *w)
{
    static const struct {
        const char *name;
        uint64_t per_1000_cores, at_least; /* at_least: of the largest job */
    } features[] = {{"sim", 700, 1},  {"sta", 80, 1}, {"synth", 40, 1}, {"formal", 40, 1},
                    {"drc", 100, 16}, {"lvs", 25, 4}, {"pnr", 12, 1}};
    for (size_t i = 0; i < CQ_COUNT(features); i++) {
        uint64_t count = w->cores * features[i].per_1000_cores / 1000;
        workload_feature(w, features[i].name)->count =
            count > features[i].at_least ? count : features[i].at_least;
    }
}

/* Numbers in order of arrival, as a log would have them. */
static int by_arrival(const void *a, const void *b)
{
    const struct sim_row *x = a, *y = b;
    if (x->submit_us != y->submit_us)
        return x->submit_us < y->submit_us ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

int eda_make(const struct eda *e, struct workload *w, struct cq_err *err)
{
    struct tenant t = {.eda = e, .w = w};
    for (uint64_t i = 0; i < e->enterprises; i++)
        if (add_tenant(&t, i, err) != 0)
            return -1;
    if (w->n_rows == 0)
        return cq_fail(err, CQ_E_INVALID, "so few enterprises and days give no jobs");
    qsort(w->rows, w->n_rows, sizeof *w->rows, by_arrival);
    for (size_t i = 0; i < w->n_rows; i++)
        w->rows[i].number = i + 1;
    choose_pool(e, w);
    add_features(w);
    return 0;
}
