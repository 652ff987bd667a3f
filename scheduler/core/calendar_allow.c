/* The tests of a start against bookings: does it leave each its place, is its own open. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_state.h"

#define LOOK_AHEAD_US (800 * DAY_US) /* no booking begins later */
enum { LATER_TRIES_MAX = 64 };

static int64_t until_of(int64_t from_us, uint64_t time_us)
{
    return from_us + (time_us < LOOK_AHEAD_US ? (int64_t)time_us : LOOK_AHEAD_US);
}

/* One question about a start: where, from when, until when. */
struct query {
    const struct core *core;
    const struct shape *shape;
    const struct worker *worker;
    const struct lease *taken; /* what it takes over, or NULL */
    int64_t from_us, until_us; /* wall */
    bool is_alone;             /* as if no lease were there */
    bool beside_holds;         /* each keeps its place too, from its time on; */
    const struct hold *own;    /* but for this one, or NULL */
};

/* ---- what runs in bookings ---- */

struct amount booking_inside(const struct booking *b, const struct worker *w,
                             const struct lease *but)
{
    struct amount a = {0};
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        if (l == but || l->booking != b->id)
            continue;
        a.cores += l->n_cores;
        a.mem_mib += l->mem_mib;
    }
    return a;
}

bool calendar_has(const struct core *c, const struct lease *l)
{
    const struct booking *b = l->booking ? booking_find(c, l->booking) : NULL;
    return b && b->state == BOOKING_BEGUN && booking_piece(b, l->worker->name);
}

/* A sum: the order of the map does not show. */
uint64_t booking_tokens_inside(const struct core *c, const struct booking *b,
                               const struct feature *f, const struct lease *but)
{
    uint64_t n = 0;
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        n += l != but && l->booking == b->id ? tokens_of(&l->tokens, f) : 0;
    }
    return n;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int64_t greater_time(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

/* When a lease ends by its limit, wall time; one that is late may end any moment. */
static int64_t lease_end_us(const struct core *c, const struct lease *l)
{
    int64_t left_us = l->end_us - c->policy_us;
    return c->now_wall_us + (left_us > 0 ? left_us : 1);
}

/* ---- machines ---- */

static void add_later(struct timeline *t, const struct booking *b, const struct query *q,
                      struct amount a)
{
    struct span later = b->span;
    if (booking_is_active(b)) {
        if (later.period_us == 0)
            return;
        later.start_us += later.period_us;
        later.end_us += later.period_us;
    }
    timeline_add_span(t, &later, q->from_us, q->until_us, a);
}

/* What one booking keeps of the machine in the query's window, what runs in it included. When it
 * gave back, it keeps nothing: what runs there is like any other. */
static void add_slot(struct timeline *t, const struct slot *slot, const struct query *q)
{
    const struct booking *b = slot->booking;
    const struct amount all = {piece_cores(slot->piece, q->worker),
                               piece_mem_mib(slot->piece, q->worker)};
    add_later(t, b, q, all);
    if (b->state != BOOKING_BEGUN)
        return;
    struct amount now = all;
    if (!q->is_alone) {
        struct amount inside = booking_inside(b, q->worker, q->taken);
        now.cores = greater(all.cores, inside.cores);
        now.mem_mib = greater(all.mem_mib, inside.mem_mib);
    }
    int64_t end_us = b->span.end_us < q->until_us ? b->span.end_us : q->until_us;
    timeline_add(t, q->from_us, end_us, now);
}

/* While its booking has it, a lease counts there; it may outlast it when the clock jumped. */
static void add_lease(struct timeline *t, const struct query *q, const struct lease *l,
                      const struct booking *within, struct amount a)
{
    int64_t from_us = within ? greater_time(q->from_us, within->span.end_us) : q->from_us;
    timeline_add(t, from_us, lease_end_us(q->core, l), a);
}

static void add_leases(struct timeline *t, const struct query *q)
{
    for (size_t i = 0; !q->is_alone && i < q->worker->n_leases; i++) {
        const struct lease *l = q->worker->leases[i];
        if (l != q->taken)
            add_lease(t, q, l, calendar_has(q->core, l) ? booking_find(q->core, l->booking) : NULL,
                      (struct amount){l->n_cores, l->mem_mib});
    }
}

static struct amount taken_on(const struct worker *w, const struct shape *s)
{
    return s->exclusive ? (struct amount){w->n_cores, w->mem_mib}
                        : (struct amount){s->cores, s->mem_mib};
}

static struct amount wanted_of(const struct query *q)
{
    return taken_on(q->worker, q->shape);
}

/* ---- holds ---- */

/* A job in a booking has its place there. A claim goes before promises, where its victims are. */
static bool keeps_place(const struct query *q, const struct hold *h)
{
    bool is_claimed = q->own && q->own->is_reclaim && q->own->worker == q->worker;
    bool gives_way = is_claimed && !h->is_reclaim;
    return q->beside_holds && h != q->own && !gives_way && h->job->ready > 0
           && *h->job->class->shape->reservation == '\0';
}

static void add_hold(struct timeline *t, const struct query *q, const struct hold *h,
                     struct amount a)
{
    const struct core *c = q->core;
    int64_t at_us = h->is_reclaim || h->at_us < c->policy_us ? c->policy_us : h->at_us;
    int64_t begins_us = c->now_wall_us + (at_us - c->policy_us);
    int64_t ends_us = until_of(begins_us, h->job->class->shape->time_us);
    timeline_add(t, greater_time(begins_us, q->from_us), ends_us, a);
}

static void add_holds(struct timeline *t, const struct query *q)
{
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        if (keeps_place(q, h) && h->worker == q->worker)
            add_hold(t, q, h, taken_on(q->worker, h->job->class->shape));
    }
}

