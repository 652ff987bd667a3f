/* The loop: libevent for descriptors and signals, a timerfd with a heap for timers, and ZeroMQ
 * sockets that are asked for their events before every sleep.
 *
 * Why asked: ZMQ_FD only signals that the socket's mailbox has commands. Any zmq call on the socket
 * may consume them, after which the descriptor is silent though messages wait.
 * zmq_getsockopt(ZMQ_EVENTS) works the mailbox off and tells the truth; what arrives after it makes
 * the descriptor readable. The descriptor's event therefore does nothing but end the sleep. */
#include "common/net/loop.h"
#include "common/base/pure/heap.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

/* Every watcher is a `node` first: one list, one way to be closed. */
enum node_kind { NODE_FD, NODE_SIGNAL, NODE_TIMER, NODE_ZMQ };

struct node {
    struct node *next, *previous; /* in the loop's ring of live watchers */
    struct loop *loop;
    enum node_kind kind;
    bool closed;
    struct event *event; /* NULL for timers */
    void *arg;
};

struct loop_fd {
    struct node node;
    int fd;
    unsigned events;
    loop_fd_fn fn;
};

struct loop_signal {
    struct node node;
    loop_signal_fn fn;
};

struct loop_timer {
    struct node node;
    size_t index; /* in the heap, or HEAP_NOWHERE */
    int64_t at_us;
    uint64_t order;
    loop_timer_fn fn;
};

struct loop_zmq {
    struct node node;
    void *socket;
    loop_zmq_fn fn;
    struct loop_zmq *next_zmq;
    bool is_paused;
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *base;
    void *zmq;
    int timer_fd;
    struct event *timer_event;
    int64_t timer_fd_at_us; /* what the timerfd is set to; INT64_MAX = disarmed */
    struct heap timers;
    uint64_t timer_order;
    struct now now;
    struct node live;      /* ring head */
    struct loop_zmq *zmqs; /* polled each turn */
    struct node *closed;   /* to free at the end of the turn, linked by `next` */
    struct deferred *first, **last;
    loop_turn_fn turn;
    void *turn_arg;
    bool stop, again, has_zap, slept; /* slept: `now` is of before the sleep */
};

/* ---- watchers in general ---- */

static void node_open(struct node *n, struct loop *l, enum node_kind kind, void *arg)
{
    n->loop = l;
    n->kind = kind;
    n->arg = arg;
    n->next = &l->live;
    n->previous = l->live.previous;
    n->previous->next = n;
    l->live.previous = n;
}

static void node_unlink(struct node *n)
{
    n->previous->next = n->next;
    n->next->previous = n->previous;
}

static void unlink_zmq(struct loop *l, const struct loop_zmq *w)
{
    for (struct loop_zmq **p = &l->zmqs; *p; p = &(*p)->next_zmq)
        if (*p == w) {
            *p = w->next_zmq;
            return;
        }
}

static void node_close(struct node *n)
{
    struct loop *l = n->loop;
    assert(!n->closed);
    n->closed = true;
    if (n->event)
        event_del(n->event);
    if (n->kind == NODE_TIMER)
        loop_timer_cancel((struct loop_timer *)n);
    node_unlink(n);
    n->next = l->closed;
    l->closed = n;
}

static void free_closed(struct loop *l)
{
    struct node *n = l->closed;
    l->closed = NULL;
    while (n) {
        struct node *next = n->next;
        if (n->kind == NODE_ZMQ)
            unlink_zmq(l, (struct loop_zmq *)n);
        if (n->event)
            event_free(n->event);
        free(n);
        n = next;
    }
}

static void run_deferred(struct loop *l)
{
    while (l->first) {
        struct deferred *d = l->first;
        l->first = d->next;
        if (l->first == NULL)
            l->last = &l->first;
        d->fn(d->arg);
        free(d);
    }
}

void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct deferred *d = CQ_NEW(struct deferred);
    d->fn = fn;
    d->arg = arg;
    *l->last = d;
    l->last = &d->next;
    l->again = true;
}

static struct event *make_event(struct loop *l, int fd, short what, event_callback_fn fn, void *arg)
{
    struct event *e = event_new(l->base, fd, what, fn, arg);
    if (e == NULL || event_add(e, NULL) != 0)
        abort(); /* out of memory, or a descriptor that cannot be polled: our bug */
    return e;
}

/* ---- the loop itself ---- */

/* The first callback after a sleep reads the clocks; the rest of the turn uses the same reading. */
static void wake(struct loop *l)
{
    if (!l->slept)
        return;
    l->now = clock_now();
    l->slept = false;
}

