/* When a start may be, beside bookings and holds, if all that runs ends by its limit. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_query.h"

#define LOOK_MAX_US (64 * DAY_US)

/* What is not as it is every day or week ends by `settled_us`: a start that is not to be had in
 * the longest period after it is not to be had at all. */
struct horizon {
    const struct booking **items; /* those that concern the start */
    size_t n, cap;
    int64_t settled_us, period_us; /* wall */
    int64_t look_us;               /* how far the next look goes */
};

static void look_until(struct horizon *z, int64_t end_us)
{
    z->settled_us = end_us > z->settled_us ? end_us : z->settled_us;
}

static void add_booking(struct horizon *z, const struct booking *b)
{
    cq_grow(&z->items, &z->cap, z->n);
    z->items[z->n++] = b;
    if (b->span.period_us > z->period_us)
        z->period_us = b->span.period_us;
    if (booking_is_active(b))
        look_until(z, b->span.end_us);
}

static bool has_any(const struct tokens *t, const struct tokens *wanted)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (tokens_of(t, wanted->items[i].feature) > 0)
            return true;
    return false;
}

static void add_bookings(struct horizon *z, const struct query *q)
{
    const struct calendar *k = &q->core->calendar;
    const struct line *line = calendar_line(q->core, q->worker->name);
    const struct booking *own = booking_of(q->core, q->shape);
    const struct tokens *need = &q->shape->tokens;
    for (size_t i = 0; line && i < line->n; i++)
        add_booking(z, line->slots[i].booking);
    for (size_t i = 0; k->n_with_tokens > 0 && need->n > 0 && i < k->n; i++)
        if (has_any(&k->items[i]->tokens, need))
            add_booking(z, k->items[i]);
    if (own) {
        add_booking(z, own);
        look_until(z, own->span.end_us);
    }
}

static void add_ends(struct horizon *z, const struct query *q)
{
    const struct core *c = q->core;
    const struct tokens *need = &q->shape->tokens;
    for (size_t i = 0; i < q->worker->n_leases; i++)
        look_until(z, query_lease_end_us(c, q->worker->leases[i]));
    for (size_t i = 0; i < need->n; i++) {
        int64_t last_us = holders_last_us(need->items[i].feature);
        if (last_us > c->policy_us)
            look_until(z, c->now_wall_us + (last_us - c->policy_us));
    }
    for (size_t i = 0; i < c->holds.n; i++)
        look_until(z, query_hold_end_us(c, &c->holds.items[i]));
}

/* The last end of those that come once and meet what would be looked at in vain. */
static int64_t last_single_end(const struct horizon *z, const struct query *q)
{
    int64_t last_us = z->settled_us;
    int64_t until_us = z->settled_us + z->period_us + (q->until_us - q->from_us);
    for (size_t i = 0; i < z->n; i++) {
        const struct span *s = &z->items[i]->span;
        if (s->period_us == 0 && s->start_us < until_us && s->end_us > last_us)
            last_us = s->end_us;
    }
    return last_us;
}

static bool is_in_vain(struct horizon *z, const struct query *q, int64_t next_us)
{
    if (next_us == INT64_MAX)
        return true;
    if (z->n == 0) {
        z->settled_us = q->core->now_wall_us;
        add_bookings(z, q);
        add_ends(z, q);
    }
    while (next_us > z->settled_us + z->period_us) {
        int64_t last_us = last_single_end(z, q);
        if (last_us == z->settled_us)
            return true;
        z->settled_us = last_us;
    }
    return false;
}

/* What an occurrence of its own booking does not have, the next one may. */
static int64_t not_before(const struct query *q)
{
    struct feature *lacking;
    const struct booking *own = booking_of(q->core, q->shape);
    int64_t at_us = query_machine_us(q);
    if (at_us <= q->from_us)
        at_us = query_tokens_us(q, &lacking);
    if (own == NULL || at_us <= q->from_us || at_us == INT64_MAX)
        return at_us;
    int64_t begin_us = query_next_begin_us(q, own);
    return begin_us < at_us ? begin_us : at_us;
}

/* At `wall_us`, or *next_us: none before it. The more was in vain, the farther it looks. */
static bool may_start(struct horizon *z, struct query *q, int64_t *next_us)
{
    q->look_us = z->look_us;
    *next_us = not_before(q);
    if (*next_us <= q->from_us)
        return true;
    if (is_in_vain(z, q, *next_us))
        *next_us = INT64_MAX;
    z->look_us = z->look_us == 0 ? DAY_US : 2 * z->look_us;
    z->look_us = z->look_us < LOOK_MAX_US ? z->look_us : LOOK_MAX_US;
    return false;
}

int64_t calendar_earliest(const struct core *c, const struct shape *s, const struct worker *w,
                          const struct hold *own, int64_t from_us)
{
    struct horizon z = {0};
    if (from_us == INT64_MAX || (c->calendar.n == 0 && *s->reservation == '\0'))
        return from_us;
    int64_t wall_us = c->now_wall_us + (from_us - c->policy_us), next_us = wall_us;
    bool is_found = false;
    while (!is_found && next_us < INT64_MAX) {
        wall_us = next_us;
        struct query q = query_of(c, s, w, wall_us);
        q.beside_holds = true;
        q.own = own;
        is_found = may_start(&z, &q, &next_us);
    }
    free(z.items);
    return is_found ? c->policy_us + (wall_us - c->now_wall_us) : INT64_MAX;
}
