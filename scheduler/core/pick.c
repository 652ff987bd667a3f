/* The choice of the next class: down the share tree, at each node the best child over the shapes
 * that are looked at. Children under their guarantee go first, by how little of it they use, and
 * with what is within it; the others by the share key; in a leaf the job that ranks first. Ties end
 * in ids. */
#include "scheduler/core/core_state.h"
#include "scheduler/core/oracle.h"
#include "scheduler/core/quota.h"

#define FRESH_US                                                                    \
    (3600 * US_PER_S) /* under it, with reservations, the shortest limit goes first \
                       */

struct choice {
    struct core *core;
    double a; /* the parameter of all lines now */
    bool among_marked;
    shape_filter_fn takes; /* or NULL */
    const void *arg;
    struct seat *best; /* a child */
    double value;      /* its claim or its line */
    bool guaranteed;
    bool within[SHARE_LEVELS]; /* of the nodes chosen above: only what is within their guarantee */
    const struct lease *given_back; /* or NULL */
};

static bool is_looked_at(const struct choice *x, const struct shape *s)
{
    if (x->takes)
        return x->takes(x->arg, s);
    return x->among_marked ? s->is_marked : !s->is_shut;
}

static bool is_better(const struct choice *x, const struct seat *t, bool guaranteed, double value)
{
    if (x->best == NULL || guaranteed != x->guaranteed)
        return x->best == NULL || guaranteed;
    return value != x->value ? value < x->value : t->node->id < x->best->node->id;
}

static double line_of(const struct core *c, const struct share_node *n, double a)
{
    double m, b;
    share_line(c, n, &m, &b);
    return m * a + b;
}

static bool is_guaranteed(const struct choice *x, const struct seat *t)
{
    return t->place == SEAT_GUARANTEED
           || (x->given_back && share_is_below(x->given_back->leaf, t->node)
               && quota_is_guaranteed_instead(t->node, t->shape, x->given_back));
}

/* Neither it nor anything above it is parked, and it is within what was chosen above. */
static bool is_in(const struct choice *x, const struct seat *t)
{
    for (; t->parent; t = t->parent)
        if (t->place == SEAT_PARKED || (x->within[t->node->level] && !is_guaranteed(x, t)))
            return false;
    return true;
}

static void consider(struct choice *x, struct seat *parent)
{
    if (!is_looked_at(x, parent->shape) || seat_is_empty(parent) || !is_in(x, parent))
        return;
    struct seat *t = seat_best(parent, x->a);
    bool guaranteed = t->place == SEAT_GUARANTEED;
    double value = guaranteed ? t->claim : line_of(x->core, t->node, x->a);
    if (!is_better(x, t, guaranteed, value))
        return;
    x->best = t;
    x->value = value;
    x->guaranteed = guaranteed;
}

/* With reservations about, short jobs first, so that the gaps are used; but nobody waits behind
 * them for more than an hour. */
static bool goes_first(const struct core *c, const struct class *a, const struct class *b)
{
    const struct job *x = queue_class_head(a), *y = queue_class_head(b);
    if (c->config.is_easy || c->holds.n == 0)
        return queue_job_before(x, y);
    bool x_fresh = c->policy_us - x->waiting_us < FRESH_US;
    bool y_fresh = c->policy_us - y->waiting_us < FRESH_US;
    if (x_fresh != y_fresh)
        return y_fresh;
    if (x_fresh && a->shape->time_us != b->shape->time_us)
        return a->shape->time_us < b->shape->time_us;
    return queue_job_before(x, y);
}

static struct class *first_of_leaf(const struct choice *x, const struct share_node *leaf)
{
    struct class *best = NULL;
    for (struct seat *t = leaf->seats; t; t = t->next) {
        if (!is_looked_at(x, t->shape) || seat_is_empty(t) || !is_in(x, t))
            continue;
        if (best == NULL || goes_first(x->core, t->class, best))
            best = t->class;
    }
    return best;
}

/* From the best child of the root down to a class. */
static struct class *descend(struct choice *x)
{
    while (x->best && x->best->node->level < SHARE_LEAF) {
        const struct share_node *node = x->best->node;
        x->within[node->level] = x->guaranteed;
        x->best = NULL;
        for (struct seat *t = node->seats; t; t = t->next)
            consider(x, t);
    }
    if (x->best)
        x->within[SHARE_LEAF] = x->guaranteed;
    return x->best ? first_of_leaf(x, x->best->node) : NULL;
}

