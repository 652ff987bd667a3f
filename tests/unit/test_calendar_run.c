// LINK: cq_core
/* Bookings at work: who may start beside and inside them, what an edge does, and that neither a
 * clock that jumps nor a restart confuses them. */
#include "tests/unit/calendar_fixture.h"

TestSuite(calendar_run, .init = set_up, .fini = tear_down);

/* ---- beside a booking ---- */

Test(calendar_run, a_long_job_is_kept_out_and_a_short_one_runs)
{
    EXPECT_BOOKED(.name = "all", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .nodes = "n1,n2");
    uint64_t longer = SUBMIT(.cores = 1, .time_us = 2 * HOUR + 1);
    uint64_t fits = SUBMIT(.cores = 1, .time_us = 2 * HOUR);
    expect_waits(longer, "WAIT_BOOKED");
    cr_expect(runs(fits));
    go_to(HOUR);
    expect_waits(SUBMIT(.cores = 1, .time_us = HOUR + 1), "WAIT_BOOKED");
    cr_expect(runs(SUBMIT(.cores = 1, .time_us = HOUR)));
    go_to(3 * HOUR);
    cr_expect(runs(longer), "%s", why(longer));
}

Test(calendar_run, cores_that_are_not_booked_are_free_for_all)
{
    EXPECT_BOOKED(.name = "some", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 16);
    EXPECT_BOOKED(.name = "more", .path = "brix", .start_us = HOUR, .end_us = 3 * HOUR, .cores = 4);
    cr_expect_str_eq(booking("some").nodes, "n1:16");
    cr_expect_str_eq(booking("more").nodes, "n2:4");
    uint64_t a = SUBMIT(.cores = 4, .time_us = 9 * HOUR);
    cr_expect(runs(a));
    cr_expect_str_eq(find("acme", a).node, "n2");
    expect_waits(SUBMIT(.cores = 1, .time_us = 9 * HOUR), "WAIT_BOOKED");
    cr_expect(runs(SUBMIT(.cores = 16, .time_us = HOUR)));
}

Test(calendar_run, a_job_that_ends_before_the_begin_leaves_its_place)
{
    EXPECT_BOOKED(.name = "a", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .cores = 16);
    (void)SUBMIT(.cores = 8, .time_us = 9 * HOUR); /* n2 */
    uint64_t first = SUBMIT(.cores = 16, .time_us = HOUR);
    cr_expect(runs(first));
    EXPECT_REFUSED("CONFLICT", "'a'", .name = "b", .start_us = HOUR, .end_us = 4 * HOUR,
                   .cores = 9);
    EXPECT_BOOKED(.name = "b", .start_us = HOUR, .end_us = 4 * HOUR, .cores = 8);
    cr_expect_str_eq(booking("b").nodes, "n2:8");
}

Test(calendar_run, a_daily_booking_stops_jobs_over_night)
{
    EXPECT_BOOKED(.name = "night", .start_us = 20 * HOUR, .end_us = 26 * HOUR, .every_days = 1,
                  .nodes = "n1,n2");
    go_to(26 * HOUR);
    cr_expect(runs(SUBMIT(.cores = 1, .time_us = 18 * HOUR)));
    expect_waits(SUBMIT(.cores = 1, .time_us = 18 * HOUR + 1), "WAIT_BOOKED");
    cr_expect_eq(booking("night").v.start_us, zero_us + 44 * HOUR);
}

Test(calendar_run, the_end_of_a_booking_wakes_who_is_too_large_for_other_machines)
{
    const struct in_config_row rows[] = {{CONFIG_SET, "enterprise", "acme", "max-cores", "8"}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, 1, false};
    (void)world_step(&world, &in);
    EXPECT_BOOKED(.name = "a", .path = "brix", .end_us = HOUR, .nodes = "n2");
    uint64_t whole = SUBMIT(.cores = 1, .time_us = 2 * HOUR, .exclusive = true);
    cr_expect_not(runs(whole), "n1 is too large for the limit");
    go_to(HOUR);
    cr_expect(runs(whole), "%s", why(whole));
}

