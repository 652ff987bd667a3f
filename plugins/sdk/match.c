/* Matching of lines against simple patterns. */
#include "plugins/sdk/match.h"

#include <math.h>

/* Classic two-pointer glob: on a mismatch go back to the last star and let it take one more. */
bool match_line(const char *pattern, const char *line)
{
    const char *star = NULL, *resume = NULL;
    while (*line) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = line;
        } else if (*pattern == *line) {
            pattern++;
            line++;
        } else if (star) {
            pattern = star;
            line = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const char *match_after(const char *line, const char *prefix)
{
    const char *at = strstr(line, prefix);
    return at ? at + strlen(prefix) : NULL;
}

bool match_number(const char *line, const char *prefix, double *value)
{
    const char *at = match_after(line, prefix);
    if (!at)
        return false;
    char *end = NULL;
    double number = strtod(at, &end);
    if (end == at || !isfinite(number))
        return false;
    *value = number;
    return true;
}

static const char *skip_digits(const char *text)
{
    while (*text >= '0' && *text <= '9')
        text++;
    return text;
}

const char *match_location(const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text)
        return NULL;
    const char *end = skip_digits(colon + 1);
    if (end == colon + 1 || *end != ':')
        return NULL;
    const char *column_end = skip_digits(end + 1);
    if (column_end > end + 1 && *column_end == ':')
        end = column_end;
    end++;
    while (*end == ' ')
        end++;
    return end;
}
