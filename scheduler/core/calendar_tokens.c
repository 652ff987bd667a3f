/* Tokens beside bookings: what these keep, what leases have until their ends, what is left. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_query.h"

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- who holds some ---- */

/* Of a group, that which ends after a moment. What is late may end any moment. */
static uint64_t held_after(const struct core *c, const struct holders_group *g, int64_t wall_us)
{
    if (wall_us <= c->now_wall_us)
        return holders_all(g);
    return holders_after(g, c->policy_us + (wall_us - c->now_wall_us));
}

static uint64_t taken_after(const struct query *q, const struct feature *f, int64_t wall_us)
{
    bool is_there = q->taken && query_lease_end_us(q->core, q->taken) > wall_us;
    return is_there ? tokens_of(&q->taken->tokens, f) : 0;
}

uint64_t booking_tokens_inside(const struct booking *b, const struct feature *f,
                               const struct lease *but)
{
    const struct holders_group *g = holders_in(f, b->id);
    uint64_t own = but && but->booking == b->id ? tokens_of(&but->tokens, f) : 0;
    return g ? holders_all(g) - own : 0;
}

/* The same when the start is, by limits. */
static uint64_t inside_at(const struct query *q, const struct booking *b, const struct feature *f)
{
    const struct holders_group *g = holders_in(f, b->id);
    bool has_own = q->taken && q->taken->booking == b->id;
    uint64_t own = has_own ? taken_after(q, f, q->from_us) : 0;
    return g ? held_after(q->core, g, q->from_us) - own : 0;
}

/* Of those in a group, as many as their booking keeps anyway are counted there. */
static uint64_t kept_for(const struct core *c, const struct holders_group *g,
                         const struct feature *f, int64_t wall_us)
{
    const struct booking *b = g->booking ? booking_find(c, g->booking) : NULL;
    bool keeps = b && b->state == BOOKING_BEGUN && wall_us < b->span.end_us;
    return keeps ? tokens_of(&b->tokens, f) : 0;
}

/* Beside what bookings keep, at a moment. It falls with time, but for ends of bookings. */
static uint64_t held_at(const struct query *q, const struct feature *f, int64_t wall_us)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->holders.n; i++) {
        const struct holders_group *g = &f->holders.groups[i];
        bool has_taken = q->taken && q->taken->booking == g->booking;
        uint64_t taken = has_taken ? taken_after(q, f, wall_us) : 0;
        uint64_t held = held_after(q->core, g, wall_us) - taken;
        uint64_t kept = held > 0 ? kept_for(q->core, g, f, wall_us) : 0;
        sum += held > kept ? held - kept : 0;
    }
    return sum;
}

/* ---- what is kept ---- */

/* What a booking keeps of a feature, as many for those in it included. */
static void add_booking(struct timeline *t, const struct booking *b, const struct feature *f,
                        const struct query *q)
{
    uint64_t booked = tokens_of(&b->tokens, f);
    if (booked == 0)
        return;
    query_add_later(t, b, q, (struct amount){booked, 0});
    if (b->state != BOOKING_BEGUN)
        return;
    query_add_present(t, b, q, (struct amount){booked, 0});
}

static void add_holds(struct timeline *t, const struct query *q, const struct feature *f)
{
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        uint64_t held = tokens_of(&h->job->class->shape->tokens, f);
        if (held > 0 && query_keeps_place(q, h, f))
            query_add_hold(t, q, h, (struct amount){held, 0});
    }
}

/* What its own booking has to give to a start: in this occurrence, or in a later one. */
static uint64_t booked_for(const struct query *q, const struct booking *own,
                           const struct feature *f, uint64_t *inside)
{
    bool is_present = booking_is_active(own) && q->from_us < own->span.end_us;
    bool gives =
        is_present ? own->state == BOOKING_BEGUN : span_start(&own->span, q->from_us) <= q->from_us;
    *inside = is_present ? inside_at(q, own, f) : 0;
    return gives ? tokens_of(&own->tokens, f) : 0;
}