static void add_token_holds(struct timeline *t, const struct query *q, const struct feature *f)
{
    for (size_t i = 0; i < q->core->holds.n; i++) {
        const struct hold *h = &q->core->holds.items[i];
        uint64_t held = tokens_of(&h->job->class->shape->tokens, f);
        if (keeps_place(q, h) && held > 0)
            add_hold(t, q, h, (struct amount){held, 0});
    }
}

/* ---- what a start leaves ---- */

/* With so much more, no booking has too little of it at any moment until the limit. */
static bool leaves_room(const struct query *q, struct amount more)
{
    const struct line *line = calendar_line(q->core, q->worker->name);
    const struct worker *w = q->worker;
    struct timeline t = {0};
    for (size_t i = 0; line && i < line->n; i++)
        add_slot(&t, &line->slots[i], q);
    bool ok = t.n == 0;
    if (!ok) {
        add_leases(&t, q);
        add_holds(&t, q);
        timeline_add(&t, q->from_us, q->until_us, more);
        struct amount most = timeline_peak(&t);
        ok = (more.cores == 0 || most.cores <= w->n_cores)
             && (more.mem_mib == 0 || most.mem_mib <= w->mem_mib);
    }
    timeline_fini(&t);
    return ok;
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

/* A start in what its booking has of the machine. Memory that it did not book, as what it gave
 * back, others may have, or keep. */
static bool fits_inside(const struct query *q, const struct booking *b)
{
    const struct piece *p = booking_piece(b, q->worker->name);
    if (p == NULL)
        return false;
    uint64_t cores = piece_cores(p, q->worker), mem_mib = piece_mem_mib(p, q->worker);
    bool is_now = q->from_us < b->span.end_us;
    struct amount inside = {0}, wanted = wanted_of(q);
    if (is_now && !q->is_alone)
        inside = booking_inside(b, q->worker, q->taken);
    if (inside.cores + wanted.cores > cores
        || (mem_mib != 0 && inside.mem_mib + wanted.mem_mib > mem_mib))
        return false;
    if (is_now && b->state == BOOKING_GIVEN_BACK)
        return leaves_room(q, wanted);
    return mem_mib != 0 || leaves_room(q, (struct amount){0, wanted.mem_mib});
}

static bool allows(const struct query *q)
{
    if (*q->shape->reservation == '\0')
        return leaves_room(q, wanted_of(q));
    const struct booking *b = booking_of(q->core, q->shape);
    if (b == NULL || !is_within(q->core, b, q->from_us, q->until_us))
        return false;
    return b->n_pieces > 0 ? fits_inside(q, b) : leaves_room(q, wanted_of(q));
}

static struct query query_of(const struct core *c, const struct shape *s, const struct worker *w,
                             int64_t from_us)
{
    return (struct query){.core = c,
                          .shape = s,
                          .worker = w,
                          .from_us = from_us,
                          .until_us = until_of(from_us, s->time_us)};
}

/* ---- tokens ---- */

/* What a booking keeps of a feature, those in it included. */
static void add_tokens(struct timeline *t, const struct booking *b, const struct feature *f,
                       const struct query *q)
{
    uint64_t booked = tokens_of(&b->tokens, f);
    if (booked == 0)
        return;
    add_later(t, b, q, (struct amount){booked, 0});
    if (b->state != BOOKING_BEGUN)
        return;
    uint64_t inside = booking_tokens_inside(q->core, b, f, q->taken);
    int64_t end_us = b->span.end_us < q->until_us ? b->span.end_us : q->until_us;
    timeline_add(t, q->from_us, end_us, (struct amount){greater(booked, inside), 0});
}

/* That the tokens of a lease are of, or NULL. */
static const struct booking *token_booking(const struct core *c, const struct lease *l,
                                           const struct feature *f)
{
    const struct booking *b = l->booking ? booking_find(c, l->booking) : NULL;
    return b && b->state == BOOKING_BEGUN && tokens_of(&b->tokens, f) > 0 ? b : NULL;
}

/* Sums of steps: the order of the map does not show in the peak. */
static void add_holders(struct timeline *t, const struct feature *f, const struct query *q)
{
    void *item;
    for (size_t i = 0; map_next(&q->core->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        uint64_t held = tokens_of(&l->tokens, f);
        if (held > 0 && l != q->taken)
            add_lease(t, q, l, token_booking(q->core, l, f), (struct amount){held, 0});
    }
}

/* Of what a start needs, that which its own booking does not have to give. */
static uint64_t beyond_own(const struct query *q, const struct token *need)
{
    const struct booking *own = booking_of(q->core, q->shape);
    uint64_t booked =
        own && own->state == BOOKING_BEGUN ? tokens_of(&own->tokens, need->feature) : 0;
    if (booked == 0)
        return need->count;
    uint64_t inside = booking_tokens_inside(q->core, own, need->feature, q->taken);
    return greater(booked, inside + need->count) - greater(booked, inside);
}

static bool lacks(const struct query *q, const struct token *need)
{
    const struct feature *f = need->feature;
    uint64_t want = beyond_own(q, need);
    struct timeline t = {0};
    if (want == 0)
        return false;
    for (size_t i = 0; i < q->core->calendar.n; i++)
        add_tokens(&t, q->core->calendar.items[i], f, q);
    bool yes = false;
    if (t.n > 0) {
        add_holders(&t, f, q);
        add_token_holds(&t, q, f);
        timeline_add(&t, q->from_us, q->until_us, (struct amount){want, 0});
        yes = timeline_peak(&t).cores > feature_ours(f);
    }
    timeline_fini(&t);
    return yes;
}

static struct feature *lacking(const struct query *q)
{
    const struct tokens *need = &q->shape->tokens;
    for (size_t i = 0; q->core->calendar.n_with_tokens > 0 && i < need->n; i++)
        if (lacks(q, &need->items[i]))
            return need->items[i].feature;
    return NULL;
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
    return b && is_within(c, b, from_us, until_of(from_us, s->time_us));
}

/* ---- may it start ---- */

/* When a start behind all that the lease has is over, if each runs to its limit. The one that runs
 * may be late: those behind it have all of their time before them. */
static int64_t over_behind(const struct query *q, const struct lease *l)
{
    uint64_t time_us = q->shape->time_us;
    int64_t most_us = until_of(q->from_us, LOOK_AHEAD_US), ends_us = q->from_us;
    if (l->n > 0) {
        int64_t began_us = l->head_since_us - q->core->policy_us + q->from_us;
        ends_us = greater_time(until_of(began_us, time_us), q->from_us);
    }
    for (size_t i = 0; i < greater(l->n, 1) && ends_us < most_us; i++)
        ends_us = until_of(ends_us, time_us);
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

bool calendar_leaves_holds(const struct core *c, const struct shape *s, const struct worker *w,
                           const struct lease *l, const struct hold *own)
{
    if (c->calendar.n == 0 || c->holds.n == 0)
        return true;
    struct query q = query_of(c, s, w, c->now_wall_us);
    q.taken = l;
    q.beside_holds = true;
    q.own = own;
    return allows(&q) && lacking(&q) == NULL;
}

bool calendar_could_allow(const struct core *c, const struct shape *s, const struct worker *w)
{
    struct query q = query_of(c, s, w, c->now_wall_us);
    q.is_alone = true;
    return allows(&q);
}

/* ---- when it may start ---- */

static int64_t sooner(int64_t a_us, int64_t b_us, int64_t after_us)
{
    return b_us > after_us && b_us < a_us ? b_us : a_us;
}

/* The end of the occurrence that is then, or next. */
static int64_t end_after(const struct span *s, int64_t wall_us)
{
    int64_t start_us = span_start(s, wall_us);
    return start_us < INT64_MAX ? start_us + span_length(s) : INT64_MAX;
}

static bool has_any(const struct tokens *t, const struct tokens *wanted)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (tokens_of(t, wanted->items[i].feature) > 0)
            return true;
    return false;
}

/* The same for tokens: `next_us`, or the end of a booking or lease that has such. */
static int64_t tokens_chance(const struct core *c, const struct shape *s, int64_t wall_us,
                             int64_t next_us)
{
    void *item;
    for (size_t i = 0; c->calendar.n_with_tokens > 0 && i < c->calendar.n; i++)
        if (has_any(&c->calendar.items[i]->tokens, &s->tokens))
            next_us = sooner(next_us, end_after(&c->calendar.items[i]->span, wall_us), wall_us);
    if (c->calendar.n_with_tokens == 0 || s->tokens.n == 0)
        return next_us;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);)
        if (has_any(&((struct lease *)item)->tokens, &s->tokens))
            next_us = sooner(next_us, lease_end_us(c, item), wall_us);
    return next_us;
}

