// LINK: cq_sim
/* The event loop with the real core behind it. */
#include <criterion/criterion.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/eda.h"
#include "scheduler/sim/run.h"
#include "scheduler/sim/saturate.h"
#include "scheduler/sim/swf.h"
#include "tests/unit/sim_reference.h"

static const struct run_options plain = {.core = {.ahead_us = 1, .ahead_max = 1}};

static void add(struct workload *w, int64_t submit_s, int64_t run_s, uint32_t cores, uint64_t array)
{
    struct cq_err err = {0};
    const struct sim_row row = {.submit_us = submit_s * US_PER_S,
                                .run_us = run_s * US_PER_S,
                                .limit_us = 1000 * US_PER_S,
                                .number = w->n_rows + 1,
                                .array = array,
                                .mem_mib = 1,
                                .cores = cores,
                                .leaf = workload_leaf(w, "acme", "p", "u"),
                                .licence = workload_licence(w, ""),
                                .klass = names_id(&w->classes, "c")};
    cr_assert_eq(workload_add(w, &row, &err), 0, "%s", err.text);
}

static struct run_result run(struct workload *w, const struct run_options *o)
{
    struct run_result r = {0};
    struct cq_err err = {0};
    cr_assert_eq(workload_build(w, &err), 0, "%s", err.text);
    cr_assert_eq(run_workload(w, o, &r, &err), 0, "%s", err.text);
    return r;
}

static void expect_starts(const struct workload *w, const int64_t *seconds)
{
    for (size_t i = 0; i < w->n_tasks; i++)
        cr_expect_eq(w->tasks[i].start_us, seconds[i] * US_PER_S, "task %zu at %ld us", i,
                     (long)w->tasks[i].start_us);
}

Test(sim_run, jobs_start_when_cores_come_free)
{
    struct workload w = {.cores = 2, .mem_mib = 100};
    add(&w, 0, 10, 1, 0);
    add(&w, 1, 20, 1, 0);
    add(&w, 2, 5, 1, 0);
    add(&w, 3, 5, 1, 0);
    struct run_result r = run(&w, &plain);
    expect_starts(&w, (int64_t[]){0, 1, 10, 15});
    cr_expect_eq(r.metrics.n_jobs, 4);
    cr_expect_str_eq(r.stuck, "");
    cr_expect_float_eq(r.metrics.wait.mean_s, (0 + 0 + 8 + 12) / 4.0, 1e-9);
    cr_expect_float_eq(r.metrics.makespan_s, 21, 1e-9);
    cr_expect_float_eq(r.metrics.utilisation, 40 / 42.0, 1e-9);
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, the_tasks_of_an_array_run_as_long_as_their_rows_say)
{
    struct workload w = {.cores = 1, .mem_mib = 100};
    add(&w, 0, 3, 1, 9);
    add(&w, 0, 5, 1, 9);
    add(&w, 0, 7, 1, 9);
    struct run_result r = run(&w, &plain);
    cr_expect_eq(w.n_jobs, 1);
    expect_starts(&w, (int64_t[]){0, 3, 8});
    cr_expect_float_eq(r.metrics.makespan_s, 15, 1e-9);
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, several_machines_hold_what_fits_on_one)
{
    struct workload w = {.cores = 4, .mem_mib = 100, .n_nodes = 2};
    add(&w, 0, 10, 1, 0);
    add(&w, 0, 20, 2, 0);
    add(&w, 0, 30, 2, 0); /* one core is free on the first machine: it waits */
    struct run_result r = run(&w, &plain);
    expect_starts(&w, (int64_t[]){0, 0, 10});
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, an_end_at_the_limit_comes_before_what_is_sent_in_that_second)
{
    struct workload w = {.cores = 1, .mem_mib = 100};
    add(&w, 0, 1000, 1, 0); /* uses its whole limit */
    add(&w, 1000, 5, 1, 0);
    struct run_result r = run(&w, &plain);
    expect_starts(&w, (int64_t[]){0, 1000});
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, it_stops_when_told)
{
    struct workload w = {.cores = 1, .mem_mib = 100};
    struct run_options o = plain;
    for (size_t i = 0; i < 10; i++)
        add(&w, 0, 60, 1, 4);
    o.until_us = 300 * US_PER_S;
    struct run_result r = run(&w, &o);
    cr_expect_eq(r.metrics.n_jobs, 5);
    cr_expect_eq(r.metrics.n_unfinished, 5);
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, a_lone_tenant_gets_the_whole_pool)
{
    struct workload w = {0};
    struct cq_err err = {0};
    struct run_options o = plain;
    const struct saturation s = {.enterprises = 1,
                                 .slots = 5,
                                 .hours = 1,
                                 .seed = 4,
                                 .run_us = 60 * US_PER_S,
                                 .jitter = 0.5};
    cr_assert_eq(saturation_make(&s, &w, &err), 0, "%s", err.text);
    o.order = RUN_BATCH;
    o.until_us = 3600 * US_PER_S;
    struct run_result r = run(&w, &o);
    cr_expect_float_eq(r.metrics.tenants[0].got, 1, 1e-9);
    cr_expect(r.metrics.utilisation > 0.97, "%.4f", r.metrics.utilisation);
    run_result_fini(&r);
    workload_fini(&w);
}

