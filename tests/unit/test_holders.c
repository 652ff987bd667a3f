// LINK: cq_core
/* Who holds tokens, in the order of ends: groups by booking, sums after a moment. */
#include "scheduler/core/holders.h"
#include "tests/unit/calendar_fixture.h"

TestSuite(holders, .init = set_up, .fini = tear_down);

static const struct holders *vcs(void)
{
    return &feature_named(world.core, "vcs")->holders;
}

static uint64_t after(size_t group, int64_t in_us)
{
    return holders_after(&vcs()->groups[group], world.core->policy_us + in_us);
}

Test(holders, tokens_come_back_with_the_ends_of_leases)
{
    cr_expect_eq(vcs()->n, 0);
    uint64_t first = SUBMIT(.cores = 1, .time_us = HOUR, .licences = "vcs:1,dc:1");
    (void)SUBMIT(.cores = 1, .time_us = 2 * HOUR, .licences = "vcs:2");
    cr_assert_eq(vcs()->n, 1);
    cr_expect_eq(holders_all(&vcs()->groups[0]), 3);
    cr_expect_eq(after(0, HOUR - 1), 3);
    cr_expect_eq(after(0, HOUR), 2, "what ends at a moment is back then");
    cr_expect_eq(after(0, 2 * HOUR), 0);
    const struct feature *f = feature_named(world.core, "vcs");
    cr_expect_eq(holders_until(f, world.core->policy_us + HOUR - 1), 0);
    cr_expect_eq(holders_until(f, world.core->policy_us + HOUR), 1);
    cr_expect_eq(holders_last_us(feature_named(world.core, "vcs")),
                 world.core->policy_us + 2 * HOUR);
    end_of("acme", first);
    cr_expect_eq(holders_all(&vcs()->groups[0]), 2);
    cr_expect_eq(feature_named(world.core, "dc")->holders.n, 0);
    expect_same_after_restart();
}

Test(holders, those_in_a_booking_are_a_group_of_their_own)
{
    EXPECT_BOOKED(.name = "a", .end_us = 3 * HOUR, .licences = "vcs:2");
    (void)SUBMIT(.cores = 1, .time_us = HOUR, .licences = "vcs:1");
    uint64_t in = SUBMIT(.reservation = "a", .cores = 1, .time_us = 2 * HOUR, .licences = "vcs:2");
    cr_assert_eq(vcs()->n, 2);
    const struct holders_group *g =
        holders_in(feature_named(world.core, "vcs"), vcs()->groups[1].booking);
    cr_assert_eq(g, &vcs()->groups[1]);
    cr_expect_eq(holders_all(g), 2);
    cr_expect_eq(holders_all(&vcs()->groups[0]), 1);
    end_of("acme", in);
    cr_expect_eq(vcs()->n, 1);
}
