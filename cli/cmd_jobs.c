/* chipq jobs: a list of jobs. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_rows.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <ctype.h>
#include <inttypes.h>

enum {
    KEY_USER = 0x2001,
    KEY_PROJECT,
    KEY_FLOW,
    KEY_STATE,
    KEY_LIVE,
    KEY_LIMIT,
    KEY_BEFORE,
    KEY_ENTERPRISE
};
enum { PAGE_MAX = 1000 };

#define STATES "pending, held, running, done, failed, killed, lost or expired"

const char *const jobs_states[] = {"pending", "held", "running", "done", "failed",
                                   "killed",  "lost", "expired", NULL};

struct opts {
    struct msg_jobs_query query;
    uint64_t limit;
};

static const struct argp_option options[] = {
    {"live", KEY_LIVE, NULL, 0, "only what has not ended", 0},
    {"state", KEY_STATE, "STATE", 0, STATES, 0},
    {"user", KEY_USER, "NAME", 0, "of this user", 0},
    {"project", KEY_PROJECT, "NAME", 0, "of this project", 0},
    {"flow", KEY_FLOW, "NAME", 0, "of flows with this name", 0},
    {"enterprise", KEY_ENTERPRISE, "NAME", 0, "of this enterprise (platform admins)", 0},
    {"limit", KEY_LIMIT, "N", 0, "at most N, the newest (100)", 0},
    {"before", KEY_BEFORE, "JOB", 0, "with numbers below this one", 0},
    {0},
};

static const struct column columns[] = {
    {"number", "JOB", COLUMN_NUMBER, true},
    {"name", "NAME", COLUMN_TEXT, true},
    {"flow", "FLOW", COLUMN_TEXT, true},
    {"user", "USER", COLUMN_TEXT, true},
    {"state", "STATE", COLUMN_STATE, true},
    {"verdict", "VERDICT", COLUMN_STATE, true},
    {"tasks", "TASKS", COLUMN_NUMBER, true},
    {"tasks_passed", "PASSED", COLUMN_NUMBER, true},
    {"tasks_failed", "FAILED", COLUMN_NUMBER, true},
    {"tasks_running", "RUNNING", COLUMN_NUMBER, false},
    {"tasks_waiting", "WAITING", COLUMN_NUMBER, false},
    {"tasks_killed", "KILLED", COLUMN_NUMBER, false},
    {"tasks_lost", "LOST", COLUMN_NUMBER, false},
    {"cores", "CORES", COLUMN_NUMBER, true},
    {"mem_mib", "MEM", COLUMN_SIZE_MIB, false},
    {"time_us", "LIMIT", COLUMN_TIME, false},
    {"priority", "PRIORITY", COLUMN_NUMBER, false},
    {"enterprise", "ENTERPRISE", COLUMN_TEXT, false},
    {"project", "PROJECT", COLUMN_TEXT, false},
    {"tool", "TOOL", COLUMN_TEXT, false},
    {"submit_us", "SUBMITTED", COLUMN_WALL, true},
    {"start_us", "STARTED", COLUMN_WALL, false},
    {"end_us", "ENDED", COLUMN_WALL, false},
    {"run_us", "TIME", COLUMN_TIME, true},
    {"node", "NODE", COLUMN_TEXT, false},
    {"failed_tasks", "FAILED TASKS", COLUMN_TEXT, false},
    {"reason_code", "CODE", COLUMN_TEXT, false},
    {"reason", "REASON", COLUMN_TEXT, true},
    {0},
};

static int set_state(struct opts *o, const char *arg, struct cq_err *err)
{
    char lower[16] = "";
    for (size_t i = 0; arg[i] && i + 1 < sizeof lower; i++)
        lower[i] = (char)(tolower)((unsigned char)arg[i]);
    for (size_t i = 0; jobs_states[i]; i++)
        if (strcmp(jobs_states[i], lower) == 0)
            return o->query.state = jobs_states[i], 0;
    const char *meant = cq_closest(lower, jobs_states);
    if (meant)
        return cq_fail(err, CQ_E_INVALID, "--state: no state '%.40s'; did you mean '%s'?", arg,
                       meant);
    return cq_fail(err, CQ_E_INVALID, "--state: no state '%.40s'; there are: " STATES, arg);
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    switch (key) {
    case KEY_LIVE:
        o->query.live_only = true;
        return 0;
    case KEY_STATE:
        return set_state(o, arg, err);
    case KEY_USER:
        o->query.user = arg;
        return 0;
    case KEY_PROJECT:
        o->query.project = arg;
        return 0;
    case KEY_FLOW:
        o->query.flow = arg;
        return 0;
    case KEY_ENTERPRISE:
        o->query.enterprise = arg;
        return 0;
    case KEY_LIMIT:
        return parse_u64(arg, 1, 1000000, &o->limit, err) ? cq_wrap(err, "--limit") : 0;
    default:
        return parse_u64(arg, 1, INT64_MAX, &o->query.before, err) ? cq_wrap(err, "--before") : 0;
    }
}

static void add_run_time(json_t *row)
{
    int64_t start_us = row_number(row, "start_us"), end_us = row_number(row, "end_us");
    json_embed(row, "metrics");
    json_object_set_new(row, "run_us",
                        json_integer(start_us && end_us > start_us ? end_us - start_us : 0));
}

/* Asks page after page until `limit` rows are there or there are no more. */
static int collect(struct net_client *s, const struct opts *o, json_t *rows, struct cq_err *err)
{
    uint64_t limit = o->limit ? o->limit : 100;
    struct msg ask = {.code = MSG_JOBS_QUERY};
    ask.u.jobs_query = o->query;
    for (bool has_more = true; has_more && json_array_size(rows) < limit;) {
        struct msg reply = {0};
        uint64_t left = limit - json_array_size(rows);
        ask.u.jobs_query.limit = left < PAGE_MAX ? left : PAGE_MAX;
        if (session_call(s, &ask, MSG_JOBS, &reply, err) != 0)
            return -1;
        const struct msg_jobs *page = &reply.u.jobs;
        for (size_t i = 0; i < page->n_jobs; i++) {
            json_t *row = json_of_job_row(&page->jobs[i]);
            add_run_time(row);
            json_array_append_new(rows, row);
        }
        has_more = page->has_more && page->n_jobs;
        if (page->n_jobs)
            ask.u.jobs_query.before = page->jobs[page->n_jobs - 1].number;
        msg_fini(&reply);
    }
    return 0;
}

