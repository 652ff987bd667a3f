// LINK: cq_sim
/* The sharing incentive: nobody who wants something gets less than the weighted part, but for what
 * was had before. Invariant 7 of the policy.
 *
 * The bound. Let B be the enterprises that run or want something, W their weight, phi = w_i / W. In
 * the fluid limit whoever runs has a key of at most kappa, the key of a backlogged enterprise i:
 *
 *     U_j + (beta/lambda) r_j <= w_j kappa,    or r_j = 0 and U_j > w_j kappa
 *
 * Summed over B, with V_j = min(U_j, w_j kappa): (beta/lambda) R + V <= W kappa, and so
 *
 *     r_i >= phi R - (lambda/beta) D           D = U_i - phi V, its excess
 *
 * V grows at least as fast as if all of R went to those who are not above kappa, so D' >= r_i - phi
 * R
 * - lambda D and D(s + t) >= D(s) 2^(-(1+1/beta) t/H). Over a window of length t that gives
 *
 *     S_i >= phi S - D(s) (1 - 2^(-(1+1/beta) t/H)) / (1 + beta)
 *
 * where D(s) < 0 means that it has to get more than its part. Real jobs are whole and run to their
 * end. That costs a job at each end of the window, one that the carry has on its way, one for each
 * slot that has not yet changed hands at s, and one for each slot that i held too long at an
 * earlier change: such a debt is paid back with at most one slot at a time (carry.h), while
 * something is due to it and to others. */
#define LAWS_PROGRAM "test_policy_laws_incentive"
#include "tests/unit/laws_fixture.h"

enum { HOURS = 8, STEPS = HOURS * 60, WINDOWS_EVERY = 5 };
#define UNTIL_US (HOURS * HOUR_US)

struct span { /* in which an enterprise wants something, and until when it runs */
    int64_t from_us, waits_until_us, until_us;
};

struct tenant {
    double weight;
    struct span *spans;
    size_t n_spans;
    double usage[STEPS + 1]; /* in microseconds of the pool, at each minute */
    double debt;             /* jobs that it still has to give back */
};

struct market {
    struct dice dice;
    size_t n;
    struct tenant tenants[TENANTS_MAX];
    uint64_t slots;
    double beta, half_life_us, lambda, longest_us;
    struct workload w;
    struct service service;
    uint64_t seed;
};

/* ---- a history ---- */

static void draw_market(struct market *m, uint64_t seed)
{
    *m = (struct market){.seed = seed};
    dice_init(&m->dice, seed);
    m->n = dice_whole(&m->dice, 2, 6);
    for (size_t i = 0; i < m->n; i++)
        m->tenants[i].weight = (double)dice_whole(&m->dice, 1, 5);
    m->slots = dice_whole(&m->dice, 6, 24);
    m->beta = dice_between(&m->dice, 1, 4);
    m->half_life_us = dice_between(&m->dice, 1, 4) * (double)HOUR_US;
    m->lambda = log(2) / m->half_life_us;
}

/* Batches of jobs of all lengths at random times; together they want more than there is. */
static void add_batches(struct market *m, size_t i)
{
    int64_t at_us = (int64_t)dice_whole(&m->dice, 0, 1) * (int64_t)dice_whole(&m->dice, 0, 120);
    for (at_us *= MINUTE_US; at_us < UNTIL_US;) {
        struct batch b = {.tenant = i,
                          .submit_us = at_us,
                          .run_us = (int64_t)dice_between(&m->dice, 20e6, 120e6),
                          .jitter = dice_between(&m->dice, 0.1, 0.5)};
        double pool_us = dice_between(&m->dice, 0.1, 1.5) * dice_between(&m->dice, 0.2, 1) * 3600e6;
        b.n = (uint64_t)(pool_us / (double)b.run_us * (double)m->slots) + 1;
        m->longest_us = fmax(m->longest_us, (double)b.run_us * (1 + b.jitter));
        batch_add(&m->w, &m->dice, &b);
        at_us += (int64_t)(dice_exponential(&m->dice, 0.4 * (double)m->n) * 3600e6);
    }
}

static struct span span_of_job(const struct market *m, const struct sim_job *job)
{
    struct span s = {.from_us = job->request->submit_us};
    for (size_t k = 0; k < job->n_tasks; k++) {
        const struct sim_task *t = &m->w.tasks[job->first_task + k];
        int64_t start_us = t->start_us < 0 ? UNTIL_US : t->start_us;
        int64_t end_us = t->start_us < 0 ? UNTIL_US : start_us + t->row->run_us;
        s.waits_until_us = start_us > s.waits_until_us ? start_us : s.waits_until_us;
        s.until_us = end_us > s.until_us ? end_us : s.until_us;
    }
    return s;
}

