/* When a waiting job is expected to start: a band from "what runs ends as such runs usually do" to
 * "all of it uses its whole limit", beside holds, bookings, tokens and guarantees, plus the work of
 * its own leaf that goes before it. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

enum { JOBS_LOOKED_AT_MAX = 10000, ENDINGS_LOOKED_AT_MAX = 2000 };

/* ---- how long runs take ---- */

static int64_t later_by(int64_t at_us, double us)
{
    return us < 1e15 ? at_us + (int64_t)us : INT64_MAX / 2;
}

static int64_t limit_of(const struct job *job)
{
    uint64_t us = job->class->shape->time_us;
    return us < INT64_MAX / 8 ? (int64_t)us : INT64_MAX / 8;
}

/* A run that has taken `run_us` already takes so much longer: until nine of ten such runs that took
 * as long are over. Where none is known, as its job's usually do; then a third of what is left. */
static int64_t usual_left_us(const struct core *c, const struct job *job, int64_t run_us)
{
    int64_t limit_us = limit_of(job), usual_us = runs_p90(c, job, run_us);
    if (usual_us == 0)
        usual_us = (int64_t)job_usual_us(job);
    usual_us = usual_us < limit_us ? usual_us : limit_us;
    if (run_us < usual_us)
        return usual_us - run_us;
    return limit_us > run_us ? (limit_us - run_us) / 3 : 0;
}

/* Of many: what is long in one is short in another. */
static double usual_mean_us(const struct core *c, const struct job *job)
{
    int64_t mean_us = runs_mean(c, job), limit_us = limit_of(job);
    double usual_us = mean_us ? (double)mean_us : job_usual_us(job);
    return usual_us < (double)limit_us ? usual_us : (double)limit_us;
}

/* ---- what goes before it ---- */

struct ahead {
    double usual_core_us, limit_core_us;
};

/* What can never start goes before nobody, what runs in a booking only before others there. */
static bool goes_before(const struct core *c, const struct class *k, const struct job *job)
{
    const char *booking = k->shape->reservation;
    return strcmp(booking, job->class->shape->reservation) == 0 && !explain_is_hopeless(c, k);
}

/* Of all its tasks that may start: one may be long, of many the mean counts. */
static double usual_work_us(const struct core *c, const struct job *job)
{
    return (double)usual_left_us(c, job, 0) + (double)(job->ready - 1) * usual_mean_us(c, job);
}

/* Work of the leaf that ranks before the job, its own started tasks left out. */
static struct ahead work_ahead(const struct core *c, const struct job *job)
{
    struct ahead w = {0};
    size_t looked = 0;
    for (const struct seat *t = job->class->leaf->seats; t; t = t->next) {
        if (!goes_before(c, t->class, job))
            continue;
        for (size_t i = 0; i < t->class->jobs.n && looked < JOBS_LOOKED_AT_MAX; i++, looked++) {
            const struct job *other = t->class->jobs.items[i];
            if (other == job || !queue_job_before(other, job))
                continue;
            double cores = (double)t->shape->cores * (double)other->ready;
            w.usual_core_us += (double)t->shape->cores * usual_work_us(c, other);
            w.limit_core_us += cores * (double)t->shape->time_us;
        }
    }
    return w;
}

/* Cores that its leaf is due, by weights among those who want something and within its limits. */
static double due_cores(const struct core *c, const struct share_node *leaf)
{
    double due = share_due(leaf) * (double)c->pool.n_cores;
    for (const struct share_node *n = leaf; n; n = n->parent)
        if (n->settings.max_cores != NO_LIMIT && (double)n->settings.max_cores < due)
            due = (double)n->settings.max_cores;
    return due > 1 ? due : 1;
}

/* ---- what ends when ---- */

static int64_t usual_end_us(const struct core *c, const struct lease *l)
{
    if (l->n == 0)
        return c->policy_us;
    const struct job *job = l->queue[0].job;
    int64_t left_us = usual_left_us(c, job, c->policy_us - l->head_since_us);
    double behind_us = (double)(l->n - 1) * usual_mean_us(c, job);
    int64_t end_us = later_by(c->policy_us, (double)left_us + behind_us);
    return end_us < plan_end_of(c, l) ? end_us : plan_end_of(c, l);
}

