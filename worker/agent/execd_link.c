/* The socketpair to chipq-execd. */
#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GREETING_MS = 5000, READS_A_TURN = 64 };

static uint64_t *held;
static size_t n_held, held_cap;

bool execd_link_has(CQ_UNUSED const struct agent *a, uint64_t lease)
{
    for (size_t i = 0; i < n_held; i++)
        if (held[i] == lease)
            return true;
    return false;
}

static void on_started(struct agent *a, const struct execd_event *e)
{
    struct lease *l = lease_find(a, e->lease);
    if (l && l->state == LEASE_STARTING)
        l->state = LEASE_LIVE;
}

static void on_failed(struct agent *a, const struct execd_event *e)
{
    struct lease *l = lease_find(a, e->lease);
    char text[128], name[64];
    if (l == NULL || l->state != LEASE_STARTING)
        return;
    snprintf(text, sizeof text, "the worker cannot start a shepherd: %s", strerror(e->error));
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)e->lease);
    (void)unlinkat(a->leases_fd, name, 0);
    grant_refuse(a, l->epoch, l->id, text);
    lease_forget(l);
}

static void on_ended(struct agent *a, const struct execd_event *e)
{
    struct lease *l = lease_find(a, e->lease);
    char how[96];
    if (l == NULL)
        return;
    if (WIFSIGNALED(e->status))
        snprintf(how, sizeof how, "its shepherd was ended by signal %d", WTERMSIG(e->status));
    else
        snprintf(how, sizeof how, "its shepherd ended with status %d", WEXITSTATUS(e->status));
    lease_on_death(l, how);
}

static void on_held(const struct execd_event *e)
{
    cq_grow(&held, &held_cap, n_held);
    held[n_held++] = e->lease;
}

static void on_event(struct agent *a, const struct execd_event *e)
{
    switch ((enum execd_event_type)e->type) {
    case EXECD_HELD:
        on_held(e);
        break;
    case EXECD_HELLO:
        a->keeper = e->keeper;
        a->has_group = e->has_group != 0;
        (void)cq_copy_text(a->limits, sizeof a->limits, e->limits);
        break;
    case EXECD_STARTED:
        on_started(a, e);
        break;
    case EXECD_FAILED:
        on_failed(a, e);
        break;
    case EXECD_ENDED:
        on_ended(a, e);
        break;
    case EXECD_STOPPING:
        log_info("agent.stopping leases=%zu", a->leases.n);
        a->is_stopping = true;
        session_say_stopping(a);
        break;
    }
}

/* 1 an event, 0 none now, -1 execd is gone. */
static int read_event(struct agent *a, struct execd_event *e)
{
    ssize_t n = recv(a->execd_fd, e, sizeof *e, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n == (ssize_t)sizeof *e && e->version == EXECD_PROTO_VERSION ? 1 : -1;
}

static void on_readable(void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    struct agent *a = arg;
    struct execd_event e;
    int got = 1;
    for (int i = 0; i < READS_A_TURN && (got = read_event(a, &e)) > 0; i++)
        on_event(a, &e);
    if (got < 0) { /* a new execd starts a new agent; jobs are the shepherds' */
        log_warn("agent.stop why=\"chipq-execd is gone\"");
        loop_fd_set(a->execd_watch, 0);
        loop_stop(a->loop);
    }
}

int execd_link_open(struct agent *a, struct cq_err *err)
{
    struct pollfd p = {a->options.execd_fd, POLLIN, 0};
    a->execd_fd = a->options.execd_fd;
    for (struct execd_event e = {0}; e.type != EXECD_HELLO;) {
        int got = poll(&p, 1, GREETING_MS) > 0 ? read_event(a, &e) : -1;
        if (got < 0)
            return cq_fail(err, CQ_E_INTERNAL,
                           "no greeting from chipq-execd; chipq-worker is started by it alone");
        if (got > 0)
            on_event(a, &e);
    }
    a->execd_watch = loop_fd_new(a->loop, a->execd_fd, LOOP_READ, on_readable, a);
    return 0;
}

static int send_request(struct agent *a, const struct execd_request *r, const int *fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(EXECD_START_FDS * sizeof(int))] = {0};
    struct iovec iov = {(void *)r, sizeof *r};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fds) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(EXECD_START_FDS * sizeof(int));
        memcpy(CMSG_DATA(c), fds, EXECD_START_FDS * sizeof(int));
    }
    return sendmsg(a->execd_fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int execd_link_start(struct agent *a, uint64_t lease, const int fds[EXECD_START_FDS])
{
    struct execd_request r = {.version = EXECD_PROTO_VERSION, .type = EXECD_START, .lease = lease};
    return send_request(a, &r, fds);
}

void execd_link_say(struct agent *a, uint32_t type, uint64_t lease)
{
    struct execd_request r = {.version = EXECD_PROTO_VERSION, .type = type, .lease = lease};
    if (send_request(a, &r, NULL) != 0)
        log_warn("execd.link error=\"%s\"", strerror(errno));
}
