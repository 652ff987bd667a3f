/* The conversation with chipqd: HELLO at every connection, heartbeats, orders in, events out. */
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"

enum {
    HELLO_AGAIN_US = 5 * 1000 * 1000,
    HEARTBEAT_US = 5 * 1000 * 1000, /* until WELCOME says */
    SILENCE_MIN_US = 15 * 1000 * 1000,
    SILENT_HEARTBEATS = 4,
    ATTEMPTS_MAX = 4096,
    LEASES_MAX = 4096,
    LINGER_US = 200 * 1000,
    EXTRA_FEATURES = 5,
    KIND_FEATURES = 3,
    GPU_FEATURES = 16
};

bool session_send(struct agent *a, const struct msg *m)
{
    struct cq_str frame = {0};
    struct cq_err err;
    bool is_sent = false;
    if (a->socket == NULL || !a->is_connected)
        return false;
    if (msg_encode(m, &frame, &err) != 0) {
        log_error("session.send message=%s error=\"%s\"", msg_code_name(m->code), err.text);
    } else {
        int fault = CQ_FP_OF("net.send", msg_code_name(m->code));
        is_sent = zsock_send_by(fault, a->socket, NULL, frame.data, frame.len) == ZSOCK_SENT;
    }
    cq_str_fini(&frame);
    return is_sent;
}

/* The time is taken before it leaves: leases count from here. */
static uint64_t next_heartbeat(struct agent *a)
{
    a->heartbeat++;
    a->heartbeat_sent_us[a->heartbeat % HEARTBEATS_KEPT] = clock_mono_us();
    return a->heartbeat;
}

int64_t session_heartbeat_sent_us(const struct agent *a, uint64_t heartbeat)
{
    if (heartbeat == 0 || heartbeat > a->heartbeat || a->heartbeat - heartbeat >= HEARTBEATS_KEPT)
        return 0;
    return a->heartbeat_sent_us[heartbeat % HEARTBEATS_KEPT];
}

static size_t fill_leases(struct agent *a, struct held_lease *leases)
{
    size_t n = 0, at = 0;
    void *value;
    while (n < LEASES_MAX && map_next(&a->leases, &at, &value)) {
        const struct lease *l = value;
        size_t n_attempts = l->n_attempts > ATTEMPTS_MAX ? ATTEMPTS_MAX : l->n_attempts;
        if (l->is_dropped || (l->state == LEASE_OVER && n_attempts == 0))
            continue;
        struct held_attempt *held = cq_calloc(n_attempts + 1, sizeof *held);
        for (size_t i = 0; i < n_attempts; i++)
            held[i] = (struct held_attempt){.job = l->attempts[i]->job,
                                            .task = l->attempts[i]->task,
                                            .attempt = l->attempts[i]->attempt,
                                            .state = l->attempts[i]->state};
        leases[n++] = (struct held_lease){.lease = l->id,
                                          .epoch = l->epoch,
                                          .cores = l->cores_text,
                                          .attempts = held,
                                          .n_attempts = n_attempts};
    }
    return n;
}

/* At most so many; they point into `text`. Returns how many. */
static size_t split_lines(char *text, const char **lines, size_t most)
{
    size_t n = 0;
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line && n < most;
         line = strtok_r(NULL, "\n", &save))
        lines[n++] = line;
    return n;
}

/* What features point into. */
struct feature_texts {
    char keeper[64], kinds[128], limits[112], *gpus, *kind_cores;
};

