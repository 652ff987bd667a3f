/* Fills a core with waiting tasks, keeps a pool full and counts what a decision costs. */
#include "scheduler/sim/policy_bench.h"

#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>

#include "common/base/pure/map.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "scheduler/sim/farm.h"

enum { RUN_S = 60, LIMIT_S = 600, ARRAY_MAX = 100000, SUBMIT_JOBS_MAX = 1000, WARM_UP = 4 };

struct bucket { /* one user's tasks with one request */
    size_t leaf;
    uint64_t mem_mib, level, waiting;
};

struct waiting_job {
    struct bucket *bucket;
    uint64_t left; /* tasks that did not end */
};

struct leaf {
    struct principal_id who;
    struct enterprise_id enterprise;
    char project[16];
};

struct bench { /* one point of a curve */
    struct policy_bench ask;
    struct farm farm;
    struct leaf *leaves;
    size_t n_leaves;
    struct bucket *buckets;
    struct map jobs; /* id in the core -> struct waiting_job */
    char *request;
    struct farm_grant *running; /* a ring, oldest first */
    size_t first, n_running, cap;
    uint64_t bytes; /* of what waits */
    uint64_t n_decisions;
    int64_t cpu_ns;
};

static uint64_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* ---- who ---- */

static int add_leaf(struct bench *b, const char *enterprise, uint64_t project, uint64_t user,
                    struct cq_err *err)
{
    char name[48];
    struct principal_view v;
    struct leaf *l = &b->leaves[b->n_leaves++];
    (void)snprintf(l->project, sizeof l->project, "p%" PRIu64, project);
    (void)snprintf(name, sizeof name, "p%" PRIu64 ".u%" PRIu64, project, user);
    if (farm_add_user(&b->farm, enterprise, name, &l->who, err) != 0)
        return -1;
    (void)core_view_principal(b->farm.core, l->who, &v);
    l->enterprise = v.enterprise;
    return 0;
}

static int add_people(struct bench *b, struct cq_err *err)
{
    const struct policy_bench *ask = &b->ask;
    b->leaves = cq_calloc(ask->enterprises * ask->projects * ask->users, sizeof *b->leaves);
    for (uint64_t e = 0; e < ask->enterprises; e++) {
        char name[24];
        (void)snprintf(name, sizeof name, "e%03" PRIu64, e);
        if (farm_add_enterprise(&b->farm, name, err) != 0)
            return -1;
        for (uint64_t i = 0; i < ask->projects * ask->users; i++)
            if (add_leaf(b, name, i / ask->users, i % ask->users, err) != 0)
                return -1;
    }
    return farm_add_node(&b->farm, "n1", ask->slots, ask->slots * 1024, "", err);
}

/* Spread over the leaves; requests differ in their memory, and those of one leaf all do. */
static void make_buckets(struct bench *b)
{
    uint64_t n = b->ask.buckets;
    b->buckets = cq_calloc(n, sizeof *b->buckets);
    for (uint64_t i = 0; i < n; i++) {
        b->buckets[i].leaf = n <= b->n_leaves ? i * b->n_leaves / n : i % b->n_leaves;
        b->buckets[i].mem_mib = 1 + i / b->n_leaves * b->ask.requests + i % b->ask.requests;
        b->buckets[i].level = b->ask.tasks / n + (i < b->ask.tasks % n);
    }
}

/* ---- what waits ---- */

static void note_jobs(struct bench *b, struct bucket *k, uint64_t n_jobs, uint64_t n_tasks)
{
    struct enterprise_id home = b->leaves[k->leaf].enterprise;
    for (uint64_t i = 0; i < n_jobs; i++) {
        struct waiting_job *job = CQ_NEW(struct waiting_job);
        *job = (struct waiting_job){.bucket = k, .left = n_tasks};
        map_put(&b->jobs, core_find_job(b->farm.core, home, b->farm.number + i).v, job);
    }
    k->waiting += n_jobs * n_tasks;
}