Test(calendar_run, a_job_that_is_kept_out_holds_nothing_back)
{
    EXPECT_BOOKED(.name = "all", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .nodes = "n1,n2");
    uint64_t a = SUBMIT(.cores = 16, .time_us = HOUR), b = SUBMIT(.cores = 8, .time_us = HOUR);
    uint64_t wide = SUBMIT(.cores = 16, .time_us = 5 * HOUR);
    cr_expect(runs(a) && runs(b) && !runs(wide));
    go_to(10 * MINUTE);
    end_of("acme", a);
    go_to(20 * MINUTE);
    cr_expect(runs(SUBMIT(.cores = 16, .time_us = HOUR)), "an idle machine is kept for nobody");
    cr_expect_not(runs(wide));
}

Test(calendar_run, a_lease_with_tokens_does_not_go_on_into_a_booking_of_them)
{
    uint64_t first = SUBMIT(.cores = 1, .time_us = 50 * MINUTE, .licences = "vcs:4");
    uint64_t next = SUBMIT(.cores = 1, .time_us = 50 * MINUTE, .licences = "vcs:4");
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:4");
    cr_expect(runs(first));
    go_to(20 * MINUTE);
    end_of("acme", first);
    expect_waits(next, "WAIT_LICENCE");
}

static bool is_given(uint64_t number)
{
    struct enterprise_id e = {0};
    uint64_t attempt = 0;
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    core_each_task(world.core, core_find_job(world.core, e, number), note_attempt, &attempt);
    return attempt > 0;
}

Test(calendar_run, what_queues_ahead_in_a_lease_leaves_a_booking_its_place_too)
{
    uint64_t jobs[4];
    for (size_t i = 0; i < CQ_COUNT(jobs); i++)
        jobs[i] = SUBMIT(.cores = 16, .time_us = 25 * MINUTE);
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1");
    go_to(MINUTE);
    end_of("acme", jobs[0]); /* its runs are short */
    cr_expect(is_given(jobs[1]) && is_given(jobs[2]));
    cr_expect_not(is_given(jobs[3]), "to their limits they would run for 75 minutes");
    end_of("acme", jobs[1]);
    cr_expect(is_given(jobs[3]));
}

Test(calendar_run, what_queues_behind_one_that_is_late_has_all_its_time_before_it)
{
    uint64_t jobs[3];
    for (size_t i = 0; i < CQ_COUNT(jobs); i++)
        jobs[i] = SUBMIT(.cores = 16, .time_us = 10 * MINUTE);
    EXPECT_BOOKED(.name = "a", .start_us = 35 * MINUTE, .end_us = HOUR, .nodes = "n1");
    go_to(MINUTE);
    end_of("acme", jobs[0]); /* its runs are short */
    cr_expect(is_given(jobs[1]) && is_given(jobs[2]));
    go_to(20 * MINUTE);
    uint64_t more = SUBMIT(.cores = 16, .time_us = 10 * MINUTE);
    hello("n1", "0-15", 16384); /* its leases look again */
    cr_expect_not(is_given(more), "to their limits they would run until the fortieth minute");
    end_of("acme", jobs[1]);
    end_of("acme", jobs[2]);
    cr_expect(is_given(more));
}

/* ---- inside a booking ---- */

Test(calendar_run, memory_that_is_not_booked_is_left_to_who_booked_it)
{
    EXPECT_BOOKED(.name = "mem", .path = "brix", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 8,
                  .mem_mib = 16000);
    EXPECT_BOOKED(.name = "a", .end_us = 3 * HOUR, .cores = 8);
    cr_expect_str_eq(booking("mem").nodes, "n1:8");
    cr_expect_str_eq(booking("a").nodes, "n1:8");
    expect_waits(SUBMIT(.reservation = "a", .cores = 1, .mem_mib = 1000, .time_us = 2 * HOUR),
                 "WAIT_BOOKED");
    cr_expect(runs(SUBMIT(.reservation = "a", .cores = 1, .mem_mib = 1000, .time_us = HOUR)));
}

Test(calendar_run, a_lease_goes_on_only_in_the_booking_in_which_it_began)
{
    EXPECT_BOOKED(.name = "a", .end_us = 3 * HOUR, .nodes = "n1");
    uint64_t first = SUBMIT(.reservation = "a", .cores = 16, .time_us = HOUR);
    uint64_t next = SUBMIT(.reservation = "a", .cores = 16, .time_us = HOUR);
    cr_expect(runs(first));
    cr_expect(strstr(remove_booking("root", "a"), "reply OK"));
    EXPECT_BOOKED(.name = "a", .end_us = 3 * HOUR, .nodes = "n1");
    end_of("acme", first);
    cr_expect(runs(next), "%s", why(next));
    cr_expect_float_eq(charge("acme"), 2 / 3., 1e-9, "what it runs in pays for it");
}

