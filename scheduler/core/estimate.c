/* When a waiting job is expected to start: a band from "what runs ends as such jobs usually do" to
 * "all of it uses its whole limit", plus the work of its own leaf that goes before it. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

enum { JOBS_LOOKED_AT_MAX = 10000 };

struct ahead {
    double usual_core_us, limit_core_us;
};

/* Work of the leaf that ranks before the job, its own started tasks left out. */
static struct ahead work_ahead(const struct job *job)
{
    struct ahead w = {0};
    size_t looked = 0;
    for (const struct seat *t = job->class->leaf->seats; t; t = t->next)
        for (size_t i = 0; i < t->class->jobs.n && looked < JOBS_LOOKED_AT_MAX; i++, looked++) {
            const struct job *other = t->class->jobs.items[i];
            if (other == job || !queue_job_before(other, job))
                continue;
            double cores = (double)t->shape->cores * (double)other->ready;
            w.usual_core_us += cores * job_usual_us(other);
            w.limit_core_us += cores * (double)t->shape->time_us;
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

static int64_t usual_end_us(const struct core *c, const struct lease *l)
{
    int64_t mean = (int64_t)l->mean_run_us, end_us;
    if (l->n == 0)
        return c->policy_us;
    if (mean == 0)
        mean = (int64_t)job_usual_us(l->queue[0].job);
    mean = mean < INT64_MAX / (8 * LEASE_JOBS_MAX) ? mean : INT64_MAX / (8 * LEASE_JOBS_MAX);
    end_us = l->head_since_us + mean * (int64_t)l->n;
    return end_us > c->policy_us ? end_us : c->policy_us;
}

/* The earliest room on any machine. */
static void room(const struct core *c, const struct job *job, int64_t *usual_us_at,
                 int64_t *limit_us_at)
{
    const struct shape *s = job->class->shape;
    const struct hold *own = holds_of((struct core *)c, job);
    struct plan_endings tokens;
    plan_token_endings(c, s, &tokens);
    *usual_us_at = *limit_us_at = INT64_MAX;
    for (size_t i = 0; i < c->pool.n_fit; i++) {
        const struct worker *w = c->pool.fit[i];
        if (!placement_could_fit(s, w))
            continue;
        int64_t usual = plan_room(c, s, w, usual_end_us);
        int64_t limit = plan_earliest(c, s, w, own, &tokens);
        *usual_us_at = usual < *usual_us_at ? usual : *usual_us_at;
        *limit_us_at = limit < *limit_us_at ? limit : *limit_us_at;
    }
    free(tokens.items);
}

static int64_t later_by(int64_t at_us, double us)
{
    return us < 1e15 ? at_us + (int64_t)us : INT64_MAX / 2;
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

static bool expect(const struct core *c, const struct job *job, struct start_estimate *e)
{
    struct quota_block block;
    if (job == NULL || job->ready == 0 || quota_blocks(job->class->leaf, job->class->shape, &block))
        return false; /* it waits for a person, a job, a limit: no time can be told */
    int64_t usual, limit;
    room(c, job, &usual, &limit);
    if (usual == INT64_MAX || limit == INT64_MAX)
        return false;
    struct ahead w = work_ahead(job);
    double due = due_cores(c, job->class->leaf);
    const struct hold *h = holds_of((struct core *)c, job);
    usual = later_by(usual, w.usual_core_us / due);
    limit = later_by(limit, w.limit_core_us / due);
    int64_t held_us = h && h->at_us > h->promised_us ? h->at_us : h ? h->promised_us : 0;
    if (held_us > c->policy_us)
        limit = held_us;
    cut_by_claim(c, job, &usual, &limit);
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
