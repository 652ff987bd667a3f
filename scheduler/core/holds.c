/* Holds: made, planned, given another place, dropped. */
#include "scheduler/core/holds.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_internal.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"

#define DRAIN_COST_MAX 0.05 /* idle core time for one that is drained for, of what it will use */

/* A plan looks at every lease, which takes a tenth of this for each. */
enum { PLAN_PAUSE_US = 1 };

/* ---- draining ---- */

/* Cores that ends give back on the machine in a microsecond, if what runs there ends as such runs
 * usually do. */
static double cores_ending_per_us(const struct worker *w)
{
    double rate = 0;
    for (size_t i = 0; i < w->n_leases; i++)
        if (w->leases[i]->n > 0)
            rate += (double)w->leases[i]->n_usable / job_usual_us(w->leases[i]->queue[0].job);
    return rate;
}

/* Keeping back whatever ends, until there is enough, leaves half of it idle for that long. Where
 * jobs are short that is next to nothing, and no job with a better claim waits for a limit that
 * nobody uses. Elsewhere the hold's time by limits decides. */
static bool is_drained_cheaply(const struct core *c, const struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    double want = (double)plan_cores_wanted(s, h->worker),
           missing = want - (double)h->worker->n_free;
    double rate = cores_ending_per_us(h->worker);
    if (c->config.is_easy || s->why == WAIT_LICENCE || missing <= 0 || rate <= 0)
        return false;
    double idle_core_us = want / 2 * missing / rate;
    return idle_core_us <= DRAIN_COST_MAX * want * job_usual_us(h->job);
}

bool holds_may_drain(const struct core *c, const struct worker *w)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].worker == w && is_drained_cheaply(c, &c->holds.items[i]))
            return true;
    return false;
}

/* The machine where it fits first. */
static struct worker *first_machine(struct core *c, const struct hold *h, int64_t *at_us)
{
    const struct class *k = h->job->class;
    struct quota_block block;
    struct worker *best = NULL;
    struct plan_endings tokens;
    plan_token_endings(c, k->shape, &tokens);
    *at_us = INT64_MAX;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        struct worker *w = c->pool.fit[i];
        bool may = placement_could_fit(k->shape, w)
                   && !quota_blocks_machine(c, k->leaf, k->shape, w, &block);
        int64_t there_us = may ? plan_earliest(c, k->shape, w, h, &tokens) : INT64_MAX;
        if (there_us < *at_us || (there_us == *at_us && best && w->id < best->id)) {
            best = w;
            *at_us = there_us;
        }
    }
    free(tokens.items);
    return best;
}

static bool plan(struct core *c, struct hold *h)
{
    int64_t at_us;
    struct worker *w = first_machine(c, h, &at_us);
    if (w == NULL)
        return false;
    h->worker = w;
    h->at_us = at_us;
    h->planned_us = c->policy_us;
    h->is_due = false;
    h->kept.n = 0;
    (void)kept_fits_at(c, h->job->class->shape, w, h, at_us, &h->kept);
    plan_fill_spare(c, h);
    if (h->promised_us == 0)
        h->promised_us = h->at_us;
    h->is_draining = is_drained_cheaply(c, h);
    c->holds.is_changed = true;
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

void hold_count(struct core *c, const struct hold *h, int64_t sign)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        struct hold *other = &c->holds.items[i];
        const struct tokens *need = &other->job->class->shape->tokens;
        if (other == h)
            continue;
        other->spare_cores -= sign * plan_cores_taken(other, h);
        other->spare_mem_mib -= sign * plan_mem_taken(other, h);
        for (size_t k = 0; k < need->n; k++)
            other->spare_tokens[k] -= sign * plan_tokens_taken(other, h, need->items[k].feature);
    }
}

/* Jobs that a hold kept from starting look again; in arrival order a new head must be found. */
void hold_wake_others(struct core *c)
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

/* Exact cores are chosen anew with each plan, and may be others for which there is less room: then
 * the old ones are better. */
static void keep_better(struct core *c, struct hold *h, const struct hold *old)
{
    const struct hold found = *h;
    if (old->kept.n == 0 || h->at_us <= old->at_us)
        return;
    *h = *old;
    h->planned_us = c->policy_us;
    plan_fill_spare(c, h);
    if (!kept_is_good(c, h) || h->spare_cores < 0 || h->spare_mem_mib < 0
        || calendar_earliest(c, h->job->class->shape, h->worker, h, h->at_us) > h->at_us)
        *h = found;
}

