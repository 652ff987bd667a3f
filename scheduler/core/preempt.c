/* Reclaim by requeue: who may take back, from whom, and what it costs. */
#include "scheduler/core/preempt.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"

enum { VICTIMS_MAX = 1024, NODES_TRIED_MAX = 64, TAKERS_TRIED_MAX = 64, PREEMPTED_MAX = 3 };
#define QUIET_US (1800 * US_PER_S) /* T_quiet: so long it is no victim again */

void preempt_lease(struct core *c, struct lease *l, const char *cause, int64_t wall_us,
                   struct effects *out)
{
    c->calendar.is_changed = true; /* it ends sooner than its limit told */
    for (size_t i = 0; i < l->n; i++) {
        struct lease_item *it = &l->queue[i];
        const struct out_attempt at = {
            .job = {it->job->id}, .task = it->task->number, .attempt = it->attempt};
        if (it->task->is_killing || it->task->is_requeued)
            continue;
        struct record *r = record_new(RECORD_TASK_PREEMPT);
        r->u.task_preempt = (struct task_preempt){.job = it->job->id,
                                                  .task = it->task->number,
                                                  .attempt = it->attempt,
                                                  .at_us = wall_us,
                                                  .cause = cq_strdup(cause),
                                                  .policy_us = c->policy_us};
        core_emit(c, out, r);
        lease_send_kill(c, l, &at, cause, out);
    }
}

/* ---- victims ---- */

struct victim {
    struct lease *lease;
    double key; /* of its enterprise: the most served gives first */
    uint64_t lost_core_us;
};

/* Cores or memory that other claims on the machine still wait for. */
struct claimed {
    uint64_t cores, mem_mib;
};

struct taking {
    struct core *core;
    const struct share_node *claimant; /* whose guarantee it is */
    const struct class *taker;
    struct worker *worker;
    struct victim *victims; /* chosen ones come first */
    size_t n, n_chosen;
    uint64_t cost;
    struct claimed others; /* what other claims on the machine wait for */
};

/* The victim's side where its path leaves the claimant's: an enterprise, or a sibling project. */
static const struct share_node *side_of(const struct share_node *leaf,
                                        const struct share_node *claimant)
{
    while (!share_is_below(claimant, leaf->parent))
        leaf = leaf->parent;
    return leaf;
}

static bool is_quiet(const struct core *c, const struct lease *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct task *t = l->queue[i].task;
        bool was_lately = t->preempted_us != 0 && c->policy_us - t->preempted_us < QUIET_US;
        if (t->preemptions >= PREEMPTED_MAX || was_lately || t->is_killing || t->is_requeued)
            return true;
    }
    return false;
}

/* A node stays at or above its own guarantee without so much, and without what was called back
 * before, so that it cannot take back. */
static bool can_spare(const struct share_node *n, uint64_t cores, uint64_t mem_mib)
{
    const struct settings *s = &n->settings;
    cores += n->recalled_cores;
    mem_mib += n->recalled_mem_mib;
    return (s->min_cores == 0 || n->cores >= s->min_cores + cores)
           && (s->min_mem_mib == 0 || n->mem_mib >= s->min_mem_mib + mem_mib);
}

/* The claimant, and what is above it but not above the victim, stay within their guarantees: none
 * takes from others while it borrows itself. */
static bool may_take_from(const struct taking *t, const struct lease *l)
{
    for (const struct share_node *n = t->claimant; !share_is_below(l->leaf, n); n = n->parent)
        if (!quota_is_guaranteed(n, t->taker->shape))
            return false;
    return true;
}

/* One that this plan has something to send to would hear of its end before its beginning. */
static bool may_be_victim(const struct taking *t, const struct lease *l)
{
    return l->class && l->class->shape->is_preemptible && !l->is_recalled && l->n > 0
           && !l->is_listed && !share_is_below(l->leaf, t->claimant) && !is_quiet(t->core, l)
           && !calendar_has(t->core, l) && may_take_from(t, l);
}

