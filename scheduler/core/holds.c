/* Holds: when a job that waits for room will have it, and what may start until then. */
#include "scheduler/core/holds.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"

#define DRAIN_COST_MAX 0.05 /* idle core time for one that is drained for, of what it will use */

/* A plan looks at every lease, which takes a tenth of this for each. */
enum { PLAN_PAUSE_US = 1 };

/* ---- the test ---- */

/* Part of a lease that is still taken when the hold begins. */
static int64_t taken_cores(const struct hold *h, const struct lease *l)
{
    return l && l->worker == h->worker && l->end_us > h->at_us ? (int64_t)l->n_cores : 0;
}

static int64_t taken_mem(const struct hold *h, const struct lease *l)
{
    return l && l->worker == h->worker && l->end_us > h->at_us ? (int64_t)l->mem_mib : 0;
}

static int64_t taken_tokens(const struct hold *h, const struct lease *l, const struct feature *f)
{
    return l && l->end_us > h->at_us ? (int64_t)tokens_of(&l->tokens, f) : 0;
}

static bool leaves_tokens(const struct hold *h, const struct shape *s, const struct lease *l)
{
    const struct tokens *need = &h->job->class->shape->tokens;
    for (size_t i = 0; i < need->n; i++) {
        const struct feature *f = need->items[i].feature;
        int64_t wanted = (int64_t)tokens_of(&s->tokens, f);
        if (wanted > 0 && h->spare_tokens[i] + taken_tokens(h, l, f) < wanted)
            return false;
    }
    return true;
}

static bool leaves_place(const struct hold *h, const struct shape *s, const struct worker *w,
                         const struct lease *l)
{
    if (h->worker != w)
        return true;
    if (s->exclusive)
        return false;
    return h->spare_cores + taken_cores(h, l) >= (int64_t)s->cores
           && h->spare_mem_mib + taken_mem(h, l) >= (int64_t)s->mem_mib;
}

/* Of nobody's start nothing is known: it does not. */
static bool goes_before(const struct core *c, const struct job *job, const struct job *held)
{
    return job && job->ready > 0 && queue_class_before((struct core *)c, job->class, held->class);
}

bool holds_allow(const struct core *c, const struct shape *s, const struct worker *w,
                 const struct lease *l, const struct job *job)
{
    bool is_behind_own = false;
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        bool is_over_by_then = c->policy_us + (int64_t)s->time_us <= h->at_us;
        is_behind_own = is_behind_own || h->job == job;
        if (h->job->ready == 0 || (is_behind_own && (h->job == job || !h->is_reclaim)))
            continue; /* one that the next review drops; its own; one made after its own */
        if (h->is_draining && h->worker == w && !goes_before(c, job, h->job))
            return false;
        if (is_over_by_then)
            continue;
        if (!leaves_place(h, s, w, l) || !leaves_tokens(h, s, l))
            return false;
    }
    return true;
}

/* ---- the plan ---- */

struct ending {
    int64_t end_us;
    uint64_t cores, mem_mib;
};

static int by_end(const void *a, const void *b)
{
    int64_t x = ((const struct ending *)a)->end_us, y = ((const struct ending *)b)->end_us;
    return (x > y) - (x < y);
}

static int64_t end_of(const struct core *c, const struct lease *l)
{
    return l->end_us > c->policy_us ? l->end_us : c->policy_us + 1;
}

static uint64_t cores_wanted(const struct shape *s, const struct worker *w)
{
    return s->exclusive ? w->n_cores : s->cores;
}

int64_t holds_room(const struct core *c, const struct shape *s, const struct worker *w,
                   lease_end_fn end)
{
    uint64_t cores = w->n_free,
             mem = w->mem_mib > w->mem_used_mib ? w->mem_mib - w->mem_used_mib : 0;
    uint64_t want = cores_wanted(s, w);
    if (cores >= want && mem >= s->mem_mib)
        return c->policy_us;
    struct ending *ends = cq_calloc(w->n_leases, sizeof *ends);
    int64_t at_us = INT64_MAX;
    for (size_t i = 0; i < w->n_leases; i++)
        ends[i] =
            (struct ending){end(c, w->leases[i]), w->leases[i]->n_cores, w->leases[i]->mem_mib};
    if (w->n_leases > 0)
        qsort(ends, w->n_leases, sizeof *ends, by_end);
    for (size_t i = 0; i < w->n_leases && at_us == INT64_MAX; i++) {
        cores += ends[i].cores;
        mem += ends[i].mem_mib;
        if (cores >= want && mem >= s->mem_mib)
            at_us = ends[i].end_us;
    }
    free(ends);
    return at_us;
}

