/* What is said of jobs that did not pass. */
#include "cli/follow.h"

#include "cli/to_json.h"

#include <inttypes.h>

enum { DETAILS_MAX = 20 };

static bool is_bad(const struct task_row *t)
{
    return *t->verdict && strcmp(t->verdict, "pass") != 0;
}

/* What the first task that did not pass says of itself. */
static const char *why_of(const struct task_row *t)
{
    if (*t->summary)
        return t->summary;
    return *t->cause ? t->cause : t->signature;
}

static const struct task_row *first_bad(const struct msg_job *m)
{
    for (size_t i = 0; i < m->n_tasks; i++)
        if (is_bad(&m->tasks[i]))
            return &m->tasks[i];
    return NULL;
}

static void say(uint64_t number, const json_t *row, const struct task_row *task)
{
    bool is_array = json_is_true(json_object_get(row, "is_array"));
    const char *tasks = is_array ? row_text(row, "failed_tasks") : "";
    const char *reason = row_text(row, "reason");
    if (!*reason && task)
        reason = why_of(task);
    cli_talk("job %" PRIu64 ": %s%s%s%s%s%s", number, job_outcome(row), *tasks ? ", tasks " : "",
             tasks, *reason ? " (" : "", reason, *reason ? ")" : "");
    if (task && *task->log_path)
        cli_talk("job %" PRIu64 ": log %s", number, task->log_path);
}

static void report(const struct follow *f, size_t i, bool has_details)
{
    struct msg ask = {.code = MSG_JOB_QUERY}, reply = {0};
    ask.u.job_query = (struct msg_job_query){.number = f->numbers[i], .enterprise = f->enterprise};
    if (!has_details || session_call(f->session, &ask, MSG_JOB, &reply, NULL) != 0) {
        say(f->numbers[i], f->rows[i], NULL);
        return;
    }
    say(f->numbers[i], f->rows[i], first_bad(&reply.u.job));
    msg_fini(&reply);
}

int follow_report(const struct follow *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!job_has_passed(f->rows[i]))
            report(f, i, n++ < DETAILS_MAX);
    return n ? 1 : 0;
}
