/* chipq jobs: a list of jobs. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

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

struct opts {
    struct msg_jobs_query query;
    uint64_t limit;
};

static const struct argp_option options[] = {
    {"live", KEY_LIVE, NULL, 0, "only what has not ended", 0},
    {"state", KEY_STATE, "STATE", 0,
     "pending, held, running, done, failed, killed, lost or expired", 0},
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
    {"submit_us", "SUBMITTED", COLUMN_WALL, false},
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
    static const char *const states[] = {"pending", "held", "running", "done", "failed",
                                         "killed",  "lost", "expired", NULL};
    for (size_t i = 0; states[i]; i++)
        if (strcmp(states[i], arg) == 0)
            return o->query.state = arg, 0;
    const char *meant = cq_closest(arg, states);
    return cq_fail(err, CQ_E_INVALID, "--state: no state '%.40s'%s%s%s", arg,
                   meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
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

static json_t *row_of(const struct job_row *job)
{
    json_t *row = json_of_job_row(job);
    json_embed(row, "metrics");
    int64_t run_us = job->start_us && job->end_us > job->start_us ? job->end_us - job->start_us : 0;
    json_object_set_new(row, "run_us", json_integer(run_us));
    return row;
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
        for (size_t i = 0; i < page->n_jobs; i++)
            json_array_append_new(rows, row_of(&page->jobs[i]));
        has_more = page->has_more && page->n_jobs;
        if (page->n_jobs)
            ask.u.jobs_query.before = page->jobs[page->n_jobs - 1].number;
        msg_fini(&reply);
    }
    return 0;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    (void)n_args, (void)args;
    if (columns_check(c, columns, err) != 0)
        return -1;
    struct net_client *s = session_open(c, AS_USER, err);
    json_t *rows = json_array();
    int rc = s ? collect(s, opts, rows, err) : -1;
    if (rc == 0)
        rc = columns_print(c, "jobs", rows, columns, err);
    json_decref(rows);
    net_client_close(s);
    return rc;
}

const struct command cmd_jobs = {
    .name = "jobs",
    .args = "",
    .summary = "List jobs, the newest first",
    .examples =
        "chipq jobs --live\nchipq jobs --flow uart-signoff --format number,name,state,reason\n"
        "chipq jobs --state failed --jsonl\nchipq jobs --limit 5000 --format csv",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
