// LINK: cq_store
/* Databases that a crash, a bad disk or a wrong copy left: what was never complete is dropped and
 * said to be; anything else is refused, with the way out, and left as it is. */
#include "tests/unit/store_jobs.h"

enum { FRAME_BYTES = 24 + 4096 };

static struct {
    uint8_t *db, *wal;
    size_t db_bytes, wal_bytes;
    size_t ends[16]; /* of the WAL after each commit */
    size_t n;
} killed;

static char wal_path[80];

TestSuite(store_damage, .init = jobs_set_up, .fini = jobs_tear_down, .timeout = 120);

static void write_file(const char *at, const uint8_t *data, size_t bytes)
{
    int fd =
        open(at, O_WRONLY | O_CREAT, 0600); /* cutting it first would be slow: ext4 syncs then */
    cr_assert_geq(fd, 0);
    cr_assert_eq(write_all(fd, data, bytes), 0);
    cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
    (void)close(fd);
}

static size_t size_of(const char *at)
{
    struct stat st;
    return stat(at, &st) == 0 ? (size_t)st.st_size : 0;
}

/* As after kill -9: closing writes nothing. */
static void kill_store(struct store *s)
{
    fault_disk.is_off = true;
    store_close(s);
    fault_power_on();
    free(killed.db);
    free(killed.wal);
    killed.db_bytes = fault_read_file(path, &killed.db);
    killed.wal_bytes = fault_read_file(wal_path, &killed.wal);
}

static void commit(struct store *s, uint64_t n)
{
    write_now(s, batch_of_job(s, n));
    killed.ends[killed.n++] = size_of(wal_path);
}

/* Jobs 1 to `jobs`, all of them in the WAL. */
static void make_killed(uint64_t jobs)
{
    (void)snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    killed.n = 0;
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= jobs; n++)
        commit(s, n);
    kill_store(s);
    cr_assert_eq(killed.wal_bytes, killed.ends[jobs - 1]);
}

static void restore_killed(void)
{
    fault_power_on();
    write_file(path, killed.db, killed.db_bytes);
    write_file(wal_path, killed.wal, killed.wal_bytes);
}

static void expect_jobs(uint64_t jobs, bool is_dropped, const char *when)
{
    struct cq_err err = {0};
    struct store *s = try_open(false, &err);
    cr_assert_not_null(s, "%s: %s", when, err.text);
    cr_assert_eq(jobs_there(s, when), jobs, "%s", when);
    cr_assert_eq(store_dropped_bytes(s) > 0, is_dropped, "%s", when);
    fault_disk.is_off = true;
    store_close(s);
    fault_power_on();
}

/* It says what to do, and touches nothing. */
static void expect_refusal(const char *when)
{
    uint8_t *db, *wal;
    struct cq_err err = {0};
    size_t db_bytes = fault_read_file(path, &db), wal_bytes = fault_read_file(wal_path, &wal);
    cr_assert_null(try_open(false, &err), "%s", when);
    cr_assert_not_null(strstr(err.text, "restore a backup: chipqd --restore FILE"), "%s: %s", when,
                       err.text);
    uint8_t *now;
    cr_assert_eq(fault_read_file(path, &now), db_bytes, "%s", when);
    cr_assert_eq(memcmp(now, db, db_bytes), 0, "%s", when);
    free(now);
    cr_assert_eq(fault_read_file(wal_path, &now), wal_bytes, "%s", when);
    cr_assert_eq(memcmp(now, wal, wal_bytes), 0, "%s", when);
    free(now);
    free(db);
    free(wal);
}

/* Every byte of the frames' headers, every 13th of their pages: all that tells one cut from
 * another. */
static bool is_worth_a_cut(size_t at)
{
    size_t in_frame = (at - 32) % FRAME_BYTES;
    return in_frame <= 25 || in_frame % 13 == 0;
}

Test(store_damage, a_last_transaction_that_was_cut_is_dropped_and_told)
{
    make_killed(3);
    for (size_t cut = killed.ends[1]; cut < killed.ends[2]; cut++) {
        char when[64];
        if (!is_worth_a_cut(cut))
            continue;
        (void)snprintf(when, sizeof when, "cut at %zu", cut);
        restore_killed();
        cr_assert_eq(truncate(wal_path, (off_t)cut), 0);
        expect_jobs(2, cut > killed.ends[1], when);
    }
    restore_killed();
    expect_jobs(3, false, "not cut");
}

