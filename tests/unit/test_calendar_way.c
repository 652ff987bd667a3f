// LINK: cq_core
/* What is in the way when a booking begins: who is called back, and nobody else. */
#include "scheduler/core/calendar.h"
#include "tests/unit/calendar_fixture.h"

TestSuite(calendar_way, .init = set_up, .fini = tear_down);

Test(calendar_way, preemptible_jobs_in_the_way_are_called_back_at_the_begin)
{
    uint64_t stays = SUBMIT(.cores = 4, .time_us = 9 * HOUR);
    cr_expect_str_eq(find("acme", stays).node, "n2");
    uint64_t fixed = SUBMIT(.cores = 6, .time_us = 9 * HOUR);
    uint64_t soft1 = SUBMIT(.cores = 5, .time_us = 9 * HOUR, .is_preemptible = true);
    uint64_t soft2 = SUBMIT(.cores = 5, .time_us = 9 * HOUR, .is_preemptible = true);
    cr_expect_str_eq(find("acme", soft2).node, "n1");
    EXPECT_BOOKED(.name = "a", .path = "brix", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 16);
    EXPECT_REFUSED("CONFLICT", "another", .name = "z", .start_us = HOUR, .end_us = 2 * HOUR,
                   .nodes = "n1");
    go_to(HOUR - 1);
    cr_expect_null(strstr(cq_str_text(&world.log), "kill"));
    go_to(HOUR);
    const char *log = cq_str_text(&world.log);
    const char *kill = strstr(log, "kill");
    cr_assert(kill, "%s", log);
    cr_expect(strstr(kill + 1, "kill") && strstr(log, "(called back: a booking begins)"), "%s",
              log);
    cr_expect_null(strstr(strstr(kill + 1, "kill") + 1, "kill"), "two are enough: %s", log);
    end_of("acme", soft1);
    cr_expect_not(runs(soft1), "it must not start again beside the booking");
    cr_expect(runs(fixed) && runs(stays));
}

Test(calendar_way, no_more_are_called_back_than_are_in_the_way)
{
    (void)SUBMIT(.cores = 8, .time_us = 9 * HOUR); /* n2 */
    uint64_t old = SUBMIT(.cores = 8, .time_us = 9 * HOUR, .is_preemptible = true);
    go_to(MINUTE);
    uint64_t young = SUBMIT(.cores = 8, .time_us = 9 * HOUR, .is_preemptible = true);
    cr_expect(runs(old) && runs(young));
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 8);
    cr_expect_str_eq(booking("a").nodes, "n1:8");
    go_to(HOUR);
    end_of("acme", young);
    cr_expect_not(runs(young));
    cr_expect(runs(old));
    cr_expect_eq(n_edges(1), 1);
}

Test(calendar_way, holders_of_booked_tokens_are_called_back)
{
    uint64_t soft =
        SUBMIT(.cores = 1, .time_us = 9 * HOUR, .licences = "vcs:3", .is_preemptible = true);
    uint64_t other = SUBMIT(.cores = 1, .time_us = 9 * HOUR, .is_preemptible = true);
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:2");
    uint64_t inside = SUBMIT(.reservation = "a", .cores = 1, .time_us = HOUR, .licences = "vcs:2");
    go_to(HOUR);
    cr_expect(strstr(cq_str_text(&world.log), "kill"));
    end_of("acme", soft);
    cr_expect(runs(inside) && runs(other) && !runs(soft));
}

Test(calendar_way, what_ends_when_another_begins_is_not_in_its_way)
{
    uint64_t soft = SUBMIT(.cores = 4, .time_us = 9 * HOUR, .is_preemptible = true);
    cr_expect_str_eq(find("acme", soft).node, "n2");
    EXPECT_BOOKED(.name = "n1", .end_us = 9 * HOUR, .nodes = "n1"); /* out of play */
    EXPECT_BOOKED(.name = "late", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .cores = 4);
    EXPECT_BOOKED(.name = "early", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 4);
    cr_expect_str_eq(booking("late").nodes, "n2:4");
    cr_expect_str_eq(booking("early").nodes, "n2:4");
    go_to(2 * HOUR);
    cr_expect_null(strstr(cq_str_text(&world.log), "kill"), "%s", cq_str_text(&world.log));
    cr_expect(booking("late").v.is_active);
}

