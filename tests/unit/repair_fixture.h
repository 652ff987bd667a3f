/* A database of a pool at work, which is damaged and repaired again and again, and how what comes
 * out is compared with what was there. */
#ifndef CHIPQ_TEST_REPAIR_FIXTURE_H
#define CHIPQ_TEST_REPAIR_FIXTURE_H

#include "tests/unit/store_play.h"

#include "common/base/pure/flat.h"
#include "common/net/curve.h"
#include "scheduler/daemon/repair.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PLAYS = 6, FRAME = 24 + PAGE, HEADER = 32 };

static struct {
    uint8_t *db, *wal; /* undamaged */
    size_t db_bytes, wal_bytes;
    char path[128], wal_path[128], told_path[128];
} whole;

static char told[65536]; /* what the last repair said */

/* ---- files ---- */

static uint8_t *read_whole(const char *path, size_t *bytes)
{
    struct cq_str text = {0};
    if (file_read(path, SIZE_MAX / 4, &text, NULL) != 0)
        return NULL;
    *bytes = text.len;
    return (uint8_t *)cq_str_take(&text);
}

static void write_whole(const char *path, const uint8_t *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write_all(fd, data, bytes), 0);
    (void)close(fd);
}

static void write_key_of_worker(void)
{
    char path[128];
    struct curve_key key = {0};
    (void)snprintf(path, sizeof path, "%s/keys", p.dir);
    cr_assert_eq(dir_make(path, 0700, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/keys/worker.key", p.dir);
    memset(key.public_key, 'w', KEY_CHARS);
    memset(key.secret_key, 'w', KEY_CHARS);
    (void)cq_copy_text(key.principal, sizeof key.principal, "w");
    (void)cq_copy_text(key.role, sizeof key.role, "worker");
    cr_assert_eq(curve_key_write(path, &key, NULL), 0);
    struct cq_err err = {0};
    cr_assert_eq(curve_key_read(path, &key, &err), 0, "%s", err.text);
}

/* The files as a stop leaves them; with `in_wal` as a kill -9 does: all is in the WAL. */
static void make_whole(bool in_wal)
{
    begin(7);
    for (int i = 0; i < (in_wal ? 1 : PLAYS); i++)
        play();
    (void)snprintf(whole.path, sizeof whole.path, "%s/whole.db", p.dir);
    (void)snprintf(whole.wal_path, sizeof whole.wal_path, "%s-wal", p.path);
    (void)snprintf(whole.told_path, sizeof whole.told_path, "%s/told", p.dir);
    if (in_wal) {
        whole.wal = read_whole(whole.wal_path, &whole.wal_bytes);
        whole.db = read_whole(p.path, &whole.db_bytes);
    }
    store_close(p.store);
    p.store = NULL;
    size_t bytes;
    uint8_t *db = read_whole(p.path, &bytes);
    write_whole(whole.path, db, bytes);
    if (in_wal)
        free(db);
    else
        whole.db = db;
    whole.db_bytes = in_wal ? whole.db_bytes : bytes;
    write_key_of_worker();
}

static void put_whole(void)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "rm -f %s/db/* %s/instance", p.dir, p.dir);
    cr_assert_eq(system(sql), 0);
    write_whole(p.path, whole.db, whole.db_bytes);
    if (whole.wal_bytes > 0)
        write_whole(whole.wal_path, whole.wal, whole.wal_bytes);
}

