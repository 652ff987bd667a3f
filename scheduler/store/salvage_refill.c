/* What the core made up from the journal, beside what was read: rows that are there stay as they
 * are. */
#include "scheduler/store/repair.h"

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/store/internal.h"

enum { TASK_BYTES_MAX = 64 * 1024, IDS_A_JOB = 8 }; /* leases take ids too */

struct refill {
    struct store *s;
    struct salvage *out;
    struct cq_err *err;
    struct ranges there; /* plain passes of one job */
    uint64_t there_of;
};

static void finalize(sqlite3_stmt **st)
{
    (void)sqlite3_finalize(*st);
}

static sqlite3_stmt *prepare(const struct refill *x, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(x->s->db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        (void)sql_fail(x->s, rc, sql, x->err);
    return st;
}

static int insert(const struct refill *x, sqlite3_stmt *st, const char *table)
{
    if (sql_run(x->s, st, table, x->err) != 0)
        return -1;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (strcmp(x->out->tables[i].name, table) == 0)
            x->out->tables[i].refilled += (uint64_t)sqlite3_changes(x->s->db);
    return 0;
}

static int fill_jobs(const struct refill *x, const struct store_batch *b)
{
    struct cq_str sql CQ_CLEANUP(cq_str_fini) = {0};
#define NAME(kind, name) #name ","
#define MARK(kind, name) "?,"
    cq_str_add(&sql, "INSERT OR IGNORE INTO job(" STORED_JOB_FIXED(NAME) STORED_JOB_LIVE(NAME));
    cq_str_add(&sql, "snapshot) VALUES(" STORED_JOB_FIXED(MARK) STORED_JOB_LIVE(MARK) "?)");
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(x, cq_str_text(&sql));
    for (size_t i = 0; st != NULL && i < b->n_rows; i++) {
        (void)sqlite3_reset(st);
        int at = sql_bind_job_fixed(st, 1, &b->rows[i].job);
        at = sql_bind_job_live(st, at, &b->rows[i].job);
        sql_bind_bytes(st, at, &b->rows[i].snapshot);
        if (insert(x, st, "job") != 0)
            return -1;
    }
    return st != NULL ? 0 : -1;
}

static int fill_tasks(const struct refill *x, const struct store_batch *b, bool earlier)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(x, earlier ? "INSERT OR IGNORE INTO attempt(job,task,attempt,row) VALUES(?,?,?,?)"
                           : "INSERT OR IGNORE INTO task(job,task,attempt,row) VALUES(?,?,?,?)");
    for (size_t i = 0; st != NULL && i < b->n_tasks; i++) {
        const struct batch_task *t = &b->tasks[i];
        if (t->is_earlier != earlier)
            continue;
        (void)sqlite3_reset(st);
        sql_bind_u64(st, 1, t->job);
        sql_bind_u64(st, 2, t->task);
        sql_bind_u64(st, 3, t->attempt);
        sql_bind_bytes(st, 4, &t->row);
        if (insert(x, st, earlier ? "attempt" : "task") != 0)
            return -1;
    }
    return st != NULL ? 0 : -1;
}

/* ---- plain passes: many to a row, and not always the same many ---- */

typedef void (*pass_fn)(void *arg, const struct stored_task *t);

static void each_pass(const void *rows, size_t bytes, pass_fn fn, void *arg)
{
    struct flat_reader in = flat_reader_of(rows, bytes);
    while (!in.failed && !flat_at_end(&in)) {
        struct stored_task t = {0};
        size_t n;
        const void *data = flat_get_bytes(&in, TASK_BYTES_MAX, &n);
        if (!in.failed && stored_task_decode(data, n, &t, NULL) == 0)
            fn(arg, &t);
        stored_task_fini(&t);
    }
}

static void note_task(void *tasks, const struct stored_task *t)
{
    ranges_add(tasks, (uint32_t)t->task, (uint32_t)t->task);
}

/* Of an older database, all tasks have rows of their own. */
static int read_told(struct refill *x, uint64_t job)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(x, "SELECT task FROM task WHERE job=?");
    int rc = st != NULL ? 0 : -1;
    if (st != NULL)
        sql_bind_u64(st, 1, job);
    while (rc >= 0 && (rc = sql_row(x->s, st, "read tasks", x->err)) > 0) {
        uint32_t task = (uint32_t)sqlite3_column_int64(st, 0);
        ranges_add(&x->there, task, task);
    }
    return rc;
}

