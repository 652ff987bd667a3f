/* Start-up reads: what the core needs to go on; the journal and the rows for dumps. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"

#include <sodium.h>

static void finalize(sqlite3_stmt **st)
{
    (void)sqlite3_finalize(*st);
}

static sqlite3_stmt *prepare(struct store *s, const char *sql, struct cq_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        (void)sql_fail(s, rc, sql, err);
    return st;
}

static struct record *decode(sqlite3_stmt *st, int at_version, uint64_t type, struct cq_err *err)
{
    struct record *r = NULL;
    const void *data = sqlite3_column_blob(st, at_version + 1);
    int bytes = sqlite3_column_bytes(st, at_version + 1);
    if (record_decode((enum record_type)type, (uint64_t)sqlite3_column_int64(st, at_version), data,
                      (size_t)bytes, &r, err)
        != 0)
        return NULL;
    return r;
}

static int give(struct record *r, store_record_fn fn, void *arg, struct cq_err *err)
{
    if (r == NULL)
        return -1;
    int rc = fn(arg, r, err);
    record_free(r);
    return rc;
}

static int load_entities(struct store *s, const char *which, store_record_fn fn, void *arg,
                         struct cq_err *err)
{
    struct cq_str sql CQ_CLEANUP(cq_str_fini) = {0};
    cq_str_printf(&sql, "SELECT kind,version,payload FROM entity WHERE kind%s ORDER BY kind,id",
                  which);
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(s, cq_str_text(&sql), err);
    if (st == NULL)
        return -1;
    int rc;
    while ((rc = sql_row(s, st, "load entities", err)) > 0) {
        uint64_t kind = (uint64_t)sqlite3_column_int64(st, 0);
        if (give(decode(st, 1, kind, err), fn, arg, err) != 0)
            return cq_wrap(err, "load %s", record_type_name((enum record_type)kind));
    }
    return rc;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct id_list {
    uint64_t *ids;
    size_t n, cap;
};

static void add_id(struct id_list *l, uint64_t id)
{
    cq_grow(&l->ids, &l->cap, l->n);
    l->ids[l->n++] = id;
}

/* Ids of live jobs in the order of their submission, by the partial index alone. */
static int live_ids(struct store *s, struct id_list *to, struct cq_err *err)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(s, "SELECT id FROM job INDEXED BY job_live WHERE state<4", err);
    if (st == NULL)
        return -1;
    int rc;
    while ((rc = sql_row(s, st, "load live jobs", err)) > 0)
        add_id(to, (uint64_t)sqlite3_column_int64(st, 0));
    if (to->n > 0)
        qsort(to->ids, to->n, sizeof *to->ids, by_value);
    return rc;
}

static int load_snapshot(struct store *s, sqlite3_stmt *st, store_record_fn fn, void *arg,
                         struct cq_err *err)
{
    struct record *r = NULL;
    if (sqlite3_column_type(st, 3) == SQLITE_NULL)
        return cq_fail(err, CQ_E_IO, "database %s: a live job has no snapshot", s->path);
    if (record_decode(RECORD_JOB_SNAPSHOT, record_type_version(RECORD_JOB_SNAPSHOT),
                      sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3), &r, err)
        != 0)
        return -1;
    return give(r, fn, arg, err);
}

/* Moves on to the row of job `id`, from one before it: 1 there it is, 0 it is not there, -1 error.
 * Few rows that are over between two live ones are passed by; many are jumped over. */
static int move_to(struct store *s, sqlite3_stmt *st, uint64_t id, struct cq_err *err)
{
    enum { JUMP = 32 };
    uint64_t at = sqlite3_data_count(st) > 0 ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    if (at == 0 || id - at > JUMP) {
        (void)sqlite3_reset(st);
        sql_bind_u64(st, 1, id);
    }
    int rc;
    while ((rc = sql_row(s, st, "load a job", err)) > 0) {
        at = (uint64_t)sqlite3_column_int64(st, 0);
        if (at >= id)
            return at == id;
    }
    return rc;
}

static int load_job(struct store *s, sqlite3_stmt *st, uint64_t id, store_record_fn fn, void *arg,
                    struct cq_err *err)
{
    int rc = move_to(s, st, id, err);
    if (rc == 0)
        return cq_fail(err, CQ_E_IO, "database %s: a live job has no request", s->path);
    if (rc < 0 || give(decode(st, 1, RECORD_JOB_SUBMIT, err), fn, arg, err) != 0
        || load_snapshot(s, st, fn, arg, err) != 0)
        return cq_wrap(err, "load job id %llu", (unsigned long long)id);
    return 0;
}

static int load_listed(struct store *s, const struct id_list *live, store_record_fn fn, void *arg,
                       struct cq_err *err)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(s,
                "SELECT j.id, r.version, r.payload, j.snapshot FROM job j CROSS JOIN job_request r"
                " ON r.job=j.id WHERE j.id>=? ORDER BY j.id",
                err);
    if (st == NULL)
        return -1;
    for (size_t i = 0; i < live->n; i++)
        if (load_job(s, st, live->ids[i], fn, arg, err) != 0)
            return -1;
    return 0;
}

