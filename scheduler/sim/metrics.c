/* Waits, slowdowns and shares of a finished simulation. */
#include "scheduler/sim/metrics.h"

#include "common/base/pure/mem.h"

enum { SLOWDOWN_FLOOR_S = 10 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double p95(const double *sorted, size_t n)
{
    size_t rank = (95 * n + 99) / 100; /* counted from 1 */
    return sorted[rank ? rank - 1 : 0];
}

static double median(const double *sorted, size_t n)
{
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

struct wait_stats wait_stats_of(double *values, size_t n)
{
    struct wait_stats s = {.n = n};
    if (n == 0)
        return s;
    qsort(values, n, sizeof *values, by_value);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    s.mean_s = sum / (double)n;
    s.median_s = median(values, n);
    s.p95_s = p95(values, n);
    s.max_s = values[n - 1];
    return s;
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static double wait_s(const struct sim_task *t)
{
    return seconds(t->start_us - t->row->submit_us);
}

/* ---- groups of waits: all, by class, by tenant ---- */

enum group_by { BY_NOTHING, BY_CLASS, BY_TENANT };

static uint32_t group_of(const struct workload *w, const struct sim_task *t, enum group_by by)
{
    if (by == BY_NOTHING)
        return 0;
    return by == BY_CLASS ? t->row->klass : w->leaves[t->row->leaf].enterprise;
}

/* One array of waits, the groups behind each other. */
static void collect_waits(const struct workload *w, enum group_by by, size_t n_groups,
                          struct wait_stats *out)
{
    size_t *begin = cq_calloc(n_groups + 1, sizeof *begin);
    double *waits = cq_calloc(w->n_tasks, sizeof *waits);
    for (size_t i = 0; i < w->n_tasks; i++)
        begin[group_of(w, &w->tasks[i], by) + 1] += w->tasks[i].is_over;
    for (size_t g = 0; g < n_groups; g++)
        begin[g + 1] += begin[g];
    size_t *at = cq_memdup(begin, n_groups * sizeof *at);
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i].is_over)
            waits[at[group_of(w, &w->tasks[i], by)]++] = wait_s(&w->tasks[i]);
    for (size_t g = 0; g < n_groups; g++)
        out[g] = wait_stats_of(waits + begin[g], begin[g + 1] - begin[g]);
    free(at);
    free(begin);
    free(waits);
}

/* ---- slowdown, makespan, utilisation ---- */

static double slowdown(const struct sim_task *t)
{
    double run = seconds(t->row->run_us), floor = SLOWDOWN_FLOOR_S;
    double x = (wait_s(t) + run) / (run > floor ? run : floor);
    return x > 1 ? x : 1;
}

static void fill_slowdown(struct metrics *m, const struct workload *w)
{
    double *values = cq_calloc(w->n_tasks, sizeof *values);
    size_t n = 0;
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i].is_over)
            values[n++] = slowdown(&w->tasks[i]);
    struct wait_stats s = wait_stats_of(values, n);
    m->n_jobs = n;
    m->n_unfinished = w->n_tasks - n - m->n_refused;
    m->mean_bounded_slowdown = s.mean_s;
    m->p95_bounded_slowdown = s.p95_s;
    m->max_bounded_slowdown = s.max_s;
    free(values);
}

static void fill_use(struct metrics *m, const struct workload *w)
{
    int64_t first_us = INT64_MAX, last_us = 0;
    double core_s = 0;
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct sim_task *t = &w->tasks[i];
        first_us = t->row->submit_us < first_us ? t->row->submit_us : first_us;
        if (!t->is_over)
            continue;
        int64_t end_us = t->start_us + t->row->run_us;
        last_us = end_us > last_us ? end_us : last_us;
        core_s += seconds(t->row->run_us) * t->row->cores;
        m->tenants[w->leaves[t->row->leaf].enterprise].core_hours +=
            seconds(t->row->run_us) * t->row->cores / 3600;
    }
    m->makespan_s = last_us > first_us ? seconds(last_us - first_us) : 0;
    if (m->makespan_s > 0)
        m->utilisation = core_s / m->makespan_s / (double)w->cores;
}

/* ---- shares ---- */

static void fill_fairness(struct metrics *m, const struct workload *w, const struct fairness *f)
{
    double total = 0, *x = cq_calloc(f->n, sizeof *x);
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        total += f->tenants[i].service_us;
    for (size_t i = 0; i < f->n; i++) {
        const struct fairness_tenant *t = &f->tenants[i];
        m->tenants[i].weight = t->weight;
        m->tenants[i].is_absent = t->is_absent;
        if (t->is_absent)
            continue;
        m->tenants[i].due = t->weight / f->total_weight;
        m->tenants[i].got = total > 0 ? t->service_us / total : 0;
        x[n++] = t->service_us / t->weight;
    }
    m->jain_total = fairness_jain(x, n);
    free(x);
    m->n_hours = f->hour.n;
    m->n_days = f->day.n;
    m->jain_hour_mean = f->hour.n ? f->hour.sum / (double)f->hour.n : 1;
    m->jain_day_mean = f->day.n ? f->day.sum / (double)f->day.n : 1;
    m->jain_hour_min = f->hour.least;
    m->jain_day_min = f->day.least;
    m->max_lag_min = f->max_lag_us / 60e6;
    m->max_lag_tenant = f->max_lag_us > 0 ? w->enterprises.items[f->max_lag_tenant] : "";
}

static void fill_tenant_waits(struct metrics *m, const struct workload *w)
{
    struct wait_stats *waits = cq_calloc(m->n_tenants, sizeof *waits);
    collect_waits(w, BY_TENANT, m->n_tenants, waits);
    for (size_t i = 0; i < m->n_tenants; i++)
        m->tenants[i].wait = waits[i];
    free(waits);
}

void metrics_make(struct metrics *m, const struct workload *w, const struct metrics_extra *extra)
{
    *m = (struct metrics){.n_refused = extra->n_refused,
                          .n_skipped = w->n_skipped,
                          .n_preemptions = extra->n_preemptions,
                          .preempted_core_hours = extra->preempted_core_us / 3600e6,
                          .n_classes = w->classes.n,
                          .n_tenants = w->enterprises.n};
    m->classes = cq_calloc(m->n_classes, sizeof *m->classes);
    m->tenants = cq_calloc(m->n_tenants, sizeof *m->tenants);
    collect_waits(w, BY_NOTHING, 1, &m->wait);
    collect_waits(w, BY_CLASS, m->n_classes, m->classes);
    fill_tenant_waits(m, w);
    fill_slowdown(m, w);
    fill_use(m, w);
    fill_fairness(m, w, extra->fairness);
}

void metrics_fini(struct metrics *m)
{
    free(m->classes);
    free(m->tenants);
    *m = (struct metrics){0};
}
