/* Sizes and times with units. */
#include "cli/units.h"

#include "common/base/pure/parse.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define DIGITS "0123456789"
enum { TEXT_MAX = 64, SIZE_MAX_MIB = 1 << 30 };

static bool is_bare_number(const char *text)
{
    return *text && text[strspn(text, "0123456789.")] == '\0';
}

/* ---- sizes ---- */

/* The length of digits with perhaps a fraction; 0: it does not begin with such. */
static size_t number_length(const char *text)
{
    size_t whole = strspn(text, DIGITS), fraction = 0;
    if (whole > 0 && text[whole] == '.')
        fraction = strspn(text + whole + 1, DIGITS);
    return fraction > 0 ? whole + 1 + fraction : whole;
}

/* In MiB, whatever its size; false: it is none. */
static bool read_size(const char *plain, double *mib)
{
    char one[TEXT_MAX + 1];
    uint64_t unit = 0;
    size_t n = number_length(plain);
    (void)snprintf(one, sizeof one, "1%s", plain + n);
    if (n == 0 || parse_size_mib(one, &unit, NULL) != 0)
        return false;
    *mib = strtod(plain, NULL) * (plain[n] == 'K' ? 1.0 / 1024 : (double)unit);
    return true;
}

int units_parse_mem(const char *text, uint64_t *mib, struct cq_err *err)
{
    char plain[TEXT_MAX];
    double value = 0;
    size_t n = strlen(text);
    if (is_bare_number(text) && strtod(text, NULL) > 0)
        return cq_fail(err, CQ_E_INVALID, "'%.20s' has no unit; write %.20sM or %.20sG", text, text,
                       text);
    for (size_t i = 0; i <= n && n < sizeof plain; i++)
        plain[i] = (char)(toupper)((unsigned char)text[i]);
    char *binary = n < sizeof plain ? strchr(plain, 'I') : NULL;
    if (binary)
        *binary = 'i';
    if (n >= sizeof plain || !read_size(plain, &value))
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a size; write 512M, 4G or 1.5T", text);
    if (value < 1 || value > SIZE_MAX_MIB)
        return cq_fail(err, CQ_E_INVALID,
                       "'%.40s' is out of range: a size is 1M to 1024T; write 512M, 4G or 1.5T",
                       text);
    *mib = (uint64_t)ceil(value);
    return 0;
}

/* ---- times ---- */

/* It would be a time if its numbers were small. */
static bool is_like_time(const char *text)
{
    char small[TEXT_MAX];
    size_t n = 0;
    int64_t us;
    for (const char *p = text; *p && n + 2 < sizeof small;) {
        size_t digits = strspn(p, DIGITS);
        small[n++] = digits ? '1' : *p;
        p += digits ? digits : 1;
    }
    small[n] = '\0';
    return parse_time_us(small, &us, NULL) == 0;
}

int units_parse_time(const char *text, int64_t *us, struct cq_err *err)
{
    if (is_bare_number(text) && strtod(text, NULL) > 0)
        return cq_fail(err, CQ_E_INVALID, "'%.20s' has no unit; write %.20ss or %.20sm", text, text,
                       text);
    if (parse_time_us(text, us, NULL) == 0)
        return 0;
    if (is_like_time(text))
        return cq_fail(err, CQ_E_INVALID,
                       "'%.40s' is out of range: a time is at most 3650d; write 90s, 15m or 2h",
                       text);
    return parse_time_us(text, us, err);
}