static int by_rank(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    if (x->lost_core_us != y->lost_core_us)
        return x->lost_core_us < y->lost_core_us ? -1 : 1;
    return (x->lease->id > y->lease->id) - (x->lease->id < y->lease->id);
}

/* The largest first: fewer of them are needed. */
static int by_size(const void *a, const void *b)
{
    const struct victim *x = a, *y = b;
    if (x->lease->n_cores != y->lease->n_cores)
        return x->lease->n_cores > y->lease->n_cores ? -1 : 1;
    return by_rank(a, b);
}

static double key_of(struct core *c, const struct share_node *n)
{
    double m, b;
    share_line(c, n, &m, &b);
    return m * share_now(c) + b;
}

static void list_victims(struct taking *t)
{
    struct worker *w = t->worker;
    t->victims = cq_calloc(w->n_leases, sizeof *t->victims);
    for (size_t i = 0; i < w->n_leases; i++) {
        struct lease *l = w->leases[i];
        if (!may_be_victim(t, l))
            continue;
        int64_t run_us = t->core->policy_us - l->head_since_us;
        t->victims[t->n++] = (struct victim){.lease = l,
                                             .key = key_of(t->core, side_of(l->leaf, t->claimant)),
                                             .lost_core_us = l->n_cores * (uint64_t)run_us};
    }
    if (t->n > 0)
        qsort(t->victims, t->n, sizeof *t->victims, by_rank);
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static struct claimed claimed_on(const struct core *c, const struct worker *w)
{
    struct claimed all = {0};
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        const struct shape *s = h->job->class->shape;
        if (!h->is_reclaim || h->worker != w)
            continue;
        all.cores += plan_cores_wanted(s, w);
        all.mem_mib += s->mem_mib;
    }
    for (size_t i = 0; i < w->n_leases; i++) {
        all.cores = less(all.cores, w->leases[i]->is_recalled ? w->leases[i]->n_usable : 0);
        all.mem_mib = less(all.mem_mib, w->leases[i]->is_recalled ? w->leases[i]->mem_mib : 0);
    }
    return all;
}

/* A taker that insists on its place gets one. */
static bool is_granted_without(const struct taking *t, size_t n, size_t but)
{
    const struct lease *over[VICTIMS_MAX];
    size_t n_over = 0;
    for (size_t i = 0; i < n && n_over < VICTIMS_MAX; i++)
        if (i != but)
            over[n_over++] = t->victims[i].lease;
    return placement_is_granted(t->taker->shape, t->worker, over, n_over);
}

/* Room on the worker with the first `n` victims gone. */
static bool fits_without(const struct taking *t, size_t n, size_t but)
{
    const struct shape *s = t->taker->shape;
    const struct worker *w = t->worker;
    uint64_t cores = w->n_free, mem = less(w->mem_mib, w->mem_used_mib);
    size_t leases = w->n_leases;
    for (size_t i = 0; i < n; i++) {
        if (i == but)
            continue;
        cores += t->victims[i].lease->n_usable;
        mem += t->victims[i].lease->mem_mib;
        leases--;
    }
    return less(cores, t->others.cores) >= s->cores && less(mem, t->others.mem_mib) >= s->mem_mib
           && !(s->exclusive && (leases > 0 || t->others.cores > 0))
           && (!s->wish.is_strict || is_granted_without(t, n, but));
}

/* With those chosen before it gone too, no node of its side falls under its guarantee. */
static bool can_go_too(const struct taking *t, const struct lease *l)
{
    for (const struct share_node *n = l->leaf; !share_is_below(t->claimant, n); n = n->parent) {
        uint64_t cores = l->n_cores, mem = l->mem_mib;
        for (size_t i = 0; i < t->n_chosen; i++) {
            const struct lease *other = t->victims[i].lease;
            cores += share_is_below(other->leaf, n) ? other->n_cores : 0;
            mem += share_is_below(other->leaf, n) ? other->mem_mib : 0;
        }
        if (!can_spare(n, cores, mem))
            return false;
    }
    return true;
}

