// LINK: cq_core
/* Bookings: what may be booked, and what not. */
#include "tests/unit/calendar_fixture.h"

TestSuite(calendar, .init = set_up, .fini = tear_down);

/* ---- what may be booked ---- */

Test(calendar, a_booking_is_refused_with_what_is_wrong)
{
    const char *n = "b";
    EXPECT_REFUSED("INVALID", "before it begins", .name = n, .start_us = 2, .end_us = 2,
                   .cores = 1);
    EXPECT_REFUSED("INVALID", "over already", .name = n, .start_us = -2, .end_us = -1, .cores = 1);
    EXPECT_REFUSED("INVALID", "400 days ahead", .name = n, .start_us = 401 * DAY,
                   .end_us = 402 * DAY, .cores = 1);
    EXPECT_REFUSED("INVALID", "longer than 400", .name = n, .end_us = 401 * DAY, .cores = 1);
    EXPECT_REFUSED("INVALID", "every 2 days", .name = n, .end_us = 9, .every_days = 2, .cores = 1);
    EXPECT_REFUSED("INVALID", "at most a day", .name = n, .end_us = DAY + 1, .every_days = 1,
                   .cores = 1);
    EXPECT_REFUSED("INVALID", "at most a week", .name = n, .end_us = 7 * DAY + 1, .every_days = 7,
                   .cores = 1);
    EXPECT_REFUSED("INVALID", "no name for a booking", .name = "a b", .end_us = 9, .cores = 1);
    EXPECT_REFUSED("INVALID", "books nothing", .name = n, .end_us = 9);
    EXPECT_REFUSED("INVALID", "memory goes with", .name = n, .end_us = 9, .mem_mib = 1,
                   .nodes = "n1");
    EXPECT_REFUSED("INVALID", "not both", .name = n, .end_us = 9, .cores = 1, .nodes = "n1");
    EXPECT_REFUSED("INVALID", "twice", .name = n, .end_us = 9, .nodes = "n1,n1");
    EXPECT_REFUSED("INVALID", "n1,n2", .name = n, .end_us = 9, .nodes = "n1,,n2");
    EXPECT_REFUSED("NOT_FOUND", "did you mean n", .name = n, .end_us = 9, .nodes = "n3");
    EXPECT_REFUSED("NOT_FOUND", "did you mean vcs", .name = n, .end_us = 9, .licences = "vsc:1");
    EXPECT_REFUSED("IMPOSSIBLE", "have 24", .name = n, .end_us = 9, .cores = 25);
    EXPECT_REFUSED("IMPOSSIBLE", "so much memory", .name = n, .end_us = 9, .cores = 24,
                   .mem_mib = 24 * 2048);
    EXPECT_REFUSED("IMPOSSIBLE", "there are 2", .name = n, .end_us = 9, .licences = "palladium:3");
    EXPECT_REFUSED("NOT_FOUND", "did you mean acme", .name = n, .path = "acne", .end_us = 9,
                   .cores = 1);
    EXPECT_REFUSED("INVALID", "share tree", .name = n, .path = "a/b/c/d", .end_us = 9, .cores = 1);
    EXPECT_REFUSED("INVALID", "share tree", .name = n, .path = "", .end_us = 9, .cores = 1);
    cr_expect_eq(booking("b").n, 0);
}

Test(calendar, projects_and_users_can_have_bookings)
{
    (void)SUBMIT(.cores = 1, .time_us = HOUR);
    EXPECT_REFUSED("NOT_FOUND", "did you mean uart", .name = "b", .path = "acme/uatr", .end_us = 9,
                   .cores = 1);
    EXPECT_REFUSED("NOT_FOUND", "did you mean ann", .name = "b", .path = "acme/uart/anna",
                   .end_us = 9, .cores = 1);
    EXPECT_REFUSED("NOT_FOUND", "no user 'bob'", .name = "b", .path = "acme/uart/bob", .end_us = 9,
                   .cores = 1);
    EXPECT_BOOKED(.name = "p", .path = "acme/uart", .start_us = DAY, .end_us = 2 * DAY, .cores = 1);
    EXPECT_BOOKED(.name = "u", .path = "acme/uart/amy", .start_us = DAY, .end_us = 2 * DAY,
                  .cores = 1);
    cr_expect_str_eq(booking("p").path, "acme/uart");
    cr_expect_str_eq(booking("u").path, "acme/uart/amy");
    world_restart(&world);
    cr_expect_str_eq(booking("u").path, "acme/uart/amy");
}

