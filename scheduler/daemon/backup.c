/* BACKUP: who may, where the copy goes, how far it is. One at a time; the store does the work. The
 * client names a file, never a place: it goes into DIR/backup. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "scheduler/daemon/serve.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct backup {
    struct asker asker;
    const struct store_backup *state; /* the query's, which is with the store */
};

static const char name_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

static int check_name(const char *name, struct cq_err *err)
{
    if (name[0] == '.' || name[0] == '-' || strspn(name, name_chars) != strlen(name)
        || ends_with(name, ".part"))
        return cq_fail(err, CQ_E_INVALID,
                       "'%.100s' cannot be the name of a backup; it goes into DIR/backup on the "
                       "scheduler's machine: letters, digits, '.', '_' and '-', and no .part at "
                       "the end",
                       name);
    return 0;
}

static char *make_name(const struct daemon *d)
{
    char text[64];
    time_t now = (time_t)(loop_now(d->loop).wall_us / US_PER_S);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(text, sizeof text, "chipq-%Y%m%dT%H%M%SZ.db", &tm);
    return cq_strdup(text);
}

/* What an end in the middle of one left. There is one at a time, and none now. */
static void remove_leftovers(const char *dir)
{
    DIR *list = opendir(dir);
    const struct dirent *entry;
    while (list != NULL && (entry = readdir(list)) != NULL) {
        char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/%s", dir, entry->d_name);
        if (ends_with(entry->d_name, ".part") || ends_with(entry->d_name, ".part-journal"))
            (void)unlink(path);
    }
    if (list != NULL)
        (void)closedir(list);
}

static int check_room(const struct daemon *d, struct cq_err *err)
{
    struct store_space s = store_space(d->store);
    char *db CQ_CLEANUP(cq_free_ptr) = daemon_database_path(d->options);
    struct stat st;
    uint64_t bytes = stat(db, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (s.free_bytes >= bytes + s.low_water_bytes)
        return 0;
    return cq_fail(err, CQ_E_FULL,
                   "no room for a backup: the database has %llu MiB, %llu MiB are free on %s, and "
                   "%llu MiB must stay free",
                   (unsigned long long)(bytes >> 20), (unsigned long long)(s.free_bytes >> 20),
                   s.mount, (unsigned long long)(s.low_water_bytes >> 20));
}

/* Where it goes; nothing is there yet. Caller frees; NULL with `err`. */
static char *make_place(const struct daemon *d, const char *name, struct cq_err *err)
{
    char *dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/backup", d->options->dir);
    struct stat st;
    if (check_name(name, err) != 0 || check_room(d, err) != 0 || dir_make(dir, 0700, err) != 0)
        return NULL;
    if (lstat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        (void)cq_fail(err, CQ_E_IO, "%s is no directory", dir);
        return NULL;
    }
    char *path = path_format("%s/%s", dir, name);
    if (lstat(path, &st) == 0) {
        (void)cq_fail(err, CQ_E_CONFLICT, "%s is there already; take another name", path);
        free(path);
        return NULL;
    }
    remove_leftovers(dir);
    return path;
}

static void send_state(struct daemon *d, const struct asker *a, const struct store_backup *b,
                       bool is_over)
{
    struct msg m = {.code = MSG_BACKUP_STATE};
    m.u.backup_state = (struct msg_backup_state){.done_pages = atomic_load(&b->done_pages),
                                                 .total_pages = atomic_load(&b->total_pages),
                                                 .is_over = is_over,
                                                 .path = b->path,
                                                 .bytes = is_over ? b->bytes : 0};
    reply(d, a, &m);
}

static void forget(void *daemon)
{
    struct daemon *d = daemon;
    free(d->backup);
    d->backup = NULL;
}

static void on_done(struct daemon *d, struct ask *ask, struct store_query *q)
{
    const struct store_backup *b = q->backup;
    forget(d);
    if (b->err.code != CQ_OK) {
        log_error("backup.failed path=%s error=\"%s\"", b->path, b->err.text);
        reply_error(d, &ask->asker, &b->err);
        return;
    }
    log_info("backup.done path=%s bytes=%llu", b->path, (unsigned long long)b->bytes);
    send_state(d, &ask->asker, b, true);
}

/* In front of the copy, so that it is in it. */
static void add_record(struct daemon *d, const struct asker *a, const char *name)
{
    int64_t wall_us = loop_now(d->loop).wall_us;
    struct record *r = record_new(RECORD_BACKUP);
    r->u.backup_rec.name = cq_strdup(name);
    r->u.backup_rec.principal = a->who.id.v;
    r->u.backup_rec.at_us = wall_us;
    store_batch_add_record(d->filling, r, wall_us);
    log_info("audit.backup by=%s/%s name=%s", a->who.enterprise_name, a->who.name, name);
}

static void start(struct daemon *d, const struct asker *a, char *path, const char *name)
{
    struct store_query *q = store_query_new(QUERY_BACKUP, NULL);
    q->backup = store_backup_new(path);
    free(path);
    if (!ask_has_room(d, a)) { /* ask_store refuses it */
        (void)ask_store(d, a, q, on_done, false, d, NULL);
        return;
    }
    add_record(d, a, name);
    d->backup = CQ_NEW(struct backup);
    *d->backup = (struct backup){.asker = *a, .state = q->backup};
    reply_ok(d, a);
    (void)ask_store(d, a, q, on_done, false, d, forget);
}

/* The request that is being served came twice: its answer is on its way. */
static bool is_again(const struct daemon *d, const struct asker *a)
{
    return d->backup != NULL && d->backup->asker.request == a->request
           && zpeer_equal(&d->backup->asker.peer, &a->peer);
}

void on_backup(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct cq_err err = {0};
    if (is_again(d, a))
        return;
    struct authz_object all = {.owner = NULL};
    const char *wanted = m->u.backup.name;
    char *name CQ_CLEANUP(cq_free_ptr) = wanted && *wanted ? cq_strdup(wanted) : make_name(d);
    char *path = NULL;
    if (!authz(&a->who, VERB_BACKUP, &all))
        (void)cq_fail(&err, CQ_E_DENIED, "a %s may not make backups; a platform admin may",
                      role_name(a->who.role));
    else if (d->backup != NULL)
        (void)cq_fail(&err, CQ_E_CONFLICT, "a backup is being made: %s", d->backup->state->path);
    else
        path = make_place(d, name, &err);
    if (path == NULL)
        reply_error(d, a, &err);
    else
        start(d, a, path, name);
}

void backup_tell(struct daemon *d)
{
    if (d->backup != NULL && !outbox_is_stalled(d, &d->backup->asker.peer))
        send_state(d, &d->backup->asker, d->backup->state, false);
}
