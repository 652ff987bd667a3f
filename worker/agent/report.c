/* Starts and ends on their way to the scheduler: sent in batches, kept until it has them on disk.
 */
#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "worker/agent/agent.h"

enum {
    FLUSH_US = 10 * 1000, /* of leases with more to run: short tasks share messages and commits */
    FLUSH_COUNT = 64,
    RETRY_US = 20 * 1000,
    MESSAGE_EVENTS = 256,
    MESSAGE_BYTES = 512 * 1024, /* of results; the frame's bound is 1 MiB */
    END_BYTES = 2048,           /* an end without its result, at most about this */
};

void report_add(struct attempt *t, bool is_urgent)
{
    struct agent *a = t->lease->agent;
    if (!t->is_listed) {
        t->is_listed = true;
        t->next_report = NULL;
        if (a->report_last)
            a->report_last->next_report = t;
        else
            a->report_first = t;
        a->report_last = t;
        a->n_report++;
    }
    if (is_urgent || a->n_report >= FLUSH_COUNT)
        a->is_report_urgent = true;
    else if (!loop_timer_is_set(a->report_timer))
        loop_timer_set(a->report_timer, loop_now(a->loop).mono_us + FLUSH_US);
}

void report_remove(struct attempt *t)
{
    struct agent *a = t->lease->agent;
    if (!t->is_listed)
        return;
    struct attempt *before = NULL;
    for (struct attempt *x = a->report_first; x != t; x = x->next_report)
        before = x;
    if (before)
        before->next_report = t->next_report;
    else
        a->report_first = t->next_report;
    if (a->report_last == t)
        a->report_last = before;
    t->is_listed = false;
    a->n_report--;
}

static void fill_start(const struct attempt *t, struct attempt_start *s)
{
    *s = (struct attempt_start){.lease = t->lease->id,
                                .epoch = t->lease->epoch,
                                .job = t->job,
                                .task = t->task,
                                .attempt = t->attempt,
                                .start_us = t->start_us};
}

static void fill_end(const struct attempt *t, struct attempt_end *e)
{
    const struct lease_record *r = &t->end;
    *e = (struct attempt_end){.lease = t->lease->id,
                              .epoch = t->lease->epoch,
                              .job = t->job,
                              .task = t->task,
                              .attempt = t->attempt,
                              .verdict = t->meaning.verdict,
                              .exit_code = r->exit_code,
                              .signal = r->signal,
                              .limit = limit_kind_text(t->meaning.limit),
                              .start_us = r->start_us,
                              .end_us = r->end_us,
                              .run_us = (uint64_t)(r->run_us > 0 ? r->run_us : 0),
                              .cpu_user_us = r->cpu_user_us,
                              .cpu_system_us = r->cpu_system_us,
                              .peak_mem_kib = r->peak_mem_kib,
                              .max_rss_kib = r->max_rss_kib,
                              .io_read_bytes = r->io_read_bytes,
                              .io_write_bytes = r->io_write_bytes,
                              .switches = r->switches,
                              .switches_forced = r->switches_forced,
                              .summary = t->meaning.summary,
                              .signature = t->meaning.signature,
                              .result = t->result ? t->result : "",
                              .cause = t->meaning.cause,
                              .has_outputs = t->has_outputs};
}

/* One message from the head of the list. False when nothing was sent. */
static bool send_some(struct agent *a)
{
    static struct attempt_start starts[MESSAGE_EVENTS];
    static struct attempt_end ends[MESSAGE_EVENTS];
    struct msg m = {.code = MSG_ATTEMPT_EVENTS};
    size_t n_starts = 0, n_ends = 0, n = 0, bytes = 0;
    for (struct attempt *t = a->report_first; t && n < MESSAGE_EVENTS; t = t->next_report, n++) {
        bytes += END_BYTES + (t->tell_end && t->result ? strlen(t->result) : 0);
        if (n > 0 && bytes > MESSAGE_BYTES)
            break;
        if (t->tell_end)
            fill_end(t, &ends[n_ends++]);
        else if (t->tell_start)
            fill_start(t, &starts[n_starts++]);
    }
    m.u.attempt_events = (struct msg_attempt_events){
        .starts = starts, .n_starts = n_starts, .ends = ends, .n_ends = n_ends};
    (void)CQ_FP("worker.report.before_send");
    if (n == 0 || ((n_starts || n_ends) && !session_send(a, &m)))
        return false;
    (void)CQ_FP("worker.report.after_send");
    for (; n > 0; n--) {
        struct attempt *t = a->report_first;
        t->tell_start = t->tell_end = false;
        report_remove(t);
    }
    return true;
}

void report_flush(struct agent *a)
{
    a->is_report_urgent = false;
    loop_timer_cancel(a->report_timer);
    while (a->is_welcome && a->report_first && send_some(a))
        ;
    if (a->is_welcome && a->report_first) /* no room in the socket just now */
        loop_timer_set(a->report_timer, loop_now(a->loop).mono_us + RETRY_US);
}

static void on_report_due(void *arg)
{
    report_flush(arg);
}

void report_init(struct agent *a)
{
    a->report_timer = loop_timer_new(a->loop, on_report_due, a);
}

void report_turn(struct agent *a)
{
    if (a->is_report_urgent)
        report_flush(a);
}

void report_again(struct agent *a)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value)) {
        struct lease *l = value;
        for (size_t i = 0; i < l->n_attempts; i++) {
            struct attempt *t = l->attempts[i];
            t->tell_start = t->state == ATTEMPT_RUNNING;
            t->tell_end = t->state == ATTEMPT_ENDED;
            if (t->tell_start || t->tell_end)
                report_add(t, true);
        }
    }
}
