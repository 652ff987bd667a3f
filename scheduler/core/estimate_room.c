/* When there is room for a request: beside what runs, holds, bookings, tokens and guarantees. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/estimate.h"
#include "scheduler/core/placement.h"

enum { ENDINGS_LOOKED_AT_MAX = 2000 };

/* ---- what is kept for others ---- */

/* What its enterprise has above its own guarantee is kept for nobody when it ends. */
static bool is_above(const struct lease *l, const struct ending *gone, size_t n_gone)
{
    const struct share_node *n = l->leaf->parent->parent;
    uint64_t cores = l->n_cores, mem = l->mem_mib;
    for (size_t i = 0; i < n_gone; i++)
        if (share_is_below(gone[i].lease->leaf, n)) {
            cores += gone[i].lease->n_cores;
            mem += gone[i].lease->mem_mib;
        }
    return n->cores >= n->settings.min_cores + cores && n->mem_mib >= n->settings.min_mem_mib + mem;
}

/* When enough is over that what is free is not kept for others' guarantees. INT64_MAX: not to be
 * seen. */
static int64_t not_withheld_us(const struct asked *a, lease_end_fn end)
{
    const struct core *c = a->core;
    const struct share_node *leaf = a->job->class->leaf;
    struct given_back g = {0};
    int64_t at_us = INT64_MAX;
    size_t n, n_gone = 0;
    if (!quota_is_withheld(c, leaf, a->shape))
        return c->policy_us;
    struct ending *list = estimate_endings(c, &c->share.root, end, &n);
    for (size_t i = 0; i < n && i < ENDINGS_LOOKED_AT_MAX && at_us == INT64_MAX; i++) {
        if (!is_above(list[i].lease, list, n_gone))
            continue;
        quota_add_given_back(&g, list[i].lease);
        list[n_gone++] = list[i];
        if (!quota_is_withheld_with(c, leaf, a->shape, &g))
            at_us = list[n_gone - 1].at_us;
    }
    free(list);
    return at_us;
}

/* ---- as it usually goes ---- */

struct usual {
    const struct core *core;
    const struct job *job;
    const struct shape *shape;
    const struct hold *own; /* or NULL */
    int64_t from_us;        /* before that tokens or guarantees of others are in its way */
};

static int64_t hold_start_us(const struct core *c, const struct hold *h)
{
    int64_t at_us = plan_room(c, h->job->class->shape, h->worker, estimate_usual_end);
    at_us = at_us < h->at_us ? at_us : h->at_us;
    return at_us > c->policy_us ? at_us : c->policy_us;
}

/* The job that it is for has run then. */
static int64_t hold_end_us(const struct core *c, const struct hold *h)
{
    return estimate_later(hold_start_us(c, h), (double)estimate_left_us(c, h->job, 0));
}

static bool counts(const struct usual *u, const struct hold *h)
{
    bool gives_way = u->own && u->own->is_reclaim && !h->is_reclaim;
    return h != u->own && h->job->ready > 0 && !gives_way;
}

static bool is_in_the_way(const struct usual *u, const struct hold *h, int64_t at_us)
{
    bool is_over_by_then = estimate_later(at_us, (double)u->shape->time_us) <= h->at_us;
    return counts(u, h) && !is_over_by_then && at_us < hold_end_us(u->core, h);
}

static bool takes_place(const struct usual *u, const struct hold *h, const struct worker *w,
                        int64_t at_us)
{
    bool leaves_enough = h->spare_cores >= (int64_t)plan_cores_wanted(u->shape, w)
                         && h->spare_mem_mib >= (int64_t)u->shape->mem_mib;
    return h->worker == w && !leaves_enough && is_in_the_way(u, h, at_us);
}

/* Until the job of a hold that drains has begun, no worse claim begins on its machine. One whose
 * array runs as many as it may has none now. */
static bool is_drained(const struct usual *u, const struct hold *h, const struct worker *w)
{
    struct core *c = (struct core *)u->core; /* looks only */
    const struct class *k = u->job->class;
    return h->worker == w && h->is_draining && counts(u, h)
           && !(queue_class_head(k) && queue_class_before(c, k, h->job->class));
}

static bool is_closed(const struct usual *u, const struct worker *w, int64_t at_us)
{
    for (size_t i = 0; i < u->core->holds.n; i++) {
        const struct hold *h = &u->core->holds.items[i];
        if (is_drained(u, h, w) && at_us < hold_start_us(u->core, h))
            return true;
    }
    return false;
}

