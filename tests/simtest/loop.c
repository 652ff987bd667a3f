/* common/net/loop.h in virtual time: the same order of things in a turn. */
#include "tests/simtest/loop.h"

#include "common/base/pure/mem.h"
#include "tests/simtest/kernel.h"

void (*loop_yield)(void);

struct node {
    struct loop *loop;
    struct node *next;
    void *arg;
    bool is_closed;
};
struct loop_fd {
    struct node node;
    int fd;
    unsigned events;
    loop_fd_fn fn;
};
struct loop_timer {
    struct node node;
    int64_t at_us;
    uint64_t seq;
    loop_timer_fn fn;
};
struct loop_part {
    struct node node;
    loop_part_fn fn;
};
struct loop_signal {
    struct node node;
};
struct deferred {
    struct deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct proc *proc;
    struct node *fds, *timers, *parts, *signals;
    struct deferred *deferred;
    loop_turn_fn hook;
    void *hook_arg;
    struct now now;
    uint64_t seq;
    bool is_stopped, is_again, has_zap;
};

struct loop *loop_new(struct cq_err *err)
{
    (void)err;
    struct loop *l = CQ_NEW(struct loop);
    l->proc = sim.current;
    l->now = sim_clock_now();
    return l;
}

struct proc *loop_proc(const struct loop *l)
{
    return l->proc;
}

static void *node_open(struct loop *l, struct node **list, size_t bytes, void *arg)
{
    struct node *n = cq_calloc(1, bytes), **at = list;
    n->loop = l;
    n->arg = arg;
    while (*at)
        at = &(*at)->next;
    *at = n; /* in the order of their making */
    return n;
}

static void sweep(struct node **at, bool all)
{
    while (*at) {
        struct node *n = *at;
        if (all || n->is_closed) {
            *at = n->next;
            free(n);
        } else {
            at = &n->next;
        }
    }
}

static void run_deferred(struct loop *l)
{
    while (l->deferred) {
        struct deferred *d = l->deferred;
        l->deferred = d->next;
        d->fn(d->arg);
        free(d);
    }
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    run_deferred(l);
    sweep(&l->fds, true);
    sweep(&l->timers, true);
    sweep(&l->parts, true);
    sweep(&l->signals, true);
    free(l);
}

struct now loop_now(const struct loop *l)
{
    return l->now;
}

void loop_run(struct loop *l)
{
    (void)l;
    abort(); /* turns come from events here */
}

void loop_stop(struct loop *l)
{
    l->is_stopped = true;
}

bool loop_is_stopped(const struct loop *l)
{
    return l->is_stopped;
}

void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg)
{
    l->hook = fn;
    l->hook_arg = arg;
}

void loop_again(struct loop *l)
{
    l->is_again = true;
    proc_wake_soon(l->proc);
}

void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct deferred *d = CQ_NEW(struct deferred);
    *d = (struct deferred){.next = l->deferred, .fn = fn, .arg = arg};
    l->deferred = d;
}

void loop_set_has_zap(struct loop *l, bool has_zap)
{
    l->has_zap = has_zap;
}

bool loop_has_zap(const struct loop *l)
{
    return l->has_zap;
}

/* ---- descriptors ---- */

struct loop_fd *loop_fd_new(struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *arg)
{
    struct loop_fd *w = node_open(l, &l->fds, sizeof *w, arg);
    w->fd = fd;
    w->fn = fn;
    loop_fd_set(w, events);
    return w;
}

static unsigned ready_of(const struct loop_fd *w)
{
    unsigned is_in = kernel_is_ready(w->fd, POLLIN) ? LOOP_READ : 0;
    unsigned is_out = kernel_is_ready(w->fd, POLLOUT) ? LOOP_WRITE : 0;
    return (is_in | is_out) & w->events;
}

void loop_fd_set(struct loop_fd *w, unsigned events)
{
    w->events = events;
    if (ready_of(w))
        proc_wake_soon(w->node.loop->proc);
}

