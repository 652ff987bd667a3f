/* Why a job's tasks do not start, the deciding reason first. It asks the same functions that
 * decide, and never tells one enterprise anything of another. */
#include "scheduler/core/explain.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"

struct reason *reasons_add(struct reason_list *l, enum wait_reason why, uint64_t tasks)
{
    static struct reason spill; /* beyond max: written, never read */
    if (tasks == 0)
        return NULL;
    struct reason *r = l->n < l->max ? &l->items[l->n++] : &spill;
    *r = (struct reason){.code = wait_reason_name(why), .tasks = tasks};
    return r;
}

enum { ASKING_BYTES = 60 }; /* of their ranges, in an advice that has them twice */

#define SAY(field, ...) (void)snprintf((field), sizeof(field), __VA_ARGS__)

/* ---- what the job or a person holds back ---- */

/* Of the tasks that something holds back, those that are asked about. */
static uint64_t asked_of(const struct reason_list *l, uint64_t tasks)
{
    return l->has_task && tasks > 0 ? 1 : tasks;
}

static void add_held(struct reason_list *l)
{
    uint64_t tasks = l->job->is_held ? asked_of(l, job_waiting(l->job)) : 0;
    struct reason *r = reasons_add(l, WAIT_HELD, tasks);
    if (r == NULL)
        return;
    SAY(r->text, l->has_task ? "its job is held" : "it is held");
    SAY(r->advice, "chipq release %" PRIu64, l->job->number);
}

static const char *must(enum dep_when when)
{
    switch (when) {
    case DEP_OK:
        return "to end well";
    case DEP_ANY:
        return "to end";
    case DEP_NOTOK:
        return "to fail";
    case DEP_AFTERCORR:
        return "to pass task by task";
    }
    return "";
}

/* "job 7", or "task 3 of job 7"; " (synth)" if it has a name. */
static void add_whom(const struct reason_list *l, const struct dep *d, struct cq_str *out)
{
    if (l->has_task && d->when == DEP_AFTERCORR)
        cq_str_printf(out, "task %" PRIu32 " of ", l->task);
    cq_str_printf(out, "job %" PRIu64, d->number);
    if (*d->name == '\0')
        return;
    struct cq_str name CQ_CLEANUP(cq_str_fini) = {0};
    cq_str_add_printable(&name, d->name, strlen(d->name));
    cq_str_printf(out, " (%.100s)", cq_str_text(&name));
}

static const char *state_of_whom(const struct reason_list *l, const struct dep *d)
{
    const struct job *on = job_find(l->core, d->job);
    if (on == NULL)
        return "over";
    if (!l->has_task || d->when != DEP_AFTERCORR)
        return job_state_name(on->state);
    const struct task *t = job_task(on, l->task);
    return task_state_name(t ? t->state : TASK_WAITING);
}

static uint64_t tasks_behind(const struct reason_list *l, const struct dep *d)
{
    if (d->state != DEP_WAITING)
        return 0;
    if (d->when != DEP_AFTERCORR)
        return asked_of(l, job_waiting(l->job));
    return l->has_task ? ranges_has(&d->left, l->task) : d->left.count;
}

static void add_deps(struct reason_list *l)
{
    for (size_t i = 0; i < l->job->n_deps; i++) {
        const struct dep *d = &l->job->deps[i];
        struct reason *r = reasons_add(l, WAIT_DEPENDENCY, tasks_behind(l, d));
        if (r == NULL)
            continue;
        bool is_task = l->has_task && d->when == DEP_AFTERCORR;
        struct cq_str whom CQ_CLEANUP(cq_str_fini) = {0};
        add_whom(l, d, &whom);
        SAY(r->text, "it waits for %s %s; that is %s", cq_str_text(&whom),
            is_task ? "to pass" : must(d->when), state_of_whom(l, d));
        if (is_task)
            SAY(r->advice, "chipq why '%" PRIu64 "[%" PRIu32 "]'", d->number, l->task);
        else
            SAY(r->advice, "chipq why %" PRIu64, d->number);
    }
}

/* Those of an array that ask: what else of it runs is to go on. Appended. */
static void add_asking(const struct reason_list *l, struct cq_str *out)
{
    struct ranges asking = {0};
    void *item;
    for (size_t i = 0; map_next(&l->job->tasks, &i, &item);) {
        const struct task *t = item;
        if (t->state == TASK_ASKING && (!l->has_task || t->number == l->task))
            ranges_add(&asking, t->number, t->number);
    }
    ranges_format(&asking, out);
    if (out->len > ASKING_BYTES) { /* one after the other, then */
        cq_str_truncate(out, 0);
        cq_str_printf(out, "%" PRIu32, ranges_items(&asking)[0].first);
    }
    ranges_fini(&asking);
}

