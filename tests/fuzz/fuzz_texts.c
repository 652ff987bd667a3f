/* The parsers of base: ranges, core sets, sizes, times, numbers, UTF-8 and terminal-safe text. */
#include "common/base/pure/bitset.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"
#include "tests/fuzz/fuzz.h"

static void try_ranges(const char *text)
{
    struct ranges first = {0}, second = {0};
    struct cq_str out = {0};
    if (ranges_parse(text, 100000, 10000, &first, NULL) == 0) {
        ranges_format(&first, &out);
        FUZZ_CHECK(ranges_parse(cq_str_text(&out), 100000, 10000, &second, NULL) == 0);
        FUZZ_CHECK(first.count == second.count && first.count <= 10000 && first.n == second.n);
    }
    ranges_fini(&first);
    ranges_fini(&second);
    cq_str_fini(&out);
}

static void try_bitset(const char *text)
{
    struct bitset first = {0}, second = {0};
    struct cq_str out = {0};
    if (bitset_parse(text, &first, NULL) == 0) {
        bitset_format(&first, &out);
        FUZZ_CHECK(bitset_parse(cq_str_text(&out), &second, NULL) == 0);
        FUZZ_CHECK(bitset_equal(&first, &second));
    }
    bitset_fini(&first);
    bitset_fini(&second);
    cq_str_fini(&out);
}

static void try_numbers(const char *text)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    char buf[32];
    if (parse_time_us(text, &i, NULL) == 0)
        FUZZ_CHECK(i >= 0 && *format_time_us(i, buf, sizeof buf));
    if (parse_size_mib(text, &u, NULL) == 0)
        FUZZ_CHECK(u > 0 && *format_size_mib(u, buf, sizeof buf));
    if (parse_i64(text, -100, 100, &i, NULL) == 0)
        FUZZ_CHECK(i >= -100 && i <= 100);
    if (parse_u64(text, 1, 100, &u, NULL) == 0)
        FUZZ_CHECK(u >= 1 && u <= 100);
    if (parse_double(text, &d, NULL) == 0)
        FUZZ_CHECK(d - d == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = fuzz_text(data, bytes);
    struct cq_str out = {0};
    try_ranges(text);
    try_bitset(text);
    try_numbers(text);
    cq_str_add_printable(&out, text, bytes);
    FUZZ_CHECK(out.len == 0 || cq_is_utf8(out.data, out.len));
    FUZZ_CHECK(memchr(cq_str_text(&out), '\n', out.len) == NULL
               && memchr(cq_str_text(&out), '\x1b', out.len) == NULL);
    cq_str_fini(&out);
    free(text);
    return 0;
}
