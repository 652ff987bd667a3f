// LINK: cq_isolate cq_lease cq_base_sys
/* Control groups of leases: the kernel's texts, and real groups where they may be made. */
#include "common/base/sys/files.h"
#include "common/base/pure/mem.h"
#include "worker/execd/slots.h"
#include "worker/lease/limits.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

Test(limits, values_of_the_kernels_lines)
{
    static const char v1[] = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    cr_assert_eq(limits_value(v1, "oom_kill", 9), 3);
    cr_assert_eq(limits_value(v1, "oom", 9), 9);
    cr_assert_eq(limits_value("", "oom_kill", 9), 9);
    cr_assert_eq(limits_value("low 0\nhigh 0\nmax 71\noom 2\noom_kill 1\n", "oom", 9), 2);
}

static void put(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void check_file(int dir, const char *name, const char *want)
{
    char text[256];
    (void)group_read(dir, name, text, sizeof text);
    cr_assert_str_eq(text, want, "%s", name);
}

/* A directory that looks like a group of cgroup v2. */
Test(limits, version_2_in_its_own_words)
{
    char path[] = "/tmp/cq-limits-XXXXXX";
    cr_assert_not_null(mkdtemp(path));
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    static const char *const files[] = {"cgroup.controllers", "cgroup.procs", "memory.max",
                                        "memory.swap.max",    "pids.max",     "cpuset.cpus",
                                        "cpuset.mems",        "cpu.weight"};
    for (size_t i = 0; i < CQ_COUNT(files); i++)
        put(dir, files[i], "");
    put(dir, "memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\n");
    put(dir, "pids.events", "max 5\n");
    put(dir, "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
    put(dir, "memory.peak", "1048576\n");
    struct limits l;
    struct limits_reading r;
    struct cq_err err;
    limits_open(&l, (int[]){dir, dir, dir, dir, dir});
    struct limits_wanted w = {
        .mem_mib = 2, .cores = 3, .cpus = "1-3", .mems = "0", .is_mems_strict = true};
    limits_read(&l, &r);
    cr_assert_eq(r.oom_kills, 2);
    cr_assert_eq(r.limit_ooms, 1);
    cr_assert_eq(r.pids_hits, 5);
    cr_assert_eq(r.cpu_user_us, 20);
    cr_assert_eq(r.cpu_system_us, 10);
    cr_assert_eq(r.peak_kib, 1024);
    cr_assert_eq(limits_apply(&l, &w, &err), 0);
    cr_assert_eq(l.mem_bytes, 2 << 20);
    check_file(dir, "memory.max", "2097152");
    check_file(dir, "memory.swap.max", "0");
    check_file(dir, "pids.max", "4096");
    check_file(dir, "cpuset.cpus", "1-3");
    check_file(dir, "cpuset.mems", "0");
    check_file(dir, "cpu.weight", "300");
    check_file(dir, "cgroup.procs", "0");
    cr_assert_eq(dir_remove(path, NULL), 0);
}

Test(limits, a_limit_that_cannot_be_set_is_told_and_the_others_hold)
{
    char path[] = "/tmp/cq-limits-XXXXXX";
    cr_assert_not_null(mkdtemp(path));
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    put(dir, "cgroup.procs", "");
    put(dir, "pids.max", "");
    struct limits l;
    struct cq_err err = {0};
    limits_open(&l, (int[]){-1, dir, dir, -1, -1});
    struct limits_wanted w = {.mem_mib = 2, .cpus = "", .mems = ""};
    cr_assert_eq(limits_apply(&l, &w, &err), -1);
    cr_assert_not_null(strstr(err.text, "memory cannot be limited"), "%s", err.text);
    cr_assert_eq(l.mem_bytes, 0);
    cr_assert_eq(l.pids_max, 4096);
    cr_assert_eq(dir_remove(path, NULL), 0);
}

/* The child lives in the group until it is killed. */
static pid_t start_inside(const struct group *g)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
            if (g->fd[k] >= 0 && k != GROUP_CPUSET && group_join(g->fd[k]) != 0)
                _exit(1);
        for (;;)
            pause();
    }
    while (group_is_empty(g))
        (void)sched_yield();
    return pid;
}

Test(slots, are_used_again_when_empty_and_skipped_when_not, .timeout = 20)
{
    char dir[] = "/tmp/cq-slots-XXXXXX", tag[32];
    struct slots s;
    cr_assert_not_null(mkdtemp(dir));
    CQ_CLEANUP(cq_free_ptr) char *run = path_format("%s/run", dir);
    cr_assert_eq(dir_make(run, 0700, NULL), 0);
    snprintf(tag, sizeof tag, "test-%ld", (long)getpid());
    slots_open(&s, dir, tag);
    if (!group_root_has(&s.root, GROUP_TREE))
        cr_skip_test("no control group can be made here");
    struct group a = slots_take(&s), b = slots_take(&s), again;
    cr_assert(a.slot == 0 && b.slot == 1);
    pid_t pid = start_inside(&a);
    slots_give(&s, &b);
    struct group c = slots_take(&s);
    cr_assert_eq(c.slot, 1);
    cr_assert_eq(group_make(&s.root, 0, &again), GROUP_IN_USE);
    cr_assert(group_kill(&s.root, 0));
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status));
    while (!group_is_empty(&a))
        (void)sched_yield();
    cr_assert_not(group_kill(&s.root, 0));
    slots_give(&s, &a);
    slots_give(&s, &c);
    CQ_CLEANUP(cq_free_ptr)
    char *left = path_format("%s/%s-slot-0", s.root.at[GROUP_TREE].path, s.root.prefix);
    cr_assert_eq(access(left, F_OK), 0);
    slots_close(&s);
    cr_assert_neq(access(left, F_OK), 0);
    cr_assert_eq(dir_remove(dir, NULL), 0);
}
