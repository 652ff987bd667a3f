/* Random workloads through the real core in virtual time, and the charged service that each
 * enterprise had in any window. Included by the tests of the policy's laws, each its own program,
 * with its name in LAWS_PROGRAM.
 *
 * CHIPQ_SEED is the first seed, CHIPQ_ROUNDS how many; a failing seed prints how to replay it. Laws
 * that the core does not keep are called open_..., and tested only with CHIPQ_OPEN_LAWS set. */
#ifndef CHIPQ_TEST_LAWS_FIXTURE_H
#define CHIPQ_TEST_LAWS_FIXTURE_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/charge.h"
#include "scheduler/sim/dice.h"
#include "scheduler/sim/run.h"

#define MINUTE_US (60 * US_PER_S)
#define HOUR_US   (60 * MINUTE_US)

enum { TENANTS_MAX = 16 };

/* ---- seeds ---- */

CQ_UNUSED static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Calls `round` with each seed: `rounds` of them, unless the environment says otherwise. */
CQ_UNUSED static void each_seed(uint64_t rounds, void (*round)(uint64_t seed))
{
    uint64_t first = number_from("CHIPQ_SEED", 1);
    rounds = number_from("CHIPQ_ROUNDS", getenv("CHIPQ_SEED") ? 1 : rounds);
    for (uint64_t i = 0; i < rounds; i++)
        round(first + i);
}

/* The command that runs one seed again; `test` is "suite/name". */
CQ_UNUSED static const char *replay(uint64_t seed, const char *test)
{
    static char text[200];
    (void)snprintf(text, sizeof text,
                   "seed %lu; replay: CHIPQ_SEED=%lu build/debug/tests/%s --filter '%s'",
                   (unsigned long)seed, (unsigned long)seed, LAWS_PROGRAM, test);
    return text;
}

/* ---- workloads ---- */

/* Tasks of one tenant that are sent together: an array, or separate jobs. */
struct batch {
    size_t tenant;
    const char *user;                    /* NULL: "u" */
    int64_t submit_us, run_us, limit_us; /* limit 0: as long as the longest of them */
    double jitter;                       /* a task lasts run * (1 +- jitter) */
    uint64_t n, mem_mib;
    uint32_t cores;
    const char *licence; /* NULL: none */
    bool is_singles;
};

CQ_UNUSED static const char *tenant_name(size_t i)
{
    static const char names[TENANTS_MAX][4] = {"e00", "e01", "e02", "e03", "e04", "e05",
                                               "e06", "e07", "e08", "e09", "e10", "e11",
                                               "e12", "e13", "e14", "e15"};
    return names[i];
}

/* An empty workload for a pool of one machine with `cores` cores and as many GiB. */
CQ_UNUSED static void pool_make(struct workload *w, uint64_t cores, const double *weights, size_t n)
{
    *w = (struct workload){.cores = cores, .mem_mib = cores * 1024};
    for (size_t i = 0; i < n; i++)
        (void)workload_enterprise(w, tenant_name(i), weights[i]);
}

CQ_UNUSED static void batch_add(struct workload *w, struct dice *d, const struct batch *b)
{
    struct cq_err err = {0};
    int64_t longest_us = (int64_t)((double)b->run_us * (1 + b->jitter)) + 1;
    struct sim_row row = {
        .submit_us = b->submit_us,
        .limit_us = b->limit_us ? b->limit_us : longest_us,
        .array = b->is_singles ? 0 : w->n_rows + 1,
        .cores = b->cores ? b->cores : 1,
        .mem_mib = b->mem_mib ? b->mem_mib : 1,
        .leaf = workload_leaf(w, tenant_name(b->tenant), "p", b->user ? b->user : "u"),
        .licence = workload_licence(w, b->licence ? b->licence : ""),
        .klass = names_id(&w->classes, "small")};
    for (uint64_t i = 0; i < b->n; i++) {
        row.number = w->n_rows + 1;
        row.run_us = (int64_t)((double)b->run_us * (1 + b->jitter * dice_between(d, -1, 1)));
        cr_assert_eq(workload_add(w, &row, &err), 0, "%s", err.text);
    }
}

/* Runs it until then. The options are those of the daemon but for what the caller sets. */
CQ_UNUSED static void law_run(struct workload *w, const struct run_options *options,
                              int64_t until_us)
{
    struct run_options o = *options;
    struct run_result r = {0};
    struct cq_err err = {0};
    o.order = RUN_BATCH;
    o.until_us = until_us;
    o.core.ahead_us = 1;
    o.core.ahead_max = 1;
    cr_assert_eq(workload_build(w, &err), 0, "%s", err.text);
    cr_assert_eq(run_workload(w, &o, &r, &err), 0, "%s", err.text);
    run_result_fini(&r);
}

/* ---- charged service ---- */

/* Of each tenant from the beginning until each step, in microseconds of the whole pool. */
struct service {
    size_t n_tenants, n_steps;
    int64_t step_us;
    double *sums; /* [tenant * (n_steps + 1) + step] */
};

static double *service_at(const struct service *s, size_t tenant, int64_t us)
{
    return &s->sums[tenant * (s->n_steps + 1) + (size_t)(us / s->step_us)];
}

static void add_task(struct service *s, size_t tenant, double rate, int64_t start_us,
                     int64_t end_us)
{
    int64_t last_us = (int64_t)s->n_steps * s->step_us;
    end_us = end_us < last_us ? end_us : last_us;
    while (start_us < end_us) {
        int64_t step_end_us = (start_us / s->step_us + 1) * s->step_us;
        int64_t to_us = end_us < step_end_us ? end_us : step_end_us;
        *service_at(s, tenant, step_end_us) += rate * (double)(to_us - start_us);
        start_us = to_us;
    }
}

CQ_UNUSED static void service_make(struct service *s, const struct workload *w, int64_t step_us,
                                   int64_t until_us)
{
    *s = (struct service){
        .n_tenants = w->enterprises.n, .n_steps = (size_t)(until_us / step_us), .step_us = step_us};
    s->sums = cq_calloc(s->n_tenants * (s->n_steps + 1), sizeof *s->sums);
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct sim_task *t = &w->tasks[i];
        if (t->start_us >= 0)
            add_task(s, w->leaves[t->row->leaf].enterprise, charge_of(w, t->row, false),
                     t->start_us, t->start_us + t->row->run_us);
    }
    for (size_t i = 0; i < s->n_tenants; i++)
        for (size_t k = 1; k <= s->n_steps; k++)
            s->sums[i * (s->n_steps + 1) + k] += s->sums[i * (s->n_steps + 1) + k - 1];
}

CQ_UNUSED static void service_fini(struct service *s)
{
    free(s->sums);
    *s = (struct service){0};
}

/* In a window; its ends are multiples of the step. */
CQ_UNUSED static double service_in(const struct service *s, size_t tenant, int64_t from_us,
                                   int64_t to_us)
{
    return *service_at(s, tenant, to_us) - *service_at(s, tenant, from_us);
}

CQ_UNUSED static double service_of_all(const struct service *s, int64_t from_us, int64_t to_us)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_tenants; i++)
        sum += service_in(s, i, from_us, to_us);
    return sum;
}

#endif
