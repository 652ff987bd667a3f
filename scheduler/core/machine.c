/* Whole machines: what an exclusive start takes at least, kept as machines come and go. */
#include "scheduler/core/machine.h"

#include "scheduler/core/core_state.h"
#include "scheduler/core/placement.h"

uint64_t machine_core_us(uint64_t cores, uint64_t time_us)
{
    return time_us < UINT64_MAX / (cores + 1) ? cores * time_us : UINT64_MAX / 2;
}

static bool is_smaller(const struct worker *w, const struct shape *s)
{
    return w->n_cores < s->least_cores
           || (w->n_cores == s->least_cores && w->mem_mib < s->least_mem_mib);
}

/* A whole machine is at least the smallest that could hold it; what was asked when none can. */
void machine_size_shape(const struct core *c, struct shape *s)
{
    s->least_cores = s->cores;
    s->least_mem_mib = s->mem_mib;
    s->has_machine = false;
    for (size_t i = 0; s->exclusive && i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!w->is_up || !placement_could_fit(s, w) || (s->has_machine && !is_smaller(w, s)))
            continue;
        s->least_cores = w->n_cores;
        s->least_mem_mib = w->mem_mib;
        s->has_machine = true;
    }
}

/* The machine that came or went may be the smallest: only then all are looked at. */
static bool resize(const struct core *c, struct shape *s, const struct worker *w,
                   struct machine_size old)
{
    uint64_t cores = s->least_cores, mem_mib = s->least_mem_mib;
    bool was_least = s->has_machine && cores == old.cores && mem_mib == old.mem_mib;
    bool comes = w->is_up && (!s->has_machine || is_smaller(w, s)) && placement_could_fit(s, w);
    if (!s->exclusive || (!was_least && !comes))
        return false;
    machine_size_shape(c, s);
    return s->least_cores != cores || s->least_mem_mib != mem_mib;
}

/* Guarantees and limits see whole machines of new sizes. The order of the map does not show: each
 * shape's size is its own, and nodes are woken in their order. */
void machine_changed(struct core *c, const struct worker *w, struct machine_size old)
{
    bool is_changed = false;
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_shape, &i, &item);)
        for (struct shape *s = item; s; s = s->next_same_hash)
            is_changed |= resize(c, s, w, old);
    for (size_t i = 0; is_changed && i < c->share.n_all; i++) {
        queue_node_changed(c, c->share.all[i]);
        queue_wake_limits(c, c->share.all[i]);
    }
}
