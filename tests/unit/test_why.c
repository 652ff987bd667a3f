// LINK: cq_core
/* What chipq why says: the reason that decides and those behind it, advice that is true, and when a
 * start is expected. */
#include "tests/unit/calendar_fixture.h"

TestSuite(why, .init = set_up, .fini = tear_down);

enum { REASONS = 4 };

struct told {
    struct reason items[REASONS];
    size_t n;
};

static struct told ask_why(uint64_t number)
{
    struct enterprise_id e = {0};
    struct told t = {.n = 0};
    struct reason row;
    cr_assert_neq(number, (uint64_t)0, "refused: %s", cq_str_text(&world.log));
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    t.n =
        core_explain(world.core, core_find_job(world.core, e, number), world.now, t.items, REASONS);
    cr_assert_gt(t.n, (size_t)0, "job %" PRIu64 " does not wait", number);
    cr_assert(core_explain_brief(world.core, core_find_job(world.core, e, number), world.now, &row,
                                 NULL));
    cr_expect_str_eq(row.code, t.items[0].code);
    cr_expect_str_eq(row.text, t.items[0].text);
    return t;
}

static void set(const char *kind, const char *path, const char *key, const char *value)
{
    const struct in_config_row rows[] = {{CONFIG_PUT, kind, path, "", ""},
                                         {CONFIG_SET, kind, path, key, value}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, CQ_COUNT(rows), false};
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    cr_assert(strstr(cq_str_text(&world.log), "config OK"), "%s", cq_str_text(&world.log));
}

static bool runs_of_brix(uint64_t number)
{
    return find("brix", number).n > 0;
}

/* Seconds from now to the two ends of the expected start; -1: none is told. */
struct expected {
    int64_t from_s, to_s;
};

static struct expected expect(uint64_t number)
{
    struct enterprise_id e = {0};
    struct start_estimate s;
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    if (!core_expect_start(world.core, core_find_job(world.core, e, number), world.now, &s))
        return (struct expected){-1, -1};
    return (struct expected){(s.from_us - world.now.wall_us) / US_PER_S,
                             (s.to_us - world.now.wall_us) / US_PER_S};
}

#define EXPECT_START(number, from, to)                                                    \
    do {                                                                                  \
        const struct expected e_ = expect(number);                                        \
        cr_expect(e_.from_s == (from) && e_.to_s == (to), "from %" PRId64 " to %" PRId64, \
                  e_.from_s, e_.to_s);                                                    \
    } while (0)
#define EXPECT_TEXT(reason, part) \
    cr_expect(strstr((reason).text, part), "%s: %s", (reason).code, (reason).text)
#define EXPECT_ADVICE(reason, part) \
    cr_expect(strstr((reason).advice, part), "%s: %s", (reason).code, (reason).advice)

/* ---- the moment of the question ---- */

Test(why, advice_is_of_the_moment_of_the_question_not_of_the_last_step)
{
    EXPECT_BOOKED(.name = "all", .start_us = 4 * HOUR, .end_us = 5 * HOUR, .nodes = "n1,n2");
    struct told t = ask_why(SUBMIT(.cores = 1, .time_us = 6 * HOUR));
    cr_expect_eq(t.items[0].change_value, (uint64_t)(3 * HOUR), "%s", t.items[0].advice);
    world.now.mono_us += 2 * HOUR; /* nothing happens */
    world.now.wall_us += 2 * HOUR;
    t = ask_why(1);
    cr_expect_eq(t.items[0].change_value, (uint64_t)(90 * MINUTE), "%s", t.items[0].advice);
}

/* ---- guarantees ---- */

/* All of n1 and n2 is lent to brix. */
static void lend_all(void)
{
    set("enterprise", "acme", "min-cores", "8");
    for (size_t i = 0; i < 6; i++)
        (void)SUBMIT(.user = "bob", .cores = 4, .time_us = 9 * HOUR, .is_preemptible = true);
}

