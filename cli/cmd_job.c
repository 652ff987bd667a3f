/* chipq job: everything about one job. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_figures.h"
#include "cli/job_memory.h"
#include "cli/job_ref.h"
#include "cli/job_request.h"
#include "cli/job_task.h"
#include "cli/to_json.h"

#include "common/base/pure/ranges.h"

#include <inttypes.h>

enum { SHOWN_TASKS_MAX = 20, TASK_LAST = INT32_MAX };

static const struct column job_columns[] = {
    {"number", "job", COLUMN_NUMBER, true},
    {"name", "name", COLUMN_TEXT, true},
    {"flow", "flow", COLUMN_TEXT, true},
    {"tool", "tool", COLUMN_TEXT, true},
    {"argv", "command", COLUMN_TEXT, true},
    {"user", "user", COLUMN_TEXT, true},
    {"project", "project", COLUMN_TEXT, true},
    {"state", "state", COLUMN_STATE, true},
    {"verdict", "verdict", COLUMN_STATE, true},
    {"reason", "reason", COLUMN_TEXT, true},
    {"progress", "progress", COLUMN_TEXT, true},
    {"cores", "cores", COLUMN_NUMBER, true},
    {"mem_mib", "memory", COLUMN_SIZE_MIB, true},
    {"mem_why", "sized by", COLUMN_TEXT, true},
    {"time_us", "limit", COLUMN_TIME, true},
    {"request_words", "request", COLUMN_TEXT, true},
    {"priority", "priority", COLUMN_NUMBER, true},
    {"submit_us", "submitted", COLUMN_WALL, true},
    {"start_us", "started", COLUMN_WALL, true},
    {"end_us", "ended", COLUMN_WALL, true},
    {"tasks", "tasks", COLUMN_NUMBER, true},
    {"tasks_passed", "passed", COLUMN_NUMBER, true},
    {"tasks_failed", "failed", COLUMN_NUMBER, true},
    {"tasks_running", "running", COLUMN_NUMBER, true},
    {"tasks_waiting", "waiting", COLUMN_NUMBER, true},
    {"failed_tasks", "failed tasks", COLUMN_TEXT, true},
    {0},
};

/* Of a job that is no array, once it has started. */
static const struct column attempt_columns[] = {
    {"attempt", "attempt", COLUMN_NUMBER, true},
    {"where", "where", COLUMN_TEXT, true},
    {"run_us", "run time", COLUMN_TIME, true},
    {"cpu_words", "CPU time", COLUMN_TEXT, true},
    {"peak_words", "peak memory", COLUMN_TEXT, true},
    {"io_words", "disk", COLUMN_TEXT, true},
    {"switch_words", "switches", COLUMN_TEXT, true},
    {"grown_words", "memory now", COLUMN_TEXT, true},
    {0},
};

/* Of a task of an array; of other jobs they are told with the job. */
static const struct column state_columns[] = {
    {"state", "state", COLUMN_STATE, true},
    {"verdict", "verdict", COLUMN_STATE, true},
    {"start_us", "started", COLUMN_WALL, true},
    {"end_us", "ended", COLUMN_WALL, true},
    {0},
};

static const struct column task_columns[] = {
    {"task", "TASK", COLUMN_NUMBER, true},
    {"attempt", "ATTEMPT", COLUMN_NUMBER, true},
    {"state", "STATE", COLUMN_STATE, true},
    {"verdict", "VERDICT", COLUMN_STATE, true},
    {"how", "HOW", COLUMN_TEXT, true},
    {"run_us", "TIME", COLUMN_TIME, true},
    {"peak_mem_mib", "PEAK", COLUMN_SIZE_MIB, true},
    {"mem_mib", "ASKED", COLUMN_SIZE_MIB, true},
    {"sized", "SIZED BY", COLUMN_TEXT, false},
    {"node", "NODE", COLUMN_TEXT, true},
    {"cores", "CORE IDS", COLUMN_TEXT, true},
    {"numa", "NUMA", COLUMN_TEXT, true},
    {"what", "WHAT", COLUMN_TEXT, true},
    {"log_path", "LOG", COLUMN_TEXT, true},
    {0},
};

