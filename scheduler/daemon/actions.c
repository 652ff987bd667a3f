/* JOB_ACTION: cancel, hold, release, requeue. Each job gets its own result. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"

enum { TASKS_MAX = 500000 }; /* of all jobs in one request */

/* A live job is checked against its owner here; one that is over is looked up in the store, so that
 * "it has ended" and "no such job" are told apart only for those who may see it. */
struct late_ref {
    struct action_batch *batch;
    size_t index;
    enum job_action action;
    char *enterprise;
    uint64_t number;
};

static void late_ref_free(struct late_ref *l)
{
    free(l->enterprise);
    free(l);
}

static void fail_result(struct daemon *d, struct action_batch *b, size_t index,
                        const struct cq_err *err)
{
    action_result_set(d, b, index, err->code, err->text);
}

/* The asker's key was revoked: nobody gets the answer, but the batch must be freed. */
static void on_revoked(void *data)
{
    struct late_ref *l = data;
    l->batch->asker.request = 0; /* reply() sends nothing then */
    struct action_batch *b = l->batch;
    if (--b->left == 0) {
        for (size_t i = 0; i < b->n; i++)
            free_const(b->results[i].text);
        free(b->results);
        free(b);
    }
    late_ref_free(l);
}

static enum verb verb_of(enum job_action action)
{
    return action == ACTION_REQUEUE ? VERB_JOB_REQUEUE : VERB_JOB_STOP;
}

static const char *action_name(enum job_action action)
{
    static const char *const names[] = {"cancel", "hold", "release", "requeue"};
    return names[action];
}

static int may_act(const struct asker *a, enum job_action action, struct enterprise_id e,
                   const char *owner, uint64_t number, struct cq_err *err)
{
    struct authz_object what = {.enterprise = e, .owner = owner};
    if (authz(&a->who, verb_of(action), &what))
        return 0;
    return cq_fail(err, CQ_E_DENIED, "job %llu belongs to %s; you may not %s it",
                   (unsigned long long)number, a->who.enterprise.v == e.v ? owner : "another user",
                   action_name(action));
}

static void on_late_job(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct late_ref *l = ask->data;
    struct cq_err err = {0};
    const struct stored_job *j = q->n_jobs ? &q->jobs[0] : NULL;
    if (j == NULL)
        (void)no_such_job(l->enterprise, l->number, &err);
    else if (may_act(&ask->asker, l->action, q->enterprise, j->user_name, l->number, &err) == 0)
        (void)cq_fail(&err, CQ_E_CONFLICT, "job %llu is over: %s", (unsigned long long)l->number,
                      job_state_name((enum job_state)j->state));
    fail_result(d, l->batch, l->index, &err);
    late_ref_free(l);
}

static void ask_late(struct daemon *d, struct action_batch *b, size_t index, enum job_action action,
                     const struct job_ref *ref, struct enterprise_id e)
{
    if (!ask_has_room(d, &b->asker)) {
        struct cq_err err = {0};
        (void)cq_fail(&err, CQ_E_FULL, "too many questions at once; try again");
        fail_result(d, b, index, &err);
        return;
    }
    struct late_ref *l = CQ_NEW(struct late_ref);
    *l = (struct late_ref){.batch = b,
                           .index = index,
                           .action = action,
                           .enterprise = cq_strdup(ref->enterprise),
                           .number = ref->number};
    struct store_query *q = store_query_new(QUERY_NUMBERS, NULL);
    q->enterprise = e;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = ref->number;
    q->n_numbers = 1;
    (void)ask_store(d, &b->asker, q, on_late_job, false, l, on_revoked);
}

static void act_live(struct daemon *d, struct action_batch *b, size_t index, enum job_action action,
                     const struct job_ref *ref, struct enterprise_id e)
{
    struct input in = {.type = INPUT_ACTION, .principal = b->asker.who.id};
    in.request = reply_handle(d, &b->asker, b, index);
    in.u.action = (struct in_action){
        .action = action, .enterprise = e, .number = ref->number, .tasks = ref->tasks};
    struct cq_err err = {0};
    uint64_t handle = in.request;
    if (turn_step(d, &in, &err) != 0) {
        free(map_remove(&d->replies, handle));
        fail_result(d, b, index, &err);
    }
}

/* A few bytes may name 100,000 tasks, each of which is looked at. */
static int count_tasks(struct action_batch *b, const struct job_ref *ref, struct cq_err *err)
{
    struct ranges tasks = {0};
    if (ref->tasks[0] == '\0')
        return 0;
    if (b->n_tasks < TASKS_MAX && ranges_parse(ref->tasks, INT32_MAX, TASKS_MAX, &tasks, err) != 0)
        return -1;
    b->n_tasks += tasks.count;
    ranges_fini(&tasks);
    if (b->n_tasks < TASKS_MAX)
        return 0;
    return cq_fail(err, CQ_E_LIMIT, "too many tasks in one request; name fewer, or whole jobs");
}

static void act(struct daemon *d, struct action_batch *b, size_t index, enum job_action action,
                const struct job_ref *ref)
{
    struct cq_err err = {0};
    struct enterprise_id e;
    if (scope_find(d, &b->asker, ref->enterprise, ref->number, VERB_JOB_SHAPE, &e, &err) != 0
        || count_tasks(b, ref, &err) != 0) {
        fail_result(d, b, index, &err);
        return;
    }
    struct job_id id = core_find_job(d->core, e, ref->number);
    if (id.v == 0) {
        ask_late(d, b, index, action, ref, e);
        return;
    }
    struct order_view v = {0};
    core_view_order(d->core, id, &v);
    int refused = may_act(&b->asker, action, e, v.user, ref->number, &err);
    order_view_fini(&v);
    if (refused)
        fail_result(d, b, index, &err);
    else
        act_live(d, b, index, action, ref, e);
}

void on_job_action(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_job_action *j = &m->u.job_action;
    struct action_batch *b = CQ_NEW(struct action_batch);
    b->asker = *a;
    b->n = j->n_jobs;
    b->left = b->n + 1; /* one for this function, so that it is not freed under us */
    b->results = cq_calloc(b->n + 1, sizeof *b->results);
    for (size_t i = 0; i < b->n; i++)
        b->results[i].number = j->jobs[i].number;
    for (size_t i = 0; i < b->n; i++)
        act(d, b, i, (enum job_action)j->action, &j->jobs[i]);
    action_result_set(d, b, b->n, CQ_OK, NULL);
}