Test(why, a_claim_is_told_with_the_moment_at_which_it_calls_back)
{
    lend_all();
    uint64_t first = SUBMIT(.cores = 8, .time_us = HOUR);
    world.now.mono_us += 18 * US_PER_S;
    world.now.wall_us += 18 * US_PER_S;
    struct told t = ask_why(first);
    cr_expect_str_eq(t.items[0].code, "WAIT_CAPACITY");
    EXPECT_TEXT(t.items[0],
                "acme is below its min-cores 8: what it lent out is called back for this "
                "job in 42s");
    EXPECT_START(first, 42, 72);
    go_to(60 * US_PER_S);
    t = ask_why(first);
    EXPECT_TEXT(t.items[0], "has been called back for this job, and is free within 30s");
    EXPECT_START(first, 30, 30);
}

Test(why, a_claim_tells_what_comes_before)
{
    lend_all();
    (void)SUBMIT(.cores = 4, .time_us = HOUR);
    uint64_t second = SUBMIT(.cores = 4, .time_us = HOUR), third;
    struct told t = ask_why(second);
    EXPECT_TEXT(t.items[1], "called back for one task after the other; 1 comes first");
    EXPECT_START(second, 120, 60 + 30 + 91);
    third = SUBMIT(.cores = 4, .time_us = HOUR);
    t = ask_why(third);
    cr_expect_not(strstr(t.items[1].text, "min-cores"), "others fill it: %s", t.items[1].text);
    cr_expect_geq(expect(third).to_s, 9 * 3600);
}

Test(why, nobody_who_could_be_called_back_is_no_claim)
{
    for (size_t i = 0; i < 6; i++)
        (void)SUBMIT(.user = "bob", .cores = 4, .time_us = 9 * HOUR);
    set("enterprise", "acme", "min-cores", "8");
    uint64_t job = SUBMIT(.cores = 8, .time_us = HOUR);
    struct told t = ask_why(job);
    cr_expect_not(strstr(t.items[0].text, "min-cores"), "%s", t.items[0].text);
    EXPECT_ADVICE(t.items[0], "acme is below its min-cores");
    EXPECT_ADVICE(t.items[0], "may not be called back");
    EXPECT_START(job, 3 * 3600, 9 * 3600);
}

/* ---- bookings ---- */

Test(why, a_booking_ahead_and_one_under_way_are_told_apart)
{
    EXPECT_BOOKED(.name = "all", .path = "brix", .start_us = 2 * HOUR, .end_us = 3 * HOUR,
                  .nodes = "n1,n2");
    uint64_t longer = SUBMIT(.cores = 1, .time_us = 5 * HOUR);
    struct told t = ask_why(longer);
    EXPECT_TEXT(t.items[0], "a booking begins in 2h, before its time limit of 5h would end");
    EXPECT_ADVICE(t.items[0], "with --time 75m it would start now");
    EXPECT_START(longer, 3 * 3600, 3 * 3600);
    go_to(150 * MINUTE);
    t = ask_why(longer);
    cr_expect_str_eq(t.items[0].code, "WAIT_BOOKED");
    EXPECT_TEXT(t.items[0], "what is free is booked, and the booking is under way");
    EXPECT_ADVICE(t.items[0], "it starts when that is over");
    EXPECT_START(longer, 1800, 1800);
}

Test(why, a_booking_of_ones_own_that_is_under_way_is_named)
{
    EXPECT_BOOKED(.name = "tape", .end_us = HOUR, .nodes = "n1,n2");
    struct told t = ask_why(SUBMIT(.cores = 1, .time_us = 10 * MINUTE));
    EXPECT_TEXT(t.items[0], "'tape' is under way");
    EXPECT_ADVICE(t.items[0], "with --reserve tape it may run in it");
    t = ask_why(SUBMIT(.cores = 1, .time_us = 2 * HOUR));
    EXPECT_ADVICE(t.items[0], "with --reserve tape and a --time of at most 1h it may run in it");
}

Test(why, tokens_that_bookings_keep_are_not_called_free)
{
    EXPECT_BOOKED(.name = "tape", .path = "brix", .start_us = HOUR, .end_us = 2 * HOUR,
                  .licences = "vcs:3");
    struct told t = ask_why(SUBMIT(.cores = 1, .time_us = 90 * MINUTE, .licences = "vcs:2"));
    cr_expect_str_eq(t.items[0].code, "WAIT_LICENCE");
    EXPECT_TEXT(t.items[0], "it asks 2 of vcs; bookings keep too many of them until its limit");
}

/* ---- the expected start ---- */

