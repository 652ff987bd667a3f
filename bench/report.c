/* Figures and how they are printed. */
#include "bench/report.h"

static void add(struct report *r, const char *name, const char *value, bool is_text)
{
    cq_str_printf(&r->table, "%-28s %s\n", name, value);
    cq_str_printf(&r->json, "%s\"%s\": ", r->json.len ? ", " : "", name);
    if (is_text)
        cq_str_add_char(&r->json, '"');
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\')
            cq_str_add_char(&r->json, '\\');
        if ((unsigned char)*p >= ' ')
            cq_str_add_char(&r->json, *p);
    }
    if (is_text)
        cq_str_add_char(&r->json, '"');
}

void report_text(struct report *r, const char *name, const char *value)
{
    add(r, name, value, true);
}

void report_count(struct report *r, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    add(r, name, text, false);
}

void report_number(struct report *r, const char *name, double value)
{
    char text[64];
    snprintf(text, sizeof text, value >= 100 ? "%.0f" : "%.3f", value);
    add(r, name, text, false);
}

int64_t percentile(const int64_t *sorted, size_t n, unsigned percent)
{
    size_t rank = (n * percent + 99) / 100;
    return sorted[rank > 0 ? rank - 1 : 0];
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void report_spread(struct report *r, const char *name, int64_t *values, size_t n)
{
    static const unsigned percents[] = {50, 95, 99};
    char text[64];
    qsort(values, n, sizeof *values, by_value);
    for (size_t i = 0; i < CQ_COUNT(percents); i++) {
        snprintf(text, sizeof text, "%s_us_p%u", name, percents[i]);
        report_count(r, text, percentile(values, n, percents[i]));
    }
    snprintf(text, sizeof text, "%s_us_min", name);
    report_count(r, text, values[0]);
    snprintf(text, sizeof text, "%s_us_max", name);
    report_count(r, text, values[n - 1]);
}

void report_print(const struct report *r, bool as_json)
{
    if (as_json)
        printf("{%s}\n", cq_str_text(&r->json));
    else
        (void)fputs(cq_str_text(&r->table), stdout);
}

void report_fini(struct report *r)
{
    cq_str_fini(&r->table);
    cq_str_fini(&r->json);
}
