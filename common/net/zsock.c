/* ZeroMQ sockets in the loop: single frames, no blocking, nothing lost without a trace that could
 * be told. */
#include "common/net/zsock.h"
#include "common/base/pure/mem.h"
#include "common/net/ipc_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <zmq.h>

enum {
    DEFAULT_MAX_BYTES = 1024 * 1024,
    CURVE_OVERHEAD = 128, /* what MESSAGE commands add to a frame, generously */
    DEFAULT_HWM = 256,
    HANDSHAKE_MS = 30000, /* a pool of ten thousand shakes hands for 10 s; who gave up after 5 would
                             only come again and make it longer */
    CONNECT_MS = 3000,
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 5000,
    GIVEN_UP_US = 200000, /* without a sign of another try, libzmq makes none */
    LINGER_MAX_US = 2000000,
    BACKLOG = 4096,    /* connections that wait to be accepted: a whole pool's after a restart */
    AUTO_ID_BYTES = 5, /* libzmq's own routing ids: a zero byte and a 32-bit counter */
};

struct zsock {
    struct loop *loop;
    void *socket;
    struct loop_zmq *watcher;
    void *monitor; /* PAIR that tells of connections; clients only */
    struct loop_zmq *monitor_watcher;
    struct loop_timer *again; /* to connect, after libzmq has given up; clients only */
    struct ipc_watch *bell;   /* while nobody listens at a client's ipc endpoint */
    zsock_message_fn on_message;
    zsock_state_fn on_state;
    void *arg;
    size_t max_bytes;
    uint64_t dropped;
    bool is_server, closed, is_paused;
    bool is_connected, is_refused; /* clients; refused: trying again makes no sense */
    char last_endpoint[CURVE_ENDPOINT_BYTES];
    char endpoint[CURVE_ENDPOINT_BYTES]; /* that a client connects to */
};

/* ---- peers ---- */

