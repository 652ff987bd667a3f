/* ZeroMQ sockets of chipq: a server (ROUTER, many peers) and a client (DEALER, one server), both
 * with CURVE, both in a loop. A message is one frame; anything else is dropped and counted.
 *
 * ZeroMQ delivers at most once: messages vanish with a dying peer, and after a reconnect. What must
 * arrive carries a request id, is acknowledged after it is durable, and is sent again. */
#ifndef CHIPQ_ZSOCK_H
#define CHIPQ_ZSOCK_H

#include "common/base/sys/failpoint.h"
#include "common/net/curve.h"
#include "common/net/loop.h"

struct zsock;

/* A server's name for one connection: opaque, never printed, never sent, never trusted as identity
 * (that is user_id). It changes when the peer reconnects. Copy it freely; compare with zpeer_equal.
 */
struct zpeer {
    uint8_t len;
    uint8_t bytes[15];
};
bool zpeer_equal(const struct zpeer *a, const struct zpeer *b);
uint64_t
zpeer_hash(const struct zpeer *p); /* never 0: a key for struct map; distinct per connection */

/* One message. `peer` and `user_id` (what zap's check gave the key) are NULL on a client. All
 * pointers die with the callback. */
typedef void (*zsock_message_fn)(void *arg, const struct zpeer *peer, const char *user_id,
                                 const void *data, size_t bytes);

struct zsock_server_options {
    const struct curve_key *key; /* the server's own pair; borrowed for the call */
    const char *zap_domain;      /* told to zap's check */
    zsock_message_fn on_message;
    void *arg;
    size_t max_bytes; /* of a message, both ways; 0 = 1 MiB. Peers that send more are cut off */
    int send_hwm, receive_hwm; /* messages queued per peer; 0 = 256 */
    int64_t heartbeat_us;      /* ZeroMQ's own, for dead hosts; 0 = 10 s; -1 = none */
};

/* Not listening yet. CQ_E_INTERNAL on a loop without zap. */
struct zsock *zsock_server_new(struct loop *l, const struct zsock_server_options *o,
                               struct cq_err *err) CQ_MUST_CHECK;

/* Listens on one more endpoint, "ipc:///path" or "tcp://127.0.0.1:7000" (port "*": any free one).
 * An ipc path in use is taken over silently by ZeroMQ: hold a lock file first. */
int zsock_bind(struct zsock *z, const char *endpoint, struct cq_err *err) CQ_MUST_CHECK;
const char *zsock_last_endpoint(const struct zsock *z); /* as bound, with the port; "" before */

enum zsock_state {
    ZSOCK_CONNECTED,    /* handshake done: say HELLO (again), resend what is not acknowledged */
    ZSOCK_DISCONNECTED, /* was connected; goes on trying */
    ZSOCK_RETRYING,     /* nobody listens there at the moment; goes on trying */
    ZSOCK_REFUSED,      /* the server does not accept our key; final until zsock_reconnect */
    ZSOCK_MISMATCH,     /* the handshake broke off: no chipqd, not with this server key, or a bad
                           network; goes on trying */
};
typedef void (*zsock_state_fn)(void *arg, enum zsock_state state);

struct zsock_client_options {
    const struct curve_key *key; /* secret_key and servers[0] (or `server`) are used; borrowed */
    const char *server;          /* Z85; NULL = key->servers[0] */
    const char *endpoint;        /* NULL = key->endpoint */
    zsock_message_fn on_message;
    zsock_state_fn on_state; /* may be NULL */
    void *arg;
    size_t max_bytes; /* 0 = 1 MiB */
    int send_hwm, receive_hwm;
    int64_t heartbeat_us;
    int64_t linger_us;     /* at close, for what is not sent yet; at most 2 s */
    bool drop_unconnected; /* ZMQ_IMMEDIATE: sends while not connected say ZSOCK_WOULD_BLOCK */
};

/* Connects in the background; never fails because the server is away. Reconnects by itself after
 * 100 ms up to 5 s with a random part, whatever ended the connection but a refused key.
 * CQ_E_INVALID for a malformed endpoint or key. */
struct zsock *zsock_client_new(struct loop *l, const struct zsock_client_options *o,
                               struct cq_err *err) CQ_MUST_CHECK;
void zsock_reconnect(struct zsock *z); /* drops the connection and starts a new one; client only */

enum zsock_sent {
    ZSOCK_SENT,        /* queued for the peer; not a promise that it arrives */
    ZSOCK_GONE,        /* server: that connection is over */
    ZSOCK_WOULD_BLOCK, /* its queue is full (a slow or stopped peer): keep the message, try again on
                          its next message or a timer */
    ZSOCK_TOO_BIG,     /* over max_bytes: never sendable */
};

/* Never blocks. `peer` is NULL on a client. Borrows `data` for the call. */
enum zsock_sent zsock_send(struct zsock *z, const struct zpeer *peer, const void *data,
                           size_t bytes) CQ_MUST_CHECK;

/* The same over a net as a failpoint makes it (failpoint.h): below 0 the message is lost on its
 * way, FAILPOINT_TWICE and it comes twice. */
static inline enum zsock_sent zsock_send_by(int fault, struct zsock *z, const struct zpeer *peer,
                                            const void *data, size_t bytes)
{
    enum zsock_sent sent = fault < 0 ? ZSOCK_SENT : zsock_send(z, peer, data, bytes);
    if (fault == FAILPOINT_TWICE && sent == ZSOCK_SENT)
        (void)!zsock_send(z, peer, data, bytes);
    return sent;
}

/* Paused, no message is read: what comes waits in ZeroMQ's queues, and when those are full, at the
 * peers. Sending goes on. */
void zsock_pause(struct zsock *z, bool is_paused);

uint64_t
zsock_dropped(const struct zsock *z); /* multi-frame or unauthenticated messages thrown away */

/* Stops callbacks now, frees at the end of the turn (or in loop_free). Accepts NULL. */
void zsock_close(struct zsock *z);

#endif
