/* SOCK_SEQPACKET sockets of the simulated kernel: packets in order, with descriptors in them, and a
 * bound beyond which a sender has to wait. */
#include "tests/simtest/kernel_internal.h"

#include "common/base/pure/mem.h"

#include <errno.h>

enum { PACKETS_MAX = 32 };

int sim_socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)type;
    (void)protocol;
    return fd_new(handle_new(HANDLE_SOCKET)); /* until it is connected it has no peer */
}

static void pair_up(struct handle *a, struct handle *b)
{
    a->peer = b;
    b->peer = a;
    a->last = &a->first;
    b->last = &b->first;
}

int sim_socketpair(int domain, int type, int protocol, int fds[2])
{
    (void)domain;
    (void)type;
    (void)protocol;
    struct handle *a = handle_new(HANDLE_SOCKET), *b = handle_new(HANDLE_SOCKET);
    pair_up(a, b);
    fds[0] = fd_new(a);
    fds[1] = fd_new(b);
    return 0;
}

int sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    (void)fd;
    (void)level;
    (void)name;
    (void)value;
    (void)size;
    return 0;
}

/* SO_PEERCRED alone is asked for: who is at the other end? */
int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    const struct handle *h = fd_handle(fd);
    (void)level;
    (void)name;
    if (h == NULL || *size != sizeof(struct ucred))
        return no_fd(EBADF);
    struct ucred who = {.pid = 1, .uid = geteuid()};
    if (sim.current->kind == PROC_SHEPHERD)
        who.pid = 0; /* it is in a namespace of its own, and the other is not */
    else if (h->peer && h->peer->owner)
        who.pid = (pid_t)h->peer->owner->pid;
    memcpy(value, &who, sizeof who);
    return 0;
}

static const char *name_of(const struct sockaddr *at)
{
    const char *path = ((const struct sockaddr_un *)(const void *)at)->sun_path;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int sim_bind(int fd, const struct sockaddr *at, socklen_t size)
{
    struct handle *h = fd_handle(fd);
    (void)size;
    if (h == NULL || file_find(sim.current->machine, name_of(at)))
        return no_fd(EADDRINUSE);
    h->kind = HANDLE_LISTENER;
    h->name = file_make(sim.current->machine, name_of(at));
    h->name->listener = h;
    h->name->refs++;
    return 0;
}

int sim_listen(int fd, int backlog)
{
    (void)backlog;
    return fd_handle(fd) ? 0 : no_fd(EBADF);
}

int sim_connect(int fd, const struct sockaddr *to, socklen_t size)
{
    struct handle *h = fd_handle(fd);
    const struct file *f = file_find(sim.current->machine, name_of(to));
    (void)size;
    if (h == NULL || f == NULL)
        return no_fd(ENOENT);
    struct handle *l = f->listener;
    if (l == NULL || l->n_pending == BACKLOG_MAX)
        return no_fd(l ? EAGAIN : ECONNREFUSED);
    struct handle *other = handle_new(HANDLE_SOCKET);
    other->owner = l->owner;
    pair_up(h, other);
    l->pending[l->n_pending++] = other;
    proc_wake_soon(l->owner);
    return 0;
}

int sim_accept4(int fd, struct sockaddr *from, socklen_t *size, int flags)
{
    struct handle *l = fd_handle(fd);
    (void)from;
    (void)size;
    (void)flags;
    if (l == NULL || l->n_pending == 0)
        return no_fd(EAGAIN);
    struct handle *h = l->pending[0];
    memmove(l->pending, l->pending + 1, --l->n_pending * sizeof(struct handle *));
    return fd_new(h);
}

static void free_packet(struct packet *p)
{
    for (size_t i = 0; i < p->n_passed; i++)
        handle_unref(p->passed[i]);
    free(p);
}

void socket_closed(struct handle *h)
{
    for (struct packet *p = h->first, *next; p; p = next) {
        next = p->next;
        free_packet(p);
    }
    for (size_t i = 0; i < h->n_pending; i++)
        handle_unref(h->pending[i]);
    if (h->name) {
        h->name->listener = NULL;
        file_unref(h->name);
    }
    if (h->peer) {
        h->peer->peer = NULL;
        if (h->peer->owner)
            proc_wake_soon(h->peer->owner);
    }
}

static void take_passed(struct packet *p, const struct msghdr *m)
{
    const struct cmsghdr *c = m->msg_control ? CMSG_FIRSTHDR(m) : NULL;
    if (c == NULL || c->cmsg_type != SCM_RIGHTS)
        return;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n && i < PASSED_MAX; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        p->passed[i] = fd_handle(fd);
        if (p->passed[i] == NULL)
            abort();
        p->passed[i]->refs++;
        p->n_passed++;
    }
}

