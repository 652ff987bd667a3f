/* What the core wants told, as messages. Called at once after a step: the core's pointers are good
 * until the next one. */
#include "scheduler/daemon/daemon.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"

#include <inttypes.h>

enum {
    GRANT_BYTES_MAX = 512 * 1024, /* of orders in one message, so that the frame's bound holds */
    GRANT_ATTEMPTS_MAX = 1000,
};

uint64_t reply_handle(struct daemon *d, const struct asker *a, struct action_batch *batch,
                      size_t index)
{
    struct reply_to *to = CQ_NEW(struct reply_to);
    *to = (struct reply_to){.asker = *a, .batch = batch, .index = index};
    map_put(&d->replies, ++d->last_handle, to);
    return d->last_handle;
}

void action_result_set(struct daemon *d, struct action_batch *b, size_t index, enum cq_code code,
                       const char *text)
{
    b->results[index].code = (uint64_t)code;
    b->results[index].text = cq_strdup(text);
    if (--b->left > 0)
        return;
    struct msg m = {.code = MSG_JOB_ACTION_DONE};
    m.u.job_action_done.results = b->results;
    m.u.job_action_done.n_results = b->n;
    reply(d, &b->asker, &m);
    for (size_t i = 0; i < b->n; i++)
        free_const(b->results[i].text);
    free(b->results);
    free(b);
}

static void answer(struct daemon *d, const struct reply_to *to, const struct out *o)
{
    if (to->batch != NULL) {
        to->batch->results[to->index].running = o->n_running;
        to->batch->results[to->index].sent = o->n_sent;
        action_result_set(d, to->batch, to->index, o->code, o->text);
    } else if (o->code == CQ_OK) {
        reply_ok(d, &to->asker);
    } else {
        struct cq_err err = {.code = o->code};
        (void)cq_copy_text(err.text, sizeof err.text, o->text ? o->text : cq_code_text(o->code));
        reply_error(d, &to->asker, &err);
    }
}

static void answer_accepted(struct daemon *d, const struct reply_to *to, const struct out *o)
{
    struct msg m = {.code = MSG_ACCEPTED};
    m.u.accepted.numbers = o->numbers;
    m.u.accepted.n_numbers = o->n_numbers;
    m.u.accepted.was_known = o->was_known;
    char warning[512];
    (void)cq_copy_text(warning, sizeof warning, o->text ? o->text : "");
    m.u.accepted.warning = cq_is_utf8(warning, strlen(warning)) ? warning : "";
    m.u.accepted.note = o->changes;
    reply(d, &to->asker, &m);
}

/* A worker that cannot be served: it must say HELLO (again), or give up. */
static void send_worker_error(struct daemon *d, const struct out *o)
{
    struct worker_session *s = worker_session_of(d, o->worker);
    struct msg m = {.code = MSG_ERROR};
    m.u.error.code = (uint64_t)o->code;
    m.u.error.text = o->text;
    worker_send(d, o->worker, &m);
    if (s != NULL)
        s->is_welcome = false;
}

static void send_reply(struct daemon *d, const struct out *o)
{
    if (o->worker.v != 0) {
        if (o->code != CQ_OK)
            send_worker_error(d, o);
        return;
    }
    struct reply_to *to = map_remove(&d->replies, o->request);
    if (to == NULL)
        return; /* nobody asked */
    if (o->type == OUT_ACCEPTED)
        answer_accepted(d, to, o);
    else if (o->type == OUT_CONFIG_DONE && o->code == CQ_OK)
        config_send_done(d, to, o);
    else
        answer(d, to, o);
    free(to);
}

static void send_welcome(struct daemon *d, const struct out *o)
{
    struct worker_session *s = worker_session_of(d, o->worker);
    struct msg m = {.code = MSG_WORKER_WELCOME};
    m.u.worker_welcome.version = WIRE_VERSION;
    m.u.worker_welcome.epoch = o->epoch;
    m.u.worker_welcome.heartbeat_us = (uint64_t)d->options->heartbeat_us;
    m.u.worker_welcome.lease_us = (uint64_t)d->options->lease_us;
    m.u.worker_welcome.heartbeat = o->heartbeat;
    m.u.worker_welcome.drop = o->numbers;
    m.u.worker_welcome.n_drop = o->n_numbers;
    if (s != NULL)
        s->is_welcome = true;
    worker_send(d, o->worker, &m);
}

