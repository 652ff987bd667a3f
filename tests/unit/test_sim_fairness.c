// LINK: cq_sim
/* Jain's index, windows and lag on cases that fit on a slip of paper. */
#include <criterion/criterion.h>
#include <math.h>

#include "common/base/pure/id.h"
#include "scheduler/sim/fairness.h"

#define HOUR_US (3600 * US_PER_S)

static void expect_near(double got, double want, const char *what)
{
    cr_expect(fabs(got - want) < 1e-9 * fmax(1, fabs(want)), "%s: %.12g, wanted %.12g", what, got,
              want);
}

Test(sim_fairness, jain_of_known_vectors)
{
    expect_near(fairness_jain((double[]){1, 1, 1, 1}, 4), 1, "all equal");
    expect_near(fairness_jain((double[]){1, 0, 0, 0}, 4), 0.25, "one has all");
    expect_near(fairness_jain((double[]){1, 3}, 2), 16.0 / 20, "one to three");
    expect_near(fairness_jain((double[]){0, 0}, 2), 1, "nothing for anybody");
}

Test(sim_fairness, filling_stops_at_demand)
{
    struct fairness_tenant t[] = {
        {.weight = 1, .rate = 0.5}, /* wants 0.5 */
        {.weight = 2, .rate = 0.1, .waiting_rate = 9},
        {.weight = 1, .waiting_rate = 0.05},
    };
    fairness_fill(t, 3, 0.9);
    expect_near(t[2].ideal, 0.05, "its whole demand");
    expect_near(t[0].ideal, 0.85 / 3, "a third of the rest");
    expect_near(t[1].ideal, 2 * 0.85 / 3, "two thirds of the rest");
    fairness_fill(t, 3, 20);
    expect_near(t[0].ideal, 0.5, "more than enough for the first");
    expect_near(t[1].ideal, 9.1, "and the second");
    fairness_fill(t, 3, 0);
    expect_near(t[0].ideal + t[1].ideal + t[2].ideal, 0, "nothing to divide");
}

/* Two tenants wait all the time; weights 1 and 3, each gets half for an hour. */
Test(sim_fairness, an_hour_of_halves)
{
    struct fairness f;
    fairness_init(&f, (double[]){1, 3}, 2);
    for (size_t i = 0; i < 2; i++) {
        fairness_queue(&f, i, 0.5, 10);
        fairness_start(&f, i, 0.5);
    }
    fairness_advance(&f, HOUR_US);
    cr_assert_eq(f.hour.n, 1);
    /* x = 1/2 and 1/6: (2/3)^2 / (2 (1/4 + 1/36)) */
    expect_near(f.hour.sum, (4.0 / 9) / (2 * (10.0 / 36)), "Jain of the hour");
    /* the ideal of the second is 3/4: it falls behind by a quarter of the pool, its share is 3/4 */
    expect_near(f.max_lag_us, (double)HOUR_US * 0.25 / 0.75, "lag in its own share");
    cr_expect_eq(f.max_lag_tenant, 1);
    fairness_advance(&f, 24 * HOUR_US);
    cr_expect_eq(f.hour.n, 24);
    cr_expect_eq(f.day.n, 1);
    expect_near(f.day.sum, 0.8, "Jain of the day");
    fairness_fini(&f);
}

Test(sim_fairness, who_is_idle_for_a_moment_does_not_count)
{
    struct fairness f;
    fairness_init(&f, (double[]){1, 1, 1}, 3);
    for (size_t i = 0; i < 3; i++)
        fairness_queue(&f, i, 0.1, 2);
    fairness_start(&f, 0, 0.1);
    fairness_advance(&f, HOUR_US / 2);
    fairness_start(&f, 2, 0.1);
    fairness_start(&f, 2, 0.1); /* nothing of it waits for one second */
    fairness_advance(&f, HOUR_US / 2 + US_PER_S);
    fairness_queue(&f, 2, 0.1, 5);
    fairness_advance(&f, HOUR_US);
    cr_assert_eq(f.hour.n, 1);
    expect_near(f.hour.sum, 0.5, "the first had all, the second nothing, the third is left out");
    fairness_fini(&f);
}

Test(sim_fairness, an_instant_without_a_queue_is_no_time)
{
    struct fairness f;
    fairness_init(&f, (double[]){1, 1}, 2);
    fairness_queue(&f, 0, 0.1, 9);
    fairness_queue(&f, 1, 0.1, 1);
    fairness_advance(&f, HOUR_US / 4);
    fairness_start(&f, 1, 0.1);
    fairness_queue(&f, 1, 0.1, 1); /* at the same time */
    fairness_advance(&f, HOUR_US);
    cr_expect_eq(f.hour.n, 1);
    fairness_fini(&f);
}

Test(sim_fairness, lag_ends_with_the_queue)
{
    struct fairness f;
    fairness_init(&f, (double[]){1, 1}, 2);
    fairness_queue(&f, 0, 1, 2);
    fairness_queue(&f, 1, 0.5, 1);
    fairness_start(&f, 0, 1);
    fairness_advance(&f, 60 * US_PER_S);
    expect_near(f.tenants[1].lag_us, 0.5 * 60e6, "half a pool for a minute");
    expect_near(f.max_lag_us, 60e6, "a minute of its own share, which is half the pool");
    fairness_stop(&f, 0, 1);
    fairness_start(&f, 1, 0.5);
    fairness_advance(&f, 61 * US_PER_S);
    expect_near(f.tenants[1].lag_us, 0, "nothing of it waits: nothing is owed");
    cr_expect(f.tenants[0].lag_us < 0, "it was ahead, and stays so");
    fairness_fini(&f);
}
