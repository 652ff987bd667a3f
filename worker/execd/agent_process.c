/* The agent as a child: started over a fresh socketpair, restarted with back-off. */
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/log.h"
#include "worker/execd/execd.h"
#include "worker/lease/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_US = 100 * 1000,
    BACKOFF_MAX_US = 10 * 1000 * 1000,
    STEADY_US = 30 * 1000 * 1000, /* an agent that lived so long starts the back-off anew */
};

struct agent_start {
    const char *program;
    char **argv;
    int socket_fd;
    volatile int errnum;
};

CQ_NO_ASAN static int child_main(void *arg)
{
    struct agent_start *a = arg;
    sigset_t none;
    sigemptyset(&none);
    (void)setsid();
    if (dup2(a->socket_fd, EXECD_AGENT_FD) == EXECD_AGENT_FD
        && close_range(EXECD_AGENT_FD + 1, ~0U, 0) == 0) {
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execve(a->program, a->argv, environ);
    }
    a->errnum = errno;
    _exit(127);
}

/* Ours first: a worker option given twice counts as it was given last. Caller frees the array. */
static char **make_argv(const struct execd *x, const char *program)
{
    size_t n = 0, more = 0;
    while (x->agent_options[more])
        more++;
    char **argv = cq_calloc(more + 8, sizeof *argv);
    const char *ours[] = {program, "--execd-fd", "3", "--dir", x->dir, "--key", x->key};
    for (size_t i = 0; i < CQ_COUNT(ours) - (x->key ? 0U : 2U); i++)
        argv[n++] = (char *)ours[i];
    for (size_t i = 0; i < more; i++)
        argv[n++] = x->agent_options[i];
    return argv;
}

static void greet(struct execd *x)
{
    for (size_t i = 0; i < x->n_children; i++) {
        struct execd_event held = {.version = EXECD_PROTO_VERSION,
                                   .type = EXECD_HELD,
                                   .lease = x->children[i].lease,
                                   .pid = x->children[i].pid};
        if (x->children[i].state == CHILD_LIVES)
            agent_process_send(x, &held);
    }
    struct execd_event hello = {.version = EXECD_PROTO_VERSION,
                                .type = EXECD_HELLO,
                                .keeper = x->keeper,
                                .has_group = group_root_has(&x->slots.root, GROUP_TREE)};
    group_root_describe(&x->slots.root, hello.limits, sizeof hello.limits);
    agent_process_send(x, &hello);
}

static void try_again_later(struct execd *x, int64_t now_us)
{
    x->agent_restart_at_us = now_us + x->backoff_us;
    x->backoff_us = x->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : x->backoff_us * 2;
}

void agent_process_start(struct execd *x)
{
    int pair[2], buffer = 4 << 20;
    if (x->backoff_us == 0)
        x->backoff_us = BACKOFF_MIN_US;
    x->is_restart_wanted = false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("execd.agent error=\"%s\"", strerror(errno));
        try_again_later(x, clock_mono_us());
        return;
    }
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    CQ_CLEANUP(cq_free_ptr) char *program = NULL;
    if (asprintf(&program, "%s/chipq-worker", x->bin_dir) < 0)
        abort();
    struct agent_start a = {
        .program = program, .argv = make_argv(x, program), .socket_fd = pair[1]};
    pid_t pid = clone_vfork(child_main, &a, 0, CLONE_NO_GROUP);
    int why = pid > 0 ? a.errnum : errno;
    free(a.argv);
    close(pair[1]);
    x->agent_fd = pair[0];
    x->agent_pid = pid > 0 ? pid : 0;
    x->agent_started_us = clock_mono_us();
    if (pid > 0 && why == 0) {
        log_info("execd.agent pid=%ld", (long)pid);
        greet(x);
        return;
    }
    log_error("execd.agent program=%s error=\"%s\"", program, strerror(why));
    if (pid < 0) {
        close(x->agent_fd);
        x->agent_fd = -1;
        try_again_later(x, x->agent_started_us);
    } /* else its end is noticed like any other */
}

