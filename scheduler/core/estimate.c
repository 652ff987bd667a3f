/* When a waiting job or task is expected to start: a band from "what runs ends as such runs usually
 * do" to "all of it uses its whole limit", beside holds, bookings, tokens and guarantees, plus the
 * work of its own leaf and job that goes before it. */
#include "scheduler/core/estimate.h"

#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

/* What a guarantee lent out is called back for it: from the call on it may start any moment. */
static void cut_by_claim(const struct asked *a, struct band *at)
{
    struct claim claim;
    if (a->before > 0 || !preempt_claim((struct core *)a->core, a->job, &claim)) /* looks only */
        return;
    int64_t from_us = claim.at_us + (int64_t)claim.before * a->core->config.reclaim_grace_us;
    at->usual_us = from_us < at->usual_us ? from_us : at->usual_us;
    at->limit_us = claim.latest_us < at->limit_us ? claim.latest_us : at->limit_us;
}

/* A hold is for its job's next task. */
static void keep_promise(const struct asked *a, struct band *at)
{
    const struct hold *h = a->before == 0 ? holds_of((struct core *)a->core, a->job) : NULL;
    int64_t held_us = h && h->at_us > h->promised_us ? h->at_us : h ? h->promised_us : 0;
    if (held_us > a->core->policy_us)
        at->limit_us = held_us;
}

/* What could start now has been started: there is room, but not where it may be. So it starts when
 * something ends. */
static int64_t next_end_us(const struct core *c)
{
    int64_t next_us = INT64_MAX;
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        int64_t end_us = estimate_usual_end(c, item);
        next_us = end_us < next_us ? end_us : next_us;
    }
    return next_us > c->policy_us && next_us < INT64_MAX ? next_us : c->policy_us + 1;
}

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool expect_asked(const struct asked *a, struct band *at)
{
    int64_t now_us = a->core->policy_us;
    struct band room = estimate_room(a), array = estimate_array_limit(a);
    if (room.usual_us == INT64_MAX || room.limit_us == INT64_MAX)
        return false;
    if (room.usual_us <= now_us && array.usual_us <= now_us)
        room.usual_us = next_end_us(a->core);
    struct band ahead = estimate_ahead(a);
    at->usual_us = later_of(estimate_later(room.usual_us, (double)ahead.usual_us), array.usual_us);
    at->limit_us = later_of(estimate_later(room.limit_us, (double)ahead.limit_us), array.limit_us);
    keep_promise(a, at);
    cut_by_claim(a, at);
    at->limit_us = later_of(at->limit_us, now_us + 1);
    at->usual_us = at->usual_us < at->limit_us ? at->usual_us : at->limit_us;
    return true;
}

/* Its next task, or the one that is named. */
static bool find_place(const struct job *job, const struct task_id *named, struct grow_place *at)
{
    if (named)
        return grow_place(job, named->number, at);
    *at = (struct grow_place){.mem_mib = grow_mem_mib(job)};
    return !ranges_is_empty(&job->waiting);
}

/* The job's shape with the memory that the task is to have. */
static struct shape shape_of(const struct job *job, uint64_t mem_mib)
{
    struct shape s = *job->class->shape;
    s.mem_mib = mem_mib;
    s.least_mem_mib = s.exclusive ? s.least_mem_mib : mem_mib;
    return s;
}

static bool expect(const struct core *c, const struct job *job, const struct task_id *named,
                   struct start_estimate *e)
{
    struct quota_block block;
    struct grow_place place;
    struct band at;
    if (job == NULL || job->is_held || job->n_unmet > 0 || !find_place(job, named, &place))
        return false; /* it waits for a person or a job: no time can be told */
    const struct shape shape = shape_of(job, place.mem_mib);
    const struct asked a = {c, job, &shape, place.before};
    if (quota_blocks(job->class->leaf, &shape, &block) || !expect_asked(&a, &at))
        return false;
    e->from_us = c->now_wall_us + (at.usual_us - c->policy_us);
    e->to_us = c->now_wall_us + (at.limit_us - c->policy_us);
    return true;
}

bool core_expect_start(const struct core *c, struct job_id id, struct now now,
                       struct start_estimate *e)
{
    struct moment before = explain_look_at(c, now);
    bool yes = expect(c, job_find(c, id.v), NULL, e);
    explain_look_back(c, &before);
    return yes;
}

bool core_expect_task_start(const struct core *c, struct task_id id, struct now now,
                            struct start_estimate *e)
{
    struct moment before = explain_look_at(c, now);
    bool yes = expect(c, job_find(c, id.job.v), &id, e);
    explain_look_back(c, &before);
    return yes;
}
