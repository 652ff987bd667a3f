/* What goes before a task that waits. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/estimate.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/quota.h"

enum { JOBS_LOOKED_AT_MAX = 10000 };

/* ---- its leaf and its job ---- */

struct work {
    double usual_core_us, limit_core_us;
};

static int64_t array_step_us(const struct core *c)
{
    return c->config.is_easy ? 0 : c->config.array_step_us;
}

/* What can never start goes before nobody, what runs in a booking only before others there. */
static bool goes_before(const struct asked *a, const struct class *k)
{
    return strcmp(k->shape->reservation, a->shape->reservation) == 0
           && !explain_is_hopeless(a->core, k);
}

/* Of the tasks of `other` that may start, those that rank before the one that is asked about. */
static uint64_t tasks_before(const struct asked *a, const struct job *other)
{
    int64_t step_us = array_step_us(a->core);
    int64_t rank_us = a->job->rank_us + (int64_t)a->before * step_us;
    int64_t gap_us = rank_us - other->rank_us + (other->id < a->job->id);
    if (gap_us <= 0)
        return 0;
    uint64_t n =
        step_us ? ((uint64_t)gap_us + (uint64_t)step_us - 1) / (uint64_t)step_us : other->ready;
    return n < other->ready ? n : other->ready;
}

/* One may be long, of many the mean counts. */
static void add_work(const struct core *c, const struct job *job, uint64_t tasks, struct work *w)
{
    double cores = (double)job->class->shape->cores;
    if (tasks == 0)
        return;
    double others_us = (double)(tasks - 1) * estimate_mean_us(c, job);
    w->usual_core_us += cores * ((double)estimate_left_us(c, job, 0) + others_us);
    w->limit_core_us += cores * (double)tasks * (double)job->class->shape->time_us;
}

static struct work work_ahead(const struct asked *a)
{
    struct work w = {0};
    size_t looked = 0;
    add_work(a->core, a->job, a->before, &w);
    for (const struct seat *t = a->job->class->leaf->seats; t; t = t->next) {
        const struct heap *jobs = &t->class->jobs;
        for (size_t i = 0; i < jobs->n && looked < JOBS_LOOKED_AT_MAX; i++, looked++) {
            const struct job *other = jobs->items[i];
            if (other != a->job && goes_before(a, t->class))
                add_work(a->core, other, tasks_before(a, other), &w);
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

struct band estimate_ahead(const struct asked *a)
{
    struct work w = work_ahead(a);
    double due = due_cores(a->core, a->job->class->leaf);
    return (struct band){estimate_later(0, w.usual_core_us / due),
                         estimate_later(0, w.limit_core_us / due)};
}

/* ---- the limit of its array ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* When each of the `limit` places of the array comes free, in order. The caller frees. */
static int64_t *places_free_us(const struct asked *a, uint64_t limit, lease_end_fn end)
{
    size_t n = 0, n_running = (size_t)a->job->n_running;
    size_t n_all = n_running > limit ? n_running : (size_t)limit;
    int64_t *at = cq_calloc(n_all, sizeof *at);
    struct task **tasks = job_tasks(a->job);
    for (size_t i = 0; i < a->job->tasks.n; i++)
        if (task_state_is_live(tasks[i]->state))
            at[n++] = end(a->core, tasks[i]->lease);
    while (n < n_all)
        at[n++] = a->core->policy_us;
    qsort(at, n, sizeof *at, by_value);
    memmove(at, at + (n_all - limit), (size_t)limit * sizeof *at);
    free(tasks);
    return at;
}

/* The tasks before it take the places as they come free, one after the other. */
static int64_t place_us(const struct asked *a, uint64_t limit, lease_end_fn end, double run_us)
{
    int64_t *at = places_free_us(a, limit, end);
    int64_t free_us = at[a->before % limit];
    uint64_t rounds = a->before / limit;
    free(at);
    return estimate_later(free_us, (double)rounds * run_us);
}

struct band estimate_array_limit(const struct asked *a)
{
    uint64_t limit = a->job->submit->u.job_submit.array_max_running;
    int64_t now_us = a->core->policy_us;
    if (limit == 0 || a->job->n_running + a->before < limit)
        return (struct band){now_us, now_us};
    return (struct band){place_us(a, limit, estimate_usual_end, estimate_mean_us(a->core, a->job)),
                         place_us(a, limit, plan_end_of, (double)estimate_limit_of(a->job))};
}
