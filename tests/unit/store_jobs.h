/* A store with jobs in it on a disk of fault_vfs.h, and whether they are all there. */
#ifndef CHIPQ_TEST_STORE_JOBS_H
#define CHIPQ_TEST_STORE_JOBS_H

#include "tests/unit/fault_vfs.h"
#include "tests/unit/store_fixture.h"

static uint8_t *empty; /* a database without jobs */
static size_t empty_bytes;

static struct store *try_open(bool create, struct cq_err *err)
{
    struct store_options o = {
        .path = path, .create = create, .low_water_bytes = 1, .ballast_bytes = 65536};
    return store_open(&o, err);
}

CQ_UNUSED static void jobs_set_up(void)
{
    struct cq_err err = {0};
    make_dir();
    fault_vfs_install();
    fault_none();
    struct store *s = try_open(true, &err);
    cr_assert_not_null(s, "%s", err.text);
    store_close(s);
    fault_power_on();
    empty_bytes = fault_read_file(path, &empty);
}

CQ_UNUSED static void jobs_tear_down(void)
{
    fault_power_on();
    free(empty);
    remove_dir();
}

/* The empty database again, on a sound disk. */
CQ_UNUSED static struct store *open_anew(void)
{
    struct cq_err err = {0};
    fault_power_on();
    cr_assert_eq(dir_remove(dir, NULL), 0);
    cr_assert_eq(dir_make(dir, 0700, NULL), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    cr_assert_eq(write_all(fd, empty, empty_bytes), 0);
    (void)close(fd);
    struct store *s = try_open(false, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

/* Job `n`: two records and its row, with enough text to take several pages. */
CQ_UNUSED static struct store_batch *batch_of_job(struct store *s, uint64_t n)
{
    struct store_batch *b = store_batch_new(s);
    struct record *r = record_new(RECORD_JOB_SUBMIT);
    r->u.job_submit.id = n;
    r->u.job_submit.enterprise = 1;
    r->u.job_submit.number = n;
    r->u.job_submit.submit_count = 1;
    char *name = cq_calloc(6001, 1);
    memset(name, 'a' + (int)(n % 26), 6000);
    r->u.job_submit.name = name;
    store_batch_add_record(b, r, 1000);
    struct record *user = record_new(RECORD_PRINCIPAL_ADD);
    user->u.principal_add = (struct principal_add){.id = n, .enterprise = 1};
    user->u.principal_add.name = cq_strdup("ann");
    add_named(b, user, n);
    struct job_view v = {.id = {n},
                         .enterprise = {1},
                         .number = n,
                         .tasks = 1,
                         .state = JOB_DONE,
                         .user_name = "ann",
                         .project_name = "default",
                         .name = "job",
                         .is_new = true};
    store_batch_add_job(b, &v, NULL);
    return b;
}

static int count_row(void *arg, const struct stored_job *j, struct cq_err *err)
{
    (void)err;
    uint64_t *n = arg;
    cr_assert_eq(j->number, ++*n);
    return 0;
}

static int count_record(void *arg, uint64_t seq, int64_t at_us, const struct record *r,
                        struct cq_err *err)
{
    (void)at_us;
    (void)err;
    uint64_t *n = arg;
    cr_assert_eq(seq, ++*n);
    cr_assert_eq(r->type, seq % 2 ? RECORD_JOB_SUBMIT : RECORD_PRINCIPAL_ADD);
    return 0;
}

/* Jobs in a sound database in which journal and views agree. */
CQ_UNUSED static uint64_t jobs_there(struct store *s, const char *when)
{
    uint64_t rows = 0, records = 0;
    sqlite3_stmt *st = NULL;
    struct cq_err err = {0};
    cr_assert_eq(sqlite3_prepare_v2(s->db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
    cr_assert_str_eq((const char *)sqlite3_column_text(st, 0), "ok", "%s", when);
    (void)sqlite3_finalize(st);
    cr_assert_eq(store_each_job(s, count_row, &rows, &err), 0, "%s: %s", when, err.text);
    cr_assert_eq(store_each_journal(s, 0, count_record, &records, &err), 0, "%s: %s", when,
                 err.text);
    cr_assert_eq(records, 2 * rows, "%s", when);
    return rows;
}

#endif
