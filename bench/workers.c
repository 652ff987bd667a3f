/* A pool of virtual workers: how many grants and ends a second chipqd decides, records and tells,
 * and what that costs it. Ends with every task accounted for. */
#include "bench/account.h"
#include "bench/asker.h"
#include "bench/backlog.h"
#include "bench/pool.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <time.h>

enum {
    LOOK_US = 1000,              /* how often the backlog is looked at */
    GRANT_US = 30 * 1000 * 1000, /* patience with one grant */
    END_US = 300 * 1000 * 1000,  /* with the end of what was cancelled */
    MANY = 10000,                /* waiting tasks whose memory can be seen */
    GAPS_MAX = 1 << 20
};

struct run {
    struct bench *b;
    struct session *user, *admin;
    struct pool pool;
    struct asker *asker;
    struct backlog backlog;
    int64_t pid; /* of chipqd */
};

static void pause_us(int64_t us)
{
    const struct timespec t = {us / 1000000, (us % 1000000) * 1000};
    (void)nanosleep(&t, NULL);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return *counter;
}

/* ---- the pool ---- */

/* Beside other workers, jobs must name ours. */
static int look_for_others(struct run *r, bool *others, struct cq_err *err)
{
    struct msg req = {.code = MSG_STATUS_QUERY}, reply = {0};
    if (session_call(r->admin, &req, &reply, err) != 0)
        return -1;
    *others = reply.u.status.workers_up > 0;
    msg_fini(&reply);
    return 0;
}

static int open_sessions(struct run *r, struct cq_err *err)
{
    bool others = false;
    char *admin CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/admin.key", r->b->dir);
    pool_init(&r->pool);
    r->user = session_open(r->b->key_path, err);
    r->admin = r->user ? session_open(admin, err) : NULL;
    if (r->admin == NULL || look_for_others(r, &others, err) != 0)
        return -1;
    r->pid = session_server_pid(r->user);
    backlog_init(&r->backlog, r->b, r->user, r->pool.name, others ? r->pool.feature : NULL);
    return 0;
}

static int bring_up(struct run *r, struct cq_err *err)
{
    int64_t kib = process_resident_kib(r->pid);
    if (pool_start(&r->pool, r->b, r->admin, err) != 0)
        return -1;
    int64_t now_kib = process_resident_kib(r->pid);
    report_count(&r->b->report, "chipqd_resident_kib_before", kib);
    report_count(&r->b->report, "chipqd_resident_kib_connected", now_kib);
    report_number(&r->b->report, "bytes_per_worker",
                  (double)(now_kib - kib) * 1024 / (double)r->b->count);
    return 0;
}

/* ---- from submit to grant, one at a time ---- */

static int wait_for_end(const struct run *r, uint64_t accepted, struct cq_err *err)
{
    const struct fleet_counts *c = fleet_counts(r->pool.fleet);
    int64_t until_us = clock_mono_us() + GRANT_US;
    while (get(&c->accepted) < accepted) {
        pause_us(LOOK_US / 10);
        if (clock_mono_us() >= until_us)
            return cq_fail(err, CQ_E_TIMEOUT, "a job did not end on an idle pool");
    }
    return 0;
}

static int measure_latency(struct run *r, struct cq_err *err)
{
    size_t n = (size_t)r->b->samples;
    const struct fleet_counts *c = fleet_counts(r->pool.fleet);
    int64_t *us CQ_CLEANUP(cq_free_ptr) = cq_calloc(n + 1, sizeof *us);
    for (size_t i = 0; i < n; i++) {
        uint64_t before = get(&c->accepted);
        int64_t begun_us = clock_mono_us();
        if (backlog_add_one(&r->backlog, err) != 0 || wait_for_end(r, before + 1, err) != 0)
            return -1;
        us[i] = c->granted_us - begun_us;
    }
    if (n > 0)
        report_spread(&r->b->report, "submit_to_grant", us, n);
    return 0;
}

/* ---- the drain ---- */

struct window {
    int64_t us, cpu_us, own_cpu_us;
    uint64_t ends;
    struct asker_counts asked;
};

static uint64_t waiting(const struct run *r)
{
    uint64_t granted = get(&fleet_counts(r->pool.fleet)->granted);
    return r->backlog.submitted > granted ? r->backlog.submitted - granted : 0;
}

/* So that as many wait as were asked for. */
static int feed(struct run *r, struct cq_err *err)
{
    uint64_t want = r->b->pending, batch = r->b->is_array ? want / 2 + 1 : BACKLOG_BATCH;
    uint64_t missing = want > waiting(r) ? want - waiting(r) : 0;
    if (missing >= batch)
        return backlog_add(&r->backlog, missing - missing % batch, err);
    pause_us(LOOK_US);
    return 0;
}

