/* Sizes and times with units. */
#include "cli/units.h"

#include "common/base/pure/parse.h"

#include <ctype.h>

enum { TEXT_MAX = 40 };

static bool is_bare_number(const char *text)
{
    return *text && text[strspn(text, "0123456789.")] == '\0';
}

int units_parse_mem(const char *text, uint64_t *mib, struct cq_err *err)
{
    char plain[TEXT_MAX];
    size_t n = strlen(text);
    if (is_bare_number(text) && strtod(text, NULL) > 0)
        return cq_fail(err, CQ_E_INVALID, "'%.20s' has no unit; write %.20sM or %.20sG", text, text,
                       text);
    if (n >= sizeof plain)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not a size; write 512M, 4G or 1.5T", text);
    for (size_t i = 0; i <= n; i++)
        plain[i] = (char)(toupper)((unsigned char)text[i]);
    char *binary = strchr(plain, 'I');
    if (binary)
        *binary = 'i';
    if (parse_size_mib(plain, mib, NULL) == 0)
        return 0;
    return parse_size_mib(text, mib, err);
}

int units_parse_time(const char *text, int64_t *us, struct cq_err *err)
{
    if (is_bare_number(text))
        return cq_fail(err, CQ_E_INVALID, "'%.20s' has no unit; write %.20ss or %.20sm", text, text,
                       text);
    return parse_time_us(text, us, err);
}
