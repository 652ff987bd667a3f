/* What must hold of bookings at each step of a random history.
 *
 * Edges are passed when the wall clock is there, and none is undone when it is set back. Bookings
 * fit beside each other when they are made. A start leaves each booking its place at every moment
 * until its limit; inside one it ends with it, is of whom it is for, and stays within what it has;
 * and the calendar lets in whoever this count would. What is in the way at a begin was there
 * before, or the clock jumped; of it, all that can be called back is called back, and nothing
 * else. */
#ifndef CHIPQ_TEST_POLICY_BOOKINGS_H
#define CHIPQ_TEST_POLICY_BOOKINGS_H

#include "scheduler/core/placement.h"
#include "tests/trace/policy_book.h"

/* ---- starts ---- */

static void fail_at(const struct play *p, const struct lease *l, struct what x, int64_t at_us,
                    const char *what)
{
    char text[320];
    const struct feature *f = x.kind == TOKENS ? l->tokens.items[0].feature : NULL;
    (void)snprintf(text, sizeof text,
                   "%s: lease %" PRIu64 " (%" PRIu64 " cores, %" PRIu64
                   " MiB%s%s) on %s, in %" PRId64 " s %" PRIu64 " of %" PRIu64 " %s are promised",
                   what, l->id, l->n_cores, l->mem_mib, f ? ", " : "", f ? f->name : "",
                   l->worker->name, (at_us - p->w.now.wall_us) / US_PER_S, promised_at(p, x, at_us),
                   total_of(p, x),
                   x.kind == CORES ? "cores"
                   : x.kind == MEM ? "MiB"
                                   : feature_names[x.at]);
    play_fail(p, text);
}

/* Promises rise only when an occurrence begins. */
static void check_room(const struct play *p, const struct lease *l, struct what x, int64_t until_us)
{
    if (promised_at(p, x, p->w.now.wall_us) > total_of(p, x))
        fail_at(p, l, x, p->w.now.wall_us, "a start is in the way of a booking");
    for (size_t i = 0; i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        for (int64_t at_us = b->start_us; at_us < until_us; at_us += b->period_us) {
            if (at_us >= p->w.now.wall_us && promised_at(p, x, at_us) > total_of(p, x))
                fail_at(p, l, x, at_us, "a start is in the way of a booking");
            if (b->period_us == 0)
                break;
        }
    }
}

static bool any_keeps(const struct play *p, struct what x)
{
    for (size_t i = 0; i < p->book.n; i++)
        if (has_place(&p->book.items[i], x))
            return true;
    return false;
}

/* It needs nothing but what its own booking has. */
static bool is_covered(const struct play *p, const struct booking_note *own, struct what x)
{
    return own && own->state == NOTE_BEGUN && has_place(own, x)
           && inside_of(p, own, x) <= booked_of(own, x);
}

static void check_inside(const struct play *p, const struct lease *l,
                         const struct booking_note *own, size_t machine, int64_t until_us)
{
    const struct share_node *node = share_node_find(p->w.core, own->node);
    const struct what cores = {CORES, machine}, mem = {MEM, machine};
    if (!is_below(l->leaf, node))
        play_fail(p, "a job runs in a booking that is not for it");
    if (own->state == NOTE_AHEAD || until_us > own->start_us + own->length_us)
        play_fail(p, "a job may run beyond its booking");
    if (!own->has_pieces)
        return;
    if (own->cores[machine] == 0)
        play_fail(p, "a job runs where its booking has nothing");
    if (inside_of(p, own, cores) > own->cores[machine]
        || (own->mem_mib[machine] > 0 && inside_of(p, own, mem) > own->mem_mib[machine]))
        play_fail(p, "more runs in a booking than it has");
}

static const struct booking_note *booking_named_by(const struct play *p, const struct shape *s,
                                                   const struct share_node *leaf)
{
    for (size_t i = 0; *s->reservation && i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        if (strcmp(b->name, s->reservation) == 0
            && strcmp(b->enterprise, leaf->enterprise->name) == 0)
            return b;
    }
    return NULL;
}

/* When all that it has is over, if each runs to its limit, and the first is late no longer. */
static int64_t to_limits(const struct play *p, const struct lease *l)
{
    int64_t time_us = (int64_t)l->class->shape->time_us;
    int64_t left_us = l->head_since_us - p->w.core->policy_us + time_us;
    return p->w.now.wall_us + (left_us > 0 ? left_us : 0) + time_us * ((int64_t)l->n - 1);
}

