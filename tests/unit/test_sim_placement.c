// LINK: cq_sim
/* The placement benchmark: its machines, its jobs, and what it measures. */
#include <criterion/criterion.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/placement_bench.h"

static const struct mixed small = {
    .seed = 1, .jobs = 3000, .nodes = 8, .sockets = 2, .domains = 8, .domain_cores = 8};
static const struct run_options run = {.core = {.ahead_us = 1, .ahead_max = 1}};

static void make(struct workload *w, const struct mixed *from, double load)
{
    struct cq_err err = {0};
    struct mixed m = *from;
    m.load = load;
    *w = (struct workload){0};
    cr_assert_eq(mixed_make(&m, w, &err), 0, "%s", err.text);
}

Test(sim_placement, a_machine_is_told_as_workers_tell_it)
{
    const struct mixed m = {.sockets = 2, .domains = 4, .domain_cores = 2};
    CQ_CLEANUP(cq_free_ptr) char *text = mixed_topology(&m);
    cr_assert_str_eq(text, "pkg0(numa0:8192(0 1) numa1:8192(2 3)) "
                           "pkg1(numa2:8192(4 5) numa3:8192(6 7))");
}

Test(sim_placement, loads_differ_in_arrivals_alone)
{
    struct workload a, b;
    double core_us = 0;
    make(&a, &small, 0.5);
    make(&b, &small, 0.9);
    for (size_t i = 0; i < a.n_rows; i++) {
        cr_assert_eq(a.rows[i].cores, b.rows[i].cores);
        cr_assert_eq(a.rows[i].run_us, b.rows[i].run_us);
        cr_assert_geq(a.rows[i].limit_us, a.rows[i].run_us);
        core_us += (double)a.rows[i].run_us * a.rows[i].cores;
    }
    double load = core_us / (double)b.cores / (double)b.rows[b.n_rows - 1].submit_us;
    cr_expect(load > 0.8999 && load < 0.9001, "load %.6f", load);
    workload_fini(&a);
    workload_fini(&b);
}

Test(sim_placement, packing_splits_few_and_the_lowest_number_many)
{
    const struct placement_bench b = {.mixed = small};
    struct placement_row rows[PLACEMENT_RULES];
    struct cq_err err = {0};
    for (enum placement_rule rule = PLACE_PACK; rule < PLACEMENT_RULES; rule++)
        cr_assert_eq(placement_bench_one(&b, &run, 0.75, rule, &rows[rule], &err), 0, "%s",
                     err.text);
    cr_expect_eq(rows[PLACE_PACK].n_small + rows[PLACE_PACK].n_wide, small.jobs);
    cr_expect_lt(rows[PLACE_PACK].n_split * 200, rows[PLACE_PACK].n_small, "at most 0.5 %%");
    cr_expect_gt(rows[PLACE_ANY].n_split * 20, rows[PLACE_ANY].n_small, "above 5 %%");
    cr_expect_eq(rows[PLACE_ONE_MACHINE].n_split, 0);
    cr_expect_leq(rows[PLACE_ONE_MACHINE].wide_wait_s, rows[PLACE_PACK].wide_wait_s);
}

Test(sim_placement, one_job_at_a_time_is_never_split)
{
    const struct placement_bench b = {.mixed = small};
    struct placement_row row;
    struct cq_err err = {0};
    cr_assert_eq(placement_bench_one(&b, &run, 0.05, PLACE_PACK, &row, &err), 0, "%s", err.text);
    cr_expect_eq(row.n_split, 0);
}

Test(sim_placement, refuses_what_cannot_be)
{
    struct workload w = {0};
    struct placement_bench b = {0};
    struct cq_err err = {0};
    struct mixed m = small;
    m.sockets = 3;
    cr_assert_neq(mixed_make(&m, &w, &err), 0);
    cr_expect_not_null(strstr(err.text, "3 sockets"));
    m = small;
    m.domains = 2;
    cr_assert_neq(mixed_make(&m, &w, &err), 0);
    cr_expect_not_null(strstr(err.text, "16 cores"));
    workload_fini(&w);
    cr_expect_neq(placement_bench_loads("0.7,9", &b, &err), 0);
    cr_expect_neq(placement_bench_loads("", &b, &err), 0);
    cr_expect_eq(placement_bench_loads("0.7,0.9", &b, &err), 0);
    cr_expect_eq(b.n_loads, 2);
}
