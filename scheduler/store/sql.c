/* Thin helpers over SQLite: statements made once, bound parameters only, rows by column list. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"

#define COLUMN_NAME(kind, name) #name ","
#define COLUMN_MARK(kind, name) "?,"
#define SET_u64(name)           #name "=?,"
#define SET_i64(name)           #name "=?,"
#define SET_text(name)          #name "=?,"
#define SET_most(name)          #name "=max(" #name ",?),"
#define SET_keep(name)          #name "=coalesce(?," #name "),"
#define COLUMN_SET(kind, name)  SET_##kind(name)
#define JOB_COLUMNS             STORED_JOB_FIXED(COLUMN_NAME) STORED_JOB_LIVE(COLUMN_NAME) "0"

#define LEAF    "enterprise,hour_us,project,principal"
#define OF_LEAF "enterprise=? AND hour_us=? AND project=? AND principal=?"

#define KIND "hour_us,project,principal,cores,what"
#define TALLY \
    "runs,core_us,cpu_us,run_us,asked_mib_us,used_mib_us,asked_mib,peak_mib,is_whole,peaks"

#define AUDIT "seq,at_us,principal,principal_name,enterprise,verb,object,detail,prev_hash,hash"

static const char *const statement_texts[STATEMENT_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_EPOCH_READ] = "SELECT epoch FROM reign",
    [ST_EPOCH_SET] = "UPDATE reign SET epoch=? WHERE epoch=?",
    [ST_JOURNAL_ADD] = "INSERT INTO journal(seq,at_us,type,version,payload) VALUES(?,?,?,?,?)",
    [ST_ENTITY_PUT] = "INSERT OR REPLACE INTO entity(kind,id,version,payload) VALUES(?,?,?,?)",
    [ST_ENTITY_DELETE] = "DELETE FROM entity WHERE kind=? AND id=?",
    [ST_JOB_ADD] = "INSERT INTO job(" STORED_JOB_FIXED(COLUMN_NAME)
        STORED_JOB_LIVE(COLUMN_NAME) "snapshot) VALUES(" STORED_JOB_FIXED(COLUMN_MARK)
            STORED_JOB_LIVE(COLUMN_MARK) "?)",
    [ST_JOB_UPDATE] = "UPDATE job SET " STORED_JOB_LIVE(COLUMN_SET) "snapshot=? WHERE id=?",
    [ST_REQUEST_ADD] = "INSERT INTO job_request(job,version,payload) VALUES(?,?,?)",
    [ST_KEY_ADD] = "INSERT INTO submit_key(bucket,key64,job) VALUES(?,?,?)",
    [ST_TASK_PUT] = "INSERT OR REPLACE INTO task(job,task,attempt,row) VALUES(?,?,?,?)",
    [ST_ATTEMPT_PUT] = "INSERT OR REPLACE INTO attempt(job,task,attempt,row) VALUES(?,?,?,?)",
    [ST_PASS_PUT] = "INSERT OR REPLACE INTO pass(job,first,last,rows) VALUES(?,?,?,?)",
    [ST_JOBS_LIST] = "SELECT " JOB_COLUMNS " FROM job WHERE enterprise=? AND number<?"
                     " ORDER BY number DESC LIMIT 128",
    [ST_JOBS_LIST_LIVE] = "SELECT " JOB_COLUMNS " FROM job WHERE enterprise=? AND number<?"
                          " AND state<4 ORDER BY number DESC LIMIT 128",
    [ST_JOB_BY_NUMBER] = "SELECT " JOB_COLUMNS " FROM job WHERE enterprise=? AND number=?",
    [ST_JOB_BY_ID] = "SELECT " JOB_COLUMNS " FROM job WHERE id=?",
    [ST_TASKS] = "SELECT row FROM task WHERE job=? AND task BETWEEN ? AND ? ORDER BY task LIMIT ?",
    [ST_ATTEMPTS] = ("SELECT row FROM attempt WHERE job=? AND task BETWEEN ? AND ?"
                     " ORDER BY task, attempt LIMIT ?"),
    [ST_PASSES] = ("SELECT rows FROM pass WHERE job=? AND first BETWEEN ? AND ? AND last>=?"
                   " ORDER BY first"),
    [ST_REQUEST] = "SELECT version,payload FROM job_request WHERE job=?",
    [ST_KEY_FIND] = "SELECT job FROM submit_key WHERE bucket=? AND key64=? AND job>? ORDER BY job",
    [ST_KEY_BUCKETS] = "SELECT coalesce(max(bucket),-1) FROM submit_key",
    [ST_ENTITY_FIND] = "SELECT version,payload FROM entity WHERE kind=? AND id=?",
    [ST_USAGE_ADD] = "INSERT INTO usage(" LEAF ",attempts,core_us,mem_mib_us,waits,wait_us)"
                     " VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(" LEAF ") DO UPDATE SET"
                     " attempts=attempts+excluded.attempts,core_us=core_us+excluded.core_us,"
                     "mem_mib_us=mem_mib_us+excluded.mem_mib_us,waits=waits+excluded.waits,"
                     "wait_us=wait_us+excluded.wait_us",
    [ST_USAGE_WAIT_ADD] = "INSERT INTO usage_wait(" LEAF ",bucket,count) VALUES(?,?,?,?,?,?)"
                          " ON CONFLICT DO UPDATE SET count=count+excluded.count",
    [ST_USAGE_LICENCE_ADD] = "INSERT INTO usage_licence(" LEAF ",feature,token_us)"
                             " VALUES(?,?,?,?,?,?)"
                             " ON CONFLICT DO UPDATE SET token_us=token_us+excluded.token_us",
    [ST_USAGE_SCAN] = "SELECT " LEAF ",attempts,core_us,mem_mib_us,waits,wait_us FROM usage"
                      " WHERE (" LEAF ")>(?,?,?,?) AND enterprise<=? ORDER BY " LEAF " LIMIT 64",
    [ST_USAGE_WAITS] = "SELECT bucket,count FROM usage_wait WHERE " OF_LEAF,
    [ST_HISTORY] =
        "SELECT seq,type,version,payload FROM journal WHERE seq>? ORDER BY seq LIMIT 256",
    [ST_EFFICIENCY_FILL] = "SELECT next,until FROM efficiency_fill",
    [ST_EFFICIENCY_FILLED] = "UPDATE efficiency_fill SET next=?",
    [ST_EFFICIENCY_FIND] = "SELECT " TALLY " FROM efficiency WHERE enterprise=? AND hour_us=? AND"
                           " project=? AND principal=? AND cores=? AND what=?",
    [ST_EFFICIENCY_PUT] = "INSERT OR REPLACE INTO efficiency(enterprise," KIND "," TALLY
                          ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [ST_EFFICIENCY_SCAN] = "SELECT " KIND "," TALLY " FROM efficiency WHERE enterprise=? AND"
                           " (" KIND ")>(?,?,?,?,?) AND hour_us<? ORDER BY " KIND " LIMIT 64",
    [ST_AUDIT_ADD] = "INSERT INTO audit(" AUDIT ") VALUES(?,?,?,?,?,?,?,?,?,?)",
    [ST_AUDIT_LAST] = "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1",
    [ST_AUDIT_BEFORE] = "SELECT " AUDIT " FROM audit WHERE seq<? ORDER BY seq DESC LIMIT 128",
    [ST_AUDIT_AFTER] = "SELECT " AUDIT " FROM audit WHERE seq>? ORDER BY seq LIMIT 128",
    [ST_USAGE_LICENCES] = "SELECT feature,token_us FROM usage_licence WHERE " OF_LEAF,
};

int sql_fail(struct store *s, int rc, const char *what, struct cq_err *err)
{
    bool is_full = (rc & 0xff) == SQLITE_FULL;
    return cq_fail(err, is_full ? CQ_E_FULL : CQ_E_IO, "database %s: %s: %s (%d)", s->path, what,
                   s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc), rc);
}

int sql_exec(struct store *s, const char *sql, struct cq_err *err)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sql_fail(s, rc, sql, err);
}

int sql_prepare_all(struct store *s, struct cq_err *err)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        int rc = sqlite3_prepare_v3(s->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &s->statements[i], NULL);
        if (rc != SQLITE_OK)
            return sql_fail(s, rc, statement_texts[i], err);
    }
    return 0;
}

void sql_finalize_all(struct store *s)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
}

void sql_reset_all(struct store *s)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        (void)sqlite3_reset(s->statements[i]);
}

sqlite3_stmt *sql_use(struct store *s, enum statement which)
{
    sqlite3_stmt *st = s->statements[which];
    (void)sqlite3_reset(st); /* its last error was told when it happened */
    (void)sqlite3_clear_bindings(st);
    return st;
}

