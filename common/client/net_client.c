/* The blocking client: a link, turned until the answer is there. */
#include "common/client/net_client.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/client/link.h"

#include <sodium.h>

enum {
    QUEUE_MAX = 4096,
    MISMATCHES_MAX = 3, /* in a row: a connection may also break off while hands are shaken */
};

/* TCP asks again after 1, 3 and 7 s when packets are lost. */
#define CONNECT_TIMEOUT_US (10 * US_PER_S)
#define CALL_TIMEOUT_US    (30 * US_PER_S)

struct net_client {
    struct link *link;
    struct cq_str hello;    /* frame, sent after every connect */
    uint64_t hello_request; /* its request id */
    struct cq_str pending;  /* frame of the call that waits; empty = none */
    uint64_t pending_request;
    struct msg answer; /* to the call that waits; code 0 = not yet */
    struct msg welcome;
    struct msg *queue; /* messages for net_client_next, oldest first at `head` */
    size_t head, n, cap;
    uint64_t last_request;
    unsigned mismatches;
    bool connected, greeted, refused, nobody, lost; /* lost: since the last net_client_next */
    void (*on_away)(void *arg, bool is_away);
    void *away_arg;
    struct cq_err failure; /* answer to HELLO, or a frame that cannot be read */
    int caught;
};

static void send_frame(struct net_client *c, const struct cq_str *frame)
{
    link_send(c->link, frame->data, frame->len);
}

static void on_state(void *arg, enum zsock_state state)
{
    struct net_client *c = arg;
    switch (state) {
    case ZSOCK_CONNECTED:
        c->connected = true;
        c->nobody = false;
        c->mismatches = 0;
        send_frame(c, &c->hello);
        break;
    case ZSOCK_DISCONNECTED:
        c->lost |= c->greeted;
        c->connected = c->greeted = false;
        break;
    case ZSOCK_RETRYING:
        c->nobody = true;
        break;
    case ZSOCK_REFUSED:
        c->refused = true;
        break;
    case ZSOCK_MISMATCH:
        c->mismatches++;
        break;
    }
}

static void on_welcome(struct net_client *c, struct msg *m)
{
    if (m->code == MSG_ERROR) {
        cq_fail(&c->failure, cq_code_from_wire(m->u.error.code), "%s", m->u.error.text);
    } else if (m->code == MSG_WELCOME) {
        msg_fini(&c->welcome);
        c->welcome = *m;
        *m = (struct msg){0};
        c->greeted = true;
        if (c->pending.len)
            send_frame(c, &c->pending);
    } else {
        cq_fail(&c->failure, CQ_E_PROTOCOL, "the scheduler answered HELLO with %s",
                msg_code_name(m->code));
    }
}

static void enqueue(struct net_client *c, struct msg *m)
{
    if (c->n - c->head == QUEUE_MAX) { /* nobody reads events: keep the newest */
        msg_fini(&c->queue[c->head++]);
        c->lost = true;
    }
    if (c->head > 0 && c->n == c->cap) {
        memmove(c->queue, c->queue + c->head, (c->n - c->head) * sizeof *c->queue);
        c->n -= c->head;
        c->head = 0;
    }
    cq_grow(&c->queue, &c->cap, c->n);
    c->queue[c->n++] = *m;
    *m = (struct msg){0};
}

static void on_message(void *arg, const void *data, size_t bytes)
{
    struct net_client *c = arg;
    struct msg m = {0};
    if (msg_decode(data, bytes, &m, &c->failure) != 0)
        return;
    if (m.code == MSG_JOB_EVENT || m.code == MSG_BACKUP_STATE) {
        /* With the request id of what they follow: so they come first here. */
        enqueue(c, &m);
    } else if (m.request == c->hello_request) {
        on_welcome(c, &m);
    } else if (c->pending.len && m.request == c->pending_request && c->answer.code == MSG_NONE) {
        c->answer = m;
        m = (struct msg){0};
    } else if (m.code == MSG_ERROR) { /* a WATCH that ends early says why */
        enqueue(c, &m);
    }
    msg_fini(&m);
}

static int64_t deadline(int64_t timeout_us, int64_t usual_us)
{
    if (timeout_us < 0)
        return INT64_MAX;
    return clock_mono_us() + (timeout_us ? timeout_us : usual_us);
}

static int no_scheduler(struct cq_err *err, const char *what)
{
    return cq_fail(err, CQ_E_NO_SCHEDULER, "%s; start one with: chipq up", what);
}

/* ---- connect ---- */

/* Clients that share a connection are told apart by the upper half of their request ids. */
static uint64_t draw_requests(void)
{
    uint32_t drawn = 0;
    while (drawn == 0)
        randombytes_buf(&drawn, sizeof drawn);
    return (uint64_t)drawn << 32;
}

static int make_hello(struct net_client *c, const char *program, struct cq_err *err)
{
    c->last_request = draw_requests();
    struct msg m = {.code = MSG_HELLO, .request = ++c->last_request};
    m.u.hello = (struct msg_hello){.version_min = WIRE_VERSION_MIN,
                                   .version_max = WIRE_VERSION,
                                   .program = program ? program : "chipq " CHIPQ_VERSION};
    c->hello_request = m.request;
    return msg_encode(&m, &c->hello, err);
}

static int open_link(struct net_client *c, const struct net_client_options *o, struct cq_err *err)
{
    const struct link_options options = {.key = o->key,
                                         .endpoint = o->endpoint,
                                         .is_own = o->is_own,
                                         .on_message = on_message,
                                         .on_state = on_state,
                                         .arg = c};
    c->link = link_open(&options, err);
    return c->link ? 0 : -1;
}

