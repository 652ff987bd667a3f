/* Cancel, hold, release, requeue: what a person does to a live job. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"

enum { TASK_MAX = 999999999, ARRAY_MAX = 100000 };

struct action {
    struct core *core;
    const struct input *in;
    struct job *job;
    struct ranges tasks; /* empty: all */
    bool all;
    int64_t wall_us;
    struct effects *out;
    uint64_t n_running, n_sent; /* concerned: running; granted to a machine and not started */
};

static bool concerns(const struct action *a, uint32_t task)
{
    return a->all || ranges_has(&a->tasks, task);
}

static bool is_ended(const struct job *job, uint32_t task)
{
    return ranges_has(&job->passed, task) || ranges_has(&job->failed, task)
           || ranges_has(&job->killed, task) || ranges_has(&job->lost, task);
}

static bool is_its_task(const struct job *job, uint32_t task)
{
    return ranges_has(&job->waiting, task) || ranges_has(&job->blocked, task) || job_task(job, task)
           || is_ended(job, task);
}

static int parse_tasks(struct action *a, struct cq_err *err)
{
    const char *text = a->in->u.action.tasks;
    a->all = text == NULL || *text == '\0';
    if (a->all)
        return 0;
    if (ranges_parse(text, TASK_MAX, ARRAY_MAX, &a->tasks, err) != 0)
        return -1;
    for (size_t i = 0; i < a->tasks.n; i++)
        for (uint64_t k = ranges_items(&a->tasks)[i].first; k <= ranges_items(&a->tasks)[i].last;
             k++)
            if (!is_its_task(a->job, (uint32_t)k))
                return cq_fail(err, CQ_E_NOT_FOUND, "job %" PRIu64 " has no task %" PRIu64,
                               a->job->number, k);
    return 0;
}

/* ---- cancel ---- */

/* Whether a cancel still changes something. */
static bool has_work_to_end(const struct action *a)
{
    const struct job *job = a->job;
    const struct ranges *waiting[] = {&job->waiting, &job->blocked};
    for (size_t w = 0; w < CQ_COUNT(waiting); w++)
        for (size_t i = 0; i < waiting[w]->n; i++)
            for (uint64_t k = ranges_items(waiting[w])[i].first;
                 k <= ranges_items(waiting[w])[i].last; k++)
                if (concerns(a, (uint32_t)k))
                    return true;
    struct task **tasks = job_tasks(job);
    bool found = false;
    for (size_t i = 0; i < job->tasks.n; i++)
        found = found || (concerns(a, tasks[i]->number) && !tasks[i]->is_killing);
    free(tasks);
    return found;
}

static void kill_task(const struct action *a, const struct task *t, const char *cause)
{
    const struct out_attempt at = {.job = {a->job->id}, .task = t->number, .attempt = t->attempt};
    lease_send_kill(a->core, t->lease, &at, cause, a->out);
}

/* "cancelled by ann at 2026-11-22T10:11:12.345Z": an attempt may take its grace to end. */
static const char *who(const struct action *a, const char *verb, char *buf, size_t size)
{
    const struct principal *p = people_principal(a->core, a->in->principal.v);
    char at[32];
    (void)snprintf(buf, size, "%s by %.63s at %s", verb, p ? p->name : "chipqd",
                   format_wall_us(a->wall_us, at, sizeof at));
    return buf;
}

static int cancel(struct action *a, struct cq_err *err)
{
    char cause[128];
    (void)err;
    if (!has_work_to_end(a))
        return 0; /* asked again */
    (void)who(a, "cancelled", cause, sizeof cause);
    struct task **tasks = job_tasks(a->job);
    for (size_t i = 0; i < a->job->tasks.n; i++)
        if (concerns(a, tasks[i]->number) && task_state_is_live(tasks[i]->state))
            kill_task(a, tasks[i], cause);
    free(tasks);
    struct record *r = record_new(RECORD_JOB_CANCEL);
    r->u.job_cancel = (struct job_cancel){.job = a->job->id,
                                          .tasks = cq_strdup(a->all ? "" : a->in->u.action.tasks),
                                          .principal = a->in->principal.v,
                                          .at_us = a->wall_us,
                                          .policy_us = a->core->policy_us,
                                          .cause = cq_strdup(cause)};
    core_emit(a->core, a->out, r);
    return 0;
}

/* ---- hold and release ---- */

