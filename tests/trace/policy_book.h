/* Bookings of a random history, with a clock of their own: what was booked, told from the records
 * that made it, and what at any moment is promised of a machine or a feature. */
#ifndef CHIPQ_TEST_POLICY_BOOK_H
#define CHIPQ_TEST_POLICY_BOOK_H

#include "tests/trace/policy_play.h"

#define DAY_OF_US (86400 * US_PER_S)
#define FLEX_US   (900 * US_PER_S)

/* ---- notes ---- */

static size_t machine_index(const struct play *p, const char *name, size_t bytes)
{
    for (size_t i = 0; i < p->pool.n; i++)
        if (strlen(p->pool.machines[i].name) == bytes
            && memcmp(p->pool.machines[i].name, name, bytes) == 0)
            return i;
    play_fail(p, "a booking names no machine");
    return 0;
}

/* "n0:4,n1": cores, or the whole machine. Memory is in the proportion of cores. */
static void note_pieces(const struct play *p, const struct reservation_add *r,
                        struct booking_note *b)
{
    for (const char *t = r->nodes ? r->nodes : ""; *t;) {
        size_t name = strcspn(t, ":,"), all = strcspn(t, ",");
        size_t m = machine_index(p, t, name);
        b->cores[m] = machine_n_cores(&p->pool.machines[m]);
        b->is_whole[m] = t[name] != ':';
        b->mem_mib[m] = p->pool.machines[m].mem_mib;
        if (t[name] == ':') {
            b->cores[m] = strtoull(t + name + 1, NULL, 10);
            b->mem_mib[m] = r->mem_mib ? (r->mem_mib * b->cores[m] + r->cores - 1) / r->cores : 0;
        }
        b->has_pieces = true;
        t += all + (t[all] == ',');
    }
}

static void note_tokens(const char *text, uint64_t tokens[FEATURES])
{
    for (size_t f = 0; text && f < FEATURES; f++) {
        const char *at = strstr(text, feature_names[f]);
        tokens[f] = at ? strtoull(at + strlen(feature_names[f]) + 1, NULL, 10) : 0;
    }
}

static struct booking_note *note_booking(struct play *p, const struct reservation_add *r)
{
    struct booking_note *b = &p->book.items[p->book.n++];
    const struct share_node *node = share_node_find(p->w.core, r->node);
    *b = (struct booking_note){.id = r->id,
                               .node = r->node,
                               .length_us = r->end_us - r->start_us,
                               .period_us = (int64_t)r->every_days * DAY_OF_US,
                               .is_flex = r->flex != 0,
                               .start_us = r->start_us,
                               .made_us = p->w.core->policy_us};
    (void)snprintf(b->name, sizeof b->name, "%s", r->name);
    (void)snprintf(b->enterprise, sizeof b->enterprise, "%s", node->enterprise->name);
    note_pieces(p, r, b);
    note_tokens(r->licences, b->tokens);
    return b;
}

static struct booking_note *note_of_booking(const struct play *p, uint64_t id)
{
    for (size_t i = 0; i < p->book.n; i++)
        if (p->book.items[i].id == id)
            return (struct booking_note *)&p->book.items[i];
    return NULL;
}

static void forget_booking(struct play *p, size_t i)
{
    struct book *k = &p->book;
    memmove(k->items + i, k->items + i + 1, (k->n - i - 1) * sizeof *k->items);
    k->n--;
}

/* False: it is over for good. */
static bool pass_clock(struct booking_note *b, int64_t wall_us)
{
    bool was_there = b->state != NOTE_AHEAD;
    if (wall_us >= b->start_us + b->length_us) {
        if (b->period_us == 0)
            return false;
        b->state = NOTE_AHEAD;
        b->start_us += was_there ? b->period_us : 0;
        while (wall_us >= b->start_us + b->length_us)
            b->start_us += b->period_us;
    }
    if (b->state == NOTE_AHEAD && wall_us >= b->start_us)
        b->state = NOTE_BEGUN;
    if (b->state == NOTE_BEGUN && b->is_flex && b->length_us > FLEX_US
        && wall_us >= b->start_us + FLEX_US)
        b->state = NOTE_GIVEN_BACK;
    return true;
}

/* ---- what is promised ---- */

/* At wall time `at_us`, now or later: 0 not kept; 1 by a later occurrence; 2 by the present one. */
static int kept_at(const struct play *p, const struct booking_note *b, int64_t at_us)
{
    bool is_there = b->state != NOTE_AHEAD;
    if (is_there && at_us < b->start_us + b->length_us)
        return b->state == NOTE_BEGUN ? 2 : 0;
    int64_t start_us = b->start_us + (is_there ? b->period_us : 0);
    if (is_there && b->period_us == 0)
        return 0;
    for (; start_us <= at_us; start_us += b->period_us) {
        if (at_us < start_us + b->length_us)
            return 1;
        if (b->period_us == 0)
            return 0;
    }
    (void)p;
    return 0;
}