static void on_timer_fd(int fd, CQ_UNUSED short what, void *arg)
{
    struct loop *l = arg;
    uint64_t expirations;
    if (read(fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        abort();
    l->timer_fd_at_us = INT64_MAX;
}

static bool timer_less(const void *a, const void *b)
{
    const struct loop_timer *x = a, *y = b;
    return x->at_us != y->at_us ? x->at_us < y->at_us : x->order < y->order;
}

static void timer_set_index(void *item, size_t index)
{
    ((struct loop_timer *)item)->index = index;
}

struct loop *loop_new(struct cq_err *err)
{
    struct loop *l = CQ_NEW(struct loop);
    l->live.next = l->live.previous = &l->live;
    l->last = &l->first;
    l->timer_fd_at_us = INT64_MAX;
    l->now = clock_now();
    heap_init(&l->timers, timer_less, timer_set_index);
    l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    l->base = event_base_new();
    l->zmq = zmq_ctx_new();
    if (l->timer_fd < 0 || l->base == NULL || l->zmq == NULL) {
        loop_free(l);
        cq_fail_errno(err, CQ_E_IO, errno, "cannot make an event loop");
        return NULL;
    }
    l->timer_event = make_event(l, l->timer_fd, EV_READ | EV_PERSIST, on_timer_fd, l);
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    run_deferred(l);
    while (l->live.next != &l->live)
        node_close(l->live.next);
    free_closed(l);
    heap_fini(&l->timers);
    if (l->timer_event)
        event_free(l->timer_event);
    if (l->base)
        event_base_free(l->base);
    while (l->zmq && zmq_ctx_term(l->zmq) != 0 && errno == EINTR)
        continue;
    if (l->timer_fd >= 0)
        close(l->timer_fd);
    free(l);
}

struct now loop_now(const struct loop *l)
{
    return l->now;
}

void *loop_zmq_context(const struct loop *l)
{
    return l->zmq;
}

void loop_set_has_zap(struct loop *l, bool has_zap)
{
    l->has_zap = has_zap;
}

bool loop_has_zap(const struct loop *l)
{
    return l->has_zap;
}

void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg)
{
    l->turn = fn;
    l->turn_arg = arg;
}

void loop_again(struct loop *l)
{
    l->again = true;
}

void loop_stop(struct loop *l)
{
    l->stop = true;
    event_base_loopbreak(l->base);
}

static bool is_readable(void *socket)
{
    int events = 0;
    size_t bytes = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &bytes) == 0 && (events & ZMQ_POLLIN);
}

static bool any_readable(const struct loop *l)
{
    for (const struct loop_zmq *w = l->zmqs; w; w = w->next_zmq)
        if (!w->node.closed && !w->is_paused && is_readable(w->socket))
            return true;
    return false;
}

static int64_t next_timer_us(const struct loop *l)
{
    const struct loop_timer *t = heap_top(&l->timers);
    return t ? t->at_us : INT64_MAX;
}

/* Sets the timerfd so that the sleep ends at `at_us`. A time that was already set costs no call. */
static void arm(struct loop *l, int64_t at_us)
{
    if (at_us == l->timer_fd_at_us)
        return;
    struct itimerspec spec = {{0, 0}, {0, 0}};
    if (at_us != INT64_MAX) {
        int64_t safe_us = at_us > 0 ? at_us : 1;
        spec.it_value.tv_sec = (time_t)(safe_us / US_PER_S);
        spec.it_value.tv_nsec = (long)(safe_us % US_PER_S) * 1000;
    }
    if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0)
        abort();
    l->timer_fd_at_us = at_us;
}

static void wait_for_events(struct loop *l, int64_t until_mono_us)
{
    int64_t at_us = next_timer_us(l) < until_mono_us ? next_timer_us(l) : until_mono_us;
    bool busy = l->again || any_readable(l) || (at_us != INT64_MAX && at_us <= clock_mono_us());
    l->again = false;
    if (!busy)
        arm(l, at_us);
    l->slept = true;
    /* ONCE in both cases: NONBLOCK alone goes on as long as a descriptor is readable, and a ZMQ_FD
     * stays readable until someone asks its socket. */
    if (event_base_loop(l->base, busy ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE) < 0)
        abort();
    wake(l);
}

/* Timers that callbacks set for "now" wait for the next turn, so that a turn always ends. */
static void run_timers(struct loop *l)
{
    uint64_t order = l->timer_order;
    for (struct loop_timer *t = heap_top(&l->timers);
         t && t->at_us <= l->now.mono_us && t->order < order; t = heap_top(&l->timers)) {
        heap_pop(&l->timers);
        t->fn(t->node.arg);
    }
}

