// LINK: cq_core
/* Bookings and holds side by side: who keeps which place, and who looks again when. */
#include "scheduler/core/calendar.h"
#include "tests/unit/calendar_fixture.h"

TestSuite(calendar_holds, .init = set_up, .fini = tear_down);

Test(calendar_holds, a_claim_goes_before_holds_only_where_its_victims_are)
{
    struct core *c = world.core;
    cr_expect(runs(SUBMIT(.cores = 16, .time_us = 50 * MINUTE)));
    for (size_t i = 0; i < 3; i++)
        cr_expect(runs(SUBMIT(.cores = 2, .time_us = 30 * MINUTE)));
    EXPECT_BOOKED(.name = "whole", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1");
    EXPECT_BOOKED(.name = "part", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 3);
    cr_expect_str_eq(booking("part").nodes, "n2:3");
    (void)SUBMIT(.cores = 5, .time_us = 2 * HOUR);
    cr_assert_eq(c->holds.n, 1, "beside the booking it has a place in half an hour");
    uint64_t number = SUBMIT(.user = "bob", .cores = 2, .time_us = 3 * HOUR);
    struct job *job =
        job_find_number(c, (struct enterprise_id){people_enterprise_named(c, "brix")->id}, number);
    const struct worker *n1 = worker_named(c, "n1"), *n2 = worker_named(c, "n2");
    struct hold *claim = &c->holds.items[c->holds.n++];
    *claim = (struct hold){.job = job, .worker = (struct worker *)n1, .is_reclaim = true};
    cr_expect_not(calendar_leaves_holds(c, job->class->shape, n2, NULL, claim));
    claim->worker = (struct worker *)n2;
    cr_expect(calendar_leaves_holds(c, job->class->shape, n2, NULL, claim));
    c->holds.n--;
}

Test(calendar_holds, what_comes_free_wakes_nobody_whom_a_booking_keeps_out)
{
    struct core *c = world.core;
    uint64_t whole = SUBMIT(.cores = 16, .time_us = 50 * MINUTE);
    for (size_t i = 0; i < 3; i++)
        cr_expect(runs(SUBMIT(.cores = 2, .time_us = 30 * MINUTE)));
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1");
    (void)SUBMIT(.cores = 5, .time_us = 2 * HOUR);
    cr_assert_eq(c->holds.n, 1, "on n2, in half an hour");
    uint64_t number = SUBMIT(.user = "bob", .cores = 12, .time_us = 2 * HOUR);
    uint64_t brix = people_enterprise_named(c, "brix")->id;
    const struct shape *s = job_find_number(c, (struct enterprise_id){brix}, number)->class->shape;
    cr_expect_eq(s->why, WAIT_CAPACITY);
    end_of("acme", whole);
    cr_expect(s->is_shut);
    cr_expect_eq(s->why, WAIT_BOOKED, "%s", wait_reason_name(s->why));
    go_to(2 * HOUR);
    cr_expect_eq(find("brix", number).n, 1);
}

Test(calendar_holds, a_job_in_a_booking_of_tokens_keeps_its_cores_beside_a_booking_of_cores)
{
    struct core *c = world.core;
    cr_expect(runs(SUBMIT(.cores = 16, .time_us = 50 * MINUTE)));
    uint64_t first[3];
    for (size_t i = 0; i < 3; i++)
        first[i] = SUBMIT(.cores = 2, .time_us = 30 * MINUTE);
    EXPECT_BOOKED(.name = "whole", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1");
    EXPECT_BOOKED(.name = "part", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 3);
    cr_expect_str_eq(booking("part").nodes, "n2:3");
    EXPECT_BOOKED(.name = "tools", .start_us = 10 * MINUTE, .end_us = 5 * HOUR,
                  .licences = "vcs:1");
    go_to(10 * MINUTE);
    uint64_t held = SUBMIT(.reservation = "tools", .cores = 5, .time_us = 2 * HOUR);
    cr_assert_eq(c->holds.n, 1, "in twenty minutes");
    uint64_t late = SUBMIT(.user = "bob", .cores = 1, .time_us = 2 * HOUR);
    cr_expect_eq(find("brix", late).n, 0, "it would take one of the five in the booked hour");
    cr_expect_eq(find("brix", SUBMIT(.user = "bob", .cores = 1, .time_us = 20 * MINUTE)).n, 1);
    go_to(30 * MINUTE);
    for (size_t i = 0; i < 3; i++)
        end_of("acme", first[i]);
    cr_expect(runs(held));
}

Test(calendar_holds, what_starts_in_a_booking_leaves_a_hold_its_place_there)
{
    struct core *c = world.core;
    uint64_t first[3];
    cr_expect(runs(SUBMIT(.cores = 9, .time_us = 9 * HOUR)));
    cr_expect(runs(SUBMIT(.cores = 4, .time_us = 9 * HOUR)));
    cr_expect(runs(SUBMIT(.cores = 3, .time_us = 9 * HOUR)));
    EXPECT_BOOKED(.name = "whole", .start_us = 10 * HOUR, .end_us = 11 * HOUR, .nodes = "n1");
    EXPECT_BOOKED(.name = "crew", .start_us = 10 * MINUTE, .end_us = 12 * HOUR, .cores = 6);
    cr_expect_str_eq(booking("crew").nodes, "n2:6");
    go_to(10 * MINUTE);
    for (size_t i = 0; i < 3; i++)
        first[i] = SUBMIT(.reservation = "crew", .cores = 2, .time_us = 30 * MINUTE);
    uint64_t held = SUBMIT(.reservation = "crew", .cores = 6, .time_us = HOUR);
    cr_assert_eq(c->holds.n, 1, "in half an hour");
    end_of("acme", first[2]);
    uint64_t late = SUBMIT(.reservation = "crew", .cores = 2, .time_us = 2 * HOUR);
    cr_expect_not(runs(late), "it would take two of the six");
    uint64_t gap = SUBMIT(.reservation = "crew", .cores = 2, .time_us = 20 * MINUTE);
    cr_assert(runs(gap));
    go_to(30 * MINUTE);
    end_of("acme", gap);
    for (size_t i = 0; i < 2; i++)
        end_of("acme", first[i]);
    cr_expect(runs(held));
}
