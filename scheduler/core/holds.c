/* Holds: when a job that waits for room will have it, and what may start until then. */
#include "scheduler/core/holds.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/quota.h"

#define DRAIN_COST_MAX 0.05 /* idle core time for one that is drained for, of what it will use */

#define REPLAN_MOST_US (60 * US_PER_S)

/* A plan looks at every lease, which takes a tenth of this for each. */
enum { PLAN_PAUSE_US = 1 };

/* ---- the test ---- */

/* Part of a lease that is still taken when the hold begins. */
static int64_t taken_cores(const struct hold *h, const struct lease *l)
{
    return l && l->worker == h->worker && !plan_is_over(h, l) ? (int64_t)l->n_cores : 0;
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

/* Its place counts with the others, or (sign -1) does not any more. */
static void count_hold(struct core *c, const struct hold *h, int64_t sign)
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

/* Plans anew; who it kept out looks again when it leaves more. */
static bool replan(struct core *c, struct hold *h)
{
    struct hold old = *h;
    count_hold(c, h, -1);
    bool ok = plan(c, h);
    if (ok)
        keep_better(c, h, &old);
    count_hold(c, h, 1);
    bool leaves_more = h->worker != old.worker || h->at_us != old.at_us
                       || h->spare_cores > old.spare_cores || h->spare_mem_mib > old.spare_mem_mib
                       || h->is_draining != old.is_draining || leaves_more_tokens(h, &old);
    if (ok && leaves_more && !c->config.is_easy)
        wake_held(c);
    return ok;
}

static void drop_at(struct core *c, size_t i)
{
    struct holds *all = &c->holds;
    count_hold(c, &all->items[i], -1);
    memmove(all->items + i, all->items + i + 1, (all->n - i - 1) * sizeof *all->items);
    all->n--;
    all->is_changed = true;
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
                       .key = key_of(c, job->class->shape),
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

static bool is_full(const struct core *c, bool is_senior)
{
    return count_kind(c, is_senior) >= (is_senior ? HOLDS_SENIORS_MAX : HOLDS_ORDINARY_MAX);
}

bool holds_may_have(const struct core *c, const struct job *job)
{
    return !holds_of((struct core *)c, job) && !is_full(c, queue_is_senior(c, job))
           && !has_rival(c, key_of(c, job->class->shape), job);
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
        count_hold(c, h, 1);
    else
        c->holds.n--;
}

/* ---- reclaim ---- */

/* The newest of the holds that no claim has goes. */
static bool make_way(struct core *c)
{
    for (size_t i = c->holds.n; is_full(c, false) && i-- > 0;)
        if (!c->holds.items[i].is_reclaim && !c->holds.items[i].is_senior)
            drop_at(c, i);
    return !is_full(c, false);
}

bool holds_may_reclaim(struct core *c, const struct job *job)
{
    holds_drop(c, job);
    return make_way(c);
}

/* A claim's place is its victims'; that of a machine which may yet come back stays as promised. */
static bool may_move(const struct hold *h)
{
    return !h->is_reclaim && !h->worker->is_settling;
}

/* Guarantees go before promises: who was to have that place is given another. */
static void give_way(struct core *c)
{
    for (size_t i = c->holds.n; i-- > 0;) {
        struct hold *h = &c->holds.items[i];
        if (!may_move(h))
            continue;
        if (!replan(c, h)) {
            drop_at(c, i);
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
    count_hold(c, h, 1);
    give_way(c);
}

/* ---- upkeep ---- */

/* While machines have not come back after a restart, all that is there may seem to be others'. */
static bool is_withheld(struct core *c, const struct class *k)
{
    return !workers_are_settling(&c->pool) && quota_is_withheld(c, k->leaf, k->shape);
}

static bool is_needed(struct core *c, const struct hold *h)
{
    struct quota_block block;
    const struct class *k = h->job->class;
    return h->job->ready > 0 && !quota_blocks(k->leaf, k->shape, &block)
           && (h->is_reclaim || !is_withheld(c, k)) && worker_takes_work(h->worker)
           && !quota_blocks_machine(c, k->leaf, k->shape, h->worker, &block);
}

/* What it counts on is there no more: a machine shrank, what was queued ahead is long. Tokens that
 * a server still shows come back. */
static bool is_short(const struct hold *h)
{
    return h->spare_cores < 0 || h->spare_mem_mib < 0;
}

/* One whose time has come waits for what is late. */
static bool is_stale(const struct core *c, const struct hold *h)
{
    if (c->config.is_easy)
        return true; /* as published: at each event */
    if (h->is_reclaim || c->policy_us >= h->at_us)
        return false;
    if (c->holds.is_overbooked || is_short(h))
        return true;
    int64_t every_us = (h->at_us - h->planned_us) / 32;
    every_us = every_us < REPLAN_MOST_US ? every_us : REPLAN_MOST_US;
    every_us = every_us > c->config.replan_us ? every_us : c->config.replan_us;
    return c->policy_us - h->planned_us >= every_us;
}

/* All are later alike, so that each keeps its place among the others. */
static void put_off(struct core *c, int64_t by_us)
{
    c->holds.is_changed = true;
    for (size_t i = 0; i < c->holds.n; i++)
        c->holds.items[i].at_us += c->holds.items[i].is_reclaim ? 0 : by_us;
    for (size_t i = 0; i < c->holds.n; i++)
        plan_fill_spare(c, &c->holds.items[i]);
}

static int64_t lateness(const struct core *c, const struct hold *h)
{
    bool is_due = !h->is_reclaim && !h->worker->is_settling && !c->config.is_easy;
    return is_due ? c->policy_us - h->at_us : 0;
}

/* What runs beyond its limit puts off those that wait for it. */
static void review_late(struct core *c)
{
    int64_t late_us = 0;
    for (size_t i = 0; i < c->holds.n; i++) {
        int64_t own_us = lateness(c, &c->holds.items[i]);
        late_us = own_us > late_us ? own_us : late_us;
    }
    if (late_us < c->config.replan_us || late_us == 0)
        return;
    put_off(c, late_us);
    for (size_t i = c->holds.n; i-- > 0;)
        if (may_move(&c->holds.items[i]) && !replan(c, &c->holds.items[i]))
            drop_at(c, i);
}

void holds_begun(struct core *c, const struct job *job, const struct worker *w)
{
    const struct hold *h = holds_of(c, job);
    if (h == NULL)
        return;
    if (h->worker == w && lateness(c, h) > 0)
        put_off(c, lateness(c, h));
    drop_at(c, (size_t)(h - c->holds.items));
}

/* Its time has come: it looks, even if nothing has ended. */
static void begin(struct core *c, struct hold *h)
{
    if (h->is_due || c->policy_us + 1 < h->at_us || c->config.is_easy || h->worker->is_settling)
        return;
    h->is_due = c->holds.is_changed = true;
    if (h->job->class->shape->is_shut)
        queue_open(c, h->job->class->shape);
}

void holds_drop_parked(struct core *c)
{
    for (size_t i = c->holds.n; i-- > 0 && !workers_are_settling(&c->pool);)
        if (queue_is_parked(c->holds.items[i].job->class))
            drop_at(c, i);
}

/* Its victims did not go in time: a hold like any other. */
static void end_reclaim(struct core *c, struct hold *h)
{
    count_hold(c, h, -1);
    h->is_reclaim = false;
    c->holds.is_changed = true;
    count_hold(c, h, 1);
}

/* A job of the same class with a better rank takes the place over. */
static void pass_on(struct core *c, struct hold *h)
{
    struct job *head = queue_class_head(h->job->class);
    if (h->job->ready == 0 || head == h->job || holds_of(c, head))
        return;
    h->job = head;
    c->holds.is_changed = true;
}

void holds_review(struct core *c)
{
    for (size_t i = c->holds.n; i-- > 0;) {
        struct hold *h = &c->holds.items[i];
        if (h->worker->is_settling)
            continue; /* after a restart: what was promised there is kept */
        if (h->is_reclaim && c->policy_us > h->at_us)
            end_reclaim(c, h);
        pass_on(c, h);
        if (!is_needed(c, h) || (is_stale(c, h) && !replan(c, h)))
            drop_at(c, i);
    }
    c->holds.is_overbooked = false;
    review_late(c);
    for (size_t i = 0; i < c->holds.n; i++)
        begin(c, &c->holds.items[i]);
}

static bool has_hold(const struct core *c, unsigned key)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].key == key && !c->holds.items[i].is_senior)
            return true;
    return false;
}

/* The first of the shapes with this key, in pick order. */
static void sweep_key(struct core *c, unsigned key)
{
    struct shape **list = cq_calloc(c->queue.shut.n, sizeof(struct shape *));
    size_t n = 0;
    for (size_t i = 0; i < c->queue.shut.n; i++)
        if (shape_waits_for_room(c->queue.shut.items[i])
            && key_of(c, c->queue.shut.items[i]) == key)
            list[n++] = c->queue.shut.items[i];
    struct class *k = n > 0 ? policy_first_waiting(c, list, n) : NULL;
    free(list);
    if (k)
        holds_consider(c, k);
}

void holds_sweep(struct core *c)
{
    if (c->config.is_easy || c->policy_us < c->holds.sweep_us)
        return;
    c->holds.sweep_us = c->policy_us + c->config.replan_us;
    struct class *senior = policy_senior_to_hold(c);
    if (senior)
        holds_consider(c, senior);
    unsigned n_keys = 8 + (unsigned)c->features.n;
    for (unsigned key = 1; key < n_keys && c->queue.shut.n > 0; key++)
        if (!has_hold(c, key))
            sweep_key(c, key);
}

int64_t holds_next_us(const struct core *c)
{
    if (c->queue.shut.n == 0 || c->config.is_easy)
        return INT64_MAX;
    int64_t next_us = c->holds.sweep_us;
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        if (!h->is_due && !h->worker->is_settling && h->at_us < next_us)
            next_us = h->at_us;
    }
    return next_us;
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