static void check_start(const struct play *p, const struct lease *l)
{
    const struct booking_note *own = booking_named_by(p, l->class->shape, l->leaf);
    size_t machine = machine_index(p, l->worker->name, strlen(l->worker->name));
    int64_t until_us = to_limits(p, l);
    if ((own == NULL) != (*l->class->shape->reservation == '\0'))
        play_fail(p, "a job runs in a booking that is not there");
    if (l->booking != (own ? own->id : 0))
        play_fail(p, "a lease goes on in a booking of another");
    if (own)
        check_inside(p, l, own, machine, until_us);
    for (size_t k = 0; k < 2 + FEATURES; k++) {
        const struct what x = {k < 2 ? (k == 0 ? CORES : MEM) : TOKENS, k < 2 ? machine : k - 2};
        if (held_of(p, l, x) > 0 && any_keeps(p, x) && !is_covered(p, own, x))
            check_room(p, l, x, until_us);
    }
}

static void check_starts(const struct play *p)
{
    for (size_t i = 0; p->book.n > 0 && i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        const struct lease *l = r->type == RECORD_ATTEMPT_ASSIGN
                                    ? lease_find(p->w.core, r->u.attempt_assign.lease)
                                    : NULL;
        if (l)
            check_start(p, l);
    }
}

/* ---- what may start ---- */

static bool is_open(const struct play *p, const struct shape *s, const struct booking_note *own)
{
    int64_t until_us = p->w.now.wall_us + (int64_t)s->time_us;
    if (own == NULL)
        return *s->reservation == '\0';
    return own->state != NOTE_AHEAD && until_us <= own->start_us + own->length_us;
}

/* At every moment until its limit there is so much more. */
static bool has_room(const struct play *p, const struct shape *s, struct what x, uint64_t more)
{
    int64_t now_us = p->w.now.wall_us, until_us = now_us + (int64_t)s->time_us;
    if (more == 0 || !any_keeps(p, x))
        return true;
    if (promised_at(p, x, now_us) + more > total_of(p, x))
        return false;
    for (size_t i = 0; i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        for (int64_t at_us = b->start_us; at_us < until_us; at_us += b->period_us) {
            if (at_us > now_us && promised_at(p, x, at_us) + more > total_of(p, x))
                return false;
            if (b->period_us == 0)
                break;
        }
    }
    return true;
}

/* On a machine where it fits. */
static bool may_start_on(const struct play *p, const struct shape *s,
                         const struct booking_note *own, size_t m)
{
    const struct what cores = {CORES, m}, mem = {MEM, m};
    uint64_t n = s->exclusive ? total_of(p, cores) : s->cores;
    uint64_t mib = s->exclusive ? total_of(p, mem) : s->mem_mib;
    if (own && own->has_pieces) {
        if (inside_of(p, own, cores) + n > own->cores[m])
            return false;
        if (own->mem_mib[m] > 0 && inside_of(p, own, mem) + mib > own->mem_mib[m])
            return false;
        n = own->state == NOTE_BEGUN ? 0 : n;
        mib = own->state == NOTE_BEGUN && own->mem_mib[m] > 0 ? 0 : mib;
    }
    return has_room(p, s, cores, n) && has_room(p, s, mem, mib);
}

static bool may_take_tokens(const struct play *p, const struct shape *s,
                            const struct booking_note *own)
{
    for (size_t f = 0; f < FEATURES; f++) {
        const struct what x = {TOKENS, f};
        const struct feature *feature = feature_named(p->w.core, feature_names[f]);
        uint64_t more = feature ? tokens_of(&s->tokens, feature) : 0;
        if (more > 0 && own && own->state == NOTE_BEGUN && own->tokens[f] > 0) {
            uint64_t with = inside_of(p, own, x) + more, booked = own->tokens[f];
            uint64_t without = with - more > booked ? with - more : booked;
            more = with > without ? with - without : 0;
        }
        if (!has_room(p, s, x, more))
            return false;
    }
    return true;
}

static void check_answers(const struct play *p, const struct class *k)
{
    const struct core *c = p->w.core;
    const struct shape *s = k->shape;
    const struct booking_note *own = booking_named_by(p, s, k->leaf);
    bool opens = is_open(p, s, own);
    if (calendar_is_open(c, s) != opens)
        play_fail(p, "a booking is open or shut as the clock does not say");
    if (!opens || licence_blocks(&s->tokens))
        return;
    if ((calendar_lacks(c, s) == NULL) != may_take_tokens(p, s, own))
        play_fail(p, "bookings leave tokens, and the calendar says otherwise");
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (placement_fits(s, w, NULL)
            && calendar_allows(c, s, w, NULL)
                   != may_start_on(p, s, own, machine_index(p, w->name, strlen(w->name))))
            play_fail(p, "bookings leave room, and the calendar says otherwise");
    }
}

