/* Makes and prints the report at the end of a flow. */
#include "cli/run_report.h"

#include "cli/follow.h"
#include "cli/to_json.h"

#include <inttypes.h>
#include <unistd.h>

enum { SHOWN_TASKS_MAX = 10, BUCKETS_MAX = 20 };

/* Metrics that people look for, in the order they are shown. */
static const struct {
    const char *metric, *word;
} well_known[] = {
    {"lint__errors", "lint errors"},
    {"lint__warnings", "lint warnings"},
    {"sim__tests__passed", "tests passed"},
    {"sim__tests__failed", "tests failed"},
    {"sim__coverage__line__pct", "line coverage %"},
    {"sim__coverage__toggle__pct", "toggle coverage %"},
    {"sim__coverage__user__pct", "user coverage %"},
    {"synth__design__instance__count", "cells"},
    {"synth__design__instance__area", "area"},
    {"synth__warnings", "warnings"},
    {"timing__setup__ws", "worst slack"},
    {"timing__setup__tns", "TNS"},
    {"timing__violations", "timing violations"},
    {"layout__references", "placed cells"},
    {"drc__errors", "DRC violations"},
    {"lvs__errors", "LVS errors"},
};

/* ---- making it ---- */

static json_t *find_bucket(json_t *buckets, const char *signature)
{
    for (size_t i = 0; i < json_array_size(buckets); i++)
        if (strcmp(row_text(json_array_get(buckets, i), "signature"), signature) == 0)
            return json_array_get(buckets, i);
    return NULL;
}

static const char *signature_of(const struct task_row *t)
{
    if (*t->signature)
        return t->signature;
    if (*t->summary)
        return t->summary;
    return *t->cause ? t->cause : t->verdict;
}

static void add_failure(json_t *buckets, const struct task_row *t)
{
    json_t *bucket = find_bucket(buckets, signature_of(t));
    if (bucket == NULL) {
        bucket = json_pack("{s:o, s:o, s:s, s:i, s:[], s:o, s:o}", "signature",
                           json_text(signature_of(t)), "summary", json_text(t->summary), "verdict",
                           t->verdict, "count", 0, "tasks", "log_path", json_text(t->log_path),
                           "output_dir", json_text(t->output_dir));
        json_array_append_new(buckets, bucket);
    }
    json_object_set_new(bucket, "count", json_integer(row_number(bucket, "count") + 1));
    json_array_append_new(json_object_get(bucket, "tasks"), json_integer((json_int_t)t->task));
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

/* Numbers of several tasks together: counts add up, of others (coverage, slack) the highest is
 * shown. */
static void merge_metrics(json_t *into, const json_t *result)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(result, "metrics"), name, value)
    {
        const json_t *old = json_object_get(into, name);
        bool is_count = ends_with(name, "__errors") || ends_with(name, "__warnings")
                        || ends_with(name, "__passed") || ends_with(name, "__failed");
        if (!json_is_number(value))
            continue;
        if (old && is_count)
            json_object_set_new(into, name,
                                json_real(json_number_value(old) + json_number_value(value)));
        else if (!old || json_number_value(value) > json_number_value(old))
            json_object_set(into, name, value);
    }
}

static void add_gates(json_t *job, const json_t *result)
{
    json_t *gates = json_object_get(job, "gates"), *gate;
    size_t i;
    json_array_foreach(json_object_get(result, "gates"), i, gate)
    {
        bool is_known = false;
        for (size_t k = 0; k < json_array_size(gates) && !is_known; k++) {
            json_t *old = json_array_get(gates, k);
            is_known = strcmp(row_text(old, "metric"), row_text(gate, "metric")) == 0
                       && strcmp(row_text(old, "rule"), row_text(gate, "rule")) == 0;
            if (is_known && !json_is_true(json_object_get(gate, "ok")))
                json_array_set(gates, k, gate); /* the failed one tells more */
        }
        if (!is_known)
            json_array_append(gates, gate);
    }
}