static struct window look(struct run *r)
{
    return (struct window){.us = clock_mono_us(),
                           .cpu_us = process_cpu_us(r->pid),
                           .own_cpu_us = clock_cpu_ns() / 1000 + fleet_cpu_us(r->pool.fleet),
                           .ends = get(&fleet_counts(r->pool.fleet)->accepted),
                           .asked = asker_counts(r->asker)};
}

/* Adds what happened in the next so many microseconds. */
static int add_window(struct run *r, int64_t us, struct window *sum, struct cq_err *err)
{
    struct window a = look(r);
    while (clock_mono_us() < a.us + us)
        if (feed(r, err) != 0)
            return -1;
    struct window z = look(r);
    sum->us += z.us - a.us;
    sum->cpu_us += z.cpu_us - a.cpu_us;
    sum->own_cpu_us += z.own_cpu_us - a.own_cpu_us;
    sum->ends += z.ends - a.ends;
    sum->asked.answered += z.asked.answered - a.asked.answered;
    sum->asked.took_us += z.asked.took_us - a.asked.took_us;
    return 0;
}

static double rate(const struct window *w)
{
    return (double)w->ends * 1e6 / (double)w->us;
}

static double each(int64_t us, uint64_t n)
{
    return n ? (double)us / (double)n : 0;
}

static void report_drain(struct run *r, const struct window *w)
{
    struct report *to = &r->b->report;
    int64_t *gaps CQ_CLEANUP(cq_free_ptr) = cq_calloc(GAPS_MAX, sizeof *gaps);
    size_t n = fleet_take_gaps(r->pool.fleet, gaps, GAPS_MAX);
    report_count(to, "ends", (int64_t)w->ends);
    report_number(to, "pairs_per_second", rate(w));
    report_number(to, "chipqd_cpu_us_per_pair", each(w->cpu_us, w->ends));
    report_number(to, "own_cpu_us_per_pair", each(w->own_cpu_us, w->ends));
    report_number(to, "chipqd_cpu_share", each(w->cpu_us, (uint64_t)w->us));
    if (n > 0)
        report_spread(to, "end_to_grant", gaps, n);
}

static void report_asked(struct run *r, const struct window *quiet, const struct window *asked)
{
    struct report *to = &r->b->report;
    report_number(to, "pairs_per_second_asked", rate(asked));
    report_number(to, "asked_ratio", rate(quiet) > 0 ? rate(asked) / rate(quiet) : 0);
    report_number(to, "chipqd_cpu_us_per_pair_asked", each(asked->cpu_us, asked->ends));
    report_number(to, "answers_per_second",
                  (double)asked->asked.answered * 1e6 / (double)asked->us);
    report_number(to, "answer_us_mean", each(asked->asked.took_us, asked->asked.answered));
}

/* Quiet and asked in turn, so that what drifts hits both. */
static int measure_drain(struct run *r, struct cq_err *err)
{
    struct window warm = {0}, sum[2] = {{0}, {0}};
    size_t n = r->asker ? 6 : 1;
    int64_t us = (int64_t)r->b->duration_s * US_PER_S;
    if (add_window(r, us / 4 < US_PER_S ? us / 4 : US_PER_S, &warm, err) != 0)
        return -1;
    (void)fleet_take_gaps(r->pool.fleet, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        asker_ask_about(r->asker, i % 2 ? r->backlog.last : 0);
        if (add_window(r, us / (int64_t)n, &sum[i % 2], err) != 0)
            return -1;
    }
    asker_ask_about(r->asker, 0);
    report_drain(r, &sum[0]);
    if (r->asker)
        report_asked(r, &sum[0], &sum[1]);
    return 0;
}

/* Attempts do not end while the queue is filled. */
static int fill(struct run *r, struct cq_err *err)
{
    fleet_set_run_us(r->pool.fleet, (int64_t)r->b->run_ms * 1000);
    fleet_hold(r->pool.fleet, true);
    int64_t kib = process_resident_kib(r->pid), begun_us = clock_mono_us();
    if (backlog_add(&r->backlog, r->b->pending + r->b->count * r->b->cores, err) != 0)
        return -1;
    int64_t now_kib = process_resident_kib(r->pid);
    report_count(&r->b->report, "fill_us", clock_mono_us() - begun_us);
    report_count(&r->b->report, "chipqd_resident_kib_full", now_kib);
    if (r->b->pending >= MANY)
        report_number(&r->b->report, "bytes_per_waiting_task",
                      (double)(now_kib - kib) * 1024 / (double)r->b->pending);
    fleet_hold(r->pool.fleet, false);
    return 0;
}

/* ---- the end ---- */

