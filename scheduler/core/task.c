/* Tasks of a job: how one starts, what its attempt's end means, where it goes when it is over. */
#include <assert.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"

enum { RETURNS_MAX = 8 }; /* attempts lost before any worker confirmed them that do not count */

struct task *job_task(const struct job *job, uint32_t number)
{
    return map_find(&job->tasks, (uint64_t)number + 1);
}

static int by_number(const void *a, const void *b)
{
    const struct task *x = *(struct task *const *)a, *y = *(struct task *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

struct task **job_tasks(const struct job *job)
{
    struct task **all = cq_calloc(job->tasks.n, sizeof(struct task *));
    size_t n = 0;
    void *task;
    for (size_t i = 0; map_next(&job->tasks, &i, &task);)
        all[n++] = task;
    qsort(all, n, sizeof(struct task *), by_number);
    return all;
}

struct task *job_assign(struct core *c, struct job *job, uint32_t number, uint32_t attempt,
                        struct lease *lease)
{
    struct task *t = job_task(job, number);
    bool was_waiting = ranges_remove(&job->waiting, number);
    assert(was_waiting);
    if (t == NULL) {
        t = CQ_NEW(struct task);
        t->number = number;
        t->state = TASK_WAITING;
        map_put(&job->tasks, (uint64_t)number + 1, t);
    }
    t->mem_mib = grow_mem_mib(job);
    t->state = task_state_next(t->state, TASK_EV_ASSIGN);
    assert(t->state == TASK_ASSIGNED);
    t->attempt = attempt;
    t->lease = lease;
    t->start_us = 0;
    job->n_running++;
    job->last_attempt = attempt;
    (void)c;
    return t;
}

void job_show_task(struct core *c, struct job *job, struct task *t)
{
    job_mark_dirty(c, job);
    if (t->is_changed)
        return;
    t->is_changed = true;
    cq_grow(&job->changed_tasks, &job->cap_changed, job->n_changed);
    job->changed_tasks[job->n_changed++] = t->number;
}

/* ---- rules ---- */

static bool is_own_failure(enum verdict v)
{
    return v == VERDICT_FAIL || v == VERDICT_ERROR || v == VERDICT_TIMEOUT || v == VERDICT_OOM;
}

enum { LOST_REQUEUE, LOST_FAIL, LOST_WAIT };

/* The pool was stopped on purpose: nothing of it counts as a loss of the machine's. */
static enum task_event judge_stop(const struct job_submit *s, const struct task *t)
{
    if (t->start_us == 0)
        return TASK_EV_AGAIN; /* its worker's word that it never ran */
    if (s->restart != 0)
        return TASK_EV_LOSE;
    if (s->on_lost == LOST_FAIL)
        return TASK_EV_FAIL;
    return s->on_lost == LOST_WAIT ? TASK_EV_ASK : TASK_EV_AGAIN;
}

static enum task_event judge_loss(const struct job_submit *s, struct task *t)
{
    if (s->restart != 0)
        return TASK_EV_LOSE;
    if (s->on_lost == LOST_FAIL)
        return TASK_EV_FAIL;
    if (s->on_lost == LOST_WAIT)
        return TASK_EV_ASK;
    if (t->state == TASK_ASSIGNED && t->start_us == 0 && t->returns < RETURNS_MAX) {
        t->returns++;
        return TASK_EV_AGAIN;
    }
    t->losses++;
    return t->losses < s->max_attempts ? TASK_EV_AGAIN : TASK_EV_LOSE;
}

/* That counts for no failure of its own: nobody had said what it needs. */
static enum task_event judge_oom(struct task *t, const struct attempt_end_rec *end)
{
    t->mem_mib = end->next_mem_mib;
    t->growths++;
    return TASK_EV_AGAIN;
}

static bool is_limit(const struct attempt_end_rec *end, const char *limit)
{
    return end->limit && strcmp(end->limit, limit) == 0;
}

enum task_event job_judge(const struct job *job, struct task *t, const struct attempt_end_rec *end)
{
    const struct job_submit *s = job->asked;
    enum verdict verdict = (enum verdict)end->verdict;
    if (verdict == VERDICT_PASS)
        return TASK_EV_PASS;
    if (t->is_killing)
        return is_own_failure(verdict) ? TASK_EV_FAIL : TASK_EV_KILL;
    if (t->is_requeued)
        return TASK_EV_AGAIN;
    if (verdict == VERDICT_LOST && is_limit(end, "stop"))
        return judge_stop(s, t);
    if (verdict == VERDICT_LOST || is_limit(end, "lease"))
        return judge_loss(s, t);
    if (verdict == VERDICT_KILLED)
        return TASK_EV_KILL;
    if (end->next_mem_mib > 0)
        return judge_oom(t, end);
    t->failures++;
    bool again = s->restart == 0 && t->failures < s->max_own_failures;
    return again ? TASK_EV_AGAIN : TASK_EV_FAIL;
}

/* ---- moves ---- */

/* By an end; or its lease was closed under it, or it ends without being in one. */
static bool is_told_apart(const struct task *t, enum task_event event, const struct record *end)
{
    return end || (event == TASK_EV_AGAIN && task_state_is_live(t->state))
           || (event == TASK_EV_KILL && t->is_shown);
}

static void keep_end(struct job *job, const struct task *t, enum task_state next,
                     const struct record *end)
{
    const struct lease *l = t->lease;
    cq_grow(&job->ended, &job->cap_ended, job->n_ended);
    job->ended[job->n_ended++] =
        (struct ended){.task = t->number,
                       .attempt = t->attempt,
                       .state = next,
                       .mem_mib = l ? l->mem_mib : t->mem_mib,
                       .node = cq_strdup(l ? l->worker->name : ""),
                       .cores = cq_strdup(l ? l->cores_text : ""),
                       .end = end ? record_ref((struct record *)end) : NULL};
}

static enum verdict verdict_of(enum task_state state, const struct record *end)
{
    enum verdict told = end ? (enum verdict)end->u.attempt_end_rec.verdict : VERDICT_NONE;
    if (state == TASK_KILLED)
        return VERDICT_KILLED;
    if (state == TASK_LOST)
        return VERDICT_LOST;
    return told == VERDICT_NONE ? VERDICT_LOST : told;
}

static void fold(struct core *c, struct job *job, struct task *t, enum task_state next,
                 const struct record *end)
{
    struct ranges *to = next == TASK_DONE     ? &job->passed
                        : next == TASK_FAILED ? &job->failed
                        : next == TASK_KILLED ? &job->killed
                                              : &job->lost;
    enum verdict v = verdict_of(next, end);
    ranges_add(to, t->number, t->number);
    if (verdict_severity(v) > verdict_severity(job->worst))
        job->worst = v;
    map_remove(&job->tasks, (uint64_t)t->number + 1);
    depend_task_ended(c, job, t->number, next == TASK_DONE);
    free(t);
}

void job_task_move(struct core *c, struct job *job, struct task *t, enum task_event event,
                   const struct record *end)
{
    enum task_state old = t->state, next = task_state_next(old, event);
    assert(next != TASK_NONE);
    if (is_told_apart(t, event, end))
        keep_end(job, t, next, end);
    job->n_running -= task_state_is_live(old) && !task_state_is_live(next);
    job->n_asking += (next == TASK_ASKING) - (uint32_t)(old == TASK_ASKING);
    if (old == TASK_WAITING && next == TASK_KILLED)
        grow_forget(job, t->number);
    t->state = next;
    if (task_state_is_terminal(next)) {
        fold(c, job, t, next, end);
        return;
    }
    if (task_state_is_live(next))
        return;
    t->lease = NULL;
    t->is_killing = t->is_requeued = t->is_preempted = false;
    if (next == TASK_WAITING) {
        t->mem_mib = grow_least_mib(job, t->mem_mib);
        grow_wait(job, t->number, t->mem_mib);
    }
    if (t->is_shown)
        job_show_task(c, job, t);
}
