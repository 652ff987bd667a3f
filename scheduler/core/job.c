/* Live jobs: how they come, how records change them, how their state follows from their tasks. */
#include "scheduler/core/job.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/quota.h"

enum {
    TASK_NUMBER_MAX = 999999999,
    ARRAY_TASKS_MAX = 100000,
    SUBMIT_JOBS_MAX = 1000,
    PART_CAUSES_BYTES = 250,
};

/* ---- life ---- */

void job_ended_free(struct ended *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].node);
        free(list[i].cores);
        record_free(list[i].end);
    }
    free(list);
}

void job_free(struct job *job)
{
    if (job == NULL)
        return;
    void *task;
    for (size_t i = 0; map_next(&job->tasks, &i, &task);)
        free(task);
    map_fini(&job->tasks);
    struct ranges *all[] = {&job->waiting, &job->blocked, &job->passed,
                            &job->failed,  &job->killed,  &job->lost};
    for (size_t i = 0; i < CQ_COUNT(all); i++)
        ranges_fini(all[i]);
    deps_fini(job->deps, job->n_deps);
    job_ended_free(job->ended, job->n_ended);
    laters_free(job->later);
    free(job->changed_tasks);
    free(job->end_cause);
    free(job->node);
    own_part_free(job->own);
    free(job);
}

static void group_free(struct group *g)
{
    free(g->jobs);
    free(g);
}

void jobs_fini(struct core *c)
{
    void *item;
    for (size_t i = 0; map_next(&c->jobs.by_id, &i, &item);) {
        struct job *job = item;
        if (--job->group->n_live == 0)
            group_free(job->group);
        queue_class_unref(c, job->class);
        request_unref(c, job->asked);
        job_free(job);
    }
    map_fini(&c->jobs.by_id);
    map_fini(&c->jobs.groups);
    requests_fini(c);
    free(c->jobs.dirty);
}

struct job *job_find(const struct core *c, uint64_t id)
{
    return map_find(&c->jobs.by_id, id);
}

struct job *job_find_number(const struct core *c, struct enterprise_id e, uint64_t number)
{
    const struct enterprise *home = people_enterprise(c, e.v);
    return home ? map_find(&home->jobs, number) : NULL;
}

struct job_id core_find_job(const struct core *c, struct enterprise_id e, uint64_t number)
{
    const struct job *job = job_find_number(c, e, number);
    return (struct job_id){job ? job->id : 0};
}

const char *job_label(const struct job *job, char *buf, size_t size)
{
    const char *name = own_part_name(job->own);
    if (*name) {
        struct cq_str s = {0};
        cq_str_add_printable(&s, name, strlen(name));
        (void)cq_copy_text(buf, size, cq_str_text(&s));
        cq_str_fini(&s);
    } else {
        (void)snprintf(buf, size, "%" PRIu64, job->number);
    }
    return buf;
}

/* ---- the jobs of one SUBMIT ---- */

static uint64_t group_hash(uint64_t principal, const struct cq_uuid *key)
{
    return core_hash(core_hash(CORE_HASH_SEED, &principal, sizeof principal), key, sizeof *key);
}

struct group *job_group_find(const struct core *c, struct principal_id p, const struct cq_uuid *key)
{
    struct group *g = map_find(&c->jobs.groups, group_hash(p.v, key));
    while (g && !(g->principal == p.v && cq_uuid_equal(&g->key, key)))
        g = g->next_same_hash;
    return g;
}

struct job_id core_find_key(const struct core *c, struct principal_id p, const struct cq_uuid *key)
{
    const struct group *g = job_group_find(c, p, key);
    for (size_t i = 0; g && i < g->count; i++)
        if (g->jobs[i])
            return (struct job_id){g->jobs[i]->id};
    return (struct job_id){0};
}

static void group_join(struct core *c, struct job *job, const struct job_submit *s)
{
    struct group *g = job_group_find(c, (struct principal_id){s->principal}, &s->client_key);
    if (g == NULL) {
        g = CQ_NEW(struct group);
        *g = (struct group){.principal = s->principal,
                            .hash = group_hash(s->principal, &s->client_key),
                            .key = s->client_key,
                            .jobs = cq_calloc(s->submit_count, sizeof(struct job *)),
                            .count = s->submit_count,
                            .first_number = s->number - s->submit_index};
        if (s->digest.len == sizeof g->digest)
            memcpy(g->digest, s->digest.data, sizeof g->digest);
        g->next_same_hash = map_find(&c->jobs.groups, g->hash);
        map_put(&c->jobs.groups, g->hash, g);
    }
    g->jobs[s->submit_index] = job;
    g->n_live++;
    job->group = g;
}

