/* SHARES, QUOTAS, FEATURES: views of the share tree and of licences. A tenant gets rows of its own
 * enterprise, and of what is everyone's only how much is free. */
#include "scheduler/daemon/page.h"
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"

#include <math.h>

#define PPM 1e6

struct listing {
    const struct asker *asker;
    struct page page;
    union {
        struct share_row *shares;
        struct quota_row *quotas;
        struct feature_row *features;
    } rows;
};

static bool may_see(const struct asker *a, struct enterprise_id e)
{
    struct authz_object what = {.enterprise = e};
    return authz(&a->who, VERB_SHARE_SEE, &what);
}

/* Answers who may see no share at all (nobody but a worker's key, which has no business here). */
static bool refuse_strangers(struct daemon *d, const struct asker *a)
{
    if (may_see(a, a->who.enterprise))
        return false;
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_DENIED, "a %s may not see shares", role_name(a->who.role));
    reply_error(d, a, &err);
    return true;
}

/* A wire's whole number of what may be any double. */
static uint64_t whole(double value)
{
    if (!(value > 0)) /* NaN too */
        return 0;
    return value < 9e18 ? (uint64_t)llround(value) : (uint64_t)9e18;
}

/* ---- SHARES ---- */

static void list_share(void *arg, const struct share_view *s)
{
    struct listing *l = arg;
    if (!may_see(l->asker, s->enterprise) || !page_takes(&l->page, strlen(s->path) + 120))
        return;
    l->rows.shares[l->page.n - 1] =
        (struct share_row){.kind = page_keep(&l->page, s->kind),
                           .path = page_keep(&l->page, s->path),
                           .weight_ppm = whole(s->weight * PPM),
                           .usage_core_ms = whole(s->usage_core_hours * 3.6e6),
                           .due_ppm = whole(s->due * PPM),
                           .got_ppm = whole(s->got * PPM),
                           .cores_used = s->cores_used,
                           .tasks_running = s->tasks_running,
                           .limit = s->limit,
                           .tasks_waiting = s->tasks_waiting};
}

void on_shares_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    if (refuse_strangers(d, a))
        return;
    struct listing l = {.asker = a, .page = {.skip = m->u.shares_query.skip}};
    l.rows.shares = cq_calloc(PAGE_ROWS_MAX, sizeof *l.rows.shares);
    core_each_share(d->core, loop_now(d->loop), list_share, &l);
    struct msg answer = {.code = MSG_SHARES};
    answer.u.shares =
        (struct msg_shares){.rows = l.rows.shares, .n_rows = l.page.n, .has_more = l.page.has_more};
    reply(d, a, &answer);
    free(l.rows.shares);
    page_fini(&l.page);
}

/* ---- QUOTAS ---- */

static void list_quota(void *arg, const struct quota_view *q)
{
    struct listing *l = arg;
    if (!may_see(l->asker, q->enterprise)
        || !page_takes(&l->page, strlen(q->path) + strlen(q->limit) + strlen(q->used) + 70))
        return;
    l->rows.quotas[l->page.n - 1] = (struct quota_row){.kind = page_keep(&l->page, q->kind),
                                                       .path = page_keep(&l->page, q->path),
                                                       .key = page_keep(&l->page, q->key),
                                                       .limit = page_keep(&l->page, q->limit),
                                                       .used = page_keep(&l->page, q->used),
                                                       .fraction_ppm = whole(q->fraction * PPM),
                                                       .is_reached = q->is_reached};
}

void on_quotas_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    if (refuse_strangers(d, a))
        return;
    struct listing l = {.asker = a, .page = {.skip = m->u.quotas_query.skip}};
    l.rows.quotas = cq_calloc(PAGE_ROWS_MAX, sizeof *l.rows.quotas);
    core_each_quota(d->core, loop_now(d->loop), list_quota, &l);
    struct msg answer = {.code = MSG_QUOTAS};
    answer.u.quotas =
        (struct msg_quotas){.rows = l.rows.quotas, .n_rows = l.page.n, .has_more = l.page.has_more};
    reply(d, a, &answer);
    free(l.rows.quotas);
    page_fini(&l.page);
}

/* ---- FEATURES ---- */

static bool is_platform(const struct asker *a)
{
    struct authz_object pool = {.owner = NULL};
    return authz(&a->who, VERB_CONFIG_CHANGE, &pool);
}

/* Of everyone's features a tenant sees how many are there and free; who uses them and how many wait
 * is the business of others. */
static struct feature_row feature_row_of(struct page *p, const struct feature_view *f,
                                         bool is_insider, bool is_admin)
{
    struct feature_row row = {.kind = page_keep(p, f->kind),
                              .name = page_keep(p, f->name),
                              .owner = page_keep(p, f->owner),
                              .count = f->count,
                              .used = f->count > f->free ? f->count - f->free : 0,
                              .free = f->free,
                              .fed_us = f->fed_wall_us};
    if (is_insider) {
        row.used = f->used;
        row.external = f->external;
        row.waiting = f->waiting;
        row.is_whole = true;
    }
    if (is_admin) {
        char error[512];
        (void)cq_copy_text(error, sizeof error, f->feed_error ? f->feed_error : "");
        row.feed_error = cq_is_utf8(error, strlen(error)) ? page_keep(p, error) : "?";
    }
    return row;
}

static void list_feature(void *arg, const struct feature_view *f)
{
    struct listing *l = arg;
    bool is_admin = is_platform(l->asker), is_owned = f->enterprise.v != 0;
    bool is_insider = is_admin || (is_owned && may_see(l->asker, f->enterprise));
    if ((is_owned && !is_insider) || !page_takes(&l->page, strlen(f->name) + 700))
        return;
    l->rows.features[l->page.n - 1] = feature_row_of(&l->page, f, is_insider, is_admin);
}

void on_features_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    if (refuse_strangers(d, a))
        return;
    struct listing l = {.asker = a, .page = {.skip = m->u.features_query.skip}};
    l.rows.features = cq_calloc(PAGE_ROWS_MAX, sizeof *l.rows.features);
    core_each_feature(d->core, loop_now(d->loop), list_feature, &l);
    int64_t every_us = 0;
    const char *feed = is_platform(a) ? core_feed_command(d->core, &every_us) : NULL;
    struct msg answer = {.code = MSG_FEATURES};
    answer.u.features = (struct msg_features){.rows = l.rows.features,
                                              .n_rows = l.page.n,
                                              .has_more = l.page.has_more,
                                              .feed = feed,
                                              .feed_every_us = feed ? (uint64_t)every_us : 0};
    reply(d, a, &answer);
    free(l.rows.features);
    page_fini(&l.page);
}
