/* Time lines: windows that repeat, where they meet, and how much is taken at most at once. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_state.h"

/* ---- windows ---- */

int64_t span_length(const struct span *s)
{
    return s->end_us - s->start_us;
}

int64_t span_start(const struct span *s, int64_t after_us)
{
    if (after_us < s->end_us)
        return s->start_us;
    if (s->period_us == 0)
        return INT64_MAX;
    return s->start_us + ((after_us - s->end_us) / s->period_us + 1) * s->period_us;
}

/* The shorter period divides the longer one: days and weeks. */
bool spans_may_meet(const struct span *a, const struct span *b)
{
    if (a->period_us == 0 || b->period_us == 0)
        return true;
    int64_t period_us = a->period_us < b->period_us ? a->period_us : b->period_us;
    int64_t phase_us = (b->start_us - a->start_us) % period_us;
    phase_us += phase_us < 0 ? period_us : 0;
    return phase_us < span_length(a) || period_us - phase_us < span_length(b);
}

/* ---- what is taken when ---- */

void timeline_fini(struct timeline *t)
{
    free(t->steps);
    *t = (struct timeline){0};
}

static void add_step(struct timeline *t, int64_t at_us, int64_t cores, int64_t mem_mib)
{
    cq_grow(&t->steps, &t->cap, t->n);
    t->steps[t->n++] = (struct step){at_us, cores, mem_mib};
}

void timeline_add(struct timeline *t, int64_t from_us, int64_t until_us, struct amount a)
{
    if (from_us >= until_us)
        return;
    add_step(t, from_us, (int64_t)a.cores, (int64_t)a.mem_mib);
    add_step(t, until_us, -(int64_t)a.cores, -(int64_t)a.mem_mib);
}

void timeline_add_span(struct timeline *t, const struct span *s, int64_t from_us, int64_t until_us,
                       struct amount a)
{
    int64_t start_us = span_start(s, from_us), length_us = span_length(s);
    while (start_us < until_us) {
        int64_t end_us = start_us + length_us;
        timeline_add(t, start_us > from_us ? start_us : from_us,
                     end_us < until_us ? end_us : until_us, a);
        if (s->period_us == 0)
            return;
        start_us += s->period_us;
    }
}

void timeline_add_common(struct timeline *t, const struct span *s, const struct span *with,
                         int64_t until_us, struct amount a)
{
    if (!spans_may_meet(s, with))
        return;
    if (s->period_us == 0) {
        timeline_add_span(t, with, s->start_us, s->end_us, a);
        return;
    }
    int64_t length_us = span_length(with);
    for (int64_t start_us = with->start_us; start_us < until_us; start_us += with->period_us) {
        timeline_add_span(t, s, start_us, start_us + length_us, a);
        if (with->period_us == 0)
            return;
    }
}

/* What ends at a moment is gone before what begins then. */
static int by_time(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    bool x_rises = x->cores > 0 || x->mem_mib > 0, y_rises = y->cores > 0 || y->mem_mib > 0;
    return x_rises - y_rises;
}

void timeline_sort(struct timeline *t)
{
    if (t->n > 0)
        qsort(t->steps, t->n, sizeof *t->steps, by_time);
}

struct amount timeline_peak(struct timeline *t)
{
    int64_t cores = 0, mem_mib = 0, most_cores = 0, most_mem_mib = 0;
    timeline_sort(t);
    for (size_t i = 0; i < t->n; i++) {
        cores += t->steps[i].cores;
        mem_mib += t->steps[i].mem_mib;
        most_cores = cores > most_cores ? cores : most_cores;
        most_mem_mib = mem_mib > most_mem_mib ? mem_mib : most_mem_mib;
    }
    return (struct amount){(uint64_t)most_cores, (uint64_t)most_mem_mib};
}
