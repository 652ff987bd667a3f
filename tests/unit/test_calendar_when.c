// LINK: cq_core
/* When a start may be beside bookings: a moment that is right, or none when there is none. */
#include "scheduler/core/calendar.h"
#include "tests/unit/calendar_fixture.h"

TestSuite(calendar_when, .init = set_up, .fini = tear_down);

static const struct job *waiting_job(uint64_t number)
{
    struct enterprise_id e = {0};
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    const struct job *job = job_find_number(world.core, e, number);
    cr_assert(job && job->ready > 0, "job %" PRIu64 " does not wait", number);
    return job;
}

/* After the begin of the test, as far as bookings go; -1: never. */
static int64_t earliest_on(const char *node, uint64_t number)
{
    struct core *c = world.core;
    const struct job *job = waiting_job(number);
    int64_t at_us = calendar_earliest(c, job->class->shape, worker_named(c, node), holds_of(c, job),
                                      c->policy_us);
    return at_us == INT64_MAX ? -1 : at_us - c->policy_us + c->now_wall_us - zero_us;
}

static void fill(void)
{
    cr_assert(runs(SUBMIT(.cores = 16, .time_us = 10 * MINUTE)));
    cr_assert(runs(SUBMIT(.cores = 8, .time_us = 10 * MINUTE)));
}

Test(calendar_when, a_place_is_seen_behind_very_many_bookings)
{
    char name[16];
    fill();
    for (int64_t i = 1; i <= 150; i++) {
        (void)snprintf(name, sizeof name, "b%" PRId64, i);
        EXPECT_BOOKED(.name = name, .start_us = i * 30 * MINUTE,
                      .end_us = i * 30 * MINUTE + 20 * MINUTE, .nodes = "n2");
    }
    uint64_t hour = SUBMIT(.cores = 8, .time_us = HOUR, .exclusive = true);
    uint64_t minute = SUBMIT(.cores = 8, .time_us = MINUTE, .exclusive = true);
    cr_expect_eq(earliest_on("n2", hour), 150 * 30 * MINUTE + 20 * MINUTE);
    cr_expect_eq(earliest_on("n2", minute), 0);
}

Test(calendar_when, what_never_fits_is_never_said_to)
{
    fill();
    EXPECT_BOOKED(.name = "day", .start_us = 30 * MINUTE, .end_us = 22 * HOUR, .nodes = "n2",
                  .every_days = 1);
    EXPECT_BOOKED(.name = "far", .start_us = 300 * DAY - HOUR, .end_us = 300 * DAY, .nodes = "n1");
    uint64_t fits = SUBMIT(.cores = 8, .time_us = 2 * HOUR + 30 * MINUTE);
    uint64_t never = SUBMIT(.cores = 8, .time_us = 2 * HOUR + 30 * MINUTE + US_PER_S);
    cr_expect_eq(earliest_on("n2", fits), 22 * HOUR);
    cr_expect_eq(earliest_on("n2", never), -1);
    cr_expect_eq(earliest_on("n1", never), 0);
}

Test(calendar_when, one_that_comes_once_hides_no_gap_of_those_that_come_again)
{
    fill();
    EXPECT_BOOKED(.name = "day", .start_us = 30 * MINUTE, .end_us = 12 * HOUR, .nodes = "n2",
                  .every_days = 1);
    EXPECT_BOOKED(.name = "week", .start_us = 7 * DAY + 12 * HOUR, .end_us = 7 * DAY + 24 * HOUR,
                  .nodes = "n2", .every_days = 7);
    for (int64_t i = 0; i < 9; i++) {
        const char name[] = {'o', (char)('0' + i), '\0'};
        if (i != 7)
            EXPECT_BOOKED(.name = name, .start_us = i * DAY + 12 * HOUR,
                          .end_us = i * DAY + 13 * HOUR, .nodes = "n2");
    }
    uint64_t job = SUBMIT(.cores = 8, .time_us = 12 * HOUR);
    cr_expect_eq(earliest_on("n2", job), 9 * DAY + 12 * HOUR);
}

Test(calendar_when, a_place_in_a_booking_comes_when_who_has_it_ends)
{
    fill();
    EXPECT_BOOKED(.name = "a", .start_us = 0, .end_us = 3 * HOUR, .nodes = "n1");
    go_to(10 * MINUTE);
    end_of("acme", 1);
    uint64_t first = SUBMIT(.reservation = "a", .cores = 16, .time_us = HOUR);
    uint64_t second = SUBMIT(.reservation = "a", .cores = 16, .time_us = HOUR);
    uint64_t third = SUBMIT(.reservation = "a", .cores = 16, .time_us = 2 * HOUR);
    cr_assert(runs(first));
    cr_expect_eq(earliest_on("n1", second), 10 * MINUTE + HOUR);
    cr_expect_eq(earliest_on("n1", third), -1, "it would not end with the booking");
}

Test(calendar_when, tokens_of_a_booking_are_there_when_it_begins)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 3 * HOUR, .licences = "vcs:4");
    uint64_t in = SUBMIT(.reservation = "a", .cores = 1, .time_us = HOUR, .licences = "vcs:4");
    uint64_t beside = SUBMIT(.cores = 1, .time_us = 2 * HOUR, .licences = "vcs:1");
    cr_expect_eq(earliest_on("n1", in), HOUR);
    cr_expect_eq(earliest_on("n1", beside), 3 * HOUR);
}

Test(calendar_when, tokens_come_back_one_after_another)
{
    char name[16];
    add_feature("licence", "many", "300", "");
    for (int64_t i = 1; i <= 24; i++) {
        (void)snprintf(name, sizeof name, "many:%d", i == 24 ? 24 : 12);
        cr_assert(runs(SUBMIT(.cores = 1, .time_us = i * 10 * MINUTE, .licences = name)));
    }
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "many:150");
    EXPECT_BOOKED(.name = "b", .start_us = 2 * HOUR, .end_us = 5 * HOUR, .licences = "many:100");
    /* Of 300 there are 100 booked, and 108 in leases that end after the sixteenth. */
    uint64_t job = SUBMIT(.cores = 1, .time_us = 2 * HOUR, .licences = "many:92");
    cr_expect_eq(earliest_on("n1", job), 160 * MINUTE);
}