static json_t *task_of(const struct task_row *t)
{
    json_t *row = json_of_task_row(t);
    char how[320];
    json_embed(row, "result");
    json_object_set_new(row, "how", json_text(job_task_how(t, how, sizeof how)));
    json_object_set_new(row, "what", json_text(*t->summary ? t->summary : t->signature));
    json_object_set_new(
        row, "run_us",
        json_integer(t->start_us && t->end_us > t->start_us ? t->end_us - t->start_us : 0));
    job_figures_add(row, t);
    return row;
}

static json_t *tasks_of(const struct task_row *tasks, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, task_of(&tasks[i]));
    return list;
}

/* A job that is no array is its task: what that has is shown with the job. */
static void lift_task(json_t *job, const json_t *task)
{
    static const char *const keys[] = {
        "attempt",       "exit_code",     "signal",         "limit",
        "cpu_user_us",   "cpu_system_us", "peak_mem_kib",   "summary",
        "signature",     "result",        "log_path",       "output_dir",
        "cause",         "how",           "run_us",         "max_rss_kib",
        "io_read_bytes", "switches",      "io_write_bytes", "switches_forced",
        "outputs",       "numa",          "offline"};
    for (size_t i = 0; i < CQ_COUNT(keys); i++)
        json_object_set(job, keys[i], json_object_get(task, keys[i]));
    json_object_set(job, "core_ids", json_object_get(task, "cores"));
    job_figures_add_words(job, task);
}

/* Nothing of it is known to those who see only a job's shape, nor to an older chipqd. */
static void add_request(json_t *job, const struct msg_job *m)
{
    struct cq_str words = {0};
    if (m->n_request)
        job_request_words(&m->request[0], &words);
    json_object_set_new(job, "request",
                        m->n_request ? job_request_json(&m->request[0]) : json_null());
    json_object_set_new(job, "request_words", json_text(cq_str_text(&words)));
    cq_str_fini(&words);
}

static json_t *object_of(const struct msg_job *m)
{
    json_t *job = json_of_job_row(&m->job[0]), *reasons = json_array(), *deps = json_array();
    json_embed(job, "metrics");
    for (size_t i = 0; i < m->n_reasons; i++)
        json_array_append_new(reasons, json_of_reason_row(&m->reasons[i]));
    for (size_t i = 0; i < m->n_deps; i++)
        json_array_append_new(deps, json_of_dep_dir(&m->deps[i]));
    json_object_set_new(job, "argv", json_text(m->argv));
    add_request(job, m);
    json_object_set_new(job, "passed_tasks", json_text(m->passed));
    json_object_set_new(job, "killed_tasks", json_text(m->killed));
    json_object_set_new(job, "killed_by", json_text(m->killed_by));
    json_object_set_new(job, "task_list", tasks_of(m->tasks, m->n_tasks));
    json_object_set_new(job, "earlier", tasks_of(m->earlier, m->n_earlier));
    json_object_set_new(job, "reasons", reasons);
    json_object_set_new(job, "deps", deps);
    bool has_grown = job_memory_explain(job);
    json_object_set_new(job, "has_grown", json_boolean(has_grown));
    if (!m->job[0].is_array && m->n_tasks)
        lift_task(job, json_array_get(json_object_get(job, "task_list"), 0));
    return job;
}

static bool is_worth_a_line(const json_t *job, const struct column *column)
{
    const json_t *value = json_object_get(job, column->key);
    if (json_is_string(value))
        return json_string_length(value) > 0;
    return json_integer_value(value) != 0;
}

/* What a job waits for is told at the end, with what can be done; how it ended, with its attempt.
 */
static bool is_told_below(const json_t *job, const struct column *column)
{
    const json_t *first = json_array_get(json_object_get(job, "reasons"), 0);
    const char *reason = row_text(job, "reason");
    return strcmp(column->key, "reason") == 0
           && (strcmp(row_text(first, "text"), reason) == 0
               || strcmp(row_text(job, "how"), reason) == 0);
}

static bool counts_tasks(const struct column *column)
{
    return cq_str_starts(column->key, "tasks") || strcmp(column->key, "failed_tasks") == 0;
}

