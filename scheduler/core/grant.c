/* The turn's plan. Free cores get leases first; only then do leases queue ahead, so that no task
 * waits behind another while a core idles. */
#include "scheduler/core/grant.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/ahead.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/oracle.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

enum { ORDERS_BYTES_MAX = 1 << 20 }; /* run specifications in one message */

struct plan {
    struct core *core;
    int64_t wall_us;
    struct effects *out;
    struct lease **unsent; /* leases with attempts to send, in order of decision */
    size_t n, cap;
};

static void assign(struct plan *p, struct lease *l, const struct job *job, uint32_t number)
{
    const struct task *t = job_task(job, number);
    struct record *r = record_new(RECORD_ATTEMPT_ASSIGN);
    r->u.attempt_assign = (struct attempt_assign){.lease = l->id,
                                                  .job = job->id,
                                                  .task = number,
                                                  .attempt = (t ? t->attempt : 0) + 1u,
                                                  .at_us = p->wall_us,
                                                  .policy_us = p->core->policy_us};
    holds_begun(p->core, job, l->worker);
    core_emit(p->core, p->out, r);
    oracle_assigned(p->core, l->leaf);
    l->queue[l->n - 1].is_unsent = true;
    if (l->is_listed)
        return;
    l->is_listed = true;
    cq_grow(&p->unsent, &p->cap, p->n);
    p->unsent[p->n++] = l;
}

static void start(struct plan *p, const struct decision *d)
{
    struct core *c = p->core;
    const struct class *k = d->job->class;
    struct cq_str cores = {0}, tokens = {0}, numa_mem = {0};
    int64_t rate, inner_rate;
    bitset_format(&d->at.cores, &cores);
    tokens_format(&k->shape->tokens, &tokens);
    domain_memory_format(&d->at.numa_mem, &numa_mem);
    calendar_rates(c, k->shape, &d->at, &rate, &inner_rate);
    uint64_t id = core_new_id(c);
    struct record *r = record_new(RECORD_LEASE_OPEN);
    r->u.lease_open = (struct lease_open){.lease = id,
                                          .worker = d->at.worker->id,
                                          .epoch = c->epoch,
                                          .cores = cq_str_take(&cores),
                                          .mem_mib = d->at.mem_mib,
                                          .numa_mem = numa_mem.len ? cq_str_take(&numa_mem) : NULL,
                                          .enterprise = d->job->enterprise->id,
                                          .project = d->job->project->id,
                                          .principal = d->job->principal->id,
                                          .at_us = p->wall_us,
                                          .policy_us = c->policy_us,
                                          .rate = rate,
                                          .inner_rate = inner_rate,
                                          .licences = tokens.len ? cq_str_take(&tokens) : NULL,
                                          .reservation = calendar_id(c, k->shape)};
    cq_str_fini(&tokens);
    cq_str_fini(&numa_mem);
    core_emit(c, p->out, r);
    struct lease *l = lease_find(c, id);
    l->is_unsent = true;
    assign(p, l, d->job, d->task);
    oracle_started(c, l);
}

/* A hold may keep the others of its shape out, never its own job. */
static bool may_pass_holds(struct core *c, const struct shape *s, const struct worker *w)
{
    const struct class *k = queue_best_of(c, s);
    return holds_has_shape(c, s) || holds_allow(c, s, w, NULL, k ? queue_class_head(k) : NULL);
}

/* Shut shapes look at a worker that has more free than before. */
static void wake_shut(struct core *c, const struct worker *w)
{
    for (size_t i = c->queue.shut.n; i-- > 0;) {
        struct shape *s = c->queue.shut.items[i];
        if (s->why == WAIT_LICENCE || s->why == WAIT_BOOKING)
            continue;
        bool fits = placement_fits(s, w, NULL);
        if (fits && !calendar_allows(c, s, w, NULL))
            s->why = s->why == WAIT_RESERVED ? s->why : WAIT_BOOKED; /* a hold is named first */
        else if (fits && may_pass_holds(c, s, w))
            queue_open(c, s);
        else if (fits)
            s->why = WAIT_RESERVED; /* looks again when the hold moves or goes */
        else if (s->why == WAIT_NO_WORKER || s->why == WAIT_SETTLING || s->why == WAIT_NO_NODE)
            s->why = placement_could_fit(s, w) ? WAIT_CAPACITY : WAIT_NO_NODE;
    }
}

