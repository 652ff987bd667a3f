/* A process of the fleet.
 *
 * common/net's loop asks every socket before it sleeps, which is right for the few of a daemon and
 * too dear for ten thousand. Here a socket is read until it has nothing more, after its descriptor
 * woke us and after every sending to it; ZMQ_FD is edge-like and tells of all that comes later. */
#include "bench/crew.h"
#include "bench/virtual_worker.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

enum {
    SLEEP_MS = 1000,
    EVENTS = 256,
    HWM = 1024, /* this and the next five as common/net sets them for an agent */
    HANDSHAKE_MS = 30000,
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 5000,
    LINGER_MS = 200
};

struct crew {
    struct crew_state state; /* first */
    struct fleet_shared *shared;
    struct vworker *workers;
    size_t n;
    void *zmq;
    int epoll_fd, wake_fd;
    struct vworker *touched;
    struct cq_str frame; /* scratch */
};

struct crew_state *crew_state(struct crew *c)
{
    return &c->state;
}

/* ---- for virtual workers ---- */

void vworker_touch(struct vworker *w)
{
    if (w->is_touched)
        return;
    w->is_touched = true;
    w->next_touched = w->crew->touched;
    w->crew->touched = w;
}

bool vworker_send(struct vworker *w, const struct msg *m)
{
    struct crew *c = w->crew;
    struct cq_err err = {0};
    cq_str_clear(&c->frame);
    if (msg_encode(m, &c->frame, &err) != 0) {
        crew_note_error(c, err.text);
        c->shared->counts.errors++;
        return false;
    }
    vworker_touch(w); /* sending may take the edge of what has come: it is read again */
    return zmq_send(w->socket, c->frame.data, c->frame.len, ZMQ_DONTWAIT) >= 0;
}

void crew_set_timer(struct crew *c, struct vtimer *t, int64_t at_us)
{
    struct heap *h = &c->state.timers;
    if (t->index != HEAP_NOWHERE)
        heap_remove(h, t->index);
    t->at_us = at_us;
    if (at_us != INT64_MAX)
        heap_push(h, t);
}

void crew_note_gap(struct crew *c, int64_t us)
{
    struct fleet_shared *s = c->shared;
    pthread_mutex_lock(&s->lock);
    if (s->n_gaps < FLEET_GAPS_MAX)
        s->gaps[s->n_gaps++] = us;
    pthread_mutex_unlock(&s->lock);
}

void crew_note_error(struct crew *c, const char *text)
{
    pthread_mutex_lock(&c->shared->lock);
    (void)cq_copy_text(c->shared->error, sizeof c->shared->error, text);
    pthread_mutex_unlock(&c->shared->lock);
}

/* ---- the loop ---- */

static bool timer_less(const void *a, const void *b)
{
    return ((const struct vtimer *)a)->at_us < ((const struct vtimer *)b)->at_us;
}

static void timer_set_index(void *item, size_t index)
{
    ((struct vtimer *)item)->index = index;
}

static void read_clock(struct crew *c)
{
    struct now now = clock_now();
    c->state.now_us = now.mono_us;
    c->state.wall_us = now.wall_us;
}

static void take_frame(struct vworker *w, zmq_msg_t *frame)
{
    struct msg m = {0};
    struct cq_err err = {0};
    if (msg_decode(zmq_msg_data(frame), zmq_msg_size(frame), &m, &err) == 0)
        vworker_take(w, &m);
    else
        crew_note_error(w->crew, err.text);
    msg_fini(&m);
}

static void read_all(struct vworker *w)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, w->socket, ZMQ_DONTWAIT) >= 0)
        take_frame(w, &frame);
    zmq_msg_close(&frame);
}

static bool is_connected(const struct vworker *w)
{
    int events = 0;
    size_t bytes = sizeof events;
    return zmq_getsockopt(w->socket, ZMQ_EVENTS, &events, &bytes) == 0 && (events & ZMQ_POLLOUT);
}

static void on_event(struct vworker *w)
{
    read_all(w);
    vworker_connected(w, is_connected(w));
    vworker_touch(w); /* asking may have taken the edge, too */
}

static void work_off_touched(struct crew *c)
{
    while (c->touched) {
        struct vworker *w = c->touched;
        c->touched = w->next_touched;
        w->is_touched = false;
        if (w->is_urgent)
            vworker_flush(w);
        read_all(w);
    }
}

static void run_timers(struct crew *c)
{
    struct vtimer *t;
    while ((t = heap_top(&c->state.timers)) && t->at_us <= c->state.now_us) {
        heap_pop(&c->state.timers);
        vworker_due(t);
    }
}

static void take_orders(struct crew *c)
{
    uint64_t value;
    if (read(c->wake_fd, &value, sizeof value) != (ssize_t)sizeof value)
        return;
    bool was_held = c->state.is_held;
    c->state.run_us = c->shared->run_us;
    c->state.is_held = c->shared->is_held;
    for (size_t i = 0; was_held && !c->state.is_held && i < c->n; i++)
        vworker_release(&c->workers[i]);
}