/* Takes until it fits; chosen ones move to the front. */
static bool take_until_it_fits(struct taking *t)
{
    t->n_chosen = 0;
    for (size_t i = 0; i < t->n && !fits_without(t, t->n_chosen, SIZE_MAX); i++) {
        if (!can_go_too(t, t->victims[i].lease))
            continue;
        struct victim v = t->victims[i];
        memmove(t->victims + t->n_chosen + 1, t->victims + t->n_chosen,
                (i - t->n_chosen) * sizeof v);
        t->victims[t->n_chosen++] = v;
    }
    return fits_without(t, t->n_chosen, SIZE_MAX);
}

static void leave_out_the_needless(struct taking *t)
{
    for (size_t i = t->n_chosen; i-- > 0;)
        if (fits_without(t, t->n_chosen, i)) {
            memmove(t->victims + i, t->victims + i + 1, (t->n_chosen - i - 1) * sizeof *t->victims);
            t->n_chosen--;
        }
}

/* What is free then is not kept for other guarantees either. */
static bool is_its_own(const struct taking *t)
{
    struct given_back g = {0};
    for (size_t i = 0; i < t->n_chosen; i++)
        quota_add_given_back(&g, t->victims[i].lease);
    return !quota_is_withheld_with(t->core, t->taker->leaf, t->taker->shape, &g);
}

/* With the victims gone by then, bookings let it in: tried on their ends. */
static bool is_let_in(const struct taking *t)
{
    int64_t at_us = t->core->policy_us + RECLAIM_KILL_US, ends_us[VICTIMS_MAX];
    size_t n = t->n_chosen < VICTIMS_MAX ? t->n_chosen : VICTIMS_MAX;
    for (size_t i = 0; i < n; i++) {
        ends_us[i] = t->victims[i].lease->end_us;
        t->victims[i].lease->end_us = ends_us[i] < at_us ? ends_us[i] : at_us;
    }
    bool yes = calendar_allows_at(t->core, t->taker->shape, t->worker, at_us);
    for (size_t i = 0; i < n; i++)
        t->victims[i].lease->end_us = ends_us[i];
    return yes;
}

static bool choose(struct taking *t)
{
    struct quota_block block;
    const struct shape *s = t->taker->shape;
    if (!placement_could_fit(s, t->worker) || !worker_takes_work(t->worker)
        || !calendar_could_allow(t->core, s, t->worker)
        || quota_blocks_machine(t->core, t->taker->leaf, s, t->worker, &block))
        return false;
    list_victims(t);
    t->others = claimed_on(t->core, t->worker);
    if (!take_until_it_fits(t)) {
        if (t->n > 0)
            qsort(t->victims, t->n, sizeof *t->victims, by_size);
        if (!take_until_it_fits(t))
            return false;
    }
    leave_out_the_needless(t);
    for (size_t i = 0; i < t->n_chosen; i++)
        t->cost += t->victims[i].lost_core_us;
    return is_its_own(t) && is_let_in(t);
}

static bool is_cheaper(const struct taking *a, const struct taking *b)
{
    if (b->worker == NULL || a->cost != b->cost)
        return b->worker == NULL || a->cost < b->cost;
    if (a->n_chosen != b->n_chosen)
        return a->n_chosen < b->n_chosen;
    return a->worker->id < b->worker->id;
}

static struct taking best_taking(struct core *c, const struct share_node *claimant,
                                 const struct class *k)
{
    struct taking best = {0};
    for (size_t i = 0, tried = 0; i < c->pool.n && tried < NODES_TRIED_MAX; i++) {
        struct taking t = {
            .core = c, .claimant = claimant, .taker = k, .worker = c->pool.workers[i]};
        bool ok = choose(&t);
        tried += t.victims != NULL;
        if (ok && is_cheaper(&t, &best)) {
            free(best.victims);
            best = t;
        } else {
            free(t.victims);
        }
    }
    return best;
}

/* ---- takers ---- */

/* What waits at a seat lacks nothing but room. */
static bool lacks_room(const struct seat *t)
{
    const struct shape *s = t->shape;
    return s->is_shut && (s->why == WAIT_CAPACITY || s->why == WAIT_RESERVED) && !seat_is_empty(t);
}