/* Rows of the jobs that are named. */
static int collect_named(struct net_client *s, size_t n_args, char **args, json_t *rows,
                         struct cq_err *err)
{
    size_t n = 0;
    struct job_name *jobs = job_names_parse(n_args, args, &n, err);
    json_t *found = jobs ? job_rows_ask(s, jobs, n, err) : NULL;
    int rc = found ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_t *row = job_rows_find(found, jobs[i].number);
        if (*jobs[i].tasks)
            rc = cq_fail(err, CQ_E_INVALID, "jobs lists whole jobs; for tasks: chipq job %s",
                         args[0]);
        else if (row == NULL)
            rc = cq_fail(err, CQ_E_NOT_FOUND, "no such job: %" PRIu64, jobs[i].number);
        else
            json_array_append(rows, row);
    }
    for (size_t i = 0; i < json_array_size(rows); i++)
        add_run_time(json_array_get(rows, i));
    json_decref(found);
    job_names_free(jobs, n);
    return rc;
}

static bool has_filter(const struct opts *o)
{
    const struct msg_jobs_query *q = &o->query;
    return q->live_only || q->state || q->user || q->project || q->flow || q->enterprise
           || q->before || o->limit;
}

/* The enterprise that is asked about, by its name or with the first job. */
static struct net_client *open_session(struct cli *c, const struct opts *o, size_t n_args,
                                       char **args, struct cq_err *err)
{
    const char *slash = n_args ? strchr(args[0], '/') : NULL;
    if (slash == NULL)
        return session_open_of(c, o->query.enterprise, err);
    CQ_CLEANUP(cq_free_ptr) char *enterprise = cq_strndup(args[0], (size_t)(slash - args[0]));
    return session_open_of(c, enterprise, err);
}

/* People see that something is withheld, and not an empty name. */
static void mark_hidden(const struct cli *c, json_t *row)
{
    if (c->output != CLI_TABLE || *row_text(row, "user"))
        return;
    json_object_set_new(row, "user", json_string("(hidden)"));
    json_object_set_new(row, "name", json_string("(hidden)"));
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    if (columns_check(c, columns, err) != 0)
        return -1;
    if (n_args && has_filter(opts))
        return cq_fail(err, CQ_E_INVALID, "jobs: name jobs, or say which with options, not both");
    const struct opts *o = opts;
    struct net_client *s = open_session(c, o, n_args, args, err);
    json_t *rows = json_array();
    int rc = -1;
    if (s)
        rc = n_args ? collect_named(s, n_args, args, rows, err) : collect(s, opts, rows, err);
    for (size_t i = 0; i < json_array_size(rows); i++)
        mark_hidden(c, json_array_get(rows, i));
    if (rc == 0)
        rc = columns_print(c, "jobs", rows, columns, err);
    json_decref(rows);
    net_client_close(s);
    return rc;
}

const struct command cmd_jobs = {
    .name = "jobs",
    .args = "[JOB...]",
    .summary = "List jobs, the newest first",
    .text =
        "Of another enterprise a platform admin sees numbers, sizes and states; what is its own\n"
        "business is (hidden). --enterprise and ENTERPRISE/JOB act with the instance's admin\n"
        "key unless --key is given.",
    .examples =
        "chipq jobs --live\nchipq jobs --flow uart-signoff --format number,name,state,reason\n"
        "chipq jobs --state failed --jsonl\nchipq jobs 1-3 53,54\nchipq jobs --enterprise acme "
        "--live\nchipq jobs --limit 5000 --format "
        "csv",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 1000,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
