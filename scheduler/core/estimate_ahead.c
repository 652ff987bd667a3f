/* What goes before a task that waits. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/estimate.h"
#include "scheduler/core/explain.h"

enum {
    JOBS_LOOKED_AT_MAX = 10000, /* of a leaf */
    SINGLES_LOOKED_AT_MAX = 500 /* of a class of jobs with one task each: the others are alike */
};

/* ---- its leaf and its job ---- */

struct work {
    double usual_core_us, limit_core_us;
    double tasks, cores, mem_mib, tokens[TOKENS_MAX];
};

/* Of the job looked at last: thousands of a class have the same. */
struct usual_run {
    const struct class *class;
    const char *tool;
    uint64_t own_mean_us;
    double left_us, mean_us;
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

static bool is_usual_of(const struct usual_run *u, const struct job *job)
{
    const char *tool = job->asked->tool;
    bool same_tool = tool && u->tool ? strcmp(tool, u->tool) == 0 : tool == u->tool;
    return u->class == job->class && u->own_mean_us == job->mean_run_us && same_tool;
}

static const struct usual_run *usual_of(const struct core *c, const struct job *job,
                                        struct usual_run *last)
{
    if (!is_usual_of(last, job))
        *last = (struct usual_run){.class = job->class,
                                   .tool = job->asked->tool,
                                   .own_mean_us = job->mean_run_us,
                                   .left_us = (double)estimate_left_us(c, job, 0),
                                   .mean_us = estimate_mean_us(c, job)};
    return last;
}

/* `times` such jobs with so many tasks each. One may be long, of many the mean counts. */
static void add_work(const struct asked *a, const struct job *job, uint64_t tasks, double times,
                     const struct usual_run *usual, struct work *w)
{
    const struct shape *s = job->class->shape, *own = a->shape;
    double n = (double)tasks * times, cores = (double)s->cores;
    w->tasks += n;
    w->cores += n * (double)s->least_cores;
    w->mem_mib += n * (double)s->least_mem_mib;
    for (size_t i = 0; i < own->tokens.n; i++)
        w->tokens[i] += n * (double)tokens_of(&s->tokens, own->tokens.items[i].feature);
    w->usual_core_us += cores * times * (usual->left_us + (double)(tasks - 1) * usual->mean_us);
    w->limit_core_us += cores * n * (double)s->time_us;
}

/* Looks at every so many-th of a long queue, which then stands for as many. That is enough to tell
 * a time; arrays are long and short, so of them more are looked at. */
static size_t stride_of(const struct class *k)
{
    bool are_singles = k->ready == k->jobs.n;
    size_t most = are_singles ? SINGLES_LOOKED_AT_MAX : JOBS_LOOKED_AT_MAX;
    return (k->jobs.n + most - 1) / most;
}

static void add_class(const struct asked *a, const struct class *k, size_t *looked, struct work *w)
{
    size_t stride = stride_of(k), n = (k->jobs.n + stride - 1) / stride;
    double times = (double)k->jobs.n / (double)n;
    struct usual_run last = {0};
    for (size_t i = 0; i < k->jobs.n && *looked < JOBS_LOOKED_AT_MAX; i += stride, ++*looked) {
        const struct job *other = k->jobs.items[i];
        uint64_t tasks = other != a->job ? tasks_before(a, other) : 0;
        if (tasks > 0)
            add_work(a, other, tasks, times, usual_of(a->core, other, &last), w);
    }
}

static struct work work_ahead(const struct asked *a)
{
    struct usual_run own = {0};
    struct work w = {0};
    size_t looked = 0;
    if (a->before > 0)
        add_work(a, a->job, a->before, 1, usual_of(a->core, a->job, &own), &w);
    for (const struct seat *t = a->job->class->leaf->seats; t; t = t->next)
        if (t->class->jobs.n > 0 && goes_before(a, t->class))
            add_class(a, t->class, &looked, &w);
    return w;
}

/* All of it at once. */
static struct quota_change takes_of(const struct work *w)
{
    struct quota_change takes = {
        .running = (int64_t)w->tasks, .cores = (int64_t)w->cores, .mem_mib = (int64_t)w->mem_mib};
    for (size_t i = 0; i < TOKENS_MAX; i++)
        takes.tokens[i] = (int64_t)w->tokens[i];
    return takes;
}

/* Cores that its leaf is due, by weights among those who want something; no level above what its
 * limits let run at once. */
static double due_cores(const struct asked *a)
{
    const struct share_node *path[SHARE_LEVELS];
    size_t n = 0;
    double due = (double)a->core->pool.n_cores, above = 1;
    for (const struct share_node *at = a->job->class->leaf; at; at = at->parent)
        path[n++] = at;
    while (n-- > 0) {
        double part = share_due(path[n]);
        uint64_t most = quota_most_at_once(path[n], a->shape);
        due *= above > 0 ? part / above : 0;
        above = part;
        if (most != NO_LIMIT && (double)most * (double)a->shape->cores < due)
            due = (double)most * (double)a->shape->cores;
    }
    return due > 1 ? due : 1;
}

struct ahead estimate_ahead(const struct asked *a)
{
    struct work w = work_ahead(a);
    double due = due_cores(a);
    return (struct ahead){.takes = takes_of(&w),
                          .due_cores = due,
                          .off = {estimate_later(0, w.usual_core_us / due),
                                  estimate_later(0, w.limit_core_us / due)}};
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

/* Starts until then, when each place is taken again as often as it comes free. */
static uint64_t starts_until(const int64_t *at, uint64_t places, int64_t run_us, int64_t us)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < places && at[i] <= us; i++)
        n += (uint64_t)((us - at[i]) / run_us) + 1;
    return n;
}

/* The tasks before it take the places as they come free: the first moment at which as many have
 * started as stand before it, and it. */
static int64_t place_us(const struct asked *a, uint64_t limit, lease_end_fn end, double run_us)
{
    int64_t *at = places_free_us(a, limit, end), each_us = run_us < 1 ? 1 : (int64_t)run_us;
    uint64_t rounds = a->before / limit + 1;
    int64_t low = at[0];
    int64_t high = estimate_later(at[limit - 1], (double)rounds * run_us);
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (starts_until(at, limit, each_us, mid) > a->before)
            high = mid;
        else
            low = mid + 1;
    }
    free(at);
    return low;
}

struct band estimate_array_limit(const struct asked *a)
{
    uint64_t limit = a->job->asked->array_max_running;
    int64_t now_us = a->core->policy_us;
    if (limit == 0 || a->job->n_running + a->before < limit)
        return (struct band){now_us, now_us};
    return (struct band){place_us(a, limit, estimate_usual_end, estimate_mean_us(a->core, a->job)),
                         place_us(a, limit, plan_end_of, (double)estimate_limit_of(a->job))};
}