/* One that waits, another each time. */
static void check_an_answer(const struct play *p)
{
    const struct map *all = &p->w.core->queue.by_class;
    uint64_t turn = all->n > 0 ? p->w.request % all->n : 0;
    void *item;
    for (size_t i = 0; map_next(all, &i, &item);)
        if (turn-- == 0 && ((struct class *)item)->jobs.n > 0)
            check_answers(p, item);
}

/* ---- what is in the way ---- */

static bool is_sheltered(const struct play *p, const struct lease *l)
{
    const struct booking_note *b = l->booking ? note_of_booking(p, l->booking) : NULL;
    return b && b->state != NOTE_AHEAD;
}

/* The record by which it was called back in this step, or NULL. */
static const struct record *recall_of(const struct play *p, const struct lease *l)
{
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        if (r->type == RECORD_TASK_PREEMPT
            && lease_item_index(l, r->u.task_preempt.job, r->u.task_preempt.task,
                                r->u.task_preempt.attempt)
                   != SIZE_MAX)
            return r;
    }
    return NULL;
}

static bool is_kept_now(const struct play *p, struct what x)
{
    for (size_t i = 0; i < p->book.n; i++)
        if (has_place(&p->book.items[i], x) && p->book.items[i].state == NOTE_BEGUN)
            return true;
    return false;
}

/* Called back in this step for a guarantee, or maybe for tokens: that comes after bookings have
 * looked at `x`. */
static bool is_called_since(const struct play *p, const struct lease *l, struct what x)
{
    const struct record *r = recall_of(p, l);
    bool is_for_tokens = false;
    for (size_t f = 0; f < FEATURES; f++) {
        const struct what tokens = {TOKENS, f};
        bool is_other = x.kind != TOKENS || x.at != f;
        is_for_tokens |= is_other && held_of(p, l, tokens) > 0 && is_kept_now(p, tokens);
    }
    return r && (is_for_tokens || strstr(r->u.task_preempt.cause, "a booking begins") == NULL);
}

/* Called back, or all that it would run is being stopped. */
static bool is_going(const struct lease *l)
{
    for (size_t i = 0; i < l->n && !l->is_recalled; i++)
        if (!l->queue[i].task->is_killing && !l->queue[i].task->is_requeued)
            return false;
    return l->is_recalled || l->n > 0;
}

/* Promised now, without what is going. */
static uint64_t promised_without(const struct play *p, struct what x)
{
    int64_t now_us = p->w.now.wall_us;
    uint64_t sum = promised_at(p, x, now_us);
    void *item;
    for (size_t i = 0; map_next(&p->w.core->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (is_going(l) && !is_inside(p, l, x, now_us))
            sum -= held_of(p, l, x);
    }
    return sum;
}

/* What bookings saw when they called back, if they had not called back `but`. */
static uint64_t promised_with(const struct play *p, struct what x, const struct lease *but)
{
    uint64_t sum = promised_without(p, x);
    void *item;
    for (size_t i = 0; map_next(&p->w.core->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (is_going(l) && (l == but || is_called_since(p, l, x))
            && !is_inside(p, l, x, p->w.now.wall_us))
            sum += held_of(p, l, x);
    }
    return sum;
}

static bool could_be_called_back(const struct play *p, const struct lease *l)
{
    return l->class && l->class->shape->is_preemptible && l->n > 0 && !is_going(l)
           && !is_sheltered(p, l);
}

/* Its lease began before some booking was made, or before a clock that jumped; or it is late. */
static bool was_before(const struct play *p, const struct lease *l, struct what x)
{
    if (l->n == 0 || l->head_since_us <= p->jumped_us
        || l->head_since_us + (int64_t)l->class->shape->time_us <= p->w.core->policy_us)
        return true;
    for (size_t i = 0; i < p->book.n; i++)
        if (has_place(&p->book.items[i], x) && p->book.items[i].made_us >= l->opened_us)
            return true;
    return false;
}

static void check_way(const struct play *p, struct what x)
{
    bool has_excuse = x.kind == TOKENS; /* counts move; cores go offline */
    has_excuse |= x.kind == CORES && bitset_count(&p->pool.machines[x.at].offline) > 0;
    void *item;
    if (!is_kept_now(p, x) || promised_without(p, x) <= total_of(p, x))
        return;
    for (size_t i = 0; map_next(&p->w.core->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (held_of(p, l, x) == 0)
            continue;
        has_excuse = has_excuse || was_before(p, l, x);
        if (!is_inside(p, l, x, p->w.now.wall_us) && could_be_called_back(p, l))
            fail_at(p, l, x, p->w.now.wall_us,
                    "what is in the way of a booking is not called back");
    }
    if (!has_excuse)
        play_fail(p, "what is in the way of a booking began after it was made");
}

static void check_called_back(const struct play *p, const struct lease *l)
{
    size_t machine = machine_index(p, l->worker->name, strlen(l->worker->name));
    for (size_t k = 0; k < 2 + FEATURES; k++) {
        const struct what x = {k < 2 ? (k == 0 ? CORES : MEM) : TOKENS, k < 2 ? machine : k - 2};
        if (held_of(p, l, x) > 0 && is_kept_now(p, x) && promised_with(p, x, l) > total_of(p, x))
            return;
    }
    fail_at(p, l, (struct what){CORES, machine}, p->w.now.wall_us,
            "who is not in the way of a booking was called back");
}

static bool has_begun(const struct play *p)
{
    for (size_t i = 0; i < p->w.fx.n_records; i++)
        if (p->w.fx.records[i]->type == RECORD_RESERVATION_EDGE
            && p->w.fx.records[i]->u.reservation_edge.state == NOTE_BEGUN)
            return true;
    return false;
}

static void check_all_ways(const struct play *p)
{
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        void *item;
        if (r->type != RECORD_TASK_PREEMPT
            || strstr(r->u.task_preempt.cause, "a booking begins") == NULL)
            continue;
        for (size_t k = 0; map_next(&p->w.core->leases.by_id, &k, &item);)
            if (lease_item_index(item, r->u.task_preempt.job, r->u.task_preempt.task,
                                 r->u.task_preempt.attempt)
                != SIZE_MAX)
                check_called_back(p, item);
    }
    for (size_t m = 0; m < p->pool.n; m++) {
        check_way(p, (struct what){CORES, m});
        check_way(p, (struct what){MEM, m});
    }
    for (size_t f = 0; f < FEATURES && has_begun(p); f++) /* strangers may take some later */
        check_way(p, (struct what){TOKENS, f});
}

/* ---- bookings beside each other ---- */

static uint64_t booked_at(const struct play *p, struct what x, int64_t at_us)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        bool now = b->state != NOTE_AHEAD && at_us < b->start_us + b->length_us;
        sum += now || kept_at(p, b, at_us) ? booked_of(b, x) : 0;
    }
    return sum;
}

