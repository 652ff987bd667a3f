/* A pipelining client: a loop, a DEALER, and whoever waits at the moment. */
#include "bench/session.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/net/loop.h"
#include "common/net/zsock.h"

#define CONNECT_US (5 * US_PER_S)
#define ANSWER_US  (60 * US_PER_S)  /* silence after which a measurement is given up */
#define END_US     (600 * US_PER_S) /* of the longest wait for jobs */

struct session {
    struct loop *loop;
    struct zsock *zsock;
    bool connected, lost;
    uint64_t last_request;
    int64_t server_pid;
    struct cq_str frame; /* scratch */
    struct cq_err failure;
    void (*on_answer)(void *arg, struct msg *m); /* of what waits now */
    void *arg;
};

static void on_state(void *arg, enum zsock_state state)
{
    struct session *s = arg;
    switch (state) {
    case ZSOCK_CONNECTED:
        s->connected = true;
        break;
    case ZSOCK_DISCONNECTED:
        s->lost = true;
        break;
    case ZSOCK_RETRYING:
        cq_fail(&s->failure, CQ_E_NO_SCHEDULER,
                "no scheduler listens there; start one with: chipq up");
        break;
    case ZSOCK_REFUSED:
    case ZSOCK_MISMATCH:
        cq_fail(&s->failure, CQ_E_DENIED, "the scheduler does not accept this key");
        break;
    }
}

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       const void *data, size_t bytes)
{
    struct session *s = arg;
    struct msg m = {0};
    if (msg_decode(data, bytes, &m, &s->failure) != 0)
        return;
    if (m.code == MSG_ERROR)
        cq_fail(&s->failure, cq_code_from_wire(m.u.error.code), "%s", m.u.error.text);
    else if (s->on_answer)
        s->on_answer(s->arg, &m);
    msg_fini(&m);
}

/* One turn; -1 when there is no point in waiting on. */
static int turn(struct session *s, int64_t until_us, struct cq_err *err)
{
    loop_turn(s->loop, until_us);
    if (s->failure.code) {
        if (err)
            *err = s->failure;
        s->failure = (struct cq_err){0};
        return -1;
    }
    if (s->lost)
        return cq_fail(err, CQ_E_NO_SCHEDULER, "the connection was lost in the middle of it");
    if (clock_mono_us() >= until_us)
        return cq_fail(err, CQ_E_TIMEOUT, "the scheduler did not answer in time");
    return 0;
}

/* Sends, waiting for room when the socket's queue is full. */
static int send_msg(struct session *s, struct msg *m, struct cq_err *err)
{
    m->request = ++s->last_request;
    cq_str_clear(&s->frame);
    if (msg_encode(m, &s->frame, err) != 0)
        return -1;
    int64_t until_us = clock_mono_us() + ANSWER_US;
    for (;;) {
        switch (zsock_send(s->zsock, NULL, s->frame.data, s->frame.len)) {
        case ZSOCK_SENT:
            return 0;
        case ZSOCK_WOULD_BLOCK:
            break;
        case ZSOCK_GONE:
        case ZSOCK_TOO_BIG:
            return cq_fail(err, CQ_E_LIMIT, "a message that cannot be sent");
        }
        if (turn(s, until_us, err) != 0)
            return -1;
    }
}

/* ---- one call ---- */

struct call {
    uint64_t request;
    struct msg *reply;
    bool done;
};

static void on_call_answer(void *arg, struct msg *m)
{
    struct call *c = arg;
    if (m->request != c->request || c->done)
        return;
    *c->reply = *m;
    *m = (struct msg){0};
    c->done = true;
}

int session_call(struct session *s, const struct msg *req, struct msg *reply, struct cq_err *err)
{
    struct msg m = *req, answer = {0};
    struct call call = {.request = s->last_request + 1, .reply = &answer};
    s->on_answer = on_call_answer;
    s->arg = &call;
    int rc = send_msg(s, &m, err);
    int64_t until_us = clock_mono_us() + ANSWER_US;
    while (rc == 0 && !call.done)
        rc = turn(s, until_us, err);
    s->on_answer = NULL;
    if (rc == 0)
        *reply = answer;
    return rc;
}

/* ---- open and close ---- */

static int greet(struct session *s, struct cq_err *err)
{
    struct msg hello = {.code = MSG_HELLO}, reply = {0};
    hello.u.hello = (struct msg_hello){.version_min = WIRE_VERSION_MIN,
                                       .version_max = WIRE_VERSION,
                                       .program = "chipq-bench " CHIPQ_VERSION};
    int64_t until_us = clock_mono_us() + CONNECT_US;
    while (!s->connected)
        if (turn(s, until_us, err) != 0)
            return -1;
    if (session_call(s, &hello, &reply, err) != 0)
        return -1;
    int rc = 0;
    if (reply.code == MSG_WELCOME)
        s->server_pid = (int64_t)reply.u.welcome.pid;
    else
        rc = cq_fail(err, CQ_E_PROTOCOL, "HELLO was answered with %s", msg_code_name(reply.code));
    msg_fini(&reply);
    return rc;
}