/* Attempts that were granted already go on. */
static int hold(struct action *a, struct cq_err *err)
{
    if (!a->all)
        return cq_fail(err, CQ_E_INVALID, "a job is held as a whole, not task by task");
    if (a->job->is_held)
        return 0;
    struct record *r = record_new(RECORD_JOB_HOLD);
    r->u.job_hold = (struct job_hold){.job = a->job->id,
                                      .principal = a->in->principal.v,
                                      .at_us = a->wall_us,
                                      .policy_us = a->core->policy_us};
    core_emit(a->core, a->out, r);
    return 0;
}

static int release(struct action *a, struct cq_err *err)
{
    if (!a->all)
        return cq_fail(err, CQ_E_INVALID, "a job is released as a whole, not task by task");
    if (!a->job->is_held)
        return 0;
    struct record *r = record_new(RECORD_JOB_RELEASE);
    r->u.job_release = (struct job_release){.job = a->job->id,
                                            .principal = a->in->principal.v,
                                            .at_us = a->wall_us,
                                            .policy_us = a->core->policy_us};
    core_emit(a->core, a->out, r);
    return 0;
}

/* ---- requeue ---- */

static bool can_requeue(const struct action *a, const struct task *t)
{
    return concerns(a, t->number) && !t->is_killing && !t->is_requeued && t->state != TASK_WAITING;
}

static void requeue_task(struct action *a, const struct task *t, const char *cause)
{
    if (task_state_is_live(t->state))
        kill_task(a, t, cause);
    struct record *r = record_new(RECORD_TASK_REQUEUE);
    r->u.task_requeue = (struct task_requeue){.job = a->job->id,
                                              .task = t->number,
                                              .attempt = t->attempt,
                                              .principal = a->in->principal.v,
                                              .at_us = a->wall_us,
                                              .policy_us = a->core->policy_us};
    core_emit(a->core, a->out, r);
}

static int requeue(struct action *a, struct cq_err *err)
{
    char cause[128];
    if (a->job->asked->restart != 0)
        return cq_fail(err, CQ_E_CONFLICT,
                       "job %" PRIu64 " said restart=never: it is started at most once",
                       a->job->number);
    (void)who(a, "requeued", cause, sizeof cause);
    struct task **tasks = job_tasks(a->job);
    size_t n = a->job->tasks.n, done = 0;
    for (size_t i = 0; i < n; i++)
        if (can_requeue(a, tasks[i])) {
            requeue_task(a, tasks[i], cause);
            done++;
        }
    free(tasks);
    if (done == 0)
        return cq_fail(err, CQ_E_CONFLICT, "job %" PRIu64 " has no started task to requeue",
                       a->job->number);
    return 0;
}

/* ---- */

/* Before anything is done to them. */
static void count_live(struct action *a)
{
    struct task **tasks = job_tasks(a->job);
    for (size_t i = 0; i < a->job->tasks.n; i++) {
        const struct task *t = tasks[i];
        if (!concerns(a, t->number) || t->is_killing || !task_state_is_live(t->state))
            continue;
        a->n_running += t->state == TASK_RUNNING;
        a->n_sent += t->state != TASK_RUNNING;
    }
    free(tasks);
}

static int run_action(struct action *a, struct cq_err *err)
{
    const struct in_action *in = &a->in->u.action;
    a->job = job_find_number(a->core, in->enterprise, in->number);
    if (a->job == NULL)
        return cq_fail(err, CQ_E_NOT_FOUND, "no such job %" PRIu64, in->number);
    if (job_state_is_terminal(a->job->state) && in->action != ACTION_CANCEL)
        return cq_fail(err, CQ_E_CONFLICT, "job %" PRIu64 " is over", in->number);
    if (parse_tasks(a, err) != 0)
        return -1;
    count_live(a);
    switch (in->action) {
    case ACTION_CANCEL:
        return job_state_is_terminal(a->job->state) ? 0 : cancel(a, err);
    case ACTION_HOLD:
        return hold(a, err);
    case ACTION_RELEASE:
        return release(a, err);
    case ACTION_REQUEUE:
        return requeue(a, err);
    }
    return cq_fail(err, CQ_E_INVALID, "no such action");
}

void job_action_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    struct action a = {.core = c, .in = in, .wall_us = now.wall_us, .out = out};
    (void)run_action(&a, &err);
    ranges_fini(&a.tasks);
    struct out *o = effects_out(out, OUT_ACTION_DONE);
    o->request = in->request;
    o->code = err.code;
    o->n_running = a.n_running;
    o->n_sent = a.n_sent;
    o->text = err.code == CQ_OK ? NULL : cq_strdup(err.text);
}
