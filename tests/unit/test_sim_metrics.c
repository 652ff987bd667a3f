// LINK: cq_sim
/* The figures of a report, on jobs whose waits are set by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/charge.h"
#include "scheduler/sim/metrics.h"

static void expect_near(double got, double want, const char *what)
{
    cr_expect(fabs(got - want) < 1e-9 * fmax(1, fabs(want)), "%s: %.12g, wanted %.12g", what, got,
              want);
}

Test(sim_metrics, percentiles_by_rank)
{
    double values[100];
    for (size_t i = 0; i < 100; i++)
        values[i] = (double)((i * 37) % 100 + 1); /* 1..100, shuffled */
    struct wait_stats s = wait_stats_of(values, 100);
    expect_near(s.mean_s, 50.5, "mean");
    expect_near(s.median_s, 50.5, "median");
    expect_near(s.p95_s, 95, "p95");
    expect_near(s.max_s, 100, "max");
    s = wait_stats_of((double[]){3, 1, 2}, 3);
    expect_near(s.median_s, 2, "odd median");
    expect_near(s.p95_s, 3, "p95 of few");
    s = wait_stats_of(NULL, 0);
    cr_expect_eq(s.n, 0);
}

static void add(struct workload *w, uint64_t number, const char *enterprise, const char *klass,
                int64_t submit_s, int64_t run_s, uint32_t cores)
{
    struct cq_err err = {0};
    const struct sim_row row = {.submit_us = submit_s * US_PER_S,
                                .run_us = run_s * US_PER_S,
                                .limit_us = 1000 * US_PER_S,
                                .number = number,
                                .mem_mib = 1,
                                .cores = cores,
                                .leaf = workload_leaf(w, enterprise, "p", "u"),
                                .licence = workload_licence(w, ""),
                                .klass = names_id(&w->classes, klass)};
    cr_assert_eq(workload_add(w, &row, &err), 0, "%s", err.text);
}

static void ran(struct workload *w, size_t task, int64_t start_s)
{
    w->tasks[task].start_us = start_s * US_PER_S;
    w->tasks[task].is_over = true;
}

Test(sim_metrics, four_jobs_on_four_cores)
{
    struct workload w = {.cores = 4, .mem_mib = 100};
    struct fairness f;
    struct metrics m;
    add(&w, 1, "acme", "small", 10, 5, 1);    /* starts at 10: no wait, slowdown 1 */
    add(&w, 2, "acme", "small", 10, 20, 2);   /* at 40: waits 30, slowdown 50/20 */
    add(&w, 3, "rival", "large", 20, 100, 4); /* at 60: waits 40, slowdown 1.4 */
    add(&w, 4, "rival", "large", 30, 1, 1);   /* at 39: waits 9, slowdown 10/10 */
    add(&w, 5, "rival", "large", 30, 50, 1);  /* never ends */
    cr_assert_eq(workload_build(&w, NULL), 0);
    ran(&w, 0, 10);
    ran(&w, 1, 40);
    ran(&w, 2, 60);
    ran(&w, 3, 39);
    fairness_init(&f, w.weights, w.enterprises.n);
    f.tenants[0].service_us = 100;
    f.tenants[1].service_us = 300;
    metrics_make(
        &m, &w,
        &(struct metrics_extra){.fairness = &f, .n_preemptions = 2, .preempted_core_us = 7200e6});
    cr_expect_eq(m.n_jobs, 4);
    cr_expect_eq(m.n_unfinished, 1);
    expect_near(m.wait.mean_s, (0 + 30 + 40 + 9) / 4.0, "mean wait");
    expect_near(m.wait.median_s, 19.5, "median wait");
    expect_near(m.wait.max_s, 40, "longest wait");
    expect_near(m.mean_bounded_slowdown, (1 + 2.5 + 1.4 + 1) / 4, "slowdown");
    expect_near(m.makespan_s, 160 - 10, "makespan");
    expect_near(m.utilisation, (5 + 40 + 400 + 1) / (150.0 * 4), "utilisation");
    expect_near(m.classes[0].mean_s, 15, "mean of small");
    expect_near(m.classes[1].max_s, 40, "longest of large");
    expect_near(m.tenants[0].core_hours, 45 / 3600.0, "acme's core-hours");
    expect_near(m.tenants[0].got, 0.25, "acme's share");
    expect_near(m.tenants[0].due, 0.5, "acme's due");
    expect_near(m.jain_total, 0.8, "Jain of 1 and 3");
    expect_near(m.preempted_core_hours, 2, "lost core-hours");
    metrics_fini(&m);
    fairness_fini(&f);
    workload_fini(&w);
}

