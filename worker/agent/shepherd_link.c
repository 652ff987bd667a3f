/* A shepherd's socket: commands that it has no room for wait here, in order. */
#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECT_AGAIN_US = 20 * 1000,
    CONNECT_TRIES = 500, /* then slowly */
    CONNECT_SLOW_US = 1000 * 1000,
    READS_A_TURN = 16
};

struct outgoing {
    struct shepherd_cmd cmds[SHEPHERD_CMDS_MAX];
    size_t n;
    int fd; /* alone in its packet; -1 = none */
};

struct shepherd_cmd shepherd_cmd_of(uint32_t type, uint64_t job, uint64_t task, uint64_t attempt)
{
    return (struct shepherd_cmd){.version = SHEPHERD_PROTO_VERSION,
                                 .type = type,
                                 .job = job,
                                 .task = task,
                                 .attempt = attempt};
}

static bool send_packet(struct lease *l, const struct outgoing *o)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(void *)o->cmds, o->n * sizeof o->cmds[0]};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (o->fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof o->fd);
        memcpy(CMSG_DATA(c), &o->fd, sizeof o->fd);
    }
    ssize_t n = sendmsg(l->socket_fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS))
        return false;
    return true; /* sent, or the shepherd is gone: then its death settles all */
}

static void flush(struct lease *l)
{
    size_t sent = 0;
    while (l->socket_fd >= 0 && sent < l->n_out && send_packet(l, &l->out[sent])) {
        if (l->out[sent].fd >= 0)
            close(l->out[sent].fd);
        sent++;
    }
    if (sent) {
        memmove(l->out, l->out + sent, (l->n_out - sent) * sizeof *l->out);
        l->n_out -= sent;
    }
    if (l->socket_watch)
        loop_fd_set(l->socket_watch, LOOP_READ | (l->n_out ? LOOP_WRITE : 0U));
}

static bool joins(const struct outgoing *o, int fd)
{
    return fd < 0 && o->fd < 0 && o->n < SHEPHERD_CMDS_MAX;
}

static void new_packet(struct lease *l, int fd)
{
    cq_grow(&l->out, &l->out_cap, l->n_out);
    l->out[l->n_out].n = 0;
    l->out[l->n_out++].fd = fd;
}

void shepherd_link_send(struct lease *l, const struct shepherd_cmd *cmd, int fd)
{
    if (l->n_out == 0 || !joins(&l->out[l->n_out - 1], fd))
        new_packet(l, fd);
    struct outgoing *o = &l->out[l->n_out - 1];
    o->cmds[o->n++] = *cmd;
    if (l->socket_watch) /* sent when the loop finds room: a burst shares packets */
        loop_fd_set(l->socket_watch, LOOP_READ | LOOP_WRITE);
}

/* 1 something, 0 nothing now, -1 the connection is over. */
static int read_some(struct lease *l)
{
    struct lease_record records[SHEPHERD_RECORDS_MAX];
    ssize_t n = recv(l->socket_fd, records, sizeof records, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0 || (size_t)n % sizeof records[0] != 0 || records[0].version != LEASE_RECORD_VERSION)
        return -1;
    for (size_t i = 0; i < (size_t)n / sizeof records[0]; i++) {
        records[i].place[PLACE_BYTES - 1] = records[i].cause[CAUSE_BYTES - 1] = '\0';
        lease_on_record(l, &records[i]);
    }
    return 1;
}

void shepherd_link_drain(struct lease *l)
{
    while (l->socket_fd >= 0 && read_some(l) > 0)
        ;
}

static void on_socket(void *arg, CQ_UNUSED int fd, unsigned events)
{
    struct lease *l = arg;
    int got = 1;
    if (events & LOOP_WRITE)
        flush(l);
    for (int i = 0; i < READS_A_TURN && (events & LOOP_READ) && got > 0; i++)
        got = read_some(l);
    if (got >= 0)
        return;
    shepherd_link_close(l); /* dying, or another agent took over: its process tells */
    if (l->state == LEASE_LIVE && l->is_adopted)
        l->state = LEASE_DYING;
}

void shepherd_link_close(struct lease *l)
{
    loop_fd_close(l->socket_watch);
    l->socket_watch = NULL;
    if (l->socket_fd >= 0)
        close(l->socket_fd);
    l->socket_fd = -1;
    for (size_t i = 0; i < l->n_out; i++)
        if (l->out[i].fd >= 0)
            close(l->out[i].fd);
    l->n_out = 0;
}

void shepherd_link_adopt_fd(struct lease *l, int fd)
{
    l->socket_fd = fd;
    l->socket_watch = loop_fd_new(l->agent->loop, fd, LOOP_READ | LOOP_WRITE, on_socket, l);
}

static void on_process_end(void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    lease_on_death(arg, "its shepherd died");
}

/* For shepherds that execd does not know: the end of the process is the proof. */
static void watch_process(struct lease *l)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (l->is_execds || l->pid_fd >= 0
        || getsockopt(l->socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0)
        return;
    l->pid_fd = (int)syscall(SYS_pidfd_open, peer.pid, 0U);
    if (l->pid_fd >= 0)
        l->pid_watch = loop_fd_new(l->agent->loop, l->pid_fd, LOOP_READ, on_process_end, l);
}

static void on_connect_due(void *arg)
{
    shepherd_link_connect(arg);
}

void shepherd_link_connect(struct lease *l)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    /* Through /proc: the instance's directory may be longer than a socket's name can be. */
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/lease-%llu.sock",
             l->agent->leases_fd, (unsigned long long)l->id);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
        shepherd_link_adopt_fd(l, fd);
        watch_process(l);
        return;
    }
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (++l->connect_tries == CONNECT_TRIES) /* its own clock ends it; when it does is seen here */
        log_error("lease.connect lease=%llu error=\"%s\"", (unsigned long long)l->id,
                  strerror(why));
    if (l->connect_tries > 1 && scan_lease_ended(l))
        return;
    bool is_slow = l->connect_tries >= CONNECT_TRIES;
    if (l->connect_timer == NULL)
        l->connect_timer = loop_timer_new(l->agent->loop, on_connect_due, l);
    loop_timer_set(l->connect_timer, loop_now(l->agent->loop).mono_us
                                         + (is_slow ? CONNECT_SLOW_US : CONNECT_AGAIN_US));
}
