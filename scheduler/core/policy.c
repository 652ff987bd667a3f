/* One decision at a time: who, then whether, then where. */
#include "scheduler/core/policy.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/ahead.h"
#include "scheduler/core/calendar.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

/* ---- one candidate ---- */

static bool take(struct decision *d, struct job *job)
{
    d->job = job;
    d->task = ranges_first(&job->waiting);
    return true;
}

/* A job with a hold has its place even where others of the same shape have none. */
static bool try_holder(struct core *c, const struct shape *s, struct decision *d)
{
    struct quota_block block;
    enum wait_reason why;
    for (size_t i = 0; i < c->holds.n; i++) {
        struct job *job = c->holds.items[i].job;
        const struct class *k = job->class;
        if (k->shape == s && job->ready > 0 && !quota_blocks(k->leaf, s, &block)
            && !quota_is_withheld(c, k->leaf, s) && placement_choose(c, s, job, &d->at, &why))
            return take(d, job);
    }
    return false;
}

enum { MANY_OPEN = 16 };

/* Where very many shapes wait, one end of a job opens all that would fit, and one start leaves room
 * for none: they are shut in one go, not one pick each. */
static void shut_hopeless(struct core *c)
{
    enum wait_reason why;
    if (c->queue.open.n < MANY_OPEN || c->config.is_easy)
        return;
    for (size_t i = c->queue.open.n; i-- > 0;) {
        struct shape *s = c->queue.open.items[i];
        const struct class *k = holds_has_shape(c, s) ? NULL : queue_best_of(c, s);
        struct feature *scarce = k ? licence_blocks(&s->tokens) : NULL;
        if (scarce)
            queue_shut(c, s, WAIT_LICENCE, scarce);
        else if (k && placement_find(c, s, queue_class_head(k), &why) == NULL && why != WAIT_LIMIT)
            queue_shut(c, s, why, NULL);
    }
}

/* Where very many shapes may go on below a limit that is reached now, all are parked in one go. */
static void park(struct core *c, struct class *k, struct share_node *node)
{
    queue_park(c, k, node);
    if (c->queue.open.n >= MANY_OPEN)
        queue_park_blocked(c, node);
}

/* A limit or a guarantee of others is in its way: it is parked there. */
static bool park_blocked(struct core *c, struct class *k)
{
    struct quota_block block;
    if (quota_blocks(k->leaf, k->shape, &block)) {
        park(c, k, block.node);
        return true;
    }
    if (!quota_is_withheld(c, k->leaf, k->shape))
        return false;
    queue_withhold(c, k);
    return true;
}

struct class *policy_first_waiting(struct core *c, struct shape *const *shapes, size_t n)
{
    struct class *k;
    while ((k = queue_pick_among(c, shapes, n)) && park_blocked(c, k))
        continue;
    return k;
}

static bool try_class(struct core *c, struct class *k, struct decision *d)
{
    struct shape *s = k->shape;
    enum wait_reason why = WAIT_NONE;
    if (park_blocked(c, k))
        return false;
    struct feature *scarce = licence_blocks(&s->tokens);
    if (scarce == NULL)
        scarce = calendar_lacks(c, s);
    bool is_open = calendar_is_open(c, s);
    if (scarce == NULL && is_open && placement_choose(c, s, queue_class_head(k), &d->at, &why))
        return take(d, queue_class_head(k));
    if (!is_open)
        why = WAIT_BOOKING;
    if (scarce == NULL && why == WAIT_LIMIT) {
        queue_park_whole(c, k);
        return false;
    }
    queue_shut(c, s, scarce ? WAIT_LICENCE : why, scarce);
    if (s->why == WAIT_RESERVED && try_holder(c, s, d))
        return true;
    if (shape_waits_for_room(s))
        holds_consider(c, k);
    shut_hopeless(c);
    return false;
}

/* ---- seniors ---- */

enum { SENIORS_MAX = 64 };

typedef bool (*senior_fn)(const struct core *c, const struct job *job);

/* The oldest at the edge of what was seen of the heap leaves the edge. */
static size_t take_oldest(const struct heap *h, size_t *edge, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (h->less(h->items[edge[i]], h->items[edge[best]]))
            best = i;
    size_t at = edge[best];
    edge[best] = edge[n - 1];
    return at;
}

/* The seniors are the top of the heap by age: a tree, walked in order of age, so that what is found
 * does not depend on how it grew. */