static void add_shape(struct shapes *l, struct shape *s)
{
    cq_grow(&l->items, &l->cap, l->n);
    l->items[l->n++] = s;
}

/* The shapes below a node that are within the node's guarantee and have no room. */
static struct shapes held_back(const struct share_node *n)
{
    struct shapes l = {0};
    for (struct seat *t = n->seats; t; t = t->next)
        if (lacks_room(t) && quota_is_guaranteed(n, t->shape))
            add_shape(&l, t->shape);
    return l;
}

/* The first class below a node, of those that no limit holds back; the others are parked there. */
static struct class *first_free(struct core *c, struct share_node *n, const struct shapes *l)
{
    struct quota_block block;
    struct class *k;
    while ((k = queue_pick_below(c, n, l->items, l->n)) && quota_blocks(k->leaf, k->shape, &block))
        queue_park(c, k, block.node);
    return k;
}

static void leave_out(struct shapes *l, const struct shape *s)
{
    for (size_t i = l->n; i-- > 0;)
        if (l->items[i] == s)
            l->items[i] = l->items[--l->n];
}

/* The first in pick order that some machine can be cleared for, and that lacks nothing else. */
static struct taking first_taking(struct core *c, struct share_node *n, struct shapes *l)
{
    struct taking t = {0};
    for (unsigned tries = 0; tries < TAKERS_TRIED_MAX && t.worker == NULL; tries++) {
        struct class *k = l->n > 0 ? first_free(c, n, l) : NULL;
        if (k == NULL)
            break;
        if (licence_blocks(&k->shape->tokens) == NULL)
            t = best_taking(c, n, k);
        leave_out(l, k->shape);
    }
    return t;
}

static void set_since(struct core *c, struct share_node *n, int64_t since_us)
{
    c->holds.is_changed |= n->reclaim_since_us != since_us;
    n->reclaim_since_us = since_us;
}

static void take_back(struct core *c, struct share_node *n, struct shapes *l, int64_t wall_us,
                      struct effects *out)
{
    struct taking t = first_taking(c, n, l);
    struct job *job = t.worker ? queue_class_head(t.taker) : NULL;
    if (job && holds_may_reclaim(c, job)) {
        for (size_t i = 0; i < t.n_chosen; i++)
            preempt_lease(c, t.victims[i].lease, "called back: what it had is another's guarantee",
                          wall_us, out);
        holds_reclaim(c, job, t.worker, c->policy_us + RECLAIM_KILL_US);
        set_since(c, n, 0);
    } else {
        n->reclaim_next_us = c->policy_us + US_PER_S; /* it costs a look at all machines */
    }
    free(t.victims);
}

static bool is_reclaiming(const struct core *c, const struct share_node *n)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        for (const struct share_node *at = h->job->class->leaf; at; at = at->parent)
            if (h->is_reclaim && at == n)
                return true;
    }
    return false;
}

void preempt_run(struct core *c, int64_t wall_us, struct effects *out)
{
    bool is_settling = workers_are_settling(&c->pool);
    bool is_early = is_settling && c->policy_us - c->pool.loaded_us < c->config.reclaim_grace_us;
    for (size_t i = 0; i < c->share.n_guaranteed; i++) {
        struct share_node *n = c->share.guaranteed[i];
        struct shapes l = is_reclaiming(c, n) ? (struct shapes){0} : held_back(n);
        if (l.n > 0 && n->reclaim_since_us == 0)
            set_since(c, n, c->policy_us);
        else if (l.n == 0 && !is_settling)
            set_since(c, n, 0);
        if (l.n > 0 && !is_early && c->policy_us - n->reclaim_since_us >= c->config.reclaim_grace_us
            && c->policy_us >= n->reclaim_next_us)
            take_back(c, n, &l, wall_us, out);
        free(l.items);
    }
}

