/* Who waits for whom, and what follows when a job or task ends. */
#include "scheduler/core/depend.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"

enum { DEPS_VERSION = 2, DEPS_MAX = 1000, NAME_MAX_BYTES = 4096, CAUSE_NAME_MAX = 200 };

struct waiters {
    uint64_t *jobs; /* ids, ascending: the order in which they learn */
    size_t n, cap;
};

static void waiters_free(struct waiters *w)
{
    free(w->jobs);
    free(w);
}

void dependents_fini(struct dependents *d)
{
    void *w;
    for (size_t i = 0; map_next(&d->by_job, &i, &w);)
        waiters_free(w);
    map_fini(&d->by_job);
    for (size_t k = d->at; k < d->n_doomed; k++)
        ranges_fini(&d->doomed[k].tasks);
    free(d->doomed);
}

void deps_fini(struct dep *deps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(deps[i].name);
        ranges_fini(&deps[i].left);
    }
    free(deps);
}

/* ---- codec ---- */

void deps_encode(const struct dep *deps, size_t n, struct cq_str *out)
{
    flat_put_u64(out, DEPS_VERSION);
    flat_put_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        const struct dep *d = &deps[i];
        flat_put_u64(out, d->job);
        flat_put_u64(out, d->when);
        flat_put_u64(out, d->state);
        flat_put_u64(out, d->number);
        flat_put_u64(out, d->attempt);
        flat_put_u64(out, d->is_array);
        flat_put_text(out, d->name);
        snapshot_put_ranges(out, &d->left);
    }
}

static bool decode_one(struct flat_reader *in, struct dep *d, uint64_t version)
{
    uint64_t when, state;
    d->job = flat_get_u64(in);
    when = flat_get_u64(in);
    state = flat_get_u64(in);
    d->number = flat_get_u64(in);
    d->attempt = flat_get_u64(in);
    d->is_array = flat_get_u64(in) != 0;
    d->name = flat_get_text(in, NAME_MAX_BYTES);
    if (when > DEP_AFTERCORR || state >= DEP_STATE_COUNT || (state == DEP_WAITING && d->job == 0))
        return false;
    d->when = (enum dep_when)when;
    d->state = (enum dep_state)state;
    return !in->failed && (version < 2 || snapshot_get_ranges(in, &d->left));
}

int deps_decode(const struct record_bytes *bytes, struct dep **deps, size_t *n, struct cq_err *err)
{
    *deps = NULL;
    *n = 0;
    if (bytes->len == 0)
        return 0;
    struct flat_reader in = flat_reader_of(bytes->data, bytes->len);
    uint64_t version = flat_get_u64(&in);
    size_t count = flat_get_count(&in, DEPS_MAX);
    struct dep *list = count ? cq_calloc(count, sizeof *list) : NULL;
    bool ok = version >= 1 && version <= DEPS_VERSION;
    for (size_t i = 0; ok && i < count; i++)
        ok = decode_one(&in, &list[i], version);
    if (!ok || !flat_at_end(&in)) {
        deps_fini(list, count);
        return cq_fail(err, CQ_E_INTERNAL, "dependencies are damaged");
    }
    *deps = list;
    *n = count;
    return 0;
}

void deps_encode_state(const struct dep *deps, size_t n, struct cq_str *out)
{
    flat_put_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        flat_put_u64(out, deps[i].state);
        flat_put_u64(out, deps[i].attempt);
        snapshot_put_ranges(out, &deps[i].left);
    }
}

bool deps_decode_state(struct core *c, struct job *job, struct flat_reader *in)
{
    if (flat_get_count(in, DEPS_MAX) != job->n_deps)
        return false;
    depend_unregister(c, job);
    job->n_unmet = 0;
    for (size_t i = 0; i < job->n_deps; i++) {
        struct dep *d = &job->deps[i];
        uint64_t state = flat_get_u64(in);
        d->attempt = flat_get_u64(in);
        if (state >= DEP_STATE_COUNT || (state == DEP_WAITING && d->job == 0)
            || !snapshot_get_ranges(in, &d->left))
            return false;
        d->state = (enum dep_state)state;
        job->n_unmet += d->when != DEP_AFTERCORR && state != DEP_MET;
    }
    depend_register(c, job);
    return !in->failed;
}

/* ---- the lists ---- */

enum dep_state dep_judge(enum dep_when when, bool ended_ok)
{
    switch (when) {
    case DEP_OK:
    case DEP_AFTERCORR:
        return ended_ok ? DEP_MET : DEP_NEVER;
    case DEP_ANY:
        return DEP_MET;
    case DEP_NOTOK:
        return ended_ok ? DEP_NEVER : DEP_MET;
    }
    return DEP_NEVER;
}

