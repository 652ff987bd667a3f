/* chipqd --restore FILE: a backup becomes the instance's database. It is looked through, copied
 * aside, opened as a start would, and only then put in place; what was there is kept beside it. */
#include "scheduler/daemon/serve.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "scheduler/core/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 20 };

struct restore {
    const struct daemon_options *o;
    char *db, *made, *aside; /* the database; the copy; where the old one goes */
    struct store_file file;
};

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int check_place(const struct restore *r, struct cq_err *err)
{
    char *key CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/server.key", r->o->dir);
    if (!exists(key))
        return cq_fail(err, CQ_E_NOT_FOUND,
                       "%s is missing; a backup holds no secret keys: copy the directory keys/ of "
                       "the instance that it was made of to %s/keys first",
                       key, r->o->dir);
    if (exists(r->db) && !r->o->replace)
        return cq_fail(err, CQ_E_CONFLICT,
                       "there is a database already: %s; with --replace it is put aside", r->db);
    return 0;
}

static int copy_all(int from, int to)
{
    char *buffer CQ_CLEANUP(cq_free_ptr) = cq_malloc(COPY_BYTES);
    ssize_t n;
    while ((n = read(from, buffer, COPY_BYTES)) > 0)
        if (write_all(to, buffer, (size_t)n) != 0)
            return -1;
    return n < 0 || fsync(to) != 0 ? -1 : 0;
}

static int copy_file(const struct restore *r, struct cq_err *err)
{
    int from = open(r->o->restore_file, O_RDONLY | O_CLOEXEC);
    int to =
        from < 0 ? -1 : open(r->made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = to < 0 ? -1 : copy_all(from, to), failed = errno;
    if (from >= 0)
        (void)close(from);
    if (to >= 0)
        (void)close(to);
    if (rc == 0)
        return 0;
    return cq_fail_errno(err, failed == ENOSPC ? CQ_E_FULL : CQ_E_IO, failed, "copy %s to %s",
                         r->o->restore_file, r->made);
}

/* The old pool is gone, and this one may be elsewhere: whoever has a worker's key is welcome at
 * once, from whatever directory. */
static int forget_home(void *arg, const struct record *r, struct cq_err *err)
{
    const struct worker_up *w = &r->u.worker_up;
    struct store_batch *b = arg;
    (void)err;
    if (r->type != RECORD_WORKER_UP || cq_uuid_is_zero(&w->home))
        return 0;
    struct record *moved = record_new(RECORD_WORKER_UP);
    moved->u.worker_up = (struct worker_up){.worker = w->worker,
                                            .incarnation = w->incarnation,
                                            .boot_id = w->boot_id,
                                            .name = cq_strdup(w->name),
                                            .cores = cq_strdup(w->cores),
                                            .mem_mib = w->mem_mib,
                                            .topology = cq_strdup(w->topology),
                                            .features = cq_strdup(w->features)};
    const struct entity_view e = {.type = RECORD_WORKER_UP, .id = w->worker, .record = moved};
    store_batch_add_entity(b, &e);
    store_batch_add_record(b, moved, clock_now().wall_us);
    return 0;
}

static int note_restore(struct store *s, const struct restore *r, struct cq_err *err)
{
    const char *slash = strrchr(r->o->restore_file, '/');
    int64_t wall_us = clock_now().wall_us;
    struct store_batch *b = store_batch_new(s);
    struct record *epoch = record_new(RECORD_EPOCH_START), *what = record_new(RECORD_BACKUP);
    epoch->u.epoch_start =
        (struct epoch_start){.epoch = store_epoch(s) + EPOCHS_PASSED, .at_us = wall_us};
    struct entity_view e = {.type = RECORD_EPOCH_START, .id = 1, .record = epoch};
    store_batch_add_entity(b, &e);
    store_batch_add_record(b, epoch, wall_us);
    what->u.backup_rec.name = cq_strdup(slash ? slash + 1 : r->o->restore_file);
    what->u.backup_rec.restored = 1;
    what->u.backup_rec.at_us = wall_us;
    store_batch_add_record(b, what, wall_us);
    if (store_load(s, forget_home, b, err) != 0) {
        store_batch_free(b);
        return -1;
    }
    return store_write(s, b, err);
}

/* As a start would: checks, an upgrade of its schema; closing it leaves one whole file. */
static int open_copy(const struct restore *r, struct cq_err *err)
{
    struct store_options so = {.path = r->made, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct store *s = store_open(&so, err);
    if (s == NULL)
        return -1;
    int rc = note_restore(s, r, err);
    if (rc == 0)
        rc = instance_write(r->o, s, err);
    store_close(s);
    char *ballast CQ_CLEANUP(cq_free_ptr) = path_format("%s-ballast", r->made);
    (void)unlink(ballast);
    return rc;
}

static int move_if_there(const char *from, const char *to, struct cq_err *err)
{
    if (rename(from, to) == 0 || errno == ENOENT)
        return 0;
    return cq_fail_errno(err, CQ_E_IO, errno, "rename %s to %s", from, to);
}

int daemon_put_in_place(const struct daemon_options *o, const char *made, const char *aside,
                        struct cq_err *err)
{
    char *db CQ_CLEANUP(cq_free_ptr) = daemon_database_path(o);
    char *wal CQ_CLEANUP(cq_free_ptr) = path_format("%s-wal", db);
    char *wal_aside CQ_CLEANUP(cq_free_ptr) = path_format("%s-wal", aside);
    char *dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/db", o->dir);
    if (move_if_there(db, aside, err) != 0 || move_if_there(wal, wal_aside, err) != 0)
        return -1;
    if (rename(made, db) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "rename %s to %s", made, db);
    return dir_sync(dir, err);
}

static int restore(struct restore *r, struct cq_err *err)
{
    char *db_dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/db", r->o->dir);
    char wall[32];
    bool had_one = exists(r->db);
    if (check_place(r, err) != 0 || store_look(r->o->restore_file, &r->file, err) != 0
        || dir_make(db_dir, 0700, err) != 0 || copy_file(r, err) != 0 || open_copy(r, err) != 0
        || daemon_put_in_place(r->o, r->made, r->aside, err) != 0)
        return -1;
    (void)printf("restored %s: up to %s, %" PRIu64 " jobs, %" PRIu64 " of them not over\n",
                 r->o->restore_file, format_wall_us(r->file.last_us, wall, sizeof wall),
                 r->file.jobs, r->file.live_jobs);
    if (had_one)
        (void)printf("the database that was there is %s\n", r->aside);
    (void)printf("what came later is not in it: jobs that ended since are run again\n");
    return 0;
}

char *daemon_aside(const char *db, const char *what)
{
    char text[32];
    time_t now = (time_t)(clock_now().wall_us / US_PER_S);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    return path_format("%s.%s-%s", db, what, text);
}

int daemon_restore(const struct daemon_options *o, struct cq_err *err)
{
    char *run_dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/run", o->dir);
    char *pid_path CQ_CLEANUP(cq_free_ptr) = path_format("%s/chipqd.pid", run_dir);
    if (dir_make(run_dir, 0700, err) != 0)
        return -1;
    int lock = file_lock_pid(pid_path, err);
    if (lock < 0)
        return -1;
    struct restore r = {.o = o, .db = daemon_database_path(o)};
    r.made = path_format("%s.new", r.db);
    r.aside = daemon_aside(r.db, "replaced");
    int rc = restore(&r, err);
    if (rc != 0)
        (void)unlink(r.made);
    free(r.db);
    free(r.made);
    free(r.aside);
    (void)close(lock);
    return rc;
}