static void run_sockets(struct loop *l)
{
    for (struct loop_zmq *w = l->zmqs; w; w = w->next_zmq)
        if (!w->node.closed && !w->is_paused && is_readable(w->socket))
            w->fn(w->node.arg);
}

void loop_turn(struct loop *l, int64_t until_mono_us)
{
    wait_for_events(l, until_mono_us);
    run_timers(l);
    run_sockets(l);
    if (l->turn)
        l->turn(l->turn_arg);
    run_deferred(l);
    free_closed(l);
}

void loop_run(struct loop *l)
{
    l->stop = false;
    while (!l->stop)
        loop_turn(l, INT64_MAX);
}

/* ---- descriptors ---- */

static void on_fd(int fd, short what, void *arg)
{
    struct loop_fd *w = arg;
    unsigned events =
        (what & EV_READ ? (unsigned)LOOP_READ : 0) | (what & EV_WRITE ? (unsigned)LOOP_WRITE : 0);
    wake(w->node.loop);
    if (!w->node.closed)
        w->fn(w->node.arg, fd, events);
}

static short event_mask(unsigned events)
{
    return (short)(EV_PERSIST | (events & LOOP_READ ? EV_READ : 0)
                   | (events & LOOP_WRITE ? EV_WRITE : 0));
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *arg)
{
    struct loop_fd *w = CQ_NEW(struct loop_fd);
    w->fd = fd;
    w->fn = fn;
    node_open(&w->node, l, NODE_FD, arg);
    loop_fd_set(w, events);
    return w;
}

/* The new event comes before the old one goes: so libevent tells the kernel what is different, and
 * not to forget the descriptor and to learn it again. */
void loop_fd_set(struct loop_fd *w, unsigned events)
{
    struct event *old = w->node.event;
    if (events == w->events)
        return;
    w->events = events;
    w->node.event = events ? make_event(w->node.loop, w->fd, event_mask(events), on_fd, w) : NULL;
    if (old)
        event_free(old); /* allowed inside its own callback */
}

void loop_fd_close(struct loop_fd *w)
{
    if (w)
        node_close(&w->node);
}

/* ---- signals ---- */

static void on_signal(int signal_number, CQ_UNUSED short what, void *arg)
{
    struct loop_signal *w = arg;
    wake(w->node.loop);
    if (!w->node.closed)
        w->fn(w->node.arg, signal_number);
}

struct loop_signal *loop_signal_new(struct loop *l, int signal_number, loop_signal_fn fn, void *arg)
{
    struct loop_signal *w = CQ_NEW(struct loop_signal);
    w->fn = fn;
    node_open(&w->node, l, NODE_SIGNAL, arg);
    w->node.event = make_event(l, signal_number, EV_SIGNAL | EV_PERSIST, on_signal, w);
    return w;
}

void loop_signal_close(struct loop_signal *w)
{
    if (w)
        node_close(&w->node);
}

/* ---- timers ---- */

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg)
{
    struct loop_timer *t = CQ_NEW(struct loop_timer);
    t->fn = fn;
    t->index = HEAP_NOWHERE;
    node_open(&t->node, l, NODE_TIMER, arg);
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t at_mono_us)
{
    loop_timer_cancel(t);
    if (at_mono_us == INT64_MAX)
        return;
    t->at_us = at_mono_us;
    t->order = t->node.loop->timer_order++;
    heap_push(&t->node.loop->timers, t);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->index != HEAP_NOWHERE;
}

void loop_timer_cancel(struct loop_timer *t)
{
    if (t->index != HEAP_NOWHERE)
        heap_remove(&t->node.loop->timers, t->index);
}

void loop_timer_close(struct loop_timer *t)
{
    if (t)
        node_close(&t->node);
}

/* ---- ZeroMQ sockets ---- */

static void on_zmq_fd(CQ_UNUSED int fd, CQ_UNUSED short what, CQ_UNUSED void *arg)
{
    /* Woken: run_sockets asks. */
}

struct loop_zmq *loop_zmq_new(struct loop *l, void *socket, loop_zmq_fn fn, void *arg)
{
    int fd = -1;
    size_t bytes = sizeof fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &bytes) != 0)
        abort();
    struct loop_zmq *w = CQ_NEW(struct loop_zmq);
    w->socket = socket;
    w->fn = fn;
    w->next_zmq = l->zmqs;
    l->zmqs = w;
    node_open(&w->node, l, NODE_ZMQ, arg);
    w->node.event = make_event(l, fd, EV_READ | EV_PERSIST, on_zmq_fd, w);
    return w;
}

void loop_zmq_pause(struct loop_zmq *w, bool is_paused)
{
    w->is_paused = is_paused;
}

void loop_zmq_close(struct loop_zmq *w)
{
    if (w)
        node_close(&w->node);
}