/* Of what it needs, that which its own booking does not have to give. */
static uint64_t beyond_own(const struct query *q, const struct token *need)
{
    const struct booking *own = booking_of(q->core, q->shape);
    uint64_t inside = 0, booked = own ? booked_for(q, own, need->feature, &inside) : 0;
    if (booked == 0)
        return need->count;
    return greater(booked, inside + need->count) - greater(booked, inside);
}

/* ---- too little ---- */

/* From a moment on, until another, nothing begins: what is kept, and what may be held beside it. */
struct stretch {
    int64_t from_us, until_us;
    int64_t most_held;
};

static bool is_too_much(const struct query *q, const struct feature *f, const struct stretch *s,
                        int64_t at_us)
{
    return (int64_t)held_at(q, f, at_us) > s->most_held;
}

/* There is too little at its begin: until enough of those who hold some have ended. */
static int64_t lack_end_us(const struct query *q, const struct feature *f, const struct stretch *s)
{
    int64_t low = s->from_us, high = s->until_us;
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (is_too_much(q, f, s, mid))
            low = mid;
        else
            high = mid;
    }
    return high;
}

/* The first start from which there is enough until its limit, or after all that was looked at. */
static int64_t first_room_us(const struct query *q, const struct feature *f, struct timeline *t,
                             uint64_t want)
{
    int64_t start_us = q->from_us, time_us = q->until_us - q->from_us;
    int64_t end_us = q->until_us + q->look_us;
    int64_t most_held = (int64_t)feature_ours(f) - (int64_t)want;
    timeline_sort(t);
    for (size_t i = 0; i < t->n && t->steps[i].at_us < end_us; i++) {
        struct stretch s = {.from_us = t->steps[i].at_us, .until_us = end_us};
        if (s.from_us >= start_us + time_us)
            return start_us;
        most_held -= t->steps[i].cores;
        if (i + 1 < t->n && t->steps[i + 1].at_us < end_us)
            s.until_us = t->steps[i + 1].at_us;
        s.most_held = most_held;
        if (s.until_us > s.from_us && is_too_much(q, f, &s, s.from_us))
            start_us = lack_end_us(q, f, &s);
    }
    return start_us;
}

static int64_t token_us(const struct query *q, const struct token *need)
{
    const struct feature *f = need->feature;
    uint64_t want = beyond_own(q, need);
    int64_t at_us = q->from_us;
    struct timeline t = {0};
    if (want == 0)
        return at_us;
    for (size_t i = 0; i < q->core->calendar.n; i++)
        add_booking(&t, q->core->calendar.items[i], f, q);
    if (t.n > 0) {
        add_holds(&t, q, f);
        timeline_add(&t, q->from_us, q->until_us,
                     (struct amount){0, 0}); /* no room to begin with */
        at_us = first_room_us(q, f, &t, want);
    }
    timeline_fini(&t);
    return at_us;
}

/* The more it needs beside its booking, the fuller that is: this changes with the ends in it. */
static int64_t next_end_in_own(const struct query *q, const struct feature *f)
{
    const struct booking *own = booking_of(q->core, q->shape);
    const struct holders_group *g = own ? holders_in(f, own->id) : NULL;
    int64_t after_us = q->core->policy_us + (q->from_us - q->core->now_wall_us), end_us;
    bool is_found = g && sumtree_next(&g->ends, after_us, &end_us);
    return is_found ? q->from_us + (end_us - after_us) : INT64_MAX;
}

int64_t query_tokens_us(const struct query *q, struct feature **lacking)
{
    const struct tokens *need = &q->shape->tokens;
    for (size_t i = 0; q->core->calendar.n_with_tokens > 0 && i < need->n; i++) {
        const struct feature *f = need->items[i].feature;
        int64_t at_us = token_us(q, &need->items[i]), end_us;
        if (at_us <= q->from_us)
            continue;
        *lacking = need->items[i].feature;
        end_us = next_end_in_own(q, f);
        return end_us < at_us ? end_us : at_us;
    }
    return q->from_us;
}
