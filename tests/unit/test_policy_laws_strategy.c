// LINK: cq_sim
/* What a tenant cannot gain: by asking for more, by splitting jobs, by sleeping. Invariant 8 of the
 * policy. */
#include "scheduler/core/core_state.h"
#include "scheduler/core/policy.h"
#define LAWS_PROGRAM "test_policy_laws_strategy"
#include "tests/unit/laws_fixture.h"

static const struct run_options plain;

/* ---- asking for more ---- */

struct crowd { /* everybody has a backlog of jobs of one kind; tenant 0 will change its mind */
    struct dice dice;
    size_t n;
    double weights[TENANTS_MAX];
    struct batch kinds[TENANTS_MAX];
    uint64_t slots, n_nodes, n_tokens;
};

/* PLAIN: all others want single cores and nothing else. MIXED: everybody wants something different,
 * on a machine of which no job is more than a few parts in a hundred. COARSE: the same on small
 * machines. */
enum crowd_kind { PLAIN, MIXED, COARSE };

enum { TOKENS_MOST = 4 };
#define WARM_US  HOUR_US
#define UNTIL_US (3 * HOUR_US)

static const char *bundle(uint64_t tokens)
{
    static const char *const names[TOKENS_MOST + 1] = {"", "vcs:1", "vcs:2", "vcs:3", "vcs:4"};
    return names[tokens];
}

static void draw_crowd(struct crowd *c, uint64_t seed, enum crowd_kind kind)
{
    dice_init(&c->dice, seed);
    c->n = dice_whole(&c->dice, 2, 6);
    c->n_nodes = kind == MIXED ? 1 : dice_whole(&c->dice, 1, 3);
    c->slots = c->n_nodes * (kind == MIXED ? 64 : kind == PLAIN ? 32 : 16);
    c->n_tokens = dice_whole(&c->dice, c->slots / 4, c->slots);
    for (size_t i = 0; i < c->n; i++) {
        struct batch *b = &c->kinds[i];
        c->weights[i] = (double)dice_whole(&c->dice, 1, 4);
        *b = (struct batch){.tenant = i,
                            .run_us = (int64_t)dice_between(&c->dice, 40e6, 90e6),
                            .jitter = 0.4,
                            .cores = 1,
                            .limit_us = 5 * MINUTE_US};
        if (i > 0 && kind == PLAIN)
            continue;
        b->cores = (uint32_t)dice_whole(&c->dice, 1, 3);
        b->mem_mib = dice_whole(&c->dice, 1, kind == PLAIN ? 1500 : 3000);
        b->licence = bundle(dice_whole(&c->dice, 0, 2));
    }
}

/* How many jobs of tenant 0 run, on average. */
static double mean_running(struct crowd *c, const struct batch *first)
{
    struct workload w;
    double sum_us = 0;
    pool_make(&w, c->slots, c->weights, c->n);
    w.n_nodes = c->n_nodes;
    workload_feature(&w, "vcs")->count = c->n_tokens;
    for (size_t i = 0; i < c->n; i++) {
        struct batch b = i ? c->kinds[i] : *first;
        struct dice dice = dice_branch(c->dice.state, i);
        b.n = c->slots * (uint64_t)(UNTIL_US / b.run_us) * 5 / 4 / b.cores + 100;
        batch_add(&w, &dice, &b);
    }
    law_run(&w, &plain, UNTIL_US);
    for (size_t i = 0; i < w.n_tasks; i++) {
        const struct sim_task *t = &w.tasks[i];
        int64_t end_us = t->start_us + t->row->run_us;
        if (t->start_us < 0 || w.leaves[t->row->leaf].enterprise != 0 || end_us < WARM_US)
            continue;
        sum_us += (double)((end_us < UNTIL_US ? end_us : UNTIL_US)
                           - (t->start_us > WARM_US ? t->start_us : WARM_US));
    }
    workload_fini(&w);
    return sum_us / (double)(UNTIL_US - WARM_US);
}