struct endings {
    struct ending *items;
    size_t n, cap;
};

static void add_ending(struct endings *all, struct ending e)
{
    cq_grow(&all->items, &all->cap, all->n);
    all->items[all->n++] = e;
}

static void add_token_ends(const struct core *c, const struct worker *w, const struct feature *f,
                           struct endings *all)
{
    for (size_t i = 0; i < w->n_leases; i++) {
        uint64_t count = tokens_of(&w->leases[i]->tokens, f);
        if (count > 0)
            add_ending(all, (struct ending){end_of(c, w->leases[i]), count, 0});
    }
}

/* When the tokens of one feature are there, anywhere. */
static int64_t tokens_at(const struct core *c, const struct token *t)
{
    uint64_t free_now = feature_free(t->feature);
    if (free_now >= t->count)
        return c->policy_us;
    struct endings ends = {0};
    for (size_t i = 0; i < c->pool.n; i++)
        add_token_ends(c, c->pool.workers[i], t->feature, &ends);
    if (ends.n > 0)
        qsort(ends.items, ends.n, sizeof *ends.items, by_end);
    int64_t at_us = INT64_MAX;
    for (size_t i = 0; i < ends.n && at_us == INT64_MAX; i++) {
        free_now += ends.items[i].cores;
        at_us = free_now >= t->count ? ends.items[i].end_us : INT64_MAX;
    }
    free(ends.items);
    return at_us;
}

static void fill_spare_tokens(const struct core *c, const struct tokens *need, struct hold *h)
{
    for (size_t i = 0; i < need->n; i++) {
        const struct feature *f = need->items[i].feature;
        h->spare_tokens[i] = (int64_t)feature_free(f) - (int64_t)need->items[i].count;
        for (size_t w = 0; w < c->pool.n; w++)
            for (size_t k = 0; k < c->pool.workers[w]->n_leases; k++) {
                const struct lease *l = c->pool.workers[w]->leases[k];
                h->spare_tokens[i] +=
                    end_of(c, l) <= h->at_us ? (int64_t)tokens_of(&l->tokens, f) : 0;
            }
    }
}

static void fill_spare(const struct core *c, const struct shape *s, const struct worker *w,
                       struct hold *h)
{
    h->spare_cores = (int64_t)w->n_free - (int64_t)cores_wanted(s, w);
    h->spare_mem_mib = (int64_t)w->mem_mib - (int64_t)w->mem_used_mib - (int64_t)s->mem_mib;
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        if (end_of(c, l) > h->at_us)
            continue;
        h->spare_cores += (int64_t)l->n_cores;
        h->spare_mem_mib += (int64_t)l->mem_mib;
    }
    fill_spare_tokens(c, &s->tokens, h);
}

int64_t holds_earliest(const struct core *c, const struct shape *s, const struct worker *w,
                       struct hold *h)
{
    int64_t at_us = holds_room(c, s, w, end_of);
    for (size_t i = 0; i < s->tokens.n && at_us < INT64_MAX; i++) {
        int64_t there_us = tokens_at(c, &s->tokens.items[i]);
        at_us = there_us > at_us ? there_us : at_us;
    }
    at_us = calendar_earliest(c, s, w, at_us);
    if (at_us == INT64_MAX || h == NULL)
        return at_us;
    h->at_us = at_us;
    fill_spare(c, s, w, h);
    return at_us;
}

/* ---- draining ---- */

/* Cores that ends give back on the machine in a microsecond, if what runs there ends as such runs
 * usually do. */
static double cores_ending_per_us(const struct worker *w)
{
    double rate = 0;
    for (size_t i = 0; i < w->n_leases; i++)
        if (w->leases[i]->n > 0)
            rate += (double)w->leases[i]->n_cores / job_usual_us(w->leases[i]->queue[0].job);
    return rate;
}

/* Keeping back whatever ends, until there is enough, leaves half of it idle for that long. Where
 * jobs are short that is next to nothing, and no job with a better claim waits for a limit that
 * nobody uses. Elsewhere the hold's time by limits decides. */
static bool is_drained_cheaply(const struct core *c, const struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    double want = (double)cores_wanted(s, h->worker), missing = want - (double)h->worker->n_free;
    double rate = cores_ending_per_us(h->worker);
    if (c->config.is_easy || s->why == WAIT_LICENCE || missing <= 0 || rate <= 0)
        return false;
    double idle_core_us = want / 2 * missing / rate;
    return idle_core_us <= DRAIN_COST_MAX * want * job_usual_us(h->job);
}

