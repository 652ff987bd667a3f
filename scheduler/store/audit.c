/* The audit list: rows chained by hashes, so that one that was changed, put in or taken out later
 * shows. */
#include "scheduler/store/internal.h"

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <sodium.h>

enum { AUDIT_ROWS_DEFAULT = 100 };

void audit_row_fini(struct audit_row *row)
{
    free(row->principal_name);
    free(row->verb);
    free(row->object);
    free(row->detail);
    *row = (struct audit_row){0};
}

struct audit_page *audit_page_new(void)
{
    struct audit_page *p = CQ_NEW(struct audit_page);
    p->to_us = INT64_MAX;
    return p;
}

void audit_page_free(struct audit_page *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        audit_row_fini(&p->rows[i]);
    free(p->rows);
    free(p);
}

/* Of prev_hash and everything that the row says, each part with its length. */
static void hash_row(const struct audit_row *row, uint8_t hash[AUDIT_HASH_BYTES])
{
    struct cq_str s = {0};
    cq_str_append(&s, row->prev_hash, sizeof row->prev_hash);
    flat_put_u64(&s, row->seq);
    flat_put_i64(&s, row->at_us);
    flat_put_u64(&s, row->principal);
    flat_put_text(&s, row->principal_name);
    flat_put_u64(&s, row->enterprise);
    flat_put_text(&s, row->verb);
    flat_put_text(&s, row->object);
    flat_put_text(&s, row->detail);
    (void)crypto_generichash(hash, AUDIT_HASH_BYTES, (const unsigned char *)s.data, s.len, NULL, 0);
    cq_str_fini(&s);
}

/* ---- writing ---- */

static void read_hash(sqlite3_stmt *st, int at, uint8_t hash[AUDIT_HASH_BYTES])
{
    const void *data = sqlite3_column_blob(st, at);
    memset(hash, 0, AUDIT_HASH_BYTES);
    if (data != NULL && sqlite3_column_bytes(st, at) == AUDIT_HASH_BYTES)
        memcpy(hash, data, AUDIT_HASH_BYTES);
}

static int read_last(struct store *s, uint8_t hash[AUDIT_HASH_BYTES], struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_AUDIT_LAST);
    int rc = sql_row(s, st, "read the audit's end", err);
    if (rc > 0)
        read_hash(st, 0, hash);
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : 0;
}

static int insert(struct store *s, const struct audit_row *row, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_AUDIT_ADD);
    sql_bind_u64(st, 1, row->seq);
    (void)sqlite3_bind_int64(st, 2, row->at_us);
    sql_bind_u64(st, 3, row->principal);
    sql_bind_text(st, 4, row->principal_name);
    sql_bind_u64(st, 5, row->enterprise);
    sql_bind_text(st, 6, row->verb);
    sql_bind_text(st, 7, row->object);
    sql_bind_text(st, 8, row->detail);
    (void)sqlite3_bind_blob(st, 9, row->prev_hash, sizeof row->prev_hash, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 10, row->hash, sizeof row->hash, SQLITE_STATIC);
    return sql_run(s, st, "add to the audit", err);
}

int audit_write(struct store *s, const struct store_batch *b, size_t i, struct cq_err *err)
{
    struct audit_row row = {0};
    int rc = audit_describe(s, b, i, &row, err);
    if (rc == 0)
        rc = read_last(s, row.prev_hash, err);
    if (rc == 0) {
        hash_row(&row, row.hash);
        rc = insert(s, &row, err);
    }
    audit_row_fini(&row);
    return rc;
}

/* ---- reading ---- */

static char *column(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return cq_strdup(text ? text : "");
}

static struct audit_row read_row(sqlite3_stmt *st)
{
    struct audit_row row = {.seq = (uint64_t)sqlite3_column_int64(st, 0),
                            .at_us = sqlite3_column_int64(st, 1),
                            .principal = (uint64_t)sqlite3_column_int64(st, 2),
                            .principal_name = column(st, 3),
                            .enterprise = (uint64_t)sqlite3_column_int64(st, 4),
                            .verb = column(st, 5),
                            .object = column(st, 6),
                            .detail = column(st, 7)};
    read_hash(st, 8, row.prev_hash);
    read_hash(st, 9, row.hash);
    return row;
}

/* False: this row or one before it is not what was written. */
static bool check_row(struct audit_page *p, const struct audit_row *row)
{
    uint8_t hash[AUDIT_HASH_BYTES];
    hash_row(row, hash);
    p->checked++;
    if (memcmp(row->prev_hash, p->head, sizeof hash) != 0
        || memcmp(row->hash, hash, sizeof hash) != 0) {
        p->broken_seq = row->seq;
        return false;
    }
    memcpy(p->head, hash, sizeof hash);
    return true;
}

/* Takes `row`. False: the page is full. */
static bool keep_row(const struct store_query *q, struct audit_row *row)
{
    struct audit_page *p = q->audit;
    bool is_wanted = (q->enterprise.v == 0 || q->enterprise.v == row->enterprise)
                     && row->at_us >= p->from_us && row->at_us < p->to_us;
    if (is_wanted && p->n == p->limit) {
        p->has_more = true;
        audit_row_fini(row);
        return false;
    }
    if (!is_wanted) {
        audit_row_fini(row);
        return true;
    }
    cq_grow(&p->rows, &p->cap, p->n);
    p->rows[p->n++] = *row;
    return true;
}

static bool take_row(const struct store_query *q, struct audit_row *row)
{
    if (!q->audit->is_verify)
        return keep_row(q, row);
    bool goes_on = check_row(q->audit, row);
    audit_row_fini(row);
    return goes_on;
}

/* 1 = done. */
static int read_page(struct store *s, const struct store_query *q, struct cq_err *err)
{
    struct audit_page *p = q->audit;
    sqlite3_stmt *st = sql_use(s, p->is_verify ? ST_AUDIT_AFTER : ST_AUDIT_BEFORE);
    sql_bind_u64(st, 1, p->cursor);
    bool is_done = true;
    int rc;
    while ((rc = sql_row(s, st, "read the audit", err)) > 0) {
        struct audit_row row = read_row(st);
        p->cursor = row.seq;
        is_done = !take_row(q, &row);
        if (is_done)
            break;
    }
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : is_done;
}

static void begin(struct audit_page *p)
{
    if (p->limit == 0 || p->limit > QUERY_ROWS_MAX)
        p->limit = p->limit ? QUERY_ROWS_MAX : AUDIT_ROWS_DEFAULT;
    if (!p->is_verify)
        p->cursor = p->before ? p->before : INT64_MAX;
}

int audit_step(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    if (q->cursor == 0) {
        q->cursor = 1; /* has begun */
        begin(q->audit);
    }
    int rc;
    do
        rc = read_page(s, q, err);
    while (rc == 0 && clock_mono_us() < until_us);
    return rc;
}