static bool meets_at(const struct play *p, const struct booking_note *b, int64_t at_us)
{
    return (b->state != NOTE_AHEAD && at_us < b->start_us + b->length_us) || kept_at(p, b, at_us);
}

static void check_beside(const struct play *p, const struct booking_note *made, struct what x)
{
    uint64_t total =
        x.kind == TOKENS ? feature_named(p->w.core, feature_names[x.at])->count : total_of(p, x);
    int64_t until_us = p->w.now.wall_us + 20 * DAY_OF_US;
    for (size_t i = 0; booked_of(made, x) > 0 && i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        int64_t at_us = b->start_us;
        do {
            int64_t t = at_us > p->w.now.wall_us ? at_us : p->w.now.wall_us;
            if (meets_at(p, made, t) && booked_at(p, x, t) > total)
                play_fail(p, "more was booked than there is");
            at_us += b->period_us;
        } while (b->period_us > 0 && at_us < until_us);
    }
}

/* ---- each step ---- */

static void check_edges(struct play *p)
{
    for (size_t i = p->book.n; i-- > 0;)
        if (!pass_clock(&p->book.items[i], p->w.now.wall_us))
            forget_booking(p, i);
    const struct calendar *k = &p->w.core->calendar;
    if (k->n != p->book.n)
        play_fail(p, "there are bookings that are over, or some are gone");
    for (size_t i = 0; i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        const struct booking *theirs = booking_find(p->w.core, b->id);
        if (theirs == NULL || (int)theirs->state != (int)b->state
            || theirs->span.start_us != b->start_us)
            play_fail(p, "an edge of a booking was not passed as the clock says");
    }
}

static void check_bookings(struct play *p)
{
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        if (r->type == RECORD_RESERVATION_ADD) {
            const struct booking_note *b = note_booking(p, &r->u.reservation_add);
            for (size_t k = 0; k < p->pool.n; k++) {
                check_beside(p, b, (struct what){CORES, k});
                check_beside(p, b, (struct what){MEM, k});
            }
            for (size_t f = 0; f < FEATURES; f++)
                check_beside(p, b, (struct what){TOKENS, f});
        }
        for (size_t k = 0; r->type == RECORD_RESERVATION_REMOVE
                           && r->u.reservation_remove.principal != 0 && k < p->book.n;
             k++)
            if (p->book.items[k].id == r->u.reservation_remove.id)
                forget_booking(p, k);
    }
    check_edges(p);
    if (p->w.fx.n_records == 0)
        return;
    check_starts(p);
    check_an_answer(p);
    check_all_ways(p);
}

#endif