/* One submit of `n` tasks: an array, or separate jobs. */
static int submit(struct bench *b, struct bucket *k, uint64_t n, struct cq_err *err)
{
    static struct in_job jobs[SUBMIT_JOBS_MAX];
    char array[32] = "";
    uint64_t n_jobs = b->ask.singles ? n : 1;
    if (!b->ask.singles)
        (void)snprintf(array, sizeof array, "1-%" PRIu64, n);
    for (uint64_t i = 0; i < n_jobs; i++)
        jobs[i] = (struct in_job){.name = "",
                                  .tool = "",
                                  .stage_of = "",
                                  .array = array,
                                  .topo = "",
                                  .node_has = "",
                                  .licences = "",
                                  .cores = 1,
                                  .mem_mib = k->mem_mib,
                                  .time_us = LIMIT_S * (uint64_t)US_PER_S,
                                  .run = b->request,
                                  .run_bytes = b->ask.request_bytes};
    const struct leaf *l = &b->leaves[k->leaf];
    if (farm_submit(&b->farm, l->who, l->project, jobs, n_jobs, err) != 0)
        return -1;
    if (b->farm.number == 0)
        return cq_fail(err, b->farm.code, "a submit is refused: %s", b->farm.text);
    note_jobs(b, k, n_jobs, b->ask.singles ? 1 : n);
    return 0;
}

static int fill_bucket(struct bench *b, struct bucket *k, struct cq_err *err)
{
    uint64_t most = b->ask.singles ? SUBMIT_JOBS_MAX : ARRAY_MAX;
    while (k->waiting < k->level) {
        uint64_t n = k->level - k->waiting;
        if (submit(b, k, n < most ? n : most, err) != 0)
            return -1;
    }
    return 0;
}

/* Everything waits before anything runs; the books of the jobs are not counted as the core's. */
static int fill_all(struct bench *b, struct cq_err *err)
{
    uint64_t before = heap_bytes();
    for (uint64_t i = 0; i < b->ask.buckets; i++)
        if (fill_bucket(b, &b->buckets[i], err) != 0)
            return -1;
    uint64_t ours = b->jobs.n * (sizeof(struct waiting_job) + 16) + b->jobs.cap * 16;
    uint64_t grown = heap_bytes() - before;
    b->bytes = grown > ours ? grown - ours : 0;
    return 0;
}

/* ---- what runs ---- */

static void take_grants(struct bench *b)
{
    for (size_t i = 0; i < b->farm.grants.n; i++) {
        const struct waiting_job *job = map_find(&b->jobs, b->farm.grants.items[i].at.job);
        job->bucket->waiting--;
        b->running[(b->first + b->n_running++) % b->cap] = b->farm.grants.items[i];
    }
}

/* Tells the starts of what was just granted. */
static int report_starts(struct bench *b, struct cq_err *err)
{
    size_t n = b->farm.grants.n;
    if (n == 0)
        return 0;
    struct principal_id worker = b->farm.grants.items[0].worker;
    struct in_attempt_start *starts = cq_calloc(n, sizeof *starts);
    for (size_t i = 0; i < n; i++)
        starts[i] = (struct in_attempt_start){.at = b->farm.grants.items[i].at,
                                              .start_us = b->farm.now.wall_us};
    b->farm.grants.n = b->farm.kills.n = b->farm.n_closed = 0;
    int rc = farm_report_starts(&b->farm, worker, starts, n, err);
    free(starts);
    return rc;
}

/* The core's part of a turn in which `n` tasks end: this is what is measured. */
static int turn(struct bench *b, const struct in_attempt_end *ends, size_t n, struct cq_err *err)
{
    struct principal_id worker = b->running[b->first].worker;
    int64_t begin_ns = clock_cpu_ns();
    if (farm_report_ends(&b->farm, worker, ends, n, err) != 0)
        return -1;
    farm_plan(&b->farm);
    b->cpu_ns += clock_cpu_ns() - begin_ns;
    b->n_decisions += b->farm.grants.n;
    b->first = (b->first + n) % b->cap;
    b->n_running -= n;
    take_grants(b);
    begin_ns = clock_cpu_ns();
    int rc = report_starts(b, err);
    b->cpu_ns += clock_cpu_ns() - begin_ns;
    return rc;
}

