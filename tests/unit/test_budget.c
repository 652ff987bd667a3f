// LINK: cq_core
/* Budgets over time: periods that begin, clocks that jump, budgets that are changed. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"
#include "tests/trace/world.h"

#define HOUR      (3600 * US_PER_S)
#define DAY       (24 * HOUR)
#define CORE_HOUR ((uint64_t)HOUR)

/* A machine of 16 cores; acme's ann uses it. It is Friday 2024-10-04, 00:00 UTC. */

static struct world world;
static uint64_t n_keys;

static void hello(void)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&world, "n1")};
    in.u.worker_hello = (struct in_worker_hello){.node = "n1",
                                                 .cores = "0-15",
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = 100000,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = 1;
    (void)world_step(&world, &in);
}

static void set_budget(const char *value)
{
    const struct in_config_row rows[] = {{CONFIG_PUT, "enterprise", "acme", "", ""},
                                         {CONFIG_SET, "enterprise", "acme", "budget", value}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, CQ_COUNT(rows), false};
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    cr_assert(strstr(cq_str_text(&world.log), "config OK"), "%s", cq_str_text(&world.log));
}

static void set_up(void)
{
    const struct core_config config = {.lease_us = 1000 * DAY, .suspect_us = 1000 * DAY};
    world = (struct world){.config = config, .now = {.wall_us = 20000 * DAY}};
    world.core = core_new(&config);
    world_start(&world);
    world_add_enterprise(&world, "acme");
    world_add_user(&world, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&world, "", "n1", ROLE_WORKER);
    hello();
}

static void tear_down(void)
{
    world_fini(&world);
}

TestSuite(budget, .init = set_up, .fini = tear_down);

static const struct share_node *acme_node(void)
{
    return world.core->share.root.children[0];
}

static uint64_t spent(enum budget_period kind)
{
    return acme_node()->budget.spent_core_us[kind] / CORE_HOUR;
}

/* Its id. */
static uint64_t submit(uint64_t cores, int64_t time_us)
{
    struct in_job job = IN_JOB_PLAIN;
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&world, "ann")};
    job.cores = cores;
    job.time_us = (uint64_t)time_us;
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = &job, .n_jobs = 1};
    n_keys++;
    memcpy(in.u.submit.key.bytes, &n_keys, sizeof n_keys);
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    uint64_t id = 0;
    for (size_t i = 0; i < world.n_journal; i++)
        if (world.journal[i]->type == RECORD_JOB_SUBMIT)
            id = world.journal[i]->u.job_submit.id;
    return id;
}

static const struct lease *lease_of(uint64_t job)
{
    return lease_find(world.core, core_worker_of_task(world.core, (struct job_id){job}, 0).v
                                      ? job_task(job_find(world.core, job), 0)->lease->id
                                      : 0);
}

static void end(uint64_t job, int64_t run_us)
{
    const struct lease *l = lease_of(job);
    cr_assert(l);
    const struct in_attempt_end e = {.at = {l->id, core_epoch(world.core), job, 0,
                                            job_task(job_find(world.core, job), 0)->attempt},
                                     .verdict = VERDICT_PASS,
                                     .start_us = world.now.wall_us - run_us,
                                     .end_us = world.now.wall_us,
                                     .run_us = (uint64_t)run_us,
                                     .limit = "",
                                     .summary = "",
                                     .signature = "",
                                     .result = "",
                                     .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&world, "n1")};
    in.u.events.ends = &e;
    in.u.events.n_ends = 1;
    (void)world_step(&world, &in);
}

/* Runs a job of `hours` on one core from start to end; false: it does not start. */
static bool run(int64_t hours)
{
    uint64_t job = submit(1, hours * HOUR);
    if (lease_of(job) == NULL)
        return false;
    world_advance(&world, world.now.mono_us + hours * HOUR);
    end(job, hours * HOUR);
    return true;
}

/* ---- changes ---- */

Test(budget, changing_its_period_to_and_fro_gives_nothing_anew)
{
    set_budget("3core-hours/month");
    cr_assert(run(3));
    set_budget("3core-hours/week");
    cr_expect_not(run(1));
    set_budget("3core-hours/month");
    cr_expect_eq(spent(BUDGET_MONTH), 3);
    cr_expect_not(run(1));
}

Test(budget, taking_it_away_for_a_while_gives_nothing_anew)
{
    set_budget("3core-hours/month");
    cr_assert(run(2));
    set_budget("");
    cr_assert(run(4));
    set_budget("7core-hours/month");
    cr_expect_eq(spent(BUDGET_MONTH), 6);
    cr_expect_not(run(2));
}

Test(budget, the_first_one_begins_with_nothing_spent)
{
    cr_assert(run(4));
    set_budget("3core-hours/month");
    cr_expect_eq(spent(BUDGET_MONTH), 0);
    cr_assert(run(2));
    world_restart(&world);
    hello();
    cr_expect_eq(spent(BUDGET_MONTH), 2);
    set_budget("");
    world_restart(&world);
    hello();
    cr_assert(run(1)); /* counted all the same */
    cr_expect_eq(spent(BUDGET_MONTH), 3);
}

