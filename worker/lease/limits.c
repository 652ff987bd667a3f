/* Limits and readings of a lease's control groups, v1 and v2. */
#include "worker/lease/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHARES_PER_CORE = 1024, SHARES_MAX = 262144, WEIGHT_PER_CORE = 100, WEIGHT_MAX = 10000 };

static int open_file(const struct limits *l, enum group_kind kind, const char *v1, const char *v2,
                     int flags)
{
    const char *name = l->is_v2[kind] ? v2 : v1;
    return l->dir[kind] >= 0 && name ? openat(l->dir[kind], name, flags | O_CLOEXEC) : -1;
}

void limits_open(struct limits *l, const int dirs[GROUP_KIND_COUNT])
{
    *l = (struct limits){.peak_fd = -1};
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++) {
        l->dir[k] = dirs[k];
        l->is_v2[k] = dirs[k] >= 0 && faccessat(dirs[k], "cgroup.controllers", F_OK, 0) == 0;
    }
    l->peak_fd = open_file(l, GROUP_MEMORY, "memory.max_usage_in_bytes", "memory.peak", O_RDWR);
    if (l->peak_fd < 0)
        l->peak_fd = open_file(l, GROUP_MEMORY, NULL, "memory.peak", O_RDONLY);
    l->events_fd = open_file(l, GROUP_MEMORY, "memory.oom_control", "memory.events", O_RDONLY);
    l->pids_fd = open_file(l, GROUP_PIDS, "pids.events", "pids.events", O_RDONLY);
    l->cpu_fd = open_file(l, GROUP_TREE, NULL, "cpu.stat", O_RDONLY);
}

static int set_number(int dir, const char *file, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return group_write(dir, file, text);
}

static int fail(struct cq_err *err, const char *what)
{
    return cq_fail_errno(err, CQ_E_IO, errno, "%s cannot be limited", what);
}

/* Swap counts as memory, else a limit would only slow a job down. A group that was used before may
 * have a lower limit, or pages of somebody else. */
static int set_memory_v1(int dir, uint64_t bytes)
{
    (void)group_write(dir, "memory.memsw.limit_in_bytes", "-1");
    if (set_number(dir, "memory.limit_in_bytes", bytes) != 0) {
        (void)group_write(dir, "memory.force_empty", "0");
        if (set_number(dir, "memory.limit_in_bytes", bytes) != 0)
            return -1;
    }
    if (set_number(dir, "memory.memsw.limit_in_bytes", bytes) != 0)
        (void)group_write(dir, "memory.swappiness", "0");
    return 0;
}

static int set_memory_v2(int dir, uint64_t bytes)
{
    (void)group_write(dir, "memory.swap.max", "0");
    return set_number(dir, "memory.max", bytes);
}

static int set_memory(struct limits *l, const struct limits_wanted *w, struct cq_err *err)
{
    int dir = l->dir[GROUP_MEMORY];
    uint64_t bytes = w->mem_mib << 20;
    if (dir < 0 || w->mem_mib == 0)
        return 0;
    if ((l->is_v2[GROUP_MEMORY] ? set_memory_v2(dir, bytes) : set_memory_v1(dir, bytes)) != 0)
        return fail(err, "memory");
    l->mem_bytes = bytes;
    return 0;
}

static int set_pids(struct limits *l, const struct limits_wanted *w, struct cq_err *err)
{
    uint64_t most = w->cores * LIMITS_PIDS_PER_CORE;
    most = most > LIMITS_PIDS ? most : LIMITS_PIDS;
    if (l->dir[GROUP_PIDS] < 0)
        return 0;
    if (set_number(l->dir[GROUP_PIDS], "pids.max", most) != 0)
        return fail(err, "the number of processes");
    l->pids_max = most;
    return 0;
}

/* v1 lets nobody in before both are set; where a lease is not bound they are the parent's. */
static int set_cpuset(struct limits *l, const struct limits_wanted *w, struct cq_err *err)
{
    int dir = l->dir[GROUP_CPUSET];
    bool is_v2 = dir >= 0 && l->is_v2[GROUP_CPUSET];
    char cpus[4096] = "", mems[4096] = "";
    if (dir < 0)
        return 0;
    if (!is_v2) {
        (void)group_read(dir, "../cpuset.cpus", cpus, sizeof cpus);
        (void)group_read(dir, "../cpuset.mems", mems, sizeof mems);
    }
    const char *own_cpus = w->cpus[0] ? w->cpus : is_v2 ? "\n" : cpus;
    const char *own_mems = w->is_mems_strict && w->mems[0] ? w->mems : is_v2 ? "\n" : mems;
    if (group_write(dir, "cpuset.mems", own_mems) == 0
        && group_write(dir, "cpuset.cpus", own_cpus) == 0)
        return 0;
    l->dir[GROUP_CPUSET] = is_v2 ? dir : -1; /* not joined */
    return fail(err, "the set of processors");
}