int64_t preempt_next_us(const struct core *c)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < c->share.n_guaranteed; i++) {
        int64_t since_us = c->share.guaranteed[i]->reclaim_since_us;
        int64_t at_us = since_us + c->config.reclaim_grace_us;
        if (since_us != 0 && at_us < next_us)
            next_us = at_us > c->policy_us ? at_us : c->policy_us + US_PER_S;
    }
    return next_us;
}

/* ---- for words and expectations ---- */

/* What goes before a job below a node within its guarantee. */
struct queue_before {
    uint64_t tasks, cores, mem_mib;
};

static void add_before(struct queue_before *q, const struct shape *s, uint64_t tasks)
{
    uint64_t most = UINT32_MAX; /* sums of sums stay small */
    tasks = tasks < most ? tasks : most;
    q->tasks += tasks;
    q->cores += tasks * (s->least_cores < most ? s->least_cores : most);
    q->mem_mib += tasks * (s->least_mem_mib < most ? s->least_mem_mib : most);
}

static void add_class_before(struct core *c, const struct class *k, const struct job *job,
                             struct queue_before *q)
{
    if (k->leaf != job->class->leaf) {
        if (queue_class_before(c, k, job->class))
            add_before(q, k->shape, k->ready);
        return;
    }
    for (size_t i = 0; i < k->jobs.n; i++) {
        const struct job *other = k->jobs.items[i];
        if (other != job && queue_job_before(other, job))
            add_before(q, k->shape, other->ready);
    }
}

/* Sums over the map: its order does not show. */
static struct queue_before waits_before(struct core *c, const struct share_node *n,
                                        const struct job *job)
{
    struct queue_before q = {0};
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash)
            if (k->jobs.n > 0 && share_is_below(k->leaf, n) && lacks_room(k->seat)
                && quota_is_guaranteed(n, k->shape))
                add_class_before(c, k, job, &q);
    return q;
}

/* When the next is called back for a node: one by one, each after the grace. */
static int64_t next_call_us(const struct core *c, const struct share_node *n)
{
    int64_t at_us = n->reclaim_since_us ? n->reclaim_since_us : c->policy_us;
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        if (h->is_reclaim && share_is_below(h->job->class->leaf, n) && h->at_us > at_us)
            at_us = h->at_us;
    }
    at_us += c->config.reclaim_grace_us;
    at_us = at_us > n->reclaim_next_us ? at_us : n->reclaim_next_us;
    return at_us > c->policy_us ? at_us : c->policy_us;
}

static bool can_be_cleared(struct core *c, const struct share_node *n, const struct class *k)
{
    struct taking t = best_taking(c, n, k);
    free(t.victims);
    return t.worker != NULL;
}

static bool claim_of(struct core *c, const struct share_node *n, const struct job *job,
                     struct claim *out)
{
    struct shape all = *job->class->shape;
    const struct queue_before q = waits_before(c, n, job);
    const int64_t each_us = c->config.reclaim_grace_us + RECLAIM_KILL_US + US_PER_S;
    all.least_cores += q.cores;
    all.least_mem_mib += q.mem_mib;
    if (!quota_is_guaranteed(n, &all) || !can_be_cleared(c, n, job->class))
        return false;
    *out = (struct claim){.node = n, .at_us = next_call_us(c, n), .before = q.tasks};
    out->latest_us = out->at_us + RECLAIM_KILL_US + (int64_t)q.tasks * each_us;
    return true;
}

bool preempt_claim(struct core *c, const struct job *job, struct claim *out)
{
    const struct class *k = job->class;
    const struct hold *h = holds_of(c, job);
    if (licence_blocks(&k->shape->tokens))
        return false;
    for (size_t i = 0; i < c->share.n_guaranteed; i++) {
        const struct share_node *n = c->share.guaranteed[i];
        if (!share_is_below(k->leaf, n) || !quota_is_guaranteed(n, k->shape))
            continue;
        if (h && h->is_reclaim) {
            *out = (struct claim){
                .node = n, .is_called = true, .at_us = h->at_us, .latest_us = h->at_us};
            return true;
        }
        if (claim_of(c, n, job, out))
            return true;
    }
    return false;
}