Test(budget, a_wider_period_has_seen_what_the_narrower_ones_saw)
{
    set_budget("3core-hours/day");
    for (unsigned day = 0; day < 3; day++) { /* Friday to Sunday */
        cr_assert(run(3));
        world_advance(&world, (day + 1) * DAY);
    }
    cr_assert(run(1)); /* Monday */
    cr_expect_eq(spent(BUDGET_DAY), 1);
    cr_expect_eq(spent(BUDGET_WEEK), 1);
    cr_expect_eq(spent(BUDGET_MONTH), 10);
    cr_expect_eq(spent(BUDGET_QUARTER), 10);
    cr_expect_eq(spent(BUDGET_YEAR), 10);
}

/* ---- the end of a period ---- */

static struct core *replayed(void)
{
    struct core *c = core_from_journal(&world);
    struct effects fx = {0};
    core_load_done(c, world.now, &fx);
    core_plan(c, world.now, &fx);
    effects_fini(&fx);
    return c;
}

/* Live, from the journal and from rows: the period that began stays, nothing is spent of it. */
static void expect_new_period(void)
{
    struct core *c = replayed();
    const struct share_node *n = c->share.root.children[0];
    cr_expect_eq(spent(BUDGET_DAY), 0);
    cr_expect_eq(n->budget.spent_core_us[BUDGET_DAY], 0);
    cr_expect_eq(c->share.periods[BUDGET_DAY].start_us, 20001 * DAY);
    core_free(c);
    world_restart(&world);
    cr_expect_eq(spent(BUDGET_DAY), 0);
    cr_expect_eq(world.core->share.periods[BUDGET_DAY].start_us, 20001 * DAY);
}

Test(budget, a_period_that_began_is_on_record_though_the_wall_goes_back)
{
    struct input timer = {.type = INPUT_TIMER};
    set_budget("3core-hours/day");
    cr_assert(run(3));
    world.now.wall_us = 20001 * DAY;
    (void)world_step(&world, &timer);
    world.now.wall_us -= HOUR;
    expect_new_period();
}

Test(budget, a_restart_after_the_end_of_a_period_begins_the_next)
{
    set_budget("3core-hours/day");
    cr_assert(run(3));
    cr_expect_not(run(1));
    world.now.wall_us = 20001 * DAY;
    world_restart(&world);
    expect_new_period();
}

/* Until the wall has caught up, what runs is spent of the period that has begun. */
Test(budget, a_wall_that_goes_back_over_the_end_lets_nothing_run_for_free)
{
    struct input timer = {.type = INPUT_TIMER};
    set_budget("3core-hours/day");
    world.now.wall_us = 20001 * DAY;
    (void)world_step(&world, &timer);
    world.now.wall_us -= 10 * HOUR;
    cr_assert(run(3));
    cr_expect_eq(spent(BUDGET_DAY), 3);
    cr_expect_not(run(1));
}

/* ---- older databases ---- */

static void put_u64s(struct cq_str *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        flat_put_u64(out, 0);
}

/* A node's state of version 1: 11 doubles; rate, carry and group; a budget of one period. */
static void old_state(struct cq_str *out, int64_t start_us, uint64_t spent_core_us)
{
    const double zero = 0;
    flat_put_u64(out, 1);
    flat_put_i64(out, 20003 * DAY); /* policy time */
    flat_put_i64(out, 20000 * DAY); /* landmark */
    for (size_t i = 0; i < 11; i++)
        flat_put_bytes(out, &zero, sizeof zero);
    put_u64s(out, 5);
    flat_put_i64(out, start_us);
    flat_put_i64(out, start_us + 31 * DAY);
    flat_put_u64(out, 0);
    flat_put_u64(out, BUDGET_MONTH);
    flat_put_u64(out, spent_core_us);
    flat_put_u64(out, 0);
}

Test(budget, an_older_database_tells_what_its_month_has_seen)
{
    struct cq_str bytes = {0};
    struct record *r = record_new(RECORD_SHARE_STATE);
    struct core *c = core_from_rows(&world);
    struct effects fx = {0};
    struct cq_err err = {.code = CQ_OK};
    old_state(&bytes, 19997 * DAY, 5 * CORE_HOUR); /* since 2024-10-01 */
    r->u.share_state.id = acme_node()->id;
    r->u.share_state.state.len = bytes.len;
    r->u.share_state.state.data = (uint8_t *)cq_str_take(&bytes);
    cr_assert_eq(core_apply(c, r, &err), 0, "%s", err.text);
    core_load_done(c, world.now, &fx);
    const uint64_t *known = share_node_find(c, acme_node()->id)->budget.spent_core_us;
    cr_expect_eq(c->policy_us, 20003 * DAY);
    cr_expect_eq(known[BUDGET_DAY], 0);
    cr_expect_eq(known[BUDGET_WEEK], 5 * CORE_HOUR); /* since Monday, 2024-09-30, at least that */
    cr_expect_eq(known[BUDGET_MONTH], 5 * CORE_HOUR);
    cr_expect_eq(known[BUDGET_YEAR], 5 * CORE_HOUR);
    effects_fini(&fx);
    record_free(r);
    core_free(c);
}

/* It waits for its budget alone: it is owed nothing for that, so that it takes nothing from others
 * when the budget comes. */
Test(budget, who_waits_for_a_budget_is_owed_nothing)
{
    set_budget("4core-hours/day");
    (void)submit(3, HOUR);
    (void)submit(2, HOUR);
    const struct share_node *acme = acme_node();
    cr_assert_eq(acme->n_ready, 1u);
    cr_expect(quota_is_full(acme));
    cr_expect_not(acme->carry.is_in);
    set_budget("5core-hours/day");
    cr_expect_eq(acme->n_ready, 0u, "it starts");
}