/* ---- grants: orders are bulky, so one grant may need several messages ---- */

struct grant {
    struct run_order orders[GRANT_ATTEMPTS_MAX];
    struct order_view views[GRANT_ATTEMPTS_MAX];
    struct dep_dir *deps[GRANT_ATTEMPTS_MAX];
    struct attempt_ref attempts[GRANT_ATTEMPTS_MAX];
    size_t n_orders, n_attempts, bytes;
    bool is_first;
};

static void grant_clear(struct grant *g)
{
    for (size_t i = 0; i < g->n_orders; i++) {
        order_view_fini(&g->views[i]);
        free(g->deps[i]);
    }
    g->n_orders = g->n_attempts = g->bytes = 0;
}

static struct dep_dir *dep_dirs_of(const struct order_view *v)
{
    struct dep_dir *dirs = v->n_deps ? cq_calloc(v->n_deps, sizeof *dirs) : NULL;
    for (size_t i = 0; i < v->n_deps; i++)
        dirs[i] = (struct dep_dir){.name = v->deps[i].name,
                                   .number = v->deps[i].number,
                                   .is_array = v->deps[i].is_array,
                                   .attempt = v->deps[i].attempt};
    return dirs;
}

static void grant_add_order(struct daemon *d, struct grant *g, struct job_id job)
{
    struct order_view *v = &g->views[g->n_orders];
    *v = (struct order_view){0};
    core_view_order(d->core, job, v);
    core_view_run(d->core, v);
    g->deps[g->n_orders] = dep_dirs_of(v);
    g->orders[g->n_orders] = (struct run_order){.job = v->job.v,
                                                .enterprise = v->enterprise,
                                                .number = v->number,
                                                .name = v->name,
                                                .user = v->user,
                                                .tool = v->tool,
                                                .is_array = v->is_array,
                                                .time_us = v->time_us,
                                                .restart = v->restart,
                                                .deps = g->deps[g->n_orders],
                                                .n_deps = v->n_deps,
                                                .run = {v->run, v->run_bytes}};
    g->bytes += v->run_bytes + v->n_deps * 300 + 1024;
    g->n_orders++;
}

static void grant_send(struct daemon *d, struct grant *g, const struct out *o)
{
    struct msg m = {.code = g->is_first ? MSG_LEASE_GRANT : MSG_LEASE_EXTEND};
    if (g->is_first) {
        m.u.lease_grant = (struct msg_lease_grant){.epoch = o->epoch,
                                                   .lease = o->lease,
                                                   .heartbeat = o->heartbeat,
                                                   .cores = o->text,
                                                   .mem_mib = o->mem_mib,
                                                   .smt = o->smt,
                                                   .membind = o->membind,
                                                   .orders = g->orders,
                                                   .n_orders = g->n_orders,
                                                   .attempts = g->attempts,
                                                   .n_attempts = g->n_attempts};
    } else {
        m.u.lease_extend = (struct msg_lease_extend){.epoch = o->epoch,
                                                     .lease = o->lease,
                                                     .orders = g->orders,
                                                     .n_orders = g->n_orders,
                                                     .attempts = g->attempts,
                                                     .n_attempts = g->n_attempts};
    }
    worker_send(d, o->worker, &m);
    g->is_first = false;
    grant_clear(g);
}

static void send_grant(struct daemon *d, const struct out *o)
{
    static struct grant g; /* large; used by one thread, never nested */
    g.is_first = o->type == OUT_LEASE_GRANT;
    for (size_t i = 0; i < o->n_attempts; i++) {
        const struct out_attempt *a = &o->attempts[i];
        if (g.n_attempts == GRANT_ATTEMPTS_MAX || g.bytes > GRANT_BYTES_MAX)
            grant_send(d, &g, o);
        if (a->is_new_job)
            grant_add_order(d, &g, a->job);
        g.attempts[g.n_attempts++] = (struct attempt_ref){a->job.v, a->task, a->attempt};
    }
    if (g.n_attempts > 0 || g.is_first)
        grant_send(d, &g, o);
}