int sql_row(struct store *s, sqlite3_stmt *st, const char *what, struct cq_err *err)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        return sql_fail(s, rc, what, err);
    (void)sqlite3_reset(st);
    return 0;
}

int sql_run(struct store *s, sqlite3_stmt *st, const char *what, struct cq_err *err)
{
    int rc;
    do
        rc = sql_row(s, st, what, err);
    while (rc > 0);
    return rc;
}

/* A bind fails only for an index that the statement does not have: our own bug, seen at once as a
 * constraint error of the step. */
void sql_bind_u64(sqlite3_stmt *st, int at, uint64_t value)
{
    (void)sqlite3_bind_int64(st, at, (int64_t)value);
}

void sql_bind_text(sqlite3_stmt *st, int at, const char *text)
{
    (void)sqlite3_bind_text(st, at, text ? text : "", -1, SQLITE_STATIC);
}

void sql_bind_bytes(sqlite3_stmt *st, int at, const struct record_bytes *b)
{
    if (b->data != NULL)
        (void)sqlite3_bind_blob64(st, at, b->data, b->len, SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(st, at);
}

static void bind_keep(sqlite3_stmt *st, int at, const char *text)
{
    if (text != NULL)
        sql_bind_text(st, at, text);
    else
        (void)sqlite3_bind_null(st, at);
}

#define BIND_u64(name)       sql_bind_u64(st, at++, j->name);
#define BIND_most(name)      sql_bind_u64(st, at++, j->name);
#define BIND_i64(name)       (void)sqlite3_bind_int64(st, at++, j->name);
#define BIND_text(name)      sql_bind_text(st, at++, j->name);
#define BIND_keep(name)      bind_keep(st, at++, j->name);
#define BIND_JOB(kind, name) BIND_##kind(name)

int sql_bind_job_fixed(sqlite3_stmt *st, int at, const struct stored_job *j)
{
    STORED_JOB_FIXED(BIND_JOB)
    return at;
}

int sql_bind_job_live(sqlite3_stmt *st, int at, const struct stored_job *j)
{
    STORED_JOB_LIVE(BIND_JOB)
    return at;
}

static char *column_text(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return text != NULL && text[0] != '\0' ? cq_strdup(text) : NULL;
}

#define READ_u64(name)       out->name = (uint64_t)sqlite3_column_int64(st, at++);
#define READ_most(name)      out->name = (uint64_t)sqlite3_column_int64(st, at++);
#define READ_i64(name)       out->name = sqlite3_column_int64(st, at++);
#define READ_text(name)      out->name = column_text(st, at++);
#define READ_keep(name)      out->name = column_text(st, at++);
#define READ_JOB(kind, name) READ_##kind(name)

void sql_read_job(sqlite3_stmt *st, struct stored_job *out)
{
    int at = 0;
    STORED_JOB_FIXED(READ_JOB)
    STORED_JOB_LIVE(READ_JOB)
}
