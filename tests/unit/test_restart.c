// LINK: cq_core
/* What a core goes on from when it is made anew from the journal or from the store's rows. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "tests/trace/world.h"

#define HOUR (3600 * US_PER_S)
#define DAY  (24 * HOUR)

static struct world world;

static void set_up(void)
{
    const struct core_config config = {0};
    world = (struct world){.config = config, .now = {.wall_us = 20000 * DAY}};
    world.core = core_new(&config);
    world_start(&world);
    world_add_enterprise(&world, "acme");
    world_add_user(&world, "acme", "ann", ROLE_DESIGNER);
}

static void tear_down(void)
{
    world_fini(&world);
}

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
