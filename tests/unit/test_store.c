// LINK: cq_store
/* The store: round trips, refusals, and what is left after a process died or a disk failed. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/chipq-store-XXXXXX";
static char path[64];

static void make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/chipq.db", dir);
}

static void remove_dir(void)
{
    cr_assert_eq(dir_remove(dir, NULL), 0);
}

TestSuite(store, .init = make_dir, .fini = remove_dir, .timeout = 60);

static struct store *open_store(bool create)
{
    struct cq_err err = {0};
    struct store_options o = {
        .path = path, .create = create, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct store *s = store_open(&o, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

static enum cq_code open_code(bool create)
{
    struct cq_err err = {0};
    struct store_options o = {.path = path, .create = create};
    struct store *s = store_open(&o, &err);
    cr_assert_null(s);
    return err.code;
}

static struct record *submit_record(uint64_t id, uint64_t number, uint8_t key)
{
    struct record *r = record_new(RECORD_JOB_SUBMIT);
    r->u.job_submit.id = id;
    r->u.job_submit.enterprise = 1;
    r->u.job_submit.number = number;
    r->u.job_submit.principal = 2;
    r->u.job_submit.submit_count = 1;
    memset(r->u.job_submit.client_key.bytes, key, 16);
    r->u.job_submit.name = cq_strdup("job");
    return r;
}

static struct job_view view_of(uint64_t id, uint64_t number, enum job_state state)
{
    struct job_view v = {.id = {id},
                         .enterprise = {1},
                         .principal = {2},
                         .project = {3},
                         .number = number,
                         .tasks = 1,
                         .state = state,
                         .user_name = "ann",
                         .project_name = "default",
                         .name = "job",
                         .is_new = true};
    return v;
}

/* A job's first batch: its record, its row, a snapshot while it is live. */
static void add_job(struct store_batch *b, uint64_t id, uint64_t number, enum job_state state)
{
    store_batch_add_record(b, submit_record(id, number, (uint8_t)number), 1000);
    struct job_view v = view_of(id, number, state);
    struct record *snapshot = record_new(RECORD_JOB_SNAPSHOT);
    snapshot->u.job_snapshot.job = id;
    v.state_record = job_state_is_terminal(state) ? NULL : snapshot;
    store_batch_add_job(b, &v, NULL);
    record_free(snapshot);
}

static void add_epoch(struct store_batch *b, uint64_t epoch)
{
    struct record *r = record_new(RECORD_EPOCH_START);
    r->u.epoch_start.epoch = epoch;
    store_batch_add_record(b, r, 1);
}

static void add_enterprise(struct store_batch *b, uint64_t id, const char *name)
{
    struct record *r = record_new(RECORD_ENTERPRISE_ADD);
    r->u.enterprise_add.id = id;
    r->u.enterprise_add.name = cq_strdup(name);
    struct entity_view e = {.type = RECORD_ENTERPRISE_ADD, .id = id, .record = r};
    store_batch_add_entity(b, &e);
    store_batch_add_record(b, r, 1);
}

static void write_now(struct store *s, struct store_batch *b)
{
    struct cq_err err = {0};
    cr_assert_eq(store_write(s, b, &err), 0, "%s", err.text);
}

struct seen {
    struct cq_str text;
};

static int note_record(void *arg, const struct record *r, struct cq_err *err)
{
    (void)err;
    struct cq_str *out = arg;
    cq_str_printf(out, "%s ", record_type_name(r->type));
    return 0;
}

static int note_journal(void *arg, uint64_t seq, int64_t at_us, const struct record *r,
                        struct cq_err *err)
{
    (void)at_us;
    (void)err;
    cq_str_printf(arg, "%llu:%s ", (unsigned long long)seq, record_type_name(r->type));
    return 0;
}

Test(store, what_is_written_is_loaded_in_the_core_s_order)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_epoch(b, 1);
    add_enterprise(b, 1, "local");
    struct record *lease = record_new(RECORD_LEASE_SNAPSHOT);
    lease->u.lease_snapshot.lease = 9;
    struct entity_view e = {.type = RECORD_LEASE_SNAPSHOT, .id = 9, .record = lease};
    store_batch_add_entity(b, &e);
    record_free(lease);
    add_job(b, 11, 2, JOB_RUNNING);
    add_job(b, 10, 1, JOB_PENDING);
    add_job(b, 12, 3, JOB_DONE);
    write_now(s, b);
    cr_assert_eq(store_durable_seq(s), 5);
    store_close(s);

    s = open_store(false);
    cr_assert_eq(store_epoch(s), 1);
    cr_assert_eq(store_next_seq(s), 6);
    struct cq_str seen = {0};
    struct cq_err err = {0};
    cr_assert_eq(store_load(s, note_record, &seen, &err), 0, "%s", err.text);
    cr_assert_str_eq(cq_str_text(&seen), "ENTERPRISE_ADD JOB_SUBMIT JOB_SNAPSHOT JOB_SUBMIT "
                                         "JOB_SNAPSHOT LEASE_SNAPSHOT ");
    cq_str_clear(&seen);
    cr_assert_eq(store_each_journal(s, 4, note_journal, &seen, &err), 0, "%s", err.text);
    cr_assert_str_eq(cq_str_text(&seen), "4:JOB_SUBMIT 5:JOB_SUBMIT ");
    cq_str_fini(&seen);
    store_close(s);
}

