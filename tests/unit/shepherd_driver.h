/* Plays the agent of one lease for tests: starts a real chipq-shepherd in its namespaces, sends it
 * commands, waits for its records. */
#ifndef CHIPQ_TEST_SHEPHERD_DRIVER_H
#define CHIPQ_TEST_SHEPHERD_DRIVER_H

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "worker/execd/execd.h"
#include "worker/lease/journal.h"
#include "worker/lease/lease_spec.h"
#include "worker/lease/order.h"
#include "worker/lease/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DRIVER_LEASE = 7, DRIVER_WAIT_MS = 20000 };

struct driver {
    char dir[64];
    int leases_fd, socket_fd;
    pid_t pid;
    const char *cpus; /* set before driver_start: what the lease is bound to; NULL = nothing */
    struct lease_record batch[SHEPHERD_RECORDS_MAX];
    size_t batch_at, batch_n;
};

struct job_options {
    uint64_t job;
    uint32_t flags;
    int64_t wall_us, grace_us;
    uint64_t output_max_bytes;
    const char *cwd;
};

/* The strongest keeper that this account may have. */
static inline enum keeper driver_keeper(void)
{
    return geteuid() == 0 ? KEEPER_PID_NAMESPACE : KEEPER_USER_NAMESPACE;
}

static inline char *driver_program(const char *name)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    *strrchr(path, '/') = '\0';
    return path_format("%s/../bin/%s", path, name);
}

static inline void driver_launch(struct driver *d, enum keeper keeper, int socket_fd,
                                 int64_t lease_us)
{
    struct lease_header header = {.lease = DRIVER_LEASE, .epoch = 1, .boot_id = clock_boot_id()};
    struct lease_spec spec = {
        .lease = DRIVER_LEASE, .epoch = 1, .until_us = clock_mono_us() + lease_us};
    struct cq_str flat = {0};
    struct cq_err err;
    snprintf(spec.dir, sizeof spec.dir, "%s", d->dir);
    snprintf(spec.cpus, sizeof spec.cpus, "%s", d->cpus ? d->cpus : "");
    lease_spec_encode(&spec, &flat);
    int journal = journal_make(d->leases_fd, "lease-7.journal", &header, &err);
    cr_assert_geq(journal, 0, "%s", err.text);
    int memory = sealed_memory_make("spec", flat.data, flat.len, &err);
    char *program = driver_program("chipq-shepherd");
    char *argv[] = {(char *)"chipq-shepherd",
                    (char *)(keeper == KEEPER_USER_NAMESPACE ? "--user-namespace" : "--lease"),
                    NULL};
    char **env = environ; /* sanitizers are set up by it */
    struct isolated i = {.keeper = keeper,
                         .leases_fd = d->leases_fd,
                         .null_fd = open("/dev/null", O_RDWR | O_CLOEXEC),
                         .born_fd = -1,
                         .group_fds = {-1, -1, -1, -1, -1},
                         .fds = {fcntl(memory, F_DUPFD_CLOEXEC, 20),
                                 fcntl(socket_fd, F_DUPFD_CLOEXEC, 20),
                                 fcntl(journal, F_DUPFD_CLOEXEC, 20)},
                         .program = program,
                         .argv = argv,
                         .env = env};
    d->pid = isolate_start(&i);
    cr_assert_gt(d->pid, 0, "cannot start %s: %s", program, strerror(errno));
    for (int k = 0; k < EXECD_START_FDS; k++)
        close(i.fds[k]);
    close(i.null_fd);
    close(journal);
    close(memory);
    cq_str_fini(&flat);
    free(program);
}

