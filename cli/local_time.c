/* Local times, read strictly. */
#include "cli/local_time.h"

#include <ctype.h>

#define US_PER_S INT64_C(1000000)

static int digits(const char *text, size_t n)
{
    int value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

/* Does `text` look like the pattern, in which '9' is a digit? */
static bool has_form(const char *text, const char *pattern)
{
    for (; *pattern; pattern++, text++)
        if (*pattern == '9' ? !isdigit((unsigned char)*text) : *pattern != *text)
            return false;
    return *text == '\0';
}

static bool is_same(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday
           && a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

int local_time_parse(const char *text, int64_t *wall_us, struct cq_err *err)
{
    bool has_seconds =
        has_form(text, "9999-99-99T99:99:99") || has_form(text, "9999-99-99T99:99:99Z");
    bool is_known =
        has_seconds || has_form(text, "9999-99-99T99:99") || has_form(text, "9999-99-99T99:99Z");
    if (!is_known)
        return cq_fail(err, CQ_E_INVALID,
                       "'%.40s' is not a time; write 2026-12-01T20:00 (local time)", text);
    struct tm tm = {.tm_year = digits(text, 4) - 1900,
                    .tm_mon = digits(text + 5, 2) - 1,
                    .tm_mday = digits(text + 8, 2),
                    .tm_hour = digits(text + 11, 2),
                    .tm_min = digits(text + 14, 2),
                    .tm_sec = has_seconds ? digits(text + 17, 2) : 0,
                    .tm_isdst = -1};
    struct tm given = tm;
    bool is_utc = text[strlen(text) - 1] == 'Z';
    time_t s = is_utc ? timegm(&tm) : mktime(&tm);
    if (!is_same(&tm, &given) || given.tm_year < 70)
        return cq_fail(err, CQ_E_INVALID, "'%.40s': there is no such time%s", text,
                       is_utc ? "" : " here");
    *wall_us = (int64_t)s * US_PER_S;
    return 0;
}

const char *local_time_format(int64_t wall_us, char buf[LOCAL_TIME_BYTES])
{
    struct tm tm;
    time_t s = (time_t)(wall_us / US_PER_S);
    if (wall_us <= 0 || localtime_r(&s, &tm) == NULL)
        return "-";
    size_t n = strftime(buf, LOCAL_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    long minutes = tm.tm_gmtoff / 60;
    long size = minutes < 0 ? -minutes : minutes;
    (void)snprintf(buf + n, LOCAL_TIME_BYTES - n, "%c%02d:%02d", minutes < 0 ? '-' : '+',
                   (int)(size / 60 % 100), (int)(size % 60));
    return buf;
}

const char *local_time_short(int64_t wall_us, int64_t now_us, char buf[LOCAL_TIME_BYTES])
{
    struct tm tm, today;
    time_t s = (time_t)(wall_us / US_PER_S), now = (time_t)(now_us / US_PER_S);
    if (localtime_r(&s, &tm) == NULL || localtime_r(&now, &today) == NULL)
        return "-";
    bool is_today = tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday;
    (void)strftime(buf, LOCAL_TIME_BYTES, is_today ? "%H:%M" : "%Y-%m-%d %H:%M", &tm);
    return buf;
}
