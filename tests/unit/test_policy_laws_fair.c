// LINK: cq_sim
/* Laws of fair shares: who wants all the time gets the weighted part, newcomers catch up as told,
 * nobody outranks them. Invariants 5 and 6 of the policy. */
#include "scheduler/sim/fairness.h"
#define LAWS_PROGRAM "test_policy_laws_fair"
#include "tests/unit/laws_fixture.h"

static const struct run_options plain;

/* ---- convergence ---- */

struct backlog { /* everybody wants more than there is, all the time */
    struct dice dice;
    size_t n;
    double weights[TENANTS_MAX], total, least;
    uint64_t slots;
    double run_us, jitter;
};

static void draw_weights(struct backlog *b, size_t most)
{
    b->n = dice_whole(&b->dice, 2, most);
    b->least = 8;
    for (size_t i = 0; i < b->n; i++) {
        b->weights[i] = (double)dice_whole(&b->dice, 1, 8);
        b->total += b->weights[i];
        b->least = fmin(b->least, b->weights[i]);
    }
}

/* Of tenant `i` from a time on: enough for `times` its part of what the pool can do by then. */
static void add_backlog(struct backlog *b, struct workload *w, size_t i, double times,
                        int64_t from_us, int64_t until_us)
{
    double runs = (double)b->slots * (double)(until_us - from_us) / b->run_us;
    batch_add(w, &b->dice,
              &(struct batch){.tenant = i,
                              .submit_us = from_us,
                              .run_us = (int64_t)b->run_us,
                              .jitter = b->jitter,
                              .n = (uint64_t)(fmin(1, times * b->weights[i] / b->total) * runs)
                                   + b->slots + 100});
}

static double longest_us(const struct backlog *b)
{
    return b->run_us * (1 + b->jitter);
}

/* Everybody's part of an hour from any minute on. */
static void expect_parts(const struct backlog *b, const struct service *s, int64_t from_us,
                         double tolerance, const char *how)
{
    double all = service_of_all(s, from_us, from_us + HOUR_US), x[TENANTS_MAX];
    double job = longest_us(b) / (double)b->slots;
    for (size_t i = 0; i < b->n; i++) {
        double due = b->weights[i] / b->total * all;
        double got = service_in(s, i, from_us, from_us + HOUR_US);
        x[i] = got / due;
        cr_assert(fabs(got - due) <= fmax(tolerance * due, 3 * job),
                  "tenant %zu of weight %g has %.4f of its part in the hour from minute %ld; %s", i,
                  b->weights[i], got / due, (long)(from_us / MINUTE_US), how);
    }
    cr_assert(job > 0.01 * b->least / b->total * all || fairness_jain(x, b->n) >= 0.999,
              "Jain's index is %.5f in the hour from minute %ld; %s", fairness_jain(x, b->n),
              (long)(from_us / MINUTE_US), how);
}

static void run_backlog(struct backlog *b, double tolerance, const char *how)
{
    struct workload w;
    struct service s;
    int64_t until_us = 2 * HOUR_US;
    pool_make(&w, b->slots, b->weights, b->n);
    for (size_t i = 0; i < b->n; i++)
        add_backlog(b, &w, i, 2, 0, until_us);
    law_run(&w, &plain, until_us);
    service_make(&s, &w, MINUTE_US, until_us);
    for (int64_t from_us = 0; from_us + HOUR_US <= until_us; from_us += MINUTE_US)
        expect_parts(b, &s, from_us, tolerance, how);
    service_fini(&s);
    workload_fini(&w);
}

/* Small jobs: one is at most a hundredth of what the least enterprise is due in an hour. Then 3 %
 * are more than what whole jobs do: one that is cut at each end of the hour, one that the carry has
 * on its way. The other half of the seeds has longer jobs, and those three are the tolerance. */
static void converge(uint64_t seed)
{
    struct backlog b = {0};
    dice_init(&b.dice, seed);
    draw_weights(&b, 12);
    b.slots = dice_whole(&b.dice, 2, 40);
    b.jitter = dice_between(&b.dice, 0, 0.5);
    double due_us = b.least / b.total * (double)b.slots * (double)HOUR_US;
    double most_us = seed % 2 ? fmin(0.01 * due_us, 300e6) : 900e6;
    b.run_us = most_us * dice_between(&b.dice, 0.5, 1) / (1 + b.jitter);
    run_backlog(&b, 0.03, replay(seed, "policy_laws_fair/backlogged_enterprises_converge"));
}

Test(policy_laws_fair, backlogged_enterprises_converge, .timeout = 3000)
{
    each_seed(12, converge);
}

/* Within 3 points of the hour: 6 % of the half, 15 % of the fifth. */
static void round_off(uint64_t seed)
{
    for (size_t k = 0; k < 4; k++) {
        static const uint64_t slots[] = {2, 4, 8, 10};
        struct backlog b = {.n = 3, .weights = {50, 30, 20}, .total = 100, .least = 20};
        dice_init(&b.dice, seed);
        b.slots = slots[k];
        b.jitter = dice_between(&b.dice, 0, 0.5);
        b.run_us = dice_between(&b.dice, 5e6, 40e6) / (1 + b.jitter);
        run_backlog(&b, 0.03 / 0.5, replay(seed, "policy_laws_fair/few_slots_are_shared_in_turn"));
    }
}