static struct job *oldest_senior(const struct core *c, senior_fn will_do)
{
    const struct heap *h = &c->queue.by_age;
    size_t edge[SENIORS_MAX + 1] = {0}, n = h->n > 0;
    for (size_t seen = 0; n > 0 && seen < SENIORS_MAX; seen++) {
        size_t at = take_oldest(h, edge, n--);
        struct job *job = h->items[at];
        if (!queue_is_senior(c, job))
            return NULL;
        if (!queue_is_parked(job->class) && queue_class_head(job->class) == job && will_do(c, job))
            return job;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < h->n; child++)
            edge[n++] = child;
    }
    return NULL;
}

static bool may_be_held_for(const struct core *c, const struct job *job)
{
    const struct shape *s = job->class->shape;
    return s->is_shut && shape_waits_for_room(s) && holds_may_have(c, job);
}

struct class *policy_senior_to_hold(struct core *c)
{
    struct job *job;
    while ((job = oldest_senior(c, may_be_held_for)) && park_blocked(c, job->class))
        continue;
    return job ? job->class : NULL;
}

/* ---- the pass ---- */

bool policy_next(struct core *c, struct decision *d)
{
    struct class *k;
    while ((k = queue_pick(c))) {
        if (c->config.no_backfill && c->holds.n > 0 && c->holds.items[0].job->class != k)
            return try_class(c, c->holds.items[0].job->class, d);
        if (try_class(c, k, d))
            return true;
    }
    return false;
}

/* ---- leases that go on ---- */

/* It lacks tokens that the lease has none of. Else *enough: what it has is all that it lacks. */
static bool is_scarce(const struct shape *s, const struct lease *l, bool *enough)
{
    *enough = true;
    for (size_t i = 0; i < s->tokens.n; i++) {
        const struct token *need = &s->tokens.items[i];
        uint64_t held = tokens_of(&l->tokens, need->feature);
        bool lacks = feature_free(need->feature) < need->count;
        if (lacks && held == 0)
            return true;
        *enough = *enough && feature_left(need->feature) + (int64_t)held >= (int64_t)need->count;
    }
    return false;
}

/* It might take what the lease gives back, or more of its machine. Asks what is so now, not why the
 * shape was shut: that may be long ago, and no record tells it. */
static bool might_take(const struct core *c, const struct shape *s, const struct lease *l,
                       bool *enough)
{
    return !is_scarce(s, l, enough) && placement_could_fit(s, l->worker) && calendar_is_open(c, s)
           && calendar_could_allow(c, s, l->worker);
}

/* Who may take what the lease gives back; or more of its machine if more of that ended. */
struct rivals {
    const struct core *core;
    const struct lease *lease;
    bool must_fit;
};

static bool is_rival(const void *arg, const struct shape *s)
{
    const struct rivals *r = arg;
    const struct lease *l = r->lease;
    bool enough;
    if (!s->is_shut)
        return placement_fits(s, l->worker, l);
    if (s == l->class->shape)
        return true;
    return might_take(r->core, s, l, &enough)
           && (!r->must_fit || (enough && placement_fits(s, l->worker, l)));
}

/* With what the lease gives back, no limit and no guarantee of others holds it back. */
static bool may_come_instead(const struct core *c, const struct class *k, const struct lease *l)
{
    struct given_back g = {0};
    quota_add_given_back(&g, l);
    return !quota_blocks_instead(k->leaf, k->shape, l)
           && !quota_is_withheld_with(c, k->leaf, k->shape, &g);
}

/* Would be picked if the lease were over; who may not start then either is parked on the way. */
static struct class *free_rival(struct core *c, const struct lease *l, bool must_fit)
{
    const struct rivals r = {c, l, must_fit};
    struct class *k;
    while ((k = queue_rival(c, is_rival, &r, l)) && !may_come_instead(c, k, l)
           && park_blocked(c, k))
        continue;
    return k;
}

/* A job with the better claim that needs more than this lease gets a hold, which then decides. */
static bool outdoes(struct core *c, const struct lease *l)
{
    struct class *k = l->class, *first = free_rival(c, l, false);
    if (first == NULL)
        return true;
    if (placement_fits(first->shape, l->worker, l))
        return false;
    holds_consider(c, first);
    return holds_allow(c, k->shape, l->worker, l, queue_class_head(k))
           && free_rival(c, l, true) == NULL;
}

enum { PARKED_MAX = 256, SEARCHES_MAX = 4 }; /* searches of all machines: for elsewhere */

