// LINK: cq_core
/* What a core goes on from when it is made anew from the journal or from the store's rows. */
#include "tests/unit/calendar_fixture.h"

TestSuite(restart, .init = set_up, .fini = tear_down);

static void submit_and_cancel(void)
{
    struct in_job job = IN_JOB_PLAIN;
    struct principal_id ann = world_principal(&world, "ann");
    struct principal_view who;
    struct input in = {.type = INPUT_SUBMIT, .principal = ann};
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = &job, .n_jobs = 1};
    (void)world_step(&world, &in);
    cr_assert(core_view_principal(world.core, ann, &who));
    in = (struct input){.type = INPUT_ACTION, .principal = ann};
    in.u.action.action = ACTION_CANCEL;
    in.u.action.enterprise = who.enterprise;
    in.u.action.number = 1;
    in.u.action.tasks = "";
    (void)world_step(&world, &in);
}

/* Nothing is left of the job, no node was charged, and the wall is behind by now. */
Test(restart, policy_time_goes_on_from_the_newest_record)
{
    world_advance(&world, HOUR);
    submit_and_cancel();
    int64_t then_us = world.core->policy_us;
    world.now.wall_us -= DAY;
    struct core *replayed = core_from_journal(&world);
    struct effects fx = {0};
    core_load_done(replayed, world.now, &fx);
    world_restart(&world);
    cr_expect_eq(replayed->policy_us, then_us);
    cr_expect_eq(world.core->policy_us, then_us);
    effects_fini(&fx);
    core_free(replayed);
}

static void restart_after(int64_t us)
{
    world_advance(&world, world.now.mono_us + us);
    world_restart(&world);
}

Test(restart, what_was_promised_is_kept)
{
    cr_assert(SUBMIT(.cores = 8, .time_us = HOUR) && SUBMIT(.cores = 8, .time_us = 2 * HOUR)
              && SUBMIT(.cores = 8, .time_us = 3 * HOUR));
    cr_assert(SUBMIT(.user = "bob", .cores = 16, .time_us = HOUR));
    cr_assert_eq(world.core->holds.n, 1);
    const struct hold then = world.core->holds.items[0];
    uint64_t worker = then.worker->id;
    restart_after(20 * MINUTE);
    cr_assert_eq(world.core->holds.n, 1, "kept while its machine has not come back");
    hello_all();
    cr_assert_eq(world.core->holds.n, 1);
    const struct hold *now = &world.core->holds.items[0];
    cr_expect_eq(now->promised_us, then.promised_us);
    cr_expect_leq(now->at_us, then.at_us);
    cr_expect_eq(now->worker->id, worker);
    cr_expect(SUBMIT(.cores = 4, .time_us = 9 * HOUR));
    cr_expect_eq(world.core->holds.items[0].at_us, now->at_us);
}

static void set_minimum(const char *enterprise, const char *cores)
{
    const struct in_config_row row = {CONFIG_SET, "enterprise", enterprise, "min-cores", cores};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){&row, 1, false};
    (void)world_step(&world, &in);
}

Test(restart, since_when_a_guarantee_waits_is_kept)
{
    set_minimum("acme", "8");
    cr_assert(SUBMIT(.user = "bob", .cores = 16, .time_us = 9 * HOUR, .is_preemptible = true));
    cr_assert(SUBMIT(.user = "bob", .cores = 8, .time_us = 9 * HOUR, .is_preemptible = true));
    cr_assert(SUBMIT(.cores = 8, .time_us = HOUR));
    cr_assert_eq(world.core->share.n_guaranteed, 1);
    int64_t since_us = world.core->share.guaranteed[0]->reclaim_since_us;
    cr_assert_neq(since_us, 0);
    restart_after(US_PER_S);
    cr_expect_eq(world.core->share.guaranteed[0]->reclaim_since_us, since_us);
    hello_all();
    cr_expect_eq(world.core->share.guaranteed[0]->reclaim_since_us, since_us);
}

/* ---- the rate of submits ---- */

static void set_rate(const char *rate)
{
    const struct in_config_row row = {CONFIG_SET, "enterprise", "acme", "max-submit-rate", rate};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){&row, 1, false};
    (void)world_step(&world, &in);
}

static bool may_submit(void)
{
    return SUBMIT(.cores = 1, .time_us = HOUR) != 0;
}

/* One a second, five in a burst. Those that have ended count as well. */
Test(restart, a_burst_of_submits_is_not_full_again)
{
    set_rate("1");
    for (size_t i = 0; i < 5; i++)
        cr_expect(may_submit());
    cr_expect_not(may_submit());
    world_restart(&world);
    cr_expect_not(may_submit());
    restart_after(US_PER_S);
    cr_expect(may_submit());
    cr_expect_not(may_submit());
    restart_after(HOUR);
    for (size_t i = 0; i < 5; i++)
        cr_expect(may_submit());
    cr_expect_not(may_submit());
}

/* What was sent before there was a limit is not counted, however the core comes to know of it. */
Test(restart, submits_before_the_limit_do_not_count)
{
    for (size_t i = 0; i < 5; i++)
        cr_expect(may_submit());
    set_rate("1");
    world_restart(&world);
    for (size_t i = 0; i < 5; i++)
        cr_expect(may_submit());
    cr_expect_not(may_submit());
    struct core *replayed = core_from_journal(&world);
    for (uint64_t id = 0; id < world.core->next_id; id++) {
        const struct share_node *a = share_node_find(world.core, id);
        const struct share_node *b = share_node_find(replayed, id);
        if (a)
            cr_expect_eq(a->submits_paid_us, b->submits_paid_us, "node %" PRIu64, id);
    }
    core_free(replayed);
}