static void wake(struct core *c)
{
    struct pool *pool = &c->pool;
    if (pool->n_grown > 0)
        queue_wake_withheld(c);
    for (size_t i = 0; i < pool->n_grown; i++) {
        pool->grown[i]->is_grown = false;
        if (worker_takes_work(pool->grown[i]))
            wake_shut(c, pool->grown[i]);
    }
    pool->n_grown = 0;
}

/* ---- leases that go on ---- */

static size_t order_bytes(const struct lease *l, const struct job *job)
{
    return map_find(&l->heard, job->id) ? 0 : job->own->run_bytes;
}

static void top_up(struct plan *p, struct lease *l)
{
    size_t bytes = 0;
    bool keeps = policy_keeps(p->core, l);
    while (keeps && policy_queue_target(p->core, l) > l->n) {
        const struct job *job = queue_class_head(l->class);
        bytes += order_bytes(l, job);
        if (l->n > 0
            && (bytes > ORDERS_BYTES_MAX || job->asked->restart != 0
                || !calendar_allows(p->core, l->class->shape, l->worker, l)))
            break;
        assign(p, l, job, ranges_first(&job->waiting));
    }
    if (l->n == 0)
        lease_emit_close(p->core, l, "nothing more to run", p->wall_us, p->out);
}

static void top_up_touched(struct plan *p)
{
    struct leases *all = &p->core->leases;
    for (size_t i = 0; i < all->n_touched; i++) {
        struct lease *l = lease_find(p->core, all->touched[i]);
        if (l)
            top_up(p, l);
        l = lease_find(p->core, all->touched[i]);
        if (l)
            l->is_touched = false;
    }
    all->n_touched = 0;
}

/* ---- messages ---- */

static void send_one(struct core *c, struct lease *l, struct effects *out)
{
    enum out_type type = l->is_unsent ? OUT_LEASE_GRANT : OUT_LEASE_EXTEND;
    struct out *o = lease_out(c, l->worker, type, l->id, out);
    o->mem_mib = l->mem_mib;
    o->smt = l->class->shape->smt;
    o->membind = l->class->shape->membind;
    o->text = cq_strdup(l->cores_text);
    o->attempts = cq_calloc(l->n, sizeof *o->attempts);
    for (size_t i = 0; i < l->n; i++) {
        struct lease_item *it = &l->queue[i];
        if (!it->is_unsent)
            continue;
        bool is_new = map_find(&l->heard, it->job->id) == NULL;
        if (is_new)
            map_put(&l->heard, it->job->id, l);
        o->attempts[o->n_attempts++] = (struct out_attempt){.job = {it->job->id},
                                                            .task = it->task->number,
                                                            .attempt = it->attempt,
                                                            .is_new_job = is_new};
        it->is_unsent = false;
    }
    l->is_unsent = l->is_listed = false;
}

static void pass(struct plan *p)
{
    struct core *c = p->core;
    struct decision d;
    wake(c);
    holds_review(c);
    while (policy_next(c, &d)) {
        start(p, &d);
        placement_fini(&d.at);
    }
    holds_drop_parked(c);
    top_up_touched(p);
}

static void passes(struct plan *p)
{
    const struct core *c = p->core;
    do {
        pass(p);
    } while (c->pool.n_grown > 0 || (c->queue.open.n > 0 && !c->config.no_backfill));
}

void grant_plan(struct core *c, int64_t wall_us, struct effects *out)
{
    struct plan p = {.core = c, .wall_us = wall_us, .out = out};
    budget_begin_day(c, wall_us, out);
    calendar_run(c, wall_us, out);
    ahead_run(c, wall_us, out);
    passes(&p);
    oracle_passed(c);
    holds_sweep(c);
    preempt_run(c, wall_us, out);
    if (c->queue.open.n > 0)
        passes(&p); /* a claim moved holds: who they kept out may start */
    oracle_books(c);
    holds_tell(c, out);
    for (size_t i = 0; i < p.n; i++)
        send_one(c, p.unsent[i], out);
    free(p.unsent);
}

void grant_load_done(struct core *c)
{
    for (size_t i = 0; i < c->leases.n_touched; i++) {
        struct lease *l = lease_find(c, c->leases.touched[i]);
        if (l)
            l->is_touched = false;
    }
    c->leases.n_touched = 0;
    for (size_t i = 0; i < c->pool.n; i++)
        for (size_t k = 0; k < c->pool.workers[i]->n_leases; k++)
            lease_touch(c, c->pool.workers[i]->leases[k]);
}