/* Tasks of a job that have a row; of the last one that was asked for they are remembered. */
static int read_passes(struct refill *x, uint64_t job)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(x, "SELECT rows FROM pass WHERE job=?");
    int rc = st != NULL ? 0 : -1;
    if (st != NULL)
        sql_bind_u64(st, 1, job);
    ranges_fini(&x->there);
    x->there_of = job;
    while (rc >= 0 && (rc = sql_row(x->s, st, "read passes", x->err)) > 0)
        each_pass(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), note_task,
                  &x->there);
    return rc < 0 ? -1 : read_told(x, job);
}

struct missing {
    struct store_batch *to;
    uint64_t job;
    const struct ranges *there;
};

static void add_missing(void *arg, const struct stored_task *t)
{
    const struct missing *m = arg;
    if (!ranges_has(m->there, (uint32_t)t->task))
        batch_add_pass(m->to, m->job, t);
}

static int fill_pass(struct refill *x, const struct batch_pass *p)
{
    struct store_batch *to = store_batch_new(x->s);
    struct missing m = {to, p->job, &x->there};
    int rc = p->job == x->there_of ? 0 : read_passes(x, p->job);
    each_pass(cq_str_text(&p->rows), p->rows.len, add_missing, &m);
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(x, "INSERT OR IGNORE INTO pass(job,first,last,rows) VALUES(?,?,?,?)");
    rc = st != NULL ? rc : -1;
    for (size_t i = 0; rc == 0 && i < to->n_passes; i++) {
        const struct batch_pass *made = &to->passes[i];
        const struct record_bytes rows = {(uint8_t *)cq_str_text(&made->rows), made->rows.len};
        (void)sqlite3_reset(st);
        sql_bind_u64(st, 1, made->job);
        sql_bind_u64(st, 2, made->first);
        sql_bind_u64(st, 3, made->last);
        sql_bind_bytes(st, 4, &rows);
        rc = insert(x, st, "pass");
    }
    store_batch_free(to);
    return rc;
}

static int fill_all(struct refill *x, const struct store_batch *b)
{
    if (sql_exec(x->s, "BEGIN IMMEDIATE", x->err) != 0 || fill_jobs(x, b) != 0
        || fill_tasks(x, b, false) != 0 || fill_tasks(x, b, true) != 0)
        return -1;
    for (size_t i = 0; i < b->n_passes; i++)
        if (fill_pass(x, &b->passes[i]) != 0)
            return -1;
    return sql_exec(x->s, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", x->err);
}

int store_fill(struct store *s, struct store_batch *b, struct salvage *out, struct cq_err *err)
{
    struct refill x = {.s = s, .out = out, .err = err};
    int rc = fill_all(&x, b);
    ranges_fini(&x.there);
    store_batch_free(b);
    return rc;
}

int store_find_request(struct store *s, uint64_t job, struct record **out, struct cq_err *err)
{
    return request_read(s, job, out, err);
}

size_t store_batch_entities(const struct store_batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_entities; i++)
        n += !b->entities[i].gone;
    return n;
}

int store_forget_entities(struct store *s, struct cq_err *err)
{
    return sql_exec(s, "DELETE FROM entity", err);
}

/* ---- what does not fit together ---- */

static struct salvaged_table *table_of(struct salvage *s, const char *name)
{
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (strcmp(s->tables[i].name, name) == 0)
            return &s->tables[i];
    abort(); /* a name of our own */
}

static int count_kept(const struct refill *x, const char *name)
{
    struct salvaged_table *t = table_of(x->out, name);
    struct cq_str sql CQ_CLEANUP(cq_str_fini) = {0};
    cq_str_printf(&sql, "SELECT count(*) FROM %s", name);
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(x, cq_str_text(&sql));
    if (st == NULL || sql_row(x->s, st, name, x->err) <= 0)
        return -1;
    t->kept = (uint64_t)sqlite3_column_int64(st, 0);
    t->is_damaged = t->is_lost_known = true;
    t->lost = 0;
    return 0;
}

static int take_request(const struct refill *x, sqlite3_stmt *from, sqlite3_stmt *to)
{
    struct record *r = NULL;
    if (record_decode(RECORD_JOB_SUBMIT, (uint64_t)sqlite3_column_int64(from, 0),
                      sqlite3_column_blob(from, 1), (size_t)sqlite3_column_bytes(from, 1), &r,
                      x->err)
        != 0)
        return -1;
    (void)sqlite3_reset(to);
    sql_bind_u64(to, 1, r->u.job_submit.id);
    (void)sqlite3_bind_value(to, 2, sqlite3_column_value(from, 0));
    (void)sqlite3_bind_value(to, 3, sqlite3_column_value(from, 1));
    record_free(r);
    return insert(x, to, "job_request");
}

