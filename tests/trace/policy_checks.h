/* What must hold at each step of a random history, and what is tried now and then. */
#ifndef CHIPQ_TEST_POLICY_CHECKS_H
#define CHIPQ_TEST_POLICY_CHECKS_H

#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"
#include "tests/trace/policy_bookings.h"
#include "tests/trace/policy_deps.h"

#define REPLAN_US (20 * US_PER_S)  /* seldomer than in life: virtual days go by faster */
#define PASS_US   (2 * REPLAN_US)  /* a look again comes within it */
#define BACK_US   (900 * US_PER_S) /* max(T_grace + T_kill, T_np) */

/* ---- victims ---- */

/* What is left to a node when all that was called back is gone. */
static void check_spared(const struct play *p, const struct share_node *n)
{
    const struct core *c = p->w.core;
    uint64_t cores = 0, mem = 0;
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        cores += l->is_recalled || !is_below(l->leaf, n) ? 0 : l->n_cores;
        mem += l->is_recalled || !is_below(l->leaf, n) ? 0 : l->mem_mib;
    }
    if (cores < n->settings.min_cores || mem < n->settings.min_mem_mib)
        play_fail(p, "a victim's side falls under its own guarantee");
}

/* The side of a victim: below what it has in common with who takes. */
static bool is_side(const struct core *c, const struct share_node *n)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].is_reclaim && is_below(c->holds.items[i].job->class->leaf, n))
            return false;
    return true;
}

static void check_victims(struct play *p)
{
    const struct core *c = p->w.core;
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        const struct job *job =
            r->type == RECORD_TASK_PREEMPT ? job_find(c, r->u.task_preempt.job) : NULL;
        if (job == NULL)
            continue;
        if (!job->class->shape->is_preemptible)
            play_fail(p, "a job that is not preemptible was called back");
        if (strstr(r->u.task_preempt.cause, "a booking begins"))
            continue; /* policy_bookings.h */
        for (const struct share_node *n = job->class->leaf; n->parent; n = n->parent)
            if (is_side(c, n))
                check_spared(p, n);
    }
}

/* ---- guarantees ---- */

static bool is_quiet(const struct core *c, const struct lease *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct task *t = l->queue[i].task;
        if (t->preemptions >= 3 || t->is_killing || t->is_requeued
            || (t->preempted_us != 0 && c->policy_us - t->preempted_us < 1800 * US_PER_S))
            return true;
    }
    return false;
}

/* It may be asked to give, as far as it alone is concerned. */
static bool may_give(const struct core *c, const struct share_node *claimant, const struct shape *s,
                     const struct lease *l)
{
    if (l->class == NULL || !l->class->shape->is_preemptible || l->is_recalled || l->n == 0
        || is_below(l->leaf, claimant) || is_quiet(c, l) || calendar_has(c, l))
        return false;
    for (const struct share_node *n = claimant; !is_below(l->leaf, n); n = n->parent)
        if (!quota_is_guaranteed(n, s))
            return false;
    return true;
}

/* All that are taken leave every node of their sides at its guarantee: whoever is chosen of them,
 * and in whatever order. */
static bool leaves_guarantees(const struct share_node *claimant, const struct lease *const *taken,
                              size_t n_taken)
{
    for (size_t i = 0; i < n_taken; i++)
        for (const struct share_node *n = taken[i]->leaf; !is_below(claimant, n); n = n->parent) {
            uint64_t cores = n->recalled_cores, mem = n->recalled_mem_mib;
            for (size_t k = 0; k < n_taken; k++) {
                cores += is_below(taken[k]->leaf, n) ? taken[k]->n_cores : 0;
                mem += is_below(taken[k]->leaf, n) ? taken[k]->mem_mib : 0;
            }
            if ((n->settings.min_cores && n->cores < n->settings.min_cores + cores)
                || (n->settings.min_mem_mib && n->mem_mib < n->settings.min_mem_mib + mem))
                return false;
        }
    return true;
}

static bool is_claimed(const struct core *c, const struct worker *w)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].is_reclaim && c->holds.items[i].worker == w)
            return true;
    return false;
}

