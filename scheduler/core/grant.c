/* The turn's plan. Free cores get leases first; only then do leases queue ahead, so that no task
 * waits behind another while a core idles. */
#include "scheduler/core/grant.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/policy.h"

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
                                                  .at_us = p->wall_us};
    core_emit(p->core, p->out, r);
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
    const struct shape *shape = d->job->class->shape;
    struct cq_str cores = {0};
    bitset_format(&d->at.cores, &cores);
    uint64_t id = core_new_id(c);
    struct record *r = record_new(RECORD_LEASE_OPEN);
    r->u.lease_open = (struct lease_open){.lease = id,
                                          .worker = d->at.worker->id,
                                          .epoch = c->epoch,
                                          .cores = cq_str_take(&cores),
                                          .mem_mib = d->at.mem_mib,
                                          .enterprise = d->job->enterprise->id,
                                          .project = d->job->project->id,
                                          .principal = d->job->principal->id,
                                          .at_us = p->wall_us};
    core_emit(c, p->out, r);
    struct lease *l = lease_find(c, id);
    l->is_unsent = true;
    if (c->queue.owed == shape)
        queue_settle_debt(c);
    assign(p, l, d->job, d->task);
}

/* Parked shapes look at each worker that has more free than before. */
static void wake_parked(struct core *c)
{
    struct pool *pool = &c->pool;
    for (size_t i = 0; i < pool->n_grown; i++) {
        const struct worker *w = pool->grown[i];
        pool->grown[i]->is_grown = false;
        if (!worker_takes_work(w))
            continue;
        for (size_t k = c->queue.n_parked; k-- > 0;) {
            struct shape *s = c->queue.parked[k];
            if (placement_fits(s, w, NULL))
                queue_unpark(c, s);
            else if (s->why == WAIT_NO_WORKER || s->why == WAIT_SETTLING || s->why == WAIT_NO_NODE)
                s->why = placement_could_fit(s, w) ? WAIT_CAPACITY : WAIT_NO_NODE;
        }
    }
    pool->n_grown = 0;
}

/* ---- leases that go on ---- */

static size_t order_bytes(const struct lease *l, const struct job *job)
{
    return map_find(&l->heard, job->id) ? 0 : job->submit->u.job_submit.run.len;
}

static void top_up(struct plan *p, struct lease *l)
{
    size_t bytes = 0;
    while (policy_queue_target(p->core, l) > l->n) {
        const struct job *job = queue_class_head(l->class);
        bytes += order_bytes(l, job);
        if (l->n > 0 && (bytes > ORDERS_BYTES_MAX || job->submit->u.job_submit.restart != 0))
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

void grant_plan(struct core *c, int64_t wall_us, struct effects *out)
{
    struct plan p = {.core = c, .wall_us = wall_us, .out = out};
    do {
        struct decision d;
        wake_parked(c);
        while (policy_next(c, &d)) {
            start(&p, &d);
            placement_fini(&d.at);
        }
        top_up_touched(&p);
    } while (c->pool.n_grown > 0 || c->queue.ready.n > 0);
    policy_consider_debt(c);
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
