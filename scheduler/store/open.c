/* Opens, checks, upgrades and closes the database. */
#include "scheduler/store/efficiency.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

_Static_assert(CQ_COUNT(store_schema) == SCHEMA_VERSION + 1,
               "schema.sql has the steps 1 to SCHEMA_VERSION");

#define RESTORE "restore a backup: chipqd --restore FILE"

/* Locks and fsync of these cannot be trusted with a database (statfs(2), linux/magic.h). */
static const struct {
    unsigned long magic;
    const char *name;
} network_file_systems[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},        {0xFF534D42, "CIFS"},  {0xFE534D42, "SMB2"},
    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},   {0x5346414F, "AFS"},   {0x73757245, "Coda"},
    {0x01021997, "9p"},     {0x00C36400, "CephFS"}, {0x7461636f, "OCFS2"},
};

static int check_file_system(const char *path, struct cq_err *err)
{
    char *dir CQ_CLEANUP(cq_free_ptr) = cq_strdup(path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        *slash = '\0';
    struct statfs fs;
    if (statfs(slash == NULL ? "." : slash == dir ? "/" : dir, &fs) != 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno,
                             "directory of the database %s", path);
    for (size_t i = 0; i < CQ_COUNT(network_file_systems); i++)
        if ((unsigned long)fs.f_type == network_file_systems[i].magic)
            return cq_fail(err, CQ_E_INVALID,
                           "%s is on %s; a database needs a local disk: choose another --dir", path,
                           network_file_systems[i].name);
    return 0;
}

static int check_presence(const char *path, bool create, struct cq_err *err)
{
    struct stat st;
    bool is_there = lstat(path, &st) == 0;
    if (!is_there && errno != ENOENT)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s", path);
    if (create && is_there)
        return cq_fail(err, CQ_E_CONFLICT, "there is a database already: %s", path);
    if (!create && !is_there)
        return cq_fail(err, CQ_E_NOT_FOUND, "no database %s", path);
    if (is_there && !S_ISREG(st.st_mode))
        return cq_fail(err, CQ_E_IO, "%s is not a regular file", path);
    if (is_there && st.st_size == 0) /* SQLite would take it for a new one */
        return cq_fail(err, CQ_E_IO, "database %s is damaged: it is empty; " RESTORE, path);
    return 0;
}

static int pragma_i64(struct store *s, const char *sql, int64_t *value, struct cq_err *err)
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

/* WAL with one exclusive connection: no -shm file, a second process is kept out, and SQLite 3.40's
 * WAL-reset bug (it needs two connections) cannot happen. The order matters. */
static int configure(struct store *s, struct cq_err *err)
{
    static const char *const pragmas[] = {
        "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",       "PRAGMA mmap_size=0",
        "PRAGMA wal_autocheckpoint=0",   "PRAGMA cache_size=-8192",
        "PRAGMA temp_store=MEMORY",      "PRAGMA journal_size_limit=67108864",
        "PRAGMA trusted_schema=OFF",
    };
    for (size_t i = 0; i < CQ_COUNT(pragmas); i++)
        if (sql_exec(s, pragmas[i], err) != 0)
            return -1;
    return 0;
}

/* All the steps that are missing, in one transaction. */
static int upgrade(struct store *s, int64_t version, struct cq_err *err)
{
    if (sql_exec(s, "BEGIN EXCLUSIVE", err) != 0)
        return -1;
    while (version < SCHEMA_VERSION)
        if (sql_exec(s, store_schema[++version], err) != 0)
            return -1;
    char *sql CQ_CLEANUP(cq_free_ptr) = path_format(
        "PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT", SCHEMA_VERSION, APPLICATION_ID);
    return sql_exec(s, sql, err);
}

static int check_schema(struct store *s, bool create, struct cq_err *err)
{
    int64_t version = 0, application = 0;
    if (pragma_i64(s, "PRAGMA user_version", &version, err) != 0
        || pragma_i64(s, "PRAGMA application_id", &application, err) != 0)
        return -1;
    if (create)
        return upgrade(s, 0, err);
    if (application != APPLICATION_ID)
        return cq_fail(err, CQ_E_IO, "%s is not a database of chipq", s->path);
    if (version > SCHEMA_VERSION)
        return cq_fail(
            err, CQ_E_VERSION,
            "database %s has schema version %lld, this chipqd knows %d: it was made by a "
            "newer chipq; start that one",
            s->path, (long long)version, SCHEMA_VERSION);
    return version < SCHEMA_VERSION ? upgrade(s, version, err) : 0;
}

static int quick_check(struct store *s, struct cq_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    bool is_fine = said != NULL && strcmp(said, "ok") == 0;
    if (!is_fine) {
        const char *what = said ? said : sqlite3_errmsg(s->db);
        if (cq_str_starts(what, "***")) /* a heading; one line is enough for the log */
            what += strcspn(what, "\n") + (strchr(what, '\n') != NULL);
        (void)cq_fail(err, CQ_E_IO, "database %s is damaged: %.*s; " STORE_WAY_OUT, s->path,
                      (int)strcspn(what, "\n"), what);
    }
    (void)sqlite3_finalize(st);
    return is_fine ? 0 : -1;
}

int open_settle_damage(struct store *s, int rc, struct cq_err *err)
{
    struct cq_err damage = {0};
    bool must_check = s->must_check;
    s->must_check = false;
    if (must_check && !pages_are_sound(s) && quick_check(s, &damage) != 0)
        return cq_fail(err, damage.code, "%s", damage.text);
    return rc;
}

/* Who loads everything next need not wait for it here. */
static int check_damage(struct store *s, const struct store_options *o, struct cq_err *err)
{
    if (o->create)
        return 0;
    s->must_check = true;
    if (sums_are_kept(s->db))
        pages_begin(s);
    return o->loads ? 0 : open_settle_damage(s, 0, err);
}

static int open_file(struct store *s, bool create, struct cq_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
                | (create ? SQLITE_OPEN_CREATE : 0);
    mode_t mask = umask(0077);
    int rc = sqlite3_open_v2(s->path, &s->db, flags, store_vfs_name());
    (void)umask(mask);
    if (rc == SQLITE_OK && create)
        rc = sums_begin(s->db);
    if (rc != SQLITE_OK)
        return sql_fail(s, rc, "open", err);
    /* Until we know that it is sound: closing must not write a WAL into it. */
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (configure(s, err) == 0)
        return 0;
    int code = sqlite3_errcode(s->db) & 0xff;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return cq_fail(err, CQ_E_CONFLICT, "database %s is in use by another process", s->path);
    bool is_bad_page = sqlite3_extended_errcode(s->db) == SQLITE_IOERR_DATA;
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT || is_bad_page)
        return cq_fail(err, CQ_E_IO, "database %s is damaged: %s; " STORE_WAY_OUT, s->path,
                       sqlite3_errmsg(s->db));
    return -1;
}