CQ_UNUSED static void flip(const char *path, size_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    cr_assert_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x20;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

static void end_whole(void)
{
    free(whole.db);
    free(whole.wal);
    core_free(p.core);
    effects_fini(&p.effects);
    cr_assert_eq(dir_remove(p.dir, NULL), 0);
}

/* ---- repairing ---- */

/* What it prints goes to a file and into `told`. */
static int repair_now(bool check, struct cq_err *err)
{
    struct daemon_options o = {.dir = p.dir, .check = check};
    *err = (struct cq_err){0};
    (void)fflush(stdout);
    int out = dup(STDOUT_FILENO);
    int to = open(whole.told_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(dup2(to, STDOUT_FILENO), 0);
    int rc = daemon_repair(&o, err);
    (void)fflush(stdout);
    cr_assert_geq(dup2(out, STDOUT_FILENO), 0);
    ssize_t n = pread(to, told, sizeof told - 1, 0);
    told[n > 0 ? n : 0] = '\0';
    (void)close(to);
    (void)close(out);
    return rc;
}

static sqlite3 *open_both(void)
{
    sqlite3 *db;
    char sql[512];
    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    (void)snprintf(sql, sizeof sql, "ATTACH '%s' AS old; ATTACH '%s' AS new", whole.path, p.path);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    return db;
}

static uint64_t count(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
    uint64_t n = (uint64_t)sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return n;
}

/* A live job's `attempt` follows its state with the next view: not in one that was made anew. */
static void columns_of(sqlite3 *db, const char *table, struct cq_str *to)
{
    sqlite3_stmt *st;
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s','old')", table);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        bool follows = strcmp(table, "job") == 0 && strcmp(name, "attempt") == 0;
        cq_str_printf(to, "%s%s", to->len ? "," : "", follows ? "iif(state<4,0,attempt)" : name);
    }
    (void)sqlite3_finalize(st);
}

/* Rows that one has and the other has not. */
static uint64_t only_in(sqlite3 *db, const char *one, const char *other, const char *table,
                        const char *where)
{
    struct cq_str columns CQ_CLEANUP(cq_str_fini) = {0}, sql CQ_CLEANUP(cq_str_fini) = {0};
    columns_of(db, table, &columns);
    cq_str_printf(
        &sql, "SELECT count(*) FROM (SELECT %s FROM %s.%s WHERE %s EXCEPT SELECT %s FROM %s.%s)",
        cq_str_text(&columns), one, table, where, cq_str_text(&columns), other, table);
    return count(db, cq_str_text(&sql));
}

/* Which tasks share a row is not the same when it was made anew: a row each, in temp.SIDE_pass. */
static void split_passes(sqlite3 *db, const char *side)
{
    sqlite3_stmt *from, *to;
    char sql[256];
    (void)snprintf(sql, sizeof sql, "CREATE TEMP TABLE %s_pass(job,row)", side);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)snprintf(sql, sizeof sql, "INSERT INTO %s_pass VALUES(?,?)", side);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &to, NULL), SQLITE_OK);
    (void)snprintf(sql, sizeof sql, "SELECT job,rows FROM %s.pass", side);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &from, NULL), SQLITE_OK);
    while (sqlite3_step(from) == SQLITE_ROW) {
        struct flat_reader in =
            flat_reader_of(sqlite3_column_blob(from, 1), (size_t)sqlite3_column_bytes(from, 1));
        while (!in.failed && !flat_at_end(&in)) {
            size_t bytes;
            const void *row = flat_get_bytes(&in, 65536, &bytes);
            (void)sqlite3_bind_int64(to, 1, sqlite3_column_int64(from, 0));
            (void)sqlite3_bind_blob64(to, 2, row, bytes, SQLITE_STATIC);
            cr_assert_eq(sqlite3_step(to), SQLITE_DONE);
            (void)sqlite3_reset(to);
        }
    }
    (void)sqlite3_finalize(from);
    (void)sqlite3_finalize(to);
}

static void expect_passes(sqlite3 *db, bool all, const char *when)
{
    split_passes(db, "old");
    split_passes(db, "new");
    cr_assert_eq(count(db, "SELECT count(*) FROM (SELECT * FROM new_pass EXCEPT"
                           " SELECT * FROM old_pass)"),
                 0, "%s", when);
    cr_assert_eq(count(db, "SELECT count(*) - count(DISTINCT job||hex(row)) FROM new_pass"), 0,
                 "%s: a task twice", when);
    if (all)
        cr_assert_eq(count(db, "SELECT count(*) FROM (SELECT * FROM old_pass EXCEPT"
                               " SELECT * FROM new_pass)"),
                     0, "%s", when);
}

static const char *const all_tables[] = {"job",     "job_request", "submit_key", "task",
                                         "attempt", "usage_wait",  "usage",      "efficiency"};

/* What it wrote itself: the new epoch, and the repair for the audit. */
static void expect_subset(sqlite3 *db, const char *when)
{
    for (size_t i = 0; i < CQ_COUNT(all_tables); i++)
        cr_assert_eq(only_in(db, "new", "old", all_tables[i], "1"), 0, "%s: %s has other rows\n%s",
                     when, all_tables[i], told);
    cr_assert_eq(only_in(db, "new", "old", "journal", "type NOT IN (1,60)"), 0, "%s", when);
    cr_assert_eq(only_in(db, "new", "old", "audit", "verb<>'repair'"), 0, "%s", when);
    cr_assert_eq(only_in(db, "new", "old", "entity", "kind NOT IN (1,6)"), 0, "%s\n%s", when, told);
    cr_assert_eq(count(db, "SELECT count(*) FROM new.journal WHERE type=60"), 1);
}

static void expect_all_jobs(sqlite3 *db, const char *when)
{
    static const char *const kept[] = {"job", "job_request", "submit_key", "task", "attempt"};
    for (size_t i = 0; i < CQ_COUNT(kept); i++)
        cr_assert_eq(only_in(db, "old", "new", kept[i], "1"), 0, "%s: rows of %s are gone\n%s",
                     when, kept[i], told);
    cr_assert_eq(only_in(db, "old", "new", "entity", "kind NOT IN (1,6)"), 0, "%s\n%s", when, told);
    cr_assert_not_null(strstr(told, "no job is lost"), "%s\n%s", when, told);
    expect_passes(db, true, when);
}

#endif
