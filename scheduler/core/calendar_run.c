/* Edges of bookings: what happens when an occurrence begins, gives back, or is over. */
#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_state.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/preempt.h"

/* ---- charges ---- */

/* While it is reserved, a booking pays for what it has; of its jobs' starts that part is free. */
void calendar_rates(const struct core *c, const struct shape *s, const struct placement *at,
                    int64_t *rate, int64_t *inner)
{
    const struct booking *b = booking_of(c, s);
    bool pays = b && b->state == BOOKING_BEGUN;
    bool has_place = pays && b->n_pieces > 0;
    struct tokens rest = {0};
    for (size_t i = 0; i < s->tokens.n; i++)
        if (!pays || tokens_of(&b->tokens, s->tokens.items[i].feature) == 0)
            rest.items[rest.n++] = s->tokens.items[i];
    const struct policy_load load = {has_place ? 0 : bitset_count(&at->cores),
                                     has_place ? 0 : at->mem_mib, &rest};
    policy_charge(c, &load, rate, inner);
}

/* A machine that is down is charged too: what it has is kept from nobody's use but by its fault. */
static void booking_rates(const struct core *c, const struct booking *b, int64_t *rate,
                          int64_t *inner)
{
    struct policy_load load = {.tokens = &b->tokens};
    for (size_t i = 0; i < b->n_pieces; i++) {
        const struct worker *w = worker_named(c, b->pieces[i].node);
        load.cores += w ? piece_cores(&b->pieces[i], w) : 0;
        load.mem_mib += w ? piece_mem_mib(&b->pieces[i], w) : 0;
    }
    policy_charge(c, &load, rate, inner);
    *rate = *rate < RATE_ONE ? *rate : RATE_ONE;
    *inner = *inner < RATE_ONE ? *inner : RATE_ONE;
}

/* ---- what is in the way ---- */

struct victim {
    struct lease *lease;
    struct amount has; /* of what is missing */
    uint64_t lost_core_us;
};

struct victims {
    struct victim *items;
    size_t n, cap;
};

static int by_loss(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->lost_core_us != y->lost_core_us)
        return x->lost_core_us < y->lost_core_us ? -1 : 1;
    return (x->lease->id > y->lease->id) - (x->lease->id < y->lease->id);
}

static bool is_sheltered(const struct core *c, const struct lease *l)
{
    const struct booking *b = l->booking ? booking_find(c, l->booking) : NULL;
    return b && booking_is_active(b);
}

/* What it has comes back by itself, or it asks before it goes on: all that it would run is being
 * stopped. */
static bool is_going(const struct lease *l)
{
    size_t stopped = 0;
    for (size_t i = 0; i < l->n; i++)
        stopped += l->queue[i].task->is_killing || l->queue[i].task->is_requeued;
    return l->is_recalled || stopped == l->n;
}

/* Those on a machine that may be called back: with all they have, or with tokens of a feature. */
static void add_victims(const struct core *c, const struct worker *w, const struct feature *f,
                        struct victims *v)
{
    for (size_t i = 0; i < w->n_leases; i++) {
        struct lease *l = w->leases[i];
        uint64_t tokens = f ? tokens_of(&l->tokens, f) : 0;
        if (l->class == NULL || !l->class->shape->is_preemptible || is_going(l)
            || is_sheltered(c, l) || (f && tokens == 0))
            continue;
        uint64_t run_us = (uint64_t)(c->policy_us - l->head_since_us);
        cq_grow(&v->items, &v->cap, v->n);
        v->items[v->n++] = (struct victim){
            l, f ? (struct amount){tokens, 0} : (struct amount){l->n_usable, l->mem_mib},
            l->n_cores * run_us};
    }
}

static uint64_t rest_of(uint64_t amount, uint64_t part)
{
    return amount > part ? amount - part : 0;
}

static bool is_enough(struct amount got, struct amount missing)
{
    return got.cores >= missing.cores && got.mem_mib >= missing.mem_mib;
}

/* One whose cores are offline, all of them, gives none back. */
static bool helps(struct amount has, struct amount missing)
{
    return (has.cores > 0 && missing.cores > 0) || (has.mem_mib > 0 && missing.mem_mib > 0);
}