Test(store, an_entity_that_is_gone_is_not_loaded)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_enterprise(b, 1, "local");
    struct entity_view gone = {.type = RECORD_ENTERPRISE_ADD, .id = 1, .gone = true};
    store_batch_add_entity(b, &gone);
    write_now(s, b);
    struct cq_str seen = {0};
    cr_assert_eq(store_load(s, note_record, &seen, NULL), 0);
    cr_assert_str_eq(cq_str_text(&seen), "");
    store_close(s);
}

Test(store, a_job_that_ends_is_no_longer_loaded)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_job(b, 10, 1, JOB_PENDING);
    write_now(s, b);
    b = store_batch_new(s);
    struct job_view v = view_of(10, 1, JOB_DONE);
    v.is_new = false;
    store_batch_add_job(b, &v, NULL);
    write_now(s, b);
    struct cq_str seen = {0};
    cr_assert_eq(store_load(s, note_record, &seen, NULL), 0);
    cr_assert_str_eq(cq_str_text(&seen), "");
    store_close(s);
}

Test(store, another_epoch_in_the_database_stops_the_writer)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_epoch(b, 1);
    write_now(s, b);
    s->epoch = 2; /* as a chipqd that lost its database to a newer reign */
    b = store_batch_new(s);
    add_enterprise(b, 1, "local");
    struct cq_err err = {0};
    cr_assert_eq(store_write(s, b, &err), -1);
    cr_assert_eq(err.code, CQ_E_STALE, "%s", err.text);
    store_close(s);
}

Test(store, presence_is_checked_both_ways)
{
    cr_assert_eq(open_code(false), CQ_E_NOT_FOUND);
    store_close(open_store(true));
    cr_assert_eq(open_code(true), CQ_E_CONFLICT);
}

Test(store, a_second_opener_is_kept_out)
{
    struct store *s = open_store(true);
    cr_assert_eq(open_code(false), CQ_E_CONFLICT);
    store_close(s);
    store_close(open_store(false));
}

static void raw_exec(const char *sql)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    cr_assert_eq(sqlite3_open_v2(path, &db, flags, store_vfs_name()), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

Test(store, a_newer_schema_is_refused)
{
    store_close(open_store(true));
    raw_exec("PRAGMA user_version=99");
    cr_assert_eq(open_code(false), CQ_E_VERSION);
}

Test(store, a_foreign_database_is_refused)
{
    raw_exec("CREATE TABLE t(x)");
    cr_assert_eq(open_code(false), CQ_E_IO);
}

static void scribble(off_t at, size_t bytes)
{
    int fd = open(path, O_WRONLY);
    cr_assert(fd >= 0);
    char junk[4096];
    memset(junk, 0x5a, sizeof junk);
    for (size_t done = 0; done < bytes; done += sizeof junk)
        cr_assert_eq(pwrite(fd, junk, sizeof junk, at + (off_t)done), (ssize_t)sizeof junk);
    (void)close(fd);
}

Test(store, a_damaged_database_is_refused)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    for (uint64_t i = 1; i <= 500; i++)
        add_job(b, i, i, JOB_DONE);
    write_now(s, b);
    store_close(s);
    scribble(5 * 4096, 8 * 4096);
    cr_assert_eq(open_code(false), CQ_E_IO);
    scribble(0, 4096);
    cr_assert_eq(open_code(false), CQ_E_IO);
}

/* ---- with the thread ---- */

static struct store_query *wait_answer(struct store *s)
{
    for (;;) {
        struct store_query *q = store_collect(s);
        if (q != NULL)
            return q;
        struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 20000), 1);
    }
}

