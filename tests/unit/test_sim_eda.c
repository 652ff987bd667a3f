// LINK: cq_sim
/* The generator: the same seed gives the same jobs, and they look as they should. */
#include <criterion/criterion.h>
#include <math.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/dice.h"
#include "scheduler/sim/eda.h"
#include "scheduler/sim/saturate.h"

static void make(struct workload *w, uint64_t seed, uint64_t enterprises, uint64_t days)
{
    struct cq_err err = {0};
    const struct eda e = {.seed = seed, .enterprises = enterprises, .days = days, .load = 0.85};
    *w = (struct workload){0};
    cr_assert_eq(eda_make(&e, w, &err), 0, "%s", err.text);
}

/* A number that all of the workload goes into. */
static uint64_t digest(const struct workload *w)
{
    uint64_t h = w->cores;
    for (size_t i = 0; i < w->n_rows; i++) {
        const struct sim_row *r = &w->rows[i];
        const uint64_t parts[] = {(uint64_t)r->submit_us,
                                  (uint64_t)r->run_us,
                                  (uint64_t)r->limit_us,
                                  r->mem_mib,
                                  r->cores,
                                  r->leaf,
                                  r->array};
        for (size_t k = 0; k < CQ_COUNT(parts); k++)
            h = (h ^ parts[k]) * UINT64_C(0x100000001b3);
    }
    return h;
}

Test(sim_eda, the_seed_decides)
{
    struct workload a, b, c;
    make(&a, 7, 5, 1);
    make(&b, 7, 5, 1);
    make(&c, 8, 5, 1);
    cr_expect_eq(digest(&a), digest(&b));
    cr_expect_neq(digest(&a), digest(&c));
    workload_fini(&a);
    workload_fini(&b);
    workload_fini(&c);
}

Test(sim_eda, demand_is_the_load)
{
    struct workload w;
    double core_s = 0;
    make(&w, 1, 40, 2);
    for (size_t i = 0; i < w.n_rows; i++)
        core_s += (double)w.rows[i].run_us / 1e6 * w.rows[i].cores;
    double load = core_s / (2 * 86400.0) / (double)w.cores;
    cr_expect(load > 0.84 && load <= 0.85, "load %.4f", load);
    workload_fini(&w);
}

struct seen {
    size_t n, n_limit, n_bad;
    double core_s;
};

Test(sim_eda, classes_have_their_sizes_and_shares)
{
    struct workload w;
    struct seen seen[4] = {{0}};
    double total = 0;
    make(&w, 1, 40, 2);
    cr_assert_eq(w.classes.n, 4);
    for (size_t i = 0; i < w.n_rows; i++) {
        const struct sim_row *r = &w.rows[i];
        struct seen *s = &seen[r->klass];
        double core_s = (double)r->run_us / 1e6 * r->cores;
        s->n++;
        s->n_limit += r->outcome == SIM_LIMIT;
        s->n_bad += r->outcome == SIM_FAIL || r->outcome == SIM_OOM;
        s->core_s += core_s;
        total += core_s;
        cr_assert(r->run_us <= r->limit_us);
        cr_assert_eq(r->limit_us % (300 * US_PER_S), 0, "limits are round");
    }
    const struct seen *regress = &seen[names_find(&w.classes, "regress")],
                      *huge = &seen[names_find(&w.classes, "huge")],
                      *synth = &seen[names_find(&w.classes, "synth")];
    cr_expect((double)regress->n > 0.85 * (double)w.n_rows, "most jobs are regression tests");
    cr_expect(regress->core_s / total > 0.25 && regress->core_s / total < 0.75);
    cr_expect(huge->core_s / total > 0.03 && huge->core_s / total < 0.45);
    cr_expect(synth->core_s / total > 0.10 && synth->core_s / total < 0.60);
    double bad = (double)regress->n_bad / (double)regress->n;
    cr_expect(bad > 0.055 && bad < 0.065, "6 in 100 tests fail: %.4f", bad);
    double stuck = (double)regress->n_limit / (double)regress->n;
    cr_expect(stuck > 0.005 && stuck < 0.06, "few tests meet their limit: %.4f", stuck);
    workload_fini(&w);
}

Test(sim_eda, people_sleep)
{
    struct workload w;
    size_t night = 0, day = 0;
    make(&w, 2, 60, 1);
    for (size_t i = 0; i < w.n_rows; i++) {
        int64_t hour = w.rows[i].submit_us / (3600 * US_PER_S);
        if (strcmp(w.classes.items[w.rows[i].klass], "debug") != 0)
            continue;
        night += hour == 3;
        day += hour == 11;
    }
    cr_expect(day > 3 * night, "%zu at eleven, %zu at three", day, night);
    workload_fini(&w);
}

Test(sim_eda, parameters_are_checked)
{
    struct eda e = {.seed = 1, .enterprises = 40, .days = 2, .load = 0.85};
    struct cq_err err = {0};
    cr_expect_eq(eda_parse("seed=9,load=1.1", &e, &err), 0);
    cr_expect_eq(e.seed, 9);
    cr_expect_eq(e.enterprises, 40);
    cr_expect_float_eq(e.load, 1.1, 1e-12);
    cr_expect_eq(eda_parse("", &e, &err), 0);
    static const char *const bad[] = {
        "seed",          "seed=x", "load=0", "load=nan", "days=0", "speed=3", "enterprises=1000000",
        "seed=1,,days=2"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++)
        cr_expect_eq(eda_parse(bad[i], &e, &err), -1, "%s", bad[i]);
}

Test(sim_eda, dice_have_the_right_shape)
{
    struct dice d;
    double sum = 0, squares = 0, exp_sum = 0;
    size_t below = 0;
    dice_init(&d, 1);
    for (int i = 0; i < 100000; i++) {
        double x = dice_normal(&d, 3, 2);
        sum += x;
        squares += (x - 3) * (x - 3);
        exp_sum += dice_exponential(&d, 5);
        below += dice_lognormal(&d, 75, 0.8) < 75;
    }
    cr_expect(fabs(sum / 1e5 - 3) < 0.03, "mean %.4f", sum / 1e5);
    cr_expect(fabs(sqrt(squares / 1e5) - 2) < 0.03, "sigma %.4f", sqrt(squares / 1e5));
    cr_expect(fabs(exp_sum / 1e5 - 5) < 0.1, "mean %.4f", exp_sum / 1e5);
    cr_expect(below > 49300 && below < 50700, "half below the median: %zu", below);
    for (int i = 0; i < 1000; i++) {
        uint64_t n = dice_whole(&d, 2, 4);
        cr_assert(n >= 2 && n <= 4);
    }
}

Test(sim_eda, the_saturated_never_run_dry)
{
    struct workload w = {0};
    struct cq_err err = {0};
    const struct saturation s = {
        .slots = 8, .hours = 1, .seed = 1, .run_us = 60 * US_PER_S, .weights = "50,30,20"};
    cr_assert_eq(saturation_make(&s, &w, &err), 0, "%s", err.text);
    cr_assert_eq(workload_build(&w, &err), 0, "%s", err.text);
    cr_expect_eq(w.n_jobs, 3);
    cr_expect_eq(w.cores, 8);
    for (size_t i = 0; i < 3; i++)
        cr_expect(w.jobs[i].n_tasks > 480 * w.weights[i] / 100 * 2);
    workload_fini(&w);
    struct saturation bad = s;
    bad.weights = "50,0";
    cr_expect_eq(saturation_make(&bad, &w, &err), -1);
    cr_expect(strstr(err.text, "not above 0"), "%s", err.text);
    workload_fini(&w);
}