static void add_task(json_t *job, const struct task_row *t)
{
    json_t *result = *t->result ? json_loads(t->result, 0, NULL) : NULL;
    merge_metrics(json_object_get(job, "metrics"), result);
    add_gates(job, result);
    bool has_failed = *t->verdict && strcmp(t->verdict, "pass") != 0;
    if (has_failed)
        add_failure(json_object_get(job, "failures"), t);
    json_decref(result);
}

static const char *const kept_keys[] = {
    "name",         "number",       "tool",         "state",      "stage_of", "tasks",
    "tasks_passed", "tasks_failed", "tasks_killed", "tasks_lost", "is_array", "start_us",
    "end_us",       "failed_tasks", "reason",       "expects"};

/* Of a large array not every task comes with its own row: the job's own counts are right. */
static void count_tests(json_t *metrics, const struct job_row *job)
{
    if (json_object_get(metrics, "sim__tests__passed") == NULL || job->expects)
        return;
    json_object_set_new(metrics, "sim__tests__passed", json_integer((json_int_t)job->tasks_passed));
    json_object_set_new(metrics, "sim__tests__failed", json_integer((json_int_t)job->tasks_failed));
}

json_t *run_report_job(const struct msg_job *m, bool is_stage)
{
    json_t *row = json_of_job_row(&m->job[0]);
    json_t *job = json_object();
    for (size_t i = 0; i < CQ_COUNT(kept_keys); i++)
        json_object_set(job, kept_keys[i], json_object_get(row, kept_keys[i]));
    int64_t start_us = row_number(row, "start_us"), end_us = row_number(row, "end_us");
    json_object_set_new(job, "run_us",
                        json_integer(start_us && end_us > start_us ? end_us - start_us : 0));
    json_object_set_new(job, "verdict", json_text(job_outcome(row)));
    json_object_set_new(job, "passed", json_boolean(job_has_passed(row)));
    json_object_set_new(job, "is_stage", json_boolean(is_stage));
    json_object_set_new(job, "metrics", json_object());
    json_object_set_new(job, "gates", json_array());
    json_object_set_new(job, "failures", json_array());
    for (size_t i = 0; i < m->n_tasks; i++)
        add_task(job, &m->tasks[i]);
    if (m->job[0].is_array && m->n_tasks < m->job[0].tasks)
        count_tests(json_object_get(job, "metrics"), &m->job[0]);
    bool is_one = !m->job[0].is_array && m->n_tasks;
    json_object_set_new(job, "summary", json_text(is_one ? m->tasks[0].summary : ""));
    json_object_set_new(job, "log_path", json_text(m->n_tasks ? m->tasks[0].log_path : ""));
    json_object_set_new(job, "output_dir", json_text(m->n_tasks ? m->tasks[0].output_dir : ""));
    json_decref(row);
    return job;
}

static json_t *ask_job(struct net_client *s, uint64_t number, bool is_stage, struct cq_err *err)
{
    struct msg ask = {.code = MSG_JOB_QUERY}, reply = {0};
    ask.u.job_query.number = number;
    if (session_call(s, &ask, MSG_JOB, &reply, err) != 0)
        return NULL;
    json_t *job = NULL;
    if (reply.u.job.n_job)
        job = run_report_job(&reply.u.job, is_stage);
    else
        cq_fail(err, CQ_E_NOT_FOUND, "no such job: %" PRIu64, number);
    msg_fini(&reply);
    return job;
}

json_t *run_report_make(struct net_client *s, const struct flow *f, const struct flow_plan *plan,
                        const uint64_t *numbers, struct cq_err *err)
{
    json_t *jobs = json_array();
    int passed = 0, failed = 0;
    for (size_t i = 0; i < plan->n; i++) {
        json_t *job = ask_job(s, numbers[i], !plan->jobs[i].is_last, err);
        if (job == NULL) {
            json_decref(jobs);
            return NULL;
        }
        *(json_is_true(json_object_get(job, "passed")) ? &passed : &failed) += 1;
        json_array_append_new(jobs, job);
    }
    return json_pack("{s:s, s:s, s:i, s:i, s:o}", "flow", f->name, "verdict",
                     failed ? "fail" : "pass", "passed", passed, "failed", failed, "jobs", jobs);
}

/* ---- printing it ---- */

