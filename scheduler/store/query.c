/* Queries, on the thread that owns the connection, in small steps: a step ends when its time is
 * used up and leaves no statement open, so that a batch can be written in between. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <assert.h>

enum { TASK_NUMBER_MAX = INT32_MAX };

struct store_query *store_query_new(enum query_kind kind, void *owner)
{
    struct store_query *q = CQ_NEW(struct store_query);
    q->kind = kind;
    q->owner = owner;
    return q;
}

void store_query_free(struct store_query *q)
{
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->n_jobs; i++)
        stored_job_fini(&q->jobs[i]);
    for (size_t i = 0; i < q->n_tasks; i++)
        stored_task_fini(&q->tasks[i]);
    for (size_t i = 0; i < q->n_earlier; i++)
        stored_task_fini(&q->earlier[i]);
    record_free(q->submit);
    ranges_fini(&q->wanted);
    free(q->jobs);
    free(q->tasks);
    free(q->earlier);
    free(q->numbers);
    free(q->user);
    free(q->project);
    free(q->flow);
    usage_report_free(q->usage);
    audit_page_free(q->audit);
    history_page_free(q->history);
    efficiency_report_free(q->efficiency);
    store_backup_free(q->backup);
    free(q);
}

static struct stored_job *add_job(struct store_query *q)
{
    cq_grow(&q->jobs, &q->cap_jobs, q->n_jobs);
    return &q->jobs[q->n_jobs++];
}

static bool text_matches(const char *wanted, const char *have)
{
    return wanted == NULL || wanted[0] == '\0' || strcmp(wanted, have ? have : "") == 0;
}

static bool job_matches(const struct store_query *q, const struct stored_job *j)
{
    return text_matches(q->user, j->user_name) && text_matches(q->project, j->project_name)
           && text_matches(q->flow, j->flow) && (q->state == JOB_NONE || q->state == j->state);
}

/* One page of at most 128 rows below the cursor. 1 = no more to be found. */
static int list_page(struct store *s, struct store_query *q, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, q->live_only ? ST_JOBS_LIST_LIVE : ST_JOBS_LIST);
    sql_bind_u64(st, 1, q->enterprise.v);
    sql_bind_u64(st, 2, q->cursor);
    int rc;
    bool is_empty = true;
    while ((rc = sql_row(s, st, "list jobs", err)) > 0) {
        struct stored_job j;
        sql_read_job(st, &j);
        is_empty = false;
        if (!job_matches(q, &j)) {
            q->cursor = j.number;
            stored_job_fini(&j);
        } else if (q->n_jobs == q->limit) {
            stored_job_fini(&j);
            q->has_more = true;
            (void)sqlite3_reset(st);
            return 1;
        } else {
            q->cursor = j.number;
            *add_job(q) = j;
        }
    }
    return rc < 0 ? -1 : is_empty;
}

static int step_jobs(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    if (q->cursor == 0) {
        q->cursor = q->before ? q->before : (uint64_t)INT64_MAX;
        if (q->limit == 0 || q->limit > QUERY_ROWS_MAX)
            q->limit = q->limit == 0 ? 100 : QUERY_ROWS_MAX;
    }
    int rc;
    do
        rc = list_page(s, q, err);
    while (rc == 0 && clock_mono_us() < until_us);
    return rc;
}

/* 1 found, 0 not, -1 error. */
static int find_number(struct store *s, struct enterprise_id e, uint64_t number,
                       struct store_query *q, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_JOB_BY_NUMBER);
    sql_bind_u64(st, 1, e.v);
    sql_bind_u64(st, 2, number);
    int rc = sql_row(s, st, "find a job", err);
    if (rc > 0) {
        sql_read_job(st, add_job(q));
        (void)sqlite3_reset(st);
    }
    return rc;
}

static int step_numbers(struct store *s, struct store_query *q, struct cq_err *err)
{
    for (size_t i = 0; i < q->n_numbers; i++)
        if (find_number(s, q->enterprise, q->numbers[i], q, err) < 0)
            return -1;
    return 1;
}

int request_find(struct store *s, uint64_t job, struct record **out, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_REQUEST);
    sql_bind_u64(st, 1, job);
    int rc = sql_row(s, st, "read a request", err);
    if (rc <= 0)
        return rc;
    rc = record_decode(RECORD_JOB_SUBMIT, (uint64_t)sqlite3_column_int64(st, 0),
                       sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), out, err);
    (void)sqlite3_reset(st);
    return rc == 0 ? 1 : -1;
}

int request_read(struct store *s, uint64_t job, struct record **out, struct cq_err *err)
{
    int rc = request_find(s, job, out, err);
    if (rc == 0)
        return cq_fail(err, CQ_E_IO, "database %s: a job has no request", s->path);
    return rc < 0 ? -1 : 0;
}

static int read_request(struct store *s, struct store_query *q, uint64_t job, struct cq_err *err)
{
    record_free(q->submit);
    q->submit = NULL;
    return request_read(s, job, &q->submit, err);
}

struct task_rows { /* where read_rows puts them */
    enum statement which;
    struct stored_task **rows;
    size_t *n, *cap;
};

static int add_row(const struct task_rows *to, sqlite3_stmt *st, struct cq_err *err)
{
    cq_grow(to->rows, to->cap, *to->n);
    if (stored_task_decode(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0),
                           &(*to->rows)[*to->n], err)
        != 0)
        return -1;
    ++*to->n;
    return 0;
}