/* The first of them: a worker that was cut off may come back with many. */
static void log_stale(struct daemon *d, const struct out *o)
{
    const struct worker_session *s = worker_session_of(d, o->worker);
    const struct out_attempt *first = &o->attempts[o->n_accepted];
    log_warn("attempt.stale node=%s n=%zu job=%" PRIu64 " task=%" PRIu64 " attempt=%" PRIu64,
             s && s->node ? s->node : "?", o->n_attempts - o->n_accepted, first->job.v, first->task,
             first->attempt);
}

static void send_ack(struct daemon *d, const struct out *o)
{
    if (o->n_accepted < o->n_attempts)
        log_stale(d, o);
    struct attempt_ref *refs CQ_CLEANUP(cq_free_ptr) = cq_calloc(o->n_attempts + 1, sizeof *refs);
    for (size_t i = 0; i < o->n_attempts; i++)
        refs[i] =
            (struct attempt_ref){o->attempts[i].job.v, o->attempts[i].task, o->attempts[i].attempt};
    struct msg m = {.code = MSG_ATTEMPT_ACK};
    m.u.attempt_ack.accepted = refs;
    m.u.attempt_ack.n_accepted = o->n_accepted;
    m.u.attempt_ack.stale = refs + o->n_accepted;
    m.u.attempt_ack.n_stale = o->n_attempts - o->n_accepted;
    worker_send(d, o->worker, &m);
}

static void send_kill(struct daemon *d, const struct out *o)
{
    struct msg m = {.code = MSG_ATTEMPT_KILL};
    m.u.attempt_kill = (struct msg_attempt_kill){.epoch = o->epoch,
                                                 .lease = o->lease,
                                                 .job = o->attempts[0].job.v,
                                                 .task = o->attempts[0].task,
                                                 .attempt = o->attempts[0].attempt,
                                                 .cause = o->text};
    worker_send(d, o->worker, &m);
}

static void send_close(struct daemon *d, const struct out *o)
{
    struct msg m = {.code = MSG_LEASE_CLOSE};
    m.u.lease_close.epoch = o->epoch;
    m.u.lease_close.lease = o->lease;
    worker_send(d, o->worker, &m);
}

/* The one message that does not wait for the disk: it reflects no record, and a slow disk must not
 * make workers believe that we are gone. */
static void send_heartbeat_ack(struct daemon *d, const struct out *o)
{
    struct worker_session *s = worker_session_of(d, o->worker);
    struct msg m = {.code = MSG_HEARTBEAT_ACK};
    m.u.heartbeat_ack.heartbeat = o->heartbeat;
    m.u.heartbeat_ack.epoch = o->epoch;
    if (s != NULL && s->is_open && !session_is_revoked(d, o->worker))
        send_now(d, PORT_WORKER, &s->peer, &m);
}

static void send_out(struct daemon *d, const struct out *o)
{
    switch (o->type) {
    case OUT_REPLY:
    case OUT_ACCEPTED:
    case OUT_ACTION_DONE:
    case OUT_CONFIG_DONE:
        send_reply(d, o);
        return;
    case OUT_WORKER_WELCOME:
        send_welcome(d, o);
        return;
    case OUT_HEARTBEAT_ACK:
        send_heartbeat_ack(d, o);
        return;
    case OUT_LEASE_GRANT:
    case OUT_LEASE_EXTEND:
        send_grant(d, o);
        return;
    case OUT_LEASE_CLOSE:
        send_close(d, o);
        return;
    case OUT_ATTEMPT_KILL:
        send_kill(d, o);
        return;
    case OUT_ATTEMPT_ACK:
        send_ack(d, o);
        return;
    }
}

void outs_send(struct daemon *d, const struct effects *e)
{
    for (size_t i = 0; i < e->n_outs; i++)
        send_out(d, &e->outs[i]);
}