Test(why, tokens_count_for_the_expected_start)
{
    cr_assert(runs(SUBMIT(.cores = 1, .time_us = 3 * HOUR, .licences = "vcs:3")));
    uint64_t next = SUBMIT(.cores = 1, .time_us = HOUR, .licences = "vcs:2");
    EXPECT_START(next, 3600, 3 * 3600);
}

Test(why, a_place_that_is_held_counts_for_the_expected_start)
{
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR))); /* n2 */
    for (size_t i = 0; i < 3; i++)
        cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 4, .time_us = 3 * HOUR)));
    uint64_t wide = SUBMIT(.user = "bob", .cores = 16, .time_us = 6 * HOUR);
    uint64_t beside = SUBMIT(.cores = 4, .time_us = 4 * HOUR);
    cr_assert_not(runs_of_brix(wide));
    expect_waits(beside, "WAIT_RESERVED");
    EXPECT_START(beside, 3 * 3600, 9 * 3600); /* an hour, then two; or three, then six */
}

/* n2 is full. Four short jobs on n1 end within minutes; who needs all of it is drained for. */
Test(why, a_machine_that_drains_is_not_expected_to_take_others_at_once)
{
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR)));
    for (size_t i = 0; i < 3; i++)
        cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 4, .time_us = 3 * MINUTE)));
    (void)SUBMIT(.cores = 16, .time_us = 30 * HOUR);
    uint64_t beside = SUBMIT(.cores = 1, .time_us = HOUR);
    expect_waits(beside, "WAIT_RESERVED");
    cr_expect_geq(expect(beside).from_s, (int64_t)60);
}

Test(why, what_is_kept_for_guarantees_counts_for_the_expected_start)
{
    set("enterprise", "brix", "min-cores", "12");
    cr_assert(runs(SUBMIT(.cores = 4, .time_us = 3 * HOUR)));
    uint64_t more = SUBMIT(.cores = 12, .time_us = HOUR);
    expect_waits(more, "WAIT_GUARANTEE");
    EXPECT_START(more, 3600, 3 * 3600);
}

Test(why, a_run_that_is_longer_than_usual_is_not_expected_to_end_at_once)
{
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 16, .time_us = 3 * HOUR)));
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR)));
    uint64_t next = SUBMIT(.cores = 16, .time_us = HOUR);
    EXPECT_START(next, 3600, 3 * 3600);
    go_to(90 * MINUTE);
    EXPECT_START(next, 1800, 5400);
}

Test(why, jobs_that_can_never_start_push_nobodys_expected_start)
{
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 16, .time_us = 3 * HOUR)));
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 3 * HOUR)));
    uint64_t huge = SUBMIT(.cores = 64, .time_us = 9 * HOUR);
    uint64_t tokens = SUBMIT(.cores = 1, .time_us = 90 * HOUR, .licences = "vcs:5");
    set("enterprise", "acme", "budget", "100core-hours/day");
    uint64_t dear = SUBMIT(.cores = 2, .time_us = 51 * HOUR);
    uint64_t next = SUBMIT(.cores = 1, .time_us = HOUR);
    EXPECT_START(next, 3600, 3 * 3600);
    EXPECT_START(huge, -1, -1);
    EXPECT_START(tokens, -1, -1);
    EXPECT_START(dear, -1, -1);
}

/* Ends after so long, by itself. */
static void run_for(uint64_t number, int64_t run_us)
{
    struct found f = find("acme", number);
    uint64_t attempt = 0;
    cr_assert_gt(f.n, (size_t)0);
    core_each_task(world.core, f.lease.job, note_attempt, &attempt);
    struct in_attempt_end end = {
        .at = {f.lease.id.v, core_epoch(world.core), f.lease.job.v, f.lease.task, attempt},
        .verdict = VERDICT_PASS,
        .run_us = (uint64_t)run_us,
        .limit = "",
        .summary = "",
        .signature = "",
        .result = "",
        .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&world, f.node)};
    in.u.events.ends = &end;
    in.u.events.n_ends = 1;
    (void)world_step(&world, &in);
}

/* Twenty runs on n1: of 1 to 20 minutes. */
static void know_runs(void)
{
    for (int64_t i = 1; i <= 20; i++)
        run_for(SUBMIT(.cores = 12, .time_us = 9 * HOUR), i * MINUTE);
}