Test(store, a_reader_sees_the_batch_that_was_handed_over_before)
{
    struct store *s = open_store(true);
    store_start(s);
    struct store_batch *b = store_batch_new(s);
    for (uint64_t i = 1; i <= 300; i++)
        add_job(b, i, i, i % 2 ? JOB_DONE : JOB_PENDING);
    store_commit(s, b);
    struct store_query *q = store_query_new(QUERY_JOBS, s);
    q->enterprise.v = 1;
    q->limit = 100;
    q->state = JOB_DONE;
    store_ask(s, q);
    q = wait_answer(s);
    cr_assert_eq(store_durable_seq(s), 300);
    cr_assert_eq(q->n_jobs, 100);
    cr_assert(q->has_more);
    cr_assert_eq(q->jobs[0].number, 299);
    cr_assert_eq(q->jobs[99].number, 101);
    cr_assert_str_eq(q->jobs[0].user_name, "ann");
    store_query_free(q);

    q = store_query_new(QUERY_JOBS, s);
    q->enterprise.v = 1;
    q->live_only = true;
    q->before = 100;
    q->limit = 1000;
    store_ask(s, q);
    q = wait_answer(s);
    cr_assert_eq(q->n_jobs, 49);
    cr_assert(!q->has_more);
    store_query_free(q);
    store_close(s);
}

Test(store, another_enterprise_s_number_is_not_found)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_job(b, 1, 1, JOB_DONE);
    write_now(s, b);
    store_start(s);
    struct store_query *q = store_query_new(QUERY_JOB, NULL);
    q->enterprise.v = 2;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = 1;
    q->n_numbers = 1;
    store_ask(s, q);
    q = wait_answer(s);
    cr_assert_eq(q->n_jobs, 0);
    cr_assert_null(q->submit);
    store_query_free(q);
    store_close(s);
}

static struct task_view task_of(uint64_t task, uint64_t attempt, const char *state)
{
    struct task_view t = {.task = task,
                          .attempt = attempt,
                          .state = state,
                          .exit_code = -1,
                          .node = "n1",
                          .summary = "two errors"};
    return t;
}

Test(store, tasks_and_earlier_attempts_come_with_their_job)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_job(b, 1, 1, JOB_RUNNING);
    struct task_view tasks[] = {task_of(3, 1, "lost"), task_of(3, 2, "failed"),
                                task_of(4, 1, "running"), task_of(5, 1, "failed")};
    tasks[0].is_attempt = true;
    tasks[2].is_live = true;
    struct job_view v = view_of(1, 1, JOB_DONE);
    v.is_new = false;
    v.is_array = true;
    v.tasks_changed = tasks;
    v.n_tasks_changed = 4;
    store_batch_add_job(b, &v, NULL);
    write_now(s, b);
    store_start(s);
    struct store_query *q = store_query_new(QUERY_JOB, NULL);
    q->enterprise.v = 1;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = 1;
    q->n_numbers = 1;
    ranges_add(&q->wanted, 3, 4);
    store_ask(s, q);
    q = wait_answer(s);
    cr_assert_eq(q->n_tasks, 1); /* 4 runs: the core knows it; 5 was not asked for */
    cr_assert_eq(q->tasks[0].attempt, 2);
    cr_assert_eq(q->tasks[0].exit_code, -1);
    cr_assert_str_eq(q->tasks[0].summary, "two errors");
    cr_assert_eq(q->n_earlier, 1);
    cr_assert_str_eq(q->earlier[0].state, "lost");
    cr_assert_eq(q->submit->u.job_submit.number, 1);
    store_query_free(q);
    store_close(s);
}

static struct store_query *ask_tasks(struct store *s, uint64_t first, uint64_t last)
{
    struct store_query *q = store_query_new(QUERY_JOB, NULL);
    q->enterprise.v = 1;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = q->n_numbers = 1;
    if (last > 0)
        ranges_add(&q->wanted, (uint32_t)first, (uint32_t)last);
    store_ask(s, q);
    return wait_answer(s);
}

static void add_passes(struct store *s, uint64_t first, uint64_t n)
{
    struct store_batch *b = store_batch_new(s);
    struct task_view tasks[8];
    for (uint64_t i = 0; i < n; i++)
        tasks[i] = (struct task_view){.task = first + i,
                                      .attempt = 1,
                                      .state = "done",
                                      .verdict = VERDICT_PASS,
                                      .node = "n1",
                                      .cores = "4-5",
                                      .peak_mem_kib = 1000 + first + i};
    struct job_view v = view_of(1, 1, JOB_RUNNING);
    v.is_new = false;
    v.is_array = true;
    v.tasks_changed = tasks;
    v.n_tasks_changed = n;
    store_batch_add_job(b, &v, NULL);
    write_now(s, b);
}