Test(sim_metrics, charge_is_the_dominant_part)
{
    struct workload w = {.cores = 100, .mem_mib = 1000};
    workload_feature(&w, "vcs")->count = 4;
    workload_feature(&w, "dc")->count = 50;
    struct sim_row r = {.cores = 10, .mem_mib = 50, .licence = workload_licence(&w, "-")};
    (void)workload_enterprise(&w, "a", 1);
    (void)workload_enterprise(&w, "b", 1);
    (void)workload_enterprise(&w, "c", 1);
    expect_near(charge_of(&w, &r, false), 0.1, "cores");
    r.mem_mib = 250;
    expect_near(charge_of(&w, &r, false), 0.25, "memory");
    r.licence = workload_licence(&w, "dc:20,vcs:1");
    expect_near(charge_of(&w, &r, false), 0.4, "20 of 50 tokens");
    r.licence = workload_licence(&w, "vcs:2");
    expect_near(charge_of(&w, &r, false), 2.0 / 6, "2 of at least twice three");
    expect_near(charge_of(&w, &r, true), 0.5, "2 of 4");
    workload_find_feature(&w, "vcs", 3)->is_owned = true;
    expect_near(charge_of(&w, &r, true), 0.25, "an owned feature costs the pool nothing");
    workload_fini(&w);
}

Test(sim_metrics, rows_of_one_array_become_one_job)
{
    struct workload w = {.cores = 4, .mem_mib = 100};
    add(&w, 1, "acme", "small", 0, 5, 1);
    add(&w, 2, "acme", "small", 0, 6, 1);
    add(&w, 3, "acme", "small", 0, 7, 1);
    add(&w, 4, "acme", "small", 0, 8, 2); /* another request */
    add(&w, 5, "acme", "small", 9, 9, 1); /* another time */
    for (size_t i = 0; i < w.n_rows; i++)
        w.rows[i].array = 77;
    w.rows[1].array = 0; /* a job of its own between them */
    cr_assert_eq(workload_build(&w, NULL), 0);
    cr_assert_eq(w.n_jobs, 4);
    cr_expect_eq(w.jobs[0].n_tasks, 2);
    cr_expect(w.jobs[0].is_array);
    cr_expect_eq(w.tasks[w.jobs[0].first_task + 1].row->number, 3);
    cr_expect_not(w.jobs[1].is_array);
    cr_expect_eq(w.tasks[w.jobs[1].first_task].row->number, 2);
    cr_expect_eq(w.jobs[2].request->number, 4);
    cr_expect_eq(w.jobs[3].request->number, 5);
    workload_fini(&w);
}

Test(sim_metrics, a_job_larger_than_any_machine_is_refused)
{
    struct workload w = {.cores = 8, .mem_mib = 100, .n_nodes = 4};
    struct cq_err err = {0};
    add(&w, 9, "acme", "small", 0, 5, 3);
    cr_assert_eq(workload_build(&w, &err), -1);
    cr_expect_eq(err.code, CQ_E_IMPOSSIBLE);
    cr_expect(strstr(err.text, "job 9 needs 3 cores"), "%s", err.text);
    workload_fini(&w);
}
