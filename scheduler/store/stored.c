/* Rows: copies of views, and the flat form of a task's row. */
#include "scheduler/store/stored.h"

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

enum { TASK_ROW_VERSION = 4, TEXT_MAX_BYTES = 1024 * 1024 };

static char *text_of(const char *text)
{
    return text != NULL && text[0] != '\0' ? cq_strdup(text) : NULL;
}

/* The only attempt of a single-task job that this view tells of; 0 when it tells of none. */
static uint64_t last_attempt_of(const struct job_view *v)
{
    uint64_t attempt = 0;
    for (size_t i = 0; !v->is_array && i < v->n_tasks_changed; i++)
        if (v->tasks_changed[i].attempt > attempt)
            attempt = v->tasks_changed[i].attempt;
    return attempt;
}

void stored_job_changes_of_view(const struct job_view *v, const char *metrics,
                                struct stored_job *out)
{
    *out = (struct stored_job){
        .id = v->id.v,
        .enterprise = v->enterprise.v,
        .number = v->number,
        .principal = v->principal.v,
        .project = v->project.v,
        .is_array = v->is_array,
        .expects = v->expects,
        .tasks = v->tasks,
        .cores = v->cores,
        .mem_mib = v->mem_mib,
        .time_us = v->time_us,
        .submit_us = v->submit_us,
        .state = v->state,
        .verdict = v->verdict,
        .waiting = v->waiting,
        .running = v->running,
        .passed = v->passed,
        .failed = v->failed,
        .killed = v->killed,
        .lost = v->lost,
        .priority = v->priority,
        .start_us = v->start_us,
        .end_us = v->end_us,
        .node = text_of(v->node),
        .end_cause = text_of(v->end_cause),
        .passed_ranges = text_of(v->passed_ranges),
        .failed_ranges = text_of(v->failed_ranges),
        .attempt = last_attempt_of(v),
        .metrics = text_of(metrics),
        .killed_ranges = text_of(v->killed_ranges),
        .end_code = text_of(v->end_code),
    };
}

void stored_job_of_view(const struct job_view *v, const char *metrics, struct stored_job *out)
{
    stored_job_changes_of_view(v, metrics, out);
    out->user_name = text_of(v->user_name);
    out->project_name = text_of(v->project_name);
    out->name = text_of(v->name);
    out->flow = text_of(v->flow);
    out->tool = text_of(v->tool);
    out->stage_of = text_of(v->stage_of);
}

#define FREE_u64(p, name)
#define FREE_most(p, name)
#define FREE_i64(p, name)
#define FREE_text(p, name)    free((p)->name);
#define FREE_keep(p, name)    free((p)->name);
#define FREE_JOB(kind, name)  FREE_##kind(j, name)
#define FREE_TASK(kind, name) FREE_##kind(t, name)

void stored_job_fini(struct stored_job *j)
{
    STORED_JOB_FIXED(FREE_JOB)
    STORED_JOB_LIVE(FREE_JOB)
    *j = (struct stored_job){0};
}

void stored_task_of_view(const struct task_view *v, struct stored_task *out)
{
    *out = (struct stored_task){
        .task = v->task,
        .attempt = v->attempt,
        .state = text_of(v->state),
        .verdict = v->verdict,
        .node = text_of(v->node),
        .cores = text_of(v->cores),
        .exit_code = v->exit_code,
        .signal = v->signal,
        .limit = text_of(v->limit),
        .start_us = v->start_us,
        .end_us = v->end_us,
        .cpu_user_us = v->cpu_user_us,
        .cpu_system_us = v->cpu_system_us,
        .peak_mem_kib = v->peak_mem_kib,
        .mem_mib = v->mem_mib,
        .max_rss_kib = v->max_rss_kib,
        .io_read_bytes = v->io_read_bytes,
        .io_write_bytes = v->io_write_bytes,
        .switches = v->switches,
        .switches_forced = v->switches_forced,
        .outputs = v->outputs,
        .summary = text_of(v->summary),
        .signature = text_of(v->signature),
        .result = text_of(v->result),
        .cause = text_of(v->cause),
    };
}

void stored_task_fini(struct stored_task *t)
{
    STORED_TASK_COLUMNS(FREE_TASK)
    *t = (struct stored_task){0};
}

#define PUT_u64(name)        flat_put_u64(out, t->name);
#define PUT_i64(name)        flat_put_i64(out, t->name);
#define PUT_text(name)       flat_put_text(out, t->name);
#define PUT_TASK(kind, name) PUT_##kind(name)

void stored_task_encode(const struct stored_task *t, struct cq_str *out)
{
    flat_put_u64(out, TASK_ROW_VERSION);
    STORED_TASK_COLUMNS(PUT_TASK)
    STORED_TASK_FIGURES(PUT_TASK)
    STORED_TASK_SIZES(PUT_TASK)
    STORED_TASK_OUTPUTS(PUT_TASK)
}

#define GET_u64(name)        t.name = flat_get_u64(&r);
#define GET_i64(name)        t.name = flat_get_i64(&r);
#define GET_text(name)       t.name = flat_get_text(&r, TEXT_MAX_BYTES);
#define GET_TASK(kind, name) GET_##kind(name)

int stored_task_decode(const void *data, size_t bytes, struct stored_task *out, struct cq_err *err)
{
    struct flat_reader r = flat_reader_of(data, bytes);
    uint64_t version = flat_get_u64(&r);
    if (version == 0 || version > TASK_ROW_VERSION)
        return cq_fail(err, CQ_E_VERSION, "task row of an unknown version");
    struct stored_task t = {0};
    STORED_TASK_COLUMNS(GET_TASK)
    if (version >= 2) {
        STORED_TASK_FIGURES(GET_TASK)
    }
    if (version >= 3) {
        STORED_TASK_SIZES(GET_TASK)
    }
    if (version >= 4) {
        STORED_TASK_OUTPUTS(GET_TASK)
    }
    if (r.failed) {
        stored_task_fini(&t);
        return cq_fail(err, CQ_E_PROTOCOL, "damaged task row of %zu bytes", bytes);
    }
    *out = t;
    return 0;
}