Test(why, what_runs_is_expected_to_end_when_nine_of_ten_such_runs_have)
{
    know_runs();
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR))); /* n2 */
    cr_assert(runs(SUBMIT(.cores = 12, .time_us = 3 * HOUR)));
    uint64_t next = SUBMIT(.cores = 8, .time_us = HOUR);
    EXPECT_START(next, 18 * 60, 3 * 3600); /* the mean is 10.5 */
    go_to(18 * MINUTE);
    EXPECT_START(next, 2 * 60, 162 * 60); /* of those that took longer: 19 and 20 */
    go_to(30 * MINUTE);
    EXPECT_START(next, 30 * 60, 150 * 60); /* none took as long: a third of its limit */
}

Test(why, of_many_tasks_before_it_the_mean_counts)
{
    know_runs();
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR)));
    cr_assert(runs(SUBMIT(.cores = 12, .time_us = 20 * MINUTE)));
    (void)SUBMIT(.cores = 12, .time_us = 20 * MINUTE, .array = "1-100");
    go_to(100 * US_PER_S);
    uint64_t last = SUBMIT(.cores = 12, .time_us = 20 * MINUTE);
    /* what runs (of those that took longer), then on the half of the pool that is due one of 18
     * minutes and 99 of 10.5 */
    EXPECT_START(last, 19 * 60 - 100 + 18 * 60 + 99 * 630, 20 * 60 - 100 + 100 * 20 * 60);
}

/* The k-th task ranks as if sent k seconds later. */
Test(why, only_those_tasks_of_an_array_count_that_come_before)
{
    know_runs();
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR)));
    uint64_t first = SUBMIT(.cores = 12, .time_us = 20 * MINUTE);
    uint64_t array = SUBMIT(.cores = 12, .time_us = 20 * MINUTE, .array = "1-100");
    go_to(2 * US_PER_S);
    uint64_t last = SUBMIT(.cores = 12, .time_us = 20 * MINUTE);
    EXPECT_START(last, 18 * 60 - 2 + 18 * 60 + 2 * 630, 20 * 60 - 2 + 3 * 20 * 60);
    for (size_t i = 0; i < 3; i++) {
        run_for(first, MINUTE);
        first = array;
        cr_assert(runs(array));
    }
    run_for(array, MINUTE);
    cr_expect(runs(last));
}

/* Of a long queue a part is looked at, and all of it counts: within a hundredth. */
Test(why, a_start_behind_a_long_queue_is_expected_after_all_of_it)
{
    enum { JOBS = 1700, EACH_S = 20 * 60 };
    uint64_t numbers[JOBS];
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR)));
    cr_assert(runs(SUBMIT(.cores = 12, .time_us = EACH_S * US_PER_S)));
    for (size_t i = 0; i < JOBS; i++)
        numbers[i] = SUBMIT(.cores = 12, .time_us = EACH_S * US_PER_S);
    for (size_t i = 99; i < JOBS; i += 400) {
        int64_t after_s = (int64_t)(i + 1) * EACH_S;
        cr_expect_leq(labs(expect(numbers[i]).to_s - after_s), after_s / 100 + EACH_S);
    }
}

/* In a list, what is told of one job is told of those like it: as each is told alone. */
Test(why, rows_of_a_list_say_what_each_job_is_told_alone)
{
    struct brief_memo memo = {0};
    uint64_t numbers[12];
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 16, .time_us = 30 * HOUR)));
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 6, .time_us = 30 * HOUR)));
    set("enterprise", "acme", "max-cores", "20");
    for (size_t i = 0; i < CQ_COUNT(numbers); i++) /* in turn: two alike, an array, too large */
        numbers[i] = i % 4 == 3   ? SUBMIT(.cores = 24, .time_us = HOUR)
                     : i % 4 == 2 ? SUBMIT(.cores = 4, .time_us = HOUR, .array = "1-9")
                                  : SUBMIT(.cores = 4, .time_us = HOUR);
    for (size_t i = CQ_COUNT(numbers); i-- > 0;) { /* newest first, as lists are */
        struct enterprise_id e = {0};
        struct reason row;
        struct told alone = ask_why(numbers[i]);
        cr_assert(core_find_enterprise(world.core, "acme", &e));
        cr_assert(core_explain_brief(world.core, core_find_job(world.core, e, numbers[i]),
                                     world.now, &row, &memo));
        cr_expect_str_eq(row.code, alone.items[0].code);
        cr_expect_str_eq(row.text, alone.items[0].text);
        cr_expect_eq(row.tasks, alone.items[0].tasks);
    }
}

