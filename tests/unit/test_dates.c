// LINK: cq_cli_parts
/* Dates of reports: what is a day, a month or a moment, and what is none. */
#include "cli/dates.h"

#include "common/base/pure/id.h"

#include <criterion/criterion.h>

#define DAY_US (INT64_C(24) * 3600 * US_PER_S)
#define NOW_US (20000 * DAY_US + 5 * US_PER_S) /* 2024-10-04 */

Test(dates, days_months_and_moments)
{
    static const struct {
        const char *text;
        int64_t begin_us, end_us;
    } rows[] = {
        {"today", 20000 * DAY_US, 20001 * DAY_US},
        {"yesterday", 19999 * DAY_US, 20000 * DAY_US},
        {"2024-10-04", 20000 * DAY_US, 20001 * DAY_US},
        {"1970-01-01", 0, DAY_US},
        {"1970-02", 31 * DAY_US, 59 * DAY_US},
        {"1971-12", 699 * DAY_US, 730 * DAY_US},
        {"2024-02-29", 19782 * DAY_US, 19783 * DAY_US},
        {"1970-01-02T10:30", DAY_US + 37800 * US_PER_S, DAY_US + 37800 * US_PER_S},
        {"-7d", NOW_US - 7 * DAY_US, NOW_US - 7 * DAY_US},
        {"-90m", NOW_US - 5400 * US_PER_S, NOW_US - 5400 * US_PER_S},
    };
    for (size_t i = 0; i < CQ_COUNT(rows); i++) {
        struct date_span span = {0};
        struct cq_err err = {0};
        cr_expect_eq(dates_parse(rows[i].text, NOW_US, &span, &err), 0, "%s: %s", rows[i].text,
                     err.text);
        cr_expect_eq(span.begin_us, rows[i].begin_us, "%s", rows[i].text);
        cr_expect_eq(span.end_us, rows[i].end_us, "%s", rows[i].text);
    }
}

Test(dates, what_is_no_date_is_refused)
{
    const char *const bad[] = {"",
                               "2026",
                               "2026-1-1",
                               "2026-02-30",
                               "2026-13",
                               "2026-00",
                               "2025-02-29",
                               "2026-11-01T24:00",
                               "2026-11-31",
                               "2026-11-01 ",
                               "2026-11-01T10:30Z",
                               "20261101",
                               "-7",
                               "-",
                               "-7w",
                               "--7d",
                               "tomorrow",
                               "1969-12-31",
                               "2026-11-01T10:60",
                               "01.11.2026"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct date_span span = {1, 2};
        struct cq_err err = {0};
        cr_expect_eq(dates_parse(bad[i], NOW_US, &span, &err), -1, "'%s'", bad[i]);
        cr_expect_eq(err.code, CQ_E_INVALID);
        cr_expect_eq(span.begin_us, 1, "touched on failure");
    }
}

Test(dates, are_written_as_they_are_read)
{
    char buf[16];
    cr_expect_str_eq(dates_format(20000 * DAY_US, false, buf), "2024-10-04");
    cr_expect_str_eq(dates_format(20000 * DAY_US, true, buf), "2024-10");
}
