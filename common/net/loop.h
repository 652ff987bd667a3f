/* The event loop: one thread, libevent below, ZeroMQ sockets in it, and a hook that runs once a
 * turn.
 *
 * A turn: sleep until something happens -> callbacks of descriptors and signals -> due timers -> at
 * most LOOP_BATCH messages of every ZeroMQ socket -> the turn hook -> free what was closed.
 *
 * - Callbacks run in loop_run() on the caller's thread, never nested, and must not block.
 * - A callback may close any watcher, its own too: the memory goes at the end of the turn, and a
 *   closed watcher is not called again, not even in this turn.
 * - ZMQ_FD is edge-triggered: it may stay silent while messages wait. So the loop asks every
 *   socket's ZMQ_EVENTS before it sleeps; nobody else needs to think of it.
 * - Only loop_stop from a callback or a signal watcher ends loop_run; other threads talk to a loop
 *   through an eventfd and loop_fd_new.
 *
 * A loop owns one ZeroMQ context. All sockets must be closed (zsock_close, zap_close) before
 * loop_free, which waits for what lingers (bounded, see zsock.h). */
#ifndef CHIPQ_LOOP_H
#define CHIPQ_LOOP_H

#include "common/base/pure/err.h"
#include "common/base/pure/id.h"

#define LOOP_BATCH 64 /* messages of one socket in one turn, so that no peer starves the others */

struct loop;
struct loop_fd;
struct loop_signal;
struct loop_timer;
struct loop_zmq;

/* Errors: CQ_E_IO when the kernel or ZeroMQ gives no descriptors. */
struct loop *loop_new(struct cq_err *err) CQ_MUST_CHECK;
void loop_free(struct loop *l); /* accepts NULL; frees watchers that are still there */

/* Both clocks as read when this turn woke up. All code of one turn sees the same time. */
struct now loop_now(const struct loop *l);

/* Runs turns until loop_stop. Can be called again afterwards. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* One turn that sleeps until `until_mono_us` at most (INT64_MAX: for ever; a past time: not at
 * all). For code that waits for one answer, such as the command line. */
void loop_turn(struct loop *l, int64_t until_mono_us);

/* Called once a turn, after all callbacks. One hook; NULL removes it. */
typedef void (*loop_turn_fn)(void *arg);
void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg);

/* Makes the next turn not sleep: for work that was left over on purpose. */
void loop_again(struct loop *l);

/* Descriptors, level-triggered. The descriptor stays the caller's and must outlive the watcher. */
enum loop_event { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void (*loop_fd_fn)(void *arg, int fd, unsigned events); /* events: LOOP_READ | LOOP_WRITE */
struct loop_fd *loop_fd_new(struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *arg);
void loop_fd_set(struct loop_fd *w,
                 unsigned events);     /* what to wait for from now on; 0 = nothing */
void loop_fd_close(struct loop_fd *w); /* accepts NULL; does not close fd */

/* Signals, delivered as an ordinary callback. Only one loop of a process may watch signals. */
typedef void (*loop_signal_fn)(void *arg, int signal_number);
struct loop_signal *loop_signal_new(struct loop *l, int signal_number, loop_signal_fn fn,
                                    void *arg);
void loop_signal_close(struct loop_signal *w); /* accepts NULL; restores the old disposition */

/* One-shot timers on boot time (struct now, mono_us): they count while the machine sleeps. A timer
 * fires at most once per loop_timer_set. Equal times fire in the order they were set. */
typedef void (*loop_timer_fn)(void *arg);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn fn, void *arg);
void loop_timer_set(struct loop_timer *t, int64_t at_mono_us); /* replaces; INT64_MAX = never */
bool loop_timer_is_set(const struct loop_timer *t);
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_close(struct loop_timer *t); /* accepts NULL */

/* For common/net itself: a ZeroMQ socket in the loop. `fn` is called in every turn in which
 * ZMQ_EVENTS says POLLIN, and reads at most LOOP_BATCH messages. Borrows `socket`; the watcher must
 * be closed before the socket is. */
typedef void (*loop_zmq_fn)(void *arg);
struct loop_zmq *loop_zmq_new(struct loop *l, void *socket, loop_zmq_fn fn, void *arg);
void loop_zmq_pause(struct loop_zmq *w, bool is_paused); /* not called while it is */
void loop_zmq_close(struct loop_zmq *w);                 /* accepts NULL */
void *loop_zmq_context(const struct loop *l);

/* Calls fn(arg) at the end of this turn: how zsock and others free themselves. */
void loop_defer(struct loop *l, void (*fn)(void *arg), void *arg);

/* Set by zap_new: servers refuse to start without it, because CURVE alone lets every key in. */
void loop_set_has_zap(struct loop *l, bool has_zap);
bool loop_has_zap(const struct loop *l);

#endif
