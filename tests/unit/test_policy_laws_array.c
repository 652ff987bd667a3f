// LINK: cq_sim
/* Arrays and singles, larger pools. Invariants 11 and 13 of the policy. */
#include "scheduler/sim/eda.h"
#define LAWS_PROGRAM "test_policy_laws_array"
#include "tests/unit/laws_fixture.h"

/* ---- arrays ---- */

enum { MANY = 20000, SINGLES_STREAM = 99 };
#define UNTIL_US (2 * HOUR_US)

struct rivals { /* enterprise 0 has one or two leaves, each other one leaf with a backlog */
    size_t n;
    double weights[TENANTS_MAX];
    uint64_t slots;
    int64_t run_us;
    double jitter;
    uint64_t seed;
};

static void draw_rivals(struct rivals *r, uint64_t seed)
{
    struct dice d;
    dice_init(&d, seed);
    *r = (struct rivals){.n = dice_whole(&d, 2, 5), .seed = seed};
    for (size_t i = 0; i < r->n; i++)
        r->weights[i] = (double)dice_whole(&d, 1, 4);
    r->slots = dice_whole(&d, 4, 24);
    r->run_us = (int64_t)dice_between(&d, 30e6, 90e6);
    r->jitter = dice_between(&d, 0.1, 0.5);
}

/* The same tasks in the same order, whether they are an array or not. */
static void add_leaf(const struct rivals *r, struct workload *w, size_t tenant, const char *user,
                     bool is_singles)
{
    struct dice d = dice_branch(r->seed, tenant);
    batch_add(w, &d,
              &(struct batch){.tenant = tenant,
                              .user = user,
                              .run_us = r->run_us,
                              .jitter = r->jitter,
                              .n = tenant ? r->slots * (uint64_t)(UNTIL_US / r->run_us) * 2 : MANY,
                              .is_singles = is_singles});
}

static void run_rivals(const struct rivals *r, struct workload *w, int64_t array_step_us)
{
    const struct run_options o = {.core = {.array_step_us = array_step_us}};
    for (size_t i = 1; i < r->n; i++)
        add_leaf(r, w, i, "u", false);
    law_run(w, &o, UNTIL_US);
}

/* With T_arr = 0 the tasks of an array are tasks: all start when they would as jobs of their own.
 */
static void array_or_singles(uint64_t seed)
{
    struct rivals r;
    struct workload w[2];
    draw_rivals(&r, seed);
    for (size_t k = 0; k < 2; k++) {
        pool_make(&w[k], r.slots, r.weights, r.n);
        add_leaf(&r, &w[k], 0, "u", k == 1);
        run_rivals(&r, &w[k], -1);
    }
    for (size_t i = 0; i < w[0].n_tasks; i++)
        cr_assert_eq(w[0].tasks[i].start_us, w[1].tasks[i].start_us,
                     "task %zu starts at %ld us in an array, at %ld us alone; %s", i,
                     (long)w[0].tasks[i].start_us, (long)w[1].tasks[i].start_us,
                     replay(seed, "policy_laws_array/an_array_is_as_good_as_its_tasks"));
    workload_fini(&w[0]);
    workload_fini(&w[1]);
}

Test(policy_laws_array, an_array_is_as_good_as_its_tasks, .timeout = 3000)
{
    each_seed(4, array_or_singles);
}

/* How long tasks of a leaf ran. */
static double leaf_time(const struct workload *w, uint32_t leaf)
{
    double sum_us = 0;
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct sim_task *t = &w->tasks[i];
        int64_t end_us = t->start_us + t->row->run_us;
        if (t->row->leaf == leaf && t->start_us >= 0)
            sum_us += (double)((end_us < UNTIL_US ? end_us : UNTIL_US) - t->start_us);
    }
    return sum_us;
}

/* One leaf has the array, its sibling the singles: the same service, whatever T_arr is. Each is
 * within a job of what it is due at every moment, so the two are within two. */
static void side_by_side(uint64_t seed)
{
    struct rivals r;
    struct workload w;
    draw_rivals(&r, seed);
    pool_make(&w, r.slots, r.weights, r.n);
    add_leaf(&r, &w, 0, "u", false);
    add_leaf(&r, &w, 0, "v", true);
    run_rivals(&r, &w, seed % 2 ? -1 : US_PER_S);
    double array_us = leaf_time(&w, 0), singles_us = leaf_time(&w, 1);
    cr_assert(fabs(array_us - singles_us) <= 2 * (double)r.run_us * (1 + r.jitter),
              "%.0f s of the array, %.0f s of the singles; %s", array_us / 1e6, singles_us / 1e6,
              replay(seed, "policy_laws_array/array_and_singles_side_by_side"));
    workload_fini(&w);
}

Test(policy_laws_array, array_and_singles_side_by_side, .timeout = 3000)
{
    each_seed(4, side_by_side);
}

/* ---- T_arr ---- */

/* The leaf of the array sends a single job every ten minutes. Returns when those start, on average.
 */
static double run_mixed(const struct rivals *r, struct workload *w, int64_t array_step_us)
{
    struct dice d = dice_branch(r->seed, SINGLES_STREAM);
    double sum_us = 0, n = 0;
    pool_make(w, r->slots, r->weights, r->n);
    add_leaf(r, w, 0, "u", false);
    for (int64_t at_us = 10 * MINUTE_US; at_us < UNTIL_US; at_us += 10 * MINUTE_US)
        batch_add(w, &d,
                  &(struct batch){.submit_us = at_us,
                                  .run_us = r->run_us,
                                  .jitter = r->jitter,
                                  .n = 5,
                                  .is_singles = true});
    run_rivals(r, w, array_step_us);
    for (size_t i = 0; i < w->n_tasks; i++)
        if (w->tasks[i].row->array == 0) {
            sum_us += (double)(w->tasks[i].start_us < 0 ? 2 * UNTIL_US : w->tasks[i].start_us);
            n++;
        }
    return sum_us / n;
}