static int wait_until_over(struct run *r, struct cq_err *err)
{
    uint64_t numbers[ACCOUNT_ROWS];
    size_t n = 1;
    for (int64_t until_us = clock_mono_us() + END_US; n > 0;) {
        if (account_live(r->user, r->backlog.first, numbers, &n, err) != 0)
            return -1;
        if (n > 0 && clock_mono_us() >= until_us)
            return cq_fail(err, CQ_E_TIMEOUT, "%zu jobs do not end, the first is %llu", n,
                           (unsigned long long)numbers[n - 1]);
        if (n > 0)
            pause_us(LOOK_US * 10);
    }
    return 0;
}

static int wait_for_acks(const struct run *r, uint64_t passed, struct cq_err *err)
{
    const struct fleet_counts *c = fleet_counts(r->pool.fleet);
    int64_t until_us = clock_mono_us() + GRANT_US;
    while (get(&c->passed) < passed && clock_mono_us() < until_us)
        pause_us(LOOK_US);
    if (get(&c->passed) == passed)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "chipqd counts %llu passes, its workers were told of %llu",
                   (unsigned long long)passed, (unsigned long long)get(&c->passed));
}

/* Every task is accounted for, and none was started twice or on cores that were in use. */
static int check(struct run *r, const struct account *a, struct cq_err *err)
{
    const struct fleet_counts *c = fleet_counts(r->pool.fleet);
    char why[256];
    fleet_last_error(r->pool.fleet, why, sizeof why);
    if (a->tasks != r->backlog.submitted || a->passed + a->killed != a->tasks)
        return cq_fail(err, CQ_E_INTERNAL,
                       "%llu tasks were queued, chipqd knows %llu: %llu passed, %llu cancelled",
                       (unsigned long long)r->backlog.submitted, (unsigned long long)a->tasks,
                       (unsigned long long)a->passed, (unsigned long long)a->killed);
    if (get(&c->twice) || get(&c->overlaps) || get(&c->stale) || get(&c->errors))
        return cq_fail(err, CQ_E_INTERNAL,
                       "%llu attempts were granted twice, %llu grants took cores in use, %llu ends "
                       "were stale, %llu errors %s",
                       (unsigned long long)get(&c->twice), (unsigned long long)get(&c->overlaps),
                       (unsigned long long)get(&c->stale), (unsigned long long)get(&c->errors),
                       why);
    return wait_for_acks(r, a->passed, err);
}

static int settle(struct run *r, struct cq_err *err)
{
    struct account sum;
    int64_t begun_us = clock_mono_us();
    if (backlog_cancel(&r->backlog, err) != 0)
        return -1;
    report_count(&r->b->report, "cancel_us", clock_mono_us() - begun_us);
    if (wait_until_over(r, err) != 0
        || account_sum(r->user, r->backlog.first, r->backlog.last, r->pool.name, &sum, err) != 0
        || check(r, &sum, err) != 0)
        return -1;
    report_count(&r->b->report, "tasks", (int64_t)sum.tasks);
    report_count(&r->b->report, "passed", (int64_t)sum.passed);
    report_count(&r->b->report, "cancelled", (int64_t)sum.killed);
    report_count(&r->b->report, "chipqd_resident_kib_after", process_resident_kib(r->pid));
    return 0;
}

static int measure(struct run *r, struct cq_err *err)
{
    if (open_sessions(r, err) != 0 || bring_up(r, err) != 0 || measure_latency(r, err) != 0)
        return -1;
    if (r->b->queries > 0 && (r->asker = asker_start(r->b->key_path, r->b->queries, err)) == NULL)
        return -1;
    if (fill(r, err) != 0 || measure_drain(r, err) != 0)
        return -1;
    return settle(r, err);
}

static int tear_down(struct run *r, struct cq_err *err)
{
    int rc = asker_stop(r->asker, err);
    if (pool_stop(&r->pool, r->b, r->admin, err) != 0)
        rc = -1;
    backlog_fini(&r->backlog);
    session_close(r->admin);
    session_close(r->user);
    return rc;
}

int bench_workers(struct bench *b, struct cq_err *err)
{
    struct run r = {.b = b};
    struct cq_err late = {0};
    if (b->numa > b->cores)
        return cq_fail(err, CQ_E_INVALID, "--numa %llu: a worker has only %llu cores",
                       (unsigned long long)b->numa, (unsigned long long)b->cores);
    report_text(&b->report, "measurement",
                b->is_array ? "virtual workers, arrays" : "virtual workers, separate jobs");
    report_count(&b->report, "workers", (int64_t)b->count);
    report_count(&b->report, "cores", (int64_t)b->cores);
    report_count(&b->report, "run_ms", (int64_t)b->run_ms);
    report_count(&b->report, "waiting", (int64_t)b->pending);
    int rc = measure(&r, err);
    if (tear_down(&r, &late) == 0 || rc != 0)
        return rc;
    *err = late;
    return -1;
}