/* ---- shapes in order ---- */

static void set_key(const struct core *c, struct shape *s, double a)
{
    const struct seat *t = seat_best(s->root, a);
    bool guaranteed = t->place == SEAT_GUARANTEED;
    s->key =
        (struct shape_key){guaranteed, guaranteed ? t->claim : line_of(c, t->node, a), t->node->id};
}

static void renew_order(const struct core *c, struct shapes *list, double a)
{
    for (size_t i = 0; i < list->n; i++)
        set_key(c, list->items[i], a);
    heap_rebuild(&list->order);
}

/* All lines move with time: keys are of one moment, in which only what is charged moves. */
static void renew_orders(struct core *c, double a)
{
    if (c->queue.order_us == c->policy_us)
        return;
    renew_order(c, &c->queue.open, a);
    renew_order(c, &c->queue.shut, a);
    c->queue.order_us = c->policy_us;
}

void queue_order_changed(struct core *c, struct shape *s)
{
    if (c->queue.order_us != c->policy_us || s->index == SIZE_MAX || seat_is_empty(s->root))
        return;
    set_key(c, s, share_now(c));
    heap_fix(s->is_shut ? &c->queue.shut.order : &c->queue.open.order, s->order_index);
}

struct class *queue_pick(struct core *c)
{
    struct choice x = {.core = c, .a = share_now(c)};
    renew_orders(c, x.a);
    const struct shape *first = heap_top(&c->queue.open.order);
    if (first)
        consider(&x, first->root);
    struct class *best = descend(&x);
    oracle_pick(c, best);
    return best;
}

static void mark(struct shape *const *shapes, size_t n, bool is_marked)
{
    for (size_t i = 0; i < n; i++)
        shapes[i]->is_marked = is_marked;
}

struct class *queue_pick_among(struct core *c, struct shape *const *shapes, size_t n)
{
    if (n == 1)
        return queue_best_of(c, shapes[0]); /* however many others there are */
    struct choice x = {.core = c, .a = share_now(c), .among_marked = true};
    mark(shapes, n, true);
    for (size_t i = 0; i < n; i++)
        consider(&x, shapes[i]->root);
    struct class *best = descend(&x);
    mark(shapes, n, false);
    return best;
}

struct class *queue_pick_below(struct core *c, struct share_node *node, struct shape *const *shapes,
                               size_t n)
{
    struct choice x = {.core = c, .a = share_now(c), .among_marked = true};
    mark(shapes, n, true);
    struct seat start = {.node = node};
    x.best = &start;
    struct class *best = descend(&x);
    mark(shapes, n, false);
    return best;
}

struct class *queue_best_of(struct core *c, const struct shape *s)
{
    return s->root ? queue_best_below(c, s->root) : NULL;
}

struct class *queue_best_below(struct core *c, struct seat *t)
{
    double a = share_now(c);
    while (t && t->class == NULL)
        t = seat_is_empty(t) ? NULL : seat_best(t, a);
    return t && t->class->jobs.n > 0 ? t->class : NULL;
}

/* ---- two classes ---- */

static const struct share_node *at_level(const struct class *k, enum share_level level)
{
    const struct share_node *n = k->leaf;
    while (n->level > level)
        n = n->parent;
    return n;
}

bool queue_class_before(struct core *c, const struct class *a, const struct class *b)
{
    double now = share_now(c);
    for (enum share_level level = SHARE_ENTERPRISE; level <= SHARE_LEAF; level++) {
        const struct share_node *x = at_level(a, level), *y = at_level(b, level);
        bool gx = quota_is_guaranteed(x, a->shape), gy = quota_is_guaranteed(y, b->shape);
        if (gx != gy)
            return gx;
        if (x == y)
            continue;
        double vx = gx ? quota_claim(x) : line_of(c, x, now);
        double vy = gy ? quota_claim(y) : line_of(c, y, now);
        return vx != vy ? vx < vy : x->id < y->id;
    }
    return goes_first(c, a, b);
}

/* ---- the same with one lease fewer ---- */

/* The line of a side without what the lease gives back. */
static double line_without(const struct core *c, const struct share_node *own, double a,
                           int64_t rate)
{
    double running = (double)rate / (double)RATE_ONE * c->share.beta / (1 + c->share.beta);
    return line_of(c, own, a) - running * a / own->settings.weight;
}