Test(calendar_run, a_job_names_a_booking_of_its_own)
{
    (void)SUBMIT(.user = "bob", .cores = 1, .time_us = MINUTE);
    (void)SUBMIT(.cores = 1, .time_us = MINUTE);
    EXPECT_BOOKED(.name = "night", .path = "acme/uart/ann", .start_us = HOUR, .end_us = 2 * HOUR,
                  .cores = 8);
    cr_expect_eq(SUBMIT(.reservation = "nigth", .cores = 1, .time_us = MINUTE), 0);
    cr_expect(strstr(last_reply(), "NOT_FOUND") && strstr(last_reply(), "did you mean night"), "%s",
              last_reply());
    cr_expect_eq(SUBMIT(.user = "amy", .reservation = "night", .cores = 1, .time_us = MINUTE), 0);
    cr_expect(strstr(last_reply(), "NOT_FOUND") && !strstr(last_reply(), "mean"), "%s",
              last_reply());
    cr_expect_eq(SUBMIT(.user = "bob", .reservation = "night", .cores = 1, .time_us = MINUTE), 0);
    cr_expect_eq(SUBMIT(.reservation = "night", .cores = 1, .time_us = HOUR + 1), 0);
    cr_expect(strstr(last_reply(), "shorter --time"), "%s", last_reply());
    expect_waits(SUBMIT(.reservation = "night", .cores = 1, .time_us = HOUR), "WAIT_BOOKING");
}

Test(calendar_run, jobs_inside_start_at_the_begin_and_only_there)
{
    EXPECT_BOOKED(.name = "night", .start_us = HOUR, .end_us = 3 * HOUR, .cores = 12);
    uint64_t in1 = SUBMIT(.reservation = "night", .cores = 8, .time_us = HOUR);
    uint64_t in2 = SUBMIT(.reservation = "night", .cores = 8, .time_us = HOUR);
    uint64_t out = SUBMIT(.cores = 16, .time_us = 2 * HOUR);
    expect_waits(in1, "WAIT_BOOKING");
    expect_waits(out, "WAIT_BOOKED");
    go_to(HOUR);
    cr_expect(runs(in1));
    cr_expect_str_eq(find("acme", in1).node, "n1");
    cr_expect_not(runs(in2), "the booking has 12 cores, though the machine has 16");
    cr_expect(booking("night").v.is_active);
    cr_expect_eq(booking("night").v.cores_used, 8);
    cr_expect(runs(SUBMIT(.cores = 4, .time_us = 9 * HOUR)));
    go_to(HOUR + 30 * MINUTE);
    end_of("acme", in1);
    cr_expect(runs(in2), "%s", why(in2));
    go_to(2 * HOUR + 10 * MINUTE);
    end_of("acme", in2);
    uint64_t late = SUBMIT(.reservation = "night", .cores = 1, .time_us = 50 * MINUTE);
    cr_expect(runs(late), "it ends with the booking");
    cr_expect_eq(SUBMIT(.reservation = "night", .cores = 1, .time_us = 51 * MINUTE), 0);
    go_to(3 * HOUR);
    cr_expect_eq(booking("night").n, 0);
    cr_expect(runs(late));
}

Test(calendar_run, a_booking_of_tokens_lets_its_jobs_run_anywhere)
{
    EXPECT_BOOKED(.name = "emu", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "palladium:2");
    uint64_t shorter =
        SUBMIT(.user = "bob", .cores = 1, .time_us = HOUR, .licences = "palladium:1");
    uint64_t longer = SUBMIT(.cores = 1, .time_us = HOUR + 1, .licences = "palladium:1");
    uint64_t inside =
        SUBMIT(.reservation = "emu", .cores = 1, .time_us = HOUR, .licences = "palladium:2");
    cr_expect_eq(find("brix", shorter).n, 1);
    expect_waits(longer, "WAIT_LICENCE");
    cr_expect_not(runs(inside));
    go_to(30 * MINUTE);
    end_of("brix", shorter);
    expect_waits(inside, "WAIT_BOOKING");
    go_to(HOUR);
    cr_expect(runs(inside), "%s", why(inside));
    expect_waits(longer, "WAIT_LICENCE");
    go_to(HOUR + MINUTE);
    end_of("acme", inside);
    expect_waits(longer, "WAIT_LICENCE");
    go_to(2 * HOUR);
    cr_expect(runs(longer), "%s", why(longer));
}

