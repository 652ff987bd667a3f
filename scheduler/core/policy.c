/* Priority, then arrival; leases queue ahead by measured durations; nobody waits for room forever.
 */
#include "scheduler/core/policy.h"

bool policy_job_before(const struct job *a, const struct job *b)
{
    int64_t x = a->submit->u.job_submit.priority, y = b->submit->u.job_submit.priority;
    return x != y ? x > y : a->id < b->id;
}

bool policy_next(struct core *c, struct decision *d)
{
    struct shape *s;
    while ((s = heap_top(&c->queue.ready))) {
        enum wait_reason why;
        if (placement_choose(c, s, &d->at, &why)) {
            d->job = queue_shape_head(s);
            d->task = ranges_first(&d->job->waiting);
            return true;
        }
        queue_park(c, s, why);
    }
    return false;
}

/* ---- leases that go on ---- */

/* A parked shape with a better claim that this lease's end would let in. */
static bool is_wanted(const struct core *c, const struct lease *l, const struct job *head)
{
    const struct queue *q = &c->queue;
    if (q->owed_by == l->worker && queue_job_before(queue_shape_head(q->owed), head))
        return true;
    const struct job *same_shape = queue_shape_head(l->class->shape);
    if (same_shape && queue_job_before(same_shape, head))
        return true;
    for (size_t i = 0; i < q->n_parked; i++) {
        const struct shape *s = q->parked[i];
        if (queue_job_before(queue_shape_head(s), head) && placement_fits(s, l->worker, l))
            return true;
    }
    return false;
}

static uint64_t ahead_of(const struct core *c, const struct lease *l, const struct job *head)
{
    uint64_t mean = l->mean_run_us ? l->mean_run_us : head->mean_run_us;
    if (mean == 0)
        return 0;
    uint64_t ahead = (uint64_t)c->config.ahead_us / mean;
    return ahead < c->config.ahead_max ? ahead : c->config.ahead_max;
}

uint64_t policy_queue_target(const struct core *c, const struct lease *l)
{
    const struct job *head = l->class ? queue_class_head(l->class) : NULL;
    if (head == NULL || !worker_takes_work(l->worker) || l->heard.n >= LEASE_JOBS_MAX)
        return 0;
    if (is_wanted(c, l, head))
        return 0;
    if (head->submit->u.job_submit.restart != 0)
        return 1; /* its one start counts from the grant: never granted before it can run */
    /* All that is left of the class is shared among its leases, so that they end together. */
    uint64_t target = 1 + ahead_of(c, l, head);
    uint64_t left = l->class->ready + l->class->queued;
    uint64_t bound = (left + l->class->n_leases - 1) / l->class->n_leases;
    return target < bound ? target : bound;
}

/* ---- the machine kept free ---- */

static const struct shape *longest_claim(const struct core *c)
{
    const struct shape *best = NULL;
    for (size_t i = 0; i < c->queue.n_parked; i++) {
        const struct shape *s = c->queue.parked[i];
        if (s->why != WAIT_CAPACITY && s->why != WAIT_TURN)
            continue;
        if (best == NULL || queue_job_before(queue_shape_head(s), queue_shape_head(best)))
            best = s;
    }
    return best;
}

void policy_consider_debt(struct core *c)
{
    const struct shape *best = c->queue.owed ? NULL : longest_claim(c);
    if (best == NULL
        || c->now_mono_us - queue_shape_head(best)->ready_since_us < c->config.patience_us)
        return;
    struct worker *roomiest = NULL;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        struct worker *w = c->pool.fit[i];
        if (!placement_could_fit(best, w))
            continue;
        if (roomiest == NULL || w->n_free > roomiest->n_free
            || (w->n_free == roomiest->n_free && w->id < roomiest->id))
            roomiest = w;
    }
    if (roomiest)
        queue_owe(c, queue_shape_head(best)->class->shape, roomiest);
}