static inline void driver_start(struct driver *d, enum keeper keeper, int64_t lease_us)
{
    int pair[2];
    struct cq_err err;
    *d = (struct driver){.cpus = d->cpus};
    snprintf(d->dir, sizeof d->dir, "/tmp/cq-shepherd-XXXXXX");
    cr_assert_not_null(mkdtemp(d->dir));
    char *leases = path_format("%s/run/leases", d->dir);
    cr_assert_eq(dir_make(leases, 0700, &err), 0);
    d->leases_fd = open(leases, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(leases);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    d->socket_fd = pair[0];
    driver_launch(d, keeper, pair[1], lease_us);
    close(pair[1]);
}

static inline void driver_end(struct driver *d)
{
    struct cq_err err;
    if (d->pid > 0) {
        kill(d->pid, SIGKILL);
        waitpid(d->pid, NULL, 0);
    }
    close(d->socket_fd);
    close(d->leases_fd);
    cr_expect_eq(dir_remove(d->dir, &err), 0);
}

static inline void driver_send(struct driver *d, uint32_t type, uint64_t job, uint64_t task, int fd)
{
    struct shepherd_cmd cmd = {
        .version = SHEPHERD_PROTO_VERSION, .type = type, .job = job, .task = task, .attempt = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&cmd, sizeof cmd};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    snprintf(cmd.cause, sizeof cmd.cause, "the test said so");
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    cr_assert_eq(sendmsg(d->socket_fd, &m, MSG_NOSIGNAL), (ssize_t)sizeof cmd);
}

static inline void driver_order(struct driver *d, struct job_options o, const char *const *argv)
{
    const char *env[] = {"PATH=/usr/bin:/bin", "COLOUR=blue", NULL};
    struct order order = {.job = o.job ? o.job : 1,
                          .flags = o.flags,
                          .wall_us = o.wall_us,
                          .grace_us = o.grace_us ? o.grace_us : 5 * US_PER_S,
                          .output_max_bytes = o.output_max_bytes ? o.output_max_bytes : 1 << 28,
                          .place = "acme/1207",
                          .cwd = o.flags & LEASE_F_PRIVATE ? ""
                                 : o.cwd                   ? o.cwd
                                                           : d->dir,
                          .task_json = o.flags & LEASE_F_PRIVATE ? "{}" : ""};
    struct cq_str flat = {0};
    order_encode(&order, argv, env, &flat);
    int memory = sealed_memory_make("order", flat.data, flat.len, NULL);
    cr_assert_geq(memory, 0);
    driver_send(d, SHEPHERD_ORDER, order.job, 0, memory);
    close(memory);
    cq_str_fini(&flat);
}

/* A job that is one shell command (the tests' way to say things briefly). */
static inline void driver_shell(struct driver *d, struct job_options o, const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    driver_order(d, o, argv);
    driver_send(d, SHEPHERD_QUEUE, o.job ? o.job : 1, 1, -1);
}

/* The next record of this type; others before it are passed over. */
static inline struct lease_record driver_next(struct driver *d, uint32_t type)
{
    for (;;) {
        while (d->batch_at < d->batch_n)
            if (d->batch[d->batch_at++].type == type)
                return d->batch[d->batch_at - 1];
        struct pollfd p = {d->socket_fd, POLLIN, 0};
        cr_assert_gt(poll(&p, 1, DRIVER_WAIT_MS), 0, "no record of type %u", type);
        ssize_t n = recv(d->socket_fd, d->batch, sizeof d->batch, 0);
        cr_assert_gt(n, 0, "the shepherd is gone");
        d->batch_at = 0;
        d->batch_n = (size_t)n / sizeof d->batch[0];
    }
}

static inline void driver_connect(struct driver *d)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/run/leases/lease-7.sock", d->dir);
    close(d->socket_fd);
    d->batch_at = d->batch_n = 0;
    d->socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(d->socket_fd, (struct sockaddr *)&at, sizeof at), 0, "%s",
                 strerror(errno));
}

/* Output of task 1's first attempt; caller frees. */
static inline char *driver_output(struct driver *d)
{
    char path[PATH_MAX];
    struct cq_str text = {0};
    struct cq_err err;
    cr_assert(place_log(d->dir, "acme/1207/1", 1, path));
    cr_assert_eq(file_read(path, 1 << 30, &text, &err), 0, "%s", err.text);
    return text.data ? cq_str_take(&text) : cq_strdup("");
}

#endif