static uint64_t digest_of_starts(const struct workload *w)
{
    uint64_t h = 1;
    for (size_t i = 0; i < w->n_tasks; i++)
        h = (h ^ (uint64_t)w->tasks[i].start_us) * UINT64_C(0x100000001b3);
    return h;
}

/* One enterprise, so that nothing needs to be configured. */
static void make_busy(struct workload *w)
{
    struct cq_err err = {0};
    const struct eda e = {.seed = 5, .enterprises = 1, .days = 1, .load = 1.1};
    cr_assert_eq(eda_make(&e, w, &err), 0, "%s", err.text);
    w->weights[0] = 1;
    while (w->n_features > 0)
        free(w->features[--w->n_features].name);
    for (size_t i = 0; i < w->n_rows; i++)
        w->rows[i].licence = workload_licence(w, "");
}

Test(sim_run, the_same_workload_runs_the_same_way_again)
{
    struct workload w = {0};
    make_busy(&w);
    struct run_result a = run(&w, &plain);
    uint64_t first = digest_of_starts(&w);
    cr_expect_eq(a.metrics.n_jobs, w.n_rows, "all of them end");
    run_result_fini(&a);
    struct run_result b = run(&w, &plain);
    cr_expect_eq(digest_of_starts(&w), first);
    run_result_fini(&b);
    workload_fini(&w);
}

/* At no time do tasks hold more than there is. */
Test(sim_run, nothing_is_oversubscribed)
{
    struct workload w = {0};
    make_busy(&w);
    struct run_result r = run(&w, &plain);
    for (size_t i = 0; i < w.n_tasks; i += 5) {
        int64_t at_us = w.tasks[i].start_us;
        uint64_t cores = 0, mem_mib = 0;
        for (size_t k = 0; k < w.n_tasks; k++) {
            const struct sim_task *t = &w.tasks[k];
            bool runs = t->start_us <= at_us && at_us < t->start_us + t->row->run_us;
            cores += runs ? t->row->cores : 0;
            mem_mib += runs ? t->row->mem_mib : 0;
        }
        cr_assert(cores <= w.cores && mem_mib <= w.mem_mib, "at %ld us", (long)at_us);
    }
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, configuration_that_the_core_refuses_is_an_error)
{
    struct workload w = {.cores = 2, .mem_mib = 100};
    struct run_result r;
    struct cq_err err = {0};
    struct run_options o = plain;
    const struct in_config_row rows[] = {
        {.op = CONFIG_SET, .kind = "enterprise", .path = "nobody", .key = "weight", .value = "2"}};
    o.rows = rows;
    o.n_rows = 1;
    add(&w, 0, 10, 1, 0);
    cr_assert_eq(workload_build(&w, &err), 0);
    cr_assert_eq(run_workload(&w, &o, &r, &err), -1);
    cr_expect(strstr(err.text, "the configuration is refused"), "%s", err.text);
    workload_fini(&w);
}

/* ---- the policy ---- */

static void check_slice(bool exact_limits, bool backfills)
{
    struct workload w = {0};
    struct cq_err err = {0};
    struct run_options o = plain;
    const struct swf_options read = {.one_leaf = true, .exact_limits = exact_limits};
    const char *path = CHIPQ_SOURCE_DIR "/tests/data/kth_easy_1131.swf.gz";
    cr_assert_eq(swf_read(path, &read, &w, &err), 0, "%s", err.text);
    o.core.is_easy = true;
    o.core.no_backfill = !backfills;
    struct run_result r = run(&w, &o);
    int64_t *start_us = reference_run(&w, backfills);
    for (size_t i = 0; i < w.n_tasks; i++)
        cr_expect_eq(w.tasks[i].start_us, start_us[i], "job %lu starts at %ld us, not %ld",
                     (unsigned long)w.tasks[i].row->number, (long)w.tasks[i].start_us,
                     (long)start_us[i]);
    free(start_us);
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, easy_is_easy_job_by_job)
{
    check_slice(false, true);
    check_slice(true, true);
}

Test(sim_run, first_come_is_first_served)
{
    check_slice(false, false);
}