static void group_leave(struct core *c, struct job *job)
{
    struct group *g = job->group;
    g->jobs[job->submit_index] = NULL;
    if (--g->n_live > 0)
        return;
    struct group *first = map_find(&c->jobs.groups, g->hash), **link = &first;
    while (*link != g)
        link = &(*link)->next_same_hash;
    *link = g->next_same_hash;
    if (first)
        map_put(&c->jobs.groups, g->hash, first);
    else
        map_remove(&c->jobs.groups, g->hash);
    group_free(g);
}

bool core_is_over(const struct core *c, struct job_id id)
{
    const struct job *job = job_find(c, id.v);
    return job != NULL && job_state_is_terminal(job->state);
}

void core_forget(struct core *c, struct job_id id)
{
    struct job *job = job_find(c, id.v);
    if (job == NULL || !job_state_is_terminal(job->state))
        return;
    holds_drop(c, job); /* it may have got its last start through a lease that went on */
    map_remove(&c->jobs.by_id, job->id);
    map_remove(&job->enterprise->jobs, job->number);
    group_leave(c, job);
    queue_class_unref(c, job->class);
    request_unref(c, job->asked);
    job_free(job);
}

/* ---- dirty ---- */

void job_mark_dirty(struct core *c, struct job *job)
{
    if (job->is_dirty)
        return;
    job->is_dirty = true;
    cq_grow(&c->jobs.dirty, &c->jobs.cap_dirty, c->jobs.n_dirty);
    c->jobs.dirty[c->jobs.n_dirty++] = (struct job_id){job->id};
}

static void add_dirty(struct effects *out, struct job_id id)
{
    cq_grow(&out->dirty_jobs, &out->cap_dirty_jobs, out->n_dirty_jobs);
    out->dirty_jobs[out->n_dirty_jobs++] = id;
}

void job_flush_dirty(struct core *c, struct effects *out)
{
    for (size_t i = 0; i < c->jobs.n_dirty; i++) {
        const struct job *job = job_find(c, c->jobs.dirty[i].v);
        if (job && job->is_dirty)
            add_dirty(out, c->jobs.dirty[i]);
    }
    c->jobs.n_dirty = 0;
}

/* ---- state ---- */

uint64_t job_waiting(const struct job *job)
{
    return job->waiting.count + laters_count(job->later) + job->blocked.count + job->n_asking;
}

double job_usual_us(const struct job *job)
{
    double limit = (double)job->asked->time_us;
    return job->mean_run_us > 0 ? (double)job->mean_run_us : limit / 3;
}

uint64_t job_ready_tasks(const struct job *job)
{
    if (job_state_is_terminal(job->state) || job->is_held || job->n_unmet > 0)
        return 0;
    uint64_t limit = job->asked->array_max_running, ready = job->waiting.count;
    if (limit == 0)
        return ready;
    uint64_t room = limit > job->n_running ? limit - job->n_running : 0;
    return ready < room ? ready : room;
}

bool job_may_start(const struct job *job, uint32_t number)
{
    return job_ready_tasks(job) > 0 && ranges_has(&job->waiting, number);
}

static enum job_event event_towards(const struct job *job)
{
    if (job->n_running > 0)
        return JOB_EV_START;
    if (job_waiting(job) > 0 && job->is_held)
        return JOB_EV_HOLD;
    if (job_waiting(job) > 0)
        return job->state == JOB_HELD ? JOB_EV_RELEASE : JOB_EV_IDLE;
    if (!ranges_is_empty(&job->failed))
        return JOB_EV_FAIL;
    if (!ranges_is_empty(&job->lost))
        return JOB_EV_LOSE;
    return ranges_is_empty(&job->killed) ? JOB_EV_PASS : JOB_EV_KILL;
}