/* Jobs are in order of their submission. */
static void add_span(struct tenant *t, struct span s)
{
    struct span *last = t->n_spans > 0 ? &t->spans[t->n_spans - 1] : NULL;
    if (last == NULL || s.from_us > last->waits_until_us) {
        t->spans[t->n_spans++] = s;
        return;
    }
    last->until_us = s.until_us > last->until_us ? s.until_us : last->until_us;
    if (s.waits_until_us > last->waits_until_us)
        last->waits_until_us = s.waits_until_us;
}

static void note_history(struct market *m)
{
    double step = exp2(-(double)MINUTE_US / m->half_life_us);
    for (size_t i = 0; i < m->n; i++)
        m->tenants[i].spans = cq_calloc(m->w.n_jobs, sizeof(struct span));
    for (size_t k = 0; k < m->w.n_jobs; k++)
        add_span(&m->tenants[m->w.leaves[m->w.jobs[k].request->leaf].enterprise],
                 span_of_job(m, &m->w.jobs[k]));
    for (size_t i = 0; i < m->n; i++)
        for (int64_t k = 1; k <= STEPS; k++)
            m->tenants[i].usage[k] =
                m->tenants[i].usage[k - 1] * step
                + sqrt(step) * service_in(&m->service, i, (k - 1) * MINUTE_US, k * MINUTE_US);
}

/* ---- at one moment ---- */

/* The span in which it runs or wants something, or NULL. */
static const struct span *span_at(const struct tenant *t, int64_t us)
{
    for (size_t k = 0; k < t->n_spans; k++)
        if (t->spans[k].from_us <= us && us < t->spans[k].until_us)
            return &t->spans[k];
    return NULL;
}

static double slots_held(const struct market *m, size_t i, int64_t us)
{
    double n = 0;
    for (size_t k = 0; k < m->w.n_tasks; k++) {
        const struct sim_task *t = &m->w.tasks[k];
        n += t->start_us >= 0 && t->start_us < us && us < t->start_us + t->row->run_us
             && m->w.leaves[t->row->leaf].enterprise == i;
    }
    return n;
}

struct moment {
    int64_t at_us;
    double weight, kappa, usage; /* W, and V: usage up to kappa */
};

/* The level to which `volume` fills what is above the usages. */
static double fill(const struct market *m, const bool *is_in, size_t step, double volume)
{
    double low = 0, high = 0;
    for (size_t i = 0; i < m->n; i++)
        high =
            fmax(high, is_in[i] ? (m->tenants[i].usage[step] + volume) / m->tenants[i].weight : 0);
    for (int round = 0; round < 60; round++) {
        double middle = (low + high) / 2, sum = 0;
        for (size_t i = 0; i < m->n; i++)
            if (is_in[i])
                sum += fmax(0, middle * m->tenants[i].weight - m->tenants[i].usage[step]);
        *(sum < volume ? &low : &high) = middle;
    }
    return high;
}

/* With the usages of the last full minute; `rate` is of all that runs. */
static struct moment moment_at(const struct market *m, const bool *is_in, int64_t us, double rate)
{
    size_t step = (size_t)(us / MINUTE_US);
    struct moment now = {.at_us = us, .kappa = fill(m, is_in, step, m->beta / m->lambda * rate)};
    for (size_t i = 0; i < m->n; i++) {
        if (!is_in[i])
            continue;
        now.weight += m->tenants[i].weight;
        now.usage += fmin(m->tenants[i].usage[step], now.kappa * m->tenants[i].weight);
    }
    return now;
}

static double usage_at(const struct market *m, size_t i, int64_t us)
{
    return m->tenants[i].usage[us / MINUTE_US];
}

static double slots_due(const struct market *m, const struct moment *now, size_t i)
{
    double room = now->kappa * m->tenants[i].weight - usage_at(m, i, now->at_us);
    return fmax(0, room) * m->lambda / m->beta * (double)m->slots;
}

/* ---- windows ---- */

