/* Seats: nodes of the share tree as one shape sees them, in their parents' tournaments. */
#include <assert.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

static bool claim_less(const void *a, const void *b)
{
    const struct seat *x = a, *y = b;
    return x->claim != y->claim ? x->claim < y->claim : x->node->id < y->node->id;
}

static void set_slot(void *item, size_t slot)
{
    ((struct seat *)item)->slot = slot;
}

/* ---- life ---- */

static void link_to_shape(struct seat *t)
{
    t->next_of_shape = t->shape->seats;
    if (t->next_of_shape)
        t->next_of_shape->previous_of_shape = t;
    t->shape->seats = t;
}

static void unlink_from_shape(struct seat *t)
{
    if (t->next_of_shape)
        t->next_of_shape->previous_of_shape = t->previous_of_shape;
    if (t->previous_of_shape)
        t->previous_of_shape->next_of_shape = t->next_of_shape;
    else
        t->shape->seats = t->next_of_shape;
}

/* Along both lists at once: many shapes wait below one node, or one shape below many nodes. */
static struct seat *find(const struct shape *s, const struct share_node *node)
{
    struct seat *a = node->seats, *b = s->seats;
    for (; a && b; a = a->next, b = b->next_of_shape) {
        if (a->shape == s)
            return a;
        if (b->node == node)
            return b;
    }
    return NULL;
}

static void link_to_node(struct seat *t)
{
    t->next = t->node->seats;
    if (t->next)
        t->next->previous = t;
    t->node->seats = t;
}

static void unlink_from_node(struct seat *t)
{
    if (t->next)
        t->next->previous = t->previous;
    if (t->previous)
        t->previous->next = t->next;
    else
        t->node->seats = t->next;
}

/* NOLINTNEXTLINE(misc-no-recursion): four levels */
struct seat *seat_ref(struct core *c, struct shape *s, struct share_node *node)
{
    struct seat *t = node->parent ? find(s, node) : s->root, *parent = NULL;
    if (t)
        return t->refs++, t;
    if (node->parent)
        parent = seat_ref(c, s, node->parent);
    t = CQ_NEW(struct seat);
    *t = (struct seat){.shape = s, .node = node, .parent = parent, .refs = 1};
    tournament_init(&t->rivals, set_slot);
    heap_init(&t->guaranteed, claim_less, set_slot);
    link_to_node(t);
    link_to_shape(t);
    if (parent == NULL)
        s->root = t;
    return t;
}

static void unpark(struct seat *t)
{
    assert(t->parked_list);
    if (t->next_parked)
        t->next_parked->previous_parked = t->previous_parked;
    if (t->previous_parked)
        t->previous_parked->next_parked = t->next_parked;
    else
        *t->parked_list = t->next_parked;
    t->next_parked = t->previous_parked = NULL;
    t->parked_list = NULL;
    t->place = SEAT_OUT;
}

/* Children of the root decide where its shape stands among the others. */
static void tell_order(struct core *c, const struct seat *t)
{
    if (t->parent->parent == NULL)
        queue_order_changed(c, t->shape);
}

static void leave(struct core *c, struct seat *t)
{
    switch (t->place) {
    case SEAT_OUT:
        return;
    case SEAT_RIVAL:
        tournament_remove(&t->parent->rivals, t->slot, share_now(c));
        break;
    case SEAT_GUARANTEED:
        heap_remove(&t->parent->guaranteed, t->slot);
        break;
    case SEAT_PARKED:
        unpark(t);
        break;
    }
    t->place = SEAT_OUT;
    tell_order(c, t);
}

void seat_unref(struct core *c, struct seat *t)
{
    while (t && --t->refs == 0) {
        struct seat *parent = t->parent;
        if (parent)
            leave(c, t);
        else
            t->shape->root = NULL;
        unlink_from_node(t);
        unlink_from_shape(t);
        tournament_fini(&t->rivals);
        heap_fini(&t->guaranteed);
        free(t);
        t = parent;
    }
}

/* ---- places ---- */

/* Nothing below may be started: nothing waits, or all that waits is parked. */
bool seat_is_empty(const struct seat *t)
{
    if (t->class)
        return t->class->jobs.n == 0;
    return tournament_count(&t->rivals) == 0 && t->guaranteed.n == 0;
}

static void join(struct core *c, struct seat *t)
{
    double m, b;
    if (quota_is_guaranteed(t->node, t->shape)) {
        t->claim = quota_claim(t->node);
        t->place = SEAT_GUARANTEED;
        heap_push(&t->parent->guaranteed, t);
    } else {
        share_line(c, t->node, &m, &b);
        t->place = SEAT_RIVAL;
        tournament_add(&t->parent->rivals, t, t->node->id, m, b, share_now(c));
    }
    tell_order(c, t);
}

