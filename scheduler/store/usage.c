/* Usage in the database: adding what the core has summed up, and reports of it. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <time.h>

#define DAY_US (INT64_C(24) * 3600 * US_PER_S)

/* ---- adding: the caller's side, then the thread's ---- */

void store_batch_add_usage(struct store_batch *b, const struct usage_view *v)
{
    cq_grow(&b->usages, &b->cap_usages, b->n_usages);
    struct batch_usage *u = &b->usages[b->n_usages++];
    *u = (struct batch_usage){
        .leaf = {v->enterprise.v, (uint64_t)v->hour_us, v->project.v, v->principal.v},
        .sums = {v->attempts, v->core_us, v->mem_mib_us, v->waits, v->wait_us},
        .tokens = cq_calloc(v->n_licences + 1, sizeof *u->tokens),
        .n_tokens = v->n_licences};
    for (size_t i = 0; i < v->n_licences; i++)
        u->tokens[i] =
            (struct batch_tokens){cq_strdup(v->licences[i].feature), v->licences[i].token_us};
    if (v->waits > 0)
        u->buckets = cq_memdup(v->wait_buckets, USAGE_WAIT_BUCKETS * sizeof *u->buckets);
}

void batch_usages_free(struct store_batch *b)
{
    for (size_t i = 0; i < b->n_usages; i++) {
        struct batch_usage *u = &b->usages[i];
        for (size_t k = 0; k < u->n_tokens; k++)
            free(u->tokens[k].feature);
        free(u->tokens);
        free(u->buckets);
    }
    free(b->usages);
}

/* Binds the four columns that say whose and when. Returns the next index. */
static int bind_leaf(sqlite3_stmt *st, const uint64_t leaf[4])
{
    for (int i = 0; i < 4; i++)
        sql_bind_u64(st, i + 1, leaf[i]);
    return 5;
}

static int write_buckets(struct store *s, const struct batch_usage *u, struct cq_err *err)
{
    for (unsigned i = 0; u->buckets != NULL && i < USAGE_WAIT_BUCKETS; i++) {
        if (u->buckets[i] == 0)
            continue;
        sqlite3_stmt *st = sql_use(s, ST_USAGE_WAIT_ADD);
        int at = bind_leaf(st, u->leaf);
        sql_bind_u64(st, at, i);
        sql_bind_u64(st, at + 1, u->buckets[i]);
        if (sql_run(s, st, "add waits", err) != 0)
            return -1;
    }
    return 0;
}

static int write_tokens(struct store *s, const struct batch_usage *u, struct cq_err *err)
{
    for (size_t i = 0; i < u->n_tokens; i++) {
        sqlite3_stmt *st = sql_use(s, ST_USAGE_LICENCE_ADD);
        int at = bind_leaf(st, u->leaf);
        sql_bind_text(st, at, u->tokens[i].feature);
        sql_bind_u64(st, at + 1, u->tokens[i].token_us);
        if (sql_run(s, st, "add tokens", err) != 0)
            return -1;
    }
    return 0;
}

int usage_write(struct store *s, const struct batch_usage *u, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_USAGE_ADD);
    int at = bind_leaf(st, u->leaf);
    for (size_t i = 0; i < CQ_COUNT(u->sums); i++)
        sql_bind_u64(st, at++, u->sums[i]);
    if (sql_run(s, st, "add usage", err) != 0 || write_buckets(s, u, err) != 0)
        return -1;
    return write_tokens(s, u, err);
}

/* ---- reports ---- */

struct usage_report *usage_report_new(int64_t from_us, int64_t to_us, enum usage_by by)
{
    struct usage_report *r = CQ_NEW(struct usage_report);
    *r = (struct usage_report){.from_us = from_us, .to_us = to_us, .by = by};
    return r;
}

static void group_free(struct usage_group *g)
{
    for (size_t i = 0; i < g->n_tokens; i++)
        free(g->tokens[i].feature);
    free(g->tokens);
    free(g->enterprise_name);
    free(g->project_name);
    free(g->user_name);
    free(g);
}

void usage_report_free(struct usage_report *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        group_free(r->groups[i]);
    free(r->groups);
    map_fini(&r->by_key);
    free(r);
}

/* Begin of the month in which a day lies, both as days since 1970, UTC. */
static int64_t month_of_day(int64_t day)
{
    time_t at = (time_t)(day * (DAY_US / US_PER_S));
    struct tm tm;
    return gmtime_r(&at, &tm) ? day - (tm.tm_mday - 1) : day;
}