/* ---- one task of an array ---- */

static struct task_id task_id(uint64_t number, uint32_t task)
{
    struct enterprise_id e = {0};
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    return (struct task_id){core_find_job(world.core, e, number), task};
}

static struct told ask_task(uint64_t number, uint32_t task)
{
    struct told t;
    t.n = core_explain_task(world.core, task_id(number, task), world.now, t.items, REASONS);
    return t;
}

#define EXPECT_TASK_START(number, task, from, to)                                              \
    do {                                                                                       \
        struct start_estimate s_ = {0, 0};                                                     \
        (void)core_expect_task_start(world.core, task_id(number, task), world.now, &s_);       \
        int64_t from_ = s_.from_us ? (s_.from_us - world.now.wall_us) / US_PER_S : -1,         \
                to_ = s_.from_us ? (s_.to_us - world.now.wall_us) / US_PER_S : -1;             \
        cr_expect(from_ == (from) && to_ == (to), "from %" PRId64 " to %" PRId64, from_, to_); \
    } while (0)

Test(why, a_task_starts_after_those_of_its_array_before_it)
{
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 8, .time_us = 30 * HOUR))); /* n2 */
    cr_assert(runs(SUBMIT(.cores = 16, .time_us = 3 * HOUR)));                        /* n1 */
    uint64_t array = SUBMIT(.cores = 16, .time_us = HOUR, .array = "1,3,5");
    struct told t = ask_task(array, 1);
    cr_assert_eq(t.n, (size_t)1);
    cr_expect_str_eq(t.items[0].code, "WAIT_CAPACITY");
    cr_expect_eq(t.items[0].tasks, (uint64_t)1);
    EXPECT_TASK_START(array, 1, 3600, 3 * 3600);
    t = ask_task(array, 5);
    cr_assert_eq(t.n, (size_t)2);
    cr_expect_str_eq(t.items[0].code, "WAIT_CAPACITY");
    cr_expect_str_eq(t.items[1].code, "WAIT_TURN");
    EXPECT_TEXT(t.items[1], "2 tasks of its job start before it");
    cr_expect_eq(t.items[0].change, CHANGE_NONE, "that is true of the first task only");
    /* two times 20 minutes, or an hour, of 16 cores on the 12 that are due */
    EXPECT_TASK_START(array, 5, 3600 + 2 * 1600, 3 * 3600 + 2 * 4800);
    EXPECT_TASK_START(array, 2, -1, -1);
    cr_expect_eq(ask_task(array, 2).n, (size_t)0, "it has no such task");
}

Test(why, a_task_below_its_arrays_own_limit_waits_for_a_place)
{
    uint64_t array = SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-9", .array_max_running = 2);
    cr_expect_eq(ask_task(array, 1).n, (size_t)0, "it runs");
    EXPECT_TASK_START(array, 1, -1, -1);
    struct told t = ask_task(array, 3);
    cr_assert_eq(t.n, (size_t)1);
    cr_expect_str_eq(t.items[0].code, "WAIT_ARRAY_LIMIT");
    EXPECT_TEXT(t.items[0], "2 of its job's tasks run, and it asked for at most 2 at once");
    EXPECT_TASK_START(array, 3, 20 * 60, 3600);
    EXPECT_START(array, 20 * 60, 3600);
    t = ask_task(array, 8);
    cr_assert_eq(t.n, (size_t)2);
    EXPECT_TEXT(t.items[1], "5 tasks of its job start before it");
    EXPECT_TASK_START(array, 8, 3 * 20 * 60, 3 * 3600);
}

/* The second of two places comes free long after the first has been taken twice. */
Test(why, the_places_of_an_array_are_taken_as_they_come_free)
{
    uint64_t array = SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-9", .array_max_running = 2);
    go_to(50 * MINUTE);
    run_for(array, MINUTE); /* one: the next begins now, the other goes on */
    EXPECT_TASK_START(array, 4, 60, 600);
    EXPECT_TASK_START(array, 5, 120, 3600);
    EXPECT_TASK_START(array, 6, 180, 3600 + 600);
    EXPECT_TASK_START(array, 7, 200, 2 * 3600); /* a third of what is left to the other */
}