enum component { A_CORE, CORES, MEMORY, TOKENS, TIME, COMPONENTS };

static void raise_request(struct batch *b, enum component component)
{
    if (component == A_CORE)
        b->cores += 1;
    if (component == CORES)
        b->cores *= 4;
    if (component == MEMORY)
        b->mem_mib *= 2;
    if (component == TOKENS)
        b->licence = bundle(*b->licence ? TOKENS_MOST : 1);
    if (component == TIME)
        b->limit_us *= 20;
}

static void expect_no_more(struct crowd *c, enum component component, double before,
                           double tolerance, const char *how)
{
    static const char *const names[] = {"a core more", "4 times the cores", "2 times the memory",
                                        "more tokens", "20 times the limit"};
    struct batch more = c->kinds[0];
    double job = (double)more.run_us * (1 + more.jitter) / (double)(UNTIL_US - WARM_US);
    raise_request(&more, component);
    double after = mean_running(c, &more);
    cr_assert(after <= (1 + tolerance) * before + 6 * job,
              "with %s %.3f jobs run instead of %.3f; %s", names[component], after, before, how);
}

static void ask_for_more(uint64_t seed, enum crowd_kind kind, double tolerance, const char *how)
{
    struct crowd c = {0};
    draw_crowd(&c, seed, kind);
    double before = mean_running(&c, &c.kinds[0]);
    for (enum component k = A_CORE; k < COMPONENTS; k++)
        expect_no_more(&c, k, before, tolerance, how);
}

/* Each of the two runs is within 3 % or three jobs of what is due in two hours (convergence). */
static void ask_among_plain(uint64_t seed)
{
    ask_for_more(seed, PLAIN, 0.06,
                 replay(seed, "policy_laws_strategy/asking_for_more_gives_no_more"));
}

Test(policy_laws_strategy, asking_for_more_gives_no_more, .timeout = 3000)
{
    each_seed(4, ask_among_plain);
}

/* With several resources scarce and jobs of all widths, parts are met less closely: one of each of
 * two runs by a tenth at most. */
static void ask_among_mixed(uint64_t seed)
{
    ask_for_more(seed, MIXED, 0.2,
                 replay(seed, "policy_laws_strategy/asking_for_more_in_a_mixed_crowd"));
}

Test(policy_laws_strategy, asking_for_more_in_a_mixed_crowd, .timeout = 3000)
{
    each_seed(3, ask_among_mixed);
}

/* Does not hold: on machines of which a job is more than a tenth nobody drains for it, and others
 * with narrow jobs and limits of hours keep each core they ever get (holds are planned by limits,
 * one for each width, and find their place where limits are short). Only with CHIPQ_OPEN_LAWS set.
 */
static void ask_on_small_machines(uint64_t seed)
{
    ask_for_more(seed, COARSE, 0.2, replay(seed, "policy_laws_strategy/open_*"));
}

Test(policy_laws_strategy, open_asking_for_more_on_small_machines, .timeout = 3000)
{
    if (getenv("CHIPQ_OPEN_LAWS"))
        each_seed(30, ask_on_small_machines);
}

/* ---- splitting ---- */

/* A core that nobody talks to: a pool's size, and features of the pool and of one enterprise. */
static void fill_core(struct core *c, struct dice *d, struct feature *features,
                      struct enterprise *owner)
{
    c->pool.n_cores = dice_whole(d, 1, 5000);
    c->pool.mem_mib = dice_whole(d, 1024, 20000000);
    c->people.n_enterprises = dice_whole(d, 1, 300);
    for (size_t i = 0; i < TOKENS_MAX; i++)
        features[i] = (struct feature){.index = i,
                                       .count = dice_whole(d, 1, 500),
                                       .owner = dice_whole(d, 0, 3) ? NULL : owner};
}