/* A header that was cut has no transaction behind it. */
Test(store_damage, a_wal_without_a_whole_header_is_empty)
{
    make_killed(1);
    for (size_t cut = 0; cut <= 32; cut += 4) {
        restore_killed();
        cr_assert_eq(truncate(wal_path, (off_t)cut), 0);
        expect_jobs(0, false, "header");
    }
}

static void flip(const char *file, size_t at)
{
    uint8_t byte;
    int fd = open(file, O_RDWR);
    cr_assert_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

static void flip_each_of_the_complete(size_t end)
{
    for (size_t at = 0; at < end; at++) {
        char when[64];
        if (at >= 32 && ((at - 32) % FRAME_BYTES > 24 && at % 251 != 0))
            continue;
        (void)snprintf(when, sizeof when, "byte %zu", at);
        restore_killed();
        flip(wal_path, at);
        expect_refusal(when);
    }
}

Test(store_damage, a_byte_that_changed_in_a_complete_transaction_is_refused)
{
    make_killed(2);
    flip_each_of_the_complete(killed.ends[0]);
    make_killed(3);
    flip_each_of_the_complete(killed.ends[1]);
    restore_killed();
    expect_jobs(3, false, "as it was");
}

/* Of every page some, in records and between them: quick_check alone would see few of them. */
Test(store_damage, a_byte_that_changed_in_the_database_is_refused)
{
    (void)snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= 20; n++)
        write_now(s, batch_of_job(s, n));
    cr_assert(sums_are_kept(s->db));
    store_close(s);
    fault_power_on();
    size_t bytes = size_of(path);
    cr_assert_eq(size_of(wal_path), 0);
    for (size_t at = 5; at < bytes; at += 631) {
        char when[64];
        (void)snprintf(when, sizeof when, "byte %zu of %zu", at, bytes);
        flip(path, at);
        expect_refusal(when);
        flip(path, at);
    }
    expect_jobs(20, false, "as it was");
}

static int load_nothing(void *arg, const struct record *r, struct cq_err *err)
{
    (void)arg;
    (void)r;
    (void)err;
    return 0;
}

static struct store *open_to_load(void)
{
    struct cq_err err = {0};
    struct store_options o = {
        .path = path, .loads = true, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct store *s = store_open(&o, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

/* Its pages are looked at while it loads: also those that loading does not read. */
Test(store_damage, a_start_that_loads_finds_the_changed_byte_at_the_latest_then)
{
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= 20; n++)
        write_now(s, batch_of_job(s, n));
    store_close(s);
    fault_power_on();
    size_t bytes = size_of(path), refused_late = 0;
    for (size_t at = 4096 + 5; at < bytes; at += 1021) {
        struct cq_err err = {0};
        struct store_options o = {
            .path = path, .loads = true, .low_water_bytes = 1, .ballast_bytes = 4096};
        flip(path, at);
        s = store_open(&o, &err);
        if (s != NULL) {
            cr_assert_neq(store_load(s, load_nothing, NULL, &err), 0, "byte %zu", at);
            refused_late++;
        }
        cr_assert_not_null(strstr(err.text, "restore a backup: chipqd --restore FILE"),
                           "byte %zu: %s", at, err.text);
        store_close(s);
        flip(path, at);
    }
    cr_assert_gt(refused_late, 0);
    s = open_to_load();
    cr_assert_eq(store_load(s, load_nothing, NULL, NULL), 0);
    cr_assert(s->pages.are_sound, "a start with nothing wrong took the long way");
    store_close(s);
}

/* A checkpoint that was cut short: the WAL has the page whole. */
Test(store_damage, a_torn_page_that_the_wal_has_is_no_damage)
{
    make_killed(3);
    struct store *s = try_open(false, NULL);
    cr_assert_eq(sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
                 SQLITE_OK);
    kill_store(s);
    cr_assert_gt(killed.wal_bytes, 0);
    restore_killed();
    flip(path, 4096 + 5);
    s = open_to_load();
    cr_assert_eq(store_load(s, load_nothing, NULL, NULL), 0);
    cr_assert(s->pages.are_sound, "the WAL was not asked");
    fault_disk.is_off = true;
    store_close(s);
}

/* Nothing follows it: as after a loss of power in the middle of it. */
Test(store_damage, a_last_transaction_with_a_changed_byte_is_dropped_and_told)
{
    make_killed(3);
    for (size_t at = killed.ends[1]; at < killed.ends[2]; at += 97) {
        restore_killed();
        flip(wal_path, at);
        expect_jobs(2, true, "last");
    }
}

/* All that stands behind it is in the database: so it was torn when the WAL was to begin anew. */
Test(store_damage, a_torn_header_costs_nothing_when_nothing_is_behind_it)
{
    (void)snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    killed.n = 0;
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= 4; n++)
        commit(s, n);
    cr_assert_eq(sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL),
                 SQLITE_OK);
    kill_store(s);
    for (size_t at = 12; at < 32; at++) {
        restore_killed();
        flip(wal_path, at);
        expect_jobs(4, false, "torn header");
    }
}

