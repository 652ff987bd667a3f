// LINK: chipq_sdk
/* Lines and patterns. */
#include <criterion/criterion.h>

#include "plugins/sdk/lines.h"
#include "plugins/sdk/match.h"

struct seen {
    size_t count, longest;
    char last[64];
};

static void on_line(void *context, const char *line)
{
    struct seen *s = context;
    s->count++;
    size_t len = strlen(line);
    s->longest = len > s->longest ? len : s->longest;
    (void)snprintf(s->last, sizeof s->last, "%.60s", line);
}

Test(sdk_lines, any_cut_of_the_stream_gives_the_same_lines)
{
    static const char text[] = "one\r\ntwo\n\nfour";
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        struct seen seen = {0};
        struct lines lines;
        lines_init(&lines, on_line, &seen);
        lines_feed(&lines, text, cut);
        lines_feed(&lines, text + cut, sizeof text - 1 - cut);
        lines_finish(&lines);
        cr_assert_eq(seen.count, 4);
        cr_assert_str_eq(seen.last, "four");
    }
}

Test(sdk_lines, a_long_line_is_cut_once_and_the_next_is_whole)
{
    struct seen seen = {0};
    struct lines lines;
    char block[1000];
    memset(block, 'x', sizeof block);
    lines_init(&lines, on_line, &seen);
    for (int i = 0; i < 100; i++)
        lines_feed(&lines, block, sizeof block);
    lines_feed(&lines, "\nnext\n", 6);
    lines_finish(&lines);
    cr_assert_eq(seen.count, 2);
    cr_assert_eq(seen.longest, LINES_MAX_BYTES - 1);
    cr_assert_eq(lines.cut_count, 1);
    cr_assert_str_eq(seen.last, "next");
}

Test(sdk_lines, a_nul_does_not_end_a_line)
{
    struct seen seen = {0};
    struct lines lines;
    lines_init(&lines, on_line, &seen);
    lines_feed(&lines, "a\0b\n", 4);
    cr_assert_str_eq(seen.last, "ab");
}

Test(sdk_match, stars_take_any_text)
{
    cr_assert(match_line("- *: Verilog $finish", "- tb.sv:3: Verilog $finish"));
    cr_assert(match_line("*a*b*", "xxaxxbxx"));
    cr_assert(match_line("*", ""));
    cr_assert_not(match_line("a*b", "a"));
    cr_assert_not(match_line("abc", "abcd"));
    cr_assert_not(match_line("*ab", "aba"));
}

Test(sdk_match, numbers_are_finite_and_present)
{
    double v = 0;
    cr_assert(match_number("worst slack -0.25 ns", "worst slack ", &v));
    cr_assert_float_eq(v, -0.25, 1e-12);
    cr_assert_not(match_number("worst slack INF", "worst slack ", &v));
    cr_assert_not(match_number("worst slack nan", "worst slack ", &v));
    cr_assert_not(match_number("worst slack", "worst slack ", &v));
    cr_assert_not(match_number("no such", "worst slack ", &v));
}

Test(sdk_match, a_location_is_file_line_and_perhaps_column)
{
    cr_assert_str_eq(match_location("a.sv:3:4: text"), "text");
    cr_assert_str_eq(match_location("dir/a.sv:3: text"), "text");
    cr_assert_null(match_location("text: 3"));
    cr_assert_null(match_location(":3: text"));
    cr_assert_null(match_location("a.sv: text"));
    cr_assert_null(match_location(""));
}