static void add_waiter(struct core *c, uint64_t on, uint64_t job)
{
    struct waiters *w = map_find(&c->dependents.by_job, on);
    if (w == NULL) {
        w = CQ_NEW(struct waiters);
        map_put(&c->dependents.by_job, on, w);
    }
    size_t at = w->n;
    while (at > 0 && w->jobs[at - 1] > job)
        at--;
    if (at > 0 && w->jobs[at - 1] == job)
        return; /* two dependencies on one job */
    cq_grow(&w->jobs, &w->cap, w->n);
    memmove(w->jobs + at + 1, w->jobs + at, (w->n - at) * sizeof *w->jobs);
    w->jobs[at] = job;
    w->n++;
}

static void remove_waiter(struct core *c, uint64_t on, uint64_t job)
{
    struct waiters *w = map_find(&c->dependents.by_job, on);
    for (size_t i = 0; w && i < w->n; i++)
        if (w->jobs[i] == job) {
            memmove(w->jobs + i, w->jobs + i + 1, (w->n - i - 1) * sizeof *w->jobs);
            w->n--;
            break;
        }
    if (w && w->n == 0)
        waiters_free(map_remove(&c->dependents.by_job, on));
}

void depend_register(struct core *c, struct job *job)
{
    for (size_t i = 0; i < job->n_deps; i++)
        if (job->deps[i].state == DEP_WAITING)
            add_waiter(c, job->deps[i].job, job->id);
}

void depend_unregister(struct core *c, struct job *job)
{
    for (size_t i = 0; i < job->n_deps; i++)
        if (job->deps[i].state == DEP_WAITING)
            remove_waiter(c, job->deps[i].job, job->id);
}

/* ---- ends ---- */

/* `tasks` (copied): NULL dooms the whole job. */
static void doom(struct core *c, uint64_t job, size_t dep, const struct ranges *tasks)
{
    struct dependents *all = &c->dependents;
    if (tasks && ranges_is_empty(tasks))
        return;
    cq_grow(&all->doomed, &all->cap_doomed, all->n_doomed);
    struct doom *d = &all->doomed[all->n_doomed++];
    *d = (struct doom){.job = job, .dep = dep};
    if (tasks)
        ranges_copy(&d->tasks, tasks);
}

static bool task_is_blocked(const struct job *job, uint32_t task)
{
    for (size_t i = 0; i < job->n_deps; i++)
        if (job->deps[i].when == DEP_AFTERCORR && ranges_has(&job->deps[i].left, task))
            return true;
    return false;
}

static void counterpart_ended(struct core *c, struct job *job, size_t dep, uint32_t task,
                              bool passed)
{
    if (!passed) {
        struct range one = {task, task};
        doom(c, job->id, dep, &(struct ranges){.at.one = one, .n = 1, .count = 1});
        return;
    }
    if (!ranges_remove(&job->deps[dep].left, task))
        return;
    job_mark_dirty(c, job);
    if (!task_is_blocked(job, task) && ranges_remove(&job->blocked, task)) {
        grow_wait(job, task, job->first.mem_mib);
        grow_settle(c, job);
        queue_update(c, job);
    }
}

void depend_task_ended(struct core *c, const struct job *on, uint32_t task, bool passed)
{
    const struct waiters *w = map_find(&c->dependents.by_job, on->id);
    for (size_t i = 0; w && i < w->n; i++) {
        struct job *job = job_find(c, w->jobs[i]);
        for (size_t d = 0; job && d < job->n_deps; d++)
            if (job->deps[d].job == on->id && job->deps[d].when == DEP_AFTERCORR)
                counterpart_ended(c, job, d, task, passed);
    }
}

void depend_tasks_killed(struct core *c, const struct job *on)
{
    const struct waiters *w = map_find(&c->dependents.by_job, on->id);
    for (size_t i = 0; w && i < w->n; i++) {
        const struct job *job = job_find(c, w->jobs[i]);
        for (size_t d = 0; job && d < job->n_deps; d++)
            if (job->deps[d].job == on->id && job->deps[d].when == DEP_AFTERCORR)
                doom(c, job->id, d, &on->killed);
    }
}

static void dep_resolve(struct core *c, struct job *job, size_t i, const struct job *on)
{
    struct dep *d = &job->deps[i];
    d->attempt = on->is_array ? 0 : on->last_attempt;
    if (d->when == DEP_AFTERCORR) { /* its tasks were told one by one */
        d->state = DEP_MET;
    } else {
        d->state = dep_judge(d->when, on->state == JOB_DONE);
        job->n_unmet -= d->state == DEP_MET;
    }
    if (d->state == DEP_NEVER)
        doom(c, job->id, i, NULL);
    job_mark_dirty(c, job);
}

void depend_job_ended(struct core *c, const struct job *on)
{
    struct waiters *w = map_remove(&c->dependents.by_job, on->id);
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n; i++) {
        struct job *job = job_find(c, w->jobs[i]);
        for (size_t d = 0; job && d < job->n_deps; d++)
            if (job->deps[d].job == on->id && job->deps[d].state == DEP_WAITING)
                dep_resolve(c, job, d, on);
        if (job) {
            usage_note_ready(c, job, on->end_us);
            queue_update(c, job);
        }
    }
    waiters_free(w);
}

