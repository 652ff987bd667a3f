/* Days, months and moments, read strictly. */
#include "cli/dates.h"

#include "common/base/pure/id.h"
#include "common/base/pure/parse.h"

#include <ctype.h>
#include <time.h>

#define DAY_US (INT64_C(24) * 3600 * US_PER_S)

static int fail(const char *text, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID,
                   "'%.40s' is no date; write 2026-11-01, 2026-11, 2026-11-01T10:30 (UTC), "
                   "yesterday or -7d",
                   text);
}

/* Does `text` look like the pattern, in which '9' is a digit? */
static bool has_form(const char *text, const char *pattern)
{
    for (; *pattern; pattern++, text++)
        if (*pattern == '9' ? !isdigit((unsigned char)*text) : *pattern != *text)
            return false;
    return *text == '\0';
}

static int digits(const char *text, size_t n)
{
    int value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

/* False: there is no such date. */
static bool to_wall(const struct tm *given, int64_t *wall_us)
{
    struct tm tm = *given;
    time_t s = timegm(&tm); /* carries what is too large: then it is another date */
    *wall_us = (int64_t)s * US_PER_S;
    return tm.tm_year == given->tm_year && tm.tm_mon == given->tm_mon
           && tm.tm_mday == given->tm_mday && tm.tm_hour == given->tm_hour
           && tm.tm_min == given->tm_min && tm.tm_year >= 70;
}

static int parse_calendar(const char *text, struct date_span *span, struct cq_err *err)
{
    bool is_month = has_form(text, "9999-99"), is_day = has_form(text, "9999-99-99");
    bool is_minute = has_form(text, "9999-99-99T99:99");
    if (!is_month && !is_day && !is_minute)
        return fail(text, err);
    struct tm tm = {.tm_year = digits(text, 4) - 1900,
                    .tm_mon = digits(text + 5, 2) - 1,
                    .tm_mday = is_month ? 1 : digits(text + 8, 2),
                    .tm_hour = is_minute ? digits(text + 11, 2) : 0,
                    .tm_min = is_minute ? digits(text + 14, 2) : 0};
    int64_t begin_us, end_us;
    if (!to_wall(&tm, &begin_us))
        return cq_fail(err, CQ_E_INVALID, "'%.40s': there is no such date", text);
    end_us = is_day ? begin_us + DAY_US : begin_us;
    if (is_month) {
        tm.tm_year += tm.tm_mon == 11;
        tm.tm_mon = (tm.tm_mon + 1) % 12;
        (void)to_wall(&tm, &end_us);
    }
    *span = (struct date_span){begin_us, end_us};
    return 0;
}

int dates_parse(const char *text, int64_t now_us, struct date_span *span, struct cq_err *err)
{
    int64_t today_us = now_us - now_us % DAY_US, back_us;
    if (strcmp(text, "today") == 0) {
        *span = (struct date_span){today_us, today_us + DAY_US};
    } else if (strcmp(text, "yesterday") == 0) {
        *span = (struct date_span){today_us - DAY_US, today_us};
    } else if (text[0] == '-') {
        if (strpbrk(text, "smhd") == NULL || parse_time_us(text + 1, &back_us, NULL) != 0)
            return fail(text, err);
        *span = (struct date_span){now_us - back_us, now_us - back_us};
    } else {
        return parse_calendar(text, span, err);
    }
    return 0;
}

const char *dates_format(int64_t wall_us, bool is_month, char buf[16])
{
    struct tm tm;
    time_t s = (time_t)(wall_us / US_PER_S);
    if (gmtime_r(&s, &tm) == NULL || strftime(buf, 16, is_month ? "%Y-%m" : "%Y-%m-%d", &tm) == 0)
        return "-";
    return buf;
}