int limits_set_cpus(const struct limits *l, const char *cpus)
{
    int dir = l->dir[GROUP_CPUSET];
    return dir >= 0 ? group_write(dir, "cpuset.cpus", cpus) : 0;
}

int limits_take_in(const struct limits *l, pid_t pid)
{
    int dir = l->dir[GROUP_CPUSET];
    bool is_v1 = dir >= 0 && !l->is_v2[GROUP_CPUSET];
    return is_v1 ? set_number(dir, "cgroup.procs", (uint64_t)pid) : 0;
}

static int set_weight(struct limits *l, const struct limits_wanted *w, struct cq_err *err)
{
    int dir = l->dir[GROUP_CPU];
    uint64_t cores = w->cores ? w->cores : 1;
    uint64_t shares = cores * SHARES_PER_CORE, weight = cores * WEIGHT_PER_CORE;
    if (dir < 0)
        return 0;
    int failed = l->is_v2[GROUP_CPU]
                     ? set_number(dir, "cpu.weight", weight < WEIGHT_MAX ? weight : WEIGHT_MAX)
                     : set_number(dir, "cpu.shares", shares < SHARES_MAX ? shares : SHARES_MAX);
    return failed ? fail(err, "the share of processor time") : 0;
}

static bool is_same_dir(int a, int b)
{
    struct stat x = {0}, y = {0};
    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* One directory may stand for several kinds: it is entered once. In that of the tree we may have
 * been born. */
static int join_all(struct limits *l, struct cq_err *err)
{
    int failed = 0;
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++) {
        bool is_in = l->dir[k] < 0 || (k == GROUP_TREE && group_has_caller(l->dir[k]));
        for (size_t before = 0; before < k && !is_in; before++)
            is_in = l->dir[before] >= 0 && is_same_dir(l->dir[before], l->dir[k]);
        if (is_in || group_join(l->dir[k]) == 0)
            continue;
        if (failed == 0)
            failed = cq_fail_errno(err, CQ_E_IO, errno, "the %s group cannot be entered",
                                   group_kind_text((enum group_kind)k));
        if (k == GROUP_MEMORY)
            l->mem_bytes = 0;
        if (k == GROUP_PIDS)
            l->pids_max = 0;
    }
    return failed;
}

int limits_apply(struct limits *l, const struct limits_wanted *w, struct cq_err *err)
{
    int (*const steps[])(struct limits *, const struct limits_wanted *,
                         struct cq_err *) = {set_memory, set_pids, set_cpuset, set_weight};
    int failed = 0;
    for (size_t i = 0; i < CQ_COUNT(steps); i++)
        failed |= steps[i](l, w, failed ? NULL : err);
    failed |= join_all(l, failed ? NULL : err);
    limits_reset_peak(l);
    return failed;
}

uint64_t limits_value(const char *text, const char *key, uint64_t otherwise)
{
    size_t n = strlen(key);
    for (const char *p = text; p; p = (p = strchr(p, '\n')) ? p + 1 : NULL)
        if (strncmp(p, key, n) == 0 && p[n] == ' ')
            return strtoull(p + n + 1, NULL, 10);
    return otherwise;
}

static const char *read_file(int fd, char *to, size_t size)
{
    ssize_t n = fd >= 0 ? pread(fd, to, size - 1, 0) : -1;
    to[n > 0 ? n : 0] = '\0';
    return to;
}

void limits_read(const struct limits *l, struct limits_reading *out)
{
    char text[1024] = "";
    *out = (struct limits_reading){0};
    (void)read_file(l->events_fd, text, sizeof text);
    out->oom_kills = limits_value(text, "oom_kill", 0);
    out->limit_ooms = limits_value(text, "oom", 0);
    out->pids_hits = limits_value(read_file(l->pids_fd, text, sizeof text), "max", 0);
    out->peak_kib = strtoull(read_file(l->peak_fd, text, sizeof text), NULL, 10) >> 10;
    (void)read_file(l->cpu_fd, text, sizeof text);
    out->has_cpu = text[0] != '\0';
    out->cpu_user_us = limits_value(text, "user_usec", 0);
    out->cpu_system_us = limits_value(text, "system_usec", 0);
}

/* v2 resets what this descriptor reads, since Linux 6.12; before, the peak is the lease's. */
void limits_reset_peak(struct limits *l)
{
    l->can_reset_peak = l->peak_fd >= 0 && pwrite(l->peak_fd, "0", 1, 0) == 1;
}