/* Options or a configuration that never worked will not work the next time either. One that was
 * welcomed before is started again and again: jobs may run, and what it lacks may come back. */
static bool is_refused(const struct execd *x, int status)
{
    static const enum cq_code codes[] = {CQ_E_INVALID, CQ_E_NOT_FOUND, CQ_E_DENIED,
                                         CQ_E_IMPOSSIBLE};
    for (size_t i = 0; i < CQ_COUNT(codes) && !x->was_ready && WIFEXITED(status); i++)
        if (WEXITSTATUS(status) == cq_code_exit_status(codes[i]))
            return true;
    return false;
}

void agent_process_ended(struct execd *x, int status, int64_t now_us)
{
    x->refused_status = is_refused(x, status) ? WEXITSTATUS(status) : 0;
    if (WIFSIGNALED(status))
        log_warn("execd.agent pid=%ld signal=%d", (long)x->agent_pid, WTERMSIG(status));
    else
        log_line(WEXITSTATUS(status) ? LOG_WARN : LOG_INFO, "execd.agent pid=%ld exit=%d",
                 (long)x->agent_pid, WEXITSTATUS(status));
    x->agent_pid = 0;
    if (x->agent_fd >= 0)
        close(x->agent_fd);
    x->agent_fd = -1;
    if (now_us - x->agent_started_us > STEADY_US || x->is_restart_wanted)
        x->backoff_us = BACKOFF_MIN_US;
    if (x->is_restart_wanted)
        x->agent_restart_at_us = now_us;
    else
        try_again_later(x, now_us);
}

void agent_process_send(struct execd *x, const struct execd_event *e)
{
    if (x->agent_fd < 0)
        return;
    /* 4 MiB of room hold more events than there can be shepherds; an agent that is so far behind is
     * stuck, and its successor learns everything from the journals. */
    if (send(x->agent_fd, e, sizeof *e, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN
        && x->agent_pid > 0) {
        log_error("execd.agent pid=%ld error=\"does not read\"", (long)x->agent_pid);
        (void)kill(x->agent_pid, SIGKILL);
    }
}

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

static size_t take_fds(struct msghdr *m, int fds[EXECD_START_FDS])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    n = n > EXECD_START_FDS ? EXECD_START_FDS : n;
    memcpy(fds, CMSG_DATA(c), n * sizeof(int));
    return n;
}

static void say_ready(struct execd *x)
{
    if (x->ready_fd < 0)
        return;
    ssize_t n = write(x->ready_fd, "ready\n", 6);
    (void)n; /* nobody waits any more */
    close(x->ready_fd);
    x->ready_fd = -1;
}

static void refuse_start(struct execd *x, uint64_t lease)
{
    struct execd_event e = {
        .version = EXECD_PROTO_VERSION, .type = EXECD_FAILED, .lease = lease, .error = ECANCELED};
    agent_process_send(x, &e);
}

static void obey(struct execd *x, const struct execd_request *r, const int *fds, size_t n_fds)
{
    switch ((enum execd_request_type)r->type) {
    case EXECD_START:
        if (x->is_stopping)
            refuse_start(x, r->lease);
        else if (n_fds == EXECD_START_FDS)
            shepherds_start(x, r->lease, fds);
        break;
    case EXECD_KILL:
        shepherds_kill(x, r->lease);
        break;
    case EXECD_READY:
        x->was_ready = true;
        say_ready(x);
        break;
    }
}

void agent_process_read(struct execd *x)
{
    for (int i = 0; i < 64 && x->agent_fd >= 0; i++) {
        struct execd_request r;
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(EXECD_START_FDS * sizeof(int))];
        struct iovec iov = {&r, sizeof r};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
        ssize_t n = recvmsg(x->agent_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) { /* it is ending; its death comes as a signal */
            close(x->agent_fd);
            x->agent_fd = -1;
            return;
        }
        int fds[EXECD_START_FDS];
        size_t n_fds = take_fds(&m, fds);
        if (n == (ssize_t)sizeof r && r.version == EXECD_PROTO_VERSION)
            obey(x, &r, fds, n_fds);
        close_all(fds, n_fds);
    }
}