/* The machine where it fits first. */
static bool plan(struct core *c, struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    struct quota_block block;
    struct worker *best = NULL;
    int64_t at_us = INT64_MAX;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        struct worker *w = c->pool.fit[i];
        bool may = placement_could_fit(s, w)
                   && !quota_blocks_machine(c, h->job->class->leaf, s, w, &block);
        int64_t there_us = may ? holds_earliest(c, s, w, NULL) : INT64_MAX;
        if (there_us < at_us || (there_us == at_us && best && w->id < best->id)) {
            best = w;
            at_us = there_us;
        }
    }
    if (best == NULL)
        return false;
    h->worker = best;
    h->planned_us = c->policy_us;
    (void)holds_earliest(c, s, best, h);
    if (h->promised_us == 0)
        h->promised_us = h->at_us;
    h->is_draining = is_drained_cheaply(c, h);
    return true;
}

/* ---- making and dropping ---- */

bool holds_has_shape(const struct core *c, const struct shape *s)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].job->class->shape == s)
            return true;
    return false;
}

struct hold *holds_of(struct core *c, const struct job *job)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].job == job)
            return &c->holds.items[i];
    return NULL;
}

/* Jobs that a hold kept from starting look again; in arrival order a new head must be found. */
static void wake_held(struct core *c)
{
    for (size_t i = c->queue.shut.n; i-- > 0;) {
        struct shape *s = c->queue.shut.items[i];
        if (s->why == WAIT_RESERVED || c->config.is_easy)
            queue_open(c, s);
    }
    queue_wake_withheld(c); /* whole machines too large for a limit: a smaller one may be free */
}

static bool leaves_more_tokens(const struct hold *h, const struct hold *old)
{
    for (size_t i = 0; i < h->job->class->shape->tokens.n; i++)
        if (h->spare_tokens[i] > old->spare_tokens[i])
            return true;
    return false;
}

/* Plans anew; who it kept out looks again when it leaves more. */
static bool replan(struct core *c, struct hold *h)
{
    struct hold old = *h;
    if (!plan(c, h))
        return false;
    bool leaves_more = h->worker != old.worker || h->at_us != old.at_us
                       || h->spare_cores > old.spare_cores || h->spare_mem_mib > old.spare_mem_mib
                       || h->is_draining != old.is_draining || leaves_more_tokens(h, &old);
    if (leaves_more && !c->config.is_easy)
        wake_held(c);
    return true;
}

static void drop_at(struct core *c, size_t i)
{
    struct holds *all = &c->holds;
    memmove(all->items + i, all->items + i + 1, (all->n - i - 1) * sizeof *all->items);
    all->n--;
    wake_held(c);
}

void holds_drop(struct core *c, const struct job *job)
{
    const struct hold *h = holds_of(c, job);
    if (h)
        drop_at(c, (size_t)(h - c->holds.items));
}

/* One hold for each: what it waits for, and how wide it is. */
static unsigned key_of(const struct core *c, const struct shape *s)
{
    if (c->config.is_easy)
        return 0;
    if (s->why == WAIT_LICENCE && s->why_feature)
        return 8 + (unsigned)s->why_feature->index;
    return s->cores <= 8 ? 1 : s->cores <= 32 ? 2 : 3;
}

static bool has_rival(const struct core *c, unsigned key, const struct job *job)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].key == key || c->holds.items[i].job->enterprise == job->enterprise)
            return true;
    return false;
}

/* The end of one lease, of most of them any one, is enough: it comes to whoever is next without
 * being held. */
static bool one_end_is_enough(const struct core *c, const struct shape *s)
{
    size_t all = 0, enough = 0;
    if (licence_blocks(&s->tokens) && (s->tokens.n > 1 || s->tokens.items[0].count > 1))
        return false;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        const struct worker *w = c->pool.fit[i];
        if (!placement_could_fit(s, w))
            continue;
        all += w->n_leases;
        for (size_t k = 0; k < w->n_leases; k++)
            enough += placement_fits(s, w, w->leases[k]);
    }
    return enough > 0 && enough >= all / 2;
}

struct hold *holds_make(struct core *c, struct job *job, struct worker *w, int64_t at_us)
{
    if (c->holds.n == HOLDS_MAX)
        return NULL;
    struct hold *h = &c->holds.items[c->holds.n];
    *h = (struct hold){.job = job,
                       .worker = w,
                       .at_us = at_us,
                       .promised_us = at_us,
                       .planned_us = c->policy_us,
                       .key = key_of(c, job->class->shape)};
    c->holds.n++;
    if (w)
        fill_spare(c, job->class->shape, w, h);
    return h;
}

