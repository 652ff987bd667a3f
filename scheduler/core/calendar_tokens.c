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

/* While their booking has tokens, those who run in it are counted there. */
static bool is_counted(const struct core *c, uint64_t booking, const struct feature *f,
                       int64_t wall_us)
{
    const struct booking *b = booking ? booking_find(c, booking) : NULL;
    return b && b->state == BOOKING_BEGUN && tokens_of(&b->tokens, f) > 0
           && wall_us < b->span.end_us;
}

/* Beside bookings, at a moment. It falls with time, but for ends of bookings. */
static uint64_t held_at(const struct query *q, const struct feature *f, int64_t wall_us)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->holders.n; i++) {
        const struct holders_group *g = &f->holders.groups[i];
        if (!is_counted(q->core, g->booking, f, wall_us))
            sum += held_after(q->core, g, wall_us);
    }
    if (q->taken && !is_counted(q->core, q->taken->booking, f, wall_us))
        sum -= taken_after(q, f, wall_us);
    return sum;
}

/* ---- what is kept ---- */

/* What a booking keeps of a feature, those in it included. */
static void add_booking(struct timeline *t, const struct booking *b, const struct feature *f,
                        const struct query *q)
{
    uint64_t booked = tokens_of(&b->tokens, f);
    if (booked == 0)
        return;
    query_add_later(t, b, q, (struct amount){booked, 0});
    if (b->state != BOOKING_BEGUN)
        return;
    int64_t end_us = b->span.end_us < q->until_us ? b->span.end_us : q->until_us;
    timeline_add(t, q->from_us, end_us, (struct amount){greater(booked, inside_at(q, b, f)), 0});
}

static void add_holds(struct timeline *t, const struct query *q, const struct feature *f)
{
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        uint64_t held = tokens_of(&h->job->class->shape->tokens, f);
        if (query_keeps_place(q, h) && held > 0)
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

/* From a moment on there is too little, until another: nothing begins between them. */
struct lack {
    int64_t from_us, until_us;
    uint64_t kept, most; /* beside those who hold some; of all */
};

/* When enough of them has ended. */
static int64_t lack_end_us(const struct query *q, const struct feature *f, const struct lack *l)
{
    int64_t low = l->from_us, high = l->until_us;
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (l->kept + held_at(q, f, mid) > l->most)
            low = mid;
        else
            high = mid;
    }
    return high;
}

/* No start before the end of the last moment until the limit at which there is too little. */
static int64_t too_little_until(const struct query *q, const struct feature *f, struct timeline *t)
{
    struct lack last = {.most = feature_ours(f)};
    uint64_t kept = 0;
    bool lacks = false;
    timeline_sort(t);
    for (size_t i = 0; i < t->n && t->steps[i].at_us < q->until_us; i++) {
        int64_t at_us = t->steps[i].at_us;
        int64_t next_us = i + 1 < t->n ? t->steps[i + 1].at_us : q->until_us;
        kept += (uint64_t)t->steps[i].cores;
        if (next_us == at_us || kept + held_at(q, f, at_us) <= last.most)
            continue;
        lacks = true;
        last.kept = kept;
        last.from_us = at_us;
        last.until_us = next_us < q->until_us ? next_us : q->until_us;
    }
    return lacks ? lack_end_us(q, f, &last) : q->from_us;
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
        timeline_add(&t, q->from_us, q->until_us, (struct amount){want, 0});
        at_us = too_little_until(q, f, &t);
    }
    timeline_fini(&t);
    return at_us;
}

int64_t query_tokens_us(const struct query *q, struct feature **lacking)
{
    const struct tokens *need = &q->shape->tokens;
    for (size_t i = 0; q->core->calendar.n_with_tokens > 0 && i < need->n; i++) {
        int64_t at_us = token_us(q, &need->items[i]);
        if (at_us <= q->from_us)
            continue;
        *lacking = need->items[i].feature;
        return at_us;
    }
    return q->from_us;
}
