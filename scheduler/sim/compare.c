/* Prints two runs side by side. */
#include "scheduler/sim/compare.h"

void finished_fini(struct finished *f)
{
    run_result_fini(&f->result);
    workload_fini(&f->workload);
}

/* ---- figures ---- */

struct figure {
    const char *name;
    double before, after;
    int decimals;
};

static void print_figure(FILE *out, struct figure f)
{
    (void)fprintf(out, "%-26s %14.*f %14.*f %+14.*f\n", f.name, f.decimals, f.before, f.decimals,
                  f.after, f.decimals, f.after - f.before);
}

/* Where it is nothing both times it is left out. */
static void print_if_any(FILE *out, struct figure f)
{
    if (f.before > 0 || f.after > 0)
        print_figure(out, f);
}

static void print_counts(FILE *out, const struct metrics *b, const struct metrics *a)
{
    print_figure(out, (struct figure){"jobs ended", (double)b->n_jobs, (double)a->n_jobs, 0});
    print_if_any(out, (struct figure){"jobs not ended", (double)b->n_unfinished,
                                      (double)a->n_unfinished, 0});
    print_if_any(out,
                 (struct figure){"jobs refused", (double)b->n_refused, (double)a->n_refused, 0});
    print_figure(out, (struct figure){"mean bounded slowdown", b->mean_bounded_slowdown,
                                      a->mean_bounded_slowdown, 4});
    print_figure(out, (struct figure){"utilisation", b->utilisation, a->utilisation, 4});
    print_figure(out, (struct figure){"makespan, s", b->makespan_s, a->makespan_s, 0});
    print_if_any(
        out, (struct figure){"preemptions", (double)b->n_preemptions, (double)a->n_preemptions, 0});
    print_if_any(out, (struct figure){"core-hours lost by them", b->preempted_core_hours,
                                      a->preempted_core_hours, 1});
}

/* An index of no windows says nothing. */
static void print_jain(FILE *out, const char *name, const uint64_t windows[2], const double x[2])
{
    if (windows[0] > 0 && windows[1] > 0)
        print_figure(out, (struct figure){name, x[0], x[1], 4});
}

static void print_fairness(FILE *out, const struct metrics *b, const struct metrics *a)
{
    const uint64_t hours[] = {b->n_hours, a->n_hours}, days[] = {b->n_days, a->n_days};
    if (b->n_tenants < 2)
        return;
    print_jain(out, "Jain, 1 h, mean", hours,
               (const double[]){b->jain_hour_mean, a->jain_hour_mean});
    print_jain(out, "Jain, 1 h, least", hours,
               (const double[]){b->jain_hour_min, a->jain_hour_min});
    print_jain(out, "Jain, 24 h, mean", days, (const double[]){b->jain_day_mean, a->jain_day_mean});
    print_jain(out, "Jain, 24 h, least", days, (const double[]){b->jain_day_min, a->jain_day_min});
    print_figure(out, (struct figure){"Jain over all of it", b->jain_total, a->jain_total, 4});
    print_figure(out, (struct figure){"largest lag, min", b->max_lag_min, a->max_lag_min, 0});
}

static void print_waits(FILE *out, const char *name, const struct wait_stats *b,
                        const struct wait_stats *a)
{
    const struct figure all[] = {{"mean", b->mean_s, a->mean_s, 1},
                                 {"median", b->median_s, a->median_s, 1},
                                 {"p95", b->p95_s, a->p95_s, 1},
                                 {"max", b->max_s, a->max_s, 1}};
    for (size_t i = 0; i < CQ_COUNT(all); i++) {
        char label[64];
        (void)snprintf(label, sizeof label, "wait, s: %.30s, %s", name, all[i].name);
        print_figure(out, (struct figure){label, all[i].before, all[i].after, all[i].decimals});
    }
}

static void print_all_waits(FILE *out, const struct workload *w, const struct metrics *b,
                            const struct metrics *a)
{
    (void)fputc('\n', out);
    print_waits(out, "all", &b->wait, &a->wait);
    for (size_t i = 0; b->n_classes > 1 && i < b->n_classes; i++)
        print_waits(out, w->classes.items[i], &b->classes[i], &a->classes[i]);
}

/* ---- enterprises ---- */

/* Nothing is due to who never wanted anything. */
static void print_tenant(FILE *out, const char *name, const struct tenant_stats *b,
                         const struct tenant_stats *a)
{
    if (b->is_absent) {
        (void)fprintf(out, "%-14s %7s %7s %7s %7s\n", name, "-", "-", "-", "-");
        return;
    }
    (void)fprintf(out,
                  "%-14s %7.2f %7.2f %7.2f %7.2f %10.1f %10.1f %+10.1f %10.1f %10.1f %+10.1f\n",
                  name, 100 * b->due, 100 * a->due, 100 * b->got, 100 * a->got, b->wait.mean_s,
                  a->wait.mean_s, a->wait.mean_s - b->wait.mean_s, b->wait.p95_s, a->wait.p95_s,
                  a->wait.p95_s - b->wait.p95_s);
}

static void print_tenants(FILE *out, const struct workload *w, const struct metrics *b,
                          const struct metrics *a)
{
    (void)fprintf(out, "\n%-14s %15s %15s %32s %32s\n", "", "due %", "got %", "mean wait, s",
                  "p95 wait, s");
    (void)fprintf(out, "%-14s %7s %7s %7s %7s %10s %10s %10s %10s %10s %10s\n", "enterprise",
                  "before", "after", "before", "after", "before", "after", "differs", "before",
                  "after", "differs");
    for (size_t i = 0; i < b->n_tenants; i++)
        print_tenant(out, w->enterprises.items[i], &b->tenants[i], &a->tenants[i]);
}

void compare_table(FILE *out, const struct finished *before, const struct finished *after)
{
    const struct metrics *b = &before->result.metrics, *a = &after->result.metrics;
    (void)fprintf(out, "%-26s %14s %14s %14s\n", "", "before", "after", "difference");
    print_counts(out, b, a);
    print_fairness(out, b, a);
    print_all_waits(out, &before->workload, b, a);
    if (b->n_tenants > 1)
        print_tenants(out, &before->workload, b, a);
}

json_t *compare_json(const struct finished *before, const struct finished *after)
{
    json_t *o = json_object();
    json_object_set_new(o, "before", report_json(&before->workload, &before->result));
    json_object_set_new(o, "after", report_json(&after->workload, &after->result));
    return o;
}