static int connect_with(struct session *s, const struct curve_key *key, struct cq_err *err)
{
    struct zsock_client_options o = {.key = key,
                                     .on_message = on_message,
                                     .on_state = on_state,
                                     .arg = s,
                                     .send_hwm = 4096,
                                     .receive_hwm = 4096,
                                     .drop_unconnected = true};
    s->loop = loop_new(err);
    if (s->loop == NULL)
        return -1;
    s->zsock = zsock_client_new(s->loop, &o, err);
    return s->zsock ? greet(s, err) : -1;
}

struct session *session_open_key(const struct curve_key *key, struct cq_err *err)
{
    struct session *s = CQ_NEW(struct session);
    if (connect_with(s, key, err) == 0)
        return s;
    session_close(s);
    return NULL;
}

struct session *session_open(const char *key_path, struct cq_err *err)
{
    struct curve_key key;
    if (curve_key_read(key_path, &key, err) != 0)
        return NULL;
    struct session *s = session_open_key(&key, err);
    curve_key_wipe(&key);
    return s;
}

void session_close(struct session *s)
{
    if (s == NULL)
        return;
    zsock_close(s->zsock);
    loop_free(s->loop);
    cq_str_fini(&s->frame);
    free(s);
}

int64_t session_server_pid(const struct session *s)
{
    return s->server_pid;
}

/* ---- many calls ---- */

struct pipeline {
    const struct session_pipeline *p;
    uint64_t first_request;
    size_t answered;
};

static void on_pipeline_answer(void *arg, struct msg *m)
{
    struct pipeline *run = arg;
    if (m->request < run->first_request || m->request - run->first_request >= run->p->n)
        return;
    run->answered++;
    run->p->take(run->p->arg, (size_t)(m->request - run->first_request), m);
}

int session_run(struct session *s, const struct session_pipeline *p, struct cq_err *err)
{
    struct pipeline run = {.p = p, .first_request = s->last_request + 1};
    s->on_answer = on_pipeline_answer;
    s->arg = &run;
    int rc = 0;
    size_t sent = 0;
    while (rc == 0 && run.answered < p->n) {
        while (rc == 0 && sent < p->n && sent - run.answered < p->window) {
            struct msg m = {0};
            p->make(p->arg, sent++, &m);
            rc = send_msg(s, &m, err);
        }
        if (rc == 0)
            rc = turn(s, clock_mono_us() + ANSWER_US, err);
    }
    s->on_answer = NULL;
    return rc;
}

/* ---- the end of jobs ---- */

struct watch {
    const uint64_t *numbers;
    bool *ended;
    size_t n, n_ended;
};

static bool has_ended(const struct job_row *row)
{
    static const char *const live[] = {"pending", "held", "running"};
    for (size_t i = 0; i < CQ_COUNT(live); i++)
        if (strcmp(row->state, live[i]) == 0)
            return false;
    return true;
}

static void note_row(struct watch *w, const struct job_row *row)
{
    if (!has_ended(row))
        return;
    for (size_t i = 0; i < w->n; i++) {
        if (w->numbers[i] == row->number && !w->ended[i]) {
            w->ended[i] = true;
            w->n_ended++;
        }
    }
}

static void on_watch_answer(void *arg, struct msg *m)
{
    struct watch *w = arg;
    if (m->code == MSG_JOBS)
        for (size_t i = 0; i < m->u.jobs.n_jobs; i++)
            note_row(w, &m->u.jobs.jobs[i]);
    if (m->code == MSG_JOB_EVENT)
        for (size_t i = 0; i < m->u.job_event.n_jobs; i++)
            note_row(w, &m->u.job_event.jobs[i]);
}

int session_wait(struct session *s, const uint64_t *numbers, size_t n, struct cq_err *err)
{
    struct watch w = {.numbers = numbers, .ended = cq_calloc(n, sizeof(bool)), .n = n};
    struct msg m = {.code = MSG_WATCH}, stop = {.code = MSG_UNWATCH}, reply = {0};
    m.u.watch = (struct msg_watch){.numbers = numbers, .n_numbers = n};
    s->on_answer = on_watch_answer;
    s->arg = &w;
    int rc = send_msg(s, &m, err);
    int64_t until_us = clock_mono_us() + END_US;
    while (rc == 0 && w.n_ended < n)
        rc = turn(s, until_us, err);
    s->on_answer = NULL;
    free(w.ended);
    if (rc == 0)
        rc = session_call(s, &stop, &reply, err);
    msg_fini(&reply);
    return rc;
}
