/* The clients' port: who speaks, is it a message, who handles it (when: hearing.c). A client has no
 * state here but its watches: every request stands alone, and identity comes with each message from
 * the key. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/log.h"

#include <inttypes.h>
#include <unistd.h>

bool session_on_connect(void *daemon, const char *domain, const uint8_t key[CURVE_KEY_BYTES],
                        char *user_id)
{
    struct daemon *d = daemon;
    char z85[CURVE_Z85_CHARS + 1];
    struct principal_view v;
    curve_z85_encode(key, z85);
    if (!core_find_principal_key(d->core, z85, &v))
        return false;
    if ((v.role == ROLE_WORKER) != (strcmp(domain, "worker") == 0))
        return false; /* a worker's key opens the workers' door only, and no other key does */
    (void)snprintf(user_id, ZAP_USER_ID_BYTES, "%" PRIu64, v.id.v);
    return true;
}

bool session_is_revoked(const struct daemon *d, struct principal_id p)
{
    struct principal_view v;
    return !core_view_principal(d->core, p, &v) || v.revoked;
}

bool session_find(struct daemon *d, const char *user_id, enum port port, struct principal_view *v)
{
    uint64_t id;
    if (user_id == NULL || parse_u64(user_id, 1, UINT64_MAX, &id, NULL) != 0)
        return false;
    if (!core_view_principal(d->core, (struct principal_id){id}, v) || v->revoked)
        return false;
    return (v->role == ROLE_WORKER) == (port == PORT_WORKER);
}

void session_refuse_frame(struct daemon *d, enum port port, const struct zpeer *peer,
                          const void *data, size_t bytes, const struct cq_err *err)
{
    d->bad_messages++;
    if ((d->bad_messages & (d->bad_messages - 1)) == 0) /* the 1st, 2nd, 4th, 8th...: no flood */
        log_warn("net.bad_message port=%s count=%" PRIu64 " error=\"%s\"",
                 port == PORT_WORKER ? "worker" : "client", d->bad_messages, err->text);
    struct msg m = {.code = MSG_ERROR};
    m.u.error.code = (uint64_t)err->code;
    m.u.error.text = err->text;
    m.request = msg_request_of(data, bytes);
    if (m.request != 0 && !outbox_is_behind(d, false))
        send_to(d, port, peer, &m);
}

static void on_hello(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_hello *h = &m->u.hello;
    if (h->version_min > WIRE_VERSION || h->version_max < WIRE_VERSION_MIN) {
        struct cq_err err = {0};
        (void)cq_fail(&err, CQ_E_VERSION,
                      "you speak versions %" PRIu64 " to %" PRIu64 ", this chipqd %d to %d: %s",
                      h->version_min, h->version_max, WIRE_VERSION_MIN, WIRE_VERSION,
                      h->version_min > WIRE_VERSION ? "upgrade chipqd" : "upgrade your chipq");
        reply_error(d, a, &err);
        return;
    }
    struct msg answer = {.code = MSG_WELCOME};
    answer.u.welcome = (struct msg_welcome){
        .version = h->version_max < WIRE_VERSION ? h->version_max : WIRE_VERSION,
        .server = "chipqd " CHIPQ_VERSION,
        .enterprise = a->who.enterprise_name,
        .user = a->who.name,
        .role = role_name(a->who.role),
        .pid = (uint64_t)getpid()};
    answer.request = a->request;
    if (space_is_none(d))
        send_now(d, PORT_CLIENT, &a->peer, &answer);
    else
        reply(d, a, &answer);
}

static client_handler handler_of(enum msg_code code)
{
    static const struct {
        enum msg_code code;
        client_handler handler;
    } handlers[] = {
        {MSG_HELLO, on_hello},
        {MSG_SUBMIT, on_submit},
        {MSG_JOB_ACTION, on_job_action},
        {MSG_JOBS_QUERY, on_jobs_query},
        {MSG_JOB_QUERY, on_job_query},
        {MSG_WHY_QUERY, on_why_query},
        {MSG_NODES_QUERY, on_nodes_query},
        {MSG_NODE_ACTION, on_node_action},
        {MSG_WATCH, on_watch},
        {MSG_UNWATCH, on_unwatch},
        {MSG_LOG_QUERY, on_log_query},
        {MSG_TOOLS_QUERY, on_tools_query},
        {MSG_STATUS_QUERY, on_status_query},
        {MSG_USAGE_QUERY, on_usage_query},
        {MSG_EFFICIENCY_QUERY, on_efficiency_query},
        {MSG_AUDIT_QUERY, on_audit_query},
        {MSG_HISTORY_QUERY, on_history_query},
        {MSG_ENTERPRISE_ADD, on_enterprise_add},
        {MSG_USER_ADD, on_user_add},
        {MSG_USER_REVOKE, on_user_revoke},
        {MSG_PRINCIPALS_QUERY, on_principals_query},
        {MSG_CONFIG_APPLY, on_config_apply},
        {MSG_CONFIG_QUERY, on_config_query},
        {MSG_SHARES_QUERY, on_shares_query},
        {MSG_QUOTAS_QUERY, on_quotas_query},
        {MSG_FEATURES_QUERY, on_features_query},
        {MSG_RESERVATION_ADD, on_reservation_add},
        {MSG_RESERVATION_REMOVE, on_reservation_remove},
        {MSG_RESERVATIONS_QUERY, on_reservations_query},
        {MSG_BACKUP, on_backup},
    };
    for (size_t i = 0; i < CQ_COUNT(handlers); i++)
        if (handlers[i].code == code)
            return handlers[i].handler;
    return NULL;
}