/* What the lease gives back counts in favour of its own side at each level. */
static bool beats(const struct choice *x, const struct share_node *own, int64_t rate)
{
    bool guaranteed = quota_is_within(own);
    if (guaranteed != x->guaranteed)
        return guaranteed;
    if (guaranteed)
        return quota_claim(own) <= x->value;
    double value = line_without(x->core, own, x->a, rate);
    return value != x->value ? value < x->value : own->id < x->best->node->id;
}

static const struct share_node *below(const struct share_node *leaf, const struct share_node *node)
{
    while (leaf->parent != node)
        leaf = leaf->parent;
    return leaf;
}

/* The other side of `beats`, for a child of the root. */
static bool may_beat(const struct choice *x, const struct shape_key *key,
                     const struct share_node *own, int64_t rate)
{
    bool guaranteed = quota_is_within(own);
    if (key->id == own->id || guaranteed != key->guaranteed)
        return key->id != own->id && key->guaranteed;
    if (guaranteed)
        return key->value < quota_claim(own);
    double value = line_without(x->core, own, x->a, rate);
    return key->value != value ? key->value < value : key->id < own->id;
}

static bool is_better_key(const struct choice *x, const struct shape_key *key)
{
    if (key->guaranteed != x->guaranteed)
        return key->guaranteed;
    return key->value != x->value ? key->value < x->value : key->id < x->best->node->id;
}

/* The best of those that may beat, from the top of the order down: behind one that is let through
 * none is better. */
static void consider_order(struct choice *x, const struct heap *order, size_t at,
                           const struct share_node *own, int64_t rate)
{
    size_t todo[64], n = 0; /* the order is a tree: at most one waits at each of its levels */
    for (todo[n++] = at; n > 0;) {
        at = todo[--n];
        const struct shape *s = at < order->n ? order->items[at] : NULL;
        if (s == NULL || !may_beat(x, &s->key, own, rate)
            || (x->best && !is_better_key(x, &s->key)))
            continue;
        if (x->takes(x->arg, s)) {
            consider(x, s->root);
            continue;
        }
        todo[n++] = 2 * at + 2;
        todo[n++] = 2 * at + 1;
    }
}

static void consider_children(struct choice *x, const struct share_node *node,
                              const struct share_node *own, int64_t rate)
{
    x->best = NULL;
    if (node->parent == NULL) {
        consider_order(x, &x->core->queue.open.order, 0, own, rate);
        consider_order(x, &x->core->queue.shut.order, 0, own, rate);
        return;
    }
    for (struct seat *t = node->seats; t; t = t->next)
        consider(x, t);
}

static struct class *rival(struct choice *x, const struct lease *l)
{
    struct class *k = l->class;
    int64_t rate = l->rate;
    for (struct share_node *node = &x->core->share.root; node != k->leaf;) {
        const struct share_node *own = below(k->leaf, node);
        consider_children(x, node, own, rate);
        if (x->best && x->best->node != own && !beats(x, own, rate))
            return descend(x);
        x->within[own->level] = quota_is_within(own);
        node = (struct share_node *)own;
    }
    struct class *first = first_of_leaf(x, k->leaf);
    return first && first != k && !goes_first(x->core, k, first) ? first : NULL;
}

bool queue_comes_instead(struct core *c, const struct class *other, const struct lease *l)
{
    const struct class *k = l->class;
    double now = share_now(c);
    for (enum share_level level = SHARE_ENTERPRISE; level <= SHARE_LEAF; level++) {
        const struct share_node *x = at_level(other, level), *y = at_level(k, level);
        bool gy = quota_is_within(y);
        if (x == y && gy && !quota_is_guaranteed_instead(x, other->shape, l))
            return false;
        if (x == y)
            continue;
        bool gx = quota_is_guaranteed(x, other->shape);
        if (gx != gy)
            return gx;
        double vx = gx ? quota_claim(x) : line_of(c, x, now);
        double vy = gy ? quota_claim(y) : line_without(c, y, now, l->rate);
        return vx != vy ? vx < vy : !gx && x->id < y->id;
    }
    return goes_first(c, other, k);
}

struct class *queue_rival(struct core *c, shape_filter_fn takes, const void *arg,
                          const struct lease *l)
{
    struct choice x = {.core = c, .a = share_now(c), .takes = takes, .arg = arg, .given_back = l};
    renew_orders(c, x.a);
    return rival(&x, l);
}