Test(calendar_run, tokens_that_come_back_in_time_may_be_taken)
{
    EXPECT_BOOKED(.name = "a", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .licences = "vcs:2");
    cr_expect(runs(SUBMIT(.cores = 1, .time_us = HOUR, .licences = "vcs:2")));
    uint64_t next = SUBMIT(.cores = 1, .time_us = 3 * HOUR, .licences = "vcs:2");
    cr_expect(runs(next), "2 of 4 are back when the booking begins: %s", why(next));
}

/* ---- giving back, charges ---- */

Test(calendar_run, flex_gives_back_what_is_unused_after_a_quarter_of_an_hour)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 5 * HOUR, .cores = 16, .is_flex = true);
    uint64_t inside = SUBMIT(.reservation = "a", .cores = 4, .time_us = 2 * HOUR);
    (void)SUBMIT(.cores = 8, .time_us = 9 * HOUR); /* n2 */
    uint64_t wide = SUBMIT(.cores = 13, .time_us = HOUR + 1);
    uint64_t fits = SUBMIT(.cores = 12, .time_us = HOUR + 1);
    go_to(HOUR + 15 * MINUTE - 1);
    expect_waits(fits, "WAIT_BOOKED");
    go_to(HOUR + 15 * MINUTE);
    cr_expect(runs(fits), "%s", why(fits));
    cr_expect(runs(inside) && !runs(wide));
    cr_expect_float_eq(charge("acme"), 1, 1e-9);
    cr_expect_eq(n_edges(2), 1);
    cr_expect(runs(inside));
}

Test(calendar_run, without_flex_it_keeps_what_it_has)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 5 * HOUR, .nodes = "n1,n2");
    uint64_t out = SUBMIT(.cores = 1, .time_us = 2 * HOUR);
    go_to(4 * HOUR + 59 * MINUTE);
    expect_waits(out, "WAIT_BOOKED");
    go_to(5 * HOUR);
    cr_expect(runs(out));
}

Test(calendar_run, what_is_reserved_is_charged_once)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 3 * HOUR, .cores = 12);
    cr_expect_float_eq(charge("acme"), 0, 1e-9);
    go_to(HOUR);
    cr_expect_float_eq(charge("acme"), 0.5, 1e-9);
    uint64_t inside = SUBMIT(.reservation = "a", .cores = 6, .time_us = HOUR);
    cr_expect(runs(inside));
    cr_expect_float_eq(charge("acme"), 0.5, 1e-9);
    cr_expect_float_eq(charge("acme/uart/ann"), 0, 1e-9);
    cr_expect(strstr(remove_booking("root", "a"), "reply OK"));
    cr_expect(runs(inside), "what runs goes on");
    cr_expect_float_eq(charge("acme"), 0.25, 1e-9);
    cr_expect_float_eq(charge("acme/uart/ann"), 0.25, 1e-9);
    world_restart(&world);
    cr_expect_float_eq(charge("acme"), 0.25, 1e-9);
}

