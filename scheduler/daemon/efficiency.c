/* EFFICIENCY_QUERY: used against asked, of one's own enterprise. */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/learn.h"

enum { ANSWER_BYTES_MAX = 800 * 1024 };

static uint64_t rounded(double value)
{
    return value > 9e18 ? UINT64_C(9000000000000000000) : (uint64_t)(value + 0.5);
}

static struct efficiency_row row_of(const struct efficiency_group *g)
{
    const struct efficiency_tally *t = &g->tally;
    bool has_advice = g->p95_mib > 0 && !t->is_whole;
    return (struct efficiency_row){.project = g->project_name,
                                   .user = g->user_name,
                                   .what = g->what,
                                   .cores = g->cores,
                                   .runs = rounded(t->runs),
                                   .run_ms = rounded(t->run_us / 1e3),
                                   .core_ms = rounded(t->core_us / 1e3),
                                   .cpu_ms = rounded(t->cpu_us / 1e3),
                                   .asked_mib_s = rounded(t->asked_mib_us / 1e6),
                                   .used_mib_s = rounded(t->used_mib_us / 1e6),
                                   .asked_mib = t->asked_mib,
                                   .p95_mib = g->p95_mib,
                                   .better_mib = has_advice ? learn_request_mib(g->p95_mib) : 0};
}

static void on_efficiency(struct daemon *d, struct ask *ask, struct store_query *q)
{
    const struct efficiency_report *r = q->efficiency;
    struct efficiency_row *rows CQ_CLEANUP(cq_free_ptr) = cq_calloc(r->n + 1, sizeof *rows);
    size_t n = 0, bytes = 0;
    for (; n < r->n && bytes < ANSWER_BYTES_MAX; n++) {
        rows[n] = row_of(r->groups[n]);
        bytes += 150 + strlen(rows[n].project) + strlen(rows[n].user) + strlen(rows[n].what);
    }
    struct msg m = {.code = MSG_EFFICIENCY};
    m.u.efficiency.rows = rows;
    m.u.efficiency.n_rows = n;
    m.u.efficiency.is_cut = r->is_cut || n < r->n;
    reply(d, &ask->asker, &m);
}

/* Its rows name jobs: who sees those of an enterprise sees it. */
void on_efficiency_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_efficiency_query *u = &m->u.efficiency_query;
    const struct authz_object own = {.enterprise = a->who.enterprise};
    struct cq_err err = {0};
    if (a->who.enterprise.v == 0 || !authz(&a->who, VERB_USAGE_SEE, &own)
        || !authz(&a->who, VERB_JOB_SEE, &own)) {
        (void)cq_fail(&err, CQ_E_DENIED, "what runs were for is seen in their enterprise only");
        reply_error(d, a, &err);
        return;
    }
    struct store_query *q = store_query_new(QUERY_EFFICIENCY, NULL);
    q->enterprise = a->who.enterprise;
    q->efficiency = efficiency_report_new(u->from_us, u->to_us > 0 ? u->to_us : INT64_MAX);
    (void)ask_store(d, a, q, on_efficiency, false, NULL, NULL);
}
