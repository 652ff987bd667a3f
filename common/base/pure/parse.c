/* Strict parsers of numbers, sizes and times, and their printers. */
#include "common/base/pure/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *value, struct cq_err *err)
{
    char *end = NULL;
    errno = 0;
    long long n = isdigit((unsigned char)text[0]) || text[0] == '-' ? strtoll(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || end == text)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a whole number", text);
    if (errno == ERANGE || n < min || n > max)
        return cq_fail(err, CQ_E_INVALID, "%.40s is out of range: %" PRId64 " to %" PRId64, text,
                       min, max);
    *value = n;
    return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value, struct cq_err *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0')
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a whole number", text);
    if (errno == ERANGE || n < min || n > max)
        return cq_fail(err, CQ_E_INVALID, "%.40s is out of range: %" PRIu64 " to %" PRIu64, text,
                       min, max);
    *value = n;
    return 0;
}

int parse_double(const char *text, double *value, struct cq_err *err)
{
    char *end = NULL;
    double d = text[0] && !isspace((unsigned char)text[0]) ? strtod(text, &end) : 0;
    bool is_hex = strpbrk(text, "xX") != NULL;
    if (is_hex || end == NULL || *end != '\0' || end == text || !isfinite(d))
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a number", text);
    *value = d;
    return 0;
}

/* Reads digits with an optional fraction. Returns the end, NULL when there is no number. */
static const char *scan_decimal(const char *p, double *value)
{
    if (!isdigit((unsigned char)*p))
        return NULL;
    double v = 0, scale = 1;
    int digits = 0;
    for (; isdigit((unsigned char)*p) && digits < 15; p++, digits++)
        v = v * 10 + (*p - '0');
    if (*p == '.' && isdigit((unsigned char)p[1]))
        for (p++; isdigit((unsigned char)*p) && digits < 18; p++, digits++)
            v += (*p - '0') * (scale /= 10);
    *value = v;
    return isdigit((unsigned char)*p) ? NULL : p;
}

int parse_size_mib(const char *text, uint64_t *mib, struct cq_err *err)
{
    double n, factor = 1;
    const char *p = scan_decimal(text, &n);
    if (p == NULL)
        goto bad;
    switch (*p) {
    case '\0':
        break;
    case 'k':
    case 'K':
        factor = 1.0 / 1024;
        p++;
        break;
    case 'M':
        p++;
        break;
    case 'G':
        factor = 1024;
        p++;
        break;
    case 'T':
        factor = 1024.0 * 1024;
        p++;
        break;
    default:
        goto bad;
    }
    if (*p == 'i')
        p++;
    if (*p == 'B')
        p++;
    if (*p != '\0' || n * factor > 1e12 || n <= 0)
        goto bad;
    *mib = (uint64_t)ceil(n * factor);
    return 0;
bad:
    return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a size; write 512M, 4G or 1.5T", text);
}

static const char *scan_unit(const char *p, int64_t *unit_us)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"ms", 1000},
                 {"us", 1},
                 {"s", 1000000},
                 {"m", 60 * 1000000LL},
                 {"h", 3600 * 1000000LL},
                 {"d", 86400 * 1000000LL}};
    for (size_t i = 0; i < CQ_COUNT(units); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(p, units[i].name, len) == 0 && !isalpha((unsigned char)p[len])) {
            *unit_us = units[i].us;
            return p + len;
        }
    }
    return NULL;
}

/* "H:MM:SS" or "M:SS". Returns -1 when it is not of that form. */
static int64_t scan_clock(const char *p)
{
    int64_t total = 0, parts = 0;
    for (;; p++) {
        int64_t n = 0, digits = 0;
        for (; isdigit((unsigned char)*p) && digits < 9; p++, digits++)
            n = n * 10 + (*p - '0');
        if (digits == 0 || (parts > 0 && (n > 59 || digits > 2)))
            return -1;
        total = total * 60 + n;
        parts++;
        if (*p == '\0')
            return parts == 2 || parts == 3 ? total * 1000000 : -1;
        if (*p != ':' || parts == 3)
            return -1;
    }
}

int parse_time_us(const char *text, int64_t *us, struct cq_err *err)
{
    const double longest_us = 3650.0 * 86400 * 1e6;
    double total = 0;
    const char *p = text;
    if (strchr(text, ':')) {
        int64_t clock_us = scan_clock(text);
        if (clock_us < 0)
            goto bad;
        *us = clock_us;
        return 0;
    }
    do {
        double n;
        int64_t unit_us = 1000000;
        const char *start = p;
        p = scan_decimal(p, &n);
        if (p == NULL || (*p == '\0' && start != text))
            goto bad;
        if (*p != '\0' && (p = scan_unit(p, &unit_us)) == NULL)
            goto bad;
        total += n * (double)unit_us;
    } while (*p != '\0');
    if (total > longest_us)
        goto bad;
    *us = (int64_t)llround(total);
    return 0;
bad:
    return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a time; write 90s, 15m, 2h, 1h30m or 1:30:00",
                   text);
}

const char *format_time_us(int64_t us, char *buf, size_t size)
{
    int64_t s = us / 1000000;
    if (us < 0)
        (void)snprintf(buf, size, "-");
    else if (us < 1000000)
        (void)snprintf(buf, size, "%d ms", (int)(us / 1000));
    else if (s < 60)
        (void)snprintf(buf, size, "%.1fs", (double)us / 1e6);
    else if (s < 3600)
        (void)snprintf(buf, size, "%" PRId64 "m %02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        (void)snprintf(buf, size, "%" PRId64 "h %02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        (void)snprintf(buf, size, "%" PRId64 "d %02" PRId64 "h", s / 86400, s / 3600 % 24);
    return buf;
}

const char *format_size_mib(uint64_t mib, char *buf, size_t size)
{
    if (mib < 1024)
        (void)snprintf(buf, size, "%" PRIu64 "M", mib);
    else if (mib % 1024 == 0)
        (void)snprintf(buf, size, "%" PRIu64 "G", mib / 1024);
    else
        (void)snprintf(buf, size, "%.1fG", (double)mib / 1024);
    return buf;
}

/* Rounded up: a little is never nothing. */
const char *format_size_bytes(uint64_t bytes, char *buf, size_t size)
{
    static const char units[] = "BKMGTPE";
    double n = (double)bytes;
    size_t i = 0;
    while (i + 2 < sizeof units && ceil(n) >= 1024) {
        n /= 1024;
        i++;
    }
    if (bytes == 0)
        (void)snprintf(buf, size, "0");
    else if (i >= 2 && n < 10)
        (void)snprintf(buf, size, "%.1f%c", ceil(n * 10) / 10, units[i]);
    else
        (void)snprintf(buf, size, "%.0f%c", ceil(n), units[i]);
    return buf;
}

const char *format_wall_us(int64_t wall_us, char *buf, size_t size)
{
    struct tm tm;
    time_t s = (time_t)(wall_us / 1000000);
    if (wall_us <= 0 || gmtime_r(&s, &tm) == NULL) {
        (void)snprintf(buf, size, "-");
        return buf;
    }
    size_t n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
    if (n > 0)
        (void)snprintf(buf + n, size - n, ".%03dZ", (int)(wall_us / 1000 % 1000));
    return buf;
}

bool is_name(const char *text)
{
    if (!isalnum((unsigned char)text[0]))
        return false;
    size_t n = 0;
    for (; text[n]; n++)
        if (!isalnum((unsigned char)text[n]) && strchr("._-", text[n]) == NULL)
            return false;
    return n <= 63;
}