static int sleep_ms(const struct crew *c)
{
    const struct vtimer *t = heap_top(&c->state.timers);
    int64_t us = t ? t->at_us - clock_mono_us() : SLEEP_MS * 1000;
    return us <= 0 ? 0 : us >= SLEEP_MS * 1000 ? SLEEP_MS : (int)((us + 999) / 1000);
}

static void turn(struct crew *c)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(c->epoll_fd, events, EVENTS, sleep_ms(c));
    read_clock(c);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            on_event(events[i].data.ptr);
        else
            take_orders(c);
    }
    run_timers(c);
    work_off_touched(c);
}

/* ---- life ---- */

static void set_int(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        abort(); /* a value libzmq does not know: our bug */
}

static int set_key(void *socket, int option, const char *z85, struct cq_err *err)
{
    uint8_t bytes[CURVE_KEY_BYTES];
    if (curve_z85_decode(z85, bytes) && zmq_setsockopt(socket, option, bytes, sizeof bytes) == 0)
        return 0;
    return cq_fail(err, CQ_E_INVALID, "not a whole CURVE key pair");
}

static int watch(struct crew *c, int fd, void *worker, struct cq_err *err)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = worker}};
    if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0)
        return 0;
    return cq_fail_errno(err, CQ_E_IO, errno, "cannot watch a connection");
}

static int connect_worker(struct crew *c, struct vworker *w, const struct fleet_options *o,
                          const struct curve_key *key, struct cq_err *err)
{
    int fd = -1;
    size_t bytes = sizeof fd;
    w->socket = zmq_socket(c->zmq, ZMQ_DEALER);
    if (w->socket == NULL)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make a socket");
    set_int(w->socket, ZMQ_SNDHWM, HWM);
    set_int(w->socket, ZMQ_RCVHWM, HWM);
    set_int(w->socket, ZMQ_LINGER, LINGER_MS);
    set_int(w->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(w->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_int(w->socket, ZMQ_IMMEDIATE, 1); /* so that what is sent is sent to somebody */
    set_int(w->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    if (set_key(w->socket, ZMQ_CURVE_SERVERKEY, o->server, err) != 0
        || set_key(w->socket, ZMQ_CURVE_PUBLICKEY, key->public_key, err) != 0
        || set_key(w->socket, ZMQ_CURVE_SECRETKEY, key->secret_key, err) != 0)
        return -1;
    if (zmq_connect(w->socket, o->endpoint) != 0
        || zmq_getsockopt(w->socket, ZMQ_FD, &fd, &bytes) != 0)
        return cq_fail(err, CQ_E_INVALID, "cannot connect to '%s': %s", o->endpoint,
                       zmq_strerror(errno));
    return watch(c, fd, w, err);
}

static int set_up(struct crew *c, const struct fleet_options *o, size_t first, size_t count,
                  struct cq_err *err)
{
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->zmq = zmq_ctx_new();
    if (c->epoll_fd < 0 || c->zmq == NULL
        || zmq_ctx_set(c->zmq, ZMQ_MAX_SOCKETS, (int)count + 1) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make an event loop");
    if (watch(c, c->wake_fd, NULL, err) != 0)
        return -1;
    while (c->n < count) {
        struct vworker *w = &c->workers[c->n++];
        vworker_init(w, c, o, first + c->n);
        if (connect_worker(c, w, o, &o->keys[first + c->n - 1], err) != 0)
            return -1;
    }
    return 0;
}

static void tear_down(struct crew *c)
{
    for (size_t i = 0; i < c->n; i++) {
        vworker_fini(&c->workers[i]);
        if (c->workers[i].socket)
            zmq_close(c->workers[i].socket);
    }
    if (c->zmq)
        zmq_ctx_term(c->zmq);
    if (c->epoll_fd >= 0)
        close(c->epoll_fd);
    heap_fini(&c->state.timers);
    map_fini(&c->state.seen);
    cq_str_fini(&c->frame);
    free(c->workers);
}

int crew_run(struct fleet_shared *shared, int wake_fd, const struct fleet_options *o, size_t first,
             size_t count, struct cq_err *err)
{
    struct crew c = {.shared = shared,
                     .workers = cq_calloc(count, sizeof *c.workers),
                     .epoll_fd = -1,
                     .wake_fd = wake_fd};
    c.state.counts = &shared->counts;
    c.state.boot_id = clock_boot_id();
    heap_init(&c.state.timers, timer_less, timer_set_index);
    read_clock(&c);
    int rc = set_up(&c, o, first, count, err);
    while (rc == 0 && !shared->must_stop)
        turn(&c);
    for (size_t i = 0; i < c.n; i++)
        vworker_bye(&c.workers[i]);
    tear_down(&c);
    return rc;
}