static void print_lines(const struct cli *c, const json_t *job, const struct column *columns)
{
    struct cq_str out = {0};
    bool is_array = json_is_true(json_object_get(job, "is_array"));
    for (const struct column *column = columns; column->key; column++) {
        if (!is_worth_a_line(job, column) || (counts_tasks(column) && !is_array)
            || is_told_below(job, column))
            continue;
        const char *color = column->kind == COLUMN_STATE
                                ? state_color(c->has_color, row_text(job, column->key))
                                : "";
        cq_str_printf(&out, "%-12s %s", column->title, color);
        column_format(job, column, &out);
        cq_str_printf(&out, "%s\n", *color ? color_end(true) : "");
    }
    (void)fputs(cq_str_text(&out), stdout);
    cq_str_fini(&out);
}

static void print_text(const char *title, const json_t *job, const char *key)
{
    const char *text = row_text(job, key);
    if (!*text)
        return;
    CQ_CLEANUP(cq_free_ptr) char *safe = cli_printable(text);
    printf("%-12s %s\n", title, safe);
}

static void print_metrics(const json_t *job)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(job, "metrics"), name, value)
    {
        struct cq_str line = {0};
        cq_str_add_printable(&line, name, strlen(name));
        printf("%-12s %s = %.10g\n", "metric", cq_str_text(&line), json_number_value(value));
        cq_str_fini(&line);
    }
}

/* Why each has its memory, only where they differ. */
static int print_tasks(struct cli *c, const char *title, const json_t *job, json_t *tasks,
                       struct cq_err *err)
{
    struct column columns[CQ_COUNT(task_columns)];
    memcpy(columns, task_columns, sizeof columns);
    for (struct column *at = columns; at->key; at++)
        if (strcmp(at->key, "sized") == 0)
            at->is_default = json_is_true(json_object_get(job, "has_grown"));
    if (json_array_size(tasks) == 0)
        return 0;
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        json_t *task = json_array_get(tasks, i);
        if (strstr(row_text(task, "how"), row_text(task, "what")))
            json_object_set_new(task, "what", json_string("")); /* once is enough */
    }
    printf("\n%s\n", title);
    return columns_print(c, "tasks", tasks, columns, err);
}

/* Of an array, those tasks that people look for: what did not pass. Caller owns the list. */
static json_t *notable_tasks(const json_t *tasks)
{
    json_t *notable = json_array();
    for (size_t i = 0; i < json_array_size(tasks) && json_array_size(notable) < SHOWN_TASKS_MAX;
         i++) {
        json_t *task = json_array_get(tasks, i);
        if (strcmp(row_text(task, "verdict"), "pass") != 0)
            json_array_append(notable, task);
    }
    return notable;
}

/* One that has no directory of its own can publish nothing: no word of it. */
static void print_outputs(const json_t *of)
{
    bool may_publish = *row_text(json_object_get(of, "request"), "cwd") == '\0';
    print_text("outputs", of, "output_dir");
    if (may_publish && strcmp(row_text(of, "outputs"), "none") == 0)
        printf("%-12s none\n", "outputs");
}

/* `of`: a job with what its last attempt, or a chosen task's, has. */
static void print_attempt(const struct cli *c, const json_t *of)
{
    const char *key = *row_text(of, "summary") ? "summary" : "signature";
    const char *summary = row_text(of, key);
    print_lines(c, of, attempt_columns);
    print_text("ended by", of, "how");
    if (strstr(row_text(of, "how"), summary) == NULL)
        print_text("summary", of, key);
    print_metrics(of);
    print_text("log", of, "log_path");
    print_outputs(of);
}

/* The only one that was asked for: all that is known of it, as of a job that is no array. */
static void print_task(const struct cli *c, const json_t *job, const json_t *task)
{
    json_t *of = json_copy((json_t *)job);
    lift_task(of, task);
    json_object_set(of, "metrics", json_object_get(json_object_get(task, "result"), "metrics"));
    printf("\n%-12s %" PRId64 "\n", "task", row_number(task, "task"));
    print_lines(c, task, state_columns);
    print_attempt(c, of);
    json_decref(of);
}