Test(why, a_task_that_depends_on_a_task_names_it)
{
    uint64_t first = SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-4", .array_max_running = 2);
    uint64_t next = SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-4", .pass_by_task_of = first);
    struct told t = ask_task(next, 2);
    cr_assert_eq(t.n, (size_t)1, "%s", cq_str_text(&world.log));
    cr_expect_str_eq(t.items[0].code, "WAIT_DEPENDENCY");
    EXPECT_TEXT(t.items[0], "it waits for task 2 of job 1 to pass; that is assigned");
    EXPECT_ADVICE(t.items[0], "chipq why '1[2]'");
    EXPECT_TEXT(ask_task(next, 4).items[0], "to pass; that is pending");
    EXPECT_TASK_START(next, 2, -1, -1);
    uint64_t held = SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-4", .hold = true);
    t = ask_task(held, 4);
    cr_expect_str_eq(t.items[0].code, "WAIT_HELD");
    cr_expect_eq(t.items[0].tasks, (uint64_t)1);
    EXPECT_TASK_START(held, 4, -1, -1);
}

/* ---- machines out of service ---- */

static void drain(const char *node, const char *reason)
{
    struct input in = {.type = INPUT_NODE_DRAIN, .principal = world_principal(&world, "root")};
    in.u.node_drain.name = node;
    in.u.node_drain.why = reason;
    in.u.node_drain.drain = true;
    (void)world_step(&world, &in);
}

static void say_bye(const char *node)
{
    struct input in = {.type = INPUT_WORKER_BYE, .principal = world_principal(&world, node)};
    (void)world_step(&world, &in);
}

Test(why, drained_machines_are_told_before_whose_turn_it_is)
{
    drain("n1", "new disk, back at 14:00");
    drain("n2", NULL);
    (void)SUBMIT(.cores = 2, .time_us = HOUR);
    uint64_t second = SUBMIT(.cores = 2, .time_us = HOUR);
    struct told t = ask_why(second);
    cr_assert_eq(t.n, (size_t)1);
    cr_expect_str_eq(t.items[0].code, "WAIT_OUT_OF_SERVICE");
    cr_expect_str_eq(t.items[0].text, "n1 is drained (new disk, back at 14:00), n2 is drained; no "
                                      "other machine can run it");
    EXPECT_ADVICE(t.items[0], "chipq node resume n1");
    EXPECT_START(second, -1, -1);
    drain("n1", "a new board"); /* another reason */
    world_restart(&world);
    hello_all();
    EXPECT_TEXT(ask_why(second).items[0], "n1 is drained (a new board)");
}

Test(why, of_machines_out_of_service_only_those_count_that_could_run_it)
{
    drain("n1", "");
    uint64_t wide = SUBMIT(.cores = 16, .time_us = HOUR);
    struct told t = ask_why(wide);
    cr_assert_eq(t.n, (size_t)1);
    EXPECT_TEXT(t.items[0], "n1 is drained; no other machine can run it");
    EXPECT_ADVICE(t.items[0], "with --cores 8 it would start now");
    say_bye("n1");
    EXPECT_TEXT(ask_why(wide).items[0], "n1 is drained and down; no other");
    cr_assert(runs(SUBMIT(.cores = 8, .time_us = HOUR)));
    t = ask_why(SUBMIT(.cores = 8, .time_us = HOUR));
    cr_expect_str_eq(t.items[0].code, "WAIT_CAPACITY", "n2 is there");
}

Test(why, a_machine_that_is_down_is_named_and_a_limit_stands_behind)
{
    set("enterprise", "acme", "max-cores", "4");
    say_bye("n1");
    struct told t = ask_why(SUBMIT(.cores = 16, .time_us = HOUR));
    cr_assert_eq(t.n, (size_t)2);
    EXPECT_TEXT(t.items[0], "n1 is down; no other machine can run it");
    EXPECT_ADVICE(t.items[0], "with --cores 4 it would start now");
    EXPECT_TEXT(t.items[1], "max-cores of acme is 4");
    say_bye("n2");
    t = ask_why(1);
    EXPECT_ADVICE(t.items[0], "it starts when such a machine is back");
}