static bool could_take(const struct core *c, const struct share_node *claimant,
                       const struct class *k, const struct worker *w)
{
    const struct shape *s = k->shape;
    const struct lease *taken[HELD_MAX];
    struct quota_block block;
    size_t n = 0;
    if (!placement_could_fit(s, w) || !worker_takes_work(w) || is_claimed(c, w)
        || calendar_line(c, w->name) || !calendar_is_open(c, s) || calendar_lacks(c, s)
        || !calendar_could_allow(c, s, w) || quota_blocks_machine(c, k->leaf, s, w, &block))
        return false; /* or it may be a booking that keeps it out */
    uint64_t cores = w->n_free, mem = w->mem_mib - w->mem_used_mib;
    for (size_t i = 0; i < w->n_leases && n < HELD_MAX; i++)
        if (may_give(c, claimant, s, w->leases[i])) {
            taken[n++] = w->leases[i];
            cores += w->leases[i]->n_cores;
            mem += w->leases[i]->mem_mib;
        }
    return n > 0 && cores >= s->cores && mem >= s->mem_mib && !(s->exclusive && n < w->n_leases)
           && leaves_guarantees(claimant, taken, n);
}

static bool is_held_back(const struct core *c, const struct share_node *n, const struct class *k)
{
    struct quota_block block;
    const struct shape *s = k->shape;
    if (s->wish.is_strict) /* for whom sums are not enough */
        return false;
    if (k->jobs.n == 0 || !is_below(k->leaf, n) || !quota_is_guaranteed(n, s) || !s->is_shut
        || (s->why != WAIT_CAPACITY && s->why != WAIT_RESERVED) || quota_blocks(k->leaf, s, &block)
        || quota_is_withheld(c, k->leaf, s) || licence_blocks(&s->tokens))
        return false;
    for (size_t i = 0; i < c->pool.n; i++)
        if (could_take(c, n, k, c->pool.workers[i]))
            return true;
    return false;
}

static bool is_reclaiming(const struct core *c, const struct share_node *n)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].is_reclaim && is_below(c->holds.items[i].job->class->leaf, n))
            return true;
    return false;
}

static struct waiting *wait_of(struct play *p, uint64_t node)
{
    for (size_t i = 0; i < p->n_waits; i++)
        if (p->waits[i].node == node)
            return &p->waits[i];
    p->waits[p->n_waits] = (struct waiting){.node = node};
    return &p->waits[p->n_waits++];
}

static bool has_started(const struct core *c, const struct share_node *n)
{
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (is_below(l->leaf, n) && l->opened_us == c->policy_us)
            return true;
    }
    return false;
}

static void fail_guarantee(const struct play *p, const struct share_node *n)
{
    const struct core *c = p->w.core;
    struct cq_str out = {0};
    void *item;
    cq_str_printf(
        &out,
        "node %" PRIu64 " waits within its guarantee although others could give back:", n->id);
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash)
            if (is_held_back(c, n, k))
                cq_str_printf(&out, " job %" PRIu64 " (%" PRIu64 " cores, %" PRIu64 " MiB, %s%s)",
                              queue_class_head(k)->id, k->shape->cores, k->shape->mem_mib,
                              wait_reason_name(k->shape->why),
                              queue_is_parked(k) ? ", parked" : "");
    play_fail(p, cq_str_text(&out));
}

static void check_guarantee(struct play *p, const struct share_node *n)
{
    const struct core *c = p->w.core;
    struct waiting *wait = wait_of(p, n->id);
    bool waits = false;
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item) && !waits;)
        for (const struct class *k = item; k; k = k->next_same_hash)
            waits = waits || is_held_back(c, n, k);
    waits = waits || is_reclaiming(c, n);
    if (!waits || has_started(c, n))
        wait->since_us = 0;
    else if (wait->since_us == 0)
        wait->since_us = c->policy_us;
    else if (p->disturbed_us > wait->since_us)
        wait->since_us = c->policy_us;
    else if (c->policy_us - wait->since_us > BACK_US + PASS_US)
        fail_guarantee(p, n);
}

/* ---- promises ---- */

static void check_promise(struct play *p, struct promise *m, const struct hold *h)
{
    const struct core *c = p->w.core;
    if (m->made_us <= p->disturbed_us)
        return;
    if (c->policy_us > m->promised_us + PASS_US)
        play_fail(p, "a job that was promised a place did not get it in time");
    if (h && h->at_us > m->promised_us + PASS_US) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "the place of job %" PRIu64 " on %s, promised for %" PRId64
                       " s, is put off to %" PRId64 " s",
                       h->job->id, h->worker->name, m->promised_us / US_PER_S, h->at_us / US_PER_S);
        play_fail(p, text);
    }
}