Test(policy_laws_fair, few_slots_are_shared_in_turn, .timeout = 3000)
{
    each_seed(4, round_off);
}

/* ---- newcomers ---- */

struct newcomer { /* the last one; the others have shared the pool until it comes */
    struct backlog b;
    double beta, half_life_us;
    int64_t before_us, after_us;
};

/* Mean over a window of 1 + excess, which is (1 - 2^(-a/H)) / beta first and halves itself
 * 1 + 1/beta times in a half-life. Times count from its arrival. */
static double law_of_newcomers(const struct newcomer *c, double from_us, double to_us)
{
    double first = (1 - exp2(-(double)c->before_us / c->half_life_us)) / c->beta;
    double decay = (1 + 1 / c->beta) * log(2) / c->half_life_us;
    return 1 + first * (exp(-decay * from_us) - exp(-decay * to_us)) / (decay * (to_us - from_us));
}

static void expect_newcomer(const struct newcomer *c, const struct service *s, int64_t from_us,
                            int64_t length_us, const char *how)
{
    int64_t begin_us = c->before_us + from_us;
    double fair =
        c->b.weights[c->b.n - 1] / c->b.total * service_of_all(s, begin_us, begin_us + length_us);
    double got = service_in(s, c->b.n - 1, begin_us, begin_us + length_us) / fair;
    double want = law_of_newcomers(c, (double)from_us, (double)(from_us + length_us));
    double job = longest_us(&c->b) / (double)c->b.slots / fair;
    cr_assert(fabs(got - want) <= 0.02 + job,
              "beta %.2f, a %.2f H: %.4f of its part instead of %.4f from minute %ld on; %s",
              c->beta, (double)c->before_us / c->half_life_us, got, want,
              (long)(from_us / MINUTE_US), how);
}

static void draw_newcomer(struct newcomer *c, uint64_t seed)
{
    dice_init(&c->b.dice, seed);
    draw_weights(&c->b, 8);
    c->b.slots = dice_whole(&c->b.dice, 10, 40);
    c->b.run_us = dice_between(&c->b.dice, 20e6, 80e6);
    c->b.jitter = dice_between(&c->b.dice, 0.1, 0.5);
    c->beta = dice_between(&c->b.dice, 1, 5);
    int64_t hours = (int64_t)dice_whole(&c->b.dice, 1, 3);
    c->half_life_us = (double)(hours * HOUR_US);
    double *own = &c->b.weights[c->b.n - 1], others = c->b.total - *own;
    *own = fmin(*own, 0.8 * others); /* with the boost it is below the whole pool */
    c->b.total = others + *own;
    c->before_us = hours * (int64_t)dice_whole(&c->b.dice, 6, 150) * MINUTE_US;
    c->after_us = hours * HOUR_US;
}

/* Over all windows from the time at which its first jobs run. */
static void run_newcomer(struct newcomer *c, int64_t window_us, const char *how)
{
    struct workload w;
    struct service s;
    int64_t until_us = c->before_us + c->after_us;
    double others = c->b.total / (c->b.total - c->b.weights[c->b.n - 1]);
    pool_make(&w, c->b.slots, c->b.weights, c->b.n);
    for (size_t i = 0; i + 1 < c->b.n; i++)
        add_backlog(&c->b, &w, i, 1.2 * others, 0, until_us);
    add_backlog(&c->b, &w, c->b.n - 1, 2.5, c->before_us, until_us);
    const struct run_options o = {
        .core = {.beta = c->beta, .half_life_us = (int64_t)c->half_life_us}};
    law_run(&w, &o, until_us);
    service_make(&s, &w, MINUTE_US, until_us);
    for (int64_t from_us = 2 * MINUTE_US; from_us + window_us <= c->after_us; from_us += MINUTE_US)
        expect_newcomer(c, &s, from_us, window_us, how);
    service_fini(&s);
    workload_fini(&w);
}

static void newcomer(uint64_t seed)
{
    struct newcomer c = {0};
    draw_newcomer(&c, seed);
    run_newcomer(&c, c.after_us / 4, replay(seed, "policy_laws_fair/newcomers_catch_up_as_told"));
}

Test(policy_laws_fair, newcomers_catch_up_as_told, .timeout = 3000)
{
    each_seed(12, newcomer);
}

/* Jobs that have waited for 12 h are picked first only where their user runs nothing. */
Test(policy_laws_fair, a_deep_backlog_gives_no_claim, .timeout = 3000)
{
    struct newcomer c = {
        .b = {.n = 2, .weights = {1, 1}, .total = 2, .slots = 8, .run_us = 120e6, .jitter = 0.3},
        .beta = 3,
        .half_life_us = 24 * (double)HOUR_US,
        .before_us = 13 * HOUR_US,
        .after_us = 2 * HOUR_US};
    run_newcomer(&c, HOUR_US, "there is no seed");
}