/* Takes those who lose least until it is enough; then leaves out who is not needed. Frees them. */
static void call_back(struct core *c, struct victims *v, struct amount missing, int64_t wall_us,
                      struct effects *out)
{
    struct amount got = {0};
    size_t used = 0;
    if (v->n > 0)
        qsort(v->items, v->n, sizeof *v->items, by_loss);
    for (; used < v->n && !is_enough(got, missing); used++) {
        got.cores += v->items[used].has.cores;
        got.mem_mib += v->items[used].has.mem_mib;
    }
    for (size_t i = used; i-- > 0;) {
        const struct victim *one = &v->items[i];
        const struct amount without = {got.cores - one->has.cores, got.mem_mib - one->has.mem_mib};
        if (!helps(one->has, missing) || is_enough(without, missing))
            got = without;
        else
            preempt_lease(c, one->lease, "called back: a booking begins", wall_us, out);
    }
    free(v->items);
}

/* By how much strangers and active bookings together pass what the machine has. */
static struct amount excess_on(const struct core *c, const struct worker *w)
{
    struct amount taken = {0};
    const struct line *line = calendar_line(c, w->name);
    for (size_t i = 0; line && i < line->n; i++) {
        if (line->slots[i].booking->state != BOOKING_BEGUN)
            continue;
        struct amount inside = booking_inside(line->slots[i].booking, w, NULL);
        uint64_t cores = piece_cores(line->slots[i].piece, w);
        uint64_t mem_mib = piece_mem_mib(line->slots[i].piece, w);
        taken.cores += cores > inside.cores ? cores : inside.cores;
        taken.mem_mib += mem_mib > inside.mem_mib ? mem_mib : inside.mem_mib;
    }
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        if (calendar_has(c, l) || is_going(l))
            continue;
        taken.cores += l->n_usable;
        taken.mem_mib += l->mem_mib;
    }
    return (struct amount){rest_of(taken.cores, w->n_cores), rest_of(taken.mem_mib, w->mem_mib)};
}

static void clear_machine(struct core *c, const struct worker *w, int64_t wall_us,
                          struct effects *out)
{
    struct amount excess = excess_on(c, w);
    if (excess.cores == 0 && excess.mem_mib == 0)
        return;
    struct victims v = {0};
    add_victims(c, w, NULL, &v);
    call_back(c, &v, excess, wall_us, out);
}

static uint64_t booked_unused(const struct booking *b, const struct feature *f)
{
    return rest_of(tokens_of(&b->tokens, f), booking_tokens_inside(b, f, NULL));
}

static uint64_t tokens_going(const struct core *c, const struct feature *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->pool.n; i++)
        for (size_t k = 0; k < c->pool.workers[i]->n_leases; k++) {
            const struct lease *l = c->pool.workers[i]->leases[k];
            n += is_going(l) ? tokens_of(&l->tokens, f) : 0;
        }
    return n;
}

/* Tokens that active bookings keep and that others have, but those that come back by themselves, as
 * does what a licence server still shows. */
static uint64_t tokens_missing(const struct core *c, const struct feature *f)
{
    uint64_t kept = 0;
    for (size_t i = 0; i < c->calendar.n; i++)
        if (c->calendar.items[i]->state == BOOKING_BEGUN)
            kept += booked_unused(c->calendar.items[i], f);
    return rest_of(kept + f->used, feature_ours(f) + tokens_going(c, f));
}

static void clear_feature(struct core *c, const struct feature *f, int64_t wall_us,
                          struct effects *out)
{
    struct victims v = {0};
    uint64_t missing = tokens_missing(c, f);
    if (missing == 0)
        return;
    for (size_t i = 0; i < c->pool.n; i++)
        add_victims(c, c->pool.workers[i], f, &v);
    call_back(c, &v, (struct amount){missing, 0}, wall_us, out);
}

static void clear_way(struct core *c, const struct booking *b, int64_t wall_us, struct effects *out)
{
    for (size_t i = 0; i < b->n_pieces; i++) {
        const struct worker *w = worker_named(c, b->pieces[i].node);
        if (w && w->is_up)
            clear_machine(c, w, wall_us, out);
    }
    for (size_t i = 0; i < b->tokens.n; i++)
        clear_feature(c, b->tokens.items[i].feature, wall_us, out);
}