/* Moves the job to the state that its tasks' counts say. */
static void move_state(struct job *job)
{
    enum job_event event = event_towards(job);
    bool stays = (event == JOB_EV_START && job->state == JOB_RUNNING)
                 || (event == JOB_EV_HOLD && job->state == JOB_HELD)
                 || (event == JOB_EV_IDLE && job->state == JOB_PENDING);
    if (stays)
        return;
    enum job_state next = job_state_next(job->state, event);
    assert(next != JOB_NONE);
    job->state = next;
}

static bool counts_as_waiting(enum job_state s)
{
    return s == JOB_PENDING || s == JOB_HELD;
}

static void count(struct job *job)
{
    struct counts *n = &job->enterprise->counts;
    uint64_t waiting = job_waiting(job);
    n->jobs_waiting += (uint64_t)counts_as_waiting(job->state) - counts_as_waiting(job->counted);
    n->jobs_running +=
        (uint64_t)(job->state == JOB_RUNNING) - (uint64_t)(job->counted == JOB_RUNNING);
    n->tasks_waiting += waiting - job->counted_waiting;
    quota_waiting(job->class->leaf, (int64_t)(waiting - job->counted_waiting));
    n->tasks_running += (uint64_t)job->n_running - job->counted_running;
    job->counted = job->state;
    job->counted_waiting = (uint32_t)waiting;
    job->counted_running = job->n_running;
}

void job_refresh(struct core *c, struct job *job, int64_t at_us)
{
    bool was_over = job_state_is_terminal(job->state);
    grow_settle(c, job);
    move_state(job);
    count(job);
    usage_note_ready(c, job, at_us);
    queue_update(c, job);
    job_mark_dirty(c, job);
    if (was_over || !job_state_is_terminal(job->state))
        return;
    job->end_us = at_us;
    if (job->state != JOB_KILLED) { /* its own tasks' ends came first */
        free(job->end_cause);
        job->end_cause = NULL;
        job->is_skipped = job->is_part_cause = false;
    }
    depend_unregister(c, job);
    depend_job_ended(c, job);
}

/* ---- the door ---- */

static int check_submit(const struct core *c, const struct job_submit *s, struct cq_err *err)
{
    const struct enterprise *e = people_enterprise(c, s->enterprise);
    const struct principal *p = people_principal(c, s->principal);
    const struct project *j = people_project(c, s->project);
    if (e == NULL || p == NULL || j == NULL || j->enterprise != e)
        return cq_fail(err, CQ_E_INTERNAL, "job %" PRIu64 " belongs to nobody", s->id);
    if (s->id == 0 || job_find(c, s->id) || s->number == 0 || map_find(&e->jobs, s->number))
        return cq_fail(err, CQ_E_INTERNAL, "job %" PRIu64 " exists already", s->id);
    if (s->submit_count > SUBMIT_JOBS_MAX || s->submit_index >= s->submit_count
        || s->number <= s->submit_index)
        return cq_fail(err, CQ_E_INTERNAL, "job %" PRIu64 " has a wrong place", s->id);
    struct tokens tokens;
    if (tokens_parse(c, e, s->licences ? s->licences : "", &tokens, err) != 0)
        return cq_wrap(err, "job %" PRIu64, s->id);
    const struct group *g = job_group_find(c, (struct principal_id){s->principal}, &s->client_key);
    if (g && (g->count != s->submit_count || g->jobs[s->submit_index]))
        return cq_fail(err, CQ_E_INTERNAL, "job %" PRIu64 " shares a key wrongly", s->id);
    return 0;
}

static int fill_tasks(struct job *job, const struct job_submit *s, struct cq_err *err)
{
    job->is_array = s->array && *s->array;
    if (!job->is_array)
        ranges_add(&job->waiting, 0, 0);
    else if (ranges_parse(s->array, TASK_NUMBER_MAX, ARRAY_TASKS_MAX, &job->waiting, err) != 0)
        return -1;
    job->n_tasks = (uint32_t)job->waiting.count;
    size_t n_deps = 0;
    int bad = deps_decode(&s->deps, &job->deps, &n_deps, err);
    job->n_deps = (uint32_t)n_deps;
    return bad;
}

