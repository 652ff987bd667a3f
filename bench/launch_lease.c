/* One lease from its journal to the end of its shepherd. */
#include "bench/launch_lease.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/lease/clone.h"
#include "worker/lease/journal.h"
#include "worker/lease/lease_spec.h"
#include "worker/lease/order.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 16, WAIT_MS = 20000, LEASE_S = 600, MEM_MIB = 256, JOB = 1 };

int launcher_open(struct launcher *l, const char *bin_dir, const char *command, struct cq_err *err)
{
    char dir[] = "/tmp/chipq-launch-XXXXXX", tag[48];
    *l = (struct launcher){.leases_fd = -1, .null_fd = -1, .next_lease = 1};
    if (mkdtemp(dir) == NULL)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make a directory in /tmp");
    l->dir = cq_strdup(dir);
    l->command = command;
    l->shepherd = path_format("%s/chipq-shepherd", bin_dir);
    CQ_CLEANUP(cq_free_ptr) char *leases = path_format("%s/run/leases", dir);
    if (dir_make(leases, 0700, err) != 0)
        return -1;
    l->leases_fd = open(leases, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    l->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)snprintf(tag, sizeof tag, "launch-%ld", (long)getpid());
    slots_open(&l->slots, dir, tag);
    return 0;
}

void launcher_close(struct launcher *l)
{
    if (l->dir == NULL)
        return;
    slots_close(&l->slots);
    struct cq_err err;
    if (dir_remove(l->dir, &err) != 0)
        log_warn("bench.launch error=\"%s\"", err.text);
    if (l->leases_fd >= 0)
        close(l->leases_fd);
    if (l->null_fd >= 0)
        close(l->null_fd);
    free(l->dir);
    free(l->shepherd);
}

static int64_t cpu_of(int who)
{
    struct rusage u;
    if (getrusage(who, &u) != 0)
        return 0;
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec
           + u.ru_stime.tv_usec;
}

static int make_order(const struct launcher *l, struct cq_err *err)
{
    const char *argv[] = {l->command, NULL}, *env[] = {"PATH=/usr/bin:/bin", NULL};
    struct order o = {.job = JOB,
                      .grace_us = US_PER_S,
                      .output_max_bytes = 1 << 20,
                      .place = "bench/1",
                      .cwd = l->dir,
                      .task_json = ""};
    struct cq_str flat = {0};
    order_encode(&o, argv, env, &flat);
    int fd = sealed_memory_make("chipq-order", flat.data, flat.len, err);
    cq_str_fini(&flat);
    return fd;
}

static int make_spec(const struct launcher *l, uint64_t lease, struct cq_err *err)
{
    struct lease_spec spec = {.lease = lease,
                              .epoch = 1,
                              .mem_mib = MEM_MIB,
                              .cores = 1,
                              .until_us = clock_mono_us() + LEASE_S * US_PER_S};
    struct cq_str flat = {0};
    (void)cq_copy_text(spec.dir, sizeof spec.dir, l->dir);
    lease_spec_encode(&spec, &flat);
    int fd = sealed_memory_make("chipq-lease", flat.data, flat.len, err);
    cq_str_fini(&flat);
    return fd;
}