static int64_t period_of(const struct usage_report *r, int64_t hour_us)
{
    if (hour_us < 0 || r->by < USAGE_BY_DAY)
        return 0;
    int64_t day = hour_us / DAY_US;
    return (r->by == USAGE_BY_DAY ? day : month_of_day(day)) * DAY_US;
}

/* What tells groups apart; ids come from one sequence, and none is 0. */
static uint64_t key_of(const struct usage_report *r, const uint64_t leaf[4])
{
    switch (r->by) {
    case USAGE_BY_ENTERPRISE:
        return leaf[0];
    case USAGE_BY_PROJECT:
        return leaf[2];
    case USAGE_BY_USER:
        return leaf[3];
    case USAGE_BY_DAY:
    case USAGE_BY_MONTH:
        break;
    }
    return (uint64_t)(period_of(r, (int64_t)leaf[1]) / DAY_US) + 1;
}

/* NULL: there are too many. */
static struct usage_group *group_of(struct usage_report *r, const uint64_t leaf[4])
{
    uint64_t key = key_of(r, leaf);
    struct usage_group *g = map_find(&r->by_key, key);
    if (g != NULL)
        return g;
    if (r->n == USAGE_GROUPS_MAX) {
        r->is_cut = true;
        return NULL;
    }
    g = CQ_NEW(struct usage_group);
    g->period_us = period_of(r, (int64_t)leaf[1]);
    g->enterprise = r->by <= USAGE_BY_USER ? leaf[0] : 0;
    g->project = r->by == USAGE_BY_PROJECT ? leaf[2] : 0;
    g->principal = r->by == USAGE_BY_USER ? leaf[3] : 0;
    map_put(&r->by_key, key, g);
    cq_grow(&r->groups, &r->cap, r->n);
    r->groups[r->n++] = g;
    return g;
}

static void add_tokens(struct usage_group *g, const char *feature, double token_us)
{
    size_t i = 0;
    while (i < g->n_tokens && strcmp(g->tokens[i].feature, feature) < 0)
        i++;
    if (i < g->n_tokens && strcmp(g->tokens[i].feature, feature) == 0) {
        g->tokens[i].token_us += token_us;
        return;
    }
    cq_grow(&g->tokens, &g->cap_tokens, g->n_tokens);
    memmove(g->tokens + i + 1, g->tokens + i, (g->n_tokens - i) * sizeof *g->tokens);
    g->n_tokens++;
    g->tokens[i] = (struct usage_tokens){cq_strdup(feature), token_us};
}

static int read_buckets(struct store *s, const uint64_t leaf[4], struct usage_group *g,
                        struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_USAGE_WAITS);
    (void)bind_leaf(st, leaf);
    int rc;
    while ((rc = sql_row(s, st, "read waits", err)) > 0) {
        int64_t bucket = sqlite3_column_int64(st, 0);
        if (bucket >= 0 && bucket < USAGE_WAIT_BUCKETS)
            g->buckets[bucket] += (uint64_t)sqlite3_column_int64(st, 1);
    }
    return rc;
}

static int read_tokens(struct store *s, const uint64_t leaf[4], struct usage_group *g,
                       struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_USAGE_LICENCES);
    (void)bind_leaf(st, leaf);
    int rc;
    while ((rc = sql_row(s, st, "read tokens", err)) > 0) {
        const char *feature = (const char *)sqlite3_column_text(st, 0);
        add_tokens(g, feature ? feature : "", sqlite3_column_double(st, 1));
    }
    return rc;
}

static int add_row(struct store *s, struct usage_report *r, sqlite3_stmt *st, struct cq_err *err)
{
    struct usage_group *g = group_of(r, r->at);
    if (g == NULL)
        return 0;
    g->attempts += sqlite3_column_double(st, 4);
    g->core_us += sqlite3_column_double(st, 5);
    g->mem_mib_us += sqlite3_column_double(st, 6);
    g->waits += sqlite3_column_double(st, 7);
    g->wait_us += sqlite3_column_double(st, 8);
    if (sqlite3_column_int64(st, 7) != 0 && read_buckets(s, r->at, g, err) != 0)
        return -1;
    return read_tokens(s, r->at, g, err);
}

/* Moves the cursor over hours that are not asked for. False: the row is wanted. */
static bool skip_hours(struct usage_report *r)
{
    int64_t hour_us = (int64_t)r->at[1];
    if (hour_us >= r->from_us && hour_us < r->to_us)
        return false;
    r->at[1] = (uint64_t)(hour_us < r->from_us ? r->from_us - 1 : INT64_MAX);
    r->at[2] = r->at[3] = INT64_MAX;
    return true;
}