Test(sim_run, backlogged_enterprises_get_their_weights)
{
    for (uint64_t slots = 2; slots <= 10; slots += 2) {
        struct workload w = {0};
        struct cq_err err = {0};
        struct run_options o = plain;
        const struct saturation s = {
            .slots = slots, .hours = 1, .seed = 1, .run_us = 60 * US_PER_S, .weights = "50,30,20"};
        cr_assert_eq(saturation_make(&s, &w, &err), 0, "%s", err.text);
        o.order = RUN_BATCH;
        o.until_us = 3600 * US_PER_S;
        struct run_result r = run(&w, &o);
        for (size_t i = 0; i < 3; i++)
            cr_expect_float_eq(r.metrics.tenants[i].got, w.weights[i] / 100, 0.03,
                               "%lu slots: %.3f of %.2f", (unsigned long)slots,
                               r.metrics.tenants[i].got, w.weights[i] / 100);
        cr_expect(r.metrics.jain_total > 0.999, "%.6f", r.metrics.jain_total);
        run_result_fini(&r);
        workload_fini(&w);
    }
}

/* Rows of configuration change what is due; who sends no job has no part in it. */
Test(sim_run, due_goes_by_the_weights_of_the_configuration_among_those_who_came)
{
    const struct in_config_row rows[] = {{CONFIG_SET, "enterprise", "acme", "weight", "3"}};
    struct workload w = {.cores = 1, .mem_mib = 100};
    struct run_options o = plain;
    (void)workload_enterprise(&w, "acme", 1);
    (void)workload_enterprise(&w, "idle", 4);
    add(&w, 0, 10, 1, 0);
    add(&w, 0, 10, 1, 0);
    w.rows[0].leaf = workload_leaf(&w, "acme", "p", "u");
    w.rows[1].leaf = workload_leaf(&w, "rival", "p", "u");
    o.rows = rows;
    o.n_rows = 1;
    struct run_result r = run(&w, &o);
    uint32_t acme = names_find(&w.enterprises, "acme"), idle = names_find(&w.enterprises, "idle");
    uint32_t rival = names_find(&w.enterprises, "rival");
    cr_expect_float_eq(r.metrics.tenants[acme].due, 0.75, 1e-9);
    cr_expect_float_eq(r.metrics.tenants[rival].due, 0.25, 1e-9);
    cr_expect(r.metrics.tenants[idle].is_absent && !r.metrics.tenants[rival].is_absent);
    cr_expect_float_eq(r.metrics.tenants[idle].due, 0, 1e-9);
    run_result_fini(&r);
    workload_fini(&w);
}

/* The lender fills the pool; the other one is owed one core and gets it after the grace. */
Test(sim_run, a_guarantee_takes_back_what_it_lent)
{
    struct workload w = {.cores = 4, .mem_mib = 100};
    struct run_options o = plain;
    for (size_t i = 0; i < 4; i++)
        add(&w, 0, 1000, 1, 0);
    add(&w, 10, 100, 1, 0);
    w.rows[4].leaf = workload_leaf(&w, "rival", "p", "u");
    o.min_share = 0.5;
    o.core.reclaim_grace_us = 60 * US_PER_S;
    struct run_result r = run(&w, &o);
    cr_expect_eq(r.metrics.n_jobs, 5);
    cr_expect_eq(r.metrics.n_preemptions, 1);
    cr_expect_eq(w.tasks[4].start_us, 70 * US_PER_S, "%ld us", (long)w.tasks[4].start_us);
    cr_expect_float_eq(r.metrics.preempted_core_hours, 70 / 3600.0, 1e-9);
    size_t again = 0;
    for (size_t i = 0; i < 4; i++)
        again += w.tasks[i].preemptions == 1 && w.tasks[i].start_us == 170 * US_PER_S;
    cr_expect_eq(again, 1, "the victim runs again from its start");
    run_result_fini(&r);
    workload_fini(&w);
}

/* 2 tokens of a pool's feature: two run at once, whatever cores are free. */
Test(sim_run, tokens_are_a_limit)
{
    struct workload w = {.cores = 8, .mem_mib = 100};
    workload_feature(&w, "vcs")->count = 2;
    for (size_t i = 0; i < 4; i++) {
        add(&w, 0, 10, 1, 0);
        w.rows[i].licence = workload_licence(&w, "vcs:1");
    }
    struct run_result r = run(&w, &plain);
    expect_starts(&w, (int64_t[]){0, 0, 10, 10});
    run_result_fini(&r);
    workload_fini(&w);
}

Test(sim_run, what_can_never_start_is_told)
{
    struct workload w = {.cores = 8, .mem_mib = 100};
    struct run_options o = plain;
    const struct in_config_row rows[] = {
        {.op = CONFIG_SET, .kind = "enterprise", .path = "acme", .key = "max-cores", .value = "2"}};
    o.rows = rows;
    o.n_rows = 1;
    add(&w, 0, 10, 1, 0);
    add(&w, 0, 10, 3, 0);
    struct run_result r = run(&w, &o);
    cr_expect_eq(r.metrics.n_jobs, 1);
    cr_expect_eq(r.metrics.n_unfinished + r.metrics.n_refused, 1);
    cr_expect(r.metrics.n_refused || strstr(r.stuck, "job 2 never started"), "%s", r.stuck);
    run_result_fini(&r);
    workload_fini(&w);
}