Test(why, what_chipqd_noted_when_it_drained_a_machine_is_told_to_nobody)
{
    struct record *r = record_new(RECORD_WORKER_DRAIN);
    r->u.worker_drain = (struct worker_drain){.worker = core_find_worker(world.core, "n1").v,
                                              .drain = 1,
                                              .why = cq_strdup("refused: job brix/7")};
    cr_assert_eq(core_apply(world.core, r, NULL), 0);
    record_free(r);
    struct told t = ask_why(SUBMIT(.cores = 16, .time_us = HOUR));
    EXPECT_TEXT(t.items[0], "n1 is drained (by chipqd, as it refused work); no other");
}

/* ---- the scheduler's disk ---- */

static void tell_room(bool is_tight)
{
    struct input in = {.type = INPUT_ROOM};
    in.u.room.is_tight = is_tight;
    in.u.room.mount = "/srv/chipq";
    in.u.room.need_mib = 64;
    (void)world_step(&world, &in);
}

Test(why, starts_that_are_paused_as_the_disk_is_full_are_told_before_all_else)
{
    cr_assert(runs(SUBMIT(.cores = 16, .time_us = HOUR)));
    uint64_t second = SUBMIT(.cores = 16, .time_us = HOUR);
    EXPECT_START(second, 3600 / 3, 3600);
    tell_room(true);
    struct told t = ask_why(second);
    cr_assert_eq(t.n, (size_t)1);
    cr_expect_str_eq(t.items[0].code, "WAIT_DISK");
    EXPECT_TEXT(t.items[0], "no job starts: the scheduler's disk is nearly full, on /srv/chipq");
    EXPECT_ADVICE(t.items[0], "it goes on when 64M are free there: make room");
    EXPECT_START(second, -1, -1);
    t = ask_why(SUBMIT(.cores = 64, .time_us = HOUR));
    cr_assert_eq(t.n, (size_t)2, "what is in its way for ever stands behind");
    cr_expect_str_eq(t.items[1].code, "WAIT_NO_NODE");
    tell_room(false);
    cr_expect_str_eq(ask_why(second).items[0].code, "WAIT_CAPACITY");
    EXPECT_START(second, 3600 / 3, 3600);
}

/* ---- limits ---- */

Test(why, what_may_be_borrowed_is_named_as_the_limit_that_it_is)
{
    set("enterprise", "acme", "borrow-cores", "0");
    struct told t = ask_why(SUBMIT(.cores = 1, .time_us = HOUR));
    EXPECT_TEXT(t.items[0], "borrow-cores of acme is 0; 0 in use, it needs 1");
    EXPECT_ADVICE(t.items[0], "with borrow-cores of acme at 1 it would start now");
    set("enterprise", "acme", "min-cores", "4");
    set("enterprise", "acme", "borrow-cores", "2");
    cr_assert(runs(SUBMIT(.cores = 5, .time_us = HOUR)));
    t = ask_why(SUBMIT(.cores = 8, .time_us = HOUR));
    EXPECT_TEXT(t.items[0],
                "borrow-cores of acme is 2 above its min-cores 4; 6 in use, it needs 8");
    set("enterprise", "acme", "borrow-cores", "10");
    cr_expect(runs(3));
    set("enterprise", "acme", "borrow-cores", "");
    set("enterprise", "acme", "borrow-mem", "0");
    set("enterprise", "acme", "min-mem", "1G");
    t = ask_why(SUBMIT(.cores = 1, .mem_mib = 2048, .time_us = HOUR));
    EXPECT_TEXT(t.items[0], "borrow-mem of acme is 0M above its min-mem 1G; 300M in use");
}

