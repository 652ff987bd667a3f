// LINK: cq_base_sys
/* Ranges against a plain array of flags, and the parser. */
#include "common/base/pure/ranges.h"
#include "common/base/sys/clock.h"

#include <criterion/criterion.h>

enum { SPACE = 200 };

static uint64_t state = 88172645463325252ULL; /* xorshift64: the same run every time */

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state % below);
}

static bool agrees(const struct ranges *r, const bool *model)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < SPACE; i++) {
        if (ranges_has(r, i) != model[i] || ranges_below(r, i) != count)
            return false;
        count += model[i];
    }
    for (size_t i = 0; i < r->n; i++) { /* sorted, disjoint, not adjacent */
        if (ranges_items(r)[i].first > ranges_items(r)[i].last)
            return false;
        if (i > 0 && ranges_items(r)[i].first <= ranges_items(r)[i - 1].last + 1)
            return false;
    }
    return count == r->count && ranges_is_empty(r) == (count == 0);
}

Test(ranges, subtract_like_sets)
{
    bool good = true;
    for (int round = 0; round < 2000 && good; round++) {
        struct ranges a = {0}, b = {0};
        bool model[SPACE] = {false};
        for (uint32_t i = 0; i < 30; i++) {
            uint32_t first = draw(SPACE),
                     last = first + draw(SPACE - first < 9 ? SPACE - first : 9);
            ranges_add(i % 2 ? &a : &b, first, last);
        }
        for (uint32_t i = 0; i < SPACE; i++)
            model[i] = ranges_has(&a, i) && !ranges_has(&b, i);
        ranges_subtract(&a, &b);
        good = agrees(&a, model);
        ranges_fini(&a);
        ranges_fini(&b);
    }
    cr_assert(good);
}

/* An array of every other number, less itself: number by number it took minutes. */
Test(ranges, subtract_many_pieces_at_once)
{
    struct ranges odd = {0}, same = {0};
    cr_assert_eq(ranges_parse("1-1999999:2", 999999999, 1000000, &odd, NULL), 0);
    ranges_copy(&same, &odd);
    ranges_subtract(&odd, &same);
    cr_expect(ranges_is_empty(&odd));
    ranges_subtract(&same, &odd);
    cr_expect_eq(same.count, 1000000);
    ranges_fini(&odd);
    ranges_fini(&same);
}

Test(ranges, behave_like_a_set_under_random_changes)
{
    struct ranges r = {0};
    bool model[SPACE] = {false}, good = true;
    for (int step = 0; step < 20000 && good; step++) {
        uint32_t first = draw(SPACE), last = first + draw(SPACE - first);
        if (draw(3) == 0) {
            if (last > first + 10)
                last = first + 10;
            ranges_add(&r, first, last);
            memset(model + first, 1, last - first + 1);
        } else {
            good = ranges_remove(&r, first) == model[first];
            model[first] = false;
        }
        good = good && agrees(&r, model);
    }
    cr_assert(good);
    struct ranges copy = {0};
    ranges_copy(&copy, &r);
    cr_assert(agrees(&copy, model));
    ranges_fini(&copy);
    ranges_fini(&r);
}

Test(ranges, reach_both_ends_of_32_bits)
{
    struct ranges r = {0};
    ranges_add(&r, 0, UINT32_MAX);
    cr_assert_eq(r.count, UINT64_C(1) << 32);
    cr_assert(ranges_remove(&r, 0));
    cr_assert(ranges_remove(&r, UINT32_MAX));
    cr_assert_eq(ranges_first(&r), 1);
    ranges_add(&r, UINT32_MAX, UINT32_MAX);
    ranges_add(&r, 0, 0);
    cr_assert_eq(r.n, 1);
    ranges_fini(&r);
}

static void parses_to(const char *text, const char *expected)
{
    struct ranges r = {0};
    struct cq_str out = {0};
    struct cq_err err = {0};
    cr_assert_eq(ranges_parse(text, 100000, 100000, &r, &err), 0, "%s", err.text);
    ranges_format(&r, &out);
    cr_assert_str_eq(cq_str_text(&out), expected);
    ranges_fini(&r);
    cq_str_fini(&out);
}

Test(ranges, texts_are_parsed_and_put_in_order)
{
    parses_to("1-5,7,9-20:2", "1-5,7,9,11,13,15,17,19");
    parses_to("7", "7");
    parses_to("9,1-3,4", "1-4,9");
    parses_to("1-5,3-8", "1-8");
    parses_to("0-100000:100000", "0,100000");
}

Test(ranges, what_is_no_range_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {
        "",    ",",    "1,",     ",1",       "5-1",  "1-", "-1",   "1-5:0",      "1 - 5",
        "1;2", "1--5", "100001", "1-100001", "1-5:", "x",  "1,,2", "4294967297", "1-5:4294967296"};
    struct ranges r = {0};
    ranges_add(&r, 3, 3);
    for (size_t i = 0; i < CQ_COUNT(bad); i++)
        cr_assert_eq(ranges_parse(bad[i], 100000, 100000, &r, NULL), -1, "'%s'", bad[i]);
    struct cq_err err = {0};
    cr_assert_eq(ranges_parse("1-11", 100, 10, &r, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
    cr_assert_eq(r.count, 1);
    ranges_fini(&r);
}

/* 64 KiB of "1-99999:2," would add 300 million numbers one by one. */
Test(ranges, a_hostile_text_costs_little_time)
{
    struct cq_str text = {0};
    struct ranges r = {0};
    struct cq_err err = {0};
    while (text.len < 65000)
        cq_str_add(&text, "1-99999:2,");
    cq_str_add(&text, "1");
    int64_t start_us = clock_mono_us();
    cr_assert_eq(ranges_parse(text.data, 100000, 100000, &r, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
    cr_assert_lt(clock_mono_us() - start_us, US_PER_S);
    cq_str_fini(&text);
}

Test(ranges, all_of_another_are_added_where_they_are_missing)
{
    struct ranges to = {0}, from = {0};
    struct cq_str text = {0};
    ranges_add_all(&to, &from);
    cr_assert(ranges_is_empty(&to));
    ranges_add(&to, 3, 5);
    ranges_add(&from, 1, 1);
    ranges_add(&from, 5, 8);
    ranges_add_all(&to, &from);
    ranges_format(&to, &text);
    cr_expect_str_eq(text.data, "1,3-8");
    cr_expect_eq(to.count, 7);
    cr_expect_eq(from.count, 5);
    cq_str_fini(&text);
    ranges_fini(&to);
    ranges_fini(&from);
}