/* A failure far behind a thousand passes, which come in one batch, in any order. */
Test(store, what_is_told_apart_comes_before_plain_passes)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    struct task_view failed = task_of(9000, 1, "failed");
    struct job_view v = view_of(1, 1, JOB_RUNNING);
    add_job(b, 1, 1, JOB_RUNNING);
    v.is_new = false;
    v.is_array = true;
    v.tasks_changed = &failed;
    v.n_tasks_changed = 1;
    store_batch_add_job(b, &v, NULL);
    write_now(s, b);
    for (uint64_t first = 8000; first > 0; first -= 8)
        add_passes(s, (first * 2654435761u % 8000) / 8 * 8 + 1, 8);
    add_passes(s, 20000, 8);
    store_start(s);
    struct store_query *q = store_query_new(QUERY_JOB, NULL);
    q->enterprise.v = 1;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = q->n_numbers = 1;
    ranges_add(&q->wanted, 1, 5000);
    ranges_add(&q->wanted, 9000, 9000);
    store_ask(s, q);
    q = wait_answer(s);
    cr_assert_eq(q->n_tasks, 1000);
    cr_expect_eq(q->n_told, 1);
    cr_expect_eq(q->tasks[0].task, 9000);
    store_query_free(q);
    for (uint64_t task = 7001; task <= 7008; task++) {
        q = ask_tasks(s, task, task);
        cr_assert_eq(q->n_tasks, 1);
        cr_expect_eq(q->tasks[0].task, task);
        store_query_free(q);
    }
    q = ask_tasks(s, 20007, 20007);
    cr_expect_eq(q->n_tasks, 1);
    store_query_free(q);
    store_close(s);
}

Test(store, plain_passes_of_an_array_are_found_by_their_numbers)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_job(b, 1, 1, JOB_RUNNING);
    write_now(s, b);
    add_passes(s, 1, 5);
    add_passes(s, 9, 3);
    add_passes(s, 6, 3);
    store_start(s);
    struct store_query *q = ask_tasks(s, 0, 0);
    cr_expect_eq(q->n_tasks, 0, "nobody asked for them");
    store_query_free(q);
    q = ask_tasks(s, 4, 9);
    cr_assert_eq(q->n_tasks, 6);
    for (size_t i = 0; i < 6; i++) {
        cr_expect_eq(q->tasks[i].task, 4 + i);
        cr_expect_eq(q->tasks[i].peak_mem_kib, 1004 + i);
        cr_expect_str_eq(q->tasks[i].node, "n1");
        cr_expect_str_eq(q->tasks[i].cores, "4-5");
    }
    store_query_free(q);
    q = ask_tasks(s, 12, 20);
    cr_expect_eq(q->n_tasks, 0);
    store_query_free(q);
    store_close(s);
}

static struct store_query *ask_key(struct store *s, uint8_t key, uint64_t principal)
{
    struct store_query *q = store_query_new(QUERY_KEY, NULL);
    memset(q->key.bytes, key, 16);
    q->principal.v = principal;
    store_ask(s, q);
    return wait_answer(s);
}

Test(store, an_old_key_is_found_for_its_owner_alone)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_job(b, 1, 7, JOB_DONE);
    add_job(b, 3 * KEY_BUCKET_JOBS, 8, JOB_DONE);
    write_now(s, b);
    store_close(s);
    s = open_store(false);
    struct cq_str seen = {0};
    cr_assert_eq(store_load(s, note_record, &seen, NULL), 0);
    struct cq_uuid key;
    memset(key.bytes, 7, 16);
    cr_assert(!store_key_is_new(s, &key));
    memset(key.bytes, 99, 16);
    cr_assert(store_key_is_new(s, &key));
    store_start(s);
    struct store_query *q = ask_key(s, 7, 2);
    cr_assert_not_null(q->submit);
    cr_assert_eq(q->submit->u.job_submit.number, 7);
    store_query_free(q);
    q = ask_key(s, 7, 3);
    cr_assert_null(q->submit);
    store_query_free(q);
    q = ask_key(s, 99, 2);
    cr_assert_null(q->submit);
    store_query_free(q);
    store_close(s);
}

/* ---- death and failing disks ---- */

#ifdef CQ_FAILPOINTS

static void wait_commit(struct store *s)
{
    while (store_is_busy(s)) {
        struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 20000), 1);
        cr_assert_null(store_collect(s));
    }
}

/* A child commits job after job, acknowledging each on a pipe; returns its wait status and the
 * number of acknowledgements. */