/* One page behind the cursor. 1 = no more rows. */
static int read_page(struct store *s, const struct store_query *q, struct cq_err *err)
{
    struct usage_report *r = q->usage;
    sqlite3_stmt *st = sql_use(s, ST_USAGE_SCAN);
    (void)bind_leaf(st, r->at);
    sql_bind_u64(st, 5, q->enterprise.v ? q->enterprise.v : INT64_MAX);
    bool is_empty = true;
    int rc;
    while ((rc = sql_row(s, st, "read usage", err)) > 0) {
        is_empty = false;
        for (int i = 0; i < 4; i++)
            r->at[i] = (uint64_t)sqlite3_column_int64(st, i);
        if (skip_hours(r))
            break;
        if (add_row(s, r, st, err) != 0)
            return -1;
    }
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : is_empty;
}

static int name_group(struct store *s, struct usage_group *g, struct cq_err *err)
{
    g->enterprise_name = entity_name(s, RECORD_ENTERPRISE_ADD, g->enterprise, err);
    g->project_name = entity_name(s, RECORD_PROJECT_ADD, g->project, err);
    g->user_name = entity_name(s, RECORD_PRINCIPAL_ADD, g->principal, err);
    return g->enterprise_name && g->project_name && g->user_name ? 0 : -1;
}

static int compare(const void *a, const void *b)
{
    const struct usage_group *x = *(struct usage_group *const *)a;
    const struct usage_group *y = *(struct usage_group *const *)b;
    int order = strcmp(x->enterprise_name, y->enterprise_name);
    if (order == 0 && x->enterprise != y->enterprise)
        order = x->enterprise < y->enterprise ? -1 : 1; /* a name that was given twice */
    if (order == 0)
        order = strcmp(x->project_name, y->project_name);
    if (order == 0)
        order = strcmp(x->user_name, y->user_name);
    if (order == 0)
        order = (x->period_us > y->period_us) - (x->period_us < y->period_us);
    return order;
}

static void merge(struct usage_group *to, const struct usage_group *from)
{
    to->attempts += from->attempts;
    to->core_us += from->core_us;
    to->mem_mib_us += from->mem_mib_us;
    to->waits += from->waits;
    to->wait_us += from->wait_us;
    for (size_t i = 0; i < USAGE_WAIT_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
    for (size_t i = 0; i < from->n_tokens; i++)
        add_tokens(to, from->tokens[i].feature, from->tokens[i].token_us);
}

/* A user whose key was made anew is another principal, and yet one row. */
static void merge_equals(struct usage_report *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct usage_group *g = r->groups[i];
        if (n > 0 && compare(&r->groups[n - 1], &g) == 0) {
            merge(r->groups[n - 1], g);
            group_free(g);
        } else {
            r->groups[n++] = g;
        }
    }
    r->n = n;
}

static uint64_t p95_of(const struct usage_group *g)
{
    uint64_t n = 0, seen = 0;
    for (unsigned i = 0; i < USAGE_WAIT_BUCKETS; i++)
        n += g->buckets[i];
    uint64_t wanted = n - n / 20; /* so many waited no longer */
    for (unsigned i = 0; n > 0 && i < USAGE_WAIT_BUCKETS; i++) {
        seen += g->buckets[i];
        if (seen >= wanted)
            return usage_wait_of_bucket(i);
    }
    return 0;
}

static int finish(struct store *s, struct usage_report *r, struct cq_err *err)
{
    for (size_t i = 0; i < r->n; i++)
        if (name_group(s, r->groups[i], err) != 0)
            return -1;
    map_fini(&r->by_key);
    if (r->n > 0)
        qsort(r->groups, r->n, sizeof(struct usage_group *), compare);
    merge_equals(r);
    for (size_t i = 0; i < r->n; i++)
        r->groups[i]->p95_wait_us = p95_of(r->groups[i]);
    return 1;
}

int usage_step(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    struct usage_report *r = q->usage;
    if (!r->has_begun) {
        r->has_begun = true;
        r->at[0] = q->enterprise.v;
        r->at[1] = (uint64_t)(r->from_us > 0 ? r->from_us - 1 : 0);
        r->at[2] = r->at[3] = INT64_MAX;
    }
    int rc;
    do
        rc = read_page(s, q, err);
    while (rc == 0 && clock_mono_us() < until_us);
    return rc > 0 ? finish(s, r, err) : rc;
}
