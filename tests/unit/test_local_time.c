// LINK: cq_cli_parts
/* Local times: read strictly, printed so that they read back. */
#include "cli/local_time.h"

#include <criterion/criterion.h>

static void in_berlin(void)
{
    (void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
}

TestSuite(local_time, .init = in_berlin);

static void expect_time(const char *text, int64_t s)
{
    struct cq_err err = {0};
    int64_t us = 0;
    cr_assert_eq(local_time_parse(text, &us, &err), 0, "%s: %s", text, err.text);
    cr_expect_eq(us, s * 1000000, "%s: %lld", text, (long long)us);
}

Test(local_time, winter_summer_and_utc)
{
    expect_time("2026-12-01T20:00", 1796151600);
    expect_time("2026-12-01T20:00:30", 1796151630);
    expect_time("2026-12-01T19:00Z", 1796151600);
    expect_time("2026-07-01T20:00", 1782928800);
    expect_time("2028-02-29T00:00:00Z", 1835395200);
}

Test(local_time, what_is_no_time)
{
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "2026-12-01",
                                      "2026-12-01 20:00",
                                      "2026-12-1T20:00",
                                      "2026-12-01T20:00 ",
                                      "2026-12-01T20",
                                      "2026-12-01T24:00",
                                      "2026-12-01T20:60",
                                      "2026-13-01T20:00",
                                      "2026-02-30T20:00",
                                      "2027-02-29T20:00Z",
                                      "2026-12-01T20:00:61",
                                      "2026-12-01T20:00+01:00",
                                      "1926-12-01T20:00",
                                      "-026-12-01T20:00",
                                      "2026-03-29T02:30" /* the clocks skip it */};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct cq_err err = {0};
        int64_t us = 7;
        cr_expect_eq(local_time_parse(bad[i], &us, &err), -1, "'%s' was taken", bad[i]);
        cr_expect_eq(err.code, CQ_E_INVALID);
        cr_expect_eq(us, 7);
    }
}

Test(local_time, printed)
{
    char buf[LOCAL_TIME_BYTES];
    cr_expect_str_eq(local_time_format(INT64_C(1796151600) * 1000000, buf),
                     "2026-12-01T20:00:00+01:00");
    cr_expect_str_eq(local_time_format(INT64_C(1782928800) * 1000000, buf),
                     "2026-07-01T20:00:00+02:00");
    cr_expect_str_eq(local_time_format(0, buf), "-");
    int64_t at = INT64_C(1796151600) * 1000000, hour = INT64_C(3600) * 1000000;
    cr_expect_str_eq(local_time_short(at, at - hour, buf), "20:00");
    cr_expect_str_eq(local_time_short(at + 5 * hour, at, buf), "2026-12-02 01:00");
}