static int load_jobs(struct store *s, store_record_fn fn, void *arg, struct cq_err *err)
{
    struct id_list live = {0};
    int rc = live_ids(s, &live, err);
    if (rc == 0)
        rc = load_listed(s, &live, fn, arg, err);
    free(live.ids);
    return rc;
}

static int load_keys(struct store *s, struct cq_err *err)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(s, "SELECT key64 FROM submit_key", err);
    if (st == NULL)
        return -1;
    int rc;
    while ((rc = sql_row(s, st, "load keys", err)) > 0)
        bloom_add(&s->keys, (uint64_t)sqlite3_column_int64(st, 0));
    return rc;
}

/* Leases come last: they point at workers and at jobs. */
static int load_all(struct store *s, store_record_fn fn, void *arg, struct cq_err *err)
{
    if (load_entities(s, "<>36", fn, arg, err) != 0 || load_jobs(s, fn, arg, err) != 0
        || load_entities(s, "=36", fn, arg, err) != 0 || load_keys(s, err) != 0)
        return -1;
    return 0;
}

int store_load(struct store *s, store_record_fn fn, void *arg, struct cq_err *err)
{
    if (open_settle_damage(s, load_all(s, fn, arg, err), err) != 0)
        return -1;
    (void)CQ_FP("chipqd.start.after_replay");
    return 0;
}

int store_load_ends(struct store *s, store_record_fn fn, void *arg, struct cq_err *err)
{
    enum { TAIL_RECORDS = 300000 };
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(s, "SELECT version,payload FROM journal WHERE seq>=? AND type=? ORDER BY seq", err);
    if (st == NULL)
        return -1;
    sql_bind_u64(st, 1, s->next_seq > TAIL_RECORDS ? s->next_seq - TAIL_RECORDS : 0);
    sql_bind_u64(st, 2, RECORD_ATTEMPT_END);
    int rc;
    while ((rc = sql_row(s, st, "read the journal's tail", err)) > 0)
        if (give(decode(st, 0, RECORD_ATTEMPT_END, err), fn, arg, err) != 0)
            return -1;
    return rc;
}

int store_each_journal(struct store *s, uint64_t from_seq, store_journal_fn fn, void *arg,
                       struct cq_err *err)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(
        s, "SELECT seq,at_us,type,version,payload FROM journal WHERE seq>=? ORDER BY seq", err);
    if (st == NULL)
        return -1;
    sql_bind_u64(st, 1, from_seq);
    int rc;
    while ((rc = sql_row(s, st, "read the journal", err)) > 0) {
        uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
        struct record *r = decode(st, 3, (uint64_t)sqlite3_column_int64(st, 2), err);
        int failed = r == NULL ? -1 : fn(arg, seq, sqlite3_column_int64(st, 1), r, err);
        record_free(r);
        if (failed != 0)
            return cq_wrap(err, "journal record %llu", (unsigned long long)seq);
    }
    return rc;
}

int store_each_job(struct store *s, store_job_fn fn, void *arg, struct cq_err *err)
{
    struct cq_str sql CQ_CLEANUP(cq_str_fini) = {0};
#define COLUMN_NAME(kind, name) #name ","
    cq_str_add(&sql, "SELECT " STORED_JOB_FIXED(COLUMN_NAME) STORED_JOB_LIVE(COLUMN_NAME));
    cq_str_add(&sql, "0 FROM job ORDER BY id");
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(s, cq_str_text(&sql), err);
    if (st == NULL)
        return -1;
    int rc;
    while ((rc = sql_row(s, st, "read jobs", err)) > 0) {
        struct stored_job j;
        sql_read_job(st, &j);
        int failed = fn(arg, &j, err);
        stored_job_fini(&j);
        if (failed != 0)
            return -1;
    }
    return rc;
}

/* Of --init's records, whose keys and times no other instance has. They are never taken away. */
int store_id(struct store *s, char id[STORE_ID_CHARS + 1], struct cq_err *err)
{
    enum { FIRST_RECORDS = 4 };
    uint8_t hash[STORE_ID_CHARS / 2];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(s, "SELECT at_us,payload FROM journal WHERE seq<=? ORDER BY seq", err);
    if (st == NULL)
        return -1;
    sql_bind_u64(st, 1, FIRST_RECORDS);
    int rc;
    while ((rc = sql_row(s, st, "read the first records", err)) > 0) {
        int64_t at_us = sqlite3_column_int64(st, 0);
        (void)crypto_generichash_update(&state, (const unsigned char *)&at_us, sizeof at_us);
        (void)crypto_generichash_update(&state, sqlite3_column_blob(st, 1),
                                        (unsigned long long)sqlite3_column_bytes(st, 1));
    }
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    (void)sodium_bin2hex(id, STORE_ID_CHARS + 1, hash, sizeof hash);
    return rc;
}
