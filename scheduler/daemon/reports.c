/* USAGE_QUERY, AUDIT_QUERY, HISTORY_QUERY: what was used, who changed what, what ran. */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"

enum {
    ROWS_MAX = QUERY_ROWS_MAX,
    USAGE_ROWS_MAX = 4096,
    LICENCES_MAX = 64,
    FEATURES_MAX = 1000,
    SHARES_MAX = 1000,
    ANSWER_BYTES_MAX = 800 * 1024,
};

/* Whose rows are asked for: a name; or, without one, everybody's for those who may see them, one's
 * own for the others. */
static int find_scope(struct daemon *d, const struct asker *a, const char *enterprise,
                      enum verb verb, struct enterprise_id *e, struct cq_err *err)
{
    const struct authz_object pool = {.owner = NULL}, own = {.enterprise = a->who.enterprise};
    if (!authz(&a->who, verb, &own) && !authz(&a->who, verb, &pool))
        return cq_fail(err, CQ_E_DENIED, "a %s may not see that", role_name(a->who.role));
    *e = (struct enterprise_id){0};
    if (enterprise[0] == '\0' && authz(&a->who, verb, &pool))
        return 0;
    return scope_find(d, a, enterprise, 0, verb, e, err);
}

static int64_t end_of(int64_t to_us)
{
    return to_us > 0 ? to_us : INT64_MAX;
}

/* ---- usage ---- */

static uint64_t rounded(double value)
{
    return value < 1      ? value >= 0.5
           : value > 9e18 ? UINT64_C(9000000000000000000)
                          : (uint64_t)(value + 0.5);
}

static struct usage_feature *licences_of(const struct usage_group *g, size_t n)
{
    struct usage_feature *list = cq_calloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct usage_feature){.feature = g->tokens[i].feature,
                                         .token_ms = rounded(g->tokens[i].token_us / 1e3)};
    return list;
}

static struct usage_row usage_row_of(const struct usage_group *g)
{
    size_t n = g->n_tokens < LICENCES_MAX ? g->n_tokens : LICENCES_MAX;
    return (struct usage_row){.enterprise = g->enterprise_name,
                              .project = g->project_name,
                              .user = g->user_name,
                              .period_us = g->period_us,
                              .attempts = rounded(g->attempts),
                              .core_ms = rounded(g->core_us / 1e3),
                              .mem_mib_s = rounded(g->mem_mib_us / 1e6),
                              .waits = rounded(g->waits),
                              .mean_wait_us = g->waits > 0 ? rounded(g->wait_us / g->waits) : 0,
                              .p95_wait_us = g->p95_wait_us,
                              .licences = licences_of(g, n),
                              .n_licences = n};
}

static void on_usage(struct daemon *d, struct ask *ask, struct store_query *q)
{
    const struct usage_report *r = q->usage;
    struct usage_row *rows = cq_calloc(r->n + 1, sizeof *rows);
    size_t n = 0, bytes = 0;
    bool is_cut = r->is_cut;
    for (; n < r->n && n < USAGE_ROWS_MAX && bytes < ANSWER_BYTES_MAX; n++) {
        rows[n] = usage_row_of(r->groups[n]);
        bytes += 300 + rows[n].n_licences * 80;
        is_cut = is_cut || rows[n].n_licences < r->groups[n]->n_tokens;
    }
    struct msg m = {.code = MSG_USAGE};
    m.u.usage.rows = rows;
    m.u.usage.n_rows = n;
    m.u.usage.is_cut = is_cut || n < r->n;
    reply(d, &ask->asker, &m);
    for (size_t i = 0; i < n; i++)
        free_const(rows[i].licences);
    free(rows);
}

void on_usage_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_usage_query *u = &m->u.usage_query;
    struct cq_err err = {0};
    struct enterprise_id e;
    if (find_scope(d, a, u->enterprise, VERB_USAGE_SEE, &e, &err) != 0) {
        reply_error(d, a, &err);
        return;
    }
    struct store_query *q = store_query_new(QUERY_USAGE, NULL);
    q->enterprise = e;
    q->usage = usage_report_new(u->from_us, end_of(u->to_us), (enum usage_by)u->by);
    (void)ask_store(d, a, q, on_usage, false, NULL, NULL);
}

/* ---- audit ---- */

/* A tenant learns who of its own people did it; who of the platform's is not its affair. */
static const char *shown_name(const struct asker *a, const char *who)
{
    size_t n = strlen(a->who.enterprise_name);
    const struct authz_object pool = {.owner = NULL};
    bool is_own = n > 0 && strncmp(who, a->who.enterprise_name, n) == 0 && who[n] == '/';
    return is_own || authz(&a->who, VERB_AUDIT_SEE, &pool) ? who : "platform";
}

static struct audit_entry audit_entry_of(const struct daemon *d, const struct asker *a,
                                         const struct audit_row *row)
{
    return (struct audit_entry){
        .seq = row->seq,
        .at_us = row->at_us,
        .who = shown_name(a, row->principal_name),
        .enterprise = view_enterprise_name(d, (struct enterprise_id){row->enterprise}),
        .verb = row->verb,
        .object = row->object,
        .detail = row->detail};
}

