/* The agent's connection: commands in, records out. Nothing waits for the agent: what cannot be
 * told now is in the tables, and is told when there is room, or to the next agent. */
#include "worker/shepherd/shepherd.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

struct packet {
    struct lease_record records[SHEPHERD_RECORDS_MAX];
    size_t n;
};
static struct packet outgoing;

static void agent_gone(struct shepherd *s)
{
    close(s->agent_fd);
    s->agent_fd = -1;
    s->is_link_full = false;
    s->flush_at_us = INT64_MAX;
}

/* A new agent knows nothing: everything is told anew. */
static void agent_start(struct shepherd *s, int fd)
{
    if (s->agent_fd >= 0)
        close(s->agent_fd);
    s->agent_fd = fd;
    s->is_link_full = false;
    s->is_greeting = true;
    s->has_said_hello = false;
    s->greet_at = s->queue_head;
    s->now_running.is_told = false;
    memset(s->ended_told, 0, sizeof s->ended_told);
    s->n_untold = s->n_ended;
    s->flush_at_us = 0;
}

void link_listen(struct shepherd *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s.sock", s->name);
    (void)unlink(at.sun_path);
    s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&at, sizeof at) != 0
        || listen(s->listen_fd, 4) != 0)
        log_error("shepherd.listen lease=%llu error=\"%s\"", (unsigned long long)s->spec.lease,
                  strerror(errno));
    if (s->agent_fd >= 0) {
        int fd = s->agent_fd;
        s->agent_fd = -1;
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        agent_start(s, fd);
    }
}

/* Our own account only, and not from inside: a job must not command its shepherd. */
static bool is_peer_allowed(const struct shepherd *s, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid())
        return false;
    bool has_namespace = s->keeper == KEEPER_PID_NAMESPACE || s->keeper == KEEPER_USER_NAMESPACE;
    return !has_namespace || peer.pid == 0;
}

void link_accept(struct shepherd *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (is_peer_allowed(s, fd))
        agent_start(s, fd);
    else
        close(fd);
}

static void renew(struct shepherd *s, int64_t until_us)
{
    if (until_us <= s->until_us)
        return;
    s->until_us = until_us;
    struct itimerspec at = {
        .it_value = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * 1000}};
    (void)timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void kill_one(struct shepherd *s, struct shepherd_cmd *cmd)
{
    struct running *r = &s->now_running;
    cmd->cause[sizeof cmd->cause - 1] = '\0';
    if (r->is_on && lease_record_is_same(&r->record, cmd->job, cmd->task, cmd->attempt))
        attempt_stop(s, LIMIT_NONE, cmd->cause);
    else
        (void)queue_kill_waiting(s, cmd);
}

static void obey(struct shepherd *s, struct shepherd_cmd *cmd, int fd)
{
    struct waiting w = {cmd->job, cmd->task, cmd->attempt};
    switch ((enum shepherd_cmd_type)cmd->type) {
    case SHEPHERD_ORDER:
        queue_add_job(s, cmd->job, fd);
        break;
    case SHEPHERD_QUEUE:
        queue_push(s, &w);
        break;
    case SHEPHERD_KILL:
        kill_one(s, cmd);
        break;
    case SHEPHERD_RENEW:
        renew(s, cmd->until_us);
        break;
    case SHEPHERD_ACK:
        queue_ack(s, cmd);
        break;
    case SHEPHERD_CLOSE:
        s->is_closed = true;
        break;
    case SHEPHERD_DROP:
        s->is_dropped = true;
        break;
    case SHEPHERD_BIND:
        confine_again(s);
        break;
    }
}

