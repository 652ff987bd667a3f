/* What people type: numbers, sizes, times, names. */
#include "common/base/pure/parse.h"

#include <criterion/criterion.h>

#define MIN (60 * INT64_C(1000000))

Test(parse, whole_numbers_match_whole_or_not_at_all)
{
    int64_t i = 5;
    uint64_t u = 5;
    cr_assert_eq(parse_i64("-42", -50, 50, &i, NULL), 0);
    cr_assert_eq(i, -42);
    cr_assert_eq(parse_u64("18446744073709551615", 0, UINT64_MAX, &u, NULL), 0);
    cr_assert_eq(u, UINT64_MAX);
    static const char *const bad[] = {"", " 4", "4 ", "4x", "+4", "-", "0x10", "1e3", "4.0", "--4"};
    for (size_t n = 0; n < CQ_COUNT(bad); n++) {
        cr_assert_eq(parse_i64(bad[n], INT64_MIN, INT64_MAX, &i, NULL), -1, "'%s'", bad[n]);
        cr_assert_eq(parse_u64(bad[n], 0, UINT64_MAX, &u, NULL), -1, "'%s'", bad[n]);
    }
    struct cq_err err = {0};
    cr_assert_eq(parse_u64("-4", 0, 9, &u, NULL), -1);
    cr_assert_eq(parse_u64("10", 0, 9, &u, &err), -1);
    cr_assert_str_eq(err.text, "10 is out of range: 0 to 9");
    cr_assert_eq(parse_i64("99999999999999999999", INT64_MIN, INT64_MAX, &i, NULL), -1);
    cr_assert_eq(parse_u64("18446744073709551616", 0, UINT64_MAX, &u, NULL), -1);
    cr_assert_eq(i, -42, "outputs are untouched on failure");
}

Test(parse, doubles_are_finite)
{
    double d;
    cr_assert_eq(parse_double("-0.25", &d, NULL), 0);
    cr_assert_eq(d, -0.25);
    cr_assert_eq(parse_double("nan", &d, NULL), -1);
    cr_assert_eq(parse_double("inf", &d, NULL), -1);
    cr_assert_eq(parse_double("0x10", &d, NULL), -1);
    cr_assert_eq(parse_double("1e999", &d, NULL), -1);
    cr_assert_eq(parse_double("", &d, NULL), -1);
    cr_assert_eq(parse_double("1 ", &d, NULL), -1);
}

Test(parse, sizes)
{
    static const struct {
        const char *text;
        uint64_t mib;
    } good[] = {{"512M", 512},  {"4G", 4096}, {"1.5G", 1536}, {"1T", 1 << 20}, {"4096", 4096},
                {"2GiB", 2048}, {"1K", 1},    {"100k", 1},    {"0.5M", 1},     {"3000K", 3}};
    static const char *const bad[] = {"",    "G",   "0",   "0G",  "-1G",
                                      "4 G", "4X",  "1.",  ".5G", "1..5",
                                      "4Gx", "1e3", "nan", "4GG", "99999999999999999999T"};
    for (size_t i = 0; i < CQ_COUNT(good); i++) {
        uint64_t mib = 0;
        cr_assert_eq(parse_size_mib(good[i].text, &mib, NULL), 0, "'%s'", good[i].text);
        cr_assert_eq(mib, good[i].mib, "'%s'", good[i].text);
    }
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        uint64_t mib = 7;
        cr_assert_eq(parse_size_mib(bad[i], &mib, NULL), -1, "'%s'", bad[i]);
        cr_assert_eq(mib, 7);
    }
}

Test(parse, times)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"90", 90000000},         {"90s", 90000000},  {"15m", 15 * MIN},
                {"2h", 120 * MIN},        {"1d", 1440 * MIN}, {"1h30m", 90 * MIN},
                {"250ms", 250000},        {"5us", 5},         {"1:30:00", 90 * MIN},
                {"0:30", 30000000},       {"1.5h", 90 * MIN}, {"0", 0},
                {"100:00:00", 6000 * MIN}};
    static const char *const bad[] = {"",     "h",         "-5m",  "5x",  "1h30",   "0s5",
                                      "1:60", "1:2:3:4",   "1:",   ":30", "1h 30m", "1min",
                                      "5 m",  "99999999d", "1:-5", "1e3s"};
    for (size_t i = 0; i < CQ_COUNT(good); i++) {
        int64_t us = -1;
        cr_assert_eq(parse_time_us(good[i].text, &us, NULL), 0, "'%s'", good[i].text);
        cr_assert_eq(us, good[i].us, "'%s'", good[i].text);
    }
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        int64_t us = 7;
        cr_assert_eq(parse_time_us(bad[i], &us, NULL), -1, "'%s'", bad[i]);
        cr_assert_eq(us, 7);
    }
}

Test(parse, formats_for_people)
{
    char buf[32];
    cr_assert_str_eq(format_time_us(250000, buf, sizeof buf), "250 ms");
    cr_assert_str_eq(format_time_us(4200000, buf, sizeof buf), "4.2s");
    cr_assert_str_eq(format_time_us(90 * 1000000, buf, sizeof buf), "1m 30s");
    cr_assert_str_eq(format_time_us(90 * MIN, buf, sizeof buf), "1h 30m");
    cr_assert_str_eq(format_time_us(-1, buf, sizeof buf), "-");
    cr_assert_str_eq(format_size_mib(512, buf, sizeof buf), "512M");
    cr_assert_str_eq(format_size_mib(1536, buf, sizeof buf), "1.5G");
    cr_assert_str_eq(format_size_mib(4096, buf, sizeof buf), "4G");
    cr_assert_str_eq(format_size_bytes(0, buf, sizeof buf), "0");
    cr_assert_str_eq(format_size_bytes(1, buf, sizeof buf), "1B");
    cr_assert_str_eq(format_size_bytes(57344, buf, sizeof buf), "56K");
    cr_assert_str_eq(format_size_bytes(57345, buf, sizeof buf), "57K");
    cr_assert_str_eq(format_size_bytes(1024 * 1024 - 1, buf, sizeof buf), "1.0M");
    cr_assert_str_eq(format_size_bytes(20004864, buf, sizeof buf), "20M");
    cr_assert_str_eq(format_size_bytes(UINT64_C(3) << 29, buf, sizeof buf), "1.5G");
    cr_assert_str_eq(format_size_bytes(UINT64_MAX, buf, sizeof buf), "16E");
    cr_assert_str_eq(format_wall_us(INT64_C(1795000000123456), buf, sizeof buf),
                     "2026-11-18T11:06:40.123Z");
    cr_assert_str_eq(format_wall_us(0, buf, sizeof buf), "-");
}

Test(parse, names)
{
    char name[65];
    memset(name, 'n', 64);
    name[64] = '\0';
    cr_assert(!is_name(name));
    name[63] = '\0';
    cr_assert(is_name(name));
    cr_assert(is_name("uart-tb_2.v"));
    cr_assert(!is_name(""));
    cr_assert(!is_name(".hidden"));
    cr_assert(!is_name("a/b"));
    cr_assert(!is_name("a b"));
    cr_assert(!is_name("\xc3\xa9"));
}