static void on_audit(struct daemon *d, struct ask *ask, struct store_query *q)
{
    const struct audit_page *p = q->audit;
    struct audit_entry *rows CQ_CLEANUP(cq_free_ptr) = cq_calloc(p->n + 1, sizeof *rows);
    size_t n = 0, bytes = 0;
    for (; n < p->n && bytes < ANSWER_BYTES_MAX; n++) {
        rows[n] = audit_entry_of(d, &ask->asker, &p->rows[n]);
        bytes += 300 + strlen(rows[n].object) + strlen(rows[n].detail);
    }
    struct msg m = {.code = MSG_AUDIT};
    m.u.audit.rows = rows;
    m.u.audit.n_rows = n;
    m.u.audit.has_more = p->has_more || n < p->n;
    m.u.audit.checked = p->checked;
    m.u.audit.broken_seq = p->broken_seq;
    if (p->is_verify)
        m.u.audit.head = (struct wire_bin){p->head, sizeof p->head};
    reply(d, &ask->asker, &m);
}

static int check_audit(struct daemon *d, const struct asker *a, const struct msg_audit_query *u,
                       struct enterprise_id *e, struct cq_err *err)
{
    const struct authz_object pool = {.owner = NULL};
    if (u->verify && !authz(&a->who, VERB_AUDIT_CHECK, &pool))
        return cq_fail(err, CQ_E_DENIED,
                       "the chain goes through everybody's rows; a platform admin can verify it");
    return find_scope(d, a, u->enterprise, VERB_AUDIT_SEE, e, err);
}

void on_audit_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_audit_query *u = &m->u.audit_query;
    struct cq_err err = {0};
    struct enterprise_id e;
    if (check_audit(d, a, u, &e, &err) != 0) {
        reply_error(d, a, &err);
        return;
    }
    struct store_query *q = store_query_new(QUERY_AUDIT, NULL);
    q->enterprise = e;
    q->audit = audit_page_new();
    q->audit->from_us = u->from_us;
    q->audit->to_us = end_of(u->to_us);
    q->audit->before = u->before;
    q->audit->limit = u->limit;
    q->audit->is_verify = u->verify;
    (void)ask_store(d, a, q, on_audit, false, NULL, NULL);
}

/* ---- history ---- */

struct history_answer {
    const struct asker *asker;
    const struct core *core;
    struct history_entry rows[ROWS_MAX];
    struct history_feature features[FEATURES_MAX];
    struct history_share shares[SHARES_MAX];
    size_t n_features, n_shares;
    uint64_t cores, mem_mib;
};

static bool may_see(const struct history_answer *h, struct enterprise_id e)
{
    const struct authz_object what = {.enterprise = e};
    return authz(&h->asker->who, VERB_HISTORY_SEE, &what);
}

static void add_worker(void *arg, const struct worker_view *w)
{
    struct history_answer *h = arg;
    h->cores += w->cores;
    h->mem_mib += w->mem_mib;
}

static void add_feature(void *arg, const struct feature_view *f)
{
    struct history_answer *h = arg;
    if (h->n_features < FEATURES_MAX && (f->enterprise.v == 0 || may_see(h, f->enterprise)))
        h->features[h->n_features++] = (struct history_feature){.name = f->name, .count = f->count};
}

static void add_share(void *arg, const struct share_view *s)
{
    struct history_answer *h = arg;
    if (h->n_shares < SHARES_MAX && strcmp(s->kind, "enterprise") == 0 && may_see(h, s->enterprise))
        h->shares[h->n_shares++] =
            (struct history_share){.enterprise = core_enterprise_name(h->core, s->enterprise),
                                   .weight_ppm = rounded(s->weight * 1e6)};
}

static struct history_entry history_entry_of(const struct history_row *r)
{
    return (struct history_entry){.enterprise = r->enterprise,
                                  .project = r->project,
                                  .user = r->user,
                                  .number = r->number,
                                  .is_array = r->is_array,
                                  .task = r->task,
                                  .attempt = r->attempt,
                                  .cores = r->cores,
                                  .mem_mib = r->mem_mib,
                                  .time_us = r->time_us,
                                  .licences = r->licences,
                                  .submit_us = r->submit_us,
                                  .start_us = r->start_us,
                                  .run_us = r->run_us,
                                  .verdict = verdict_name(r->verdict)};
}

static void on_history(struct daemon *d, struct ask *ask, struct store_query *q)
{
    const struct history_page *p = q->history;
    struct history_answer *h CQ_CLEANUP(cq_free_ptr) = CQ_NEW(struct history_answer);
    h->asker = &ask->asker;
    h->core = d->core;
    for (size_t i = 0; i < p->n; i++)
        h->rows[i] = history_entry_of(&p->rows[i]);
    core_each_worker(d->core, loop_now(d->loop), add_worker, h);
    core_each_feature(d->core, loop_now(d->loop), add_feature, h);
    core_each_share(d->core, loop_now(d->loop), add_share, h);
    struct msg m = {.code = MSG_HISTORY};
    m.u.history = (struct msg_history){.rows = h->rows,
                                       .n_rows = p->n,
                                       .has_more = p->has_more,
                                       .next = p->next,
                                       .cores = h->cores,
                                       .mem_mib = h->mem_mib,
                                       .features = h->features,
                                       .n_features = h->n_features,
                                       .shares = h->shares,
                                       .n_shares = h->n_shares};
    reply(d, &ask->asker, &m);
}

void on_history_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_history_query *u = &m->u.history_query;
    struct cq_err err = {0};
    struct enterprise_id e;
    if (find_scope(d, a, u->enterprise, VERB_HISTORY_SEE, &e, &err) != 0) {
        reply_error(d, a, &err);
        return;
    }
    struct store_query *q = store_query_new(QUERY_HISTORY, NULL);
    q->enterprise = e;
    q->history = history_page_new();
    q->history->from_us = u->from_us;
    q->history->to_us = end_of(u->to_us);
    q->history->after = u->after;
    q->history->limit = u->limit;
    (void)ask_store(d, a, q, on_history, false, NULL, NULL);
}