static int apply_submit(struct core *c, const struct record *r, struct cq_err *err)
{
    const struct job_submit *s = &r->u.job_submit;
    if (check_submit(c, s, err) != 0)
        return -1;
    struct job *job = CQ_NEW(struct job);
    *job = (struct job){.id = s->id,
                        .number = s->number,
                        .enterprise = people_enterprise(c, s->enterprise),
                        .principal = people_principal(c, s->principal),
                        .project = people_project(c, s->project),
                        .asked = request_ref(c, s),
                        .own = own_part_new(c, s),
                        .submit_us = s->at_us,
                        .submit_index = (uint16_t)s->submit_index,
                        .first = {.mem_mib = s->mem_mib},
                        .state = job_state_next(JOB_NONE, JOB_EV_SUBMIT),
                        .is_held = s->hold != 0,
                        .is_new = true,
                        .queue_index = QUEUE_NOWHERE,
                        .age_index = QUEUE_NOWHERE};
    if (fill_tasks(job, s, err) != 0) {
        request_unref(c, job->asked);
        job_free(job);
        return -1;
    }
    job->class = queue_class_ref(c, job, s->mem_mib);
    map_put(&c->jobs.by_id, job->id, job);
    map_put(&job->enterprise->jobs, job->number, job);
    group_join(c, job, s);
    core_saw_id(c, job->id);
    if (s->number >= job->enterprise->next_number) {
        job->enterprise->next_number = s->number + 1;
        job->enterprise->number_changed = true;
    }
    if (s->submit_index == 0 && !c->is_from_rows) /* there the node's own row tells it */
        quota_note_submit(c, job->class->leaf, s->submit_count, s->policy_us);
    depend_start(c, job);
    job_refresh(c, job, s->at_us);
    return 0;
}

static void apply_hold(struct core *c, struct job *job, bool hold, int64_t at_us)
{
    job->is_held = hold;
    job_refresh(c, job, at_us);
}

/* Takes what waits in `from` and is in `set` (NULL: all) over to killed. */
static void kill_waiting(struct job *job, struct ranges *from, const struct ranges *set)
{
    struct ranges old = *from;
    *from = (struct ranges){0};
    for (size_t i = 0; i < old.n; i++) {
        if (set == NULL) {
            ranges_add(&job->killed, ranges_items(&old)[i].first, ranges_items(&old)[i].last);
            continue;
        }
        for (uint64_t k = ranges_items(&old)[i].first; k <= ranges_items(&old)[i].last; k++)
            ranges_add(ranges_has(set, (uint32_t)k) ? &job->killed : from, (uint32_t)k,
                       (uint32_t)k);
    }
    if (verdict_severity(job->worst) < verdict_severity(VERDICT_KILLED)
        && !ranges_is_empty(&job->killed))
        job->worst = VERDICT_KILLED;
    ranges_fini(&old);
}

static void kill_later(struct job *job, const struct ranges *set)
{
    struct laters old = job->later ? *job->later : (struct laters){0};
    if (old.n == 0)
        return;
    *job->later = (struct laters){0};
    for (size_t i = 0; i < old.n; i++) {
        struct later *l = &old.items[i];
        kill_waiting(job, &l->tasks, set);
        for (size_t k = 0; k < l->tasks.n; k++)
            for (uint64_t t = ranges_items(&l->tasks)[k].first;
                 t <= ranges_items(&l->tasks)[k].last; t++)
                grow_wait(job, (uint32_t)t, l->mem_mib);
        ranges_fini(&l->tasks);
    }
    free(old.items);
}

static void kill_started(struct core *c, struct job *job, const struct ranges *set)
{
    struct task **tasks = job_tasks(job);
    size_t n = job->tasks.n;
    for (size_t i = 0; i < n; i++) {
        struct task *t = tasks[i];
        if (set && !ranges_has(set, t->number))
            continue;
        if (task_state_is_live(t->state)) {
            t->is_killing = true;
            t->is_requeued = false;
        } else {
            job_task_move(c, job, t, TASK_EV_KILL, NULL);
        }
    }
    free(tasks);
}

/* "cancelled by ann at ...; cancelled by bob at ...": of some of its tasks each, while there is
 * room. Caller frees. */
static char *join_causes(const char *before, const char *cause)
{
    static const char more[] = "; ...";
    size_t n = strlen(before), m = sizeof more - 1;
    struct cq_str both = {0};
    cq_str_add(&both, before);
    if (n + strlen(cause) + m <= PART_CAUSES_BYTES)
        cq_str_printf(&both, "; %s", cause);
    else if (n < m || strcmp(before + n - m, more) != 0)
        cq_str_add(&both, more);
    return cq_str_take(&both);
}

