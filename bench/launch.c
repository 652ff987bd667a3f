/* The cost ladder of starting a job: each level of isolation, in a lease of one task and in one of
 * a hundred. The worker's own parts without a scheduler; all levels in turn, so that drift of the
 * machine falls on all alike. */
#include "bench/bench.h"
#include "bench/launch_lease.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/log.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_LEASE = 100, LONG_PART = 5 /* of the samples */ };

struct level {
    const char *name, *what;
    bool has_namespaces, has_groups, is_possible;
    int64_t *job_us, *job_cpu_us, *task_us, *task_cpu_us; /* one a sample */
};

static struct level levels[] = {
    {"bare", "session, descriptors, resource limits, cores", false, false, true, NULL, NULL, NULL,
     NULL},
    {"group", "and control groups", false, true, true, NULL, NULL, NULL, NULL},
    {"sandbox", "and namespaces instead", true, false, true, NULL, NULL, NULL, NULL},
    {"full", "both: what a worker does", true, true, true, NULL, NULL, NULL, NULL},
};

static enum keeper keeper_of(const struct level *v)
{
    if (!v->has_namespaces)
        return KEEPER_SUBREAPER;
    return geteuid() == 0 ? KEEPER_PID_NAMESPACE : KEEPER_USER_NAMESPACE;
}

/* What this machine does not allow is left out and said. */
static void probe(struct launcher *l, struct level *v)
{
    struct launched once;
    v->is_possible = (!v->has_groups || group_root_has(&l->slots.root, GROUP_TREE))
                     && launcher_run(l, keeper_of(v), v->has_groups, 1, &once, NULL) == 0;
}

static int measure(struct launcher *l, struct level *v, size_t sample, size_t n_long,
                   struct cq_err *err)
{
    struct launched one, many;
    if (launcher_run(l, keeper_of(v), v->has_groups, 1, &one, err) != 0)
        return cq_wrap(err, "level %s", v->name);
    v->job_us[sample] = one.took_us;
    v->job_cpu_us[sample] = one.cpu_us;
    if (sample >= n_long)
        return 0;
    if (launcher_run(l, keeper_of(v), v->has_groups, LONG_LEASE, &many, err) != 0)
        return cq_wrap(err, "level %s", v->name);
    v->task_us[sample] = many.took_us / LONG_LEASE;
    v->task_cpu_us[sample] = many.cpu_us / LONG_LEASE;
    return 0;
}

/* The program alone, started and waited for. */
static int64_t spawn_us(char *command)
{
    char *argv[] = {command, NULL}, *env[] = {NULL};
    pid_t pid;
    int64_t begun_us = clock_mono_us();
    if (posix_spawn(&pid, command, NULL, NULL, argv, env) == 0)
        (void)waitpid(pid, NULL, 0);
    return clock_mono_us() - begun_us;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t middle(int64_t *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return percentile(values, n, 50);
}

static void print_level(struct report *r, struct level *v, size_t n, size_t n_long, bool is_first)
{
    cq_str_printf(&r->json, "%s{\"level\": \"%s\"", is_first ? "" : ", ", v->name);
    if (!v->is_possible) {
        cq_str_printf(&r->table, "%-8s %8s\n", v->name, "not possible here");
        cq_str_printf(&r->json, ", \"possible\": false}");
        return;
    }
    long long job = middle(v->job_us, n), cpu = middle(v->job_cpu_us, n),
              task = middle(v->task_us, n_long), task_cpu = middle(v->task_cpu_us, n_long),
              best = v->job_us[0], slow = percentile(v->job_us, n, 95);
    cq_str_printf(&r->table, "%-8s %8lld %8lld %8lld %8lld %8lld %8lld   %s\n", v->name, job, best,
                  slow, cpu, task, task_cpu, v->what);
    cq_str_printf(&r->json,
                  ", \"possible\": true, \"job_us_p50\": %lld, \"job_us_min\": %lld, "
                  "\"job_us_p95\": %lld, \"job_cpu_us_p50\": %lld, \"task_us_p50\": %lld, "
                  "\"task_cpu_us_p50\": %lld}",
                  job, best, slow, cpu, task, task_cpu);
}

static void print_all(struct bench *b, const struct launcher *l, int64_t *raw_us, size_t n,
                      size_t n_long)
{
    char groups[96];
    long long raw = middle(raw_us, n);
    group_root_describe(&l->slots.root, groups, sizeof groups);
    report_text(&b->report, "groups", groups);
    report_count(&b->report, "samples", (int64_t)n);
    cq_str_printf(&b->report.table,
                  "\n%-8s %8s %8s %8s %8s %8s %8s   microseconds; a task in a lease of %d\n",
                  "LEVEL", "JOB p50", "min", "p95", "CPU", "TASK p50", "CPU", LONG_LEASE);
    cq_str_printf(&b->report.table, "%-8s %8lld %8lld %8lld %8s %8s %8s   %s\n", "program", raw,
                  (long long)raw_us[0], (long long)percentile(raw_us, n, 95), "", "", "",
                  "posix_spawn and wait, nothing else");
    cq_str_printf(&b->report.json, ", \"program_us_p50\": %lld, \"levels\": [", raw);
    for (size_t i = 0; i < CQ_COUNT(levels); i++)
        print_level(&b->report, &levels[i], n, n_long, i == 0);
    cq_str_add(&b->report.json, "]");
}

static int measure_all(struct bench *b, struct launcher *l, int64_t *raw_us, struct cq_err *err)
{
    size_t n_long = b->samples / LONG_PART > 0 ? b->samples / LONG_PART : 1;
    for (size_t i = 0; i < CQ_COUNT(levels); i++)
        probe(l, &levels[i]);
    for (size_t sample = 0; sample < b->samples; sample++) {
        raw_us[sample] = spawn_us(b->command);
        for (size_t i = 0; i < CQ_COUNT(levels); i++)
            if (levels[i].is_possible && measure(l, &levels[i], sample, n_long, err) != 0)
                return -1;
    }
    print_all(b, l, raw_us, b->samples, n_long);
    return 0;
}

int bench_launch(struct bench *b, struct cq_err *err)
{
    struct launcher l;
    int64_t *raw_us = cq_calloc(b->samples, sizeof *raw_us);
    for (size_t i = 0; i < CQ_COUNT(levels); i++) {
        levels[i].job_us = cq_calloc(b->samples, sizeof *raw_us);
        levels[i].task_us = cq_calloc(b->samples, sizeof *raw_us);
        levels[i].job_cpu_us = cq_calloc(b->samples, sizeof *raw_us);
        levels[i].task_cpu_us = cq_calloc(b->samples, sizeof *raw_us);
    }
    log_set_level(LOG_ERROR);
    int rc = launcher_open(&l, b->bin_dir, b->command, err);
    rc = rc == 0 ? measure_all(b, &l, raw_us, err) : rc;
    launcher_close(&l);
    for (size_t i = 0; i < CQ_COUNT(levels); i++) {
        free(levels[i].job_us);
        free(levels[i].task_us);
        free(levels[i].job_cpu_us);
        free(levels[i].task_cpu_us);
    }
    free(raw_us);
    return rc;
}
