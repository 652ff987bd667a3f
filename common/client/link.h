/* What carries a client's messages to chipqd and back. Two kinds with one interface, chosen by what
 * a program is linked to: link_direct.c has a ZeroMQ socket of its own; link_helper.c talks to
 * chipq-helper over a Unix socket, so that a command neither loads libzmq nor shakes hands. */
#ifndef CHIPQ_LINK_H
#define CHIPQ_LINK_H

#include "common/net/curve.h"
#include "common/net/zsock.h"

struct link;

struct link_options {
    const struct curve_key *key; /* borrowed for the call */
    const char *endpoint;        /* NULL = the key's */
    bool is_own; /* a session that nobody else uses: for WATCH, which is one a session */
    void (*on_state)(void *arg, enum zsock_state state);
    void (*on_message)(void *arg, const void *data, size_t bytes);
    void *arg;
};

/* Connects in the background; on_state tells. Errors: CQ_E_INVALID for a key or endpoint that is
 * none, CQ_E_IO. Caller closes. */
struct link *link_open(const struct link_options *o, struct cq_err *err) CQ_MUST_CHECK;
void link_close(struct link *l); /* accepts NULL */

/* Queues one message. What is not sent because the connection is lost, is lost: the next
 * ZSOCK_CONNECTED is the time to send it again. */
void link_send(struct link *l, const void *data, size_t bytes);

/* Waits for something to happen until `until_mono_us` at most, and calls back. */
void link_turn(struct link *l, int64_t until_mono_us);

/* From now on this signal ends a turn with on_signal instead of killing the process. */
void link_catch(struct link *l, int signal_number, void (*on_signal)(void *arg, int signal_number),
                void *arg);

#endif