static size_t fill_features(const struct agent *a, struct feature_texts *texts,
                            const char **features)
{
    const struct topology *t = &a->topology;
    size_t n = 0;
    (void)snprintf(texts->keeper, sizeof texts->keeper, "keeper=%s", keeper_text(a->keeper));
    features[n++] = texts->keeper;
    (void)snprintf(texts->limits, sizeof texts->limits, "limits=%s", a->limits);
    features[n++] = texts->limits;
    if (a->has_group)
        features[n++] = "control-group";
    (void)snprintf(texts->kinds, sizeof texts->kinds, "cores=%s", t->kinds ? t->kinds : "");
    if (t->kinds)
        features[n++] = texts->kinds;
    if (!t->is_real)
        features[n++] = cq_str_starts(a->options.topology.source, "synthetic:")
                            ? "topology=synthetic"
                            : "topology=file";
    texts->kind_cores = cq_strdup(t->kind_cores ? t->kind_cores : "");
    n += split_lines(texts->kind_cores, features + n, KIND_FEATURES);
    texts->gpus = cq_strdup(t->gpus ? t->gpus : "");
    n += split_lines(texts->gpus, features + n, GPU_FEATURES);
    for (size_t i = 0; i < a->tools.n_features; i++)
        features[n++] = a->tools.features[i];
    return n;
}

static void say_hello(struct agent *a)
{
    struct held_lease *leases = cq_calloc(a->leases.n + 1, sizeof *leases);
    const char *features[TOOLS_MAX + EXTRA_FEATURES + KIND_FEATURES + GPU_FEATURES];
    struct feature_texts texts;
    struct cq_str cores = {0};
    size_t n_features = fill_features(a, &texts, features);
    bitset_format(&a->topology.cores, &cores);
    size_t n_leases = fill_leases(a, leases);
    struct msg m = {.code = MSG_WORKER_HELLO, .request = 1};
    a->hello = next_heartbeat(a);
    a->tells_cores_from = 0;
    m.u.worker_hello = (struct msg_worker_hello){
        .version_min = WIRE_VERSION_MIN,
        .version_max = WIRE_VERSION,
        .incarnation = {a->incarnation.bytes, sizeof a->incarnation.bytes},
        .boot_id = {a->boot_id.bytes, sizeof a->boot_id.bytes},
        .home = {a->home.bytes, sizeof a->home.bytes},
        .node = a->node,
        .heartbeat = a->hello,
        .mem_mib = a->topology.mem_mib,
        .cores = cq_str_text(&cores),
        .topology = a->topology.text,
        .features = features,
        .n_features = n_features,
        .tools = a->tools.rows,
        .n_tools = a->tools.n,
        .leases = leases,
        .n_leases = n_leases,
        .started_us = a->started_us};
    if (!session_send(a, &m))
        log_warn("session.hello error=\"not sent\"");
    for (size_t i = 0; i < n_leases; i++)
        free((struct held_attempt *)leases[i].attempts);
    free(leases);
    free(texts.gpus);
    free(texts.kind_cores);
    cq_str_fini(&cores);
    loop_timer_set(a->session_timer, loop_now(a->loop).mono_us + HELLO_AGAIN_US);
}

static void on_welcome(struct agent *a, const struct msg_worker_welcome *m)
{
    if (m->heartbeat != a->hello)
        return; /* of a HELLO that a newer one has replaced */
    if (m->epoch < a->epoch) {
        log_error("session.welcome epoch=%llu seen=%llu error=\"an older reign\"",
                  (unsigned long long)m->epoch, (unsigned long long)a->epoch);
        return;
    }
    bool is_news = !a->was_welcome || m->epoch != a->epoch;
    a->epoch = m->epoch;
    a->heartbeat_us = m->heartbeat_us ? (int64_t)m->heartbeat_us : HEARTBEAT_US;
    a->lease_us = (int64_t)m->lease_us;
    a->is_welcome = a->was_welcome = true;
    for (size_t i = 0; i < m->n_drop; i++) {
        struct lease *l = lease_find(a, m->drop[i]);
        if (l)
            lease_drop(l);
    }
    lease_renew_all(a, session_heartbeat_sent_us(a, m->heartbeat) + a->lease_us);
    report_again(a);
    execd_link_say(a, EXECD_READY, 0);
    loop_timer_set(a->session_timer, loop_now(a->loop).mono_us + a->heartbeat_us);
    if (is_news)
        log_info("session.welcome epoch=%llu heartbeat_us=%lld lease_us=%lld",
                 (unsigned long long)a->epoch, (long long)a->heartbeat_us, (long long)a->lease_us);
}

