/* Core sets. */
#include "common/base/pure/bitset.h"

#include <criterion/criterion.h>

static struct bitset of(const char *text)
{
    struct bitset b = {0};
    cr_assert_eq(bitset_parse(text, &b, NULL), 0);
    return b;
}

Test(bitset, bits_go_in_and_out_across_words)
{
    struct bitset b = {0};
    cr_assert_eq(bitset_count(&b), 0);
    cr_assert_eq(bitset_next(&b, 0), SIZE_MAX);
    static const size_t bits[] = {0, 63, 64, 127, 128, BITSET_MAX - 1};
    for (size_t i = 0; i < CQ_COUNT(bits); i++)
        bitset_set(&b, bits[i]);
    size_t at = 0;
    for (size_t i = 0; i < CQ_COUNT(bits); i++, at++) {
        at = bitset_next(&b, at);
        cr_assert_eq(at, bits[i]);
    }
    cr_assert_eq(bitset_next(&b, at), SIZE_MAX);
    cr_assert_eq(bitset_next(&b, 1000000), SIZE_MAX);
    bitset_clear(&b, 64);
    bitset_clear(&b, 1000000);
    cr_assert(!bitset_has(&b, 64));
    cr_assert(!bitset_has(&b, 1000000));
    cr_assert_eq(bitset_count(&b), CQ_COUNT(bits) - 1);
    bitset_fini(&b);
}

Test(bitset, set_operations_do_not_care_about_length)
{
    struct bitset small = of("0-3"), large = of("2,200"), sum = {0};
    cr_assert(bitset_intersects(&small, &large));
    bitset_copy(&sum, &small);
    bitset_or(&sum, &large);
    cr_assert_eq(bitset_count(&sum), 5);
    bitset_and_not(&sum, &large);
    cr_assert(!bitset_intersects(&sum, &large));
    struct bitset expected = of("0,1,3");
    cr_assert(bitset_equal(&sum, &expected), "trailing zero words are equal to none");
    cr_assert(bitset_equal(&expected, &sum));
    cr_assert(!bitset_equal(&small, &large));
    bitset_copy(&sum, &sum);
    cr_assert(bitset_equal(&sum, &expected));
    bitset_fini(&small);
    bitset_fini(&large);
    bitset_fini(&sum);
    bitset_fini(&expected);
}

Test(bitset, text_both_ways)
{
    struct bitset b = of("8,0-3,63-65");
    struct cq_str out = {0};
    bitset_format(&b, &out);
    cr_assert_str_eq(cq_str_text(&out), "0-3,8,63-65");
    cr_assert_eq(bitset_parse("0-4096", &b, NULL), -1);
    cr_assert_eq(bitset_parse("x", &b, NULL), -1);
    cr_assert_eq(bitset_count(&b), 8, "untouched on failure");
    cr_assert_eq(bitset_parse("", &b, NULL), 0);
    cr_assert_eq(bitset_count(&b), 0);
    bitset_fini(&b);
    cq_str_fini(&out);
}
