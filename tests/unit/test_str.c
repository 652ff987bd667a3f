/* Strings: growth, UTF-8, terminal safety, "did you mean". */
#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

Test(str, zeroed_memory_is_the_empty_string)
{
    struct cq_str s = {0};
    cr_assert_str_eq(cq_str_text(&s), "");
    cq_str_truncate(&s, 0);
    cq_str_clear(&s);
    char *taken = cq_str_take(&s);
    cr_assert_str_eq(taken, "");
    free(taken);
    cq_str_fini(&s);
    cq_str_fini(&s);
}

Test(str, grows_and_stays_terminated)
{
    struct cq_str s = {0};
    for (int i = 0; i < 1000; i++)
        cq_str_printf(&s, "%d,", i);
    cr_assert_eq(s.len, 3890);
    cr_assert_eq(strlen(s.data), s.len);
    cq_str_truncate(&s, 3);
    cq_str_add_char(&s, '!');
    cq_str_append(&s, "\0z", 2);
    cr_assert_eq(s.len, 6);
    cr_assert_arr_eq(s.data, "0,1!\0z", 7);
    cq_str_append(&s, NULL, 0);
    char *taken = cq_str_take(&s);
    cr_assert_eq(s.len, 0);
    free(taken);
}

struct utf8_case {
    char text[16];
    size_t bytes;
    bool valid;
};

ParameterizedTestParameters(str, utf8_is_recognised)
{
    static struct utf8_case cases[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"\xc3\xa9", 2, true},
        {"\xe2\x82\xac", 3, true},
        {"\xf0\x9f\x98\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"\xf4\x90\x80\x80", 4, false}, /* beyond U+10FFFF */
        {"\xed\xa0\x80", 3, false},     /* surrogate */
        {"\xc0\x80", 2, false},         /* overlong NUL */
        {"\xc1\xbf", 2, false},
        {"\xe0\x80\xaf", 3, false},
        {"\xf0\x80\x80\xaf", 4, false},
        {"\x80", 1, false},
        {"\xc3", 1, false}, /* cut */
        {"\xe2\x82", 2, false},
        {"\xc3z", 2, false},
        {"\xff", 1, false},
        {"a\0b", 3, false},
    };
    return cr_make_param_array(struct utf8_case, cases, CQ_COUNT(cases));
}

ParameterizedTest(struct utf8_case *c, str, utf8_is_recognised)
{
    char *exact = cq_malloc(c->bytes);
    memcpy(exact, c->text, c->bytes);
    cr_assert_eq(cq_is_utf8(exact, c->bytes), c->valid, "%s", c->text);
    free(exact);
}

static void printable(const char *text, size_t bytes, const char *expected)
{
    struct cq_str s = {0};
    cq_str_add_printable(&s, text, bytes);
    cr_assert_str_eq(cq_str_text(&s), expected);
    cq_str_fini(&s);
}

Test(str, what_reaches_a_terminal_is_one_harmless_line)
{
    printable("caf\xc3\xa9 \xe2\x82\xac", 9, "caf\xc3\xa9 \xe2\x82\xac");
    printable("a\nb\r\t\x7f", 6, "a\\x0ab\\x0d\\x09\\x7f");
    printable("\x1b[2J", 4, "\\x1b[2J");
    printable("\x9b"
              "31m",
              4, "\\x9b31m");            /* C1 as a raw byte */
    printable("\xc2\x9b", 2, "\\u{9b}"); /* C1 as UTF-8 */
    printable("\xe2\x80\xae"
              "cod",
              6, "\\u{202e}cod"); /* bidi override */
    printable("a\xe2\x80\x8b"
              "b",
              5, "a\\u{200b}b"); /* zero width */
    printable("\xef\xbb\xbf", 3, "\\u{feff}");
    printable("x\0y", 3, "x\\x00y");
}

Test(str, copies_with_truncation)
{
    char buf[4] = "???";
    cr_assert(cq_copy_text(buf, sizeof buf, "abc"));
    cr_assert_str_eq(buf, "abc");
    cr_assert(!cq_copy_text(buf, sizeof buf, "abcd"));
    cr_assert_str_eq(buf, "abc");
    cr_assert(!cq_copy_text(buf, 0, "x"));
    cr_assert(cq_str_starts("chipq", "chip"));
    cr_assert(!cq_str_starts("ch", "chip"));
}

Test(str, the_closest_word_is_offered_and_nothing_far_fetched)
{
    static const char *const words[] = {"submit", "cancel", "hold", "release", NULL};
    cr_assert_str_eq(cq_closest("sumbit", words), "submit");
    cr_assert_str_eq(cq_closest("cancle", words), "cancel");
    cr_assert_str_eq(cq_closest("SUBMIT", words), "submit");
    cr_assert_null(cq_closest("xyzzy", words));
    char long_word[200];
    memset(long_word, 's', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    (void)cq_closest(long_word, words);
}