/* A task of the job starts, in a lease of its own or in one that goes on. */
static void keep_promises(struct play *p)
{
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        for (size_t k = p->n_promises; k-- > 0 && r->type == RECORD_ATTEMPT_ASSIGN;) {
            if (p->promises[k].job != r->u.attempt_assign.job)
                continue;
            check_promise(p, &p->promises[k], NULL);
            p->promises[k] = p->promises[--p->n_promises];
        }
    }
}

/* Tokens that a licence server shows are free when it says so, some time after their jobs end;
 * those that are booked may be taken by jobs in the booking. */
static bool has_doubtful_tokens(const struct core *c, const struct hold *h)
{
    const struct tokens *need = &h->job->class->shape->tokens;
    for (size_t i = 0; i < need->n; i++) {
        if (need->items[i].feature->external > 0)
            return true;
        for (size_t k = 0; k < c->calendar.n; k++)
            if (tokens_of(&c->calendar.items[k]->tokens, need->items[i].feature) > 0)
                return true;
    }
    return false;
}

/* A wall clock that jumped, and a restart that believed it: what runs seems beyond its limit. And
 * what is queued ahead was taken for short, and may be long. */
static bool is_anything_late(const struct core *c)
{
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (l->n > 1 || (l->n == 1 && l->end_us < c->policy_us))
            return true;
    }
    return false;
}

static void check_promises(struct play *p)
{
    struct core *c = p->w.core;
    if (is_anything_late(c))
        play_disturb(p);
    for (size_t i = p->n_promises; i-- > 0;) {
        const struct job *job = job_find(c, p->promises[i].job);
        const struct hold *h = job ? holds_of(c, job) : NULL;
        bool is_same = h && h->promised_us == p->promises[i].first_us /* not dropped since */
                       && !has_doubtful_tokens(c, h);
        check_promise(p, &p->promises[i], is_same ? h : NULL);
        if (!is_same || h->is_reclaim)
            p->promises[i] = p->promises[--p->n_promises];
    }
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        /* One whose victims did not go in time is late already. */
        bool known = h->is_reclaim || h->at_us < c->policy_us || has_doubtful_tokens(c, h);
        if (h->is_reclaim && h->planned_us == c->policy_us)
            play_disturb(p); /* guarantees go before promises */
        for (size_t k = 0; k < p->n_promises; k++)
            known = known || p->promises[k].job == h->job->id;
        if (!known)
            p->promises[p->n_promises++] =
                (struct promise){h->job->id, c->policy_us, h->promised_us,
                                 h->at_us > h->promised_us ? h->at_us : h->promised_us};
    }
}

static void check_step(struct play *p)
{
    const struct share *s = &p->w.core->share;
    check_promises(p);
    for (size_t i = 0; i < s->n_guaranteed; i++)
        check_guarantee(p, s->guaranteed[i]);
}

/* ---- the end ---- */

static bool fits_somewhere(const struct core *c, const struct shape *s)
{
    for (size_t i = 0; i < c->pool.n; i++)
        if (worker_takes_work(c->pool.workers[i]) && placement_fits(s, c->pool.workers[i], NULL))
            return true;
    return false;
}

/* Nothing runs, nothing is booked: whatever waits is blocked by a limit, tokens or machines, or for
 * a booking that is over, not by others. */
static void fail_left(const struct play *p, const struct class *k)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "job %" PRIu64 " (%" PRIu64 " cores, %" PRIu64
                   " MiB, %s, %s) could start on the empty pool and waits for ever",
                   queue_class_head(k)->id, k->shape->cores, k->shape->mem_mib,
                   k->shape->is_shut ? "shut" : "open", wait_reason_name(k->shape->why));
    play_fail(p, text);
}

static void check_nothing_left(const struct play *p)
{
    const struct core *c = p->w.core;
    struct quota_block block;
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash)
            if (k->jobs.n > 0 && *k->shape->reservation == '\0'
                && !quota_blocks(k->leaf, k->shape, &block)
                && !quota_is_withheld(c, k->leaf, k->shape) && !licence_blocks(&k->shape->tokens)
                && fits_somewhere(c, k->shape))
                fail_left(p, k);
}

/* ---- advice ---- */