static void send_heartbeat(struct agent *a)
{
    struct cq_str cores CQ_CLEANUP(cq_str_fini) = {0};
    struct msg m = {.code = MSG_HEARTBEAT};
    m.u.heartbeat.heartbeat = next_heartbeat(a);
    if (a->tells_cores_from) {
        bitset_format(&a->topology.cores, &cores);
        m.u.heartbeat.cores = cq_str_text(&cores);
        m.u.heartbeat.topology = a->topology.text;
    }
    (void)session_send(a, &m); /* a lost one renews nothing; the next one does */
}

void session_tell_cores(struct agent *a)
{
    if (!a->is_welcome)
        return; /* the next HELLO says it */
    a->tells_cores_from = a->heartbeat + 1;
    send_heartbeat(a);
}

static void on_heartbeat_ack(struct agent *a, const struct msg_heartbeat_ack *m)
{
    int64_t sent_us = session_heartbeat_sent_us(a, m->heartbeat);
    if (m->epoch == a->epoch && sent_us)
        lease_renew_all(a, sent_us + a->lease_us);
    if (m->heartbeat >= a->tells_cores_from)
        a->tells_cores_from = 0;
}

static void on_ack(struct agent *a, const struct msg_attempt_ack *m)
{
    for (size_t i = 0; i < m->n_accepted + m->n_stale; i++) {
        bool is_accepted = i < m->n_accepted;
        const struct attempt_ref *r = is_accepted ? &m->accepted[i] : &m->stale[i - m->n_accepted];
        struct attempt *t = attempt_find(a, r->job, r->task, r->attempt);
        if (t)
            attempt_acked(t, is_accepted);
    }
}

/* Orders count only in a session that is settled. */
static void dispatch_order(struct agent *a, const struct msg *m)
{
    switch ((unsigned)m->code) {
    case MSG_HEARTBEAT_ACK:
        on_heartbeat_ack(a, &m->u.heartbeat_ack);
        break;
    case MSG_LEASE_GRANT:
        grant_lease(a, &m->u.lease_grant);
        break;
    case MSG_LEASE_EXTEND:
        grant_extend(a, &m->u.lease_extend);
        break;
    case MSG_LEASE_CLOSE:
        grant_close(a, &m->u.lease_close);
        break;
    case MSG_ATTEMPT_KILL:
        grant_kill(a, &m->u.attempt_kill);
        break;
    case MSG_ATTEMPT_ACK:
        on_ack(a, &m->u.attempt_ack);
        break;
    case MSG_LOG_READ:
        logs_read(a, &m->u.log_read, m->request);
        break;
    default:
        log_warn("session.message code=%s error=\"not for workers\"", msg_code_name(m->code));
        break;
    }
}

/* After a long silence chipqd has given it up: it begins anew. */
static void on_error(struct agent *a, const struct msg_error *m)
{
    log_error("session.error text=\"%s\"", m->text);
    if (m->code != CQ_E_STALE || !a->is_welcome)
        return;
    a->is_welcome = false;
    say_hello(a);
}

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       const void *data, size_t bytes)
{
    struct agent *a = arg;
    struct msg m = {0};
    struct cq_err err;
    if (CQ_FP("net.recv") != 0)
        return;
    if (msg_decode(data, bytes, &m, &err) != 0) {
        log_error("session.message error=\"%s\"", err.text);
        return;
    }
    a->last_word_us = loop_now(a->loop).mono_us;
    if (m.code == MSG_WORKER_WELCOME)
        on_welcome(a, &m.u.worker_welcome);
    else if (m.code == MSG_ERROR)
        on_error(a, &m.u.error);
    else if (a->is_welcome)
        dispatch_order(a, &m);
    msg_fini(&m);
}

