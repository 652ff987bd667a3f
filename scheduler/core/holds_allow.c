/* What may start although there are holds, and what leases leave to each of them. */
#include "scheduler/core/holds.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_internal.h"
#include "scheduler/core/holds_plan.h"

/* ---- the test ---- */

/* Part of a lease that is still taken when the hold begins. */
static int64_t taken_cores(const struct hold *h, const struct lease *l)
{
    return l && l->worker == h->worker && !plan_is_over(h, l) ? (int64_t)l->n_usable : 0;
}

static int64_t taken_mem(const struct hold *h, const struct lease *l)
{
    return l && l->worker == h->worker && !plan_is_over(h, l) ? (int64_t)l->mem_mib : 0;
}

static int64_t taken_tokens(const struct hold *h, const struct lease *l, const struct feature *f)
{
    return l && !plan_is_over(h, l) ? (int64_t)tokens_of(&l->tokens, f) : 0;
}

/* A start: what of, where, in place of which lease and of which hold. */
struct start {
    const struct shape *shape;
    const struct worker *worker;
    const struct lease *lease; /* or NULL */
    const struct hold *own;    /* or NULL */
};

static bool leaves_tokens(const struct hold *h, const struct start *s)
{
    const struct tokens *need = &h->job->class->shape->tokens;
    for (size_t i = 0; i < need->n; i++) {
        const struct feature *f = need->items[i].feature;
        int64_t wanted = (int64_t)tokens_of(&s->shape->tokens, f);
        int64_t spare = h->spare_tokens[i] + taken_tokens(h, s->lease, f);
        spare += s->own ? plan_tokens_taken(h, s->own, f) : 0;
        if (wanted > 0 && spare < wanted)
            return false;
    }
    return true;
}

static bool leaves_place(const struct hold *h, const struct start *s)
{
    if (h->worker != s->worker)
        return true;
    int64_t cores = h->spare_cores + taken_cores(h, s->lease);
    int64_t mem = h->spare_mem_mib + taken_mem(h, s->lease);
    cores += s->own ? plan_cores_taken(h, s->own) : 0;
    mem += s->own ? plan_mem_taken(h, s->own) : 0;
    return !s->shape->exclusive && cores >= (int64_t)s->shape->cores
           && mem >= (int64_t)s->shape->mem_mib;
}

/* Of nobody's start nothing is known: it does not. */
static bool goes_before(const struct core *c, const struct job *job, const struct job *held)
{
    return job && job->ready > 0 && queue_class_before((struct core *)c, job->class, held->class);
}

/* It was given this place from now on, or from a moment ago: then everything is so much later. */
static bool is_its_time(const struct core *c, const struct start *s)
{
    return s->own && s->own->worker == s->worker && s->own->at_us <= c->policy_us;
}

/* A drain keeps its machine from worse claims, but nobody from what was given before. */
static bool is_drained_for(const struct core *c, const struct hold *h, const struct start *s,
                           const struct job *job)
{
    return h->is_draining && h->worker == s->worker && !is_its_time(c, s)
           && !goes_before(c, job, h->job);
}

bool holds_allow(const struct core *c, const struct shape *shape, const struct worker *w,
                 const struct lease *l, const struct job *job)
{
    const struct start s = {shape, w, l, job ? holds_of((struct core *)c, job) : NULL};
    int64_t from_us = is_its_time(c, &s) ? s.own->at_us : c->policy_us;
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        if (h == s.own || h->job->ready == 0)
            continue; /* one that the next review drops */
        if (s.own && s.own->is_reclaim && s.own->worker == w && !h->is_reclaim)
            continue; /* guarantees go before promises */
        if (is_drained_for(c, h, &s, job))
            return false;
        if (kept_is_in_way(c, h, l, shape, from_us))
            return false;
        bool is_over_by_then = from_us + (int64_t)shape->time_us <= h->at_us;
        if (!is_over_by_then && !(leaves_place(h, &s) && leaves_tokens(h, &s)))
            return false;
    }
    return calendar_leaves_holds(c, shape, w, l, s.own);
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

void holds_recount(struct core *c, const struct worker *w)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        struct hold *h = &c->holds.items[i];
        if (h->worker != w)
            continue;
        plan_count_spare(c, h);
        c->holds.is_overbooked = true; /* all are planned anew */
    }
}

/* With that end it is over by the time of a hold for which it still counts now. */
static bool gives_back(const struct core *c, const struct lease *l, int64_t end_us)
{
    const struct lease sooner = {.worker = l->worker, .end_us = end_us};
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        if (!plan_is_over(h, l) && plan_is_over(h, &sooner))
            return true;
    }
    return false;
}

/* Who was kept out for what it had then looks again. */
void holds_set_end(struct core *c, struct lease *l, int64_t end_us)
{
    bool leaves_more = gives_back(c, l, end_us);
    count_lease(c, l, 1);
    l->end_us = end_us;
    count_lease(c, l, -1);
    if (leaves_more && !c->config.is_easy)
        hold_wake_others(c);
}

void holds_forget_lease(struct core *c, const struct lease *l)
{
    count_lease(c, l, 1);
}

/* Who was kept out for tokens that are there then looks again. */
void holds_change_free(struct core *c, const struct feature *f, int64_t by)
{
    bool leaves_more = false;
    for (size_t i = 0; i < c->holds.n; i++) {
        struct hold *h = &c->holds.items[i];
        const struct tokens *need = &h->job->class->shape->tokens;
        for (size_t k = 0; k < need->n; k++) {
            bool is_it = need->items[k].feature == f;
            h->spare_tokens[k] += is_it ? by : 0;
            leaves_more = leaves_more || (is_it && by > 0);
        }
    }
    if (leaves_more && !c->config.is_easy)
        hold_wake_others(c);
}