Test(calendar_way, what_ends_at_the_begin_is_not_in_the_way)
{
    EXPECT_BOOKED(.name = "n1", .end_us = 9 * HOUR, .nodes = "n1"); /* out of play */
    uint64_t fixed = SUBMIT(.cores = 4, .time_us = HOUR, .licences = "vcs:2");
    uint64_t soft =
        SUBMIT(.cores = 4, .time_us = 9 * HOUR, .licences = "vcs:2", .is_preemptible = true);
    EXPECT_BOOKED(.name = "a", .path = "brix", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 4,
                  .licences = "vcs:2");
    go_to(HOUR - 1);
    world.now.mono_us++;
    world.now.wall_us++;
    end_of("acme", fixed);
    cr_expect(booking("a").v.is_active);
    cr_expect_null(strstr(cq_str_text(&world.log), "kill"), "%s", cq_str_text(&world.log));
    cr_expect(runs(soft));
}

Test(calendar_way, no_more_holders_of_tokens_are_called_back_than_are_in_the_way)
{
    uint64_t few =
        SUBMIT(.cores = 1, .time_us = 9 * HOUR, .licences = "vcs:1", .is_preemptible = true);
    uint64_t many =
        SUBMIT(.cores = 2, .time_us = 9 * HOUR, .licences = "vcs:3", .is_preemptible = true);
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:3");
    go_to(HOUR);
    const char *kill = strstr(cq_str_text(&world.log), "kill");
    cr_assert(kill && strstr(kill + 1, "kill") == NULL, "%s", cq_str_text(&world.log));
    end_of("acme", many);
    cr_expect(runs(few) && !runs(many));
}

static void cancel(uint64_t number)
{
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(&world, "ann")};
    cr_assert(core_find_enterprise(world.core, "acme", &in.u.action.enterprise));
    in.u.action.action = ACTION_CANCEL;
    in.u.action.number = number;
    in.u.action.tasks = "";
    (void)world_step(&world, &in);
}

Test(calendar_way, what_is_being_stopped_already_goes_before_others_are_called_back)
{
    (void)SUBMIT(.cores = 8, .time_us = 9 * HOUR); /* n2 */
    uint64_t old =
        SUBMIT(.cores = 8, .time_us = 9 * HOUR, .is_preemptible = true, .licences = "vcs:2");
    go_to(MINUTE);
    uint64_t young =
        SUBMIT(.cores = 8, .time_us = 9 * HOUR, .is_preemptible = true, .licences = "vcs:2");
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 8,
                  .licences = "vcs:2");
    cr_expect(runs(old) && runs(young));
    go_to(HOUR - US_PER_S);
    cancel(old);
    cr_expect(runs(old), "it is being killed");
    go_to(HOUR);
    cr_expect(booking("a").v.is_active);
    cr_expect_null(strstr(cq_str_text(&world.log), "called back"), "%s", cq_str_text(&world.log));
}

Test(calendar_way, who_outlasts_its_booking_is_in_the_way_of_others)
{
    EXPECT_BOOKED(.name = "n1", .end_us = 9 * HOUR, .nodes = "n1"); /* out of play */
    EXPECT_BOOKED(.name = "tokens", .end_us = 2 * HOUR, .licences = "vcs:1");
    uint64_t late = SUBMIT(.reservation = "tokens", .cores = 1, .time_us = 90 * MINUTE,
                           .licences = "vcs:1", .is_preemptible = true);
    cr_expect_str_eq(find("acme", late).node, "n2");
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 3 * HOUR, .nodes = "n2");
    go_to(HOUR);
    cr_expect_null(strstr(cq_str_text(&world.log), "kill"), "its own booking shelters it");
    go_to(2 * HOUR);
    cr_expect(strstr(cq_str_text(&world.log), "called back"), "%s", cq_str_text(&world.log));
}

static void feed(const char *feature, int64_t used)
{
    const struct in_licence_sample sample = {feature, used};
    struct input in = {.type = INPUT_LICENCE_FEED};
    in.u.licence_feed = (struct in_licence_feed){.samples = &sample, .n_samples = 1};
    (void)world_step(&world, &in);
}

Test(calendar_way, tokens_that_a_server_still_shows_are_in_nobodys_way)
{
    uint64_t first = SUBMIT(.cores = 1, .time_us = 9 * HOUR, .licences = "vcs:3");
    go_to(10 * MINUTE);
    feed("vcs", 3);
    end_of("acme", first);
    uint64_t soft =
        SUBMIT(.cores = 1, .time_us = 9 * HOUR, .licences = "vcs:1", .is_preemptible = true);
    cr_expect(runs(soft));
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:2");
    go_to(HOUR);
    cr_expect(booking("a").v.is_active);
    cr_expect_null(strstr(cq_str_text(&world.log), "kill"), "%s", cq_str_text(&world.log));
}
