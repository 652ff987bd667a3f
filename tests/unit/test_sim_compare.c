// LINK: cq_sim
/* The table of two runs: what stands in it, and what is left out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/compare.h"

static char text[8192];

static const char *compare(const struct metrics *b, const struct metrics *a)
{
    struct finished before = {.result.metrics = *b}, after = {.result.metrics = *a};
    char *names[] = {(char *)"acme", (char *)"brix"};
    before.workload.enterprises.items = names;
    FILE *out = fmemopen(text, sizeof text, "w");
    cr_assert(out);
    compare_table(out, &before, &after);
    cr_assert_eq(fclose(out), 0);
    return text;
}

Test(sim_compare, each_figure_stands_with_its_difference)
{
    const struct metrics b = {.n_jobs = 10, .utilisation = 0.5, .wait = {10, 100, 80, 300, 400}};
    const struct metrics a = {
        .n_jobs = 9, .n_unfinished = 1, .utilisation = 0.75, .wait = {9, 50.5, 80, 310, 400}};
    const char *said = compare(&b, &a);
    cr_expect(
        strstr(said, "jobs ended                             10              9             -1\n"),
        "%s", said);
    cr_expect(
        strstr(said, "jobs not ended                          0              1             +1\n"));
    cr_expect(
        strstr(said, "utilisation                        0.5000         0.7500        +0.2500\n"));
    cr_expect(
        strstr(said, "wait, s: all, mean                  100.0           50.5          -49.5\n"));
    cr_expect(
        strstr(said, "wait, s: all, p95                   300.0          310.0          +10.0\n"));
    cr_expect_null(strstr(said, "preemptions"), "there were none");
    cr_expect_null(strstr(said, "enterprise"), "there is one");
}

Test(sim_compare, windows_that_one_run_has_not_are_left_out)
{
    struct tenant_stats tenants[2] = {{.due = 0.5, .got = 0.4, .wait = {1, 20, 20, 30, 30}},
                                      {.is_absent = true}};
    struct metrics b = {.n_tenants = 2, .tenants = tenants, .n_hours = 3, .jain_hour_mean = 0.9};
    struct metrics a = b;
    a.n_hours = 0;
    (void)compare(&b, &a);
    cr_expect_null(strstr(text, "Jain, 1 h"));
    cr_expect(strstr(text, "acme             50.00   50.00   40.00   40.00"), "%s", text);
    cr_expect(strstr(text, "brix                 -       -       -       -\n"), "%s", text);
}
