/* Acknowledged submits per second over one connection: held jobs, so that nothing else is measured.
 */
#include "bench/bench.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#define CANCEL_BATCH 1000

struct flood {
    struct ticket ticket;
    uint64_t *numbers;
    size_t n;
};

static void make_submit(void *arg, CQ_UNUSED size_t i, struct msg *req)
{
    ticket_ask(&((struct flood *)arg)->ticket, req);
}

static void take_number(void *arg, CQ_UNUSED size_t i, const struct msg *reply)
{
    struct flood *f = arg;
    if (reply->code == MSG_ACCEPTED && reply->u.accepted.n_numbers == 1)
        f->numbers[f->n++] = reply->u.accepted.numbers[0];
}

static int cancel_all(struct session *s, const struct flood *f, struct cq_err *err)
{
    struct job_ref refs[CANCEL_BATCH];
    for (size_t done = 0; done < f->n;) {
        size_t n = f->n - done < CANCEL_BATCH ? f->n - done : CANCEL_BATCH;
        struct msg req = {.code = MSG_JOB_ACTION}, reply = {0};
        for (size_t i = 0; i < n; i++)
            refs[i] = (struct job_ref){.number = f->numbers[done + i]};
        req.u.job_action = (struct msg_job_action){.action = 0, .jobs = refs, .n_jobs = n};
        if (session_call(s, &req, &reply, err) != 0)
            return -1;
        msg_fini(&reply);
        done += n;
    }
    return 0;
}

static int measure(struct bench *b, struct session *s, struct flood *f, struct cq_err *err)
{
    struct session_pipeline p = {.n = (size_t)b->jobs,
                                 .window = b->window,
                                 .make = make_submit,
                                 .take = take_number,
                                 .arg = f};
    int64_t begun_us = clock_mono_us();
    if (session_run(s, &p, err) != 0)
        return -1;
    int64_t took_us = clock_mono_us() - begun_us;
    if (f->n != b->jobs)
        return cq_fail(err, CQ_E_INTERNAL, "%zu of %llu submits were acknowledged", f->n,
                       (unsigned long long)b->jobs);
    report_count(&b->report, "total_us", took_us);
    report_number(&b->report, "submits_per_second", (double)b->jobs * 1e6 / (double)took_us);
    return cancel_all(s, f, err);
}

int bench_submit(struct bench *b, struct cq_err *err)
{
    struct session *s = session_open(b->key_path, err);
    if (s == NULL)
        return -1;
    struct flood f = {.numbers = cq_calloc((size_t)b->jobs, sizeof(uint64_t))};
    ticket_init(&f.ticket, b, NULL);
    f.ticket.job.hold = true;
    report_text(&b->report, "measurement", "submits over one connection, held jobs");
    report_count(&b->report, "jobs", (int64_t)b->jobs);
    report_count(&b->report, "window", (int64_t)b->window);
    int rc = measure(b, s, &f, err);
    ticket_fini(&f.ticket);
    free(f.numbers);
    session_close(s);
    return rc;
}