/* Which is asked about: of a machine cores or memory, or tokens. */
struct what {
    enum { CORES, MEM, TOKENS } kind;
    size_t at; /* machine or feature */
};

static uint64_t booked_of(const struct booking_note *b, struct what x)
{
    return x.kind == CORES ? b->cores[x.at] : x.kind == MEM ? b->mem_mib[x.at] : b->tokens[x.at];
}

/* It counts there as part of the booking: of a machine by its cores, of memory too. */
static bool has_place(const struct booking_note *b, struct what x)
{
    return x.kind == TOKENS ? b->tokens[x.at] > 0 : b->cores[x.at] > 0;
}

static uint64_t held_of(const struct play *p, const struct lease *l, struct what x)
{
    if (x.kind == TOKENS) {
        const struct feature *f = feature_named(p->w.core, feature_names[x.at]);
        return f ? tokens_of(&l->tokens, f) : 0;
    }
    if (strcmp(l->worker->name, p->pool.machines[x.at].name) != 0)
        return 0;
    return x.kind == CORES ? l->n_usable : l->mem_mib;
}

static uint64_t total_of(const struct play *p, struct what x)
{
    if (x.kind == TOKENS) {
        const struct feature *f = feature_named(p->w.core, feature_names[x.at]);
        return f ? feature_ours(f) : 0;
    }
    const struct machine *m = &p->pool.machines[x.at];
    return x.kind == CORES ? machine_n_cores(m) : m->mem_mib;
}

/* What is left to one that was called back; NO_KILL: it was not. */
#define NO_KILL INT64_MAX
static int64_t killed_in_us(const struct core *c, const struct lease *l)
{
    int64_t at_us = l->is_recalled ? l->queue[0].task->preempted_us : 0;
    return at_us ? at_us + 30 * US_PER_S - c->policy_us : NO_KILL;
}

/* By limits, wall time; one that is late may end any moment. */
static int64_t ends_at(const struct play *p, const struct lease *l)
{
    const struct core *c = p->w.core;
    int64_t left_us = 0;
    if (l->n > 0) {
        int64_t limit_us = (int64_t)l->class->shape->time_us, mean_us = (int64_t)l->mean_run_us;
        left_us = l->head_since_us + limit_us - c->policy_us;
        left_us += (int64_t)(l->n - 1) * (mean_us < limit_us ? mean_us : limit_us);
        left_us = killed_in_us(c, l) < left_us ? killed_in_us(c, l) : left_us;
    }
    return p->w.now.wall_us + (left_us > 0 ? left_us : 1);
}

static uint64_t inside_of(const struct play *p, const struct booking_note *b, struct what x)
{
    uint64_t sum = 0;
    void *item;
    for (size_t i = 0; map_next(&p->w.core->leases.by_id, &i, &item);)
        if (((const struct lease *)item)->booking == b->id)
            sum += held_of(p, item, x);
    return sum;
}

/* The same at a moment, by limits. */
static uint64_t inside_at(const struct play *p, const struct booking_note *b, struct what x,
                          int64_t at_us)
{
    uint64_t sum = 0;
    void *item;
    for (size_t i = 0; map_next(&p->w.core->leases.by_id, &i, &item);)
        if (((const struct lease *)item)->booking == b->id && ends_at(p, item) > at_us)
            sum += held_of(p, item, x);
    return sum;
}

static bool is_inside(const struct play *p, const struct lease *l, struct what x, int64_t at_us)
{
    const struct booking_note *b = l->booking ? note_of_booking(p, l->booking) : NULL;
    return b && has_place(b, x) && kept_at(p, b, at_us) == 2;
}

/* What bookings keep then and what leases beside them have until their limits. */
static uint64_t promised_at(const struct play *p, struct what x, int64_t at_us)
{
    uint64_t sum = 0;
    void *item;
    for (size_t i = 0; i < p->book.n; i++) {
        const struct booking_note *b = &p->book.items[i];
        int kept = has_place(b, x) ? kept_at(p, b, at_us) : 0;
        uint64_t booked = booked_of(b, x), inside = kept == 2 ? inside_at(p, b, x, at_us) : 0;
        sum += kept == 0 ? 0 : booked > inside ? booked : inside;
    }
    for (size_t i = 0; map_next(&p->w.core->leases.by_id, &i, &item);)
        if (ends_at(p, item) > at_us && !is_inside(p, item, x, at_us))
            sum += held_of(p, item, x);
    return sum;
}

#endif