/* Why there will be no WELCOME; 0 while there may be. */
static int check_connecting(const struct net_client *c, int64_t until_us, int64_t patient_until_us,
                            struct cq_err *err)
{
    int64_t now_us = clock_mono_us();
    if (c->failure.code) {
        if (err)
            *err = c->failure;
        return -1;
    }
    if (c->refused)
        return cq_fail(err, CQ_E_DENIED, "the scheduler does not accept this key");
    if (c->mismatches >= MISMATCHES_MAX)
        return cq_fail(err, CQ_E_DENIED,
                       "what listens there does not have the scheduler's key of our key file");
    if (c->nobody && now_us >= patient_until_us)
        return no_scheduler(err, "no scheduler listens there");
    if (now_us >= until_us)
        return no_scheduler(err, c->connected ? "the scheduler does not answer"
                                              : "no scheduler answers there");
    return 0;
}

static int await_welcome(struct net_client *c, const struct net_client_options *o,
                         struct cq_err *err)
{
    int64_t until_us = deadline(o->timeout_us, CONNECT_TIMEOUT_US);
    int64_t patient_until_us = clock_mono_us() + o->patience_us;
    if (patient_until_us > until_us)
        patient_until_us = until_us;
    while (!c->greeted) {
        link_turn(c->link, c->nobody ? patient_until_us : until_us);
        if (!c->greeted && check_connecting(c, until_us, patient_until_us, err) != 0)
            return -1;
    }
    return 0;
}

struct net_client *net_client_connect(const struct net_client_options *o, struct cq_err *err)
{
    struct net_client *c = CQ_NEW(struct net_client);
    c->on_away = o->on_away;
    c->away_arg = o->arg;
    if (make_hello(c, o->program, err) == 0 && open_link(c, o, err) == 0
        && await_welcome(c, o, err) == 0)
        return c;
    net_client_close(c);
    return NULL;
}

void net_client_close(struct net_client *c)
{
    if (c == NULL)
        return;
    link_close(c->link);
    for (size_t i = c->head; i < c->n; i++)
        msg_fini(&c->queue[i]);
    free(c->queue);
    msg_fini(&c->answer);
    msg_fini(&c->welcome);
    cq_str_fini(&c->hello);
    cq_str_fini(&c->pending);
    free(c);
}

const struct msg_welcome *net_client_welcome(const struct net_client *c)
{
    return &c->welcome.u.welcome;
}

/* ---- call ---- */

/* One turn of waiting. Returns -1 when waiting is over without what is waited for. */
static int wait_turn(struct net_client *c, int64_t until_us, struct cq_err *err)
{
    link_turn(c->link, until_us);
    if (c->failure.code) {
        if (err)
            *err = c->failure;
        c->failure = (struct cq_err){0};
        return -1;
    }
    if (c->refused)
        return cq_fail(err, CQ_E_DENIED, "the scheduler no longer accepts this key");
    if (c->caught)
        return cq_fail(err, CQ_E_TIMEOUT, "interrupted");
    if (clock_mono_us() < until_us)
        return 0;
    if (!c->greeted)
        return no_scheduler(err, "the scheduler has gone away");
    return cq_fail(err, CQ_E_TIMEOUT, "the scheduler did not answer in time");
}

static int take_answer(struct net_client *c, struct msg *reply, struct cq_err *err)
{
    struct msg m = c->answer;
    c->answer = (struct msg){0};
    if (m.code != MSG_ERROR) {
        *reply = m;
        return 0;
    }
    cq_fail(err, cq_code_from_wire(m.u.error.code), "%s", m.u.error.text);
    msg_fini(&m);
    return -1;
}

static void tell_away(const struct net_client *c, bool is_away)
{
    if (c->on_away)
        c->on_away(c->away_arg, is_away);
}

int net_client_call(struct net_client *c, const struct msg *req, struct msg *reply,
                    int64_t timeout_us, struct cq_err *err)
{
    struct msg m = *req;
    m.request = c->pending_request = ++c->last_request;
    cq_str_clear(&c->pending);
    msg_fini(&c->answer);
    if (msg_encode(&m, &c->pending, err) != 0)
        return -1;
    int64_t until_us = deadline(timeout_us, CALL_TIMEOUT_US);
    if (c->greeted)
        send_frame(c, &c->pending);
    int rc = 0;
    bool was_told = false;
    while (rc == 0 && c->answer.code == MSG_NONE) {
        rc = wait_turn(c, until_us, err);
        if (rc == 0 && c->nobody && !was_told)
            tell_away(c, was_told = true);
    }
    if (rc == 0 && was_told)
        tell_away(c, false);
    cq_str_clear(&c->pending);
    return rc == 0 ? take_answer(c, reply, err) : -1;
}

int net_client_next(struct net_client *c, struct msg *out, int64_t timeout_us, struct cq_err *err)
{
    int64_t until_us = timeout_us == 0 ? 0 : deadline(timeout_us, 0);
    for (;;) {
        if (c->lost && c->greeted) {
            for (; c->head < c->n; c->head++)
                msg_fini(&c->queue[c->head]);
            c->lost = false;
            return cq_fail(err, CQ_E_STALE, "the connection was lost; ask again");
        }
        if (c->head < c->n) {
            *out = c->queue[c->head++];
            return 0;
        }
        c->head = c->n = 0;
        if (wait_turn(c, until_us, err) != 0 && c->head == c->n)
            return -1;
    }
}

/* ---- signals ---- */

static void on_signal(void *arg, int signal_number)
{
    struct net_client *c = arg;
    c->caught = signal_number;
}

void net_client_catch(struct net_client *c, int signal_number)
{
    link_catch(c->link, signal_number, on_signal, c);
}

int net_client_caught(struct net_client *c)
{
    int signal_number = c->caught;
    c->caught = 0;
    return signal_number;
}