static int take_requests(const struct refill *x)
{
    sqlite3_stmt *from CQ_CLEANUP(finalize) =
        prepare(x, "SELECT version,payload FROM journal WHERE type=10 ORDER BY seq");
    sqlite3_stmt *to CQ_CLEANUP(finalize) =
        prepare(x, "INSERT OR IGNORE INTO job_request(job,version,payload) VALUES(?,?,?)");
    int rc = from != NULL && to != NULL ? 1 : -1;
    while (rc > 0 && (rc = sql_row(x->s, from, "read the journal", x->err)) > 0)
        if (take_request(x, from, to) != 0)
            return -1;
    return rc;
}

int store_forget_live(struct store *s, struct salvage *out, struct cq_err *err)
{
    static const char *const names[] = {"entity", "job", "job_request"};
    const struct refill x = {.s = s, .out = out, .err = err};
    if (sql_exec(s,
                 "BEGIN IMMEDIATE; DELETE FROM entity;"
                 "DELETE FROM job_request WHERE job IN (SELECT id FROM job WHERE state<4);"
                 "DELETE FROM job WHERE state<4",
                 err)
        != 0)
        return -1;
    for (size_t i = 0; i < CQ_COUNT(names); i++)
        if (count_kept(&x, names[i]) != 0)
            return -1;
    return take_requests(&x) == 0 ? sql_exec(s, "COMMIT", err) : -1;
}

void store_skip_seq(struct store *s, uint64_t seq)
{
    if (seq > s->next_seq)
        s->next_seq = seq;
}

/* ---- numbers ---- */

static int put_entity(const struct refill *x, uint64_t id, const struct record *r)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    record_encode(r, &text);
    const struct record_bytes payload = {(uint8_t *)cq_str_text(&text), text.len};
    sqlite3_stmt *st = sql_use(x->s, ST_ENTITY_PUT);
    sql_bind_u64(st, 1, r->type);
    sql_bind_u64(st, 2, id);
    sql_bind_u64(st, 3, record_type_version(r->type));
    sql_bind_bytes(st, 4, &payload);
    return sql_run(x->s, st, "raise a number", x->err);
}

static int raise_ids(const struct refill *x, uint64_t by)
{
    struct record *r = NULL;
    int rc = entity_find(x->s, RECORD_COUNTERS, 1, &r, x->err);
    if (rc > 0) {
        r->u.counters.next_id += by * IDS_A_JOB;
        rc = put_entity(x, 1, r);
    }
    record_free(r);
    return rc;
}

static uint64_t highest_row(const struct refill *x, uint64_t enterprise)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(x, "SELECT max(number) FROM job WHERE enterprise=?");
    if (st == NULL)
        return 0;
    sql_bind_u64(st, 1, enterprise);
    return sqlite3_step(st) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
}

static int raise_numbers(const struct refill *x, const struct enterprise_add *e, uint64_t by,
                         uint64_t elsewhere)
{
    struct record *r = NULL;
    uint64_t row = highest_row(x, e->id);
    if (entity_find(x->s, RECORD_NUMBERING, e->id, &r, x->err) < 0)
        return -1;
    if (r == NULL) {
        r = record_new(RECORD_NUMBERING);
        r->u.numbering = (struct numbering){.enterprise = e->id, .next_number = 1};
    }
    uint64_t next = r->u.numbering.next_number;
    next = (row >= next ? row + 1 : next) + by;
    r->u.numbering.next_number = elsewhere >= next ? elsewhere + 1 : next;
    int rc = put_entity(x, e->id, r);
    record_free(r);
    return rc;
}

int store_raise_numbers(struct store *s, uint64_t by, store_highest_fn highest, void *arg,
                        struct cq_err *err)
{
    const struct refill x = {.s = s, .err = err};
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(&x, "SELECT version,payload FROM entity WHERE kind=2 ORDER BY id");
    int rc = st != NULL ? raise_ids(&x, by) : -1;
    while (rc >= 0 && (rc = sql_row(s, st, "read enterprises", err)) > 0) {
        struct record *r = NULL;
        rc =
            record_decode(RECORD_ENTERPRISE_ADD, (uint64_t)sqlite3_column_int64(st, 0),
                          sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), &r, err);
        if (rc == 0)
            rc = raise_numbers(&x, &r->u.enterprise_add, by, highest(arg, &r->u.enterprise_add));
        record_free(r);
    }
    return rc < 0 ? -1 : 0;
}
