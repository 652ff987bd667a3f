/* Submits in batches. */
#include "bench/backlog.h"

enum { SUBMITS_AT_ONCE = 32, ARRAY_MAX = 100000, CANCELS = 1000, MEM_MIB = 16 };

void backlog_init(struct backlog *k, const struct bench *b, struct session *s, const char *name,
                  const char *feature)
{
    *k = (struct backlog){.b = b, .s = s, .node_has = {feature}};
    ticket_init(&k->ticket, b, NULL);
    k->ticket.job.name = name;
    if (feature) {
        k->ticket.job.node_has = k->node_has;
        k->ticket.job.n_node_has = 1;
    }
}

void backlog_fini(struct backlog *k)
{
    ticket_fini(&k->ticket);
    for (size_t i = 0; i < BACKLOG_BATCH; i++)
        cq_str_fini(&k->runs[i]);
    free(k->shared);
}

static void make_jobs(void *arg, size_t i, struct msg *req)
{
    struct backlog *k = arg;
    ticket_ask(&k->ticket, req);
    for (size_t n = 0; n < BACKLOG_BATCH; n++) {
        k->jobs[n] = k->ticket.job;
        k->jobs[n].mem_mib = MEM_MIB + (i * BACKLOG_BATCH + n) % k->b->shapes;
        if (k->b->request_bytes > 0)
            own_request(k, i * BACKLOG_BATCH + n, n);
    }
    req->u.submit.jobs = k->jobs;
    req->u.submit.n_jobs = BACKLOG_BATCH;
}

static void make_one(void *arg, CQ_UNUSED size_t i, struct msg *req)
{
    ticket_ask(&((struct backlog *)arg)->ticket, req);
}

static void take_numbers(void *arg, CQ_UNUSED size_t i, const struct msg *reply)
{
    struct backlog *k = arg;
    if (reply->code != MSG_ACCEPTED)
        return;
    for (size_t n = 0; n < reply->u.accepted.n_numbers; n++) {
        uint64_t number = reply->u.accepted.numbers[n];
        k->first = k->first == 0 || number < k->first ? number : k->first;
        k->last = number > k->last ? number : k->last;
    }
    k->submitted += reply->u.accepted.n_numbers;
}

static int add_jobs(struct backlog *k, uint64_t tasks, struct cq_err *err)
{
    const struct session_pipeline p = {.n = (size_t)((tasks + BACKLOG_BATCH - 1) / BACKLOG_BATCH),
                                       .window = SUBMITS_AT_ONCE,
                                       .make = make_jobs,
                                       .take = take_numbers,
                                       .arg = k};
    return session_run(k->s, &p, err);
}

int backlog_add_one(struct backlog *k, struct cq_err *err)
{
    const struct session_pipeline p = {
        .n = 1, .window = 1, .make = make_one, .take = take_numbers, .arg = k};
    return session_run(k->s, &p, err);
}

static int add_array(struct backlog *k, uint64_t tasks, struct cq_err *err)
{
    (void)snprintf(k->tasks, sizeof k->tasks, "1-%llu", (unsigned long long)tasks);
    k->ticket.job.array = k->tasks;
    int rc = backlog_add_one(k, err);
    k->ticket.job.array = NULL;
    k->submitted += rc == 0 ? tasks - 1 : 0;
    return rc;
}

int backlog_add(struct backlog *k, uint64_t tasks, struct cq_err *err)
{
    if (tasks == 0)
        return 0;
    if (!k->b->is_array)
        return add_jobs(k, tasks, err);
    for (uint64_t n; tasks > 0; tasks -= n) {
        n = tasks < ARRAY_MAX ? tasks : ARRAY_MAX;
        if (add_array(k, n, err) != 0)
            return -1;
    }
    return 0;
}

int backlog_cancel(struct backlog *k, struct cq_err *err)
{
    struct job_ref refs[CANCELS];
    for (uint64_t at = k->first; k->first > 0 && at <= k->last;) {
        struct msg req = {.code = MSG_JOB_ACTION}, reply = {0};
        size_t n = 0;
        for (; n < CANCELS && at <= k->last; at++)
            refs[n++] = (struct job_ref){.number = at};
        req.u.job_action = (struct msg_job_action){.action = 0, .jobs = refs, .n_jobs = n};
        if (session_call(k->s, &req, &reply, err) != 0)
            return -1;
        msg_fini(&reply);
    }
    return 0;
}
