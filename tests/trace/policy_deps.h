/* Dependencies of a random history, judged from what was asked and how jobs ended. */
#ifndef CHIPQ_TEST_POLICY_DEPS_H
#define CHIPQ_TEST_POLICY_DEPS_H

#include "tests/trace/policy_play.h"

/* ---- notes ---- */

static size_t note_index(const struct play *p, uint64_t id)
{
    size_t i = p->n_jobs;
    while (i > 0 && p->jobs[i - 1] != id)
        i--;
    return i > 0 ? i - 1 : SIZE_MAX;
}

static size_t note_numbered(const struct play *p, uint64_t enterprise, uint64_t number)
{
    for (size_t i = p->n_jobs; i-- > 0;)
        if (p->notes[i].enterprise == enterprise && p->notes[i].number == number)
            return i;
    play_fail(p, "a dependency on a job that never was");
    return 0;
}

/* The jobs of a submit come in the order in which they were asked. */
static void note_job(struct play *p, const struct job_submit *r)
{
    const struct in_job *asked = &p->asked[r->submit_index];
    size_t first = p->n_jobs - r->submit_index;
    if (p->n_jobs == JOBS_MAX)
        play_fail(p, "too many jobs");
    struct job_note *n = &p->notes[p->n_jobs];
    *n = (struct job_note){.number = r->number,
                           .enterprise = r->enterprise,
                           .array = asked->array,
                           .n_deps = asked->n_deps};
    p->jobs[p->n_jobs++] = r->id;
    for (size_t i = 0; i < n->n_deps; i++) {
        const struct in_dep *d = &asked->deps[i];
        n->deps[i].when = d->when;
        n->deps[i].on =
            d->number ? note_numbered(p, n->enterprise, d->number) : first + d->index - 1;
    }
}

/* Before ended jobs are forgotten. */
static void note_ends(struct play *p)
{
    for (size_t i = 0; i < p->w.fx.n_dirty_jobs; i++) {
        const struct job *job = job_find(p->w.core, p->w.fx.dirty_jobs[i].v);
        size_t at = job ? note_index(p, job->id) : SIZE_MAX;
        if (at == SIZE_MAX)
            continue;
        struct job_note *n = &p->notes[at];
        n->n_tasks = job->n_tasks;
        ranges_copy(&n->passed, &job->passed);
        if (!job_state_is_terminal(job->state))
            continue;
        n->is_over = true;
        n->is_ok = n->passed.count == n->n_tasks;
        if (n->is_ok != (job->state == JOB_DONE))
            play_fail(p, "a job ended well without all its tasks, or the reverse");
    }
}

/* ---- what they allow ---- */

static bool is_met(const struct play *p, const struct dep_note *d, uint32_t task)
{
    const struct job_note *on = &p->notes[d->on];
    switch (d->when) {
    case DEP_OK:
        return on->is_over && on->is_ok;
    case DEP_ANY:
        return on->is_over;
    case DEP_NOTOK:
        return on->is_over && !on->is_ok;
    case DEP_AFTERCORR:
        return ranges_has(&on->passed, task);
    }
    return false;
}

/* It will not be met any more. */
static bool is_never(const struct play *p, const struct dep_note *d, uint32_t task)
{
    const struct job_note *on = &p->notes[d->on];
    const struct job *live = job_find(p->w.core, p->jobs[d->on]);
    if (is_met(p, d, task))
        return false;
    if (on->is_over)
        return true;
    return d->when == DEP_AFTERCORR && live
           && (ranges_has(&live->failed, task) || ranges_has(&live->killed, task)
               || ranges_has(&live->lost, task));
}

static bool is_free(const struct play *p, const struct job_note *n, uint32_t task)
{
    for (size_t i = 0; i < n->n_deps; i++)
        if (!is_met(p, &n->deps[i], task))
            return false;
    return true;
}

static bool is_doomed(const struct play *p, const struct job_note *n, uint32_t task)
{
    for (size_t i = 0; i < n->n_deps; i++)
        if (is_never(p, &n->deps[i], task))
            return true;
    return false;
}

/* ---- checks ---- */

static void check_dep_records(const struct play *p)
{
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        const struct record *r = p->w.fx.records[i];
        if (r->type == RECORD_ATTEMPT_ASSIGN) {
            const struct attempt_assign *a = &r->u.attempt_assign;
            if (!is_free(p, &p->notes[note_index(p, a->job)], (uint32_t)a->task))
                play_fail(p, "a task starts before its dependency allows it");
        }
        if (r->type != RECORD_JOB_CANCEL || !cq_str_starts(r->u.job_cancel.cause, "dependency "))
            continue;
        const struct job_note *n = &p->notes[note_index(p, r->u.job_cancel.job)];
        struct ranges tasks = {0};
        const char *text = r->u.job_cancel.tasks;
        if (text && *text && ranges_parse(text, 1000, 1000, &tasks, NULL) != 0)
            play_fail(p, "tasks that nobody can read are skipped");
        uint32_t first = tasks.count ? ranges_first(&tasks) : 1;
        for (uint32_t k = first; k < first + (tasks.count ? tasks.count : 1); k++)
            if ((tasks.count == 0 || ranges_has(&tasks, k)) && !is_doomed(p, n, k))
                play_fail(p, "a task is skipped although its dependency may be met");
        ranges_fini(&tasks);
    }
}

/* What waits for others waits for somebody who is not over; what does not may start. */
static void check_waiting(const struct play *p, const struct job_note *n, const struct job *job)
{
    bool whole = true;
    for (size_t i = 0; i < n->n_deps; i++)
        if (n->deps[i].when != DEP_AFTERCORR)
            whole = whole && is_met(p, &n->deps[i], 0);
    if (whole != (job->n_unmet == 0))
        play_fail(p, "a job waits for others otherwise than its dependencies say");
    for (uint32_t k = job->is_array ? 1 : 0; k <= (job->is_array ? job->n_tasks : 0); k++) {
        bool is_blocked = ranges_has(&job->blocked, k);
        if ((is_blocked || ranges_has(&job->waiting, k)) && is_doomed(p, n, k)
            && job_task(job, k) == NULL)
            play_fail(p, "a task waits for what never comes");
        if (is_blocked && whole && is_free(p, n, k))
            play_fail(p, "a task is blocked by nobody");
    }
}

static void check_deps(struct play *p)
{
    if (p->w.fx.n_records == 0 && p->w.fx.n_dirty_jobs == 0)
        return;
    note_ends(p);
    check_dep_records(p);
    for (size_t i = 0; i < p->n_jobs; i++) {
        const struct job *job = p->notes[i].is_over ? NULL : job_find(p->w.core, p->jobs[i]);
        if (job == NULL && !p->notes[i].is_over)
            play_fail(p, "a job is gone and nobody saw its end");
        if (job && p->notes[i].n_deps > 0)
            check_waiting(p, &p->notes[i], job);
    }
}

#endif
