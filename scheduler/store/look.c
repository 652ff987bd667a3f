/* What is in a database file that nobody has open. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <sys/stat.h>

/* Immutable: no locks, no files beside it. */
static char *uri_of(const char *path)
{
    struct cq_str uri = {0};
    cq_str_add(&uri, "file:");
    for (const char *p = path; *p; p++)
        if (strchr("%?#", *p) != NULL)
            cq_str_printf(&uri, "%%%02X", (unsigned)(unsigned char)*p);
        else
            cq_str_append(&uri, p, 1);
    cq_str_add(&uri, "?immutable=1");
    return cq_str_take(&uri);
}

static int check_presence(const char *path, struct cq_err *err)
{
    struct stat st;
    char *wal CQ_CLEANUP(cq_free_ptr) = path_format("%s-wal", path);
    if (stat(path, &st) != 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return cq_fail(err, CQ_E_INVALID, "%s is not a regular file", path);
    if (lstat(wal, &st) == 0 && st.st_size > 0)
        return cq_fail(err, CQ_E_CONFLICT,
                       "%s lies beside it: that is no backup, but a database in use, or copied "
                       "while it was",
                       wal);
    return 0;
}

static int number(struct store *s, const char *sql, int64_t *value, struct cq_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(st, 0);
    int failed = rc == SQLITE_ROW ? 0 : sql_fail(s, rc, sql, err);
    (void)sqlite3_finalize(st);
    return failed;
}

static int check_kind(struct store *s, struct cq_err *err)
{
    int64_t version = 0, application = 0;
    if (number(s, "PRAGMA user_version", &version, err) != 0
        || number(s, "PRAGMA application_id", &application, err) != 0)
        return -1;
    if (application != APPLICATION_ID)
        return cq_fail(err, CQ_E_IO, "%s is not a database of chipq", s->path);
    if (version > SCHEMA_VERSION)
        return cq_fail(err, CQ_E_VERSION, "%s has schema version %lld, this chipqd knows %d",
                       s->path, (long long)version, SCHEMA_VERSION);
    return 0;
}

static int check_pages(struct store *s, struct cq_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    bool is_fine = said != NULL && strcmp(said, "ok") == 0;
    if (!is_fine)
        (void)cq_fail(err, CQ_E_IO, "%s is damaged: %.200s", s->path,
                      said ? said : sqlite3_errmsg(s->db));
    (void)sqlite3_finalize(st);
    return is_fine ? 0 : -1;
}

static int read_all(struct store *s, struct store_file *out, struct cq_err *err)
{
    int64_t epoch = 0, jobs = 0, live = 0, seq = 0;
    if (number(s, "SELECT epoch FROM reign", &epoch, err) != 0
        || number(s, "SELECT count(*) FROM job", &jobs, err) != 0
        || number(s, "SELECT count(*) FROM job WHERE state<4", &live, err) != 0
        || number(s, "SELECT coalesce(max(seq),0) FROM journal", &seq, err) != 0
        || number(s,
                  "SELECT coalesce(max(at_us),0) FROM journal WHERE seq=(SELECT max(seq) FROM "
                  "journal)",
                  &out->last_us, err)
               != 0)
        return -1;
    out->epoch = (uint64_t)epoch;
    out->jobs = (uint64_t)jobs;
    out->live_jobs = (uint64_t)live;
    out->last_seq = (uint64_t)seq;
    return store_id(s, out->id, err);
}

int store_look(const char *path, struct store_file *out, struct cq_err *err)
{
    *out = (struct store_file){0};
    if (check_presence(path, err) != 0)
        return -1;
    char *uri CQ_CLEANUP(cq_free_ptr) = uri_of(path);
    struct store s = {.path = cq_strdup(path)};
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(uri, &s.db, flags, store_vfs_name());
    int failed = rc == SQLITE_OK ? 0 : sql_fail(&s, rc, "open", err);
    if (failed == 0)
        failed = check_kind(&s, err);
    if (failed == 0)
        failed = check_pages(&s, err);
    if (failed == 0)
        failed = read_all(&s, out, err);
    (void)sqlite3_close(s.db);
    free(s.path);
    return failed;
}