static int child_commits(const char *failpoints, uint64_t *acked)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("CQ_FAILPOINTS", failpoints, 1);
        struct store_options o = {
            .path = path, .create = true, .low_water_bytes = 1, .ballast_bytes = 4096};
        struct store *s = store_open(&o, NULL);
        if (s == NULL)
            _exit(3);
        store_start(s);
        for (uint64_t i = 1; i <= 5; i++) {
            struct store_batch *b = store_batch_new(s);
            add_job(b, i, i, JOB_PENDING);
            store_commit(s, b);
            wait_commit(s);
            if (write(ends[1], "x", 1) != 1)
                _exit(4);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    char byte;
    *acked = 0;
    while (read(ends[0], &byte, 1) == 1)
        ++*acked;
    (void)close(ends[0]);
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static int count_row(void *arg, const struct stored_job *j, struct cq_err *err)
{
    (void)err;
    uint64_t *n = arg;
    cr_assert_eq(j->number, ++*n);
    return 0;
}

static uint64_t count_rows(void)
{
    struct store *s = open_store(false);
    uint64_t rows = 0, last = store_next_seq(s) - 1;
    cr_assert_eq(store_each_job(s, count_row, &rows, NULL), 0);
    cr_assert_eq(rows, last); /* journal and view never differ */
    store_close(s);
    return rows;
}

/* In a child of its own: failpoints are read once a process, and the next child needs other ones.
 */
static uint64_t rows_after(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit((int)count_rows());
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return (uint64_t)WEXITSTATUS(status);
}

Test(store, a_process_killed_inside_a_transaction_leaves_what_was_acknowledged)
{
    uint64_t acked;
    int status = child_commits("store.batch.before_commit=kill@4", &acked);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_assert_eq(acked, 3);
    cr_assert_eq(rows_after(), 3);
}

Test(store, a_process_killed_after_the_commit_loses_nothing)
{
    uint64_t acked;
    int status = child_commits("store.batch.after_commit=kill@4", &acked);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(acked, 3);
    cr_assert_eq(rows_after(), 4); /* on disk, not acknowledged: the client sends it again */
}

/* Fails the Nth call for every N until a run passes: each time the process must end with 70 (or
 * refuse to start), and nothing that it acknowledged may be missing. */
static void fail_every(const char *point, int *fatal_runs)
{
    for (unsigned nth = 1; nth < 200; nth++) {
        char *spec CQ_CLEANUP(cq_free_ptr) = path_format("%s=err(EIO)@%u", point, nth);
        uint64_t acked;
        int status = child_commits(spec, &acked);
        cr_assert(WIFEXITED(status), "%s", spec);
        if (WEXITSTATUS(status) == 70) {
            ++*fatal_runs;
            cr_assert_geq(rows_after(), acked, "%s", spec);
        } else {
            cr_assert(WEXITSTATUS(status) == 0 || acked == 0, "%s: status %d", spec, status);
        }
        cr_assert_eq(dir_remove(dir, NULL), 0);
        cr_assert_eq(dir_make(dir, 0700, NULL), 0);
        if (WEXITSTATUS(status) == 0 && acked == 5)
            return;
    }
    cr_assert_fail("%s never passed", point);
}

Test(store, a_failed_sync_ends_the_process)
{
    int fatal_runs = 0;
    fail_every("store.vfs.sync", &fatal_runs);
    cr_assert_geq(fatal_runs, 5);
}

Test(store, a_failed_write_ends_the_process)
{
    int fatal_runs = 0;
    fail_every("store.vfs.write", &fatal_runs);
    cr_assert_geq(fatal_runs, 5);
}

Test(store, low_space_is_told_after_a_commit)
{
    (void)setenv("CQ_FAILPOINTS", "store.space.low=err(ENOSPC)", 1);
    struct store *s = open_store(true);
    cr_assert(store_is_low(s));
    store_close(s);
}

/* The thread looks for work only when the next batch is there: without an end to that the query
 * would never have its turn. */
Test(store, a_query_is_answered_while_batches_follow_one_another_without_a_pause)
{
    (void)setenv("CQ_FAILPOINTS", "store.batch.told=delay(3)", 1);
    struct store *s = open_store(true);
    struct store_query *q = store_query_new(QUERY_KEY, NULL), *done = NULL;
    store_start(s);
    for (uint64_t n = 1; n <= 100 && done == NULL; n++) {
        struct store_batch *b = store_batch_new(s);
        add_job(b, n, (uint8_t)n, JOB_DONE);
        store_commit(s, b);
        if (n == 1)
            store_ask(s, q);
        while (store_is_busy(s)) {
            struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
            cr_assert_eq(poll(&p, 1, 20000), 1);
            struct store_query *answered = store_collect(s);
            done = answered ? answered : done;
        }
    }
    cr_assert_eq(done, q);
    store_query_free(q);
    store_close(s);
}

#endif
