/* Whether a job has a task, and how its attempts ended. */
#include "cli/job_task.h"

/* Asks for its output: the answer tells. */
int job_task_check(struct net_client *s, const struct job_name *name, uint64_t task,
                   struct cq_err *err)
{
    struct msg ask = {.code = MSG_LOG_QUERY}, reply = {0};
    struct cq_err why = {0};
    ask.u.log_query = (struct msg_log_query){
        .number = name->number, .enterprise = name->enterprise, .task = task, .max = 1};
    int rc = session_call(s, &ask, MSG_LOG_DATA, &reply, &why);
    msg_fini(&reply);
    bool is_none = why.code == CQ_E_NOT_FOUND && strstr(why.text, "has no task");
    if (rc != 0 && (is_none || why.code == CQ_E_DENIED))
        return cq_fail(err, why.code, "%s", why.text);
    return 0;
}

/* Whatever else befell it: it went on, and ended by itself. */
static bool is_own_end(const struct task_row *t)
{
    static const char *const own[] = {"pass", "fail", "oom", "error"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(t->verdict, own[i]) == 0)
            return t->signal == 0 && t->exit_code >= 0;
    return false;
}

const char *job_task_how(const struct task_row *t, char *buf, size_t size)
{
    if (t->end_us == 0)
        return "";
    if (*t->cause && is_own_end(t))
        (void)snprintf(buf, size, "exit %lld; %s", (long long)t->exit_code, t->cause);
    else if (*t->cause)
        (void)snprintf(buf, size, "%s", t->cause);
    else if (*t->limit)
        (void)snprintf(buf, size, "%s limit", t->limit);
    else if (t->signal)
        (void)snprintf(buf, size, "signal %llu", (unsigned long long)t->signal);
    else
        (void)snprintf(buf, size, "exit %lld", (long long)t->exit_code);
    return buf;
}