static int print_array(struct cli *c, const json_t *job, bool has_chosen, struct cq_err *err)
{
    json_t *tasks = json_object_get(job, "task_list");
    if (has_chosen && json_array_size(tasks) == 1)
        return print_task(c, job, json_array_get(tasks, 0)), 0;
    if (has_chosen)
        return print_tasks(c, "tasks", job, tasks, err);
    json_t *notable = notable_tasks(tasks);
    int rc = print_tasks(c, "tasks that did not pass, the first of them", job, notable, err);
    json_decref(notable);
    return rc;
}

static int print_job(struct cli *c, const json_t *job, bool has_chosen, struct cq_err *err)
{
    json_t *reasons = json_object_get(job, "reasons");
    print_lines(c, job, job_columns);
    if (!json_is_true(json_object_get(job, "is_array")))
        print_attempt(c, job);
    for (size_t i = 0; i < json_array_size(reasons); i++) {
        print_text("waits for", json_array_get(reasons, i), "text");
        print_text("advice", json_array_get(reasons, i), "advice");
    }
    if (json_is_true(json_object_get(job, "is_array")) && print_array(c, job, has_chosen, err) != 0)
        return -1;
    return print_tasks(c, "earlier attempts", job, json_object_get(job, "earlier"), err);
}

static bool has_number(const char *text, uint64_t number)
{
    struct ranges r = {0};
    bool has = ranges_parse(text, TASK_LAST, UINT32_MAX, &r, NULL) == 0
               && ranges_has(&r, (uint32_t)number);
    ranges_fini(&r);
    return has;
}

/* A task that has no row is one that has not started, or none of the job's. */
static int check_task(struct net_client *s, const struct job_name *name, const json_t *job,
                      struct cq_err *err)
{
    uint64_t task = 0;
    if (!*name->tasks || json_array_size(json_object_get(job, "task_list")))
        return 0;
    if (job_name_one_task(name, &task, NULL) != 0) {
        cli_talk("none of these tasks has started");
        return 0;
    }
    if (job_task_check(s, name, task, err) != 0 && err->code == CQ_E_NOT_FOUND)
        return -1;
    if (has_number(row_text(job, "killed_tasks"), task))
        cli_talk("task %" PRIu64 " never started: %s", task, row_text(job, "killed_by"));
    else
        cli_talk("task %" PRIu64 " has not started", task);
    return 0;
}

static int show(struct cli *c, struct net_client *s, const struct job_name *name,
                const struct msg_job *m, struct cq_err *err)
{
    json_t *job = object_of(m);
    int rc = check_task(s, name, job, err);
    if (rc == 0 && c->output == CLI_JSON)
        json_print(c, job);
    else if (rc == 0)
        rc = print_job(c, job, *name->tasks != '\0', err);
    json_decref(job);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct job_name name = {0};
    struct msg ask = {.code = MSG_JOB_QUERY}, reply = {0};
    (void)opts, (void)n_args;
    if (job_name_parse(args[0], &name, err) != 0)
        return -1;
    ask.u.job_query = (struct msg_job_query){
        .number = name.number, .enterprise = name.enterprise, .tasks = name.tasks};
    struct net_client *s = session_open_of(c, name.enterprise, err);
    int rc = s ? session_call(s, &ask, MSG_JOB, &reply, err) : -1;
    if (rc == 0 && reply.u.job.n_job == 0)
        rc = cq_fail(err, CQ_E_NOT_FOUND, "no such job: %s", args[0]);
    else if (rc == 0)
        rc = show(c, s, &name, &reply.u.job, err);
    msg_fini(&reply);
    net_client_close(s);
    job_name_fini(&name);
    return rc;
}

const struct command cmd_job = {
    .name = "job",
    .args = "JOB",
    .summary = "Show everything about one job: request, tasks, how it ended, log, metrics",
    .text = "Of an array, tasks that passed are counted only; name tasks to see them: chipq job "
            "12[1-5].",
    .examples = "chipq job 12\nchipq job 12[3]\nchipq job 12 --json | jq -r .log_path",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
