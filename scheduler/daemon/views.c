/* Rows of the wire. Bounds of messages.def are kept here: a text that is too long is cut. */
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"
#include "common/wire/run_spec.h"

#include <jansson.h>

enum { ARGV_MAX_BYTES = 65000, METRICS_MAX_BYTES = 65536, RESULT_MAX_BYTES = 65536 };

static const char *text_of(const char *text)
{
    return text ? text : "";
}

struct job_row view_job_row(const struct stored_job *j, const char *enterprise)
{
    return (struct job_row){
        .number = j->number,
        .enterprise = enterprise,
        .user = text_of(j->user_name),
        .project = text_of(j->project_name),
        .name = text_of(j->name),
        .flow = text_of(j->flow),
        .tool = text_of(j->tool),
        .state = job_state_name((enum job_state)j->state),
        .verdict = verdict_name((enum verdict)j->verdict),
        .is_array = j->is_array != 0,
        .tasks = j->tasks,
        .tasks_waiting = j->waiting,
        .tasks_running = j->running,
        .tasks_passed = j->passed,
        .tasks_failed = j->failed,
        .tasks_killed = j->killed,
        .tasks_lost = j->lost,
        .cores = j->cores,
        .mem_mib = j->mem_mib,
        .time_us = j->time_us,
        .priority = j->priority,
        .submit_us = j->submit_us,
        .start_us = j->start_us,
        .end_us = j->end_us,
        .reason = text_of(j->end_cause),
        .reason_code = text_of(j->end_code),
        .node = text_of(j->node),
        .failed_tasks = text_of(j->failed_ranges),
        .metrics = text_of(j->metrics),
        .stage_of = text_of(j->stage_of),
        .expects = j->expects != 0,
    };
}

size_t view_job_row_bytes(const struct job_row *row)
{
    const char *const texts[] = {row->enterprise, row->user,     row->project,  row->name,
                                 row->flow,       row->tool,     row->reason,   row->failed_tasks,
                                 row->metrics,    row->stage_of, row->progress, row->node};
    size_t bytes = 300; /* numbers, short words and what frames them */
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        bytes += texts[i] ? strlen(texts[i]) : 0;
    return bytes;
}

void view_job_row_shape_only(struct job_row *row)
{
    row->user = row->project = row->name = row->flow = row->tool = row->stage_of = "";
    row->reason = core_reason_text(row->reason_code ? row->reason_code : "");
    row->failed_tasks = row->metrics = row->progress = "";
    row->expects = false;
}

void view_job_row_live(const struct daemon *d, struct job_id id, struct job_row *row,
                       struct reason *r, struct brief_memo *memo)
{
    if (id.v == 0)
        return;
    const char *progress = map_find(&d->progress, id.v);
    if (progress != NULL)
        row->progress = progress;
    if (row->tasks_waiting == 0 || !core_explain_brief(d->core, id, loop_now(d->loop), r, memo))
        return;
    row->reason = r->text;
    row->reason_code = r->code;
}

struct task_row view_task_row(const struct stored_task *t)
{
    return (struct task_row){
        .task = t->task,
        .attempt = t->attempt,
        .state = text_of(t->state),
        .verdict = verdict_name((enum verdict)t->verdict),
        .node = text_of(t->node),
        .cores = text_of(t->cores),
        .exit_code = t->exit_code,
        .signal = t->signal,
        .limit = text_of(t->limit),
        .start_us = t->start_us,
        .end_us = t->end_us,
        .cpu_user_us = t->cpu_user_us,
        .cpu_system_us = t->cpu_system_us,
        .peak_mem_kib = t->peak_mem_kib,
        .mem_mib = t->mem_mib,
        .max_rss_kib = t->max_rss_kib,
        .io_read_bytes = t->io_read_bytes,
        .io_write_bytes = t->io_write_bytes,
        .switches = t->switches,
        .switches_forced = t->switches_forced,
        .outputs = t->outputs <= OUTPUTS_PUBLISHED ? t->outputs : OUTPUTS_UNKNOWN,
        .summary = text_of(t->summary),
        .signature = text_of(t->signature),
        .result = text_of(t->result),
        .cause = text_of(t->cause),
    };
}

