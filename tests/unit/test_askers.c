// LINK: cq_daemon
/* That questions have a part of a busy time only, and that it is shared by what answers take. */
#include "scheduler/daemon/askers.h"

#include "common/base/pure/mem.h"

#include <criterion/criterion.h>
#include <inttypes.h>

enum { SECOND_US = 1000 * 1000, ANSWER_US = 300 };

static struct askers askers;

static void set_up(void)
{
    askers_init(&askers);
}

static void tear_down(void)
{
    askers_fini(&askers);
}

TestSuite(askers, .init = set_up, .fini = tear_down);

static bool ask(uint64_t asker, size_t bytes)
{
    struct question *q = CQ_NEW(struct question);
    *q = (struct question){.asker = asker, .bytes = bytes};
    if (askers_put(&askers, q))
        return true;
    free(q);
    return false;
}

static void ask_times(uint64_t asker, size_t times)
{
    for (size_t i = 0; i < times; i++)
        cr_assert(ask(asker, 100));
}

/* Answers what may be answered then; who was, or 0. */
static uint64_t answer(int64_t now_us, int64_t took_us)
{
    struct question *q = askers_take(&askers, now_us);
    uint64_t who = q ? q->asker : 0;
    free(q);
    if (who)
        askers_charge(&askers, who, took_us);
    return who;
}

/* Time that answers took in the second after `from_us`, with work all the time or none. */
static int64_t used_in_a_second(int64_t from_us, bool with_work, int64_t took_us)
{
    int64_t used_us = 0;
    for (int64_t at_us = from_us; at_us < from_us + SECOND_US; at_us += 1000) {
        if (with_work)
            askers_note_work(&askers, at_us);
        while (used_us < SECOND_US && answer(at_us, took_us))
            used_us += took_us;
    }
    return used_us;
}

Test(askers, a_flood_has_a_tenth_of_a_busy_second)
{
    ask_times(1, 2000);
    ask_times(2, 2000);
    askers_note_work(&askers, 0);
    (void)used_in_a_second(0, true, ANSWER_US); /* what was saved up is gone */
    int64_t used_us = used_in_a_second(SECOND_US, true, ANSWER_US);
    cr_expect_geq(used_us, SECOND_US / ASKERS_PART - ANSWER_US);
    cr_expect_leq(used_us, SECOND_US / ASKERS_PART + ANSWER_US);
}

Test(askers, without_work_all_are_answered)
{
    ask_times(1, 2000);
    cr_expect_eq(used_in_a_second(0, false, ANSWER_US), 2000 * ANSWER_US);
    askers_note_work(&askers, SECOND_US);
    ask_times(1, 2000);
    cr_expect_eq(used_in_a_second(SECOND_US + ASKERS_BUSY_US, false, ANSWER_US), 2000 * ANSWER_US);
}

Test(askers, one_question_among_work_is_answered_at_once)
{
    askers_note_work(&askers, SECOND_US);
    cr_expect(askers_are_free(&askers, SECOND_US));
    askers_charge(&askers, 1, 2 * ASKERS_CREDIT_US);
    cr_expect_not(askers_are_free(&askers, SECOND_US));
    cr_expect_eq(askers_next_us(&askers, SECOND_US), INT64_MAX, "nothing waits");
}

Test(askers, who_asks_much_delays_nobody_who_asks_little)
{
    ask_times(1, 1000);
    for (size_t i = 0; i < 5; i++)
        cr_expect_eq(answer(0, ANSWER_US), (uint64_t)1);
    ask_times(2, 1);
    cr_expect_eq(answer(0, ANSWER_US), (uint64_t)2);
    cr_expect_eq(answer(0, ANSWER_US), (uint64_t)1);
}

Test(askers, it_goes_by_time_not_by_number)
{
    size_t dear = 0, cheap = 0;
    ask_times(1, 1000);
    ask_times(2, 1000);
    for (size_t i = 0; i < 1000; i++) {
        struct question *q = askers_take_any(&askers);
        uint64_t who = q->asker;
        free(q);
        askers_charge(&askers, who, who == 1 ? 9 * ANSWER_US : ANSWER_US);
        dear += who == 1;
        cheap += who == 2;
    }
    cr_expect_geq(cheap, 8 * dear);
    cr_expect_geq(dear, (size_t)90);
}

Test(askers, a_line_that_is_stopped_stops_no_other)
{
    ask_times(1, 2);
    ask_times(2, 2);
    askers_stop(&askers, 1);
    ask_times(1, 1);
    cr_expect_eq(answer(0, ANSWER_US), (uint64_t)2);
    cr_expect_eq(answer(0, ANSWER_US), (uint64_t)2);
    cr_expect_eq(answer(0, ANSWER_US), (uint64_t)0);
    cr_expect_eq(askers_next_us(&askers, 0), INT64_MAX);
    askers_go_on(&askers, 1);
    cr_expect_eq(askers_next_us(&askers, 0), 0);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(answer(0, ANSWER_US), (uint64_t)1);
    cr_expect_eq(askers.n, (size_t)0);
}

Test(askers, those_of_one_asker_keep_their_order)
{
    for (size_t i = 1; i <= 50; i++)
        cr_assert(ask(7, i));
    for (size_t i = 1; i <= 50; i++) {
        struct question *q = askers_take_any(&askers);
        cr_expect_eq(q->bytes, i);
        free(q);
    }
    cr_expect_null(askers_take_any(&askers));
}

Test(askers, a_line_is_bounded_and_others_may_still_ask)
{
    ask_times(1, ASKERS_OF_ONE);
    cr_expect_not(ask(1, 100));
    cr_expect(ask(2, 100));
    cr_expect(ask(3, ASKERS_BYTES_OF_ONE));
    cr_expect_not(ask(3, 1));
    for (uint64_t i = 4; ask(i, ASKERS_BYTES_OF_ONE); i++)
        cr_assert_leq(i, (uint64_t)20);
    cr_expect_leq(askers.bytes, (size_t)ASKERS_BYTES);
}

Test(askers, a_debt_is_bounded_and_its_end_is_known)
{
    askers_note_work(&askers, 0);
    ask_times(1, 1);
    askers_charge(&askers, 1, 60 * (int64_t)SECOND_US);
    int64_t next_us = ASKERS_DEBT_US * ASKERS_PART + ASKERS_PART;
    for (int64_t at_us = 0; at_us < next_us; at_us += 50000) {
        askers_note_work(&askers, at_us);
        cr_assert_eq(answer(at_us, ANSWER_US), (uint64_t)0, "at %" PRId64, at_us);
    }
    askers_note_work(&askers, next_us - 1);
    cr_expect_eq(askers_next_us(&askers, next_us - 1), next_us);
    cr_expect_eq(answer(next_us, ANSWER_US), (uint64_t)1);
}