static int read_rows(struct store *s, const struct task_rows *to, uint64_t job, struct range range,
                     struct cq_err *err)
{
    if (*to->n >= QUERY_ROWS_MAX)
        return 0;
    sqlite3_stmt *st = sql_use(s, to->which);
    sql_bind_u64(st, 1, job);
    sql_bind_u64(st, 2, range.first);
    sql_bind_u64(st, 3, range.last);
    sql_bind_u64(st, 4, QUERY_ROWS_MAX - *to->n);
    int rc;
    while ((rc = sql_row(s, st, "read tasks", err)) > 0)
        if (add_row(to, st, err) != 0)
            return -1;
    return rc;
}

/* Those that are told apart, of all ranges: they come before passes. */
static int read_told_apart(struct store *s, struct store_query *q, uint64_t job, struct cq_err *err)
{
    static const struct range all = {0, TASK_NUMBER_MAX};
    const struct range *ranges = q->wanted.n ? ranges_items(&q->wanted) : &all;
    struct task_rows last = {ST_TASKS, &q->tasks, &q->n_tasks, &q->cap_tasks};
    struct task_rows earlier = {ST_ATTEMPTS, &q->earlier, &q->n_earlier, &q->cap_earlier};
    for (size_t i = 0; i < (q->wanted.n ? q->wanted.n : 1); i++)
        if (read_rows(s, &last, job, ranges[i], err) != 0
            || read_rows(s, &earlier, job, ranges[i], err) != 0)
            return -1;
    return 0;
}

/* The cursor is the number of ranges whose passes have been read, plus 1. */
static int step_passes(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    while (q->cursor <= q->wanted.n && q->n_tasks < QUERY_ROWS_MAX) {
        if (passes_read(s, q, q->jobs[0].id, ranges_items(&q->wanted)[q->cursor - 1], err) != 0)
            return -1;
        q->cursor++;
        if (clock_mono_us() >= until_us)
            return 0;
    }
    return 1;
}

static int step_job(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    if (q->cursor == 0) {
        int rc = find_number(s, q->enterprise, q->numbers[0], q, err);
        if (rc <= 0)
            return rc < 0 ? -1 : 1;
        if (read_request(s, q, q->jobs[0].id, err) != 0
            || read_told_apart(s, q, q->jobs[0].id, err) != 0)
            return -1;
        q->n_told = q->n_tasks;
        q->cursor = 1;
    }
    return step_passes(s, q, until_us, err);
}

/* Is `job` the first one of the submit that is asked for? 1 yes, 0 no, -1 error. */
static int is_submit_of(struct store *s, struct store_query *q, uint64_t job, struct cq_err *err)
{
    if (read_request(s, q, job, err) != 0)
        return -1;
    assert(q->submit != NULL); /* read_request has set it */
    const struct job_submit *j = &q->submit->u.job_submit;
    if (j->principal == q->principal.v && cq_uuid_equal(&j->client_key, &q->key))
        return 1;
    record_free(q->submit);
    q->submit = NULL;
    return 0;
}

/* 1 the submit was found in this bucket, 0 not. Two different keys may share 64 bits. */
static int probe_bucket(struct store *s, struct store_query *q, uint64_t bucket, struct cq_err *err)
{
    for (uint64_t job = 0;;) {
        sqlite3_stmt *st = sql_use(s, ST_KEY_FIND);
        sql_bind_u64(st, 1, bucket);
        sql_bind_u64(st, 2, key64_of(&q->key));
        sql_bind_u64(st, 3, job);
        int rc = sql_row(s, st, "find a key", err);
        if (rc <= 0)
            return rc;
        job = (uint64_t)sqlite3_column_int64(st, 0);
        (void)sqlite3_reset(st);
        rc = is_submit_of(s, q, job, err);
        if (rc != 0)
            return rc;
    }
}

/* The cursor is the number of buckets still to probe, plus 1. */
static int step_key(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    if (q->cursor == 0) {
        sqlite3_stmt *st = sql_use(s, ST_KEY_BUCKETS);
        if (sql_row(s, st, "find the newest bucket", err) <= 0)
            return -1;
        q->cursor = (uint64_t)(sqlite3_column_int64(st, 0) + 2);
        (void)sqlite3_reset(st);
    }
    while (q->cursor > 1) {
        int rc = probe_bucket(s, q, q->cursor - 2, err);
        if (rc != 0)
            return rc;
        q->cursor--;
        if (clock_mono_us() >= until_us)
            return q->cursor == 1;
    }
    return 1;
}

int query_step(struct store *s, struct store_query *q, int64_t budget_us, struct cq_err *err)
{
    int64_t until_us = clock_mono_us() + budget_us;
    switch (q->kind) {
    case QUERY_JOBS:
        return step_jobs(s, q, until_us, err);
    case QUERY_NUMBERS:
        return step_numbers(s, q, err);
    case QUERY_JOB:
        return step_job(s, q, until_us, err);
    case QUERY_KEY:
        return step_key(s, q, until_us, err);
    case QUERY_USAGE:
        return usage_step(s, q, until_us, err);
    case QUERY_AUDIT:
        return audit_step(s, q, until_us, err);
    case QUERY_HISTORY:
        return history_step(s, q, until_us, err);
    case QUERY_EFFICIENCY:
        return efficiency_step(s, q, until_us, err);
    case QUERY_BACKUP:
        return backup_step(s, q, until_us);
    }
    return cq_fail(err, CQ_E_INTERNAL, "unknown query %d", (int)q->kind);
}
