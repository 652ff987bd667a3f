/* Starts and ends of virtual attempts on their way to chipqd, in the batches of
 * worker/agent/report.c. */
#include "bench/virtual_worker.h"

enum { REPORT_US = 10 * 1000, RETRY_US = 20 * 1000, REPORT_COUNT = 64, MESSAGE_EVENTS = 256 };

void vworker_list(struct vattempt *t, bool is_urgent)
{
    struct vworker *w = t->lease->worker;
    if (!t->is_listed) {
        t->is_listed = true;
        t->next_report = NULL;
        *w->report_last = t;
        w->report_last = &t->next_report;
        w->n_report++;
    }
    w->is_urgent |= is_urgent || w->n_report >= REPORT_COUNT;
    if (w->is_urgent)
        vworker_touch(w);
    else if (w->report.index == HEAP_NOWHERE)
        crew_set_timer(w->crew, &w->report, crew_state(w->crew)->now_us + REPORT_US);
}

static struct attempt_end end_of(const struct vattempt *t)
{
    bool has_run = t->start_us != 0;
    return (struct attempt_end){.lease = t->lease->id,
                                .epoch = t->lease->epoch,
                                .job = t->job,
                                .task = t->task,
                                .attempt = t->attempt,
                                .verdict = t->verdict,
                                .exit_code = t->verdict == VERDICT_OF_PASS ? 0 : -1,
                                .limit = "",
                                .start_us = t->start_us,
                                .end_us = t->end_us,
                                .run_us = (uint64_t)t->run_us,
                                .cpu_user_us = has_run ? 600 : 0,
                                .peak_mem_kib = has_run ? 1700 : 0,
                                .max_rss_kib = has_run ? 1700 : 0,
                                .switches = has_run ? 1 : 0,
                                .summary = "",
                                .signature = "",
                                .result = "",
                                .cause = t->verdict == VERDICT_OF_PASS ? "" : "cancelled"};
}

static struct attempt_start start_of(const struct vattempt *t)
{
    return (struct attempt_start){.lease = t->lease->id,
                                  .epoch = t->lease->epoch,
                                  .job = t->job,
                                  .task = t->task,
                                  .attempt = t->attempt,
                                  .start_us = t->start_us};
}

static bool send_some(struct vworker *w)
{
    static struct attempt_start starts[MESSAGE_EVENTS];
    static struct attempt_end ends[MESSAGE_EVENTS];
    struct msg m = {.code = MSG_ATTEMPT_EVENTS};
    size_t n_starts = 0, n_ends = 0, n = 0;
    for (struct vattempt *t = w->report_first; t && n < MESSAGE_EVENTS; t = t->next_report, n++) {
        if (t->state == VATTEMPT_ENDED)
            ends[n_ends++] = end_of(t);
        else
            starts[n_starts++] = start_of(t);
    }
    m.u.attempt_events = (struct msg_attempt_events){
        .starts = starts, .n_starts = n_starts, .ends = ends, .n_ends = n_ends};
    if (n == 0 || !vworker_send(w, &m))
        return false;
    for (; n > 0; n--) {
        struct vattempt *t = w->report_first;
        w->report_first = t->next_report;
        t->is_listed = false;
        w->n_report--;
    }
    if (w->report_first == NULL)
        w->report_last = &w->report_first;
    return true;
}

void vworker_flush(struct vworker *w)
{
    w->is_urgent = false;
    crew_set_timer(w->crew, &w->report, INT64_MAX);
    while (w->is_welcome && w->report_first && send_some(w))
        ;
    if (w->is_welcome && w->report_first) /* no room in the socket just now */
        crew_set_timer(w->crew, &w->report, crew_state(w->crew)->now_us + RETRY_US);
}
