/* The outbox: every message waits until the newest record that it may reflect is on disk. One FIFO
 * for all, so that nothing overtakes; behind it a bounded queue for each peer that is slow. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"

enum {
    STALLED_PEER_MAX = 4 * 1024 * 1024, /* bytes kept for one slow peer */
    STALLED_MAX = 64 * 1024 * 1024,     /* for all of them */
    RETRY_MIN_US = 2000,                /* a slow peer is tried again: soon while it moves... */
    RETRY_MAX_US = 50000,               /* ...and rarely when it does not */
    ASKED_MAX = 64 * 1024 * 1024,       /* waits for the disk: from here on questions are refused */
    WAITING_MAX = 2 * ASKED_MAX,        /* and from here on every new request of a client */
};

struct letter {
    struct letter *next;
    uint64_t tag;
    enum port port;
    struct zpeer peer;
    size_t bytes;
    char data[];
};

struct letters {
    struct letter *first, **last;
    size_t bytes;
};

struct stalled {
    enum port port;
    struct zpeer peer;
    struct letters letters;
    struct stalled *next;
};

struct outbox {
    struct letters fifo;
    struct stalled *stalled;
    size_t stalled_bytes;
    struct loop_timer *retry;
    int64_t retry_us;
    struct cq_str scratch;
};

static size_t cost_of(const struct letter *l)
{
    return sizeof *l + l->bytes;
}

static void letters_push(struct letters *q, struct letter *l)
{
    if (q->last == NULL)
        q->last = &q->first;
    l->next = NULL;
    *q->last = l;
    q->last = &l->next;
    q->bytes += cost_of(l);
}

static struct letter *letters_pop(struct letters *q)
{
    struct letter *l = q->first;
    if (l == NULL)
        return NULL;
    q->first = l->next;
    if (q->first == NULL)
        q->last = &q->first;
    q->bytes -= cost_of(l);
    return l;
}

static void letters_free(struct letters *q)
{
    struct letter *l;
    while ((l = letters_pop(q)) != NULL)
        free(l);
}

static struct stalled **find_stalled(struct outbox *o, const struct zpeer *peer)
{
    struct stalled **at = &o->stalled;
    while (*at != NULL && !zpeer_equal(&(*at)->peer, peer))
        at = &(*at)->next;
    return at;
}

static void drop_stalled(struct outbox *o, struct stalled **at)
{
    struct stalled *s = *at;
    *at = s->next;
    o->stalled_bytes -= s->letters.bytes;
    letters_free(&s->letters);
    free(s);
}

/* The connection is over, or its peer is so slow that we give up on it. */
static void lose_peer(struct daemon *d, enum port port, const struct zpeer *peer)
{
    if (port == PORT_WORKER)
        worker_session_lost(d, peer);
    else
        watches_drop_peer(d, peer);
}

static void stall(struct daemon *d, struct letter *l)
{
    struct outbox *o = d->outbox;
    struct stalled **at = find_stalled(o, &l->peer);
    if (*at == NULL) {
        *at = CQ_NEW(struct stalled);
        (*at)->port = l->port;
        (*at)->peer = l->peer;
    }
    o->stalled_bytes += cost_of(l);
    letters_push(&(*at)->letters, l);
    if ((*at)->letters.bytes > STALLED_PEER_MAX || o->stalled_bytes > STALLED_MAX) {
        struct zpeer peer = l->peer;
        enum port port = l->port;
        log_warn("net.drop port=%s bytes=%zu why=\"the peer does not read\"",
                 port == PORT_WORKER ? "worker" : "client", (*at)->letters.bytes);
        drop_stalled(o, at);
        lose_peer(d, port, &peer);
        return;
    }
    if (!loop_timer_is_set(o->retry)) {
        o->retry_us = RETRY_MIN_US;
        loop_timer_set(o->retry, loop_now(d->loop).mono_us + o->retry_us);
    }
}

/* True when the letter is done with (sent or undeliverable); false when the peer is slow. */
static bool try_send(struct daemon *d, struct letter *l)
{
    int fault = CQ_FP_OF("net.send", msg_code_name(msg_code_of(l->data, l->bytes)));
    switch (zsock_send_by(fault, d->ports[l->port], &l->peer, l->data, l->bytes)) {
    case ZSOCK_SENT:
        return true;
    case ZSOCK_WOULD_BLOCK:
        return false;
    case ZSOCK_GONE:
        lose_peer(d, l->port, &l->peer);
        return true;
    case ZSOCK_TOO_BIG:
        log_error("net.too_big bytes=%zu", l->bytes);
        return true;
    }
    return true;
}

static void deliver(struct daemon *d, struct letter *l)
{
    if (*find_stalled(d->outbox, &l->peer) != NULL || !try_send(d, l))
        stall(d, l);
    else
        free(l);
}

static void on_retry(void *arg)
{
    struct daemon *d = arg;
    struct outbox *o = d->outbox;
    bool has_moved = false;
    for (struct stalled **at = &o->stalled; *at != NULL;) {
        struct stalled *s = *at;
        while (s->letters.first != NULL && try_send(d, s->letters.first)) {
            o->stalled_bytes -= cost_of(s->letters.first);
            has_moved = true;
            free(letters_pop(&s->letters));
        }
        if (s->letters.first == NULL)
            drop_stalled(o, at);
        else
            at = &s->next;
    }
    o->retry_us = has_moved                        ? RETRY_MIN_US
                  : o->retry_us < RETRY_MAX_US / 2 ? o->retry_us * 2
                                                   : RETRY_MAX_US;
    if (o->stalled != NULL)
        loop_timer_set(o->retry, loop_now(d->loop).mono_us + o->retry_us);
}