Test(calendar_run, a_booking_of_tokens_pays_for_the_tokens_alone)
{
    EXPECT_BOOKED(.name = "emu", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:4");
    go_to(HOUR);
    cr_expect_float_eq(charge("acme"), 1, 1e-9);
    cr_expect(runs(SUBMIT(.reservation = "emu", .cores = 6, .time_us = HOUR, .licences = "vcs:4")));
    cr_expect_float_eq(charge("acme"), 1.25, 1e-9);
    cr_expect_float_eq(charge("acme/uart"), 0.25, 1e-9);
    go_to(2 * HOUR);
    cr_expect_float_eq(charge("acme"), 1, 1e-9); /* the job has all tokens still */
}

/* ---- removal ---- */

Test(calendar_run, jobs_of_a_removed_booking_wait_and_can_be_cancelled)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1,n2");
    uint64_t inside = SUBMIT(.reservation = "a", .cores = 1, .time_us = HOUR);
    uint64_t out = SUBMIT(.cores = 1, .time_us = 2 * HOUR);
    expect_waits(out, "WAIT_BOOKED");
    cr_expect(strstr(remove_booking("ann", "a"), "reply OK"));
    cr_expect(runs(out), "what was booked is free at once");
    go_to(HOUR);
    expect_waits(inside, "WAIT_BOOKING");
    EXPECT_REFUSED("CONFLICT", "live jobs", .name = "a", .path = "acme/uart/amy",
                   .start_us = 2 * HOUR, .end_us = 3 * HOUR, .cores = 1);
    EXPECT_BOOKED(.name = "a", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .cores = 1);
    go_to(2 * HOUR);
    cr_expect(runs(inside), "%s", why(inside));
}

Test(calendar_run, bookings_leave_with_their_enterprise)
{
    EXPECT_BOOKED(.name = "a", .path = "brix", .end_us = 2 * HOUR, .nodes = "n1,n2");
    uint64_t out = SUBMIT(.cores = 1, .time_us = HOUR);
    expect_waits(out, "WAIT_BOOKED");
    const struct in_config_row rows[] = {{CONFIG_REMOVE, "enterprise", "brix", "", ""}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, 1, false};
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    cr_expect(strstr(cq_str_text(&world.log), "config OK"), "%s", cq_str_text(&world.log));
    cr_expect(runs(out));
    cr_expect_eq(booking("a").n, 0);
}

/* ---- clocks ---- */

Test(calendar_run, a_clock_that_jumps_over_days_passes_the_edges_at_once)
{
    EXPECT_BOOKED(.name = "d", .start_us = HOUR, .end_us = 2 * HOUR, .every_days = 1, .cores = 16);
    EXPECT_BOOKED(.name = "once", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 8);
    go_to(HOUR + MINUTE);
    cr_expect(booking("d").v.is_active);
    jump_wall(5 * DAY);
    cr_expect(booking("d").v.is_active, "the one of that day");
    cr_expect_eq(booking("d").v.start_us, zero_us + 5 * DAY + HOUR);
    cr_expect_eq(booking("once").n, 1, "the single one is over");
    cr_expect_str_eq(booking("once").nodes, "");
    jump_wall(12 * HOUR);
    cr_expect_not(booking("d").v.is_active);
    cr_expect_eq(booking("d").v.start_us, zero_us + 6 * DAY + HOUR);
    cr_expect_float_eq(charge("acme"), 0, 1e-9);
    jump_wall(3650 * DAY);
    cr_expect_eq(booking("d").v.start_us, zero_us + 3656 * DAY + HOUR);
    cr_expect_lt(world.n_journal, 60, "occurrences that nobody saw leave no records");
}

Test(calendar_run, a_clock_that_is_set_back_undoes_nothing)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .every_days = 1,
                  .nodes = "n1,n2");
    go_to(HOUR);
    uint64_t out = SUBMIT(.cores = 1, .time_us = 10 * MINUTE);
    expect_waits(out, "WAIT_BOOKED");
    jump_wall(-50 * MINUTE);
    cr_expect(booking("a").v.is_active);
    expect_waits(out, "WAIT_BOOKED");
    uint64_t in = SUBMIT(.reservation = "a", .cores = 1, .time_us = HOUR);
    cr_expect(runs(in));
    jump_wall(2 * HOUR);
    cr_expect(runs(out));
    jump_wall(-HOUR);
    cr_expect_not(booking("a").v.is_active, "one that is over does not begin again");
    cr_expect_eq(booking("a").v.start_us, zero_us + DAY + HOUR);
}

Test(calendar_run, a_clock_that_is_set_back_lets_jobs_look_again)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .nodes = "n1,n2");
    uint64_t out = SUBMIT(.cores = 1, .time_us = 2 * HOUR);
    expect_waits(out, "WAIT_BOOKED");
    jump_wall(-HOUR);
    cr_expect(runs(out));
}

