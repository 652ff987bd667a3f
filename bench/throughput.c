/* Jobs per second, from the first submit to the last recorded end, beside the machine's own limit.
 */
#include "bench/account.h"
#include "bench/bench.h"
#include "bench/raw.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

struct submits {
    struct ticket ticket;
    uint64_t *numbers;
};

static void make_submit(void *arg, CQ_UNUSED size_t i, struct msg *req)
{
    ticket_ask(&((struct submits *)arg)->ticket, req);
}

static void take_number(void *arg, size_t i, const struct msg *reply)
{
    struct submits *s = arg;
    if (reply->code == MSG_ACCEPTED && reply->u.accepted.n_numbers == 1)
        s->numbers[i] = reply->u.accepted.numbers[0];
}

/* Watching the last job costs the scheduler one event; what outlived it is asked for afterwards. */
static int wait_for_all(struct session *s, const uint64_t *numbers, size_t n, struct cq_err *err)
{
    uint64_t left[ACCOUNT_ROWS], first = numbers[0];
    size_t n_left = 1;
    left[0] = numbers[n - 1];
    for (size_t i = 0; i < n; i++)
        if (numbers[i] < first)
            first = numbers[i];
    while (n_left > 0)
        if (session_wait(s, left, n_left, err) != 0
            || account_live(s, first, left, &n_left, err) != 0)
            return -1;
    return 0;
}

static int submit_all(struct bench *b, struct session *s, struct submits *w, size_t n,
                      struct cq_err *err)
{
    char tasks[32];
    snprintf(tasks, sizeof tasks, "1-%llu", (unsigned long long)b->jobs);
    if (b->is_array)
        w->ticket.job.array = tasks;
    struct session_pipeline p = {
        .n = n, .window = b->window, .make = make_submit, .take = take_number, .arg = w};
    return session_run(s, &p, err);
}

static int measure(struct bench *b, struct session *s, struct submits *w, size_t n,
                   struct cq_err *err)
{
    int64_t cpu_us = process_cpu_us(session_server_pid(s));
    int64_t begun_us = clock_mono_us();
    if (submit_all(b, s, w, n, err) != 0)
        return -1;
    int64_t acked_us = clock_mono_us() - begun_us;
    if (wait_for_all(s, w->numbers, n, err) != 0)
        return -1;
    int64_t took_us = clock_mono_us() - begun_us;
    cpu_us = process_cpu_us(session_server_pid(s)) - cpu_us;
    struct account sum;
    uint64_t first = w->numbers[0], last = w->numbers[0];
    for (size_t i = 0; i < n; i++) {
        first = w->numbers[i] < first ? w->numbers[i] : first;
        last = w->numbers[i] > last ? w->numbers[i] : last;
    }
    if (account_sum(s, first, last, NULL, &sum, err) != 0)
        return -1;
    if (sum.passed != b->jobs)
        return cq_fail(err, CQ_E_INTERNAL, "only %llu of %llu passed",
                       (unsigned long long)sum.passed, (unsigned long long)b->jobs);
    double per_second = (double)b->jobs * 1e6 / (double)took_us;
    report_count(&b->report, "submit_us", acked_us);
    report_count(&b->report, "total_us", took_us);
    report_number(&b->report, "chipqd_cpu_us_per_job", (double)cpu_us / (double)b->jobs);
    report_number(&b->report, "jobs_per_second", per_second);
    if (b->no_raw)
        return 0;
    double raw = 0;
    if (raw_measure(b->command, b->jobs, &raw, err) != 0)
        return -1;
    report_number(&b->report, "raw_per_second", raw);
    report_number(&b->report, "ratio", per_second / raw);
    return 0;
}

int bench_throughput(struct bench *b, struct cq_err *err)
{
    size_t n = b->is_array ? 1 : (size_t)b->jobs;
    struct session *s = session_open(b->key_path, err);
    if (s == NULL)
        return -1;
    struct submits w = {.numbers = cq_calloc(n, sizeof(uint64_t))};
    ticket_init(&w.ticket, b, NULL);
    report_text(&b->report, "measurement",
                b->is_array ? "throughput, one array" : "throughput, separate jobs");
    report_text(&b->report, "command", b->command);
    report_count(&b->report, "jobs", (int64_t)b->jobs);
    int rc = measure(b, s, &w, n, err);
    ticket_fini(&w.ticket);
    free(w.numbers);
    session_close(s);
    return rc;
}
