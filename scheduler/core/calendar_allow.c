/* The tests of a start against bookings: does it leave each its place, is its own open. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_query.h"

int64_t query_until(int64_t from_us, uint64_t time_us)
{
    return from_us + (time_us < LOOK_AHEAD_US ? (int64_t)time_us : LOOK_AHEAD_US);
}

/* ---- what runs in bookings ---- */

struct amount booking_inside(const struct booking *b, const struct worker *w,
                             const struct lease *but)
{
    struct amount a = {0};
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        if (l == but || l->booking != b->id)
            continue;
        a.cores += l->n_usable;
        a.mem_mib += l->mem_mib;
    }
    return a;
}

bool calendar_has(const struct core *c, const struct lease *l)
{
    const struct booking *b = l->booking ? booking_find(c, l->booking) : NULL;
    return b && b->state == BOOKING_BEGUN && booking_piece(b, l->worker->name);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int64_t greater_time(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

int64_t query_lease_end_us(const struct core *c, const struct lease *l)
{
    return c->now_wall_us + (l->end_us > c->policy_us ? l->end_us - c->policy_us : 1);
}

/* The same when the start is, by limits. */
static struct amount inside_at(const struct booking *b, const struct query *q)
{
    struct amount a = {0};
    for (size_t i = 0; i < q->worker->n_leases; i++) {
        const struct lease *l = q->worker->leases[i];
        if (l == q->taken || l->booking != b->id || query_lease_end_us(q->core, l) <= q->from_us)
            continue;
        a.cores += l->n_usable;
        a.mem_mib += l->mem_mib;
    }
    return a;
}

/* ---- machines ---- */

void query_add_later(struct timeline *t, const struct booking *b, const struct query *q,
                     struct amount a)
{
    struct span later = b->span;
    if (booking_is_active(b)) {
        if (later.period_us == 0)
            return;
        later.start_us += later.period_us;
        later.end_us += later.period_us;
    }
    timeline_add_span(t, &later, q->from_us, q->until_us + q->look_us, a);
}

void query_add_present(struct timeline *t, const struct booking *b, const struct query *q,
                       struct amount a)
{
    int64_t end_us = q->until_us + q->look_us;
    timeline_add(t, q->from_us, b->span.end_us < end_us ? b->span.end_us : end_us, a);
}

/* What one booking keeps of the machine in the query's window, what runs in it included. When it
 * gave back, it keeps nothing: what runs there is like any other. */
static void add_slot(struct timeline *t, const struct slot *slot, const struct query *q)
{
    const struct booking *b = slot->booking;
    const struct amount all = {piece_cores(slot->piece, q->worker),
                               piece_mem_mib(slot->piece, q->worker)};
    query_add_later(t, b, q, all);
    if (b->state != BOOKING_BEGUN)
        return;
    struct amount now = all;
    if (!q->is_alone) {
        struct amount inside = inside_at(b, q);
        now.cores = greater(all.cores, inside.cores);
        now.mem_mib = all.mem_mib > 0 ? greater(all.mem_mib, inside.mem_mib) : 0;
    }
    query_add_present(t, b, q, now);
}

/* While its booking has it, a lease counts there, but for memory that is not booked; it may outlast
 * it when the clock jumped. */
static void add_lease(struct timeline *t, const struct query *q, const struct lease *l)
{
    const struct booking *in = calendar_has(q->core, l) ? booking_find(q->core, l->booking) : NULL;
    int64_t from_us = q->from_us, end_us = query_lease_end_us(q->core, l);
    if (in == NULL) {
        timeline_add(t, from_us, end_us, (struct amount){l->n_usable, l->mem_mib});
        return;
    }
    int64_t beyond_us = greater_time(from_us, in->span.end_us);
    bool has_mem = piece_mem_mib(booking_piece(in, q->worker->name), q->worker) > 0;
    timeline_add(t, beyond_us, end_us, (struct amount){l->n_usable, 0});
    timeline_add(t, has_mem ? beyond_us : from_us, end_us, (struct amount){0, l->mem_mib});
}

static void add_leases(struct timeline *t, const struct query *q)
{
    for (size_t i = 0; !q->is_alone && i < q->worker->n_leases; i++)
        if (q->worker->leases[i] != q->taken)
            add_lease(t, q, q->worker->leases[i]);
}

static struct amount taken_on(const struct worker *w, const struct shape *s)
{
    return s->exclusive ? (struct amount){w->n_cores, w->mem_mib}
                        : (struct amount){s->cores, s->mem_mib};
}

/* ---- holds ---- */

/* What its booking has booked. */
static bool has_place_inside(const struct core *c, const struct hold *h, const struct feature *f)
{
    const struct shape *s = h->job->class->shape;
    const struct booking *b = booking_of(c, s);
    if (*s->reservation == '\0' || b == NULL)
        return *s->reservation != '\0';
    return f ? tokens_of(&b->tokens, f) > 0 : b->n_pieces > 0;
}

/* A claim goes before promises, where its victims are. */
static bool is_asked_beside(const struct query *q, const struct hold *h)
{
    bool is_claimed = q->own && q->own->is_reclaim && q->own->worker == q->worker;
    bool gives_way = is_claimed && !h->is_reclaim;
    return q->beside_holds && h != q->own && !gives_way && h->job->ready > 0;
}

bool query_keeps_place(const struct query *q, const struct hold *h, const struct feature *f)
{
    return is_asked_beside(q, h) && !has_place_inside(q->core, h, f);
}

/* Both have their places in what one booking has of the machine. */
static bool is_inside_too(const struct query *q, const struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    return is_asked_beside(q, h) && h->worker == q->worker && *q->shape->reservation != '\0'
           && has_place_inside(q->core, h, NULL)
           && booking_of(q->core, s) == booking_of(q->core, q->shape);
}

static int64_t hold_begin_us(const struct core *c, const struct hold *h)
{
    int64_t at_us = h->is_reclaim || h->at_us < c->policy_us ? c->policy_us : h->at_us;
    return c->now_wall_us + (at_us - c->policy_us);
}

int64_t query_hold_end_us(const struct core *c, const struct hold *h)
{
    return query_until(hold_begin_us(c, h), h->job->class->shape->time_us);
}

void query_add_hold(struct timeline *t, const struct query *q, const struct hold *h,
                    struct amount a)
{
    timeline_add(t, greater_time(hold_begin_us(q->core, h), q->from_us),
                 query_hold_end_us(q->core, h), a);
}

static void add_holds(struct timeline *t, const struct query *q)
{
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        if (query_keeps_place(q, h, NULL) && h->worker == q->worker)
            query_add_hold(t, q, h, taken_on(q->worker, h->job->class->shape));
    }
}

/* ---- what a start leaves ---- */

static bool is_too_much(const struct query *q, struct amount sum, struct amount more)
{
    return (more.cores > 0 && sum.cores + more.cores > q->worker->n_cores)
           || (more.mem_mib > 0 && sum.mem_mib + more.mem_mib > q->worker->mem_mib);
}

/* The first start from which there is enough until its limit, or after all that was looked at. */
static int64_t first_room_us(const struct query *q, struct timeline *t, struct amount more)
{
    struct amount sum = {0};
    int64_t start_us = q->from_us, time_us = q->until_us - q->from_us;
    bool lacks = false;
    timeline_sort(t);
    for (size_t i = 0; i < t->n && t->steps[i].at_us < q->until_us + q->look_us; i++) {
        int64_t at_us = t->steps[i].at_us;
        bool lacked = lacks;
        if (!lacks && at_us >= start_us + time_us)
            return start_us;
        sum.cores += (uint64_t)t->steps[i].cores;
        sum.mem_mib += (uint64_t)t->steps[i].mem_mib;
        lacks = is_too_much(q, sum, more);
        start_us = lacked && !lacks ? at_us : start_us;
    }
    return lacks ? q->until_us + q->look_us : start_us;
}

/* With so much more, no booking has too little of it at any moment until the limit. */
static int64_t room_us(const struct query *q, struct amount more)
{
    const struct line *line = calendar_line(q->core, q->worker->name);
    struct timeline t = {0};
    int64_t at_us = q->from_us;
    for (size_t i = 0; line && i < line->n; i++)
        add_slot(&t, &line->slots[i], q);
    if (t.n > 0) {
        add_leases(&t, q);
        add_holds(&t, q);
        at_us = first_room_us(q, &t, more);
    }
    timeline_fini(&t);
    return at_us;
}

/* The occurrence in which a start at `from_us` would be. */
static bool is_within(const struct core *c, const struct booking *b, int64_t from_us,
                      int64_t until_us)
{
    if (from_us <= c->now_wall_us || (booking_is_active(b) && from_us < b->span.end_us))
        return booking_is_active(b) && until_us <= b->span.end_us;
    int64_t start_us = span_start(&b->span, from_us);
    return start_us <= from_us && until_us <= start_us + span_length(&b->span);
}

/* The next end of what runs in a booking on the machine. */
static int64_t next_end_inside(const struct query *q, const struct booking *b)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < q->worker->n_leases; i++) {
        const struct lease *l = q->worker->leases[i];
        int64_t end_us = query_lease_end_us(q->core, l);
        if (l != q->taken && l->booking == b->id && end_us > q->from_us && end_us < next_us)
            next_us = end_us;
    }
    return next_us;
}