Test(calendar_run, what_is_active_before_its_begin_is_not_booked_again)
{
    EXPECT_BOOKED(.name = "a", .start_us = HOUR, .end_us = 2 * HOUR, .cores = 16);
    EXPECT_BOOKED(.name = "t", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "vcs:3");
    go_to(HOUR);
    jump_wall(-50 * MINUTE);
    EXPECT_REFUSED("CONFLICT", "'a'", .name = "b", .start_us = 20 * MINUTE, .end_us = 40 * MINUTE,
                   .nodes = "n1");
    EXPECT_REFUSED("CONFLICT", "'t'", .name = "b", .start_us = 20 * MINUTE, .end_us = 40 * MINUTE,
                   .licences = "vcs:2");
    EXPECT_BOOKED(.name = "b", .start_us = 2 * HOUR, .end_us = 3 * HOUR, .nodes = "n1");
}

Test(calendar_run, a_job_that_outlasts_its_booking_by_a_jump_is_counted_beside_the_next)
{
    (void)SUBMIT(.cores = 8, .time_us = 9 * HOUR); /* n2 */
    EXPECT_BOOKED(.name = "a", .end_us = 2 * HOUR, .cores = 8);
    EXPECT_BOOKED(.name = "b", .path = "brix", .start_us = 2 * HOUR, .end_us = 4 * HOUR,
                  .cores = 8);
    cr_expect_str_eq(booking("a").nodes, "n1:8");
    cr_expect_str_eq(booking("b").nodes, "n1:8");
    cr_expect(runs(SUBMIT(.reservation = "a", .cores = 8, .time_us = 2 * HOUR)));
    jump_wall(110 * MINUTE);
    expect_waits(SUBMIT(.cores = 8, .time_us = HOUR), "WAIT_BOOKED");
    cr_expect(runs(SUBMIT(.cores = 8, .time_us = 10 * MINUTE)));
}

/* ---- restarts ---- */

/* Lines of the log that say what was decided. */
static void add_decisions(struct cq_str *to)
{
    char *text = cq_strdup(cq_str_text(&world.log)), *save = NULL;
    for (char *p = strtok_r(text, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
        if (strstr(p, " grant ") || strstr(p, " kill ") || strstr(p, " close "))
            cq_str_printf(to, "%s\n", p);
    free(text);
}

/* The same story, with or without restarts on the way; gives what was decided, and what was seen.
 */
static char *story(bool restarts)
{
    static const int64_t steps[] = {1,        HOUR,     HOUR + 10 * MINUTE, HOUR + 20 * MINUTE,
                                    2 * HOUR, 3 * HOUR, DAY + HOUR + MINUTE};
    struct cq_str all = {0};
    n_keys = 0;
    EXPECT_BOOKED(.name = "d", .start_us = HOUR, .end_us = 3 * HOUR, .every_days = 1, .cores = 16,
                  .is_flex = true);
    EXPECT_BOOKED(.name = "t", .start_us = HOUR, .end_us = 2 * HOUR, .licences = "palladium:2");
    (void)SUBMIT(.cores = 4, .time_us = 9 * HOUR); /* n2 */
    (void)SUBMIT(.cores = 12, .time_us = HOUR, .is_preemptible = true);
    (void)SUBMIT(.reservation = "d", .cores = 4, .time_us = HOUR);
    (void)SUBMIT(.reservation = "d", .cores = 8, .time_us = 30 * MINUTE);
    (void)SUBMIT(.reservation = "t", .cores = 1, .time_us = HOUR, .licences = "palladium:1");
    (void)SUBMIT(.user = "bob", .cores = 7, .time_us = 2 * HOUR);
    for (size_t i = 0; i < CQ_COUNT(steps); i++) {
        go_to(steps[i]);
        add_decisions(&all);
        expect_same_after_restart();
        if (restarts) {
            world_restart(&world);
            hello_all();
        }
        for (uint64_t number = 2; number <= 5; number++)
            if (i == number && runs(number))
                end_of("acme", number);
        (void)SUBMIT(.cores = 2, .time_us = 40 * MINUTE);
        add_decisions(&all);
        char *state = print(world.core);
        cq_str_add(&all, state);
        free(state);
    }
    return cq_str_take(&all);
}

Test(calendar_run, a_restart_in_the_middle_changes_nothing)
{
    char *a = story(false);
    tear_down();
    set_up();
    char *b = story(true);
    cr_expect(strstr(a, " grant ") != NULL);
    cr_expect_str_eq(b, a);
    free(a);
    free(b);
}