Test(calendar, names_are_of_one_enterprise_and_never_told_to_another)
{
    EXPECT_BOOKED(.name = "night", .path = "brix", .start_us = HOUR, .end_us = 2 * HOUR,
                  .nodes = "n1");
    EXPECT_BOOKED(.name = "night", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 8);
    EXPECT_REFUSED("CONFLICT", "exists already", .name = "night", .start_us = HOUR,
                   .end_us = 2 * HOUR, .cores = 1);
    EXPECT_REFUSED("CONFLICT", "another booking", .name = "c", .start_us = HOUR, .end_us = 2 * HOUR,
                   .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "booking 'night' has n2", .name = "c", .start_us = HOUR,
                   .end_us = 2 * HOUR, .nodes = "n2");
    const char *reply = book_as(
        "ann", (struct in_reservation){.name = "c", .path = "brix", .end_us = HOUR, .cores = 1});
    cr_expect(strstr(reply, "NOT_FOUND") && !strstr(reply, "mean"), "%s", reply);
    cr_expect(strstr(remove_booking("ann", "brix/night"), "NOT_FOUND"));
    cr_expect(strstr(remove_booking("root", "night"), "CONFLICT"));
    cr_expect(strstr(remove_booking("bob", "nigth"), "did you mean night"));
    cr_expect(strstr(remove_booking("bob", "night"), "reply OK"));
    cr_expect(strstr(remove_booking("root", "acme/night"), "reply OK"));
    cr_expect_eq(booking("night").n, 0);
}

/* ---- overlap ---- */

Test(calendar, windows_that_touch_do_not_overlap)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1");
    EXPECT_BOOKED(.name = "b", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "'a' has n1", .name = "c", .start_us = 0, .end_us = HOUR + 1,
                   .nodes = "n1,n2");
    EXPECT_BOOKED(.name = "c", .start_us = 0, .end_us = HOUR, .nodes = "n1,n2");
}

Test(calendar, daily_and_weekly_bookings_are_compared_day_by_day)
{
    EXPECT_BOOKED(.name = "daily", .start_us = 20 * HOUR, .end_us = 30 * HOUR, .every_days = 1,
                  .nodes = "n1");
    EXPECT_BOOKED(.name = "noon", .start_us = 12 * HOUR, .end_us = 13 * HOUR, .every_days = 1,
                  .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "'daily'", .name = "x", .start_us = 300 * DAY + 5 * HOUR,
                   .end_us = 300 * DAY + 7 * HOUR, .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "'noon'", .name = "x", .start_us = 300 * DAY + 7 * HOUR,
                   .end_us = 300 * DAY + 13 * HOUR, .nodes = "n1");
    EXPECT_BOOKED(.name = "x", .start_us = 300 * DAY + 7 * HOUR, .end_us = 300 * DAY + 12 * HOUR,
                  .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "'daily'", .name = "w", .start_us = 3 * DAY + 5 * HOUR,
                   .end_us = 3 * DAY + 11 * HOUR, .every_days = 7, .nodes = "n1");
    /* 300 is 6 modulo 7: only the weekly one of that day meets the single one, in 42 weeks. */
    EXPECT_REFUSED("CONFLICT", "'x'", .name = "w", .start_us = 6 * DAY + 7 * HOUR,
                   .end_us = 6 * DAY + 11 * HOUR, .every_days = 7, .nodes = "n1");
    EXPECT_BOOKED(.name = "w", .start_us = 3 * DAY + 7 * HOUR, .end_us = 3 * DAY + 11 * HOUR,
                  .every_days = 7, .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "'w'", .name = "v", .start_us = 10 * DAY + 8 * HOUR,
                   .end_us = 10 * DAY + 9 * HOUR, .every_days = 7, .nodes = "n1");
}

