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
    cr_assert_neq(number, (uint64_t)0, "refused: %s", cq_str_text(&world.log));
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    t.n =
        core_explain(world.core, core_find_job(world.core, e, number), world.now, t.items, REASONS);
    cr_assert_gt(t.n, (size_t)0, "job %" PRIu64 " does not wait", number);
    return t;
}

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