static void forget_ended(struct bench *b, const struct in_attempt_end *ends, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct waiting_job *job = map_find(&b->jobs, ends[i].at.job);
        if (--job->left > 0)
            continue;
        free(map_remove(&b->jobs, ends[i].at.job));
        farm_forget(&b->farm, (struct job_id){ends[i].at.job});
    }
}

/* Buckets that are half empty are filled again, outside of the measured time. */
static int refill(struct bench *b, struct cq_err *err)
{
    for (uint64_t i = 0; i < b->ask.buckets; i++) {
        struct bucket *k = &b->buckets[i];
        if (k->waiting * 2 <= k->level && k->waiting < k->level && fill_bucket(b, k, err) != 0)
            return -1;
    }
    return 0;
}

static int run_turns(struct bench *b, struct cq_err *err)
{
    struct in_attempt_end *ends = cq_calloc(b->ask.batch, sizeof *ends);
    int64_t step_us = (int64_t)(RUN_S * (uint64_t)US_PER_S * b->ask.batch / b->ask.slots);
    int rc = 0;
    while (rc == 0 && b->n_decisions < b->ask.decisions) {
        size_t n = b->n_running < b->ask.batch ? b->n_running : b->ask.batch;
        rc = farm_advance(&b->farm, b->farm.now.mono_us + step_us, err);
        if (rc == 0 && n == 0)
            rc = cq_fail(err, CQ_E_INTERNAL, "the core starts nothing, and tasks wait");
        for (size_t i = 0; i < n; i++)
            ends[i] = farm_end(&b->farm, &b->running[(b->first + i) % b->cap].at, VERDICT_PASS,
                               RUN_S * US_PER_S);
        rc = rc ? rc : turn(b, ends, n, err);
        if (rc == 0)
            forget_ended(b, ends, n);
        rc = rc ? rc : refill(b, err);
    }
    free(ends);
    return rc;
}

/* ---- one point ---- */

static void bench_init(struct bench *b, const struct policy_bench *ask)
{
    const struct core_config config = {.ahead_us = 1};
    *b = (struct bench){.ask = *ask, .cap = ask->slots + ask->batch};
    if (b->ask.buckets > b->ask.tasks)
        b->ask.buckets = b->ask.tasks;
    b->request = cq_calloc(ask->request_bytes + 1, 1);
    memset(b->request, 'x', ask->request_bytes);
    b->running = cq_calloc(b->cap, sizeof *b->running);
    farm_init(&b->farm, &config);
}

static void bench_fini(struct bench *b)
{
    void *job;
    for (size_t i = 0; map_next(&b->jobs, &i, &job);)
        free(job);
    map_fini(&b->jobs);
    farm_fini(&b->farm);
    free(b->leaves);
    free(b->buckets);
    free(b->request);
    free(b->running);
}

static int measure(struct bench *b, const struct policy_bench *ask, struct cq_err *err)
{
    bench_init(b, ask);
    if (add_people(b, err) != 0)
        return -1;
    make_buckets(b);
    if (fill_all(b, err) != 0)
        return -1;
    farm_plan(&b->farm);
    take_grants(b);
    if (report_starts(b, err) != 0 || refill(b, err) != 0)
        return -1;
    uint64_t wanted = b->ask.decisions;
    b->ask.decisions = b->ask.slots * WARM_UP < wanted ? b->ask.slots * WARM_UP : wanted;
    if (run_turns(b, err) != 0)
        return -1;
    b->ask.decisions = wanted;
    b->n_decisions = 0;
    b->cpu_ns = 0;
    return run_turns(b, err);
}

/* ---- output ---- */

