/* The upkeep of holds: before each pass, and now and then a look for jobs that no pick has met. */
#include "scheduler/core/holds.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_internal.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/quota.h"

#define REPLAN_MOST_US (60 * US_PER_S)

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
    const struct tokens *need = &h->job->class->shape->tokens;
    bool lacks = h->spare_cores < 0 || h->spare_mem_mib < 0;
    for (size_t i = 0; i < need->n; i++)
        lacks = lacks || (h->spare_tokens[i] < 0 && need->items[i].feature->external == 0);
    return lacks;
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
    hold_wake_others(c); /* who is over by then now may start */
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
        if (hold_may_move(&c->holds.items[i]) && !hold_replan(c, &c->holds.items[i]))
            hold_drop_at(c, i);
}

void holds_begun(struct core *c, const struct job *job, const struct worker *w)
{
    const struct hold *h = holds_of(c, job);
    if (h == NULL)
        return;
    if (h->worker == w && lateness(c, h) > 0)
        put_off(c, lateness(c, h));
    hold_drop_at(c, (size_t)(h - c->holds.items));
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
            hold_drop_at(c, i);
}

/* Its victims did not go in time: a hold like any other. */
static void end_reclaim(struct core *c, struct hold *h)
{
    hold_count(c, h, -1);
    h->is_reclaim = false;
    c->holds.is_changed = true;
    hold_count(c, h, 1);
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
        if (!is_needed(c, h) || (is_stale(c, h) && !hold_replan(c, h)))
            hold_drop_at(c, i);
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
            && hold_key(c, c->queue.shut.items[i]) == key)
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