/* What leases and holds in it have when `at` begins, or when the start does. */
static struct amount inside_with(const struct query *q, const struct booking *b,
                                 const struct hold *at)
{
    struct query then = *q;
    then.from_us = greater_time(hold_begin_us(q->core, at), q->from_us);
    struct amount sum = inside_at(b, &then);
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        bool is_there = hold_begin_us(q->core, h) <= then.from_us
                        && then.from_us < query_hold_end_us(q->core, h);
        if (!is_there || !is_inside_too(q, h))
            continue;
        sum.cores += taken_on(q->worker, h->job->class->shape).cores;
        sum.mem_mib += taken_on(q->worker, h->job->class->shape).mem_mib;
    }
    return sum;
}

/* The end of the first hold in the booking that would not have its place beside the start. */
static int64_t held_inside_until(const struct query *q, const struct booking *b,
                                 const struct amount *all, struct amount wanted)
{
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        int64_t end_us = query_hold_end_us(q->core, h);
        if (!is_inside_too(q, h) || hold_begin_us(q->core, h) >= q->until_us
            || end_us <= q->from_us)
            continue;
        struct amount sum = inside_with(q, b, h);
        if (sum.cores + wanted.cores > all->cores
            || (all->mem_mib != 0 && sum.mem_mib + wanted.mem_mib > all->mem_mib))
            return end_us;
    }
    return q->from_us;
}

