/* The workers' port: sessions, and their messages as inputs. A session is (principal, incarnation);
 * a newer HELLO of the same key replaces the older connection. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"

#include <inttypes.h>

static void free_tools(struct worker_session *s)
{
    for (size_t i = 0; i < s->n_tools; i++) {
        free_const(s->tools[i].name);
        free_const(s->tools[i].describe);
    }
    free(s->tools);
    s->tools = NULL;
    s->n_tools = 0;
}

void worker_sessions_free(struct daemon *d)
{
    size_t at = 0;
    void *value;
    while (map_next(&d->worker_sessions, &at, &value)) {
        struct worker_session *s = value;
        free_tools(s);
        free(s->node);
        free(s);
    }
    map_fini(&d->worker_sessions);
}

struct worker_session *worker_session_of(struct daemon *d, struct principal_id p)
{
    return map_find(&d->worker_sessions, p.v);
}

struct worker_session *worker_session_named(struct daemon *d, const char *node)
{
    size_t at = 0;
    void *value;
    while (map_next(&d->worker_sessions, &at, &value)) {
        struct worker_session *s = value;
        if (s->is_welcome && s->node != NULL && strcmp(s->node, node) == 0
            && !session_is_revoked(d, s->principal))
            return s;
    }
    return NULL;
}

/* The core is not told: only time, or the worker itself, says that its leases are over. */
void worker_session_lost(struct daemon *d, const struct zpeer *peer)
{
    size_t at = 0;
    void *value;
    while (map_next(&d->worker_sessions, &at, &value)) {
        struct worker_session *s = value;
        if (s->is_open && zpeer_equal(&s->peer, peer)) {
            s->is_open = s->is_welcome = false;
            log_info("worker.away node=%s", s->node ? s->node : "?");
        }
    }
}

void worker_send(struct daemon *d, struct principal_id p, const struct msg *m)
{
    struct worker_session *s = worker_session_of(d, p);
    if (s != NULL && s->is_open && !session_is_revoked(d, p))
        send_to(d, PORT_WORKER, &s->peer, m);
    /* else it says HELLO later and is told then what holds */
}

static void send_worker_error(struct daemon *d, const struct zpeer *peer, uint64_t request,
                              enum cq_code code, const char *text)
{
    struct msg m = {.code = MSG_ERROR, .request = request};
    m.u.error.code = (uint64_t)code;
    m.u.error.text = text;
    send_to(d, PORT_WORKER, peer, &m);
}

/* ---- WORKER_HELLO ---- */

/* What is on its way when a connection breaks may arrive after the next connection's HELLO. An
 * older inventory must not count: what was granted since is not in it. */
static bool is_outdated(const struct worker_session *s, const struct msg_worker_hello *h)
{
    if (s == NULL)
        return false;
    if (memcmp(s->incarnation.bytes, h->incarnation.data, sizeof s->incarnation.bytes) == 0)
        return h->heartbeat <= s->hello;
    return memcmp(s->boot_id.bytes, h->boot_id.data, sizeof s->boot_id.bytes) == 0
           && h->started_us != 0 && h->started_us < s->started_us;
}

static struct worker_session *open_session(struct daemon *d, struct principal_id p,
                                           const struct zpeer *peer,
                                           const struct msg_worker_hello *h)
{
    struct worker_session *s = worker_session_of(d, p);
    if (s == NULL) {
        s = CQ_NEW(struct worker_session);
        s->principal = p;
        map_put(&d->worker_sessions, p.v, s);
    }
    s->peer = *peer;
    s->is_open = true;
    s->is_welcome = false;
    memcpy(s->incarnation.bytes, h->incarnation.data, sizeof s->incarnation.bytes);
    memcpy(s->boot_id.bytes, h->boot_id.data, sizeof s->boot_id.bytes);
    s->hello = h->heartbeat;
    s->started_us = h->started_us;
    free(s->node);
    s->node = cq_strdup(h->node);
    free_tools(s);
    s->tools = cq_calloc(h->n_tools + 1, sizeof *s->tools);
    for (size_t i = 0; i < h->n_tools; i++)
        s->tools[i] =
            (struct tool_row){cq_strdup(h->tools[i].name), cq_strdup(h->tools[i].describe)};
    s->n_tools = h->n_tools;
    return s;
}

struct held {
    struct in_held_lease *leases;
    struct in_held_attempt *attempts;
};

static void held_make(const struct msg_worker_hello *h, struct held *to)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < h->n_leases; i++)
        n += h->leases[i].n_attempts;
    to->leases = cq_calloc(h->n_leases + 1, sizeof *to->leases);
    to->attempts = cq_calloc(n + 1, sizeof *to->attempts);
    for (size_t i = 0; i < h->n_leases; i++) {
        const struct held_lease *l = &h->leases[i];
        to->leases[i] =
            (struct in_held_lease){l->lease, l->epoch, &to->attempts[at], l->n_attempts};
        for (size_t k = 0; k < l->n_attempts; k++)
            to->attempts[at++] =
                (struct in_held_attempt){l->attempts[k].job, l->attempts[k].task,
                                         l->attempts[k].attempt, l->attempts[k].state};
    }
}

