/* Prints what a simulation found. */
#include "scheduler/sim/report.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/pure/str.h"

/* ---- table ---- */

static void print_waits(FILE *out, const char *name, const struct wait_stats *s)
{
    (void)fprintf(out, "%-14s %9" PRIu64 " %12.1f %12.1f %12.1f %12.1f\n", name, s->n, s->mean_s,
                  s->median_s, s->p95_s, s->max_s);
}

static void print_all_waits(FILE *out, const struct workload *w, const struct metrics *m)
{
    (void)fprintf(out, "\n%-14s %9s %12s %12s %12s %12s\n", "wait, s", "jobs", "mean", "median",
                  "p95", "max");
    print_waits(out, "all", &m->wait);
    for (size_t i = 0; m->n_classes > 1 && i < m->n_classes; i++)
        print_waits(out, w->classes.items[i], &m->classes[i]);
}

static void print_counts(FILE *out, const struct metrics *m)
{
    (void)fprintf(out, "%-26s %" PRIu64 "\n", "jobs ended", m->n_jobs);
    if (m->n_unfinished)
        (void)fprintf(out, "%-26s %" PRIu64 "\n", "jobs not ended", m->n_unfinished);
    if (m->n_refused)
        (void)fprintf(out, "%-26s %" PRIu64 "\n", "jobs refused", m->n_refused);
    if (m->n_skipped)
        (void)fprintf(out, "%-26s %" PRIu64 "\n", "jobs skipped", m->n_skipped);
    (void)fprintf(out, "%-26s %.6f\n", "mean bounded slowdown", m->mean_bounded_slowdown);
    (void)fprintf(out, "%-26s %.4f\n", "utilisation", m->utilisation);
    (void)fprintf(out, "%-26s %.0f s\n", "makespan", m->makespan_s);
    if (m->n_preemptions)
        (void)fprintf(out, "%-26s %" PRIu64 ", %.1f core-hours lost\n", "preemptions",
                      m->n_preemptions, m->preempted_core_hours);
}

static void print_fairness(FILE *out, const struct metrics *m)
{
    if (m->n_tenants < 2)
        return;
    if (m->n_hours)
        (void)fprintf(out, "%-26s %.4f mean, %.4f least, of %" PRIu64 "\n", "Jain, windows of 1 h",
                      m->jain_hour_mean, m->jain_hour_min, m->n_hours);
    if (m->n_days)
        (void)fprintf(out, "%-26s %.4f mean, %.4f least, of %" PRIu64 "\n", "Jain, windows of 24 h",
                      m->jain_day_mean, m->jain_day_min, m->n_days);
    (void)fprintf(out, "%-26s %.0f min of the own share (%s)\n", "largest lag", m->max_lag_min,
                  m->max_lag_tenant);
}

/* Nothing is due to who never wanted anything. */
static void print_tenant(FILE *out, const char *name, const struct tenant_stats *t)
{
    (void)fprintf(out, "%-14s %8g ", name, t->weight);
    if (t->is_absent)
        (void)fprintf(out, "%8s %8s %8s %9d\n", "-", "-", "-", 0);
    else
        (void)fprintf(out, "%8.2f %8.2f %+8.2f %9" PRIu64 " %12.1f %12.1f %12.1f %12.1f\n",
                      100 * t->due, 100 * t->got, 100 * (t->got - t->due), t->wait.n, t->core_hours,
                      t->wait.mean_s, t->wait.p95_s, t->wait.max_s);
}

static void print_tenants(FILE *out, const struct workload *w, const struct metrics *m)
{
    (void)fprintf(out, "\n%-14s %8s %8s %8s %8s %9s %12s %12s %12s %12s\n", "enterprise", "weight",
                  "due %", "got %", "off by", "jobs", "core-hours", "mean wait", "p95", "max");
    for (size_t i = 0; i < m->n_tenants; i++)
        print_tenant(out, w->enterprises.items[i], &m->tenants[i]);
    (void)fprintf(out, "\n%-26s %.6f\n", "Jain over all of it", m->jain_total);
}

void report_table(FILE *out, const struct workload *w, const struct run_result *r)
{
    print_counts(out, &r->metrics);
    print_fairness(out, &r->metrics);
    print_all_waits(out, w, &r->metrics);
    if (r->metrics.n_tenants > 1)
        print_tenants(out, w, &r->metrics);
}

/* ---- JSON ---- */

static void set_real(json_t *o, const char *key, double value)
{
    json_object_set_new(o, key, json_real(value));
}