static void on_state(void *arg, enum zsock_state state)
{
    struct agent *a = arg;
    switch (state) {
    case ZSOCK_CONNECTED:
        a->is_connected = true;
        a->is_welcome = a->is_refused = false;
        a->last_word_us = loop_now(a->loop).mono_us;
        say_hello(a);
        break;
    case ZSOCK_DISCONNECTED:
        log_warn("session.lost leases=%zu", a->leases.n);
        a->is_connected = a->is_welcome = false;
        logs_forget_all(a);
        break;
    case ZSOCK_RETRYING:
        break;
    case ZSOCK_MISMATCH:
        log_error("session.mismatch error=\"no chipqd there, or not with the server key that this "
                  "worker knows\"");
        a->is_connected = a->is_welcome = false;
        break;
    case ZSOCK_REFUSED:
        log_error("session.refused error=\"the scheduler does not know this worker's key\"");
        a->is_connected = a->is_welcome = false;
        a->is_refused = true;
        loop_timer_set(a->session_timer, loop_now(a->loop).mono_us + HELLO_AGAIN_US);
        break;
    }
}

/* A connection may be dead without a sign (the other end rebooted, a firewall forgot it): a new one
 * must be there before the leases run out, and a scheduler that is busy must not be left for one.
 */
static int64_t silence_us(const struct agent *a)
{
    int64_t us = a->heartbeat_us * SILENT_HEARTBEATS;
    int64_t least_us =
        a->lease_us > 0 && a->lease_us / 3 < SILENCE_MIN_US ? a->lease_us / 3 : SILENCE_MIN_US;
    return us > least_us ? us : least_us;
}

static void on_session_due(void *arg)
{
    struct agent *a = arg;
    int64_t now_us = loop_now(a->loop).mono_us;
    cores_look(a);
    if (now_us - a->awake_us > 2 * a->heartbeat_us)
        a->last_word_us = now_us; /* it was we who slept: what came meanwhile is read after this */
    if (a->is_refused) {
        a->is_refused = false;
        zsock_reconnect(a->socket); /* the key may be known by now */
    } else if (a->is_connected && now_us - a->last_word_us > silence_us(a)) {
        log_warn("session.silent us=%lld", (long long)(now_us - a->last_word_us));
        a->is_connected = a->is_welcome = false;
        a->last_word_us = now_us;
        zsock_reconnect(a->socket);
    } else if (a->is_connected && !a->is_welcome) {
        say_hello(a);
        return;
    } else if (a->is_connected) { /* else the socket goes on trying */
        send_heartbeat(a);
    }
    loop_timer_set(a->session_timer, now_us + a->heartbeat_us);
}

int session_start(struct agent *a, struct cq_err *err)
{
    struct zsock_client_options o = {.key = &a->key,
                                     .on_message = on_message,
                                     .on_state = on_state,
                                     .arg = a,
                                     .heartbeat_us = -1, /* ours tell more: on_session_due */
                                     .linger_us = LINGER_US,
                                     .send_hwm = 1024,
                                     .receive_hwm = 1024};
    a->session_timer = loop_timer_new(a->loop, on_session_due, a);
    a->heartbeat_us = HEARTBEAT_US;
    a->socket = zsock_client_new(a->loop, &o, err);
    return a->socket ? 0 : -1;
}

void session_say_stopping(struct agent *a)
{
    struct msg m = {.code = MSG_WORKER_BYE, .u.worker_bye = {.is_stopping = true}};
    if (a->is_welcome)
        (void)session_send(a, &m);
}

void session_stop(struct agent *a)
{
    struct msg m = {.code = MSG_WORKER_BYE};
    if (a->is_welcome)
        (void)session_send(a, &m);
    zsock_close(a->socket);
    a->socket = NULL;
    loop_timer_close(a->session_timer);
    a->session_timer = NULL;
}