struct task_row view_task_row_live(const struct task_view *t)
{
    return (struct task_row){
        .task = t->task,
        .attempt = t->attempt,
        .state = t->state,
        .verdict = verdict_name(t->verdict),
        .node = text_of(t->node),
        .cores = text_of(t->cores),
        .start_us = t->start_us,
        .mem_mib = t->mem_mib,
        .exit_code = -1,
        .cause = text_of(t->cause),
    };
}

struct task_row view_task_row_passed(uint64_t task)
{
    return (struct task_row){.task = task,
                             .attempt = 1,
                             .state = job_state_name(JOB_DONE),
                             .verdict = verdict_name(VERDICT_PASS),
                             .node = "",
                             .cores = ""};
}

/* The last ended attempt of a single-task job in this view, with a result. */
static const char *result_of(const struct job_view *v)
{
    const char *result = NULL;
    for (size_t i = 0; !v->is_array && i < v->n_tasks_changed; i++) {
        const struct task_view *t = &v->tasks_changed[i];
        if (!t->is_live && !t->is_attempt && t->result != NULL && t->result[0])
            result = t->result;
    }
    return result;
}

char *view_metrics(const struct job_view *v)
{
    const char *result = result_of(v);
    if (result == NULL || strlen(result) > RESULT_MAX_BYTES)
        return NULL;
    json_t *root = json_loads(result, JSON_REJECT_DUPLICATES, NULL);
    json_t *metrics = json_object_get(root, "metrics");
    char *text = NULL;
    if (json_is_object(metrics) && json_object_size(metrics) > 0)
        text = json_dumps(metrics, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(root);
    if (text != NULL && strlen(text) > METRICS_MAX_BYTES) {
        free(text);
        text = NULL;
    }
    return text;
}

static bool needs_quotes(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    return *word == '\0' || word[strspn(word, plain)] != '\0';
}

static void add_word(struct cq_str *out, const char *word)
{
    if (out->len > 0)
        cq_str_add_char(out, ' ');
    if (!needs_quotes(word)) {
        cq_str_add(out, word);
        return;
    }
    cq_str_add_char(out, '\'');
    for (const char *p = word; *p; p++)
        if (*p == '\'')
            cq_str_add(out, "'\\''");
        else
            cq_str_add_char(out, *p);
    cq_str_add_char(out, '\'');
}

/* Cuts in front of a UTF-8 continuation, so that the text stays valid. */
static void cut(struct cq_str *out, size_t max_bytes)
{
    if (out->len <= max_bytes)
        return;
    size_t n = max_bytes;
    while (n > 0 && ((unsigned char)out->data[n] & 0xc0) == 0x80)
        n--;
    cq_str_truncate(out, n);
    cq_str_add(out, "...");
}

void view_argv(const void *run, size_t run_bytes, struct cq_str *out)
{
    struct run_spec spec = {0};
    if (run_spec_decode(run, run_bytes, &spec, NULL) != 0)
        return;
    for (size_t i = 0; i < spec.n_argv && out->len < ARGV_MAX_BYTES; i++)
        add_word(out, spec.argv[i]);
    run_spec_fini(&spec);
    cut(out, ARGV_MAX_BYTES);
    if (!cq_is_utf8(cq_str_text(out), out->len)) { /* arguments may be any bytes */
        struct cq_str printable = {0};
        cq_str_add_printable(&printable, cq_str_text(out), out->len);
        cq_str_fini(out);
        *out = printable;
        cut(out, ARGV_MAX_BYTES);
    }
}

const char *view_enterprise_name(const struct daemon *d, struct enterprise_id e)
{
    return core_enterprise_name(d->core, e);
}