/* The next moment after `wall_us` at which the answer can change to yes. */
static int64_t next_chance(const struct core *c, const struct shape *s, const struct worker *w,
                           int64_t wall_us)
{
    int64_t next_us = INT64_MAX;
    const struct booking *own = booking_of(c, s);
    const struct line *line = calendar_line(c, w->name);
    if (own) {
        int64_t start_us = span_start(&own->span, wall_us);
        if (start_us <= wall_us)
            start_us = span_start(&own->span, start_us + span_length(&own->span));
        next_us = sooner(next_us, start_us, wall_us);
    }
    for (size_t i = 0; line && i < line->n; i++)
        next_us = sooner(next_us, end_after(&line->slots[i].booking->span, wall_us), wall_us);
    for (size_t i = 0; i < w->n_leases; i++)
        next_us = sooner(next_us, lease_end_us(c, w->leases[i]), wall_us);
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        int64_t at_us = c->now_wall_us + (h->at_us - c->policy_us);
        next_us = sooner(next_us, until_of(at_us, h->job->class->shape->time_us), wall_us);
    }
    return tokens_chance(c, s, wall_us, next_us);
}

int64_t calendar_earliest(const struct core *c, const struct shape *s, const struct worker *w,
                          const struct hold *own, int64_t from_us)
{
    if (from_us == INT64_MAX || (c->calendar.n == 0 && *s->reservation == '\0'))
        return from_us;
    int64_t wall_us = c->now_wall_us + (from_us - c->policy_us);
    for (int tries = 0; tries < LATER_TRIES_MAX && wall_us < INT64_MAX; tries++) {
        struct query q = query_of(c, s, w, wall_us);
        q.beside_holds = true;
        q.own = own;
        if (allows(&q) && lacking(&q) == NULL)
            return c->policy_us + (wall_us - c->now_wall_us);
        wall_us = next_chance(c, s, w, wall_us);
    }
    return INT64_MAX;
}
