/* The flat encoding: what goes in comes out, and nothing malformed is believed. */
#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

#include <criterion/criterion.h>

Test(flat, numbers_and_texts_come_back)
{
    static const uint64_t us[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    static const int64_t is[] = {0, -1, 1, -64, 64, INT64_MIN, INT64_MAX};
    struct cq_str s = {0};
    for (size_t i = 0; i < CQ_COUNT(us); i++) {
        flat_put_u64(&s, us[i]);
        flat_put_i64(&s, is[i]);
    }
    flat_put_text(&s, "text");
    flat_put_text(&s, NULL);
    flat_put_bytes(&s, "\0\1", 2);
    struct flat_reader r = flat_reader_of(s.data, s.len);
    for (size_t i = 0; i < CQ_COUNT(us); i++) {
        cr_assert_eq(flat_get_u64(&r), us[i]);
        cr_assert_eq(flat_get_i64(&r), is[i]);
    }
    char *text = flat_get_text(&r, 4), *empty = flat_get_text(&r, 0);
    cr_assert_str_eq(text, "text");
    cr_assert_str_eq(empty, "");
    size_t bytes;
    const char *data = flat_get_bytes(&r, 2, &bytes);
    cr_assert_eq(bytes, 2);
    cr_assert_arr_eq(data, "\0\1", 2);
    cr_assert(flat_at_end(&r));
    free(text);
    free(empty);
    cq_str_fini(&s);
}

static bool u64_fails(const char *data, size_t bytes)
{
    char *exact = cq_memdup(data, bytes);
    struct flat_reader r = flat_reader_of(exact, bytes);
    bool zero = flat_get_u64(&r) == 0;
    bool failed = r.failed && zero && !flat_at_end(&r);
    free(exact);
    return failed;
}

Test(flat, malformed_numbers_fail)
{
    cr_assert(u64_fails("", 0));
    cr_assert(u64_fails("\x80", 1));
    cr_assert(u64_fails("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9));
    cr_assert(u64_fails("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10)); /* bit 64 */
    cr_assert(u64_fails("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11));
}

Test(flat, failure_is_sticky_and_lengths_are_bounded)
{
    struct flat_reader r = flat_reader_of("\x05"
                                          "abc",
                                          4);
    size_t bytes = 9;
    (void)flat_get_bytes(&r, 100, &bytes);
    cr_assert(r.failed);
    cr_assert_eq(bytes, 0);
    cr_assert_eq(flat_get_u64(&r), 0);
    r = flat_reader_of("\x03"
                       "abc",
                       4);
    char *text = flat_get_text(&r, 2);
    cr_assert(r.failed, "over max_bytes");
    cr_assert_str_eq(text, "");
    free(text);
    r = flat_reader_of("\x03"
                       "a\0c",
                       4);
    text = flat_get_text(&r, 3);
    cr_assert(r.failed, "NUL inside");
    free(text);
    r = flat_reader_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    (void)flat_get_bytes(&r, SIZE_MAX, &bytes);
    cr_assert(r.failed, "a length of 2^64-1");
}

Test(flat, counts_cannot_promise_more_than_there_is)
{
    struct flat_reader r = flat_reader_of("\x02"
                                          "ab",
                                          3);
    cr_assert_eq(flat_get_count(&r, 10), 2);
    r = flat_reader_of("\x03"
                       "ab",
                       3);
    cr_assert_eq(flat_get_count(&r, 10), 0);
    cr_assert(r.failed);
    r = flat_reader_of("\x02"
                       "ab",
                       3);
    cr_assert_eq(flat_get_count(&r, 1), 0);
    cr_assert(r.failed);
}
