/* ZAP 1.0 (ZeroMQ RFC 27) as a REP socket in the loop: [version, request id, domain, address,
 * routing id, mechanism, credentials] -> [version, request id, status, text, user id, metadata]. */
#include "common/net/zap.h"
#include "common/base/pure/mem.h"
#include "common/net/zsock.h"

#include <errno.h>
#include <zmq.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

enum { FRAMES = 7, VERSION = 0, REQUEST = 1, DOMAIN = 2, MECHANISM = 5, CREDENTIALS = 6 };

struct zap {
    struct loop *loop;
    void *socket;
    struct loop_zmq *watcher;
    zap_check_fn check;
    void *arg;
    uint64_t refused;
    bool closed;
};

struct request {
    zmq_msg_t frames[FRAMES];
    size_t n; /* frames received, more than FRAMES too */
};

static bool receive(struct zap *z, struct request *r)
{
    bool more = true;
    for (r->n = 0; more; r->n++) {
        zmq_msg_t spare, *frame = r->n < FRAMES ? &r->frames[r->n] : &spare;
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, z->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(frame);
            break;
        }
        more = zmq_msg_more(frame);
        if (frame == &spare)
            zmq_msg_close(frame);
    }
    return r->n > 0;
}

static void release(struct request *r)
{
    for (size_t i = 0; i < r->n && i < FRAMES; i++)
        zmq_msg_close(&r->frames[i]);
}

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    return zmq_msg_size(frame) == strlen(text)
           && memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

/* Everything but a well-formed CURVE request for a key that `check` knows is refused. */
static bool decide(struct zap *z, struct request *r, char *user_id)
{
    char domain[64] = "";
    if (r->n != FRAMES || !frame_is(&r->frames[VERSION], "1.0")
        || !frame_is(&r->frames[MECHANISM], "CURVE")
        || zmq_msg_size(&r->frames[CREDENTIALS]) != CURVE_KEY_BYTES
        || zmq_msg_size(&r->frames[DOMAIN]) >= sizeof domain)
        return false;
    memcpy(domain, zmq_msg_data(&r->frames[DOMAIN]), zmq_msg_size(&r->frames[DOMAIN]));
    return z->check(z->arg, domain, zmq_msg_data(&r->frames[CREDENTIALS]), user_id) && *user_id;
}

static void send_text(struct zap *z, const char *text, int flags)
{
    (void)zmq_send(z->socket, text, strlen(text), flags | ZMQ_DONTWAIT);
}

static void answer(struct zap *z, struct request *r)
{
    char user_id[ZAP_USER_ID_BYTES] = "";
    bool ok = decide(z, r, user_id);
    z->refused += !ok;
    send_text(z, "1.0", ZMQ_SNDMORE);
    if (r->n > REQUEST)
        (void)zmq_send(z->socket, zmq_msg_data(&r->frames[REQUEST]),
                       zmq_msg_size(&r->frames[REQUEST]), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    else
        send_text(z, "", ZMQ_SNDMORE);
    send_text(z, ok ? "200" : "400", ZMQ_SNDMORE);
    send_text(z, ok ? "OK" : "key not accepted", ZMQ_SNDMORE);
    send_text(z, ok ? user_id : "", ZMQ_SNDMORE);
    send_text(z, "", 0);
}

static void on_request(void *arg)
{
    struct zap *z = arg;
    for (int i = 0; i < LOOP_BATCH && !z->closed; i++) {
        struct request r;
        if (!receive(z, &r))
            return;
        answer(z, &r);
        release(&r);
    }
}

static void destroy(void *arg)
{
    struct zap *z = arg;
    if (z->socket)
        zmq_close(z->socket);
    free(z);
}

struct zap *zap_new(struct loop *l, zap_check_fn check, void *arg, struct cq_err *err)
{
    int linger_ms = 0;
    struct zap *z = CQ_NEW(struct zap);
    z->loop = l;
    z->check = check;
    z->arg = arg;
    z->socket = zmq_socket(loop_zmq_context(l), ZMQ_REP);
    if (z->socket == NULL
        || zmq_setsockopt(z->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms) != 0
        || zmq_bind(z->socket, ZAP_ENDPOINT) != 0) {
        cq_fail_errno(err, errno == EADDRINUSE ? CQ_E_CONFLICT : CQ_E_IO, errno,
                      "cannot bind the ZAP handler");
        destroy(z);
        return NULL;
    }
    z->watcher = loop_zmq_new(l, z->socket, on_request, z);
    loop_set_has_zap(l, true);
    return z;
}

void zap_close(struct zap *z)
{
    if (z == NULL || z->closed)
        return;
    z->closed = true;
    loop_set_has_zap(z->loop, false);
    loop_zmq_close(z->watcher);
    loop_defer(z->loop, destroy, z);
}

uint64_t zap_refused(const struct zap *z)
{
    return z->refused;
}