static const json_t *find_gate(const json_t *gates, const char *metric)
{
    for (size_t i = 0; i < json_array_size(gates); i++)
        if (strcmp(row_text(json_array_get(gates, i), "metric"), metric) == 0)
            return json_array_get(gates, i);
    return NULL;
}

static const char *word_of(const char *metric)
{
    for (size_t i = 0; i < CQ_COUNT(well_known); i++)
        if (strcmp(well_known[i].metric, metric) == 0)
            return well_known[i].word;
    return metric;
}

static void add_figure(struct cq_str *out, const json_t *job, const char *metric)
{
    const json_t *value = json_object_get(json_object_get(job, "metrics"), metric);
    const json_t *gate = find_gate(json_object_get(job, "gates"), metric);
    if (value == NULL && gate == NULL)
        return;
    cq_str_printf(out, "%s%s ", out->len ? ", " : "", word_of(metric));
    if (value)
        cq_str_printf(out, "%.6g", json_number_value(value));
    else
        cq_str_add(out, "missing");
    if (gate)
        cq_str_printf(out, " (%s%s)", row_text(gate, "rule"),
                      json_is_true(json_object_get(gate, "ok")) ? "" : " MISSED");
}

static void add_figures(struct cq_str *out, const json_t *job)
{
    const json_t *gates = json_object_get(job, "gates");
    if (json_is_true(json_object_get(job, "expects"))) {
        bool is_seen = json_is_true(json_object_get(job, "passed"));
        cq_str_add(out, is_seen ? "expected failure seen" : "expected failure NOT seen");
        return;
    }
    for (size_t i = 0; i < CQ_COUNT(well_known); i++)
        add_figure(out, job, well_known[i].metric);
    for (size_t i = 0; i < json_array_size(gates); i++) {
        const char *metric = row_text(json_array_get(gates, i), "metric");
        if (word_of(metric) == metric)
            add_figure(out, job, metric);
    }
}

static const struct column columns[] = {
    {"job", "JOB", COLUMN_TEXT, true},
    {"number", "NUMBER", COLUMN_NUMBER, true},
    {"verdict", "VERDICT", COLUMN_STATE, true},
    {"tests", "PASSED", COLUMN_TEXT, true},
    {"run_us", "TIME", COLUMN_TIME, true},
    {"figures", "FIGURES", COLUMN_TEXT, true},
    {0},
};

static json_t *table_row(const json_t *job)
{
    char tests[48] = "";
    struct cq_str figures = {0};
    if (json_is_true(json_object_get(job, "is_array")))
        (void)snprintf(tests, sizeof tests, "%" PRId64 "/%" PRId64, row_number(job, "tasks_passed"),
                       row_number(job, "tasks"));
    add_figures(&figures, job);
    json_t *row = json_pack(
        "{s:O, s:O, s:O, s:s, s:O, s:o}", "job", json_object_get(job, "name"), "number",
        json_object_get(job, "number"), "verdict", json_object_get(job, "verdict"), "tests", tests,
        "run_us", json_object_get(job, "run_us"), "figures", json_text(cq_str_text(&figures)));
    cq_str_fini(&figures);
    return row;
}

static void print_table(const struct cli *c, const json_t *jobs)
{
    struct cli plain = *c;
    json_t *rows = json_array(), *job;
    size_t i;
    json_array_foreach(jobs, i, job) json_array_append_new(rows, table_row(job));
    plain.output = CLI_TABLE;
    (void)!columns_print(&plain, "jobs", rows, columns, NULL);
    json_decref(rows);
}

static void add_tasks(struct cq_str *out, const json_t *bucket)
{
    const json_t *tasks = json_object_get(bucket, "tasks");
    size_t n = json_array_size(tasks);
    for (size_t i = 0; i < n && i < SHOWN_TASKS_MAX; i++)
        cq_str_printf(out, "%s%" JSON_INTEGER_FORMAT, i ? "," : "",
                      json_integer_value(json_array_get(tasks, i)));
    if (n > SHOWN_TASKS_MAX)
        cq_str_add(out, ",...");
}

/* One kind of failure: what its first task said, how many have it, and the log of that first one.
 * The signature, with its numbers taken out, only decides what is of one kind. */
