/* Problems of a flow file, collected and printed in the order of the file. */
#include "cli/flow.h"

#include "common/base/pure/mem.h"

#include <stdarg.h>

void flow_errors_add(struct flow_errors *e, struct flow_at at, const char *fmt, ...)
{
    if (e->n == FLOW_ERRORS_MAX) {
        e->more++;
        return;
    }
    char text[500];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    e->items[e->n++] = (struct flow_error){.at = at, .text = cq_strdup(text)};
}

static bool is_before(struct flow_at a, struct flow_at b)
{
    return a.line != b.line ? a.line < b.line : a.col < b.col;
}

void flow_errors_sort(struct flow_errors *e)
{
    for (size_t i = 1; i < e->n; i++) /* few, and equal places keep their order */
        for (size_t j = i; j > 0 && is_before(e->items[j].at, e->items[j - 1].at); j--) {
            struct flow_error moved = e->items[j];
            e->items[j] = e->items[j - 1];
            e->items[j - 1] = moved;
        }
}

void flow_errors_format(const struct flow_errors *e, const char *file, struct cq_str *out)
{
    for (size_t i = 0; i < e->n; i++) {
        cq_str_add_printable(out, file, strlen(file));
        if (e->items[i].at.line)
            cq_str_printf(out, ":%zu:%zu", e->items[i].at.line, e->items[i].at.col);
        cq_str_add(out, ": ");
        cq_str_add_printable(out, e->items[i].text, strlen(e->items[i].text));
        cq_str_add_char(out, '\n');
    }
    if (e->more)
        cq_str_printf(out, "and %zu more\n", e->more);
}

void flow_errors_fini(struct flow_errors *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->items[i].text);
    *e = (struct flow_errors){0};
}