ssize_t sim_sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct handle *h = fd_handle(fd);
    (void)flags;
    if (h == NULL || h->kind != HANDLE_SOCKET)
        return no_fd(EBADF);
    if (h->peer == NULL)
        return no_fd(EPIPE);
    if (h->peer->n_packets >= PACKETS_MAX)
        return no_fd(EAGAIN);
    struct heap *old = heap_enter(&sim.world);
    struct packet *p = cq_calloc(1, sizeof *p + m->msg_iov[0].iov_len);
    heap_leave(old);
    p->bytes = m->msg_iov[0].iov_len;
    memcpy(p->data, m->msg_iov[0].iov_base, p->bytes);
    take_passed(p, m);
    *h->peer->last = p;
    h->peer->last = &p->next;
    h->peer->n_packets++;
    if (h->peer->owner)
        proc_wake_soon(h->peer->owner);
    return (ssize_t)p->bytes;
}

ssize_t sim_send(int fd, const void *data, size_t bytes, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, bytes};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    return sim_sendmsg(fd, &m, flags);
}

static struct packet *next_packet(struct handle *h)
{
    struct packet *p = h->first;
    if (p == NULL)
        return NULL;
    h->first = p->next;
    if (h->first == NULL)
        h->last = &h->first;
    if (h->n_packets-- == PACKETS_MAX && h->peer && h->peer->owner)
        proc_wake_soon(h->peer->owner); /* there is room again */
    return p;
}

static void give_passed(struct packet *p, struct msghdr *m)
{
    struct cmsghdr *c = m->msg_control ? CMSG_FIRSTHDR(m) : NULL;
    size_t room = c ? (m->msg_controllen - CMSG_LEN(0)) / sizeof(int) : 0;
    size_t n = p->n_passed < room ? p->n_passed : room;
    if (n == 0) {
        m->msg_controllen = 0;
        return;
    }
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    for (size_t i = 0; i < n; i++) {
        int fd = fd_new(p->passed[i]); /* the packet's reference goes with it */
        memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
    }
    p->n_passed = 0;
}

ssize_t sim_recvmsg(int fd, struct msghdr *m, int flags)
{
    struct handle *h = fd_handle(fd);
    (void)flags;
    if (h == NULL || h->kind != HANDLE_SOCKET)
        return no_fd(EBADF);
    struct packet *p = next_packet(h);
    if (p == NULL)
        return h->peer ? no_fd(EAGAIN) : 0;
    size_t n = p->bytes < m->msg_iov[0].iov_len ? p->bytes : m->msg_iov[0].iov_len;
    memcpy(m->msg_iov[0].iov_base, p->data, n);
    m->msg_flags = n < p->bytes ? MSG_TRUNC : 0;
    if (m->msg_control)
        give_passed(p, m);
    free_packet(p);
    return (ssize_t)n;
}

ssize_t sim_recv(int fd, void *to, size_t bytes, int flags)
{
    struct iovec iov = {to, bytes};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    return sim_recvmsg(fd, &m, flags);
}