Test(why, what_is_in_the_way_for_ever_is_told_behind_what_decides_now)
{
    set("enterprise", "acme", "max-cores", "4");
    set("project", "acme/uart", "budget", "10core-hours/day");
    cr_assert(runs(SUBMIT(.cores = 4, .time_us = HOUR)));
    struct told t = ask_why(SUBMIT(.cores = 3, .time_us = 4 * HOUR, .licences = "vcs:5"));
    cr_assert_eq(t.n, (size_t)3);
    cr_expect_str_eq(t.items[0].code, "WAIT_LIMIT");
    EXPECT_TEXT(t.items[0], "max-cores of acme is 4; 4 in use, it needs 3");
    cr_expect_str_eq(t.items[1].code, "WAIT_BUDGET");
    EXPECT_TEXT(t.items[1], "also: budget of acme/uart is 10 core-hours, it needs 12 core-hours");
    EXPECT_ADVICE(t.items[1], "it can never start as it is");
    EXPECT_TEXT(t.items[2], "also: it asks 5 of vcs; there are 4");
    t = ask_why(SUBMIT(.cores = 5, .time_us = HOUR));
    cr_assert_eq(t.n, (size_t)1);
    EXPECT_TEXT(t.items[0], "max-cores of acme is 4; 4 in use, it needs 5");
    EXPECT_ADVICE(t.items[0], "it can never start as it is");
}

Test(why, what_a_budget_holds_is_not_told_as_spent)
{
    set("enterprise", "acme", "budget", "10core-hours/day");
    cr_assert(runs(SUBMIT(.cores = 4, .time_us = 2 * HOUR)));
    uint64_t next = SUBMIT(.cores = 4, .time_us = 2 * HOUR);
    struct told t = ask_why(next);
    cr_expect_str_eq(t.items[0].code, "WAIT_BUDGET");
    EXPECT_TEXT(t.items[0],
                "budget of acme is 10 core-hours; 0 core-hours spent, 8 core-hours held "
                "by running jobs, it needs 8 core-hours");
}

Test(why, a_job_below_a_limit_is_expected_when_what_fills_it_ends)
{
    set("enterprise", "acme", "max-cores", "4");
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 1, .time_us = 10 * MINUTE)));
    cr_assert(runs(SUBMIT(.cores = 1, .time_us = 30 * MINUTE)));
    cr_assert(runs(SUBMIT(.cores = 3, .time_us = 3 * HOUR)));
    uint64_t next = SUBMIT(.cores = 2, .time_us = HOUR);
    expect_waits(next, "WAIT_LIMIT");
    EXPECT_START(next, 3600, 3 * 3600); /* not when brix ends, nor the small one */
    uint64_t behind = SUBMIT(.cores = 2, .time_us = HOUR);
    expect_waits(behind, "WAIT_LIMIT");
    EXPECT_START(behind, 3600, 3 * 3600 + 1800); /* both at once, or in turn */
    EXPECT_START(SUBMIT(.cores = 5, .time_us = HOUR), -1, -1);
}

Test(why, a_job_below_a_limit_of_tasks_is_expected_after_those_before_it)
{
    set("project", "acme/uart", "max-running", "1");
    cr_assert(runs(SUBMIT(.cores = 1, .time_us = 3 * HOUR)));
    uint64_t next = SUBMIT(.cores = 1, .time_us = HOUR);
    EXPECT_START(next, 3600, 3 * 3600);
    uint64_t array = SUBMIT(.cores = 1, .time_us = HOUR, .array = "1-3");
    EXPECT_START(array, 3600 + 1200, 4 * 3600);
    EXPECT_TASK_START(array, 3, 3600 + 3 * 1200, 6 * 3600);
    world_restart(&world);
    hello_all();
    EXPECT_START(next, 3600, 3 * 3600);
}

Test(why, a_job_below_a_limit_of_tokens_waits_for_machines_too)
{
    set("project", "acme/uart", "max-licence", "vcs:2");
    cr_assert(runs(SUBMIT(.cores = 1, .time_us = 3 * HOUR, .licences = "vcs:2")));
    EXPECT_START(SUBMIT(.cores = 1, .time_us = HOUR, .licences = "vcs:1"), 3600, 3 * 3600);
    cr_assert(runs_of_brix(SUBMIT(.user = "bob", .cores = 15, .time_us = 9 * HOUR)));
    EXPECT_START(SUBMIT(.cores = 16, .time_us = HOUR, .licences = "vcs:1"), 3 * 3600 + 100,
                 9 * 3600 + 300);
}

Test(why, no_end_of_a_job_is_expected_to_fill_a_budget_again)
{
    set("enterprise", "acme", "budget", "10core-hours/day");
    cr_assert(runs(SUBMIT(.cores = 4, .time_us = 2 * HOUR)));
    EXPECT_START(SUBMIT(.cores = 4, .time_us = 2 * HOUR), -1, -1);
}
