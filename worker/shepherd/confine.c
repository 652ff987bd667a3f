/* What every attempt of the lease inherits: its processors and memory nodes, its groups' limits,
 * its resource limits. All by system call: no program stands between us and the job. */
#include "common/base/pure/bitset.h"
#include "common/base/sys/log.h"
#include "worker/shepherd/shepherd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOFILE_SOFT = 65536, KERNEL_NODES_MAX = 1024 };

static void warn(const struct shepherd *s, const char *what, const char *text)
{
    log_warn("shepherd.%s lease=%llu error=\"%s\"", what, (unsigned long long)s->spec.lease, text);
}

static void bind_cores(const struct shepherd *s)
{
    struct bitset wanted = {0};
    struct cq_err err;
    if (s->spec.cpus[0] == '\0')
        return;
    if (bitset_parse(s->spec.cpus, &wanted, &err) != 0
        || sched_setaffinity(0, wanted.n * sizeof wanted.words[0], (cpu_set_t *)wanted.words) != 0)
        warn(s, "bind", strerror(errno));
    bitset_fini(&wanted);
}

static int policy_of(uint64_t membind)
{
    switch ((enum lease_membind)membind) {
    case MEMBIND_LOCAL:
        return MPOL_PREFERRED_MANY;
    case MEMBIND_STRICT:
        return MPOL_BIND;
    case MEMBIND_INTERLEAVE:
        return MPOL_INTERLEAVE;
    case MEMBIND_NONE:
    case MEMBIND_COUNT:
        break;
    }
    return MPOL_DEFAULT;
}

/* Before Linux 5.15 "local" needs nothing: a process that is bound to its cores gets their memory
 * first in any case. */
static void bind_memory(const struct shepherd *s)
{
    struct bitset nodes = {0};
    unsigned long mask[KERNEL_NODES_MAX / (8 * sizeof(unsigned long))] = {0};
    int policy = policy_of(s->spec.membind);
    if (s->spec.mems[0] == '\0' || policy == MPOL_DEFAULT)
        return;
    if (bitset_parse(s->spec.mems, &nodes, NULL) == 0 && nodes.n <= CQ_COUNT(mask)) {
        for (size_t i = 0; i < nodes.n; i++)
            mask[i] = nodes.words[i];
        if (syscall(SYS_set_mempolicy, policy, mask, (unsigned long)KERNEL_NODES_MAX) != 0
            && s->spec.membind != MEMBIND_LOCAL)
            warn(s, "membind", strerror(errno));
    }
    bitset_fini(&nodes);
}

static void set_groups(struct shepherd *s)
{
    struct cq_err err = {.code = CQ_OK};
    struct limits_wanted wanted = {.mem_mib = s->spec.mem_mib,
                                   .cores = s->spec.cores,
                                   .cpus = s->spec.cpus,
                                   .mems = s->spec.mems,
                                   .is_mems_strict = s->spec.membind == MEMBIND_STRICT};
    if (limits_apply(&s->limits, &wanted, &err) != 0)
        warn(s, "limits", err.text);
    limits_read(&s->limits, &s->seen);
}

static int write_oom_score(const char *text)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    return n > 0 ? 0 : -1;
}

void confine(struct shepherd *s)
{
    struct rlimit core = {0, 0}, files;
    (void)setrlimit(RLIMIT_CORE, &core);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < NOFILE_SOFT ? files.rlim_max : NOFILE_SOFT;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)write_oom_score("-1000"); /* the keeper is never what is killed; needs privilege */
    set_groups(s);
    bind_cores(s); /* after the group, whose entry widens it */
    bind_memory(s);
}

static bool lower_limit(int resource, uint64_t most)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return false;
    if (limit.rlim_max > most)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

/* Where the kernel has no group for us, each process at least is held. A job in a user namespace
 * of its own is counted by itself; elsewhere the account's other processes would count. */
static bool set_process_limits(const struct shepherd *s)
{
    if (s->limits.mem_bytes == 0 && s->spec.mem_mib
        && !lower_limit(RLIMIT_DATA, s->spec.mem_mib << 20))
        return false;
    return s->limits.pids_max || s->keeper != KEEPER_USER_NAMESPACE
           || lower_limit(RLIMIT_NPROC, LIMITS_PIDS);
}

/* The kernel, short of memory, takes jobs before the machine's own services and before us. */
bool confine_child(const struct shepherd *s)
{
    (void)write_oom_score("500");
    return set_process_limits(s);
}