Test(store_damage, frames_from_before_a_restart_of_the_wal_are_no_damage)
{
    (void)snprintf(wal_path, sizeof wal_path, "%s-wal", path);
    killed.n = 0;
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= 4; n++)
        commit(s, n);
    cr_assert_eq(sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL),
                 SQLITE_OK);
    commit(s, 5);
    kill_store(s);
    cr_assert_eq(killed.wal_bytes, killed.ends[3], "the restarted WAL is shorter than it was");
    restore_killed();
    expect_jobs(5, false, "restarted");
}

static void id_of(char id[STORE_ID_CHARS + 1], uint64_t first_job)
{
    struct store *s = open_anew();
    for (uint64_t n = 0; n < 4; n++)
        write_now(s, batch_of_job(s, first_job + n));
    struct cq_err err = {0};
    cr_assert_eq(store_id(s, id, &err), 0, "%s", err.text);
    char later[STORE_ID_CHARS + 1];
    write_now(s, batch_of_job(s, first_job + 5));
    cr_assert_eq(store_id(s, later, &err), 0);
    cr_assert_str_eq(id, later);
    store_close(s);
}

Test(store_damage, databases_are_told_apart_by_their_first_records)
{
    char one[STORE_ID_CHARS + 1], same[STORE_ID_CHARS + 1], other[STORE_ID_CHARS + 1];
    id_of(one, 1);
    id_of(same, 1);
    id_of(other, 2);
    cr_assert_str_eq(one, same);
    cr_assert_str_neq(one, other);
}

/* Both begin as the same file here, so that the frames fit in: the worst case. */
Test(store_damage, the_wal_of_another_database_is_refused)
{
    make_killed(6);
    uint8_t *wal = cq_memdup(killed.wal, killed.wal_bytes), *db, *now;
    size_t bytes = killed.wal_bytes;
    char id[STORE_ID_CHARS + 1];
    struct store *s = open_anew();
    for (uint64_t n = 1; n <= 40; n++)
        write_now(s, batch_of_job(s, n + 3));
    cr_assert_eq(store_id(s, id, NULL), 0);
    store_close(s); /* its jobs are in the database file */
    fault_power_on();
    size_t db_bytes = fault_read_file(path, &db);
    write_file(wal_path, wal, bytes);
    struct cq_err err = {0};
    struct store_options o = {.path = path, .id = id, .low_water_bytes = 1};
    cr_assert_null(store_open(&o, &err));
    cr_expect_eq(err.code, CQ_E_CONFLICT, "%s", err.text);
    cr_expect_not_null(strstr(err.text, "is of another instance"), "%s", err.text);
    cr_assert_eq(fault_read_file(path, &now), db_bytes);
    cr_assert_eq(memcmp(db, now, db_bytes), 0);
    cr_assert_eq(unlink(wal_path), 0);
    s = store_open(&o, &err);
    cr_assert_not_null(s, "%s", err.text);
    cr_expect_eq(store_next_seq(s), 81);
    store_close(s);
    free(wal);
    free(db);
    free(now);
}