static int check_hello(const struct msg_worker_hello *h, struct cq_err *err)
{
    if (h->version_min > WIRE_VERSION || h->version_max < WIRE_VERSION_MIN)
        return cq_fail(err, CQ_E_VERSION,
                       "you speak versions %" PRIu64 " to %" PRIu64 ", this chipqd %d to %d",
                       h->version_min, h->version_max, WIRE_VERSION_MIN, WIRE_VERSION);
    if (h->incarnation.len != 16 || h->boot_id.len != 16 || (h->home.len && h->home.len != 16))
        return cq_fail(err, CQ_E_INVALID, "incarnation, boot id and home have 16 bytes each");
    return 0;
}

/* The texts and `held` are borrowed. */
static struct input input_of(const struct msg_worker_hello *h, struct principal_id who,
                             const struct held *held, const char *features)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = who};
    in.u.worker_hello = (struct in_worker_hello){.node = h->node,
                                                 .cores = h->cores,
                                                 .topology = h->topology,
                                                 .features = features,
                                                 .mem_mib = h->mem_mib,
                                                 .heartbeat = h->heartbeat,
                                                 .leases = held->leases,
                                                 .n_leases = h->n_leases};
    memcpy(in.u.worker_hello.incarnation.bytes, h->incarnation.data, 16);
    memcpy(in.u.worker_hello.boot_id.bytes, h->boot_id.data, 16);
    if (h->home.len)
        memcpy(in.u.worker_hello.home.bytes, h->home.data, 16);
    return in;
}

/* One that is refused leaves the session alone: it may be another agent's. */
static int take_hello(struct daemon *d, const struct zpeer *peer, const struct msg_worker_hello *h,
                      const struct input *in, struct cq_err *err)
{
    if (core_check_hello(d->core, in, err) != 0)
        return -1;
    if (is_outdated(worker_session_of(d, in->principal), h)) {
        log_info("worker.hello node=%s why=\"it is older than the last one\"", h->node);
        return 0;
    }
    struct worker_session *s = open_session(d, in->principal, peer, h);
    log_info("worker.hello node=%s leases=%zu", s->node, h->n_leases);
    int rc = turn_step(d, in, err);
    (void)CQ_FP("chipqd.reconcile.done");
    logs_on_worker(d, s);
    return rc;
}

static void on_worker_hello(struct daemon *d, const struct principal_view *who,
                            const struct zpeer *peer, const struct msg *m)
{
    const struct msg_worker_hello *h = &m->u.worker_hello;
    struct cq_err err = {0};
    if (check_hello(h, &err) != 0) {
        send_worker_error(d, peer, m->request, err.code, err.text);
        return;
    }
    struct held held;
    struct cq_str features CQ_CLEANUP(cq_str_fini) = {0};
    held_make(h, &held);
    for (size_t i = 0; i < h->n_features; i++)
        cq_str_printf(&features, "%s%s", i ? "\n" : "", h->features[i]);
    const struct input in = input_of(h, who->id, &held, cq_str_text(&features));
    if (take_hello(d, peer, h, &in, &err) != 0) {
        log_warn("worker.refused by=%s error=\"%s\"", who->name, err.text);
        send_worker_error(d, peer, m->request, err.code, err.text);
    }
    free(held.leases);
    free(held.attempts);
}

/* ---- what a worker with a session says ---- */

static void feed(struct daemon *d, struct worker_session *s, const struct input *in)
{
    struct cq_err err = {0};
    if (turn_step(d, in, &err) != 0)
        send_worker_error(d, &s->peer, 0, err.code, err.text);
}

static void on_heartbeat(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    struct input in = {.type = INPUT_WORKER_HEARTBEAT, .principal = s->principal};
    in.u.heartbeat.heartbeat = m->u.heartbeat.heartbeat;
    in.u.heartbeat.cores = m->u.heartbeat.cores;
    in.u.heartbeat.topology = m->u.heartbeat.topology;
    feed(d, s, &in);
    if (*m->u.heartbeat.topology)
        log_info("worker.cores node=%s cores=%s", s->node, m->u.heartbeat.cores);
}

static struct in_attempt_end end_of(const struct attempt_end *e)
{
    return (struct in_attempt_end){.at = {e->lease, e->epoch, e->job, e->task, e->attempt},
                                   .verdict = (enum verdict)e->verdict,
                                   .exit_code = e->exit_code,
                                   .start_us = e->start_us,
                                   .end_us = e->end_us,
                                   .signal = e->signal,
                                   .run_us = e->run_us,
                                   .cpu_user_us = e->cpu_user_us,
                                   .cpu_system_us = e->cpu_system_us,
                                   .peak_mem_kib = e->peak_mem_kib,
                                   .max_rss_kib = e->max_rss_kib,
                                   .io_read_bytes = e->io_read_bytes,
                                   .io_write_bytes = e->io_write_bytes,
                                   .switches = e->switches,
                                   .switches_forced = e->switches_forced,
                                   .limit = e->limit,
                                   .summary = e->summary,
                                   .signature = e->signature,
                                   .result = e->result,
                                   .cause = e->cause,
                                   .has_outputs = e->has_outputs};
}