void loop_fd_close(struct loop_fd *w)
{
    if (w)
        w->node.is_closed = true;
}

static void turn_fds(struct loop *l)
{
    for (struct node *n = l->fds; n; n = n->next) {
        struct loop_fd *w = (struct loop_fd *)n;
        unsigned ready = n->is_closed ? 0 : ready_of(w);
        if (ready)
            w->fn(n->arg, w->fd, ready);
    }
}

/* ---- timers ---- */

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg)
{
    struct loop_timer *t = node_open(l, &l->timers, sizeof *t, arg);
    t->fn = fn;
    t->at_us = NEVER_US;
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t at_mono_us)
{
    t->at_us = at_mono_us;
    t->seq = ++t->node.loop->seq;
    proc_wake_local(t->node.loop->proc, at_mono_us);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->at_us != NEVER_US;
}

void loop_timer_cancel(struct loop_timer *t)
{
    t->at_us = NEVER_US;
}

void loop_timer_close(struct loop_timer *t)
{
    if (t == NULL)
        return;
    t->at_us = NEVER_US;
    t->node.is_closed = true;
}

static struct loop_timer *next_timer(const struct loop *l)
{
    struct loop_timer *best = NULL;
    for (struct node *n = l->timers; n; n = n->next) {
        struct loop_timer *t = (struct loop_timer *)n;
        if (t->at_us != NEVER_US
            && (best == NULL || t->at_us < best->at_us
                || (t->at_us == best->at_us && t->seq < best->seq)))
            best = t;
    }
    return best;
}

static void turn_timers(struct loop *l)
{
    uint64_t up_to = l->seq; /* what a timer sets again waits for the next turn */
    struct loop_timer *t;
    while ((t = next_timer(l)) != NULL && t->at_us <= l->now.mono_us && t->seq <= up_to) {
        t->at_us = NEVER_US;
        t->fn(t->node.arg);
    }
}

/* ---- sockets, signals ---- */

struct loop_part *loop_part_new(struct loop *l, loop_part_fn fn, void *arg)
{
    struct loop_part *p = node_open(l, &l->parts, sizeof *p, arg);
    p->fn = fn;
    return p;
}

void loop_part_close(struct loop_part *p)
{
    if (p)
        p->node.is_closed = true;
}

struct loop_signal *loop_signal_new(struct loop *l, int signal_number, loop_signal_fn fn, void *arg)
{
    (void)signal_number;
    (void)fn;
    return node_open(l, &l->signals, sizeof(struct loop_signal), arg);
}

void loop_signal_close(struct loop_signal *w)
{
    if (w)
        w->node.is_closed = true;
}

/* ---- turns ---- */

static void sleep_until_due(struct loop *l, bool has_more)
{
    const struct loop_timer *t = next_timer(l);
    if (t)
        proc_wake_local(l->proc, t->at_us);
    for (struct node *n = l->fds; n; n = n->next)
        has_more |= ready_of((struct loop_fd *)n) != 0;
    if (has_more || l->is_again)
        proc_wake_soon(l->proc);
}

void loop_run_turn(struct loop *l)
{
    bool has_more = false;
    l->now = sim_clock_now();
    l->is_again = false;
    turn_fds(l);
    turn_timers(l);
    for (struct node *n = l->parts; n; n = n->next)
        if (!n->is_closed)
            has_more |= ((struct loop_part *)n)->fn(n->arg);
    if (l->hook)
        l->hook(l->hook_arg);
    sweep(&l->fds, false);
    sweep(&l->timers, false);
    sweep(&l->parts, false);
    sweep(&l->signals, false);
    run_deferred(l);
    sleep_until_due(l, has_more);
}

void loop_turn(struct loop *l, int64_t until_mono_us)
{
    proc_wake_local(l->proc, until_mono_us);
    loop_yield();
    loop_run_turn(l);
}