struct ending {
    int64_t at_us;
    const struct lease *lease;
};

static int by_time(const void *a, const void *b)
{
    const struct ending *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return (x->lease->id > y->lease->id) - (x->lease->id < y->lease->id);
}

/* Of all leases, in order. The caller frees. */
static struct ending *all_endings(const struct core *c, lease_end_fn end, size_t *n)
{
    struct ending *list = cq_calloc(c->leases.by_id.n + 1, sizeof *list);
    void *item;
    *n = 0;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);)
        list[(*n)++] = (struct ending){end(c, item), item};
    if (*n > 0)
        qsort(list, *n, sizeof *list, by_time);
    return list;
}

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
static int64_t not_withheld_us(const struct core *c, const struct job *job, lease_end_fn end)
{
    const struct class *k = job->class;
    struct given_back g = {0};
    int64_t at_us = INT64_MAX;
    size_t n, n_gone = 0;
    if (!quota_is_withheld(c, k->leaf, k->shape))
        return c->policy_us;
    struct ending *list = all_endings(c, end, &n);
    for (size_t i = 0; i < n && i < ENDINGS_LOOKED_AT_MAX && at_us == INT64_MAX; i++) {
        if (!is_above(list[i].lease, list, n_gone))
            continue;
        quota_add_given_back(&g, list[i].lease);
        list[n_gone++] = list[i];
        if (!quota_is_withheld_with(c, k->leaf, k->shape, &g))
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
    int64_t at_us = plan_room(c, h->job->class->shape, h->worker, usual_end_us);
    at_us = at_us < h->at_us ? at_us : h->at_us;
    return at_us > c->policy_us ? at_us : c->policy_us;
}

/* The job that it is for has run then. */
static int64_t hold_end_us(const struct core *c, const struct hold *h)
{
    return later_by(hold_start_us(c, h), (double)usual_left_us(c, h->job, 0));
}

static bool counts(const struct usual *u, const struct hold *h)
{
    bool gives_way = u->own && u->own->is_reclaim && !h->is_reclaim;
    return h != u->own && h->job->ready > 0 && !gives_way;
}

static bool is_in_the_way(const struct usual *u, const struct hold *h, int64_t at_us)
{
    bool is_over_by_then = later_by(at_us, (double)u->shape->time_us) <= h->at_us;
    return counts(u, h) && !is_over_by_then && at_us < hold_end_us(u->core, h);
}

static bool takes_place(const struct usual *u, const struct hold *h, const struct worker *w,
                        int64_t at_us)
{
    bool leaves_enough = h->spare_cores >= (int64_t)plan_cores_wanted(u->shape, w)
                         && h->spare_mem_mib >= (int64_t)u->shape->mem_mib;
    return h->worker == w && !leaves_enough && is_in_the_way(u, h, at_us);
}

/* Until the job of a hold that drains has begun, no worse claim begins on its machine. */
static bool is_drained(const struct usual *u, const struct hold *h, const struct worker *w)
{
    struct core *c = (struct core *)u->core; /* looks only */
    return h->worker == w && h->is_draining && counts(u, h)
           && !queue_class_before(c, u->job->class, h->job->class);
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
        bool is_over = usual_end_us(u->core, w->leases[i]) <= at_us;
        cores += is_over ? (int64_t)w->leases[i]->n_cores : 0;
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
           && is_granted(u, w, at_us, usual_end_us) && !is_closed(u, w, at_us);
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
        at[(*n)++] = usual_end_us(u->core, w->leases[i]);
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
        int64_t end_us = usual_end_us(u->core, l);
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
    struct ending *list = all_endings(u->core, usual_end_us, &n);
    for (size_t i = 0; i < u->shape->tokens.n && u->from_us < INT64_MAX; i++)
        u->from_us = usual_tokens(u, &u->shape->tokens.items[i], list, n);
    free(list);
}

/* ---- both ends of the band ---- */

/* Of whole machines, one too large for a limit is none for it. */
static bool is_too_large(const struct core *c, const struct job *job, const struct worker *w)
{
    struct quota_block b;
    return quota_blocks_machine(c, job->class->leaf, job->class->shape, w, &b) && b.node;
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

/* The earliest start on any machine. */
static void room(const struct core *c, const struct job *job, int64_t *usual_us_at,
                 int64_t *limit_us_at)
{
    const struct shape *s = job->class->shape;
    struct usual u = {.core = c,
                      .job = job,
                      .shape = s,
                      .own = holds_of((struct core *)c, job),
                      .from_us = not_withheld_us(c, job, usual_end_us)};
    int64_t limit_from_us = not_withheld_us(c, job, plan_end_of);
    struct plan_endings tokens;
    plan_token_endings(c, s, &tokens);
    if (s->tokens.n > 0)
        wait_for_tokens(&u);
    *usual_us_at = *limit_us_at = INT64_MAX;
    for (size_t i = 0; i < c->pool.n_fit && u.from_us < INT64_MAX; i++) {
        const struct worker *w = c->pool.fit[i];
        if (!placement_could_fit(s, w) || is_too_large(c, job, w))
            continue;
        int64_t usual = usual_start(&u, w), limit = limit_start(&u, w, limit_from_us, &tokens);
        *usual_us_at = usual < *usual_us_at ? usual : *usual_us_at;
        *limit_us_at = limit < *limit_us_at ? limit : *limit_us_at;
    }
    free(tokens.items);
}

/* What a guarantee lent out is called back for it: from the call on it may start any moment. */
static void cut_by_claim(const struct core *c, const struct job *job, int64_t *usual,
                         int64_t *limit)
{
    struct claim claim;
    if (!preempt_claim((struct core *)c, job, &claim)) /* looks only */
        return;
    int64_t from_us = claim.at_us + (int64_t)claim.before * c->config.reclaim_grace_us;
    *usual = from_us < *usual ? from_us : *usual;
    *limit = claim.latest_us < *limit ? claim.latest_us : *limit;
}

/* What could start now has been started: there is room, but not where it may be. So it starts when
 * something ends. */
static int64_t next_end_us(const struct core *c)
{
    int64_t next_us = INT64_MAX;
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        int64_t end_us = usual_end_us(c, item);
        next_us = end_us < next_us ? end_us : next_us;
    }
    return next_us > c->policy_us && next_us < INT64_MAX ? next_us : c->policy_us + 1;
}

static bool expect(const struct core *c, const struct job *job, struct start_estimate *e)
{
    struct quota_block block;
    if (job == NULL || job->ready == 0 || quota_blocks(job->class->leaf, job->class->shape, &block))
        return false; /* it waits for a person, a job, a limit: no time can be told */
    int64_t usual, limit;
    room(c, job, &usual, &limit);
    if (usual == INT64_MAX || limit == INT64_MAX)
        return false;
    struct ahead w = work_ahead(c, job);
    double due = due_cores(c, job->class->leaf);
    const struct hold *h = holds_of((struct core *)c, job);
    if (usual <= c->policy_us)
        usual = next_end_us(c);
    usual = later_by(usual, w.usual_core_us / due);
    limit = later_by(limit, w.limit_core_us / due);
    int64_t held_us = h && h->at_us > h->promised_us ? h->at_us : h ? h->promised_us : 0;
    if (held_us > c->policy_us)
        limit = held_us;
    cut_by_claim(c, job, &usual, &limit);
    limit = limit > c->policy_us ? limit : c->policy_us + 1;
    if (usual > limit)
        usual = limit;
    e->from_us = c->now_wall_us + (usual - c->policy_us);
    e->to_us = c->now_wall_us + (limit - c->policy_us);
    return true;
}

bool core_expect_start(const struct core *c, struct job_id id, struct now now,
                       struct start_estimate *e)
{
    struct moment before = explain_look_at(c, now);
    bool yes = expect(c, job_find(c, id.v), e);
    explain_look_back(c, &before);
    return yes;
}