static void on_events(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    const struct msg_attempt_events *e = &m->u.attempt_events;
    struct in_attempt_start *starts CQ_CLEANUP(cq_free_ptr) =
        cq_calloc(e->n_starts + 1, sizeof *starts);
    struct in_attempt_end *ends CQ_CLEANUP(cq_free_ptr) = cq_calloc(e->n_ends + 1, sizeof *ends);
    for (size_t i = 0; i < e->n_starts; i++)
        starts[i] = (struct in_attempt_start){.at = {e->starts[i].lease, e->starts[i].epoch,
                                                     e->starts[i].job, e->starts[i].task,
                                                     e->starts[i].attempt},
                                              .start_us = e->starts[i].start_us};
    for (size_t i = 0; i < e->n_ends; i++)
        ends[i] = end_of(&e->ends[i]);
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = s->principal};
    in.u.events.starts = starts;
    in.u.events.n_starts = e->n_starts;
    in.u.events.ends = ends;
    in.u.events.n_ends = e->n_ends;
    feed(d, s, &in);
}

static void on_refuse(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    struct input in = {.type = INPUT_LEASE_REFUSE, .principal = s->principal};
    in.u.refuse.lease = m->u.lease_refuse.lease;
    in.u.refuse.epoch = m->u.lease_refuse.epoch;
    in.u.refuse.text = m->u.lease_refuse.text;
    feed(d, s, &in);
}

/* Kept in memory only, and only for tasks that run on this worker. */
static void on_progress(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    const struct msg_progress *p = &m->u.progress;
    struct job_id id = {p->job};
    struct worker_id worker =
        id.v ? core_worker_of_task(d->core, id, p->task) : (struct worker_id){0};
    if (!s->is_welcome || p->task != 0 || worker.v == 0
        || worker.v != core_find_worker(d->core, s->node).v)
        return;
    free(map_remove(&d->progress, id.v));
    map_put(&d->progress, id.v, cq_strdup(p->text));
    watches_note_progress(d, id);
    watches_flush(d);
}

static void on_bye(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    struct input in = {.type = INPUT_WORKER_BYE, .principal = s->principal};
    in.u.bye.is_stopping = m->u.worker_bye.is_stopping;
    feed(d, s, &in);
    if (in.u.bye.is_stopping)
        return;
    s->is_open = s->is_welcome = false;
    log_info("worker.bye node=%s", s->node);
}

static void on_log_chunk(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    logs_on_chunk(d, s, m);
}

typedef void (*worker_handler)(struct daemon *d, struct worker_session *s, const struct msg *m);

static worker_handler handler_of(enum msg_code code)
{
    static const struct {
        enum msg_code code;
        worker_handler handler;
    } handlers[] = {
        {MSG_HEARTBEAT, on_heartbeat}, {MSG_ATTEMPT_EVENTS, on_events},
        {MSG_LEASE_REFUSE, on_refuse}, {MSG_PROGRESS, on_progress},
        {MSG_WORKER_BYE, on_bye},      {MSG_LOG_CHUNK, on_log_chunk},
    };
    for (size_t i = 0; i < CQ_COUNT(handlers); i++)
        if (handlers[i].code == code)
            return handlers[i].handler;
    return NULL;
}

static void dispatch(struct daemon *d, const struct principal_view *who, const struct zpeer *peer,
                     const struct msg *m)
{
    struct worker_session *s = worker_session_of(d, who->id);
    worker_handler handler = handler_of(m->code);
    if (m->code == MSG_WORKER_HELLO)
        on_worker_hello(d, who, peer, m);
    else if (handler == NULL)
        send_worker_error(d, peer, m->request, CQ_E_PROTOCOL, "no message for this port");
    else if (s && s->is_open && !zpeer_equal(&s->peer, peer))
        send_worker_error(d, peer, m->request, CQ_E_CONFLICT,
                          "another agent with this key is at work: a key is for one machine");
    else if (s == NULL || !s->is_open)
        send_worker_error(d, peer, m->request, CQ_E_STALE, "say HELLO first");
    else
        handler(d, s, m);
}

void worker_on_message(void *daemon, const struct zpeer *peer, const char *user_id,
                       const void *data, size_t bytes)
{
    struct daemon *d = daemon;
    struct principal_view who;
    struct authz_object pool = {.owner = NULL};
    struct cq_err err = {0};
    struct msg m = {0};
    if (!session_find(d, user_id, PORT_WORKER, &who) || !authz(&who, VERB_WORK, &pool))
        return;
    if (CQ_FP("net.recv") != 0)
        return;
    if (msg_decode(data, bytes, &m, &err) != 0) {
        session_refuse_frame(d, PORT_WORKER, peer, data, bytes, &err);
        return;
    }
    dispatch(d, &who, peer, &m);
    msg_fini(&m);
}