/* All windows that begin now, in which it wants something until the end. */
static void expect_incentive(const struct market *m, const struct moment *now, size_t i,
                             int64_t until_us, double changes)
{
    double phi = m->tenants[i].weight / now->weight, job = m->longest_us / (double)m->slots;
    double excess = usage_at(m, i, now->at_us) - phi * now->usage;
    for (int64_t to_us = now->at_us + MINUTE_US; to_us <= until_us; to_us += MINUTE_US) {
        double paid = 1 - exp(-(1 + 1 / m->beta) * m->lambda * (double)(to_us - now->at_us));
        double fair = phi * service_of_all(&m->service, now->at_us, to_us);
        double got = service_in(&m->service, i, now->at_us, to_us);
        cr_assert(got >= fair - excess / (1 + m->beta) * paid - (3 + changes) * job,
                  "tenant %zu has %.2f jobs from minute %ld to %ld, %.2f are its part, %.2f less "
                  "by its history, %.2f slots to change; %s",
                  i, got / job, (long)(now->at_us / MINUTE_US), (long)(to_us / MINUTE_US),
                  fair / job, excess / (1 + m->beta) * paid / job, changes,
                  replay(m->seed, "policy_laws_incentive/nobody_gets_less_than_the_part"));
    }
}

/* What it holds and is not due any more when somebody comes or goes. */
static void note_debts(struct market *m, const bool *is_in, int64_t us)
{
    struct moment now = moment_at(m, is_in, us, 1);
    for (size_t i = 0; i < m->n; i++) {
        struct tenant *t = &m->tenants[i];
        if (is_in[i])
            t->debt += fmax(0, slots_held(m, i, us) - slots_due(m, &now, i));
        t->debt = fmin(t->debt, (double)HOUR_US / m->longest_us);
    }
}

static void expect_all(struct market *m, const bool *is_in, int64_t us, int64_t until_us)
{
    double rate = service_of_all(&m->service, us, us + MINUTE_US) / (double)MINUTE_US;
    struct moment now = moment_at(m, is_in, us, rate);
    for (size_t i = 0; i < m->n; i++) {
        const struct span *s = span_at(&m->tenants[i], us);
        if (!is_in[i] || s == NULL)
            continue;
        double *debt = &m->tenants[i].debt, due = slots_due(m, &now, i),
               others = (double)m->slots - due;
        double changes = fmax(0, due - slots_held(m, i, us)) + *debt;
        int64_t to_us = s->waits_until_us < until_us ? s->waits_until_us : until_us;
        expect_incentive(m, &now, i, to_us, changes);
        int64_t step_us = WINDOWS_EVERY * MINUTE_US;
        step_us = until_us - us < step_us ? until_us - us : step_us;
        *debt = fmax(0, *debt - fmin(fmin(due, others), 1) * (double)step_us / m->longest_us);
    }
}

/* While the same ones run or want something. */
static void check_epoch(struct market *m, int64_t from_us, int64_t until_us)
{
    bool is_in[TENANTS_MAX];
    for (size_t i = 0; i < m->n; i++)
        is_in[i] = span_at(&m->tenants[i], from_us) != NULL;
    note_debts(m, is_in, from_us);
    int64_t us = (from_us + MINUTE_US - 1) / MINUTE_US * MINUTE_US;
    for (; us + MINUTE_US <= until_us; us += WINDOWS_EVERY * MINUTE_US)
        expect_all(m, is_in, us, until_us);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void check_epochs(struct market *m)
{
    int64_t *times = cq_calloc(2 * m->w.n_jobs + 1, sizeof *times);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < m->tenants[i].n_spans; k++) {
            times[n++] = m->tenants[i].spans[k].from_us;
            times[n++] = m->tenants[i].spans[k].until_us;
        }
    qsort(times, n, sizeof *times, by_time);
    for (size_t k = 0; k + 1 < n && times[k] < UNTIL_US; k++)
        if (times[k] < times[k + 1])
            check_epoch(m, times[k], times[k + 1] < UNTIL_US ? times[k + 1] : UNTIL_US);
    free(times);
}

static void incentive(uint64_t seed)
{
    static struct market m;
    double weights[TENANTS_MAX];
    draw_market(&m, seed);
    for (size_t i = 0; i < m.n; i++)
        weights[i] = m.tenants[i].weight;
    pool_make(&m.w, m.slots, weights, m.n);
    for (size_t i = 0; i < m.n; i++)
        add_batches(&m, i);
    const struct run_options o = {
        .core = {.beta = m.beta, .half_life_us = (int64_t)m.half_life_us}};
    law_run(&m.w, &o, UNTIL_US);
    service_make(&m.service, &m.w, MINUTE_US, UNTIL_US);
    note_history(&m);
    check_epochs(&m);
    for (size_t i = 0; i < m.n; i++)
        free(m.tenants[i].spans);
    service_fini(&m.service);
    workload_fini(&m.w);
}

Test(policy_laws_incentive, nobody_gets_less_than_the_part, .timeout = 3000)
{
    each_seed(12, incentive);
}