/* A start in what its booking has of the machine. Memory that it did not book, as what it gave
 * back, others may have, or keep. */
static int64_t inside_us(const struct query *q, const struct booking *b)
{
    const struct piece *p = booking_piece(b, q->worker->name);
    if (p == NULL)
        return INT64_MAX;
    uint64_t cores = piece_cores(p, q->worker), mem_mib = piece_mem_mib(p, q->worker);
    bool is_now = q->from_us < b->span.end_us;
    struct amount inside = {0}, wanted = taken_on(q->worker, q->shape);
    if (is_now && !q->is_alone)
        inside = inside_at(b, q);
    if (inside.cores + wanted.cores > cores
        || (mem_mib != 0 && inside.mem_mib + wanted.mem_mib > mem_mib))
        return is_now ? next_end_inside(q, b) : INT64_MAX;
    const struct amount all = {cores, mem_mib};
    int64_t held_us = held_inside_until(q, b, &all, wanted);
    if (held_us > q->from_us) {
        int64_t end_us = next_end_inside(q, b);
        return end_us < held_us ? end_us : held_us;
    }
    if (is_now && b->state == BOOKING_GIVEN_BACK)
        return room_us(q, wanted);
    return mem_mib != 0 ? q->from_us : room_us(q, (struct amount){0, wanted.mem_mib});
}

int64_t query_next_begin_us(const struct query *q, const struct booking *b)
{
    int64_t start_us = span_start(&b->span, q->from_us);
    if (q->until_us - q->from_us > span_length(&b->span))
        return INT64_MAX;
    if (start_us <= q->from_us)
        start_us = span_start(&b->span, start_us + span_length(&b->span));
    return start_us > q->from_us ? start_us : INT64_MAX;
}

int64_t query_machine_us(const struct query *q)
{
    const struct booking *b = booking_of(q->core, q->shape);
    if (*q->shape->reservation == '\0')
        return room_us(q, taken_on(q->worker, q->shape));
    if (b == NULL)
        return INT64_MAX;
    if (!is_within(q->core, b, q->from_us, q->until_us))
        return query_next_begin_us(q, b);
    return b->n_pieces > 0 ? inside_us(q, b) : room_us(q, taken_on(q->worker, q->shape));
}

static bool allows(const struct query *q)
{
    return query_machine_us(q) <= q->from_us;
}

