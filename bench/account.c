/* Pages of JOBS, summed. */
#include "bench/account.h"

static bool is_live(const struct job_row *row)
{
    static const char *const live[] = {"pending", "held", "running"};
    for (size_t i = 0; i < CQ_COUNT(live); i++)
        if (strcmp(row->state, live[i]) == 0)
            return true;
    return false;
}

int account_live(struct session *s, uint64_t from, uint64_t *numbers, size_t *n, struct cq_err *err)
{
    struct msg req = {.code = MSG_JOBS_QUERY}, reply = {0};
    req.u.jobs_query = (struct msg_jobs_query){.live_only = true, .limit = ACCOUNT_ROWS};
    if (session_call(s, &req, &reply, err) != 0)
        return -1;
    *n = 0;
    for (size_t i = 0; i < reply.u.jobs.n_jobs; i++)
        if (reply.u.jobs.jobs[i].number >= from)
            numbers[(*n)++] = reply.u.jobs.jobs[i].number;
    msg_fini(&reply);
    return 0;
}

static void add(struct account *sum, const struct job_row *row)
{
    sum->jobs++;
    sum->live += is_live(row);
    sum->tasks += row->is_array ? row->tasks : 1;
    sum->passed += row->is_array ? row->tasks_passed : strcmp(row->state, "done") == 0;
    sum->killed += row->is_array ? row->tasks_killed : strcmp(row->state, "killed") == 0;
}

int account_sum(struct session *s, uint64_t first, uint64_t last, const char *name,
                struct account *sum, struct cq_err *err)
{
    *sum = (struct account){0};
    for (uint64_t before = last + 1; before > first;) {
        struct msg req = {.code = MSG_JOBS_QUERY}, reply = {0};
        req.u.jobs_query = (struct msg_jobs_query){.before = before, .limit = ACCOUNT_ROWS};
        if (session_call(s, &req, &reply, err) != 0)
            return -1;
        size_t n = reply.u.jobs.n_jobs;
        for (size_t i = 0; i < n; i++) {
            const struct job_row *row = &reply.u.jobs.jobs[i];
            before = row->number < before ? row->number : before;
            if (row->number >= first && (name == NULL || strcmp(row->name, name) == 0))
                add(sum, row);
        }
        msg_fini(&reply);
        if (n == 0)
            break;
    }
    return 0;
}
