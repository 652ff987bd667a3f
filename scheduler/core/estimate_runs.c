/* How long runs take, and what ends when. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/estimate.h"

int64_t estimate_later(int64_t at_us, double us)
{
    return us < 1e15 ? at_us + (int64_t)us : INT64_MAX / 2;
}

int64_t estimate_limit_of(const struct job *job)
{
    uint64_t us = job->class->shape->time_us;
    return us < INT64_MAX / 8 ? (int64_t)us : INT64_MAX / 8;
}

int64_t estimate_left_us(const struct core *c, const struct job *job, int64_t run_us)
{
    int64_t limit_us = estimate_limit_of(job), usual_us = runs_p90(c, job, run_us);
    if (usual_us == 0)
        usual_us = (int64_t)job_usual_us(job);
    usual_us = usual_us < limit_us ? usual_us : limit_us;
    if (run_us < usual_us)
        return usual_us - run_us;
    return limit_us > run_us ? (limit_us - run_us) / 3 : 0;
}

double estimate_mean_us(const struct core *c, const struct job *job)
{
    int64_t mean_us = runs_mean(c, job), limit_us = estimate_limit_of(job);
    double usual_us = mean_us ? (double)mean_us : job_usual_us(job);
    return usual_us < (double)limit_us ? usual_us : (double)limit_us;
}

int64_t estimate_usual_end(const struct core *c, const struct lease *l)
{
    if (l->n == 0)
        return c->policy_us;
    const struct job *job = l->queue[0].job;
    int64_t left_us = estimate_left_us(c, job, c->policy_us - l->head_since_us);
    double behind_us = (double)(l->n - 1) * estimate_mean_us(c, job);
    int64_t end_us = estimate_later(c->policy_us, (double)left_us + behind_us);
    return end_us < plan_end_of(c, l) ? end_us : plan_end_of(c, l);
}

static int by_time(const void *a, const void *b)
{
    const struct ending *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return (x->lease->id > y->lease->id) - (x->lease->id < y->lease->id);
}

struct ending *estimate_endings(const struct core *c, const struct share_node *node,
                                lease_end_fn end, size_t *n)
{
    struct ending *list = cq_calloc(c->leases.by_id.n + 1, sizeof *list);
    void *item;
    *n = 0;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);)
        if (share_is_below(((const struct lease *)item)->leaf, node))
            list[(*n)++] = (struct ending){end(c, item), item};
    if (*n > 0)
        qsort(list, *n, sizeof *list, by_time);
    return list;
}
