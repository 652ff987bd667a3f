/* Rows and answers about jobs: what the store keeps and the shell shows. */
#include "scheduler/core/view.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

static const char *text(const char *t)
{
    return t ? t : "";
}

/* ---- task rows ---- */

static struct task_view live_row(const struct job *job, const struct task *t)
{
    return (struct task_view){.task = t->number,
                              .attempt = t->attempt,
                              .state = task_state_name(t->state),
                              .node = t->lease ? t->lease->worker->name : text(job->node),
                              .cores = t->lease ? t->lease->cores_text : "",
                              .start_us = t->start_us,
                              .mem_mib = t->lease ? t->lease->mem_mib : t->mem_mib,
                              .limit = "",
                              .summary = "",
                              .signature = "",
                              .result = "",
                              .cause = t->is_killing     ? "being cancelled"
                                       : t->is_preempted ? "being called back"
                                       : t->is_requeued  ? "being requeued"
                                                         : "",
                              .is_live = true};
}

static struct task_view ended_row(const struct job *job, const struct ended *e)
{
    static const struct attempt_end_rec none = {.exit_code = -1};
    const struct attempt_end_rec *r = e->end ? &e->end->u.attempt_end_rec : &none;
    bool is_over = task_state_is_terminal(e->state);
    enum verdict told = e->end ? (enum verdict)r->verdict : is_over ? VERDICT_KILLED : VERDICT_LOST;
    return (struct task_view){.task = e->task,
                              .attempt = e->attempt,
                              .state = is_over                  ? task_state_name(e->state)
                                       : told == VERDICT_LOST   ? "lost"
                                       : told == VERDICT_KILLED ? "killed"
                                                                : "failed",
                              .verdict = told,
                              .node = e->node,
                              .cores = e->cores,
                              .exit_code = r->exit_code,
                              .start_us = r->start_us,
                              .end_us = r->end_us,
                              .signal = r->signal,
                              .cpu_user_us = r->cpu_user_us,
                              .cpu_system_us = r->cpu_system_us,
                              .peak_mem_kib = r->peak_mem_kib,
                              .max_rss_kib = r->max_rss_kib,
                              .io_read_bytes = r->io_read_bytes,
                              .io_write_bytes = r->io_write_bytes,
                              .switches = r->switches,
                              .switches_forced = r->switches_forced,
                              .mem_mib = e->mem_mib,
                              .outputs = r->has_outputs ? OUTPUTS_PUBLISHED : OUTPUTS_NONE,
                              .limit = text(r->limit),
                              .summary = text(r->summary),
                              .signature = text(r->signature),
                              .result = text(r->result),
                              .cause = e->end    ? text(r->cause)
                                       : is_over ? text(job->end_cause)
                                                 : "its lease was closed before it started",
                              .is_attempt = !is_over};
}

/* Attempts that ended come first, then the rows of tasks that go on. */
static void fill_tasks(struct job *job, struct job_view *v)
{
    v->tasks_changed = cq_calloc(job->n_ended + job->n_changed, sizeof *v->tasks_changed);
    for (size_t i = 0; i < job->n_ended; i++)
        v->tasks_changed[v->n_tasks_changed++] = ended_row(job, &job->ended[i]);
    for (size_t i = 0; i < job->n_changed; i++) {
        struct task *t = job_task(job, job->changed_tasks[i]);
        if (t == NULL || !t->is_changed)
            continue;
        t->is_changed = false;
        t->is_shown = true;
        v->tasks_changed[v->n_tasks_changed++] = live_row(job, t);
    }
    job->n_changed = 0;
    v->ended = job->ended;
    v->n_ended = job->n_ended;
    job->ended = NULL;
    job->n_ended = job->cap_ended = 0;
}

static struct record *snapshot_record(const struct job *job)
{
    struct cq_str s = {0};
    job_snapshot_encode(job, &s);
    struct record *r = record_new(RECORD_JOB_SNAPSHOT);
    r->u.job_snapshot.job = job->id;
    r->u.job_snapshot.state.len = s.len;
    r->u.job_snapshot.state.data = (uint8_t *)cq_str_take(&s);
    return r;
}

static char *format_ranges(const struct ranges *r)
{
    struct cq_str s = {0};
    ranges_format(r, &s);
    return cq_str_take(&s);
}

static void fill_request(const struct job *job, struct job_view *v)
{
    const struct job_submit *s = job->asked;
    v->id = (struct job_id){job->id};
    v->enterprise = (struct enterprise_id){job->enterprise->id};
    v->principal = (struct principal_id){job->principal->id};
    v->project = (struct project_id){job->project->id};
    v->number = job->number;
    v->tasks = job->n_tasks;
    v->cores = s->cores;
    v->mem_mib = s->mem_mib;
    v->time_us = s->time_us;
    v->enterprise_name = job->enterprise->name;
    v->user_name = job->principal->name;
    v->project_name = job->project->name;
    v->name = own_part_name(job->own);
    v->flow = text(s->flow);
    v->tool = text(s->tool);
    v->stage_of = text(s->stage_of);
    v->is_array = job->is_array;
    v->expects = s->expects != 0;
    v->priority = s->priority;
    v->submit_us = job->submit_us;
    v->client_key = job->group->key;
    memcpy(v->digest, job->group->digest, sizeof v->digest);
    v->submit_index = job->submit_index;
    v->submit_count = job->group->count;
}