/* What it insists on as to place is there when some leases are over. */
static bool is_granted(const struct usual *u, const struct worker *w, int64_t at_us,
                       lease_end_fn end)
{
    size_t n = 0;
    if (!u->shape->wish.is_strict)
        return true;
    const struct lease **over = cq_calloc(w->n_leases + 1, sizeof(const struct lease *));
    for (size_t i = 0; i < w->n_leases; i++)
        if (end(u->core, w->leases[i]) <= at_us)
            over[n++] = w->leases[i];
    bool yes = placement_is_granted(u->shape, w, over, n);
    free(over);
    return yes;
}

static bool has_room(const struct usual *u, const struct worker *w, int64_t at_us)
{
    int64_t cores = (int64_t)w->n_free, mem = (int64_t)w->mem_mib - (int64_t)w->mem_used_mib;
    for (size_t i = 0; i < w->n_leases; i++) {
        bool is_over = estimate_usual_end(u->core, w->leases[i]) <= at_us;
        cores += is_over ? (int64_t)w->leases[i]->n_usable : 0;
        mem += is_over ? (int64_t)w->leases[i]->mem_mib : 0;
    }
    for (size_t i = 0; i < u->core->holds.n; i++) {
        const struct hold *h = &u->core->holds.items[i];
        if (!takes_place(u, h, w, at_us))
            continue;
        cores -= (int64_t)plan_cores_wanted(h->job->class->shape, w);
        mem -= (int64_t)h->job->class->shape->mem_mib;
    }
    return cores >= (int64_t)plan_cores_wanted(u->shape, w) && mem >= (int64_t)u->shape->mem_mib
           && is_granted(u, w, at_us, estimate_usual_end) && !is_closed(u, w, at_us);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Moments at which something ends or begins on a machine, in order. The caller frees. */
static int64_t *moments_of(const struct usual *u, const struct worker *w, size_t *n)
{
    const struct holds *holds = &u->core->holds;
    int64_t *at = cq_calloc(1 + w->n_leases + 2 * holds->n, sizeof *at);
    *n = 0;
    at[(*n)++] = u->from_us;
    for (size_t i = 0; i < w->n_leases; i++)
        at[(*n)++] = estimate_usual_end(u->core, w->leases[i]);
    for (size_t i = 0; i < holds->n; i++)
        if (holds->items[i].worker == w) {
            at[(*n)++] = hold_start_us(u->core, &holds->items[i]);
            at[(*n)++] = hold_end_us(u->core, &holds->items[i]);
        }
    qsort(at, *n, sizeof *at, by_value);
    return at;
}

/* When bookings let it in, from a moment on at which some leases usually are over, and the others
 * are seen by their limits. */
static int64_t usual_opening(const struct usual *u, const struct worker *w, int64_t at_us)
{
    if (u->core->calendar.n == 0 && *u->shape->reservation == '\0')
        return at_us;
    int64_t *ends = cq_calloc(w->n_leases + 1, sizeof *ends);
    for (size_t i = 0; i < w->n_leases; i++) {
        struct lease *l = w->leases[i];
        int64_t end_us = estimate_usual_end(u->core, l);
        ends[i] = l->end_us;
        l->end_us = end_us <= at_us && end_us < l->end_us ? end_us : l->end_us;
    }
    at_us = calendar_earliest(u->core, u->shape, w, u->own, at_us);
    for (size_t i = 0; i < w->n_leases; i++)
        w->leases[i]->end_us = ends[i];
    free(ends);
    return at_us;
}

static int64_t usual_start(const struct usual *u, const struct worker *w)
{
    int64_t best_us = INT64_MAX;
    size_t n;
    int64_t *at = moments_of(u, w, &n);
    for (size_t i = 0; i < n && at[i] < best_us; i++) {
        if (at[i] < u->from_us || !has_room(u, w, at[i]))
            continue;
        int64_t open_us = usual_opening(u, w, at[i]);
        if (open_us < best_us && (open_us == at[i] || has_room(u, w, open_us)))
            best_us = open_us;
    }
    free(at);
    return best_us;
}

static int64_t tokens_held(const struct usual *u, const struct feature *f, int64_t at_us)
{
    int64_t n = 0;
    for (size_t i = 0; i < u->core->holds.n; i++) {
        const struct hold *h = &u->core->holds.items[i];
        uint64_t held = tokens_of(&h->job->class->shape->tokens, f);
        if (held > 0 && is_in_the_way(u, h, at_us))
            n += (int64_t)held;
    }
    return n;
}

/* When there are enough of one feature beside what is held. */
static int64_t usual_tokens(const struct usual *u, const struct token *need,
                            const struct ending *list, size_t n)
{
    int64_t left = feature_left(need->feature), want = (int64_t)need->count, at_us = u->from_us;
    if (left - tokens_held(u, need->feature, at_us) >= want)
        return at_us;
    for (size_t i = 0; i < n; i++) {
        at_us = list[i].at_us > at_us ? list[i].at_us : at_us;
        left += (int64_t)tokens_of(&list[i].lease->tokens, need->feature);
        if (left - tokens_held(u, need->feature, at_us) >= want)
            return at_us;
    }
    for (size_t i = 0; i < u->core->holds.n; i++) {
        at_us = hold_end_us(u->core, &u->core->holds.items[i]);
        if (at_us >= u->from_us && left - tokens_held(u, need->feature, at_us) >= want)
            return at_us;
    }
    return INT64_MAX;
}

static void wait_for_tokens(struct usual *u)
{
    size_t n;
    struct ending *list = estimate_endings(u->core, &u->core->share.root, estimate_usual_end, &n);
    for (size_t i = 0; i < u->shape->tokens.n && u->from_us < INT64_MAX; i++)
        u->from_us = usual_tokens(u, &u->shape->tokens.items[i], list, n);
    free(list);
}

/* ---- both ends of the band ---- */

/* Of whole machines, one too large for a limit is none for it. */
static bool is_too_large(const struct asked *a, const struct worker *w)
{
    struct quota_block b;
    return quota_blocks_machine(a->core, a->job->class->leaf, a->shape, w, &b) && b.node;
}

/* From then on what it insists on as to place is there by limits. */
static int64_t limit_grant(const struct usual *u, const struct worker *w, int64_t at_us)
{
    int64_t first_us = INT64_MAX;
    if (at_us == INT64_MAX || is_granted(u, w, at_us, plan_end_of))
        return at_us;
    for (size_t i = 0; i < w->n_leases; i++) {
        int64_t end_us = plan_end_of(u->core, w->leases[i]);
        if (end_us > at_us && end_us < first_us && is_granted(u, w, end_us, plan_end_of))
            first_us = end_us;
    }
    return first_us;
}

static int64_t limit_start(const struct usual *u, const struct worker *w, int64_t from_us,
                           const struct plan_endings *tokens)
{
    int64_t at_us = plan_earliest(u->core, u->shape, w, u->own, tokens);
    for (size_t i = 0; i < u->core->holds.n; i++) {
        const struct hold *h = &u->core->holds.items[i];
        if (is_drained(u, h, w) && h->at_us > from_us)
            from_us = h->at_us;
    }
    from_us = limit_grant(u, w, from_us > at_us ? from_us : at_us);
    return at_us >= from_us ? at_us : calendar_earliest(u->core, u->shape, w, u->own, from_us);
}

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The earliest start on any machine. */
struct band estimate_room(const struct asked *a, const struct band *from)
{
    const struct core *c = a->core;
    struct usual u = {.core = c,
                      .job = a->job,
                      .shape = a->shape,
                      .own = holds_of((struct core *)c, a->job),
                      .from_us = later_of(not_withheld_us(a, estimate_usual_end), from->usual_us)};
    struct band best = {INT64_MAX, INT64_MAX};
    int64_t limit_from_us = later_of(not_withheld_us(a, plan_end_of), from->limit_us);
    struct plan_endings tokens;
    plan_token_endings(c, a->shape, &tokens);
    if (a->shape->tokens.n > 0)
        wait_for_tokens(&u);
    for (size_t i = 0; i < c->pool.n_fit && u.from_us < INT64_MAX; i++) {
        const struct worker *w = c->pool.fit[i];
        if (!placement_could_fit(a->shape, w) || is_too_large(a, w))
            continue;
        int64_t usual = usual_start(&u, w), limit = limit_start(&u, w, limit_from_us, &tokens);
        best.usual_us = usual < best.usual_us ? usual : best.usual_us;
        best.limit_us = limit < best.limit_us ? limit : best.limit_us;
    }
    free(tokens.items);
    return best;
}