static struct store *new_store(const struct store_options *o)
{
    struct store *s = CQ_NEW(struct store);
    s->path = cq_strdup(o->path);
    space_init(s, o);
    s->fatal = o->fatal;
    s->todo.last = &s->todo.first;
    s->done.last = &s->done.first;
    s->event_fd = s->pages.fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t by_mono;
    (void)pthread_condattr_init(&by_mono);
    (void)pthread_condattr_setclock(&by_mono, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->wake, &by_mono);
    (void)pthread_condattr_destroy(&by_mono);
    bloom_init(&s->keys);
    s->efficiency_jobs = CQ_NEW(struct efficiency_jobs);
    return s;
}

static int read_counters(struct store *s, struct cq_err *err)
{
    int64_t seq = 0, epoch = 0;
    if (pragma_i64(s, "SELECT coalesce(max(seq),0) FROM journal", &seq, err) != 0
        || pragma_i64(s, "SELECT epoch FROM reign", &epoch, err) != 0)
        return -1;
    s->epoch = s->loaded_epoch = (uint64_t)epoch;
    s->durable_seq = s->flying_seq = (uint64_t)seq;
    s->next_seq = (uint64_t)seq + 1;
    return 0;
}

/* Also of a good database under the WAL of another. */
static int check_id(struct store *s, const char *wanted, struct cq_err *err)
{
    char id[STORE_ID_CHARS + 1];
    if (wanted == NULL)
        return 0;
    if (store_id(s, id, err) != 0)
        return -1;
    if (strcmp(id, wanted) == 0)
        return 0;
    return cq_fail(
        err, CQ_E_CONFLICT,
        "%s, or the WAL beside it, is of another instance (%s, not %s); put its own back, "
        "or " RESTORE,
        s->path, id, wanted);
}

static int open_all(struct store *s, const struct store_options *o, struct cq_err *err)
{
    if (check_file_system(s->path, err) != 0 || check_presence(s->path, o->create, err) != 0)
        return -1;
    (void)CQ_FP("chipqd.start.before_open");
    if (open_file(s, o->create, err) != 0 || wal_check(s, err) != 0)
        return -1;
    space_check(s); /* first: an upgrade needs room */
    if (check_schema(s, o->create, err) != 0 || check_damage(s, o, err) != 0
        || sql_prepare_all(s, err) != 0 || check_id(s, o->id, err) != 0
        || read_counters(s, err) != 0)
        return -1;
    (void)CQ_FP("chipqd.start.after_open");
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->event_fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "eventfd");
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return 0;
}

static void free_store(struct store *s)
{
    sql_finalize_all(s);
    (void)sqlite3_close(s->db);
    pages_fini(s);
    if (s->event_fd >= 0)
        (void)close(s->event_fd);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->wake);
    bloom_fini(&s->keys);
    efficiency_jobs_fini(s->efficiency_jobs);
    free(s->efficiency_jobs);
    free(s->path);
    space_fini(s);
    free(s);
}

struct store *store_open(const struct store_options *options, struct cq_err *err)
{
    struct store *s = new_store(options);
    if (open_all(s, options, err) == 0)
        return s;
    int rc = open_settle_damage(s, -1, err);
    (void)rc; /* not opened, with or without damage */
    free_store(s);
    return NULL;
}

static void free_work(struct work_queue *q)
{
    while (q->first != NULL) {
        struct work *w = q->first;
        q->first = w->next;
        store_batch_free(w->batch);
        store_query_free(w->query);
        free(w);
    }
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    if (s->is_started) {
        (void)pthread_mutex_lock(&s->lock);
        s->is_stopping = true;
        (void)pthread_cond_signal(&s->wake);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_join(s->thread, NULL);
        backup_interrupt(s);
    }
    if (s->waiting != NULL) { /* never written, never acknowledged */
        store_batch_free(s->waiting->batch);
        free(s->waiting);
    }
    free_work(&s->todo);
    free_work(&s->done);
    free_store(s);
}