/* Cuts `whole` into n parts, some of which may be nothing. */
static void cut(struct dice *d, uint64_t whole, uint64_t *parts, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        parts[i] = dice_whole(d, 0, whole);
        whole -= parts[i];
    }
    parts[n - 1] = whole;
}

enum { PARTS_MAX = 8 };

struct load { /* policy_load with its tokens; the first one is the whole */
    struct policy_load load;
    struct tokens tokens;
};

static void cut_tokens(struct dice *d, struct feature *f, struct load *all, size_t n)
{
    uint64_t cuts[PARTS_MAX + 1];
    cuts[0] = dice_whole(d, 1, f->count);
    cut(d, cuts[0], cuts + 1, n);
    for (size_t i = 0; i <= n; i++)
        if (cuts[i])
            all[i].tokens.items[all[i].tokens.n++] = (struct token){f, cuts[i]};
}

static void draw_loads(const struct core *c, struct dice *d, struct feature *features,
                       struct load *all, size_t n)
{
    uint64_t cores[PARTS_MAX + 1], mem_mib[PARTS_MAX + 1];
    cores[0] = dice_whole(d, 1, c->pool.n_cores);
    cut(d, cores[0], cores + 1, n);
    mem_mib[0] = dice_whole(d, 1, c->pool.mem_mib);
    cut(d, mem_mib[0], mem_mib + 1, n);
    for (size_t i = 0; i <= n; i++) {
        all[i].tokens.n = 0;
        all[i].load = (struct policy_load){cores[i], mem_mib[i], &all[i].tokens};
    }
    for (size_t f = dice_whole(d, 0, TOKENS_MAX); f-- > 0;)
        cut_tokens(d, &features[f], all, n);
}

/* The largest part of a resource is at most the sum of the parts' largest, so parts cost no less;
 * each rate is rounded to the nearest unit of 2^-40 of the pool, half a unit for each. */
static void split(uint64_t seed)
{
    struct dice d;
    struct enterprise owner = {0};
    struct feature features[TOKENS_MAX];
    struct load all[PARTS_MAX + 1];
    int64_t whole, inner_whole, rate, inner, sum = 0, inner_sum = 0;
    const struct core_config config = {0};
    struct core *c = core_new(&config);
    dice_init(&d, seed);
    fill_core(c, &d, features, &owner);
    size_t n = dice_whole(&d, 2, PARTS_MAX);
    draw_loads(c, &d, features, all, n);
    policy_charge(c, &all[0].load, &whole, &inner_whole);
    for (size_t i = 1; i <= n; i++) {
        policy_charge(c, &all[i].load, &rate, &inner);
        sum += rate;
        inner_sum += inner;
    }
    c->pool.n_cores = c->pool.mem_mib = c->people.n_enterprises = 0;
    core_free(c);
    cr_assert(sum + (int64_t)(n + 1) / 2 >= whole
                  && inner_sum + (int64_t)(n + 1) / 2 >= inner_whole,
              "in %zu parts it costs %ld and %ld, not %ld and %ld; %s", n, (long)sum,
              (long)inner_sum, (long)whole, (long)inner_whole,
              replay(seed, "policy_laws_strategy/splitting_costs_no_less"));
}

Test(policy_laws_strategy, splitting_costs_no_less)
{
    each_seed(20000, split);
}

/* ---- sleeping ---- */

struct sleeper { /* tenant 0; the others always want more */
    struct dice dice;
    size_t n, n_naps;
    double weights[TENANTS_MAX], due;
    uint64_t slots;
    double beta, half_life_us, run_us, jitter;
    int64_t wakes_us[100];
};

