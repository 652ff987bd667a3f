/* Reports of used against asked: what attempts ran with, and what they took of it. */
#include "scheduler/store/efficiency.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "scheduler/core/usage.h"

struct efficiency_report *efficiency_report_new(int64_t from_us, int64_t to_us)
{
    struct efficiency_report *r = CQ_NEW(struct efficiency_report);
    *r = (struct efficiency_report){.from_us = from_us, .to_us = to_us};
    return r;
}

void efficiency_report_free(struct efficiency_report *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->groups[i]->what);
        free(r->groups[i]->project_name);
        free(r->groups[i]->user_name);
        free(r->groups[i]);
    }
    free(r->groups);
    map_fini(&r->by_key);
    free(r->at_what);
    free(r);
}

/* ---- groups ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t key_of(const uint64_t at[4], const char *what)
{
    uint64_t hash = mix(mix(mix(1, at[1]), at[2]), at[3]);
    for (; *what; what++)
        hash = mix(hash, (unsigned char)*what);
    return hash ? hash : 1;
}

/* Of the row that was read last. NULL: there are too many. */
static struct efficiency_group *group_of(struct efficiency_report *r)
{
    uint64_t key = key_of(r->at, r->at_what);
    struct efficiency_group *first = map_find(&r->by_key, key), *g = first;
    while (g
           && !(g->project == r->at[1] && g->principal == r->at[2] && g->cores == r->at[3]
                && strcmp(g->what, r->at_what) == 0))
        g = g->next_same_hash;
    if (g)
        return g;
    r->is_cut = r->is_cut || r->n == EFFICIENCY_GROUPS_MAX;
    if (r->n == EFFICIENCY_GROUPS_MAX)
        return NULL;
    g = CQ_NEW(struct efficiency_group);
    *g = (struct efficiency_group){.project = r->at[1],
                                   .principal = r->at[2],
                                   .cores = r->at[3],
                                   .what = cq_strdup(r->at_what),
                                   .next_same_hash = first};
    map_put(&r->by_key, key, g);
    cq_grow(&r->groups, &r->cap, r->n);
    return r->groups[r->n++] = g;
}

/* ---- reading ---- */

static int take_row(struct efficiency_report *r, sqlite3_stmt *st, struct cq_err *err)
{
    struct efficiency_tally t;
    const char *what = (const char *)sqlite3_column_text(st, 4);
    for (int i = 0; i < 4; i++)
        r->at[i] = (uint64_t)sqlite3_column_int64(st, i);
    free(r->at_what);
    r->at_what = cq_strdup(what ? what : "");
    if (efficiency_read(st, 5, &t, err) != 0)
        return -1;
    struct efficiency_group *g = group_of(r);
    if (g)
        efficiency_merge(&g->tally, &t);
    return 0;
}

/* One page behind the cursor. 1 = no more rows. */
static int read_page(struct store *s, const struct store_query *q, struct cq_err *err)
{
    struct efficiency_report *r = q->efficiency;
    sqlite3_stmt *st = sql_use(s, ST_EFFICIENCY_SCAN);
    CQ_CLEANUP(cq_free_ptr) char *what = cq_strdup(r->at_what); /* bound while rows replace that */
    bool is_empty = true;
    int rc;
    sql_bind_u64(st, 1, q->enterprise.v);
    for (int i = 0; i < 4; i++)
        sql_bind_u64(st, 2 + i, r->at[i]);
    sql_bind_text(st, 6, what);
    (void)sqlite3_bind_int64(st, 7, r->to_us);
    while ((rc = sql_row(s, st, "read sums of runs", err)) > 0) {
        is_empty = false;
        if (take_row(r, st, err) != 0)
            return -1;
    }
    return rc < 0 ? -1 : is_empty;
}

/* ---- the answer ---- */

static uint64_t p95_of(const struct efficiency_group *g)
{
    uint64_t n = 0, seen = 0;
    for (unsigned i = 0; i < USAGE_WAIT_BUCKETS; i++)
        n += g->tally.peaks[i];
    uint64_t wanted = n - n / 20;
    for (unsigned i = 0; n > 0 && i < USAGE_WAIT_BUCKETS; i++) {
        seen += g->tally.peaks[i];
        if (seen >= wanted) {
            uint64_t mib = usage_wait_of_bucket(i) / 1024 + 1;
            return mib < g->tally.peak_mib ? mib : g->tally.peak_mib;
        }
    }
    return 0;
}

static int finish(struct store *s, struct efficiency_report *r, struct cq_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        struct efficiency_group *g = r->groups[i];
        g->p95_mib = p95_of(g);
        g->project_name = entity_name(s, RECORD_PROJECT_ADD, g->project, err);
        g->user_name = entity_name(s, RECORD_PRINCIPAL_ADD, g->principal, err);
        if (g->project_name == NULL || g->user_name == NULL)
            return -1;
    }
    return 1;
}

/* 1 = the table may be read, 0 = a piece was added to it. Short of disk space nothing is: then the
 * answer is cut, and says so. */
static int fill(struct store *s, struct efficiency_report *r, struct cq_err *err)
{
    int rc = efficiency_is_filled(s, err);
    if (rc != 0)
        return rc;
    if (!store_is_low(s))
        return efficiency_fill(s, err);
    r->is_cut = true;
    return 1;
}

int efficiency_step(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    struct efficiency_report *r = q->efficiency;
    if (r->at_what == NULL) {
        r->at_what = cq_strdup("");
        r->at[0] = (uint64_t)(r->from_us > 0 ? r->from_us - 1 : -1);
        r->at[1] = r->at[2] = r->at[3] = INT64_MAX;
    }
    int rc = fill(s, r, err);
    if (rc <= 0)
        return rc;
    do
        rc = read_page(s, q, err);
    while (rc == 0 && clock_mono_us() < until_us);
    return rc > 0 ? finish(s, r, err) : rc;
}
