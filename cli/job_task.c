/* Asks for a task's output: the answer tells whether the job has it. */
#include "cli/job_task.h"

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