void holds_consider(struct core *c, struct class *k)
{
    struct job *job = queue_class_head(k);
    bool is_due = c->config.is_easy || c->policy_us >= c->holds.next_us;
    if (!is_due || holds_of(c, job) || c->holds.n == HOLDS_MAX
        || has_rival(c, key_of(c, k->shape), job))
        return;
    c->holds.next_us = c->policy_us + PLAN_PAUSE_US * (int64_t)c->share.root.running;
    if (!c->config.is_easy && one_end_is_enough(c, k->shape))
        return;
    struct hold *h = holds_make(c, job, NULL, 0);
    if (!plan(c, h))
        c->holds.n--;
}

/* ---- upkeep ---- */

static bool is_needed(const struct core *c, const struct hold *h)
{
    struct quota_block block;
    const struct class *k = h->job->class;
    return h->job->ready > 0 && queue_class_head(k) == h->job
           && !quota_blocks(k->leaf, k->shape, &block) && worker_takes_work(h->worker)
           && !quota_blocks_machine(c, k->leaf, k->shape, h->worker, &block);
}

static bool is_stale(const struct core *c, const struct hold *h)
{
    if (c->config.is_easy)
        return true; /* as published: at each event */
    int64_t every_us = (h->at_us - h->planned_us) / 32;
    every_us = every_us > c->config.replan_us ? every_us : c->config.replan_us;
    return c->policy_us >= h->at_us || c->policy_us - h->planned_us >= every_us;
}

void holds_drop_parked(struct core *c)
{
    for (size_t i = c->holds.n; i-- > 0;)
        if (queue_is_parked(c->holds.items[i].job->class))
            drop_at(c, i);
}

void holds_review(struct core *c)
{
    for (size_t i = c->holds.n; i-- > 0;) {
        struct hold *h = &c->holds.items[i];
        if (h->is_reclaim && c->policy_us > h->at_us)
            h->is_reclaim = false; /* its victims did not go in time: a hold like any other */
        if (!is_needed(c, h))
            drop_at(c, i);
        else if (!h->is_reclaim && is_stale(c, h) && !replan(c, h))
            drop_at(c, i);
    }
}

static bool waits_for_room(const struct shape *s)
{
    return s->why == WAIT_CAPACITY || s->why == WAIT_LICENCE || s->why == WAIT_RESERVED;
}

static bool has_hold(const struct core *c, unsigned key)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].key == key)
            return true;
    return false;
}

/* The first of the shapes with this key, in pick order. */
static void sweep_key(struct core *c, unsigned key)
{
    struct shape **list = cq_calloc(c->queue.shut.n, sizeof(struct shape *));
    size_t n = 0;
    for (size_t i = 0; i < c->queue.shut.n; i++)
        if (waits_for_room(c->queue.shut.items[i]) && key_of(c, c->queue.shut.items[i]) == key)
            list[n++] = c->queue.shut.items[i];
    struct class *k = n > 0 ? queue_pick_among(c, list, n) : NULL;
    free(list);
    if (k)
        holds_consider(c, k);
}

void holds_sweep(struct core *c)
{
    if (c->config.is_easy || c->policy_us < c->holds.sweep_us)
        return;
    c->holds.sweep_us = c->policy_us + c->config.replan_us;
    unsigned n_keys = 8 + (unsigned)c->features.n;
    for (unsigned key = 1; key < n_keys && c->queue.shut.n > 0; key++)
        if (!has_hold(c, key))
            sweep_key(c, key);
}

int64_t holds_next_us(const struct core *c)
{
    return c->queue.shut.n > 0 && !c->config.is_easy ? c->holds.sweep_us : INT64_MAX;
}

/* ---- what leases do to the spare of holds ---- */

static void count_lease(struct core *c, const struct lease *l, int64_t sign)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        struct hold *h = &c->holds.items[i];
        const struct tokens *need = &h->job->class->shape->tokens;
        h->spare_cores += sign * taken_cores(h, l);
        h->spare_mem_mib += sign * taken_mem(h, l);
        for (size_t k = 0; k < need->n; k++)
            h->spare_tokens[k] += sign * taken_tokens(h, l, need->items[k].feature);
    }
}

void holds_set_end(struct core *c, struct lease *l, int64_t end_us)
{
    count_lease(c, l, 1);
    l->end_us = end_us;
    count_lease(c, l, -1);
}

void holds_forget_lease(struct core *c, const struct lease *l)
{
    count_lease(c, l, 1);
}

void holds_change_free(struct core *c, const struct feature *f, int64_t by)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        struct hold *h = &c->holds.items[i];
        const struct tokens *need = &h->job->class->shape->tokens;
        for (size_t k = 0; k < need->n; k++)
            h->spare_tokens[k] += need->items[k].feature == f ? by : 0;
    }
}