static void add_bucket(struct cq_str *out, const json_t *job, const json_t *bucket)
{
    const char *what = row_text(bucket, "summary"), *log = row_text(bucket, "log_path");
    bool is_array = json_is_true(json_object_get(job, "is_array"));
    if (!*what)
        what = row_text(bucket, "signature");
    cq_str_printf(out, "  %s: ", row_text(job, "name"));
    if (is_array)
        cq_str_printf(out, "%" PRId64 " x ", row_number(bucket, "count"));
    cq_str_add_printable(out, what, strlen(what));
    if (is_array) {
        cq_str_add(out, row_number(bucket, "count") == 1 ? "  (task " : "  (tasks ");
        add_tasks(out, bucket);
        cq_str_add(out, ")");
    }
    cq_str_add(out, "\n    ");
    cq_str_add_printable(out, log, strlen(log));
    cq_str_add_char(out, '\n');
}

void run_report_failures(const json_t *job, struct cq_str *out)
{
    const json_t *buckets = json_object_get(job, "failures");
    const char *reason = row_text(job, "reason");
    size_t n = json_array_size(buckets);
    for (size_t i = 0; i < n && i < BUCKETS_MAX; i++)
        add_bucket(out, job, json_array_get(buckets, i));
    if (n > BUCKETS_MAX)
        cq_str_printf(out, "  %s: ... and %zu more kinds of failure\n", row_text(job, "name"),
                      n - BUCKETS_MAX);
    if (n)
        return;
    cq_str_printf(out, "  %s: %s%s", row_text(job, "name"), row_text(job, "verdict"),
                  *reason ? ", " : "");
    cq_str_add_printable(out, reason, strlen(reason));
    cq_str_add_char(out, '\n');
}

static int name_width(const json_t *jobs)
{
    size_t width = 4;
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        size_t len = json_string_length(json_object_get(json_array_get(jobs, i), "name"));
        width = len > width ? len : width;
    }
    return width < 40 ? (int)width : 40;
}

/* One path for a single job, the directory for an array; NULL when there is none. Caller frees. */
static char *path_of(const json_t *job, const char *key)
{
    const char *path = row_text(job, key), *slash = strrchr(path, '/');
    bool is_array = json_is_true(json_object_get(job, "is_array"));
    if (!*path)
        return NULL;
    return cq_strndup(path, is_array && slash ? (size_t)(slash - path) + 1 : strlen(path));
}

/* Where something of each job is, as far as it is there. */
static void add_paths(struct cq_str *out, const char *title, const json_t *jobs, const char *key)
{
    bool is_first = true;
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        CQ_CLEANUP(cq_free_ptr) char *path = path_of(job, key);
        if (path == NULL || access(path, F_OK) != 0)
            continue;
        if (is_first)
            cq_str_printf(out, "\n%s\n", title);
        cq_str_printf(out, "  %-*s  ", name_width(jobs), row_text(job, "name"));
        cq_str_add_printable(out, path, strlen(path));
        cq_str_add_char(out, '\n');
        is_first = false;
    }
}

void run_report_print(const struct cli *c, const json_t *report)
{
    const json_t *jobs = json_object_get(report, "jobs");
    const char *verdict = row_text(report, "verdict");
    struct cq_str text = {0};
    json_t *job;
    size_t i;
    print_table(c, jobs);
    if (row_number(report, "failed"))
        cq_str_add(&text, "\nfailures\n");
    json_array_foreach((json_t *)jobs, i, job) if (!json_is_true(json_object_get(job, "passed")))
        run_report_failures(job, &text);
    add_paths(&text, "logs", jobs, "log_path");
    add_paths(&text, "outputs", jobs, "output_dir");
    printf("%s\n%s: %s%s%s, %" PRId64 " of %zu job%s passed\n", cq_str_text(&text),
           row_text(report, "flow"), state_color(c->has_color, verdict), verdict,
           color_end(c->has_color), row_number(report, "passed"), json_array_size(jobs),
           json_array_size(jobs) == 1 ? "" : "s");
    cq_str_fini(&text);
}
