/* Named numbers that a tool reported. */
#include "plugins/sdk/metrics.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

#include <ctype.h>
#include <math.h>

void metrics_fini(struct metrics *m)
{
    free(m->items);
    *m = (struct metrics){0};
}

static void clean_name(const char *name, char *out)
{
    (void)cq_copy_text(out, METRIC_NAME_MAX, name);
    for (char *c = out; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
}

static struct metric *find(const struct metrics *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].name, name) == 0)
            return &m->items[i];
    return NULL;
}

/* A new one at the end; NULL when the list is full. */
static struct metric *append(struct metrics *m, const char *name)
{
    if (m->count == METRICS_MAX)
        return NULL;
    cq_grow(&m->items, &m->cap, m->count);
    struct metric *metric = &m->items[m->count++];
    (void)cq_copy_text(metric->name, sizeof metric->name, name);
    return metric;
}

void metrics_set(struct metrics *m, const char *name, double value)
{
    char clean[METRIC_NAME_MAX];
    clean_name(name, clean);
    struct metric *metric = isfinite(value) ? find(m, clean) : NULL;
    if (!metric && isfinite(value))
        metric = append(m, clean);
    if (metric)
        metric->value = value;
    else
        m->left_off++;
}

bool metrics_get(const struct metrics *m, const char *name, double *value)
{
    const struct metric *metric = find(m, name);
    if (!metric)
        return false;
    *value = metric->value;
    return true;
}

bool metrics_read_line(struct metrics *m, const char *line)
{
    static const char prefix[] = "chipq-metric: ";
    if (!cq_str_starts(line, prefix))
        return false;
    const char *name = line + sizeof prefix - 1;
    size_t len = strcspn(name, " ");
    char *end = NULL;
    double value = strtod(name + len, &end);
    if (len == 0 || len >= METRIC_NAME_MAX || end == name + len || *end != '\0')
        return false;
    char copy[METRIC_NAME_MAX];
    memcpy(copy, name, len);
    copy[len] = '\0';
    metrics_set(m, copy, value);
    return true;
}
