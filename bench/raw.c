/* The posix_spawn loop. The spawners are processes, forked before anything large is allocated. */
#include "bench/raw.h"
#include "bench/bench.h"
#include "common/base/sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The which-th processor of the set, counted round. */
static size_t nth_processor(const cpu_set_t *set, int which)
{
    int left = which % CPU_COUNT(set);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, set) || left-- > 0)
        cpu++;
    return cpu;
}

static void bind_to(int which)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) == 0)
        return;
    CPU_SET(nth_processor(&all, which), &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* 0 = all of them ran and exited with 0. */
static int spawn_many(char *command, size_t n)
{
    char *argv[] = {command, NULL};
    for (size_t i = 0; i < n; i++) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, command, NULL, NULL, argv, environ) != 0)
            return 2;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 1;
    }
    return 0;
}

/* Waits for the starting gun (the pipe's end), so that both begin together. */
static CQ_NORETURN void spawner(int which, char *command, size_t n, const int gate[2])
{
    char byte;
    bind_to(which);
    close(gate[1]);
    while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
        continue;
    _exit(spawn_many(command, n));
}

static int reap(const pid_t *pids, int n, const char *command, struct cq_err *err)
{
    int worst = 0;
    for (int i = 0; i < n; i++) {
        int status = 0;
        if (waitpid(pids[i], &status, 0) != pids[i] || !WIFEXITED(status))
            worst = 2;
        else if (WEXITSTATUS(status) > worst)
            worst = WEXITSTATUS(status);
    }
    if (worst == 1)
        return cq_fail(err, CQ_E_INVALID, "%s does not exit with 0", command);
    return worst ? cq_fail(err, CQ_E_IO, "cannot start %s", command) : 0;
}

int raw_measure(char *command, size_t n, double *per_second, struct cq_err *err)
{
    int gate[2];
    pid_t pids[RAW_SPAWNERS];
    size_t share = (n + RAW_SPAWNERS - 1) / RAW_SPAWNERS;
    if (pipe2(gate, O_CLOEXEC) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "pipe");
    int started = 0;
    for (; started < RAW_SPAWNERS; started++) {
        pids[started] = fork();
        if (pids[started] < 0)
            break;
        if (pids[started] == 0)
            spawner(started, command, share, gate);
    }
    close(gate[0]);
    int64_t begun_us = clock_mono_us();
    close(gate[1]);
    int rc = reap(pids, started, command, err);
    int64_t took_us = clock_mono_us() - begun_us;
    if (rc == 0 && started < RAW_SPAWNERS)
        rc = cq_fail(err, CQ_E_IO, "fork failed");
    if (rc == 0)
        *per_second = (double)share * RAW_SPAWNERS * 1e6 / (double)(took_us > 0 ? took_us : 1);
    return rc;
}

int bench_raw(struct bench *b, struct cq_err *err)
{
    double raw = 0;
    report_text(&b->report, "measurement", "the machine's own limit");
    report_text(&b->report, "command", b->command);
    report_count(&b->report, "jobs", (int64_t)b->jobs);
    if (raw_measure(b->command, b->jobs, &raw, err) != 0)
        return -1;
    report_number(&b->report, "raw_per_second", raw);
    return 0;
}
