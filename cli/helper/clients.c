/* The commands: descriptors, buffers, whose answer it is, and the end when nobody is left. */
#include "cli/helper/helper.h"

#include "common/base/pure/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 256,
    BACKLOG = 128,
    READ_BYTES = 65536,
    OUT_MAX = 16 << 20, /* of answers and events that a command does not read: then it is cut off */
};

struct client {
    struct helper *helper;
    struct client *next, *previous;
    int fd;
    struct loop_fd *watch;
    struct cq_str in, out;
    uint64_t half; /* upper half of its request ids; 0 = it has not sent any */
};

static void set_idle(struct helper *h)
{
    if (h->n_clients > 0)
        loop_timer_cancel(h->idle);
    else if (h->listener == NULL || h->state != ZSOCK_CONNECTED)
        loop_stop(h->loop);
    else
        loop_timer_set(h->idle, loop_now(h->loop).mono_us + h->idle_us);
}

static void client_end(struct client *c)
{
    struct helper *h = c->helper;
    if (c->half)
        (void)map_remove(&h->by_half, c->half);
    if (c->previous)
        c->previous->next = c->next;
    else
        h->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    h->n_clients--;
    loop_fd_close(c->watch);
    close(c->fd);
    cq_str_fini(&c->in);
    cq_str_fini(&c->out);
    free(c);
    set_idle(h);
}

/* ---- out ---- */

/* False when it is gone. */
static bool flush(struct client *c)
{
    ssize_t n = c->out.len ? send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    local_drop(&c->out, n > 0 ? (size_t)n : 0);
    loop_fd_set(c->watch, LOOP_READ | (c->out.len ? LOOP_WRITE : 0));
    return c->out.len <= OUT_MAX;
}

static void say(struct client *c, enum local_frame type, const void *data, size_t bytes)
{
    local_add(&c->out, type, data, bytes);
    if (!flush(c))
        shutdown(c->fd, SHUT_RDWR); /* its next event is the end */
}

static void tell(struct client *c, enum zsock_state state)
{
    const uint8_t byte = (uint8_t)state;
    say(c, LOCAL_STATE, &byte, 1);
}

void client_answer(struct client *to, const struct msg *m)
{
    struct cq_str frame CQ_CLEANUP(cq_str_fini) = {0};
    if (msg_encode(m, &frame, NULL) == 0)
        say(to, LOCAL_MESSAGE, frame.data, frame.len);
}

void clients_tell(struct helper *h, enum zsock_state state)
{
    h->state = state;
    h->is_told = true;
    for (struct client *c = h->first; c; c = c->next)
        tell(c, state);
    set_idle(h);
}

void clients_forward(struct helper *h, uint64_t request, const void *data, size_t bytes)
{
    struct client *c = map_find(&h->by_half, request >> 32);
    if (c)
        say(c, LOCAL_MESSAGE, data, bytes);
}

/* ---- in ---- */

/* False when its ids are somebody else's, or none. */
static bool note_half(struct client *c, uint64_t request)
{
    uint64_t half = request >> 32;
    if (c->half == 0 && half != 0 && map_find(&c->helper->by_half, half) == NULL) {
        c->half = half;
        map_put(&c->helper->by_half, half, c);
    }
    return half != 0 && c->half == half;
}

static bool take(struct client *c, const struct local_piece *p)
{
    struct helper *h = c->helper;
    struct cq_err err;
    if (p->type == LOCAL_KEY)
        return h->zsock == NULL && curve_key_parse(p->data, p->bytes, &h->key, &err) == 0
               && upstream_open(h, &err) == 0;
    if (p->type != LOCAL_MESSAGE || !note_half(c, msg_request_of(p->data, p->bytes)))
        return false;
    upstream_send(h, c, p->data, p->bytes);
    return true;
}

/* False when it is gone, or says what no command would. */
static bool read_some(struct client *c)
{
    char bytes[READ_BYTES];
    struct local_piece p;
    size_t at = 0;
    int is_next;
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    if (n > 0)
        cq_str_append(&c->in, bytes, (size_t)n);
    while ((is_next = local_next(&c->in, &at, &p)) == 1)
        if (!take(c, &p))
            return false;
    explicit_bzero(bytes, n > 0 ? (size_t)n : 0); /* it may be the key */
    local_drop(&c->in, at);
    return is_next == 0;
}

static void on_client(void *arg, CQ_UNUSED int fd, unsigned events)
{
    struct client *c = arg;
    if ((events & LOOP_WRITE && !flush(c)) || (events & LOOP_READ && !read_some(c)))
        client_end(c);
}

struct client *client_add(struct helper *h, int fd)
{
    if (h->n_clients == CLIENTS_MAX || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        close(fd);
        return NULL;
    }
    struct client *c = CQ_NEW(struct client);
    *c = (struct client){.helper = h, .fd = fd, .next = h->first};
    if (h->first)
        h->first->previous = c;
    h->first = c;
    h->n_clients++;
    c->watch = loop_fd_new(h->loop, fd, LOOP_READ, on_client, c);
    if (h->is_told)
        tell(c, h->state);
    loop_timer_cancel(h->idle);
    return c;
}

/* ---- listening ---- */

/* Only our own account: it could read the key file as well. */
static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t bytes = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) == 0 && who.uid == geteuid();
}

static void on_connect(void *arg, int fd, CQ_UNUSED unsigned events)
{
    struct helper *h = arg;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return;
    if (is_ours(client))
        (void)client_add(h, client);
    else
        close(client);
}

/* The lock says whose the socket's name is: one that nobody holds is left over. */
static int take_name(struct helper *h)
{
    char lock[PATH_MAX];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(lock, sizeof lock, "%s.lock", h->path);
    h->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (h->lock_fd < 0 || flock(h->lock_fd, LOCK_EX | LOCK_NB) != 0
        || !cq_copy_text(a.sun_path, sizeof a.sun_path, h->path))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)unlink(h->path);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

void clients_listen(struct helper *h)
{
    if (h->path == NULL || h->listener)
        return;
    h->listen_fd = take_name(h);
    if (h->listen_fd >= 0)
        h->listener = loop_fd_new(h->loop, h->listen_fd, LOOP_READ, on_connect, h);
    else
        h->path = NULL; /* another one listens: this one serves whom it has */
}

void clients_close(struct helper *h)
{
    if (h->listener) {
        (void)unlink(h->path);
        loop_fd_close(h->listener);
        close(h->listen_fd);
    }
    while (h->first)
        client_end(h->first);
    map_fini(&h->by_half);
}