/* What enterprises had until any minute; of the others only, or exactly the same. */
static void expect_same_service(const struct rivals *r, const struct workload *a,
                                const struct workload *b, double jobs, const char *how)
{
    struct service x, y;
    double job = (double)r->run_us * (1 + r->jitter) / (double)r->slots;
    service_make(&x, a, MINUTE_US, UNTIL_US);
    service_make(&y, b, MINUTE_US, UNTIL_US);
    for (size_t i = 0; i < r->n; i++)
        for (int64_t us = MINUTE_US; us <= UNTIL_US; us += MINUTE_US)
            cr_assert(fabs(service_in(&x, i, 0, us) - service_in(&y, i, 0, us)) <= jobs * job,
                      "enterprise %zu has %.2f jobs until minute %ld, %.2f without T_arr; %s", i,
                      service_in(&y, i, 0, us) / job, (long)(us / MINUTE_US),
                      service_in(&x, i, 0, us) / job, how);
    service_fini(&x);
    service_fini(&y);
}

/* The order changes: singles go before. Where all tasks are equally long nobody's service does, to
 * the microsecond; else by what whole jobs do, one in each run, and one that is cut. */
static void ageing(uint64_t seed)
{
    struct rivals r;
    struct workload plain, aged;
    const char *how = replay(seed, "policy_laws_array/ageing_moves_nothing_between_leaves");
    draw_rivals(&r, seed);
    if (seed % 2)
        r.jitter = 0;
    double plain_us = run_mixed(&r, &plain, -1), aged_us = run_mixed(&r, &aged, 10 * US_PER_S);
    cr_assert(aged_us < plain_us, "the order did not change; %s", how);
    expect_same_service(&r, &plain, &aged, r.jitter > 0 ? 3 : 1e-6, how);
    workload_fini(&plain);
    workload_fini(&aged);
}

Test(policy_laws_array, ageing_moves_nothing_between_leaves, .timeout = 3000)
{
    each_seed(4, ageing);
}

/* ---- more of everything ---- */

enum { NODE_CORES = 16, NODE_MEM_MIB = NODE_CORES * 8000 };

/* The EDA workload of a small pool: its largest jobs are cut down to a machine. */
static void make_eda(struct workload *w, uint64_t seed)
{
    struct cq_err err = {0};
    const struct eda e = {.seed = seed, .enterprises = 4, .days = 1, .load = 0.85};
    *w = (struct workload){0};
    cr_assert_eq(eda_make(&e, w, &err), 0, "%s", err.text);
    for (size_t i = 0; i < w->n_rows; i++) {
        struct sim_row *r = &w->rows[i];
        r->cores = r->cores < NODE_CORES ? r->cores : NODE_CORES;
        r->mem_mib = r->mem_mib < NODE_MEM_MIB ? r->mem_mib : NODE_MEM_MIB;
    }
    w->n_nodes = (w->cores + NODE_CORES - 1) / NODE_CORES;
}

static double mean_wait_s(struct workload *w)
{
    struct cq_err err = {0};
    struct run_result r = {0};
    const struct run_options o = {.order = RUN_BATCH, .core = {.ahead_us = 1, .ahead_max = 1}};
    w->cores = w->n_nodes * NODE_CORES;
    w->mem_mib = w->n_nodes * NODE_MEM_MIB;
    cr_assert_eq(workload_build(w, &err), 0, "%s", err.text);
    cr_assert_eq(run_workload(w, &o, &r, &err), 0, "%s", err.text);
    double wait_s = r.metrics.wait.mean_s;
    run_result_fini(&r);
    return wait_s;
}

static double tokens_factor = 1; /* of all seeds together */
static unsigned n_seeds;

/* By over 5 % longer waits would be a bug. */
static void give_more(uint64_t seed)
{
    struct workload w;
    make_eda(&w, seed);
    double before_s = mean_wait_s(&w);
    w.n_nodes++;
    double after_s = mean_wait_s(&w);
    cr_assert(after_s <= 1.05 * before_s, "with a machine more waits are %.1f s, before %.1f s; %s",
              after_s, before_s,
              replay(seed, "policy_laws_array/more_machines_or_tokens_do_no_harm"));
    w.n_nodes--;
    for (size_t i = 0; i < w.n_features; i++)
        w.features[i].count += w.features[i].count / 10 + 1;
    tokens_factor *= mean_wait_s(&w) / before_s;
    n_seeds++;
    workload_fini(&w);
}

/* A tenth more tokens lets licensed jobs start that many short tasks then wait for: of one small
 * workload the mean over all tasks may grow by a fifth, so tokens are judged by all seeds. */
Test(policy_laws_array, more_machines_or_tokens_do_no_harm, .timeout = 3000)
{
    each_seed(3, give_more);
    double factor = pow(tokens_factor, 1.0 / n_seeds);
    cr_assert(factor <= 1.05, "with more tokens waits are %.3f times as long; %s", factor,
              replay(number_from("CHIPQ_SEED", 1), "policy_laws_array/more_machines_*"));
}