/* That of the whole job counts, else the first of some of its tasks, with what people did later. */
static void note_cause(struct job *job, const struct job_cancel *r, bool all)
{
    bool is_later = !all && job->end_cause;
    bool counts = job->is_part_cause && !job->is_skipped && r->principal != 0;
    if (r->cause == NULL || (is_later && !counts))
        return;
    char *cause = is_later ? join_causes(job->end_cause, r->cause) : cq_strdup(r->cause);
    free(job->end_cause);
    job->end_cause = cause;
    job->is_skipped = r->principal == 0; /* chipqd itself ends nothing else */
    job->is_part_cause = !all;
}

static int apply_cancel(struct core *c, struct job *job, const struct job_cancel *r,
                        struct cq_err *err)
{
    struct ranges set = {0};
    bool all = r->tasks == NULL || *r->tasks == '\0';
    if (!all && ranges_parse(r->tasks, TASK_NUMBER_MAX, ARRAY_TASKS_MAX, &set, err) != 0)
        return -1;
    note_cause(job, r, all);
    kill_started(c, job, all ? NULL : &set);
    kill_waiting(job, &job->waiting, all ? NULL : &set);
    kill_later(job, all ? NULL : &set);
    kill_waiting(job, &job->blocked, all ? NULL : &set);
    depend_tasks_killed(c, job);
    job_refresh(c, job, r->at_us);
    ranges_fini(&set);
    return 0;
}

static int apply_requeue(struct core *c, struct job *job, const struct task_requeue *r,
                         struct cq_err *err)
{
    struct task *t = job_task(job, (uint32_t)r->task);
    if (t == NULL || t->attempt != r->attempt || t->state == TASK_WAITING)
        return cq_fail(err, CQ_E_INTERNAL, "requeue of a task that does not run");
    if (t->state == TASK_ASKING)
        job_task_move(c, job, t, TASK_EV_AGAIN, NULL);
    else
        t->is_requeued = true;
    job_refresh(c, job, r->at_us);
    return 0;
}

static int apply_preempt(struct core *c, struct job *job, const struct task_preempt *r,
                         struct cq_err *err)
{
    struct task *t = job_task(job, (uint32_t)r->task);
    if (t == NULL || t->attempt != r->attempt || t->lease == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "a task that does not run is called back");
    t->is_requeued = t->is_preempted = true;
    t->preemptions++;
    t->preempted_us = r->policy_us;
    lease_recall(c, t->lease);
    job_refresh(c, job, r->at_us);
    return 0;
}

/* Every record about an existing job names it in its first field. */
static uint64_t job_of(const struct record *r)
{
    switch ((unsigned)r->type) {
    case RECORD_JOB_HOLD:
        return r->u.job_hold.job;
    case RECORD_JOB_RELEASE:
        return r->u.job_release.job;
    case RECORD_JOB_CANCEL:
        return r->u.job_cancel.job;
    case RECORD_TASK_REQUEUE:
        return r->u.task_requeue.job;
    case RECORD_JOB_SNAPSHOT:
        return r->u.job_snapshot.job;
    case RECORD_TASK_PREEMPT:
        return r->u.task_preempt.job;
    default:
        return 0;
    }
}

int job_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (r->type == RECORD_JOB_SUBMIT)
        return apply_submit(c, r, err);
    struct job *job = job_find(c, job_of(r));
    if (job == NULL || job_state_is_terminal(job->state))
        return cq_fail(err, CQ_E_INTERNAL, "record %s is of job %" PRIu64 ", which is not live",
                       record_type_name(r->type), job_of(r));
    if (r->type == RECORD_JOB_HOLD)
        apply_hold(c, job, true, r->u.job_hold.at_us);
    else if (r->type == RECORD_JOB_RELEASE)
        apply_hold(c, job, false, r->u.job_release.at_us);
    else if (r->type == RECORD_JOB_CANCEL)
        return apply_cancel(c, job, &r->u.job_cancel, err);
    else if (r->type == RECORD_TASK_REQUEUE)
        return apply_requeue(c, job, &r->u.task_requeue, err);
    else if (r->type == RECORD_TASK_PREEMPT)
        return apply_preempt(c, job, &r->u.task_preempt, err);
    else
        return job_snapshot_apply(c, job, &r->u.job_snapshot.state, err);
    return 0;
}
