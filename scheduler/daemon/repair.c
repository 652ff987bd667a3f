/* chipqd --repair: what can be read of a damaged database becomes the instance's database. The new
 * one is made aside and has to start before it is put in place; the damaged files are only read,
 * and kept. */
#include "scheduler/daemon/repair.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"
#include "common/net/curve.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SPARE_BYTES = 16 << 20, JOBS_A_PAGE = 16, LEAST_RAISE = 100 };

#define BACKUP "restore a backup: chipqd --restore FILE"

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The new one has an index at most that the old one has not, and its WAL while it is made. */
static int check_room(const struct repair *r, struct cq_err *err)
{
    char *wal CQ_CLEANUP(cq_free_ptr) = path_format("%s-wal", r->db);
    struct statvfs fs;
    uint64_t need = size_of(r->db) + size_of(wal) + SPARE_BYTES;
    if (statvfs(r->db, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= need)
        return 0;
    return cq_fail(
        err, CQ_E_FULL,
        "a repair makes a new database beside %s and needs %llu MiB for it, %llu MiB are "
        "free there",
        r->db, (unsigned long long)(need >> 20),
        (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 20));
}

static void remove_made(const struct repair *r)
{
    static const char *const tails[] = {"", "-wal", "-journal", "-ballast"};
    for (size_t i = 0; i < CQ_COUNT(tails); i++) {
        char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s%s", r->made, tails[i]);
        (void)unlink(path);
    }
}

static bool is_damaged(const struct salvage *f)
{
    bool is = f->bad_pages > 0 || f->told_pages > f->pages || f->lost_frames > 0
              || f->bad_index_pages > 0 || !f->has_sums;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        is = is || f->tables[i].is_damaged;
    return is;
}

/* Who is who cannot be guessed: a key that was revoked would be good again. */
static int check_essentials(const struct repair *r, struct cq_err *err)
{
    const struct salvage *f = &r->found;
    if (f->is_journal_whole || !salvage_table(f, "entity")->is_damaged)
        return 0;
    return cq_fail(err, CQ_E_IO,
                   "%s cannot be repaired: enterprises, users with their keys, settings or leases "
                   "are lost (table entity), and the journal, from which they could be made anew, "
                   "is damaged too; " BACKUP,
                   r->db);
}

/* Pages may be as they were written, and what they say wrong all the same. */
static int check_fit(struct repair *r, struct cq_err *err)
{
    const struct salvage *f = &r->found;
    bool fits = salvage_needs_replay(f) || repair_fits(r, is_damaged(f));
    if (fits && !is_damaged(f))
        return cq_fail(err, CQ_E_CONFLICT, "%s is not damaged; it is left as it is", r->db);
    if (fits)
        return 0;
    if (f->is_journal_whole)
        return repair_forget(r, err);
    return cq_fail(err, CQ_E_IO,
                   "%s cannot be repaired: what was read does not fit together, and the journal, "
                   "from which it could be made anew, has a gap; " BACKUP " (%s)",
                   r->db, r->misfit.text);
}

/* ---- whose it is ---- */

struct key_search {
    const char *public_key;
    bool is_found;
};

static int look_for_key(void *arg, const struct record *r, struct cq_err *err)
{
    struct key_search *k = arg;
    const char *key = r->type == RECORD_PRINCIPAL_ADD ? r->u.principal_add.public_key : NULL;
    (void)err;
    k->is_found = k->is_found || (key != NULL && strcmp(key, k->public_key) == 0);
    return 0;
}

/* Its first records are lost, which tell instances apart; but it knows one of our keys. */
static int check_keys(const struct repair *r, struct store *s, struct cq_err *err)
{
    static const char *const files[] = {"admin.key", "user.key", "worker.key"};
    for (size_t i = 0; i < CQ_COUNT(files); i++) {
        char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/%s", r->o->dir, files[i]);
        struct curve_key key = {0};
        struct key_search k = {.public_key = key.public_key};
        if (curve_key_read(path, &key, NULL) != 0)
            continue;
        int rc = store_load(s, look_for_key, &k, err);
        curve_key_wipe(&key);
        if (rc != 0 || k.is_found)
            return rc;
    }
    return cq_fail(err, CQ_E_IO,
                   "%s cannot be repaired: its first records are lost, which say what instance it "
                   "is of, and it knows none of the keys in %s/keys; " BACKUP,
                   r->db, r->o->dir);
}

static int check_id(const struct repair *r, struct store *s, const char *wanted, struct cq_err *err)
{
    char id[STORE_ID_CHARS + 1];
    if (store_id(s, id, err) != 0)
        return -1;
    if (wanted[0] == '\0' || strcmp(id, wanted) == 0)
        return 0;
    return cq_fail(err, CQ_E_CONFLICT,
                   "%s, or the WAL beside it, is of another instance (%s, not %s); put its own "
                   "back, or " BACKUP,
                   r->db, id, wanted);
}

static int check_owner(const struct repair *r, struct cq_err *err)
{
    char wanted[STORE_ID_CHARS + 1];
    if (instance_read(r->o, wanted, err) != 0)
        return -1;
    struct store *s = repair_open(r, err);
    if (s == NULL)
        return -1;
    int rc = r->found.is_id_known ? check_id(r, s, wanted, err) : check_keys(r, s, err);
    repair_close(r, s);
    return rc;
}

static int write_id(const struct repair *r, struct cq_err *err)
{
    if (r->found.is_id_known)
        return 0;
    struct store *s = repair_open(r, err);
    int rc = s != NULL ? instance_write(r->o, s, err) : -1;
    repair_close(r, s);
    return rc;
}

/* ---- numbers that were given in transactions that are lost ---- */

/* A job's row, its request and its record alone fill more than a 16th of a page. */

static uint64_t highest_output(void *arg, const struct enterprise_add *e)
{
    const struct repair *r = arg;
    char *path CQ_CLEANUP(cq_free_ptr) =
        path_format("%s/output/%s", r->o->dir, e->name ? e->name : "");
    DIR *list = opendir(path);
    const struct dirent *entry;
    uint64_t highest = 0, n;
    while (list != NULL && (entry = readdir(list)) != NULL)
        if (parse_u64(entry->d_name, 1, INT32_MAX, &n, NULL) == 0 && n > highest)
            highest = n;
    if (list != NULL)
        (void)closedir(list);
    return highest;
}

static int raise_numbers(struct repair *r, struct cq_err *err)
{
    if (r->found.lost_frames == 0)
        return 0;
    struct store *s = repair_open(r, err);
    if (s == NULL)
        return -1;
    r->raised_by = LEAST_RAISE + r->found.lost_frames * JOBS_A_PAGE;
    int rc = store_raise_numbers(s, r->raised_by, highest_output, r, err);
    repair_close(r, s);
    return rc;
}

/* ---- the whole ---- */

static int make(struct repair *r, struct cq_err *err)
{
    remove_made(r);
    if (check_room(r, err) != 0 || store_salvage(r->db, r->made, &r->found, err) != 0
        || check_essentials(r, err) != 0 || check_fit(r, err) != 0)
        return -1;
    if (salvage_needs_replay(&r->found) && r->found.is_journal_whole && repair_replay(r, err) != 0)
        return cq_wrap(err, "what was read does not fit together; " BACKUP);
    if (check_owner(r, err) != 0)
        return -1;
    if (raise_numbers(r, err) != 0 || repair_settle(r, err) != 0 || repair_prove(r, err) != 0)
        return cq_wrap(err, "what was read does not fit together; " BACKUP);
    return 0;
}

static int repair(struct repair *r, struct cq_err *err)
{
    if (make(r, err) != 0)
        return -1;
    if (!r->o->check
        && (write_id(r, err) != 0 || daemon_put_in_place(r->o, r->made, r->aside, err) != 0))
        return -1;
    repair_tell(r);
    return 0;
}

int daemon_repair(const struct daemon_options *o, struct cq_err *err)
{
    char *run_dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/run", o->dir);
    char *pid_path CQ_CLEANUP(cq_free_ptr) = path_format("%s/chipqd.pid", run_dir);
    struct stat st;
    struct repair r = {.o = o, .db = daemon_database_path(o)};
    if (stat(r.db, &st) != 0) {
        free(r.db);
        return daemon_no_database(o, err);
    }
    int lock = dir_make(run_dir, 0700, err) == 0 ? file_lock_pid(pid_path, err) : -1;
    r.made = path_format("%s.new", r.db);
    r.aside = daemon_aside(r.db, "damaged");
    int rc = lock < 0 ? -1 : repair(&r, err);
    if (lock >= 0) {
        remove_made(&r);
        (void)close(lock);
    }
    salvage_fini(&r.found);
    cq_str_fini(&r.jobs);
    free(r.db);
    free(r.made);
    free(r.aside);
    return rc;
}
