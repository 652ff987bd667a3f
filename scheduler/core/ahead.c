/* Leases with more than one attempt, by since when the first may run. */
#include "scheduler/core/ahead.h"

#include "scheduler/core/core_state.h"

enum { LATE_AHEADS = 4 }; /* so many times what is queued ahead is meant to last */

static bool less(const void *a, const void *b)
{
    const struct lease *x = a, *y = b;
    return x->head_since_us != y->head_since_us ? x->head_since_us < y->head_since_us
                                                : x->id < y->id;
}

static void set_index(void *item, size_t index)
{
    ((struct lease *)item)->ahead_index = index;
}

void ahead_init(struct core *c)
{
    heap_init(&c->leases.ahead, less, set_index);
}

void ahead_fini(struct core *c)
{
    heap_fini(&c->leases.ahead);
}

static bool is_called_back(const struct lease *l)
{
    for (size_t i = 1; i < l->n; i++)
        if (!l->queue[i].task->is_requeued && !l->queue[i].task->is_killing)
            return false;
    return true;
}

void ahead_update(struct core *c, struct lease *l)
{
    struct heap *h = &c->leases.ahead;
    bool wants = l->n > 1 && !is_called_back(l), is_in = l->ahead_index != HEAP_NOWHERE;
    if (wants && is_in)
        heap_fix(h, l->ahead_index);
    else if (wants)
        heap_push(h, l);
    else if (is_in)
        heap_remove(h, l->ahead_index);
}

static int64_t late_us(const struct core *c)
{
    return LATE_AHEADS * c->config.ahead_us;
}

bool ahead_is_late(const struct core *c, const struct lease *l)
{
    return l->n > 0 && c->policy_us - l->head_since_us >= late_us(c);
}

void ahead_call_back(struct core *c, struct lease *l, const char *why, int64_t wall_us,
                     struct effects *out)
{
    for (size_t i = 1; i < l->n; i++) {
        const struct lease_item *it = &l->queue[i];
        const struct out_attempt at = {
            .job = {it->job->id}, .task = it->task->number, .attempt = it->attempt};
        if (it->task->is_requeued || it->task->is_killing)
            continue;
        struct record *r = record_new(RECORD_TASK_REQUEUE);
        r->u.task_requeue = (struct task_requeue){.job = it->job->id,
                                                  .task = it->task->number,
                                                  .attempt = it->attempt,
                                                  .at_us = wall_us,
                                                  .policy_us = c->policy_us};
        core_emit(c, out, r);
        lease_send_kill(c, l, &at, why, out);
    }
    ahead_update(c, l);
}

void ahead_run(struct core *c, int64_t wall_us, struct effects *out)
{
    struct lease *l;
    while ((l = heap_top(&c->leases.ahead)) && ahead_is_late(c, l))
        ahead_call_back(c, l, "called back: what runs before it takes long", wall_us, out);
}

int64_t ahead_next_us(const struct core *c)
{
    const struct lease *l = heap_top(&c->leases.ahead);
    return l ? l->head_since_us + late_us(c) : INT64_MAX;
}