static void update_shape(struct core *c, struct shape *s)
{
    bool waits = !seat_is_empty(s->root), is_listed = s->index != SIZE_MAX;
    struct shapes *in = s->is_shut ? &c->queue.shut : &c->queue.open;
    if (waits == is_listed)
        return;
    if (waits) {
        shapes_add(in, s);
        queue_order_changed(c, s);
        return;
    }
    shapes_remove(in, s);
    s->index = SIZE_MAX;
    s->is_shut = false;
}

void seat_update(struct core *c, struct seat *t)
{
    for (; t->parent; t = t->parent) {
        bool wants = !seat_is_empty(t), is_in = t->place != SEAT_OUT;
        if (t->place == SEAT_PARKED && wants)
            return;
        if (wants == is_in)
            return;
        if (wants)
            join(c, t);
        else
            leave(c, t);
    }
    update_shape(c, t->shape);
}

void seat_park(struct core *c, struct seat *t, struct seat **list)
{
    leave(c, t);
    t->place = SEAT_PARKED;
    t->parked_list = list;
    t->next_parked = *list;
    if (*list)
        (*list)->previous_parked = t;
    *list = t;
    seat_update(c, t->parent);
}

static void wake(struct core *c, struct seat *t)
{
    unpark(t);
    seat_update(c, t);
}

/* ---- what changes of nodes do ---- */

static void refresh(struct core *c, struct seat *t)
{
    double m, b;
    bool guaranteed = quota_is_guaranteed(t->node, t->shape);
    if (guaranteed != (t->place == SEAT_GUARANTEED)) {
        leave(c, t);
        join(c, t);
    } else if (guaranteed) {
        t->claim = quota_claim(t->node);
        heap_fix(&t->parent->guaranteed, t->slot);
        tell_order(c, t);
    } else {
        share_line(c, t->node, &m, &b);
        tournament_change(&t->parent->rivals, t->slot, m, b, share_now(c));
        tell_order(c, t);
    }
}

void queue_node_changed(struct core *c, struct share_node *n)
{
    if (n->parent == NULL)
        return;
    for (struct seat *t = n->seats; t; t = t->next)
        if (t->place == SEAT_RIVAL || t->place == SEAT_GUARANTEED)
            refresh(c, t);
}

static void rebuild(struct core *c, struct seat *t)
{
    size_t n = tournament_count(&t->rivals);
    struct seat **all = cq_calloc(n, sizeof(struct seat *));
    for (size_t i = 0; i < n; i++)
        all[i] = tournament_item(&t->rivals, i);
    tournament_clear(&t->rivals);
    for (size_t i = 0; i < n; i++)
        join(c, all[i]);
    free(all);
}

void queue_rebuild_lines(struct core *c)
{
    c->queue.order_us = -1;
    for (struct seat *t = c->share.root.seats; t; t = t->next)
        rebuild(c, t);
    for (size_t i = 0; i < c->share.n_all; i++)
        for (struct seat *t = c->share.all[i]->seats; t; t = t->next)
            rebuild(c, t);
}

/* ---- wake-ups ---- */

void queue_wake_limits(struct core *c, struct share_node *n)
{
    struct quota_block block;
    for (struct seat *t = n->parked, *next; t; t = next) {
        next = t->next_parked;
        if (!quota_node_blocks(n, t->shape, &block))
            wake(c, t);
    }
}

void queue_park_blocked(struct core *c, struct share_node *n)
{
    struct quota_block block;
    for (struct seat *t = n->seats; t; t = t->next) {
        bool is_in = t->place == SEAT_RIVAL || t->place == SEAT_GUARANTEED;
        if (is_in && !t->shape->is_shut && quota_node_blocks(n, t->shape, &block))
            seat_park(c, t, &n->parked);
    }
}

void queue_wake_withheld(struct core *c)
{
    while (c->queue.withheld)
        wake(c, c->queue.withheld);
}

/* It lacks tokens of `f`, or a hold keeps them from it. */
static bool waits_for_tokens(const struct shape *s, const struct feature *f)
{
    if (s->why == WAIT_LICENCE)
        return s->why_feature == f;
    return s->why == WAIT_RESERVED && tokens_of(&s->tokens, f) > 0;
}

void queue_wake_licence(struct core *c, struct feature *f)
{
    for (size_t i = c->queue.shut.n; i-- > 0;) {
        struct shape *s = c->queue.shut.items[i];
        struct feature *other = waits_for_tokens(s, f) ? licence_blocks(&s->tokens) : f;
        if (other == NULL)
            queue_open(c, s);
        else if (other != f && s->why == WAIT_LICENCE)
            s->why_feature = other; /* of its bundle that one is still missing */
    }
}

/* ---- choice ---- */

struct seat *seat_best(struct seat *t, double a)
{
    return t->guaranteed.n > 0 ? heap_top(&t->guaranteed) : tournament_top(&t->rivals, a);
}