/* ---- edges ---- */

static void emit_edge(struct core *c, const struct booking *b, enum booking_state state,
                      int64_t start_us, struct effects *out)
{
    struct record *r = record_new(RECORD_RESERVATION_EDGE);
    r->u.reservation_edge = (struct reservation_edge){.id = b->id,
                                                      .state = state,
                                                      .start_us = start_us,
                                                      .policy_us = c->policy_us,
                                                      .at_us = c->now_wall_us};
    if (state == BOOKING_BEGUN)
        booking_rates(c, b, &r->u.reservation_edge.rate, &r->u.reservation_edge.inner_rate);
    core_emit(c, out, r);
}

void booking_emit_remove(struct core *c, const struct booking *b, uint64_t principal,
                         struct effects *out)
{
    if (booking_is_active(b))
        emit_edge(c, b, BOOKING_AHEAD, b->span.start_us, out);
    struct record *r = record_new(RECORD_RESERVATION_REMOVE);
    r->u.reservation_remove =
        (struct reservation_remove){.id = b->id, .principal = principal, .at_us = c->now_wall_us};
    core_emit(c, out, r);
}

/* The occurrence that a clock sees at `wall_us`, none that is over or was entered already. */
static int64_t next_start(const struct booking *b, int64_t wall_us)
{
    int64_t over_us = booking_is_active(b) ? b->span.end_us : b->span.start_us;
    return span_start(&b->span, over_us > wall_us ? over_us : wall_us);
}

/* One edge of one booking; it is due. */
static void pass_edge(struct core *c, const struct booking *b, int64_t wall_us, struct effects *out)
{
    bool is_over = wall_us >= b->span.end_us;
    if (b->node->enterprise->is_removed
        || (is_over && b->state == BOOKING_AHEAD && b->every_days == 0)) {
        booking_emit_remove(c, b, 0, out);
    } else if (b->state == BOOKING_BEGUN && booking_edge_us(b) < b->span.end_us) {
        emit_edge(c, b, BOOKING_GIVEN_BACK, b->span.start_us, out);
    } else if (is_over) {
        int64_t start_us = next_start(b, wall_us);
        emit_edge(c, b, BOOKING_AHEAD, start_us < INT64_MAX ? start_us : b->span.start_us, out);
    } else {
        emit_edge(c, b, BOOKING_BEGUN, b->span.start_us, out);
    }
}

static const struct booking *first_due(const struct core *c)
{
    const struct booking *first = NULL;
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        if (first == NULL || booking_edge_us(b) < booking_edge_us(first))
            first = b;
    }
    return first;
}

/* Shapes that a booking, or what ran beside one, had shut. */
static void wake(struct core *c)
{
    for (size_t i = c->queue.shut.n; i-- > 0;) {
        struct shape *s = c->queue.shut.items[i];
        if (s->why == WAIT_BOOKED || s->why == WAIT_BOOKING || s->why == WAIT_LICENCE
            || s->why == WAIT_CAPACITY || s->why == WAIT_RESERVED)
            queue_open(c, s);
    }
    queue_wake_withheld(c); /* whole machines too large for a limit: a smaller one may be free */
}

/* After all edges: what ends at a moment is not in the way of what begins then. */
static void clear_ways(struct core *c, int64_t wall_us, struct effects *out)
{
    c->calendar.is_unclear = false;
    for (size_t i = 0; i < c->calendar.n; i++)
        if (c->calendar.items[i]->state == BOOKING_BEGUN)
            clear_way(c, c->calendar.items[i], wall_us, out);
}

void calendar_run(struct core *c, int64_t wall_us, struct effects *out)
{
    struct calendar *k = &c->calendar;
    bool is_set_back = wall_us < k->seen_us && k->n > 0; /* bookings are farther away than before */
    k->seen_us = wall_us;
    while (k->next_us <= wall_us)
        pass_edge(c, first_due(c), wall_us, out);
    if (k->is_unclear)
        clear_ways(c, wall_us, out);
    if (k->is_changed || is_set_back)
        wake(c);
    k->is_changed = false;
}