static bool comes_instead(struct core *c, const struct class *k, const struct lease *l,
                          unsigned *searches)
{
    enum wait_reason why;
    bool enough;
    if (k == NULL || k == l->class || !queue_comes_instead(c, k, l) || !may_come_instead(c, k, l))
        return false;
    return (might_take(c, k->shape, l, &enough) && enough && placement_fits(k->shape, l->worker, l))
           || (licence_blocks(&k->shape->tokens) == NULL && calendar_lacks(c, k->shape) == NULL
               && calendar_is_open(c, k->shape) && (*searches)++ < SEARCHES_MAX
               && placement_find(c, k->shape, queue_class_head(k), &why));
}

static bool is_awaited_in(struct core *c, struct seat *parked, const struct lease *l)
{
    size_t looked = 0;
    unsigned searches = 0;
    for (struct seat *t = parked; t && looked < PARKED_MAX; t = t->next_parked, looked++)
        if (comes_instead(c, queue_best_below(c, t), l, &searches))
            return true;
    return false;
}

/* Who is parked at a limit that the lease fills, or at a guarantee that it takes from, has a claim
 * to what it gives back. */
static bool is_awaited_by_parked(struct core *c, const struct lease *l)
{
    for (const struct share_node *n = l->leaf; n; n = n->parent)
        if (is_awaited_in(c, n->parked, l))
            return true;
    return is_awaited_in(c, c->queue.withheld, l);
}

bool policy_keeps(struct core *c, const struct lease *l)
{
    struct quota_block block;
    const struct class *k = l->class;
    const struct job *head = k ? queue_class_head(k) : NULL;
    if (head == NULL || c->config.is_easy || l->is_recalled || !worker_takes_work(l->worker)
        || l->n_usable < l->n_cores || l->heard.n >= LEASE_JOBS_MAX
        || quota_blocks_attempt(l, &block) || quota_is_exceeded(l->leaf, &l->tokens)
        || licence_is_exceeded(&l->tokens) || quota_lease_is_withheld(c, l)
        || !holds_allow(c, k->shape, l->worker, l, head)
        || !calendar_allows(c, k->shape, l->worker, l))
        return false;
    if (c->queue.n_ready_classes == 1)
        return true;
    if (is_awaited_by_parked(c, l))
        return false;
    return outdoes(c, l);
}

static uint64_t ahead_of(const struct core *c, const struct lease *l, const struct job *head)
{
    uint64_t mean = l->mean_run_us ? l->mean_run_us : head->mean_run_us;
    if (mean == 0)
        return 0;
    uint64_t ahead = (uint64_t)c->config.ahead_us / mean;
    return ahead < c->config.ahead_max ? ahead : c->config.ahead_max;
}

uint64_t policy_queue_target(const struct core *c, const struct lease *l)
{
    const struct job *head = l->class ? queue_class_head(l->class) : NULL;
    struct quota_block block;
    if (head == NULL || quota_blocks_attempt(l, &block))
        return 0;
    if (head->asked->restart != 0 || ahead_is_late(c, l))
        return 1; /* its one start counts from the grant: never granted before it can run */
    /* All that is left of the class is shared among its leases, so that they end together. */
    uint64_t target = 1 + ahead_of(c, l, head);
    uint64_t left = l->class->ready + l->class->queued;
    uint64_t bound = (left + l->class->n_leases - 1) / l->class->n_leases;
    return target < bound ? target : bound;
}

/* ---- charges ---- */

static double part(uint64_t used, double of)
{
    return of > 0 ? (double)used / of : 0;
}

/* One token of a scarce feature is never charged above half an average enterprise's share. */
static double token_part(const struct core *c, const struct token *t)
{
    double count = (double)t->feature->count;
    double least = c->config.has_plain_licence_charge ? 0 : 2.0 * (double)c->people.n_enterprises;
    return part(t->count, count > least ? count : least);
}

/* Of a pool of which nearly nothing is left it may be any multiple. */
static int64_t as_rate(double x)
{
    x = x < RATE_POOLS_MAX ? x : RATE_POOLS_MAX;
    return (int64_t)(x * (double)RATE_ONE + 0.5);
}

void policy_charge(const struct core *c, const struct policy_load *load, int64_t *rate,
                   int64_t *inner)
{
    double cores = part(load->cores, (double)c->pool.n_cores);
    double mem = part(load->mem_mib, (double)c->pool.mem_mib);
    double most = cores > mem ? cores : mem, own = 0;
    for (size_t i = 0; i < load->tokens->n; i++) {
        const struct token *t = &load->tokens->items[i];
        double x = t->feature->owner ? part(t->count, (double)t->feature->count) : token_part(c, t);
        if (t->feature->owner)
            own = x > own ? x : own;
        else
            most = x > most ? x : most;
    }
    *rate = as_rate(most);
    *inner = as_rate(own > most ? own : most);
}