/* A single job like it, but for what the advice changes. */
static struct in_job changed_request(const struct job *job, const struct reason *r)
{
    const struct job_submit *s = job->asked;
    struct in_job j = IN_JOB_PLAIN;
    j.cores = r->change == CHANGE_CORES ? r->change_value : s->cores;
    j.mem_mib = r->change == CHANGE_MEM ? r->change_value : s->mem_mib;
    j.time_us = r->change == CHANGE_TIME ? r->change_value : s->time_us;
    j.priority = s->priority;
    j.topo = s->topo ? s->topo : "";
    j.node_has = s->node_has ? s->node_has : "";
    j.licences = s->licences;
    j.reservation = s->reservation;
    j.exclusive = (unsigned)s->exclusive;
    j.membind = (unsigned)s->membind;
    j.smt = (unsigned)s->smt;
    j.is_preemptible = s->preemptible != 0 || r->change == CHANGE_PREEMPTIBLE;
    return j;
}

static void fail_advice(const struct play *p, const struct reason *r)
{
    char text[700];
    (void)snprintf(text, sizeof text, "advice that was taken did not help: %s: %s: %s", r->code,
                   r->text, r->advice);
    play_fail(p, text);
}

static void take_request_advice(struct play *p, const struct job *job, const struct reason *r)
{
    const struct in_job j = changed_request(job, r);
    const struct enterprise_id e = {job->enterprise->id};
    uint64_t number =
        play_submit(p, (struct principal_id){job->principal->id}, job->project->name, &j, 1);
    const struct job *now = number ? job_find_number(p->w.core, e, number) : NULL;
    if (now && now->waiting.count > 0)
        fail_advice(p, r);
}

static void take_limit_advice(struct play *p, const struct job *job, const struct reason *r)
{
    const struct share_node *n = share_node_find(p->w.core, r->change_node);
    static const char *const kinds[] = {"root", "enterprise", "project", "user"};
    struct cq_str path = {0};
    char value[24];
    uint64_t id = job->id, before = job_waiting(job);
    share_path(n, &path);
    (void)snprintf(value, sizeof value, "%" PRIu64, r->change_value);
    play_disturb(p);
    play_set(p, kinds[n->level], cq_str_text(&path), r->change_key, value);
    cq_str_fini(&path);
    const struct job *now = job_find(p->w.core, id);
    if (p->code == CQ_OK && now && job_waiting(now) >= before)
        fail_advice(p, r);
}

/* A band that lies ahead: what could start at once has been started. */
static void check_expected(const struct play *p, const struct job *job)
{
    struct start_estimate e;
    if (!core_expect_start(p->w.core, (struct job_id){job->id}, p->w.now, &e))
        return;
    if (e.from_us <= p->w.now.wall_us || e.to_us < e.from_us)
        play_fail(p, "a start is expected at once, or at the earliest after the latest");
}

/* Tasks of an array that may start are expected one after the other. */
static void check_expected_tasks(const struct play *p, const struct job *job)
{
    struct start_estimate before = {INT64_MIN, INT64_MIN}, e;
    for (size_t i = 0; i < job->waiting.n; i++) {
        const uint32_t tasks[] = {ranges_items(&job->waiting)[i].first,
                                  ranges_items(&job->waiting)[i].last};
        for (size_t k = 0; k < CQ_COUNT(tasks); k++) {
            const struct task_id id = {{job->id}, tasks[k]};
            if (!core_expect_task_start(p->w.core, id, p->w.now, &e))
                return;
            if (e.from_us <= p->w.now.wall_us || e.to_us < e.from_us)
                play_fail(p, "a task is expected at once, or at the earliest after the latest");
            if (e.from_us < before.from_us || e.to_us < before.to_us)
                play_fail(p, "a task is expected before one that starts before it");
            before = e;
        }
    }
}

static void check_advice(struct play *p)
{
    struct reason reasons[8];
    if (is_anything_late(p->w.core))
        return; /* places move as long as it is */
    for (size_t tries = 0; tries < 5; tries++) {
        const struct job *job = play_random_job(p);
        if (job == NULL)
            return;
        check_expected(p, job);
        check_expected_tasks(p, job);
        size_t n = core_explain(p->w.core, (struct job_id){job->id}, p->w.now, reasons, 8);
        for (size_t i = 0; i < n; i++) {
            if (reasons[i].change == CHANGE_NONE)
                continue;
            if (reasons[i].change == CHANGE_LIMIT)
                take_limit_advice(p, job, &reasons[i]);
            else
                take_request_advice(p, job, &reasons[i]);
            return;
        }
    }
}

#endif