static void set_count(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void set_waits(json_t *o, const struct wait_stats *s)
{
    set_real(o, "mean_wait_seconds", s->mean_s);
    set_real(o, "median_wait_seconds", s->median_s);
    set_real(o, "p95_wait_seconds", s->p95_s);
    set_real(o, "max_wait_seconds", s->max_s);
}

static void set_shares(json_t *o, const struct metrics *m)
{
    set_real(o, "jain_1h_mean", m->jain_hour_mean);
    set_real(o, "jain_1h_min", m->jain_hour_min);
    set_count(o, "jain_1h_windows", m->n_hours);
    set_real(o, "jain_24h_mean", m->jain_day_mean);
    set_real(o, "jain_24h_min", m->jain_day_min);
    set_count(o, "jain_24h_windows", m->n_days);
    set_real(o, "jain_total", m->jain_total);
    set_real(o, "max_lag_minutes", m->max_lag_min);
    json_object_set_new(o, "max_lag_enterprise", json_string(m->max_lag_tenant));
}

static json_t *classes_json(const struct workload *w, const struct metrics *m)
{
    json_t *classes = json_object();
    for (size_t i = 0; i < m->n_classes; i++) {
        json_t *one = json_object();
        set_count(one, "jobs", m->classes[i].n);
        set_waits(one, &m->classes[i]);
        json_object_set_new(classes, w->classes.items[i], one);
    }
    return classes;
}

static json_t *tenants_json(const struct workload *w, const struct metrics *m)
{
    json_t *tenants = json_array();
    for (size_t i = 0; i < m->n_tenants; i++) {
        const struct tenant_stats *t = &m->tenants[i];
        json_t *one = json_object();
        json_object_set_new(one, "enterprise", json_string(w->enterprises.items[i]));
        set_real(one, "weight", t->weight);
        set_real(one, "share_due", t->due);
        set_real(one, "share_got", t->got);
        set_real(one, "core_hours", t->core_hours);
        set_count(one, "jobs", t->wait.n);
        set_waits(one, &t->wait);
        json_array_append_new(tenants, one);
    }
    return tenants;
}

json_t *report_json(const struct workload *w, const struct run_result *r)
{
    const struct metrics *m = &r->metrics;
    json_t *o = json_object();
    set_count(o, "jobs", m->n_jobs);
    set_count(o, "unfinished", m->n_unfinished);
    set_count(o, "refused", m->n_refused);
    set_count(o, "skipped", m->n_skipped);
    set_count(o, "cores", w->cores);
    set_waits(o, &m->wait);
    set_real(o, "mean_bounded_slowdown", m->mean_bounded_slowdown);
    set_real(o, "p95_bounded_slowdown", m->p95_bounded_slowdown);
    set_real(o, "max_bounded_slowdown", m->max_bounded_slowdown);
    set_real(o, "utilisation", m->utilisation);
    set_real(o, "makespan_seconds", m->makespan_s);
    set_count(o, "preemptions", m->n_preemptions);
    set_real(o, "preempted_core_hours", m->preempted_core_hours);
    set_shares(o, m);
    json_object_set_new(o, "classes", classes_json(w, m));
    json_object_set_new(o, "enterprises", tenants_json(w, m));
    return o;
}

/* ---- CSV ---- */

static void print_seconds(FILE *out, int64_t us)
{
    (void)fprintf(out, "%" PRId64, us / US_PER_S);
    if (us % US_PER_S)
        (void)fprintf(out, ".%06" PRId64, us % US_PER_S);
    (void)fputc(',', out);
}

static void print_task(FILE *out, const struct workload *w, const struct sim_task *t)
{
    const struct sim_row *r = t->row;
    (void)fprintf(out, "%" PRIu64 ",", r->number);
    print_seconds(out, r->submit_us);
    if (t->is_over)
        print_seconds(out, t->start_us - r->submit_us);
    else
        (void)fputc(',', out);
    print_seconds(out, r->run_us);
    (void)fprintf(out, "%" PRIu32 ",%s,%s,", r->cores,
                  w->enterprises.items[w->leaves[r->leaf].enterprise], w->classes.items[r->klass]);
    if (t->is_over)
        (void)fprintf(out, "%.15g", (double)t->start_us / 1e6);
    (void)fputc('\n', out);
}

int report_csv(const char *path, const struct workload *w, struct cq_err *err)
{
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write %s", path);
    (void)fputs("job,submit,wait,run,cores,enterprise,class,started\n", out);
    for (size_t i = 0; i < w->n_tasks; i++)
        print_task(out, w, &w->tasks[i]);
    bool is_bad = ferror(out) != 0;
    if (fclose(out) != 0 || is_bad)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write %s", path);
    return 0;
}

/* ---- several windows ---- */

void window_mean_add(struct window_mean *m, const struct metrics *one)
{
    m->n++;
    m->bounded_slowdown += one->mean_bounded_slowdown;
    m->wait_s += one->wait.mean_s;
    m->utilisation += one->utilisation;
}

void report_window_mean(FILE *out, const struct window_mean *m)
{
    double n = (double)m->n;
    (void)fprintf(out, "\n%-26s %" PRIu64 "\n", "windows", m->n);
    (void)fprintf(out, "%-26s %.4f\n", "mean bounded slowdown", m->bounded_slowdown / n);
    (void)fprintf(out, "%-26s %.1f s\n", "mean wait", m->wait_s / n);
    (void)fprintf(out, "%-26s %.4f\n", "utilisation", m->utilisation / n);
}

json_t *report_window_mean_json(const struct window_mean *m)
{
    double n = (double)m->n;
    json_t *o = json_object();
    set_real(o, "mean_bounded_slowdown", m->bounded_slowdown / n);
    set_real(o, "mean_wait_seconds", m->wait_s / n);
    set_real(o, "utilisation", m->utilisation / n);
    return o;
}

/* ---- what went wrong ---- */

void report_error(const char *program, bool as_json, const struct cq_err *err)
{
    struct cq_str line = {0};
    cq_str_add_printable(&line, err->text, strlen(err->text));
    (void)fprintf(stderr, "%s: %s\n", program, cq_str_text(&line));
    if (as_json) {
        json_t *why = json_pack("{s:{s:s, s:s}}", "error", "code", cq_code_name(err->code), "text",
                                cq_str_text(&line));
        (void)json_dumpf(why, stdout, JSON_INDENT(2));
        (void)fputc('\n', stdout);
        json_decref(why);
    }
    cq_str_fini(&line);
}