static bool only_asks(enum msg_code code)
{
    return code != MSG_SUBMIT && code != MSG_JOB_ACTION && code != MSG_NODE_ACTION
           && code != MSG_ENTERPRISE_ADD && code != MSG_USER_ADD && code != MSG_USER_REVOKE
           && code != MSG_CONFIG_APPLY && code != MSG_RESERVATION_ADD
           && code != MSG_RESERVATION_REMOVE && code != MSG_BACKUP;
}

/* ZeroMQ cannot hang up: who goes on asking with a key that is no more is told so. */
static void refuse_revoked(struct daemon *d, const struct zpeer *peer, const struct asker *a,
                           const void *data, size_t bytes)
{
    struct cq_err err = {0};
    if (!a->who.revoked)
        return;
    (void)cq_fail(&err, CQ_E_DENIED, "this key was revoked");
    session_refuse_frame(d, PORT_CLIENT, peer, data, bytes, &err);
}

/* What an asker can wait with; its HELLO is an answer at once. */
static bool is_question(enum msg_code code)
{
    return only_asks(code) && code != MSG_HELLO && handler_of(code) != NULL;
}

static void handle(struct daemon *d, const struct asker *a, struct msg *m)
{
    client_handler handler = handler_of(m->code);
    struct cq_err err = {0};
    if (space_is_none(d) && m->code != MSG_HELLO) {
        space_refuse(d, a);
    } else if (outbox_is_behind(d, only_asks(m->code))) {
        reply_behind(d, a);
    } else if (is_question(m->code)) {
        questions_answer(d, a, handler, m);
    } else if (handler != NULL) {
        handler(d, a, m);
    } else {
        (void)cq_fail(&err, CQ_E_PROTOCOL, "%s is no message for this port",
                      msg_code_name(m->code));
        reply_error(d, a, &err);
    }
}

/* A question that was held: its asker's key may have been revoked since. */
void client_on_held(struct daemon *d, const struct zpeer *peer, struct principal_id who,
                    const void *data, size_t bytes)
{
    struct asker a = {.peer = *peer};
    struct msg m = {0};
    if (!core_view_principal(d->core, who, &a.who) || a.who.revoked) {
        refuse_revoked(d, peer, &a, data, bytes);
        return;
    }
    if (msg_decode(data, bytes, &m, NULL) != 0)
        return; /* it was decoded when it came */
    a.request = m.request;
    handle(d, &a, &m);
    msg_fini(&m);
}

static void answer(struct daemon *d, struct asker *a, const void *data, size_t bytes)
{
    struct cq_err err = {0};
    struct msg m = {0};
    if (msg_decode(data, bytes, &m, &err) != 0) {
        session_refuse_frame(d, PORT_CLIENT, &a->peer, data, bytes, &err);
        return;
    }
    a->request = m.request;
    if (is_question(m.code) && !space_is_none(d) && !outbox_is_behind(d, true)
        && !questions_are_free(d, a))
        questions_hold(d, a, data, bytes);
    else
        handle(d, a, &m);
    msg_fini(&m);
}

/* What it adds to the batch is charged to its enterprise. */
void client_hear(struct daemon *d, const struct zpeer *peer, const char *user_id, const void *data,
                 size_t bytes)
{
    struct asker a = {.peer = *peer};
    if (!session_find(d, user_id, PORT_CLIENT, &a.who)) {
        refuse_revoked(d, peer, &a, data, bytes);
        return;
    }
    uint64_t enterprise = a.who.enterprise.v, before = turn_tag(d);
    answer(d, &a, data, bytes);
    hearing_charge(d, enterprise, turn_tag(d) - before, bytes);
}

/* ---- what a request may reach ---- */

int no_such_job(const char *enterprise, uint64_t number, struct cq_err *err)
{
    if (enterprise != NULL && enterprise[0])
        return cq_fail(err, CQ_E_NOT_FOUND, "no such job: %.63s/%" PRIu64, enterprise, number);
    return cq_fail(err, CQ_E_NOT_FOUND, "no such job: %" PRIu64, number);
}

int scope_find(struct daemon *d, const struct asker *a, const char *enterprise, uint64_t number,
               enum verb verb, struct enterprise_id *e, struct cq_err *err)
{
    struct enterprise_id found = a->who.enterprise;
    bool is_known = enterprise == NULL || enterprise[0] == '\0'
                        ? found.v != 0
                        : core_find_enterprise(d->core, enterprise, &found);
    struct authz_object what = {.enterprise = found};
    if (!is_known || !authz(&a->who, verb, &what))
        return number ? no_such_job(enterprise, number, err)
                      : cq_fail(err, CQ_E_NOT_FOUND, "no such enterprise: '%.63s'", enterprise);
    *e = found;
    return 0;
}