static int take_fd(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int fd = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
        && c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static bool read_packet(struct shepherd *s)
{
    static struct shepherd_cmd cmds[SHEPHERD_CMDS_MAX];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {cmds, sizeof cmds};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s->agent_fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    int fd = n > 0 ? take_fd(&m) : -1;
    if (n <= 0 || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n % sizeof cmds[0] != 0
        || cmds[0].version != SHEPHERD_PROTO_VERSION) {
        agent_gone(s);
        n = 0;
    }
    for (size_t i = 0; i < (size_t)n / sizeof cmds[0]; i++)
        obey(s, &cmds[i], fd);
    if (fd >= 0)
        close(fd);
    return s->agent_fd >= 0 && n > 0;
}

void link_read(struct shepherd *s)
{
    for (int i = 0; i < 64 && read_packet(s); i++)
        ;
}

void link_soon(struct shepherd *s, int64_t delay_us)
{
    int64_t at = delay_us > 0 ? clock_mono_us() + delay_us : 0;
    if (s->agent_fd >= 0 && at < s->flush_at_us)
        s->flush_at_us = at;
}

/* Sends what is in `outgoing`. False when there is no room: it stays untold. */
static bool send_packet(struct shepherd *s)
{
    if (outgoing.n == 0)
        return true;
    ssize_t n = send(s->agent_fd, outgoing.records, outgoing.n * sizeof outgoing.records[0],
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    outgoing.n = 0;
    if (n > 0)
        return true;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        s->is_link_full = true;
    else
        agent_gone(s);
    return false;
}

static void add(const struct lease_record *r)
{
    outgoing.records[outgoing.n++] = *r;
}

/* HELLO and the waiting attempts, as many packets as it takes. */
static bool greet(struct shepherd *s)
{
    struct waiting nobody = {0};
    while (!s->has_said_hello || s->greet_at < s->queue_tail) {
        uint64_t next = s->greet_at < s->queue_head ? s->queue_head : s->greet_at;
        if (!s->has_said_hello) {
            struct lease_record hello = queue_record(s, LEASE_REC_HELLO, &nobody);
            hello.limit = s->keeper;
            hello.flags = s->is_closed ? LEASE_F_CLOSED : 0;
            add(&hello);
        }
        while (next < s->queue_tail && outgoing.n < SHEPHERD_RECORDS_MAX) {
            struct lease_record r =
                queue_record(s, LEASE_REC_QUEUED, &s->queue[next % SHEPHERD_QUEUE_MAX]);
            add(&r);
            next++;
        }
        if (!send_packet(s))
            return false;
        s->has_said_hello = true;
        s->greet_at = next;
    }
    return true;
}

static bool has_untold_start(const struct shepherd *s)
{
    return s->now_running.is_on && s->now_running.pid > 0 && !s->now_running.is_told;
}

/* One packet of ends that are not told, then of the start that followed them; false when there was
 * no room. */
static bool tell_some(struct shepherd *s)
{
    static size_t told[SHEPHERD_RECORDS_MAX];
    size_t n_told = 0;
    for (size_t i = 0; i < s->n_ended && outgoing.n < SHEPHERD_RECORDS_MAX; i++) {
        if (s->ended_told[i])
            continue;
        add(&s->ended[i]);
        told[n_told++] = i;
    }
    bool tells_start = has_untold_start(s) && outgoing.n < SHEPHERD_RECORDS_MAX;
    if (tells_start)
        add(&s->now_running.record);
    (void)CQ_FP("worker.exit.before_report");
    if (!send_packet(s))
        return false;
    (void)CQ_FP("worker.exit.after_report");
    s->now_running.is_told |= tells_start;
    for (size_t i = 0; i < n_told; i++)
        s->ended_told[told[i]] = true;
    s->n_untold -= n_told;
    return true;
}

void link_flush(struct shepherd *s)
{
    s->flush_at_us = INT64_MAX;
    if (s->agent_fd < 0 || (s->is_greeting && !greet(s)))
        return;
    do {
        if (!tell_some(s))
            return;
    } while (s->n_untold > 0 || has_untold_start(s));
    if (!s->is_greeting)
        return;
    struct waiting nobody = {0};
    struct lease_record end = queue_record(s, LEASE_REC_INVENTORY_END, &nobody);
    add(&end);
    if (send_packet(s))
        s->is_greeting = false;
}