struct outbox *outbox_new(struct daemon *d)
{
    struct outbox *o = CQ_NEW(struct outbox);
    o->retry = loop_timer_new(d->loop, on_retry, d);
    return o;
}

void outbox_free(struct outbox *o)
{
    if (o == NULL)
        return;
    while (o->stalled != NULL)
        drop_stalled(o, &o->stalled);
    letters_free(&o->fifo);
    loop_timer_close(o->retry);
    cq_str_fini(&o->scratch);
    free(o);
}

static int encode(struct daemon *d, enum port port, const struct msg *m, struct cq_err *err)
{
    struct cq_str *to = &d->outbox->scratch;
    cq_str_clear(to);
    if (msg_encode(m, to, err) == 0)
        return 0;
    log_error("net.encode message=%s error=\"%s\"", msg_code_name(m->code), err->text);
    if (port != PORT_CLIENT || m->request == 0)
        return -1;
    struct msg sorry = {.code = MSG_ERROR, .request = m->request};
    sorry.u.error.code = err->code;
    sorry.u.error.text = "the answer is too large for one message; ask for less of it";
    return msg_encode(&sorry, to, err);
}

static struct letter *make_letter(struct daemon *d, enum port port, const struct zpeer *peer,
                                  const struct msg *m)
{
    struct cq_err err = {0};
    if (encode(d, port, m, &err) != 0)
        return NULL;
    const struct cq_str *from = &d->outbox->scratch;
    struct letter *l = cq_malloc(sizeof *l + from->len);
    *l = (struct letter){.tag = turn_tag(d), .port = port, .peer = *peer, .bytes = from->len};
    memcpy(l->data, from->data, from->len);
    return l;
}

void send_to(struct daemon *d, enum port port, const struct zpeer *peer, const struct msg *m)
{
    struct letter *l = make_letter(d, port, peer, m);
    if (l != NULL)
        letters_push(&d->outbox->fifo, l);
}

void send_now(struct daemon *d, enum port port, const struct zpeer *peer, const struct msg *m)
{
    struct letter *l = make_letter(d, port, peer, m);
    if (l != NULL)
        deliver(d, l);
}

void outbox_flush(struct daemon *d)
{
    uint64_t durable = store_durable_seq(d->store);
    struct letters *fifo = &d->outbox->fifo;
    if (fifo->first != NULL && fifo->first->tag <= durable)
        (void)CQ_FP("chipqd.dispatch.before_send");
    while (fifo->first != NULL && fifo->first->tag <= durable)
        deliver(d, letters_pop(fifo));
}

bool outbox_is_stalled(const struct daemon *d, const struct zpeer *peer)
{
    return *find_stalled(d->outbox, peer) != NULL;
}

bool outbox_is_empty(const struct daemon *d)
{
    return d->outbox->fifo.first == NULL;
}

bool outbox_is_behind(const struct daemon *d, bool only_asks)
{
    return d->outbox->fifo.bytes > (size_t)(only_asks ? ASKED_MAX : WAITING_MAX);
}

static bool is_answer_to_question(enum msg_code code)
{
    return code == MSG_JOBS || code == MSG_JOB || code == MSG_WHY || code == MSG_NODES
           || code == MSG_TOOLS || code == MSG_STATUS || code == MSG_USAGE || code == MSG_AUDIT
           || code == MSG_HISTORY || code == MSG_PRINCIPALS || code == MSG_LOG_DATA;
}

/* A revoked key gets nothing, not even an error, though it asked in better days. */
void reply(struct daemon *d, const struct asker *a, struct msg *m)
{
    m->request = a->request;
    if (a->request == 0 || session_is_revoked(d, a->who.id))
        return;
    if (is_answer_to_question(m->code) && outbox_is_behind(d, true))
        reply_behind(d, a);
    else
        send_to(d, PORT_CLIENT, &a->peer, m);
}

void reply_behind(struct daemon *d, const struct asker *a)
{
    struct msg m = {.code = MSG_ERROR, .request = a->request};
    m.u.error.code = CQ_E_FULL;
    m.u.error.text = "the scheduler is behind; try again";
    if (a->request != 0)
        send_now(d, PORT_CLIENT, &a->peer, &m);
}

void reply_error(struct daemon *d, const struct asker *a, const struct cq_err *err)
{
    struct msg m = {.code = MSG_ERROR};
    m.u.error.code = err->code;
    m.u.error.text = err->text;
    reply(d, a, &m);
}

void reply_revoked(struct daemon *d, const struct zpeer *peer, uint64_t request)
{
    struct msg m = {.code = MSG_ERROR, .request = request};
    m.u.error.code = CQ_E_DENIED;
    m.u.error.text = "this key was revoked";
    send_to(d, PORT_CLIENT, peer, &m);
}

void reply_ok(struct daemon *d, const struct asker *a)
{
    struct msg m = {.code = MSG_OK};
    reply(d, a, &m);
}
