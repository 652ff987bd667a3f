/* Asks for the jobs of an earlier flow. */
#include "cli/run_attach.h"

#include "cli/follow.h"
#include "cli/job_rows.h"
#include "cli/to_json.h"

#include <inttypes.h>

json_t *run_attach_choose(const json_t *rows, uint64_t number)
{
    json_t *chosen = json_array();
    const json_t *first = number ? job_rows_find(rows, number) : json_array_get(rows, 0);
    int64_t submit_us = row_number(first, "submit_us");
    for (size_t i = json_array_size(rows); first && i-- > 0;)
        if (row_number(json_array_get(rows, i), "submit_us") == submit_us)
            json_array_append(chosen, json_array_get(rows, i));
    return chosen;
}

/* The flow's name; caller frees. `what` is that name, or the number of one of its jobs. */
static char *name_of(struct net_client *s, const char *what, uint64_t *number, struct cq_err *err)
{
    struct job_name job = {0};
    if (what[0] == '\0' || what[strspn(what, "0123456789")] != '\0')
        return *number = 0, cq_strdup(what);
    if (job_name_parse(what, &job, err) != 0)
        return NULL;
    *number = job.number;
    json_t *rows = job_rows_ask(s, &job, 1, err);
    char *name = NULL;
    if (rows && json_array_size(rows) == 0)
        cq_fail(err, CQ_E_NOT_FOUND, "no such job: %s", what);
    else if (rows && !*row_text(json_array_get(rows, 0), "flow"))
        cq_fail(err, CQ_E_INVALID, "job %s is not part of a flow; follow it with: chipq wait %s",
                what, what);
    else if (rows)
        name = cq_strdup(row_text(json_array_get(rows, 0), "flow"));
    json_decref(rows);
    job_name_fini(&job);
    return name;
}

static json_t *ask(struct net_client *s, const char *name, uint64_t number, struct cq_err *err)
{
    struct msg query = {.code = MSG_JOBS_QUERY}, reply = {0};
    query.u.jobs_query = (struct msg_jobs_query){
        .flow = name, .limit = FLOW_JOBS_MAX, .before = number ? number + FLOW_JOBS_MAX : 0};
    if (session_call(s, &query, MSG_JOBS, &reply, err) != 0)
        return NULL;
    json_t *rows = json_array();
    for (size_t i = 0; i < reply.u.jobs.n_jobs; i++)
        json_array_append_new(rows, json_of_job_row(&reply.u.jobs.jobs[i]));
    msg_fini(&reply);
    return rows;
}

static void fill(const json_t *rows, struct flow_plan *plan, uint64_t **numbers)
{
    plan->n = json_array_size(rows);
    plan->jobs = cq_calloc(plan->n + 1, sizeof *plan->jobs);
    *numbers = cq_calloc(plan->n + 1, sizeof **numbers);
    for (size_t i = 0; i < plan->n; i++) {
        const json_t *row = json_array_get(rows, i);
        plan->jobs[i].name = cq_strdup(row_text(row, "name"));
        plan->jobs[i].is_last = !*row_text(row, "stage_of");
        (*numbers)[i] = (uint64_t)row_number(row, "number");
    }
}

int run_attach(struct net_client *s, const char *what, struct flow *f, struct flow_plan *plan,
               uint64_t **numbers, struct cq_err *err)
{
    uint64_t number = 0;
    f->name = name_of(s, what, &number, err);
    json_t *rows = f->name ? ask(s, f->name, number, err) : NULL;
    if (rows == NULL)
        return -1;
    json_t *chosen = run_attach_choose(rows, number);
    fill(chosen, plan, numbers);
    json_decref(rows);
    json_decref(chosen);
    if (plan->n)
        return 0;
    return cq_fail(err, CQ_E_NOT_FOUND,
                   "no flow '%.63s'; see: chipq jobs --format number,name,flow", f->name);
}

void run_attach_fini(struct flow_plan *plan, uint64_t **numbers)
{
    for (size_t i = 0; i < plan->n; i++)
        free(plan->jobs[i].name);
    free(plan->jobs);
    free(cq_steal(numbers));
    *plan = (struct flow_plan){0};
}