static int point(const struct policy_bench *ask, json_t *list, struct cq_err *err)
{
    struct bench b;
    if (measure(&b, ask, err) != 0) {
        bench_fini(&b);
        return -1;
    }
    double per_s = b.cpu_ns ? (double)b.n_decisions * 1e9 / (double)b.cpu_ns : 0;
    double us = (double)b.cpu_ns / 1e3 / (double)b.n_decisions;
    double bytes = (double)b.bytes / (double)b.ask.tasks;
    json_array_append_new(
        list,
        json_pack("{s:I, s:I, s:I, s:I, s:b, s:f, s:f, s:f}", "tasks", (json_int_t)b.ask.tasks,
                  "enterprises", (json_int_t)b.ask.enterprises, "buckets",
                  (json_int_t)b.ask.buckets, "requests", (json_int_t)b.ask.requests, "singles",
                  b.ask.singles, "decisions_per_second", per_s, "microseconds_per_decision", us,
                  "bytes_per_task", bytes));
    if (!ask->as_json) {
        printf("%10" PRIu64 " %6s %12" PRIu64 " %9" PRIu64 " %9" PRIu64 " %14.0f %10.3f %12.1f\n",
               b.ask.tasks, b.ask.singles ? "jobs" : "tasks", b.ask.enterprises, b.ask.buckets,
               b.ask.requests, per_s, us, bytes);
        (void)fflush(stdout);
    }
    bench_fini(&b);
    return 0;
}

static int curve_of_tasks(const struct policy_bench *ask, json_t *list, struct cq_err *err)
{
    struct policy_bench b = *ask;
    for (b.tasks = 1000; b.tasks < ask->tasks; b.tasks *= 10)
        if (point(&b, list, err) != 0)
            return -1;
    b.tasks = ask->tasks;
    return point(&b, list, err);
}

/* Fewer of one of its numbers, `dimension`: a hundredth and a tenth, as far as there are. */
static int curve_of(uint64_t *dimension, struct policy_bench *b, json_t *list, struct cq_err *err)
{
    uint64_t whole = *dimension;
    for (uint64_t part = 100; part > 1; part /= 10) {
        *dimension = whole / part;
        if (*dimension > 0 && point(b, list, err) != 0)
            return -1;
    }
    *dimension = whole;
    return 0;
}

/* Ten, a hundred, ... requests that differ, as many as there are buckets at most. */
static int curve_of_requests(const struct policy_bench *ask, json_t *list, struct cq_err *err)
{
    struct policy_bench b = *ask;
    for (b.requests = 10; b.requests <= ask->buckets; b.requests *= 10)
        if (point(&b, list, err) != 0)
            return -1;
    return 0;
}

static int all_curves(const struct policy_bench *ask, json_t *list, struct cq_err *err)
{
    struct policy_bench b = *ask;
    if (curve_of_tasks(ask, list, err) != 0 || curve_of(&b.enterprises, &b, list, err) != 0
        || curve_of(&b.buckets, &b, list, err) != 0
        || (ask->requests == 1 && curve_of_requests(ask, list, err) != 0))
        return -1;
    if (ask->singles)
        return 0;
    b.singles = true;
    b.tasks = ask->tasks < 100000 ? ask->tasks : 100000;
    return point(&b, list, err);
}

int policy_bench_run(const struct policy_bench *b, struct cq_err *err)
{
    json_t *list = json_array();
    if (!b->as_json)
        printf("%10s %6s %12s %9s %9s %14s %10s %12s\n", "waiting", "", "enterprises", "buckets",
               "requests", "decisions/s", "us each", "bytes each");
    int rc = all_curves(b, list, err);
    json_t *all = json_pack("{s:o, s:I, s:I}", "points", list, "slots", (json_int_t)b->slots,
                            "request_bytes", (json_int_t)b->request_bytes);
    if (rc == 0 && b->as_json) {
        (void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
        (void)fputc('\n', stdout);
    }
    json_decref(all);
    return rc;
}