struct query query_of(const struct core *c, const struct shape *s, const struct worker *w,
                      int64_t from_us)
{
    return (struct query){.core = c,
                          .shape = s,
                          .worker = w,
                          .from_us = from_us,
                          .until_us = query_until(from_us, s->time_us)};
}

static struct feature *lacking(const struct query *q)
{
    struct feature *f = NULL;
    (void)query_tokens_us(q, &f);
    return f;
}

struct feature *calendar_lacks(const struct core *c, const struct shape *s)
{
    if (c->calendar.n_with_tokens == 0 || s->tokens.n == 0 || !calendar_is_open(c, s))
        return NULL;
    struct query q = query_of(c, s, NULL, c->now_wall_us);
    return lacking(&q);
}

bool calendar_is_open(const struct core *c, const struct shape *s)
{
    if (*s->reservation == '\0')
        return true;
    const struct booking *b = booking_of(c, s);
    int64_t from_us = c->now_wall_us;
    return b && is_within(c, b, from_us, query_until(from_us, s->time_us));
}

/* ---- may it start ---- */

/* When a start behind all that the lease has is over, if each runs to its limit. The one that runs
 * may be late: those behind it have all of their time before them. */
static int64_t over_behind(const struct query *q, const struct lease *l)
{
    uint64_t time_us = q->shape->time_us;
    int64_t most_us = query_until(q->from_us, LOOK_AHEAD_US), ends_us = q->from_us;
    if (l->n > 0) {
        int64_t began_us = l->head_since_us - q->core->policy_us + q->from_us;
        ends_us = greater_time(query_until(began_us, time_us), q->from_us);
    }
    for (size_t i = 0; i < greater(l->n, 1) && ends_us < most_us; i++)
        ends_us = query_until(ends_us, time_us);
    return ends_us < most_us ? ends_us : most_us;
}

/* In the booking in which it began only; with its tokens; behind all that it has, to their limits.
 */
static bool may_go_on(struct query *q, const struct lease *l)
{
    if (l->booking != calendar_id(q->core, q->shape))
        return false;
    q->until_us = over_behind(q, l);
    q->taken = l;
    return allows(q) && lacking(q) == NULL;
}

bool calendar_allows(const struct core *c, const struct shape *s, const struct worker *w,
                     const struct lease *l)
{
    if (c->calendar.n == 0 && *s->reservation == '\0')
        return true;
    struct query q = query_of(c, s, w, c->now_wall_us);
    return l ? may_go_on(&q, l) : allows(&q);
}

bool calendar_allows_at(const struct core *c, const struct shape *s, const struct worker *w,
                        int64_t at_us)
{
    struct query q = query_of(c, s, w, c->now_wall_us + (at_us - c->policy_us));
    return (c->calendar.n == 0 && *s->reservation == '\0') || (allows(&q) && lacking(&q) == NULL);
}

static bool is_held_there(const struct query *q)
{
    for (size_t i = 0; i < q->core->holds.n; i++)
        if (is_inside_too(q, &q->core->holds.items[i])
            || (q->core->holds.items[i].worker == q->worker
                && query_keeps_place(q, &q->core->holds.items[i], NULL)))
            return true;
    return false;
}

/* Of its tokens, some are kept for a hold anywhere. */
static bool are_tokens_held(const struct query *q)
{
    const struct tokens *need = &q->shape->tokens;
    for (size_t i = 0; need->n > 0 && i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        for (size_t k = 0; k < need->n; k++)
            if (tokens_of(&h->job->class->shape->tokens, need->items[k].feature) > 0
                && query_keeps_place(q, h, need->items[k].feature))
                return true;
    }
    return false;
}

bool calendar_leaves_holds(const struct core *c, const struct shape *s, const struct worker *w,
                           const struct lease *l, const struct hold *own)
{
    if (c->calendar.n == 0 || c->holds.n == 0)
        return true;
    struct query q = query_of(c, s, w, c->now_wall_us);
    q.taken = l;
    q.beside_holds = true;
    q.own = own;
    return (!is_held_there(&q) || allows(&q)) && (!are_tokens_held(&q) || lacking(&q) == NULL);
}

bool calendar_could_allow(const struct core *c, const struct shape *s, const struct worker *w)
{
    struct query q = query_of(c, s, w, c->now_wall_us);
    q.is_alone = true;
    return allows(&q);
}
