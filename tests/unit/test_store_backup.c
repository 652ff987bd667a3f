// LINK: cq_store
/* Backups that are made while batches go on, and what is told of a file. */
#include "tests/unit/store_jobs.h"

#include <dirent.h>

/* A backup's time is over when it begins: one step a turn, and a turn of the batches after each. */
static void set_up(void)
{
    (void)setenv("CQ_FAILPOINTS", "store.backup.step=delay(10)", 1);
    jobs_set_up();
}

TestSuite(store_backup, .init = set_up, .fini = jobs_tear_down, .timeout = 60);

static char copy[80];

static struct store_query *new_backup(void)
{
    struct store_query *q = store_query_new(QUERY_BACKUP, NULL);
    (void)snprintf(copy, sizeof copy, "%s/copy.db", dir);
    q->backup = store_backup_new(copy);
    return q;
}

static struct store *store_with(uint64_t jobs)
{
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= jobs; n++)
        write_now(s, batch_of_job(s, n));
    store_start(s);
    return s;
}

static void wait_event(struct store *s)
{
    struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 20000), 1);
}

static size_t files_there(void)
{
    size_t n = 0;
    DIR *list = opendir(dir);
    for (struct dirent *e; (e = readdir(list)) != NULL;)
        n += strncmp(e->d_name, "copy.db", 7) == 0;
    (void)closedir(list);
    return n;
}

Test(store_backup, it_goes_on_while_batches_are_written_and_shows_one_moment)
{
    struct store *s = store_with(300);
    struct store_query *q = new_backup(), *done = NULL;
    struct cq_err err = {0};
    store_ask(s, q);
    uint64_t n = 300;
    while (done == NULL) {
        if (!store_is_busy(s) && n < 400)
            store_commit(s, batch_of_job(s, ++n));
        wait_event(s);
        done = store_collect(s);
    }
    cr_assert_eq(done, q);
    while (store_is_busy(s)) {
        wait_event(s);
        cr_assert_null(store_collect(s));
    }
    cr_assert_eq(q->backup->err.code, CQ_OK, "%s", q->backup->err.text);
    cr_expect_eq(atomic_load(&q->backup->done_pages), atomic_load(&q->backup->total_pages));
    struct store_file file;
    cr_assert_eq(store_look(copy, &file, &err), 0, "%s", err.text);
#ifdef CQ_FAILPOINTS
    cr_expect_gt(file.jobs, 301, "batches were let pass");
#endif
    cr_expect_leq(file.jobs, n);
    cr_expect_eq(file.last_seq, 2 * file.jobs);
    cr_expect_eq(file.live_jobs, 0);
    cr_expect_eq(files_there(), 1);
    store_query_free(q);
    store_close(s);
    fault_power_on();
    cr_assert_eq(rename(copy, path), 0);
    s = try_open(false, &err);
    cr_assert_not_null(s, "%s", err.text);
    cr_assert_eq(jobs_there(s, "copy"), file.jobs);
    store_close(s);
}

Test(store_backup, a_store_that_is_closed_meanwhile_leaves_nothing)
{
    struct store *s = store_with(300);
    store_ask(s, new_backup());
    store_close(s);
    cr_expect_leq(files_there(), 1); /* it may just have been complete */
    char *part CQ_CLEANUP(cq_free_ptr) = path_format("%s.part", copy);
    cr_expect_neq(access(part, F_OK), 0);
}

Test(store_backup, it_fails_alone_when_its_place_is_gone)
{
    struct store *s = store_with(3);
    struct store_query *q = store_query_new(QUERY_BACKUP, NULL);
    q->backup = store_backup_new("/nowhere/at/all.db");
    q = answer(s, q);
    cr_expect_eq(q->backup->err.code, CQ_E_IO);
    cr_expect_not_null(strstr(q->backup->err.text, "/nowhere/at/all.db"));
    store_query_free(q);
    store_commit(s, batch_of_job(s, 4));
    while (store_is_busy(s)) {
        wait_event(s);
        cr_assert_null(store_collect(s));
    }
    store_close(s);
}

static enum cq_code look_code(const char *at)
{
    struct cq_err err = {0};
    struct store_file file;
    cr_assert_neq(store_look(at, &file, &err), 0);
    return err.code;
}

Test(store_backup, what_is_no_backup_is_told_from_one)
{
    struct store *s = store_with(20);
    struct store_query *q = answer(s, new_backup());
    store_query_free(q);
    store_close(s);
    fault_power_on();
    cr_expect_eq(look_code("/nowhere"), CQ_E_NOT_FOUND);
    cr_expect_eq(look_code(dir), CQ_E_INVALID);
    char *wal CQ_CLEANUP(cq_free_ptr) = path_format("%s-wal", copy);
    int fd = open(wal, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(fd, "x", 1), 1);
    (void)close(fd);
    cr_expect_eq(look_code(copy), CQ_E_CONFLICT);
    cr_assert_eq(unlink(wal), 0);
    cr_assert_eq(rename(copy, path), 0);
    fd = open(path, O_RDWR);
    char was;
    cr_assert_eq(pread(fd, &was, 1, 5 * 4096 + 3000), 1);
    cr_assert_eq(pwrite(fd, was == 'x' ? "y" : "x", 1, 5 * 4096 + 3000), 1);
    cr_expect_eq(look_code(path), CQ_E_IO);
    cr_assert_eq(pwrite(fd, &was, 1, 5 * 4096 + 3000), 1);
    raw_exec("PRAGMA user_version=99");
    cr_expect_eq(look_code(path), CQ_E_VERSION);
    cr_assert_eq(pwrite(fd, "SQLittle", 8, 0), 8);
    cr_expect_eq(look_code(path), CQ_E_IO);
    (void)close(fd);
}
