/* The session with chipqd. */
#include "cli/helper/helper.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"

enum { HELLO_REQUEST = 1, SEND_HWM = 4096 };

/* What is lost, is lost with the connection, which comes back. */
static void send_frame(struct helper *h, const void *data, size_t bytes)
{
    int fault = CQ_FP_OF("client.send", msg_code_name(msg_code_of(data, bytes)));
    (void)!zsock_send_by(fault, h->zsock, NULL, data, bytes);
}

static void say_hello(struct helper *h)
{
    struct cq_str frame CQ_CLEANUP(cq_str_fini) = {0};
    struct msg m = {.code = MSG_HELLO, .request = HELLO_REQUEST};
    m.u.hello = (struct msg_hello){.version_min = WIRE_VERSION_MIN,
                                   .version_max = WIRE_VERSION,
                                   .program = "chipq " CHIPQ_VERSION};
    if (msg_encode(&m, &frame, NULL) == 0)
        send_frame(h, frame.data, frame.len);
}

/* CONNECTED is told when there is an answer to give to a HELLO. */
static void on_state(void *arg, enum zsock_state state)
{
    struct helper *h = arg;
    msg_fini(&h->answer);
    h->answer = (struct msg){0};
    if (state == ZSOCK_CONNECTED)
        say_hello(h);
    else
        clients_tell(h, state);
}

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       const void *data, size_t bytes)
{
    struct helper *h = arg;
    uint64_t request = msg_request_of(data, bytes);
    if (request != HELLO_REQUEST) {
        clients_forward(h, request, data, bytes);
        return;
    }
    struct msg m = {0};
    if (msg_decode(data, bytes, &m, NULL) != 0)
        return;
    msg_fini(&h->answer);
    h->answer = m;
    if (m.code == MSG_WELCOME)
        clients_listen(h);
    clients_tell(h, ZSOCK_CONNECTED);
}

int upstream_open(struct helper *h, struct cq_err *err)
{
    struct zsock_client_options o = {.key = &h->key,
                                     .on_message = on_message,
                                     .on_state = on_state,
                                     .arg = h,
                                     .send_hwm = SEND_HWM,
                                     .drop_unconnected = true};
    h->zsock = zsock_client_new(h->loop, &o, err);
    curve_key_wipe(&h->key);
    return h->zsock ? 0 : -1;
}

static bool is_hello(const void *data, size_t bytes)
{
    struct msg m = {0};
    if (bytes > 256 || msg_decode(data, bytes, &m, NULL) != 0)
        return false;
    bool is = m.code == MSG_HELLO;
    msg_fini(&m);
    return is;
}

void upstream_send(struct helper *h, struct client *from, const void *data, size_t bytes)
{
    if (h->answer.code == MSG_NONE)
        return; /* it sends it again when it hears CONNECTED */
    if (is_hello(data, bytes)) {
        h->answer.request = msg_request_of(data, bytes);
        client_answer(from, &h->answer);
        return;
    }
    send_frame(h, data, bytes);
}
