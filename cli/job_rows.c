/* Asks for rows of jobs. */
#include "cli/job_rows.h"

#include "cli/follow.h"
#include "cli/to_json.h"

static json_t *rows_of(const struct msg_jobs *page)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < page->n_jobs; i++)
        json_array_append_new(rows, json_of_job_row(&page->jobs[i]));
    return rows;
}

static json_t *in_order(json_t *found, const struct job_name *jobs, size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = job_rows_find(found, jobs[i].number);
        if (row)
            json_array_append(rows, row);
    }
    json_decref(found);
    return rows;
}

/* A watch answers with the rows of today; that it goes on does no harm until the session ends. */
static json_t *watch(struct net_client *s, const struct job_name *jobs, size_t n,
                     struct cq_err *err)
{
    struct msg ask = {.code = MSG_WATCH}, reply = {0};
    CQ_CLEANUP(cq_free_ptr) uint64_t *numbers = cq_calloc(n + 1, sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = jobs[i].number;
    ask.u.watch =
        (struct msg_watch){.numbers = numbers, .n_numbers = n, .enterprise = jobs[0].enterprise};
    if (session_call(s, &ask, MSG_JOBS, &reply, err) != 0)
        return NULL;
    json_t *rows = in_order(rows_of(&reply.u.jobs), jobs, n);
    msg_fini(&reply);
    return rows;
}

/* One that is not there spoils the watch of all. */
static json_t *watch_each(struct net_client *s, const struct job_name *jobs, size_t n,
                          struct cq_err *err)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        struct cq_err why = {0};
        json_t *one = watch(s, &jobs[i], 1, &why);
        if (one == NULL && why.code != CQ_E_NOT_FOUND) {
            json_decref(rows);
            return cq_fail(err, why.code, "%s", why.text), NULL;
        }
        json_array_extend(rows, one);
        json_decref(one);
    }
    return rows;
}

json_t *job_rows_ask(struct net_client *s, const struct job_name *jobs, size_t n,
                     struct cq_err *err)
{
    struct cq_err why = {0};
    if (n > JOB_ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%zu jobs; at most %d at once", n, JOB_ROWS_MAX), NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(jobs[i].enterprise, jobs[0].enterprise) != 0)
            return cq_fail(err, CQ_E_INVALID, "name jobs of one enterprise at a time"), NULL;
    if (n == 0)
        return json_array();
    json_t *rows = watch(s, jobs, n, &why);
    if (rows || why.code != CQ_E_NOT_FOUND)
        return rows ? rows : (cq_fail(err, why.code, "%s", why.text), NULL);
    return watch_each(s, jobs, n, err);
}

json_t *job_rows_of_flow(struct net_client *s, const char *flow, struct cq_err *err)
{
    struct msg ask = {.code = MSG_JOBS_QUERY}, reply = {0};
    ask.u.jobs_query =
        (struct msg_jobs_query){.flow = flow, .live_only = true, .limit = JOB_ROWS_MAX};
    if (session_call(s, &ask, MSG_JOBS, &reply, err) != 0)
        return NULL;
    json_t *rows = rows_of(&reply.u.jobs);
    msg_fini(&reply);
    if (json_array_size(rows))
        return rows;
    json_decref(rows);
    return cq_fail(err, CQ_E_NOT_FOUND, "no job of a flow '%.63s' waits or runs", flow), NULL;
}

json_t *job_rows_find(const json_t *rows, uint64_t number)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (row_number(json_array_get(rows, i), "number") == (int64_t)number)
            return json_array_get(rows, i);
    return NULL;
}