/* Keeps of d->tasks what still waits for its counterpart. False: nothing is left to end. */
static bool is_due(const struct job *job, struct doom *d)
{
    if (job == NULL || job_state_is_terminal(job->state))
        return false;
    if (ranges_is_empty(&d->tasks))
        return true;
    struct ranges due = {0};
    for (size_t i = 0; i < d->tasks.n; i++)
        for (uint64_t k = ranges_items(&d->tasks)[i].first; k <= ranges_items(&d->tasks)[i].last;
             k++)
            if (ranges_has(&job->blocked, (uint32_t)k))
                ranges_add(&due, (uint32_t)k, (uint32_t)k);
    ranges_fini(&d->tasks);
    d->tasks = due;
    return !ranges_is_empty(&due);
}

/* Escaped it may be far longer than what a cause has room for. */
static void add_title(struct cq_str *out, const char *name)
{
    struct cq_str title = {0};
    cq_str_add_printable(&title, name, strlen(name));
    if (title.len > CAUSE_NAME_MAX) {
        size_t n = CAUSE_NAME_MAX;
        while (n > 0 && ((unsigned char)title.data[n] & 0xc0) == 0x80)
            n--; /* in front of a character */
        cq_str_truncate(&title, n);
        cq_str_add(&title, "...");
    }
    cq_str_add(out, cq_str_text(&title));
    cq_str_fini(&title);
}

static void format_cause(const struct dep *dep, const struct doom *d, struct cq_str *out)
{
    cq_str_add(out, "dependency ");
    if (dep->name && *dep->name)
        add_title(out, dep->name);
    else
        cq_str_printf(out, "%" PRIu64, dep->number);
    if (d->tasks.count == 1)
        cq_str_printf(out, "[%" PRIu32 "]", ranges_items(&d->tasks)[0].first);
    cq_str_add(out, dep->when == DEP_NOTOK ? " passed" : " failed");
}

static void cancel_doomed(struct core *c, const struct job *job, const struct doom *d,
                          int64_t wall_us, struct effects *out)
{
    struct cq_str cause = {0}, tasks = {0};
    if (d->tasks.count < job->n_tasks)
        ranges_format(&d->tasks, &tasks);
    format_cause(&job->deps[d->dep], d, &cause);
    struct record *r = record_new(RECORD_JOB_CANCEL);
    r->u.job_cancel = (struct job_cancel){.job = job->id,
                                          .tasks = cq_str_take(&tasks),
                                          .at_us = wall_us,
                                          .cause = cq_str_take(&cause),
                                          .policy_us = c->policy_us};
    core_emit(c, out, r);
}

void depend_seal_never(struct core *c, const struct job *job)
{
    for (size_t i = 0; i < job->n_deps; i++)
        if (job->deps[i].state == DEP_NEVER)
            doom(c, job->id, i, NULL);
}

/* What an array depended on has already done when the job arrives. */
static void start_left(struct core *c, struct job *job, size_t i)
{
    struct dep *d = &job->deps[i];
    const struct job *on = job_find(c, d->job);
    ranges_copy(&d->left, &job->waiting);
    if (on == NULL)
        return; /* it follows in the same submit */
    ranges_subtract(&d->left, &on->passed);
    const struct ranges *bad[] = {&on->failed, &on->killed, &on->lost};
    for (size_t b = 0; b < CQ_COUNT(bad); b++)
        doom(c, job->id, i, bad[b]);
}

void depend_start(struct core *c, struct job *job)
{
    for (size_t i = 0; i < job->n_deps; i++) {
        struct dep *d = &job->deps[i];
        if (d->when != DEP_AFTERCORR)
            job->n_unmet += d->state != DEP_MET;
        else if (d->state == DEP_WAITING)
            start_left(c, job, i);
        else if (d->state == DEP_MET) /* an array that was over: what did not pass never will */
            doom(c, job->id, i, &d->left);
    }
    for (size_t i = 0; i < job->n_deps; i++) {
        ranges_add_all(&job->blocked, &job->deps[i].left);
    }
    ranges_subtract(&job->waiting, &job->blocked);
    depend_register(c, job);
    depend_seal_never(c, job);
}

void depend_settle(struct core *c, int64_t wall_us, struct effects *out)
{
    struct dependents *all = &c->dependents;
    while (all->at < all->n_doomed) {
        struct doom d = all->doomed[all->at++];
        const struct job *job = job_find(c, d.job);
        if (is_due(job, &d))
            cancel_doomed(c, job, &d, wall_us, out);
        ranges_fini(&d.tasks);
    }
    all->at = all->n_doomed = 0;
}
