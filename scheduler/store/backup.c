/* QUERY_BACKUP: a copy of the database while it is in use, some pages at a time from the store
 * thread that owns the connection; what is written meanwhile goes into the copy too, so it shows
 * the moment at which it is complete. Looking through the copy would hold up what all wait for: a
 * thread of its own does it. Only a copy that is sound and on disk gets its name. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_PAGES = 32, TELL_US = 100000 };

struct store_backup *store_backup_new(const char *path)
{
    struct store_backup *b = CQ_NEW(struct store_backup);
    b->path = cq_strdup(path);
    b->part = path_format("%s.part", path);
    return b;
}

static void close_copy(struct store_backup *b)
{
    (void)sqlite3_backup_finish(b->job);
    (void)sqlite3_close(b->to);
    b->job = NULL;
    b->to = NULL;
}

static void remove_part(const struct store_backup *b)
{
    static const char *const tails[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < CQ_COUNT(tails); i++) {
        char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s%s", b->part, tails[i]);
        (void)unlink(path);
    }
}

void store_backup_free(struct store_backup *b)
{
    if (b == NULL)
        return;
    if (b->to != NULL) { /* it was not finished */
        close_copy(b);
        remove_part(b);
    }
    free(b->path);
    free(b->part);
    free(b);
}

/* The backup failed, not the store. */
static int give_up(struct store_backup *b, const char *what)
{
    int code = b->to ? sqlite3_extended_errcode(b->to) : SQLITE_CANTOPEN;
    (void)cq_fail(&b->err, (code & 0xff) == SQLITE_FULL ? CQ_E_FULL : CQ_E_IO, "%s: %s: %s",
                  b->path, what, b->to ? sqlite3_errmsg(b->to) : sqlite3_errstr(code));
    close_copy(b);
    remove_part(b);
    return 1;
}

static bool open_copy(struct store *s, struct store_backup *b)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    remove_part(b);
    if (sqlite3_open_v2(b->part, &b->to, flags, store_vfs_name()) != SQLITE_OK
        || sqlite3_exec(b->to, "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE", NULL, NULL,
                        NULL)
               != SQLITE_OK)
        return false; /* it is synced in one go at the end */
    if (sums_are_kept(s->db) && sums_begin(b->to) != SQLITE_OK)
        return false;
    b->job = sqlite3_backup_init(b->to, "main", s->db, "main");
    return b->job != NULL;
}

static void note_progress(struct store *s, struct store_backup *b)
{
    int total = sqlite3_backup_pagecount(b->job), left = sqlite3_backup_remaining(b->job);
    atomic_store(&b->total_pages, (unsigned)total);
    atomic_store(&b->done_pages, (unsigned)(total - left));
    if (clock_mono_us() < b->tell_at_us)
        return;
    b->tell_at_us = clock_mono_us() + TELL_US;
    store_wake_caller(s);
}

int backup_step(struct store *s, struct store_query *q, int64_t until_us)
{
    struct store_backup *b = q->backup;
    int rc = SQLITE_OK;
    if (store_is_low(s)) {
        (void)cq_fail(&b->err, CQ_E_FULL, "the scheduler's disk is nearly full; make room there");
        close_copy(b);
        remove_part(b);
        return 1;
    }
    if (b->to == NULL && !open_copy(s, b))
        return give_up(b, "cannot be made");
    if (CQ_FP("store.backup.step") != 0)
        return give_up(b, "failpoint");
    do
        rc = sqlite3_backup_step(b->job, STEP_PAGES);
    while (rc == SQLITE_OK && clock_mono_us() < until_us);
    note_progress(s, b);
    if (rc == SQLITE_OK)
        return 0;
    return rc == SQLITE_DONE ? QUERY_ELSEWHERE : give_up(b, "copying");
}

/* ---- the second thread ---- */

static int check_copy(struct store_backup *b)
{
    sqlite3_stmt *st = NULL;
    /* A plain file, without a WAL beside it. */
    int rc = sqlite3_exec(b->to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(b->to, "PRAGMA integrity_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    bool is_fine = said != NULL && strcmp(said, "ok") == 0;
    if (!is_fine)
        (void)cq_fail(&b->err, CQ_E_IO, "the copy is not sound: %.200s",
                      said ? said : sqlite3_errmsg(b->to));
    (void)sqlite3_finalize(st);
    return is_fine ? 0 : -1;
}

static int sync_path(const char *path, int flags, uint64_t *bytes, struct cq_err *err)
{
    struct stat st = {0};
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
    bool is_synced = fd >= 0 && fsync(fd) == 0 && fstat(fd, &st) == 0;
    int failed = errno;
    if (fd >= 0)
        (void)close(fd);
    if (bytes != NULL)
        *bytes = (uint64_t)st.st_size;
    return is_synced ? 0 : cq_fail_errno(err, CQ_E_IO, failed, "%s", path);
}

static int give_name(struct store_backup *b)
{
    char *dir CQ_CLEANUP(cq_free_ptr) = cq_strdup(b->path);
    *strrchr(dir, '/') = '\0';
    if (sync_path(b->part, O_RDWR, &b->bytes, &b->err) != 0)
        return -1;
    (void)CQ_FP("store.backup.before_rename");
    if (rename(b->part, b->path) != 0)
        return cq_fail_errno(&b->err, CQ_E_IO, errno, "%s", b->path);
    return sync_path(dir, O_RDONLY | O_DIRECTORY, NULL, &b->err);
}

static void *finish_backup(void *arg)
{
    struct store_backup *b = arg;
    struct store *s = b->store;
    (void)sqlite3_backup_finish(b->job);
    b->job = NULL;
    int rc = check_copy(b);
    (void)pthread_mutex_lock(&s->lock); /* store_close may interrupt what is open */
    (void)sqlite3_close(b->to);
    b->to = NULL;
    s->checked = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    if (rc != 0 || give_name(b) != 0)
        remove_part(b);
    store_finish(s, b->work);
    return NULL;
}

void backup_go_on_elsewhere(struct store *s, struct work *w)
{
    struct store_backup *b = w->query->backup;
    backup_wait(s); /* of the one before only its thread is left */
    b->store = s;
    b->work = w;
    (void)pthread_mutex_lock(&s->lock);
    s->checked = b;
    (void)pthread_mutex_unlock(&s->lock);
    if (pthread_create(&s->checker, NULL, finish_backup, b) != 0)
        abort(); /* as out of memory */
    s->has_checker = true;
}

void backup_wait(struct store *s)
{
    if (s->has_checker)
        (void)pthread_join(s->checker, NULL);
    s->has_checker = false;
}

void backup_interrupt(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    if (s->checked != NULL)
        sqlite3_interrupt(s->checked->to);
    (void)pthread_mutex_unlock(&s->lock);
    backup_wait(s);
}