bool hold_replan(struct core *c, struct hold *h)
{
    struct hold old = *h;
    hold_count(c, h, -1);
    bool ok = plan(c, h);
    if (ok)
        keep_better(c, h, &old);
    hold_count(c, h, 1);
    bool leaves_more = h->worker != old.worker || h->at_us != old.at_us
                       || h->spare_cores > old.spare_cores || h->spare_mem_mib > old.spare_mem_mib
                       || h->is_draining != old.is_draining || leaves_more_tokens(h, &old)
                       || memcmp(&h->kept, &old.kept, sizeof h->kept) != 0;
    if (ok && leaves_more && !c->config.is_easy)
        hold_wake_others(c);
    return ok;
}

void hold_drop_at(struct core *c, size_t i)
{
    struct holds *all = &c->holds;
    hold_count(c, &all->items[i], -1);
    memmove(all->items + i, all->items + i + 1, (all->n - i - 1) * sizeof *all->items);
    all->n--;
    all->is_changed = true;
    hold_wake_others(c);
}

void holds_drop(struct core *c, const struct job *job)
{
    const struct hold *h = holds_of(c, job);
    if (h)
        hold_drop_at(c, (size_t)(h - c->holds.items));
}

unsigned hold_key(const struct core *c, const struct shape *s)
{
    if (c->config.is_easy)
        return 0;
    if (s->why == WAIT_LICENCE && s->why_feature)
        return 8 + (unsigned)s->why_feature->index;
    return s->cores <= 8 ? 1 : s->cores <= 32 ? 2 : 3;
}

/* Beside what others have, a senior may have one. */
static bool has_rival(const struct core *c, unsigned key, const struct job *job)
{
    bool is_senior = queue_is_senior(c, job);
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        if (h->is_senior == is_senior && (h->key == key || h->job->enterprise == job->enterprise))
            return true;
    }
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

static struct hold *add_hold(struct core *c, struct job *job)
{
    struct hold *h = &c->holds.items[c->holds.n++];
    *h = (struct hold){.job = job,
                       .planned_us = c->policy_us,
                       .key = hold_key(c, job->class->shape),
                       .is_senior = queue_is_senior(c, job)};
    return h;
}

static size_t count_kind(const struct core *c, bool is_senior)
{
    size_t n = 0;
    for (size_t i = 0; i < c->holds.n; i++)
        n += c->holds.items[i].is_senior == is_senior;
    return n;
}

bool hold_is_full(const struct core *c, bool is_senior)
{
    return count_kind(c, is_senior) >= (is_senior ? HOLDS_SENIORS_MAX : HOLDS_ORDINARY_MAX);
}

bool holds_may_have(const struct core *c, const struct job *job)
{
    return !holds_of((struct core *)c, job) && !hold_is_full(c, queue_is_senior(c, job))
           && !has_rival(c, hold_key(c, job->class->shape), job);
}

void holds_consider(struct core *c, struct class *k)
{
    struct job *job = queue_class_head(k);
    bool is_due = c->config.is_easy || c->policy_us >= c->holds.next_us;
    if (!is_due || !holds_may_have(c, job))
        return;
    c->holds.next_us = c->policy_us + PLAN_PAUSE_US * (int64_t)c->share.root.running;
    if (!c->config.is_easy && one_end_is_enough(c, k->shape))
        return;
    struct hold *h = add_hold(c, job);
    if (plan(c, h))
        hold_count(c, h, 1);
    else
        c->holds.n--;
}

/* ---- reclaim ---- */

/* The newest of the holds that no claim has goes. */
static bool make_way(struct core *c)
{
    for (size_t i = c->holds.n; hold_is_full(c, false) && i-- > 0;)
        if (!c->holds.items[i].is_reclaim && !c->holds.items[i].is_senior)
            hold_drop_at(c, i);
    return !hold_is_full(c, false);
}

bool holds_may_reclaim(struct core *c, const struct job *job)
{
    holds_drop(c, job);
    return make_way(c);
}

bool hold_may_move(const struct hold *h)
{
    return !h->is_reclaim && !h->worker->is_settling;
}

/* Guarantees go before promises: who was to have that place is given another. */
static void give_way(struct core *c)
{
    for (size_t i = c->holds.n; i-- > 0;) {
        struct hold *h = &c->holds.items[i];
        if (!hold_may_move(h))
            continue;
        if (!hold_replan(c, h)) {
            hold_drop_at(c, i);
            continue;
        }
        h->promised_us = h->at_us > h->promised_us ? h->at_us : h->promised_us;
    }
}

void holds_reclaim(struct core *c, struct job *job, struct worker *w, int64_t at_us)
{
    struct hold *h = add_hold(c, job);
    h->worker = w;
    h->at_us = h->promised_us = at_us;
    h->is_reclaim = true;
    h->is_senior = false;
    (void)kept_fits_at(c, job->class->shape, w, h, at_us, &h->kept);
    c->holds.is_changed = true;
    plan_fill_spare(c, h);
    hold_count(c, h, 1);
    give_way(c);
    if (job->class->shape->is_shut)
        queue_open(c, job->class->shape); /* a promise may be all that kept it out */
}