static void draw_sleeper(struct sleeper *s, uint64_t seed)
{
    double total = 0;
    dice_init(&s->dice, seed);
    s->n = dice_whole(&s->dice, 2, 6);
    for (size_t i = 0; i < s->n; i++)
        total += s->weights[i] = (double)dice_whole(&s->dice, 1, 5);
    s->due = s->weights[0] / total;
    s->slots = dice_whole(&s->dice, 8, 30);
    s->beta = dice_between(&s->dice, 1, 4);
    s->half_life_us = dice_between(&s->dice, 0.5, 3) * (double)HOUR_US;
    s->run_us = dice_between(&s->dice, 20e6, 60e6);
    s->jitter = dice_between(&s->dice, 0.1, 0.5);
}

/* Naps as short as a job, or as long as history lasts; each time it wakes with work for minutes or
 * hours. */
static void add_sleeper(struct sleeper *s, struct workload *w, int64_t until_us)
{
    double nap_us = dice_unit(&s->dice) < 0.5 ? s->run_us : s->half_life_us;
    double work_us = dice_unit(&s->dice) < 0.5 ? 2 * s->run_us : s->half_life_us / 2;
    int64_t at_us = 0;
    for (;;) {
        at_us +=
            (int64_t)(dice_exponential(&s->dice, nap_us) + dice_exponential(&s->dice, work_us));
        at_us -= at_us % MINUTE_US;
        if (at_us >= until_us || s->n_naps == CQ_COUNT(s->wakes_us))
            return;
        double runs = (double)s->slots * dice_exponential(&s->dice, work_us) / s->run_us;
        s->wakes_us[s->n_naps++] = at_us;
        batch_add(w, &s->dice,
                  &(struct batch){.submit_us = at_us,
                                  .run_us = (int64_t)s->run_us,
                                  .jitter = s->jitter,
                                  .n = (uint64_t)(s->due * runs) + 1});
    }
}

/* From a time on, until whenever, it gets at most `times` its part and two jobs: one that began
 * before, and one that the carry has on its way. */
static void expect_at_most(const struct sleeper *s, const struct service *service, int64_t from_us,
                           double times, const char *how)
{
    double job = s->run_us * (1 + s->jitter) / (double)s->slots;
    int64_t until_us = (int64_t)service->n_steps * service->step_us;
    for (int64_t to_us = from_us + MINUTE_US; to_us <= until_us; to_us += MINUTE_US) {
        double due = s->due * service_of_all(service, from_us, to_us);
        double got = service_in(service, 0, from_us, to_us);
        cr_assert(got <= times * due + 2 * job,
                  "%.4f of its part from minute %ld to %ld, at most %.4f; %s", got / due,
                  (long)(from_us / MINUTE_US), (long)(to_us / MINUTE_US), times, how);
    }
}

/* From each waking on at most the boost, and in all never more than without any sleep. */
static void sleeper(uint64_t seed)
{
    struct sleeper s = {0};
    struct workload w;
    struct service service;
    const char *how = replay(seed, "policy_laws_strategy/sleeping_gains_at_most_the_boost");
    int64_t until_us = 6 * HOUR_US;
    draw_sleeper(&s, seed);
    pool_make(&w, s.slots, s.weights, s.n);
    add_sleeper(&s, &w, until_us);
    for (size_t i = 1; i < s.n; i++)
        batch_add(&w, &s.dice,
                  &(struct batch){.tenant = i,
                                  .run_us = (int64_t)s.run_us,
                                  .jitter = s.jitter,
                                  .n = (uint64_t)((double)s.slots * (double)until_us / s.run_us)});
    const struct run_options o = {
        .core = {.beta = s.beta, .half_life_us = (int64_t)s.half_life_us}};
    law_run(&w, &o, until_us);
    service_make(&service, &w, MINUTE_US, until_us);
    for (size_t k = 0; k < s.n_naps; k++)
        expect_at_most(&s, &service, s.wakes_us[k], 1 + 1 / s.beta, how);
    expect_at_most(&s, &service, 0, 1, how);
    service_fini(&service);
    workload_fini(&w);
}

Test(policy_laws_strategy, sleeping_gains_at_most_the_boost, .timeout = 3000)
{
    each_seed(10, sleeper);
}
