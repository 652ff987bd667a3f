/* Memory of chipqd for what waits. */
#include "bench/account.h"
#include "bench/backlog.h"
#include "common/base/sys/clock.h"

static int measure(struct bench *b, struct backlog *k, struct cq_err *err)
{
    int64_t pid = session_server_pid(k->s);
    int64_t kib = process_resident_kib(pid), begun_us = clock_mono_us();
    if (backlog_add(k, b->jobs, err) != 0)
        return -1;
    int64_t took_us = clock_mono_us() - begun_us, now_kib = process_resident_kib(pid);
    report_count(&b->report, "jobs", (int64_t)k->submitted);
    report_count(&b->report, "total_us", took_us);
    report_number(&b->report, "tasks_per_second", (double)k->submitted * 1e6 / (double)took_us);
    report_count(&b->report, "chipqd_resident_kib_before", kib);
    report_count(&b->report, "chipqd_resident_kib", now_kib);
    report_number(&b->report, "bytes_per_task",
                  (double)(now_kib - kib) * 1024 / (double)k->submitted);
    if (b->keeps)
        return 0;
    begun_us = clock_mono_us();
    if (backlog_cancel(k, err) != 0)
        return -1;
    report_count(&b->report, "cancel_us", clock_mono_us() - begun_us);
    return 0;
}

/* One page of what lives. */
static int cancel_some(struct session *s, uint64_t *numbers, size_t n, struct cq_err *err)
{
    struct job_ref refs[ACCOUNT_ROWS];
    struct msg req = {.code = MSG_JOB_ACTION}, reply = {0};
    for (size_t i = 0; i < n; i++)
        refs[i] = (struct job_ref){.number = numbers[i]};
    req.u.job_action = (struct msg_job_action){.action = 0, .jobs = refs, .n_jobs = n};
    if (session_call(s, &req, &reply, err) != 0)
        return -1;
    msg_fini(&reply);
    return 0;
}

int backlog_cancel_all(struct session *s, uint64_t *jobs, struct cq_err *err)
{
    uint64_t numbers[ACCOUNT_ROWS];
    size_t n = 0;
    int rc = account_live(s, 0, numbers, &n, err);
    while (rc == 0 && n > 0) {
        *jobs += n;
        rc = cancel_some(s, numbers, n, err);
        if (rc == 0)
            rc = account_live(s, 0, numbers, &n, err);
    }
    return rc;
}

int bench_cancel(struct bench *b, struct cq_err *err)
{
    uint64_t jobs = 0;
    int64_t begun_us = clock_mono_us();
    struct session *s = session_open(b->key_path, err);
    int rc = s ? backlog_cancel_all(s, &jobs, err) : -1;
    report_text(&b->report, "measurement", "all that waits is cancelled");
    report_count(&b->report, "jobs", (int64_t)jobs);
    report_count(&b->report, "total_us", clock_mono_us() - begun_us);
    session_close(s);
    return rc;
}

int bench_backlog(struct bench *b, struct cq_err *err)
{
    struct backlog k;
    struct session *s = session_open(b->key_path, err);
    if (s == NULL)
        return -1;
    report_text(&b->report, "measurement",
                b->is_array ? "tasks of an array that wait" : "jobs that wait");
    backlog_init(&k, b, s, "backlog", NULL);
    report_count(&b->report, "request_bytes", (int64_t)k.ticket.run.len);
    if (b->request_bytes > 0)
        report_count(&b->report, "own_bytes", (int64_t)b->own_bytes);
    int rc = measure(b, &k, err);
    backlog_fini(&k);
    session_close(s);
    return rc;
}