static int send_commands(int fd, struct shepherd_cmd *cmds, size_t n, int order_fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {cmds, n * sizeof *cmds};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (order_fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof order_fd);
        memcpy(CMSG_DATA(c), &order_fd, sizeof order_fd);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* The same command for tasks 1 to n, packed. */
static int send_for_each(int fd, uint32_t type, uint64_t n)
{
    static struct shepherd_cmd cmds[SHEPHERD_CMDS_MAX];
    for (uint64_t task = 1; task <= n;) {
        size_t k = 0;
        for (; k < SHEPHERD_CMDS_MAX && task <= n; k++, task++)
            cmds[k] = (struct shepherd_cmd){.version = SHEPHERD_PROTO_VERSION,
                                            .type = type,
                                            .job = JOB,
                                            .task = task,
                                            .attempt = 1};
        if (send_commands(fd, cmds, k, -1) != 0)
            return -1;
    }
    return 0;
}

static int await_ends(int fd, uint64_t n, struct cq_err *err)
{
    static struct lease_record batch[SHEPHERD_RECORDS_MAX];
    while (n > 0) {
        struct pollfd p = {fd, POLLIN, 0};
        ssize_t got = poll(&p, 1, WAIT_MS) > 0 ? recv(fd, batch, sizeof batch, 0) : -1;
        if (got <= 0)
            return cq_fail(err, CQ_E_IO, "the shepherd does not answer");
        for (size_t i = 0; i < (size_t)got / sizeof batch[0]; i++) {
            if (batch[i].type == LEASE_REC_END && batch[i].exit_code != 0)
                return cq_fail(err, CQ_E_IO, "a task failed: %s", batch[i].cause);
            n -= batch[i].type == LEASE_REC_END;
        }
    }
    return 0;
}

static int converse(const struct launcher *l, int fd, uint64_t n, struct cq_err *err)
{
    struct shepherd_cmd cmd = {
        .version = SHEPHERD_PROTO_VERSION, .type = SHEPHERD_ORDER, .job = JOB};
    int order = make_order(l, err);
    if (order < 0)
        return -1;
    int failed =
        send_commands(fd, &cmd, 1, order) != 0 || send_for_each(fd, SHEPHERD_QUEUE, n) != 0;
    close(order);
    if (failed)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot reach the shepherd");
    if (await_ends(fd, n, err) != 0)
        return -1;
    cmd.type = SHEPHERD_CLOSE;
    if (send_for_each(fd, SHEPHERD_ACK, n) != 0 || send_commands(fd, &cmd, 1, -1) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot reach the shepherd");
    return 0;
}

static pid_t start(const struct launcher *l, enum keeper keeper, const struct group *g,
                   const int fds[EXECD_START_FDS])
{
    bool is_user = keeper == KEEPER_USER_NAMESPACE;
    char *argv[] = {(char *)"chipq-shepherd", (char *)(is_user ? "--user-namespace" : "--lease"),
                    NULL},
         *env[] = {NULL};
    struct isolated i = {.keeper = keeper,
                         .leases_fd = l->leases_fd,
                         .null_fd = l->null_fd,
                         .born_fd = g->slot == SLOT_NONE ? CLONE_NO_GROUP
                                                         : group_born_fd(&l->slots.root, g),
                         .program = l->shepherd,
                         .argv = argv,
                         .env = env};
    memcpy(i.group_fds, g->fd, sizeof i.group_fds);
    for (size_t k = 0; k < EXECD_START_FDS; k++)
        i.fds[k] = fcntl(fds[k], F_DUPFD_CLOEXEC, FIRST_FD);
    pid_t pid = isolate_start(&i);
    for (size_t k = 0; k < EXECD_START_FDS; k++)
        close(i.fds[k]);
    return pid;
}

static int run_lease(struct launcher *l, enum keeper keeper, struct group *g, uint64_t n,
                     struct cq_err *err)
{
    uint64_t lease = l->next_lease++;
    struct lease_header header = {.lease = lease, .epoch = 1, .keeper_slot = g->slot};
    char name[64];
    int pair[2], fds[EXECD_START_FDS] = {-1, -1, -1}, status = 0;
    (void)snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)lease);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make a socket");
    fds[1] = pair[1];
    fds[0] = make_spec(l, lease, err);
    fds[2] = fds[0] >= 0 ? journal_make(l->leases_fd, name, &header, err) : -1;
    pid_t pid = fds[2] >= 0 ? start(l, keeper, g, fds) : -1;
    int failed = pid > 0       ? 0
                 : fds[2] >= 0 ? cq_fail_errno(err, CQ_E_IO, errno, "cannot start the shepherd")
                               : -1;
    for (size_t k = 0; k < EXECD_START_FDS; k++)
        if (fds[k] >= 0)
            close(fds[k]);
    if (!failed)
        failed = converse(l, pair[0], n, err);
    if (failed && pid > 0)
        (void)kill(pid, SIGKILL);
    close(pair[0]);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    (void)unlinkat(l->leases_fd, name, 0);
    return failed;
}

int launcher_run(struct launcher *l, enum keeper keeper, bool has_groups, uint64_t n,
                 struct launched *out, struct cq_err *err)
{
    struct group g = {.slot = SLOT_NONE, .fd = {-1, -1, -1, -1, -1}};
    int64_t cpu_us = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN), begun_us = clock_mono_us();
    if (has_groups)
        g = slots_take(&l->slots);
    int failed = run_lease(l, keeper, &g, n, err);
    if (has_groups)
        slots_give(&l->slots, &g);
    if (failed)
        return -1;
    out->took_us = clock_mono_us() - begun_us;
    out->cpu_us = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN) - cpu_us;
    return 0;
}
