/* chipq-sim: workloads through the scheduling core in virtual time. */
#include <inttypes.h>
#include <unistd.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/compare.h"
#include "scheduler/sim/config_rows.h"
#include "scheduler/sim/options.h"
#include "scheduler/sim/report.h"
#include "scheduler/sim/tsv.h"

/* ---- the workload ---- */

static int load_source(const struct options *o, struct workload *w, struct cq_err *err)
{
    switch (o->source) {
    case SOURCE_SWF:
        return swf_read(o->path, &o->swf, w, err);
    case SOURCE_TSV:
        return tsv_read(o->path, w, err);
    case SOURCE_EDA:
        return eda_make(&o->eda, w, err);
    case SOURCE_SATURATE:
        return saturation_make(&o->saturation, w, err);
    case SOURCE_NONE:
    case SOURCE_PLACEMENT:
    case SOURCE_POLICY:
        break;
    }
    return cq_fail(err, CQ_E_INTERNAL, "there is no such source");
}

static int load(const struct options *o, const struct window *window, struct workload *w,
                struct cq_err *err)
{
    *w = (struct workload){.cores = o->cores, .n_nodes = o->nodes};
    if (load_source(o, w, err) != 0)
        return -1;
    if (window && workload_cut(w, window->start, window->count, err) != 0)
        return -1;
    if (o->write_tsv && tsv_write(o->write_tsv, w, err) != 0)
        return -1;
    return workload_build(w, err);
}

/* ---- progress ---- */

static void show_progress(void *arg, int64_t now_us, uint64_t n_over, uint64_t n_tasks)
{
    (void)arg;
    (void)fprintf(stderr, "\r%3.0f %%  %" PRIu64 " of %" PRIu64 " jobs, day %.1f ",
                  100 * (double)n_over / (double)n_tasks, n_over, n_tasks,
                  (double)now_us / 86400e6);
}

static void clear_progress(const struct run_options *run)
{
    if (run->progress)
        (void)fprintf(stderr, "\r\033[K");
}

/* `which`: of two runs, "before: " or "after: ". */
static void tell_stuck(const struct options *o, const char *which, const struct run_result *r)
{
    if (r->metrics.n_refused)
        (void)fprintf(stderr, "%s: %s%" PRIu64 " jobs were refused at submission\n", o->program,
                      which, r->metrics.n_refused);
    if (*r->stuck)
        (void)fprintf(stderr, "%s: %s%" PRIu64 " jobs did not end; %s\n", o->program, which,
                      r->metrics.n_unfinished, r->stuck);
}

/* ---- runs ---- */

static int run_one(const struct options *o, const struct run_options *run,
                   const struct window *window, struct finished *f, struct cq_err *err)
{
    if (load(o, window, &f->workload, err) != 0)
        return -1;
    int rc = run_workload(&f->workload, run, &f->result, err);
    clear_progress(run);
    return rc;
}

static void print_json(json_t *o)
{
    (void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    (void)fputc('\n', stdout);
    json_decref(o);
}

static int run_whole(const struct options *o, const struct run_options *run,
                     const struct window *window, struct cq_err *err)
{
    struct finished f = {0};
    int rc = run_one(o, run, window, &f, err);
    if (rc == 0)
        tell_stuck(o, "", &f.result);
    if (rc == 0 && o->csv)
        rc = report_csv(o->csv, &f.workload, err);
    if (rc == 0 && o->as_json)
        print_json(report_json(&f.workload, &f.result));
    else if (rc == 0)
        report_table(stdout, &f.workload, &f.result);
    finished_fini(&f);
    return rc;
}

/* The changed run comes first: what is wrong with the changes is told before anything else runs. */
static int run_both(const struct options *o, const struct run_options *run, size_t n_before,
                    struct cq_err *err)
{
    struct finished before = {0}, after = {0};
    struct run_options unchanged = *run;
    unchanged.n_rows = n_before;
    int rc = run_one(o, run, o->windows, &after, err);
    if (rc == 0)
        rc = run_one(o, &unchanged, o->windows, &before, err);
    if (rc == 0 && o->csv)
        rc = report_csv(o->csv, &after.workload, err);
    if (rc == 0) {
        tell_stuck(o, "before: ", &before.result);
        tell_stuck(o, "after: ", &after.result);
    }
    if (rc == 0 && o->as_json)
        print_json(compare_json(&before, &after));
    else if (rc == 0)
        compare_table(stdout, &before, &after);
    finished_fini(&before);
    finished_fini(&after);
    return rc;
}

static int run_window(const struct options *o, const struct run_options *run,
                      const struct window *window, struct window_mean *mean, json_t *list,
                      struct cq_err *err)
{
    struct finished f = {0};
    const struct metrics *m = &f.result.metrics;
    int rc = run_one(o, run, window, &f, err);
    if (rc == 0) {
        tell_stuck(o, "", &f.result);
        window_mean_add(mean, m);
        json_t *one = report_json(&f.workload, &f.result);
        json_object_set_new(one, "window_start", json_integer((json_int_t)window->start));
        json_array_append_new(list, one);
        if (!o->as_json)
            printf("%8zu:%zu  bounded slowdown %12.4f  wait %12.1f s\n", window->start,
                   window->count, m->mean_bounded_slowdown, m->wait.mean_s);
    }
    finished_fini(&f);
    return rc;
}

static int run_windows(const struct options *o, const struct run_options *run, struct cq_err *err)
{
    struct window_mean mean = {0};
    json_t *list = json_array();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n_windows; i++)
        rc = run_window(o, run, &o->windows[i], &mean, list, err);
    if (rc == 0 && o->as_json) {
        json_t *all = report_window_mean_json(&mean);
        json_object_set(all, "windows", list);
        print_json(all);
    } else if (rc == 0) {
        report_window_mean(stdout, &mean);
    }
    json_decref(list);
    return rc;
}

static int run_any(const struct options *o, struct cq_err *err)
{
    struct config_rows rows = {0};
    struct run_options run = o->run;
    if (o->source == SOURCE_POLICY)
        return policy_bench_run(&o->policy, err);
    if (o->source == SOURCE_PLACEMENT)
        return placement_bench_run(&o->placement, &run, err);
    if (o->source == SOURCE_SATURATE) {
        run.until_us = (int64_t)o->saturation.hours * 3600 * US_PER_S;
        run.order = o->has_order ? run.order : RUN_BATCH;
    }
    if (!o->is_quiet && isatty(STDERR_FILENO))
        run.progress = show_progress;
    int rc = o->config_rows ? config_rows_read(o->config_rows, &rows, err) : 0;
    size_t n_before = rows.n;
    if (rc == 0 && o->config_changes)
        rc = config_rows_read(o->config_changes, &rows, err);
    run.rows = rows.items;
    run.row_places = rows.places;
    run.n_rows = rows.n;
    if (rc == 0 && o->config_changes)
        rc = run_both(o, &run, n_before, err);
    else if (rc == 0)
        rc = o->n_windows > 1 ? run_windows(o, &run, err) : run_whole(o, &run, o->windows, err);
    config_rows_fini(&rows);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o;
    struct cq_err err = {0};
    options_parse(&o, argc, argv);
    int rc = run_any(&o, &err);
    if (rc == 0 && fflush(stdout) != 0)
        rc = cq_fail(&err, CQ_E_IO, "cannot write the output");
    if (rc != 0)
        report_error(o.program, o.as_json, &err);
    options_fini(&o);
    return rc == 0 ? 0 : cq_code_exit_status(err.code);
}