bool zpeer_equal(const struct zpeer *a, const struct zpeer *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint64_t zpeer_hash(const struct zpeer *p)
{
    uint64_t h = 1; /* above the four counter bytes, so that no peer is 0 */
    for (size_t i = 1; i < p->len; i++)
        h = h << 8 | p->bytes[i];
    return h;
}

/* ---- options ---- */

static void set_int(const struct zsock *z, int option, int value)
{
    if (zmq_setsockopt(z->socket, option, &value, sizeof value) != 0)
        abort(); /* a value libzmq does not know: our bug */
}

static void set_heartbeat(const struct zsock *z, int64_t heartbeat_us)
{
    if (heartbeat_us < 0)
        return;
    int64_t ms = heartbeat_us == 0 ? 10000 : (heartbeat_us + 999) / 1000;
    int ivl_ms = ms > 1000000 ? 1000000 : (int)ms;
    set_int(z, ZMQ_HEARTBEAT_IVL, ivl_ms);
    set_int(z, ZMQ_HEARTBEAT_TIMEOUT, ivl_ms * 2);
    set_int(z, ZMQ_HEARTBEAT_TTL, ivl_ms * 3 > 6553000 ? 6553000 : ivl_ms * 3);
}

static void set_common(struct zsock *z, size_t max_bytes, int send_hwm, int receive_hwm)
{
    z->max_bytes = max_bytes ? max_bytes : DEFAULT_MAX_BYTES;
    int64_t frame_max = (int64_t)z->max_bytes + CURVE_OVERHEAD;
    if (zmq_setsockopt(z->socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) != 0)
        abort();
    set_int(z, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int(z, ZMQ_SNDHWM, send_hwm > 0 ? send_hwm : DEFAULT_HWM);
    set_int(z, ZMQ_RCVHWM, receive_hwm > 0 ? receive_hwm : DEFAULT_HWM);
}

static void set_ipv6(const struct zsock *z, const char *endpoint)
{
    set_int(z, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
}

static int set_key(const struct zsock *z, int option, const char *z85, struct cq_err *err)
{
    uint8_t bytes[CURVE_KEY_BYTES];
    if (!curve_z85_decode(z85, bytes))
        return cq_fail(err, CQ_E_INVALID, "not a whole CURVE key pair");
    int rc = zmq_setsockopt(z->socket, option, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    return rc == 0 ? 0 : cq_fail_errno(err, CQ_E_INTERNAL, errno, "CURVE key refused");
}

/* ---- receiving ---- */

/* Throws the rest of a multi-frame message away. */
static void skip_rest(void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame)) {
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            return;
    }
}

/* Peers never choose their routing id; who does is not listened to. */
static bool read_peer(zmq_msg_t *frame, struct zpeer *peer)
{
    size_t len = zmq_msg_size(frame);
    const uint8_t *bytes = zmq_msg_data(frame);
    if (len != AUTO_ID_BYTES || bytes[0] != 0)
        return false;
    *peer = (struct zpeer){.len = AUTO_ID_BYTES};
    memcpy(peer->bytes, bytes, len);
    return true;
}

static bool is_single(zmq_msg_t *frame, struct zsock *z)
{
    if (!zmq_msg_more(frame))
        return true;
    z->dropped++;
    skip_rest(z->socket, frame);
    return false;
}

static void take_from_peer(struct zsock *z, zmq_msg_t *frame)
{
    struct zpeer peer;
    bool known = read_peer(frame, &peer);
    if (!zmq_msg_more(frame) || zmq_msg_recv(frame, z->socket, ZMQ_DONTWAIT) < 0)
        return;
    if (!is_single(frame, z))
        return;
    const char *user_id = zmq_msg_gets(frame, "User-Id");
    if (!known || user_id == NULL || *user_id == '\0')
        z->dropped++;
    else
        z->on_message(z->arg, &peer, user_id, zmq_msg_data(frame), zmq_msg_size(frame));
}

static void take_from_server(struct zsock *z, zmq_msg_t *frame)
{
    if (is_single(frame, z))
        z->on_message(z->arg, NULL, NULL, zmq_msg_data(frame), zmq_msg_size(frame));
}

static void on_readable(void *arg)
{
    struct zsock *z = arg;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int i = 0; i < LOOP_BATCH && !z->closed && !z->is_paused; i++) {
        if (zmq_msg_recv(&frame, z->socket, ZMQ_DONTWAIT) < 0)
            break;
        if (z->is_server)
            take_from_peer(z, &frame);
        else
            take_from_server(z, &frame);
    }
    zmq_msg_close(&frame);
}

/* ---- a client's connection ---- */

static const struct {
    int event;
    enum zsock_state state;
} monitor_states[] = {
    {ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ZSOCK_CONNECTED},
    {ZMQ_EVENT_DISCONNECTED, ZSOCK_DISCONNECTED},
    {ZMQ_EVENT_CONNECT_RETRIED, ZSOCK_RETRYING},
    {ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, ZSOCK_REFUSED},
    {ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, ZSOCK_MISMATCH},
    {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZSOCK_MISMATCH},
};

static void on_listener(void *arg)
{
    zsock_reconnect(arg);
}

/* Nobody listens there: libzmq looks again later and later, so somebody else must look. */
static void wait_for_listener(struct zsock *z)
{
    if (z->bell == NULL)
        z->bell = ipc_watch_new(z->loop, z->endpoint, on_listener, z);
}

static void forget_listener(struct zsock *z)
{
    ipc_watch_close(z->bell);
    z->bell = NULL;
}

/* libzmq connects again after a lost connection, and says so at once; after bytes that make no
 * sense (a frame that was damaged on its way, say) it gives the endpoint up without a word. */
static void note_state(struct zsock *z, enum zsock_state state)
{
    bool is_expected = loop_timer_is_set(z->again);
    if (state == ZSOCK_MISMATCH && z->is_connected)
        state = ZSOCK_DISCONNECTED; /* hands were shaken before */
    z->is_connected = state == ZSOCK_CONNECTED;
    z->is_refused |= state == ZSOCK_REFUSED;
    if ((state == ZSOCK_DISCONNECTED || state == ZSOCK_MISMATCH) && !z->is_refused)
        loop_timer_set(z->again, loop_now(z->loop).mono_us + GIVEN_UP_US);
    else
        loop_timer_cancel(z->again);
    if (state == ZSOCK_CONNECTED)
        forget_listener(z);
    else if (state == ZSOCK_RETRYING)
        wait_for_listener(z);
    if (z->on_state && !(state == ZSOCK_RETRYING && is_expected))
        z->on_state(z->arg, state);
}

static void tell_state(struct zsock *z, int event)
{
    for (size_t i = 0; i < CQ_COUNT(monitor_states); i++)
        if (monitor_states[i].event == event)
            note_state(z, monitor_states[i].state);
}

static void on_given_up(void *arg)
{
    zsock_reconnect(arg);
}

/* An event is two frames: 16-bit number and 32-bit value, then the address. */
static void on_monitor(void *arg)
{
    struct zsock *z = arg;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    for (int i = 0; i < LOOP_BATCH && !z->closed; i++) {
        uint16_t event = 0;
        if (zmq_msg_recv(&frame, z->monitor, ZMQ_DONTWAIT) < 0)
            break;
        if (zmq_msg_size(&frame) >= sizeof event)
            memcpy(&event, zmq_msg_data(&frame), sizeof event);
        skip_rest(z->monitor, &frame);
        tell_state(z, event);
    }
    zmq_msg_close(&frame);
}

static int open_monitor(struct zsock *z, struct cq_err *err)
{
    static _Atomic unsigned counter;
    char name[64];
    int events = 0;
    for (size_t i = 0; i < CQ_COUNT(monitor_states); i++)
        events |= monitor_states[i].event;
    (void)snprintf(name, sizeof name, "inproc://monitor-%u", counter++);
    z->monitor = zmq_socket(loop_zmq_context(z->loop), ZMQ_PAIR);
    if (z->monitor == NULL || zmq_socket_monitor(z->socket, name, events) != 0
        || zmq_connect(z->monitor, name) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot watch a connection");
    z->monitor_watcher = loop_zmq_new(z->loop, z->monitor, on_monitor, z);
    z->again = loop_timer_new(z->loop, on_given_up, z);
    return 0;
}

/* ---- making and closing ---- */

/* In this order, or libzmq's I/O thread blocks on a monitor that nobody reads (libzmq issue 3575).
 */
static void destroy(void *arg)
{
    struct zsock *z = arg;
    if (z->monitor) {
        (void)zmq_socket_monitor(z->socket, NULL, 0);
        zmq_close(z->monitor);
    }
    if (z->socket)
        zmq_close(z->socket);
    free(z);
}

void zsock_close(struct zsock *z)
{
    if (z == NULL || z->closed)
        return;
    z->closed = true;
    loop_zmq_close(z->watcher);
    loop_zmq_close(z->monitor_watcher);
    loop_timer_close(z->again);
    forget_listener(z);
    loop_defer(z->loop, destroy, z);
}

/* libzmq draws a ROUTER's first routing id and all reconnect pauses from rand(), which starts the
 * same in every process: a guessable id lets a peer abort the server, equal pauses make workers
 * come back all at once. */
static void seed_libzmq(void)
{
    srand(randombytes_random());
}

static struct zsock *make(struct loop *l, int type, struct cq_err *err)
{
    seed_libzmq();
    struct zsock *z = CQ_NEW(struct zsock);
    z->loop = l;
    z->is_server = type == ZMQ_ROUTER;
    z->socket = zmq_socket(loop_zmq_context(l), type);
    if (z->socket)
        return z;
    cq_fail_errno(err, CQ_E_IO, errno, "cannot make a socket");
    free(z);
    return NULL;
}

static int set_up_server(struct zsock *z, const struct zsock_server_options *o, struct cq_err *err)
{
    z->on_message = o->on_message;
    z->arg = o->arg;
    set_common(z, o->max_bytes, o->send_hwm, o->receive_hwm);
    set_heartbeat(z, o->heartbeat_us);
    set_int(z, ZMQ_LINGER, 500);
    set_int(z, ZMQ_BACKLOG, BACKLOG);
    set_int(z, ZMQ_ROUTER_MANDATORY, 1);
    set_int(z, ZMQ_ROUTER_HANDOVER, 0);
    set_int(z, ZMQ_CURVE_SERVER, 1);
    if (zmq_setsockopt(z->socket, ZMQ_ZAP_DOMAIN, o->zap_domain, strlen(o->zap_domain)) != 0)
        return cq_fail_errno(err, CQ_E_INTERNAL, errno, "ZAP domain refused");
    return set_key(z, ZMQ_CURVE_SECRETKEY, o->key->secret_key, err);
}

struct zsock *zsock_server_new(struct loop *l, const struct zsock_server_options *o,
                               struct cq_err *err)
{
    if (!loop_has_zap(l) || o->zap_domain == NULL || *o->zap_domain == '\0') {
        cq_fail(err, CQ_E_INTERNAL, "a server needs a ZAP handler and a domain first");
        return NULL;
    }
    struct zsock *z = make(l, ZMQ_ROUTER, err);
    if (z == NULL)
        return NULL;
    if (set_up_server(z, o, err) != 0) {
        zsock_close(z);
        return NULL;
    }
    z->watcher = loop_zmq_new(l, z->socket, on_readable, z);
    return z;
}

int zsock_bind(struct zsock *z, const char *endpoint, struct cq_err *err)
{
    size_t bytes = sizeof z->last_endpoint;
    set_ipv6(z, endpoint);
    if (zmq_bind(z->socket, endpoint) != 0)
        return cq_fail(err, errno == EADDRINUSE ? CQ_E_CONFLICT : CQ_E_INVALID,
                       "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
    if (zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, z->last_endpoint, &bytes) != 0)
        z->last_endpoint[0] = '\0';
    return 0;
}

const char *zsock_last_endpoint(const struct zsock *z)
{
    return z->last_endpoint;
}

static int connect_to(struct zsock *z, struct cq_err *err)
{
    set_ipv6(z, z->endpoint);
    if (zmq_connect(z->socket, z->endpoint) != 0)
        return cq_fail(err, CQ_E_INVALID, "cannot connect to '%s': %s", z->endpoint,
                       zmq_strerror(errno));
    return 0;
}

static int set_client_keys(const struct zsock *z, const struct zsock_client_options *o,
                           struct cq_err *err)
{
    const char *server = o->server ? o->server : o->key->servers[0];
    if (set_key(z, ZMQ_CURVE_SERVERKEY, server, err) != 0)
        return cq_wrap(err, "the scheduler's public key");
    if (set_key(z, ZMQ_CURVE_PUBLICKEY, o->key->public_key, err) != 0)
        return -1;
    return set_key(z, ZMQ_CURVE_SECRETKEY, o->key->secret_key, err);
}

static int set_up_client(struct zsock *z, const struct zsock_client_options *o, struct cq_err *err)
{
    int64_t linger_us = o->linger_us < LINGER_MAX_US ? o->linger_us : LINGER_MAX_US;
    z->on_message = o->on_message;
    z->on_state = o->on_state;
    z->arg = o->arg;
    set_common(z, o->max_bytes, o->send_hwm, o->receive_hwm);
    set_heartbeat(z, o->heartbeat_us);
    set_int(z, ZMQ_LINGER, (int)(linger_us / 1000));
    set_int(z, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    set_int(z, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(z, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_int(z, ZMQ_IMMEDIATE, o->drop_unconnected);
    if (set_client_keys(z, o, err) != 0)
        return -1;
    const char *endpoint = o->endpoint ? o->endpoint : o->key->endpoint;
    if (!cq_copy_text(z->endpoint, sizeof z->endpoint, endpoint) || *endpoint == '\0')
        return cq_fail(err, CQ_E_INVALID, "no endpoint to connect to");
    if (open_monitor(z, err) != 0)
        return -1;
    return connect_to(z, err);
}

struct zsock *zsock_client_new(struct loop *l, const struct zsock_client_options *o,
                               struct cq_err *err)
{
    struct zsock *z = make(l, ZMQ_DEALER, err);
    if (z == NULL)
        return NULL;
    if (set_up_client(z, o, err) != 0) {
        zsock_close(z);
        return NULL;
    }
    z->watcher = loop_zmq_new(l, z->socket, on_readable, z);
    return z;
}

void zsock_reconnect(struct zsock *z)
{
    z->is_connected = z->is_refused = false;
    loop_timer_cancel(z->again);
    (void)zmq_disconnect(z->socket, z->endpoint); /* ENOENT when libzmq has given up already */
    (void)connect_to(z, NULL);                    /* it was well-formed the first time */
}

/* ---- sending ---- */

/* Sends the first frame. libzmq looks at its mailbox only now and then while sending, so a
 * connection made or a queue drained a moment ago may be unknown to it: asking for the events makes
 * it look. */
static bool send_first(void *socket, const void *data, size_t bytes, int flags)
{
    int events = 0;
    size_t size = sizeof events;
    if (zmq_send(socket, data, bytes, flags | ZMQ_DONTWAIT) >= 0)
        return true;
    if (errno != EAGAIN || zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0)
        return false;
    return zmq_send(socket, data, bytes, flags | ZMQ_DONTWAIT) >= 0;
}

static enum zsock_sent send_failed(void)
{
    return errno == EHOSTUNREACH ? ZSOCK_GONE : ZSOCK_WOULD_BLOCK;
}

enum zsock_sent zsock_send(struct zsock *z, const struct zpeer *peer, const void *data,
                           size_t bytes)
{
    if (bytes > z->max_bytes)
        return ZSOCK_TOO_BIG;
    if (peer == NULL)
        return send_first(z->socket, data, bytes, 0) ? ZSOCK_SENT : send_failed();
    if (!send_first(z->socket, peer->bytes, peer->len, ZMQ_SNDMORE))
        return send_failed();
    return zmq_send(z->socket, data, bytes, ZMQ_DONTWAIT) < 0 ? send_failed() : ZSOCK_SENT;
}

void zsock_pause(struct zsock *z, bool is_paused)
{
    z->is_paused = is_paused;
    loop_zmq_pause(z->watcher, is_paused);
}

uint64_t zsock_dropped(const struct zsock *z)
{
    return z->dropped;
}
