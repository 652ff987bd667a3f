/* When a waiting job or task is expected to start: a band from "what runs ends as such runs usually
 * do" to "all of it uses its whole limit", beside holds, bookings, tokens and guarantees, plus the
 * work of its own leaf and job that goes before it. */
#include "scheduler/core/estimate.h"

#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/preempt.h"

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

/* A hold is for its job's next task; those behind it come no earlier. */
static void keep_promise(const struct asked *a, struct band *at)
{
    const struct hold *h = holds_of((struct core *)a->core, a->job);
    int64_t held_us = h && h->at_us > h->promised_us ? h->at_us : h ? h->promised_us : 0;
    if (held_us > a->core->policy_us && (a->before == 0 || held_us > at->limit_us))
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

static bool is_array_full(const struct job *job)
{
    uint64_t limit = job->asked->array_max_running;
    return limit > 0 && job->n_running >= limit;
}

static bool is_known(const struct band *b)
{
    return b->usual_us < INT64_MAX && b->limit_us < INT64_MAX;
}

/* After what goes before it: one after the other, or all at once where there is enough for it. */
static void add_ahead(const struct asked *a, struct band *at)
{
    struct ahead ahead = estimate_ahead(a);
    if (ahead.takes.running == 0)
        return;
    int64_t in_turn_us = estimate_later(at->usual_us, (double)ahead.off.usual_us);
    int64_t at_once_us = later_of(at->usual_us, estimate_all_at_once(a, &ahead));
    at->usual_us = in_turn_us < at_once_us ? in_turn_us : at_once_us;
    at->limit_us = estimate_later(at->limit_us, (double)ahead.off.limit_us);
}

static bool expect_asked(const struct asked *a, struct band *at)
{
    int64_t now_us = a->core->policy_us;
    struct band limits = estimate_limits(a), array = estimate_array_limit(a);
    if (!is_known(&limits))
        return false; /* a budget, or what can never be */
    *at = estimate_room(a, &limits);
    if (!is_known(at))
        return false;
    if (at->usual_us <= now_us && !is_array_full(a->job))
        at->usual_us = next_end_us(a->core);
    add_ahead(a, at);
    at->usual_us = later_of(at->usual_us, array.usual_us);
    at->limit_us = later_of(at->limit_us, array.limit_us);
    keep_promise(a, at);
    cut_by_claim(a, at);
    at->usual_us = later_of(at->usual_us, now_us + 1); /* a claim may call back any moment */
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
    struct grow_place place;
    struct band at;
    if (job == NULL || job->is_held || job->n_unmet > 0 || c->room.is_tight
        || !find_place(job, named, &place))
        return false; /* it waits for a person, a job or the disk: no time can be told */
    const struct shape shape = shape_of(job, place.mem_mib);
    const struct asked a = {c, job, &shape, place.before};
    if (!expect_asked(&a, &at))
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