void core_view_job(struct core *c, struct job_id id, struct job_view *v)
{
    struct job *job = job_find(c, id.v);
    assert(job);
    *v = (struct job_view){.is_new = job->is_new};
    fill_request(job, v);
    v->waiting = job_waiting(job);
    v->running = job->n_running;
    v->passed = job->passed.count;
    v->failed = job->failed.count;
    v->killed = job->killed.count;
    v->lost = job->lost.count;
    v->state = job->state;
    v->verdict = job->worst;
    v->start_us = job->start_us;
    v->end_us = job->end_us;
    bool is_over = job_state_is_terminal(job->state);
    v->end_cause = is_over || !job->is_part_cause ? text(job->end_cause) : "";
    v->end_code = !*v->end_cause ? "" : job->is_skipped ? "SKIPPED_DEPENDENCY" : "CANCELLED";
    v->node = text(job->node);
    v->passed_ranges = format_ranges(&job->passed);
    v->failed_ranges = format_ranges(&job->failed);
    v->killed_ranges = format_ranges(&job->killed);
    fill_tasks(job, v);
    if (!is_over)
        v->state_record = snapshot_record(job);
    job->is_new = job->is_dirty = false;
}

void job_view_fini(struct job_view *v)
{
    record_free(v->state_record);
    free(v->passed_ranges);
    free(v->failed_ranges);
    free(v->killed_ranges);
    free(v->tasks_changed);
    job_ended_free(v->ended, v->n_ended);
    *v = (struct job_view){0};
}

void core_each_task(const struct core *c, struct job_id id,
                    void (*fn)(void *arg, const struct task_view *t), void *arg)
{
    const struct job *job = job_find(c, id.v);
    if (job == NULL)
        return;
    struct task **tasks = job_tasks(job);
    for (size_t i = 0; i < job->tasks.n; i++) {
        struct task_view row = live_row(job, tasks[i]);
        fn(arg, &row);
    }
    free(tasks);
}

const char *core_killed_by(const struct core *c, struct job_id id)
{
    const struct job *job = job_find(c, id.v);
    return job ? text(job->end_cause) : "";
}

/* ---- orders ---- */

void core_view_order(const struct core *c, struct job_id id, struct order_view *v)
{
    const struct job *job = job_find(c, id.v);
    assert(job);
    const struct job_submit *s = job->asked;
    *v = (struct order_view){.job = id,
                             .enterprise = job->enterprise->name,
                             .name = own_part_name(job->own),
                             .user = job->principal->name,
                             .tool = text(s->tool),
                             .number = job->number,
                             .time_us = s->time_us,
                             .restart = s->restart,
                             .is_array = job->is_array,
                             .deps = cq_calloc(job->n_deps, sizeof(struct order_dep)),
                             .n_deps = job->n_deps};
    for (size_t i = 0; i < job->n_deps; i++)
        v->deps[i] = (struct order_dep){.name = job->deps[i].name,
                                        .number = job->deps[i].number,
                                        .attempt = job->deps[i].attempt,
                                        .is_array = job->deps[i].is_array};
}

void core_view_run(const struct core *c, struct order_view *v)
{
    const struct job *job = job_find(c, v->job.v);
    assert(job);
    free(v->run);
    v->run = own_part_run(job->own);
    v->run_bytes = job->own->run_bytes;
}

void order_view_fini(struct order_view *v)
{
    free(v->run);
    free(v->deps);
    *v = (struct order_view){0};
}

/* ---- counts ---- */

uint64_t core_count_booked(const struct core *c, struct enterprise_id id, const char *name)
{
    const struct enterprise *e = people_enterprise(c, id.v);
    void *item;
    uint64_t n = 0;
    for (size_t i = 0; e && map_next(&e->jobs, &i, &item);) {
        const struct job *job = item;
        const char *in = job->asked->reservation;
        n += in && strcmp(in, name) == 0 && job_waiting(job) > 0;
    }
    return n;
}

static void add_counts(struct counts *to, const struct counts *from)
{
    to->jobs_waiting += from->jobs_waiting;
    to->jobs_running += from->jobs_running;
    to->tasks_waiting += from->tasks_waiting;
    to->tasks_running += from->tasks_running;
    to->cores_used += from->cores_used;
}

void core_counts(const struct core *c, struct enterprise_id only, struct counts *out)
{
    *out = (struct counts){0};
    for (size_t i = 0; i < c->people.n_enterprises; i++)
        if (only.v == 0 || c->people.enterprises[i]->id == only.v)
            add_counts(out, &c->people.enterprises[i]->counts);
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        out->workers_up += w->is_up && w->has_session;
        out->cores += w->is_up ? w->n_cores : 0;
    }
}