static void add_lost(struct reason_list *l, uint64_t tasks)
{
    struct reason *r = reasons_add(l, WAIT_LOST_DECISION, tasks);
    struct cq_str asking = {0};
    char name[ASKING_BYTES + 48];
    if (r == NULL)
        return;
    SAY(name, "%" PRIu64, l->job->number);
    if (l->job->is_array) {
        add_asking(l, &asking);
        SAY(name, "'%" PRIu64 "[%s]'", l->job->number, cq_str_text(&asking));
        cq_str_fini(&asking);
    }
    SAY(r->text, "it was lost while it ran, and said on_lost=wait: somebody must decide");
    SAY(r->advice, "chipq requeue %s runs it again, chipq cancel %s ends it", name, name);
}

static void add_limit(struct reason_list *l, uint64_t waiting)
{
    uint64_t limit = l->job->asked->array_max_running;
    struct reason *r = reasons_add(l, WAIT_ARRAY_LIMIT, waiting);
    if (r == NULL)
        return;
    SAY(r->text, "%" PRIu32 " of its %stasks run, and it asked for at most %" PRIu64 " at once",
        l->job->n_running, l->has_task ? "job's " : "", limit);
    SAY(r->advice, "it goes on as they end");
}

/* ---- one task ---- */

/* Those of its job that start first; of one that ran out of memory, all that wait with less. */
static void add_before(struct reason_list *l, const struct grow_place *at)
{
    struct reason *r = reasons_add(l, WAIT_TURN, at->before > 0);
    char mem[32];
    if (r == NULL)
        return;
    SAY(r->text, "%" PRIu64 " task%s of its job start%s before it", at->before,
        at->before == 1 ? "" : "s", at->before == 1 ? "s" : "");
    if (at->is_later)
        SAY(r->advice,
            "it is to have %s of memory, and waits until its job has none left to start "
            "with another size",
            format_size_mib(at->mem_mib, mem, sizeof mem));
}

static void add_task_reasons(struct reason_list *l)
{
    const struct task *t = job_task(l->job, l->task);
    struct grow_place at;
    bool has_place = grow_place(l->job, l->task, &at);
    add_lost(l, t && t->state == TASK_ASKING);
    if (!has_place && !ranges_has(&l->job->blocked, l->task))
        return;
    add_held(l);
    add_deps(l);
    if (!has_place || l->job->is_held || l->job->n_unmet > 0)
        return;
    l->before = at.before;
    if (at.before < job_ready_tasks(l->job))
        explain_pool(l, 1);
    else if (!at.is_later)
        add_limit(l, 1);
    add_before(l, &at);
}

/* Time that has passed since the last step changes what fits before a booking or a hold. The clocks
 * are all that moves: what shares remember of time only follows them forward. */
struct moment explain_look_at(const struct core *c, struct now now)
{
    struct core *m = (struct core *)c;
    const struct moment before = {m->now_mono_us, m->now_wall_us, m->policy_us};
    if (m->has_clock && now.mono_us > m->now_mono_us) {
        m->policy_us += now.mono_us - m->now_mono_us;
        m->now_mono_us = now.mono_us;
        m->now_wall_us = now.wall_us;
    }
    return before;
}

void explain_look_back(const struct core *c, const struct moment *before)
{
    struct core *m = (struct core *)c;
    m->now_mono_us = before->mono_us;
    m->now_wall_us = before->wall_us;
    m->policy_us = before->policy_us;
}

static void add_job_reasons(struct reason_list *l)
{
    uint64_t ready = job_ready_tasks(l->job);
    add_held(l);
    add_deps(l);
    add_lost(l, l->job->n_asking);
    if (l->job->is_held || l->job->n_unmet > 0)
        return;
    if (ready > 0 && !(l->is_brief && l->n > 0))
        explain_pool(l, ready);
    add_limit(l, l->job->waiting.count - ready);
}

static size_t explain(struct reason_list *l, struct now now)
{
    if (l->job == NULL || job_state_is_terminal(l->job->state))
        return 0;
    struct moment before = explain_look_at(l->core, now);
    (l->has_task ? add_task_reasons : add_job_reasons)(l);
    explain_look_back(l->core, &before);
    return l->n;
}

size_t core_explain(const struct core *c, struct job_id id, struct now now, struct reason *reasons,
                    size_t max)
{
    struct reason_list l = {.core = c, .job = job_find(c, id.v), .items = reasons, .max = max};
    return explain(&l, now);
}

bool core_explain_brief(const struct core *c, struct job_id id, struct now now, struct reason *r,
                        struct brief_memo *memo)
{
    struct reason_list l = {
        .core = c, .job = job_find(c, id.v), .items = r, .max = 1, .is_brief = true, .memo = memo};
    return explain(&l, now) > 0;
}

size_t core_explain_task(const struct core *c, struct task_id id, struct now now,
                         struct reason *reasons, size_t max)
{
    struct reason_list l = {.core = c,
                            .job = job_find(c, id.job.v),
                            .has_task = true,
                            .task = id.number,
                            .items = reasons,
                            .max = max};
    return explain(&l, now);
}