Test(calendar, cores_are_taken_where_most_are_left)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 12);
    cr_expect_str_eq(booking("a").nodes, "n1:12");
    EXPECT_BOOKED(.name = "b", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 10);
    cr_expect_str_eq(booking("b").nodes, "n2:8,n1:2");
    EXPECT_REFUSED("CONFLICT", "'a' has some of the cores", .name = "c", .start_us = HOUR,
                   .end_us = 2 * HOUR, .cores = 3);
    EXPECT_REFUSED("CONFLICT", "'a' has n1", .name = "c", .start_us = HOUR, .end_us = 2 * HOUR,
                   .nodes = "n1");
    EXPECT_BOOKED(.name = "c", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 2);
    EXPECT_BOOKED(.name = "d", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .cores = 24);
    cr_expect_eq(booking("d").v.cores, 24);
}

Test(calendar, two_that_do_not_meet_do_not_add_up)
{
    EXPECT_BOOKED(.name = "a", .start_us = 1 * HOUR, .end_us = 2 * HOUR, .cores = 14);
    EXPECT_BOOKED(.name = "b", .start_us = 3 * HOUR, .end_us = 4 * HOUR, .cores = 14);
    EXPECT_BOOKED(.name = "c", .start_us = 1 * HOUR, .end_us = 4 * HOUR, .cores = 10);
    cr_expect_str_eq(booking("c").nodes, "n2:8,n1:2");
}

Test(calendar, memory_is_booked_where_it_is_asked)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 4, .mem_mib = 12288);
    cr_expect_str_eq(booking("a").nodes, "n1:4");
    EXPECT_BOOKED(.name = "b", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 3, .mem_mib = 12288);
    cr_expect_str_eq(booking("b").nodes, "n2:2,n1:1");
    EXPECT_REFUSED("CONFLICT", "some of the cores", .name = "c", .start_us = HOUR,
                   .end_us = 2 * HOUR, .cores = 1, .mem_mib = 1024);
    uint64_t fits = SUBMIT(.cores = 4, .time_us = 30 * MINUTE, .mem_mib = 16384);
    cr_expect(runs(fits));
    end_of("acme", fits);
    expect_waits(SUBMIT(.cores = 4, .time_us = 2 * HOUR, .mem_mib = 1024), "WAIT_BOOKED");
}

Test(calendar, tokens_and_instruments_are_booked_up_to_their_count)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR,
                  .licences = "palladium:1,vcs:3");
    EXPECT_REFUSED("CONFLICT", "'a' has vcs", .name = "b", .start_us = HOUR, .end_us = 2 * HOUR,
                   .licences = "vcs:2");
    EXPECT_REFUSED("CONFLICT", "another booking has palladium", .name = "b", .path = "brix",
                   .start_us = HOUR, .end_us = 2 * HOUR, .licences = "palladium:2");
    EXPECT_BOOKED(.name = "b", .start_us = HOUR, .end_us = 2 * HOUR,
                  .licences = "palladium:1,vcs:1");
    EXPECT_REFUSED("NOT_FOUND", "dc", .name = "c", .path = "brix", .start_us = HOUR,
                   .end_us = 2 * HOUR, .licences = "dc:1");
    EXPECT_BOOKED(.name = "c", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "dc:3");
    cr_expect_str_eq(booking("a").licences, "palladium:1,vcs:3");
}

Test(calendar, a_feature_that_is_booked_stays)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:1");
    const struct in_config_row rows[] = {{CONFIG_REMOVE, "licence", "vcs", "", ""}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, 1, false};
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    cr_expect(strstr(cq_str_text(&world.log), "bookings hold it"), "%s", cq_str_text(&world.log));
}
