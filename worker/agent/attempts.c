/* Attempts that this worker holds, found by the scheduler's ids. */
#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"
#include "worker/lease/place.h"

static uint64_t key_of(uint64_t job, uint64_t task, uint64_t number)
{
    uint64_t h = job * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 29) ^ task) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 32) ^ number) * UINT64_C(0x94d049bb133111eb);
    return h | 1; /* 0 is no key */
}

struct attempt *attempt_find(struct agent *a, uint64_t job, uint64_t task, uint64_t number)
{
    struct attempt *t = map_find(&a->attempts, key_of(job, task, number));
    while (t && (t->job != job || t->task != task || t->attempt != number))
        t = t->next_same_key;
    return t;
}

struct attempt *attempt_add(struct lease *l, uint64_t job, uint64_t task, uint64_t number)
{
    struct attempt *t = CQ_NEW(struct attempt);
    uint64_t key = key_of(job, task, number);
    *t = (struct attempt){.lease = l, .job = job, .task = task, .attempt = number};
    t->next_same_key = map_find(&l->agent->attempts, key);
    map_put(&l->agent->attempts, key, t);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&l->attempts, &l->attempts_cap, l->n_attempts);
    l->attempts[l->n_attempts++] = t;
    return t;
}

static void leave_index(struct attempt *t)
{
    struct agent *a = t->lease->agent;
    uint64_t key = key_of(t->job, t->task, t->attempt);
    struct attempt *first = map_find(&a->attempts, key);
    if (first != t) {
        while (first->next_same_key != t)
            first = first->next_same_key;
        first->next_same_key = t->next_same_key;
    } else if (t->next_same_key) {
        map_put(&a->attempts, key, t->next_same_key);
    } else {
        (void)map_remove(&a->attempts, key);
    }
}

void attempt_free(struct attempt *t)
{
    struct lease *l = t->lease;
    progress_stop(t);
    report_remove(t);
    leave_index(t);
    for (size_t i = 0; i < l->n_attempts; i++)
        if (l->attempts[i] == t) {
            for (l->n_attempts--; i < l->n_attempts; i++)
                l->attempts[i] = l->attempts[i + 1];
            break;
        }
    free(t->place);
    free(t->result);
    free(t);
}

bool attempt_is_place(const struct attempt *t, const char *place, uint64_t number)
{
    return t->attempt == number && t->place && strcmp(t->place, place) == 0;
}

static void take_place(struct attempt *t, const struct lease_record *r)
{
    t->flags = r->flags;
    if (r->place[0] && (t->place == NULL || strcmp(t->place, r->place) != 0)) {
        free(t->place);
        t->place = cq_strdup(r->place);
    }
}

void attempt_started(struct attempt *t, const struct lease_record *r)
{
    take_place(t, r);
    if (t->state >= ATTEMPT_RUNNING)
        return;
    t->state = ATTEMPT_RUNNING;
    t->start_us = r->start_us;
    t->tell_start = true;
    report_add(t, false);
    if (r->flags & LEASE_F_TOOL)
        progress_start(t);
    logs_attempt_changed(t->lease->agent, t);
}

/* The order that could not be made says it better than the shepherd, which never saw it. */
static void explain_missing_order(struct attempt *t, struct lease_record *r)
{
    const struct lease_job *job = map_find(&t->lease->jobs, t->job);
    if ((r->flags & LEASE_F_BROKEN) && (r->flags & LEASE_F_NO_START) && job && job->error)
        (void)cq_copy_text(r->cause, sizeof r->cause, job->error);
}

static void interpret(struct attempt *t)
{
    struct tool_result result = {0};
    struct cq_err err;
    bool is_bad = false;
    char work[PATH_MAX];
    if ((t->flags & LEASE_F_TOOL) && !(t->end.flags & LEASE_F_NO_START) && t->place
        && place_work(t->lease->agent->options.dir, t->place, t->attempt, work))
        is_bad = tool_result_read(work, &result, &err) != 0;
    verdict_decide(&t->end, &result, is_bad ? err.text : NULL, &t->meaning);
    t->result = result.is_there ? cq_str_take(&result.text) : NULL;
    t->has_outputs = publish_has_outputs(t->lease->agent, t);
}

static bool is_idle(const struct lease *l)
{
    for (size_t i = 0; i < l->n_attempts; i++)
        if (l->attempts[i]->state != ATTEMPT_ENDED)
            return false;
    return true;
}

void attempt_ended(struct attempt *t, const struct lease_record *r)
{
    if (t->state == ATTEMPT_ENDED)
        return;
    take_place(t, r);
    t->end = *r;
    if (t->end.start_us == 0)
        t->end.start_us = t->start_us;
    explain_missing_order(t, &t->end);
    t->state = ATTEMPT_ENDED;
    t->tell_start = false;
    t->tell_end = true;
    progress_stop(t);
    interpret(t);
    report_add(t, is_idle(t->lease));
    logs_attempt_changed(t->lease->agent, t);
}

void attempt_acked(struct attempt *t, bool is_accepted)
{
    struct lease *l = t->lease;
    if (t->state != ATTEMPT_ENDED)
        return; /* an ack for what has not ended: not from this reign */
    if (!is_accepted)
        log_warn("attempt.stale job=%llu task=%llu attempt=%llu why=\"its lease was given up\"",
                 (unsigned long long)t->job, (unsigned long long)t->task,
                 (unsigned long long)t->attempt);
    if (is_accepted && t->has_outputs)
        publish_outputs(l->agent, t);
    (void)CQ_FP("worker.order.before_ack");
    struct shepherd_cmd ack = shepherd_cmd_of(SHEPHERD_ACK, t->job, t->task, t->attempt);
    attempt_free(t);
    if (l->state == LEASE_LIVE || l->state == LEASE_STARTING)
        shepherd_link_send(l, &ack, -1);
    (void)CQ_FP("worker.order.after_ack");
    lease_free_if_over(l);
}
