// LINK: cq_daemon
/* chipqd --repair on databases of a pool at work that are damaged on purpose: it starts afterwards,
 * what is there is as it was, and what is not there was told. promises: P1 */
#include "tests/unit/repair_fixture.h"

static int apply_record(void *core, const struct record *r, struct cq_err *err)
{
    return core_apply(core, r, err);
}

TestSuite(store_repair, .timeout = 300);

/* Each table is told by another or by the journal, and the journal by nobody: so one page costs no
 * job and nothing of who is who. */
Test(store_repair, any_one_page_costs_no_job)
{
    struct cq_err err;
    make_whole(false);
    size_t pages = whole.db_bytes / PAGE;
    cr_assert_gt(pages, 60, "%zu pages", pages);
    for (size_t i = 0; i < pages; i++) {
        char when[64];
        (void)snprintf(when, sizeof when, "page %zu of %zu", i + 1, pages);
        put_whole();
        flip(p.path, i * PAGE + 40 + i * 17 % 4000);
        cr_assert_eq(repair_now(false, &err), 0, "%s: %s", when, err.text);
        sqlite3 *db = open_both();
        expect_subset(db, when);
        expect_all_jobs(db, when);
        /* Of a branch, too, no more is lost than its own page holds. */
        cr_assert_lt(only_in(db, "old", "new", "journal", "1"), 150, "%s\n%s", when, told);
        cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    }
    end_whole();
}

/* ---- more than one ---- */

static void expect_untouched(const char *when)
{
    size_t bytes;
    uint8_t *now = read_whole(p.path, &bytes);
    (void)when;
    cr_assert_not_null(now);
    free(now);
    char sql[256];
    (void)snprintf(sql, sizeof sql, "test $(ls -A %s/db | grep -vc '^chipq.db\\(-wal\\)*$') = 0",
                   p.dir);
    cr_assert_eq(system(sql), 0, "%s: something was left beside the database", when);
}

static bool is_in_told_range(long long number)
{
    bool is = false;
    for (const char *at = told; !is && (at = strstr(at, "jobs ")) != NULL; at++) {
        long long first, last;
        is = sscanf(at, "jobs %lld to %lld of acme", &first, &last) == 2 && first <= number
             && number <= last;
    }
    return is;
}

/* Lost jobs are those without a row now, and those that it ended. */
static void expect_told(sqlite3 *db, const char *when)
{
    sqlite3_stmt *st;
    cr_assert_eq(
        sqlite3_prepare_v2(db,
                           "SELECT number FROM old.job WHERE id NOT IN (SELECT id FROM new.job)"
                           " UNION SELECT number FROM new.job WHERE end_cause LIKE '%was lost%'",
                           -1, &st, NULL),
        SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        char text[64];
        (void)snprintf(text, sizeof text,
                       "job %lld of acme: ", (long long)sqlite3_column_int64(st, 0));
        cr_assert(strstr(told, text) || is_in_told_range(sqlite3_column_int64(st, 0)), "%s: %s\n%s",
                  when, text, told);
    }
    (void)sqlite3_finalize(st);
}

/* Whatever is there is as it was, but for jobs that it ended and those that waited for them. */
static void expect_part(sqlite3 *db, const char *when)
{
    static const char *const tables[] = {"job_request", "submit_key", "task", "attempt"};
    for (size_t i = 0; i < CQ_COUNT(tables); i++)
        cr_assert_eq(only_in(db, "new", "old", tables[i], "1"), 0, "%s: %s\n%s", when, tables[i],
                     told);
    cr_assert_eq(only_in(db, "new", "old", "journal", "type NOT IN (1,13,60)"), 0, "%s", when);
    cr_assert_eq(only_in(db, "new", "old", "entity", "kind IN (2,3,5,20,40,43)"), 0, "%s", when);
    cr_assert_eq(only_in(db, "old", "new", "entity", "kind IN (2,3,5,20,40,43)"), 0, "%s", when);
    cr_assert_eq(only_in(db, "new", "old", "job",
                         "end_cause NOT LIKE '%was lost%' AND end_code<>'SKIPPED_DEPENDENCY'"),
                 0, "%s\n%s", when, told);
    expect_told(db, when);
    expect_passes(db, false, when);
}

static bool repair_part(const char *when)
{
    struct cq_err err;
    if (repair_now(false, &err) != 0) {
        cr_assert_not_null(strstr(err.text, "restore a backup: chipqd --restore FILE"), "%s: %s",
                           when, err.text);
        cr_assert_null(strstr(err.text, "does not fit together"), "%s: %s", when, err.text);
        expect_untouched(when);
        return false;
    }
    sqlite3 *db = open_both();
    expect_part(db, when);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    return true;
}

/* Two pages, of which one may be the journal's: then what is lost is lost. */
Test(store_repair, of_two_pages_what_is_left_is_as_it_was_and_the_rest_is_told)
{
    unsigned n_repaired = 0, n_refused = 0, n_lossy = 0;
    make_whole(false);
    size_t pages = whole.db_bytes / PAGE;
    for (size_t i = 0; i < 150; i++) {
        char when[64];
        size_t one = draw(pages), other = draw(pages);
        (void)snprintf(when, sizeof when, "pages %zu and %zu", one + 1, other + 1);
        put_whole();
        flip(p.path, one * PAGE + draw(PAGE));
        if (other != one)
            flip(p.path, other * PAGE + draw(PAGE));
        bool is_repaired = repair_part(when);
        n_repaired += is_repaired;
        n_refused += !is_repaired;
        n_lossy += is_repaired && strstr(told, "no job is lost") == NULL;
    }
    cr_assert_gt(n_repaired, 100);
    cr_assert_gt(n_lossy, 3);
    cr_assert_gt(n_refused, 0);
    end_whole();
}

static void expect_refused_start(const char *when)
{
    struct store_options so = {.path = p.path, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct cq_err err = {0};
    cr_assert_null(store_open(&so, &err), "%s", when);
    bool is_empty = strstr(err.text, "it is empty; restore a backup") != NULL;
    cr_assert(is_empty || strstr(err.text, "chipqd --repair"), "%s: %s", when, err.text);
    char ballast[160];
    (void)snprintf(ballast, sizeof ballast, "%s-ballast", p.path);
    (void)unlink(ballast);
}

/* A file that was cut has lost its last pages. */
Test(store_repair, a_database_that_was_cut_anywhere_is_repaired_or_refused)
{
    make_whole(false);
    unsigned n_repaired = 0;
    for (size_t cut = 0; cut < whole.db_bytes; cut += 3001) {
        char when[64];
        (void)snprintf(when, sizeof when, "cut at %zu of %zu", cut, whole.db_bytes);
        put_whole();
        cr_assert_eq(truncate(p.path, (off_t)cut), 0);
        expect_refused_start(when);
        n_repaired += repair_part(when);
    }
    cr_assert_gt(n_repaired, 0);
    end_whole();
}

/* ---- the WAL ---- */

/* What was committed before the broken frame is there, and nothing of what came behind it. */
static void expect_numbers_above(const char *when)
{
    sqlite3 *db = open_both();
    uint64_t last = count(db, "SELECT max(number) FROM old.job");
    static const char *const grow[] = {"job_request", "submit_key", "attempt"};
    for (size_t i = 0; i < CQ_COUNT(grow); i++)
        cr_assert_eq(only_in(db, "new", "old", grow[i], "1"), 0, "%s: %s", when, grow[i]);
    cr_assert_eq(only_in(db, "new", "old", "journal", "type NOT IN (1,60)"), 0, "%s", when);
    cr_assert_eq(count(db, "SELECT count(*) FROM new.job WHERE id NOT IN (SELECT id FROM old.job)"),
                 0);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    struct store_options so = {.path = p.path, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct cq_err err = {0};
    struct store *s = store_open(&so, &err);
    cr_assert_not_null(s, "%s", err.text);
    core_free(p.core);
    struct core_config config = {0};
    p.core = core_new(&config);
    cr_assert_eq(store_load(s, apply_record, p.core, &err), 0, "%s", err.text);
    core_load_done(p.core, p.now, &p.effects);
    effects_clear(&p.effects);
    p.store = s;
    struct in_job job = {.name = "j",
                         .tool = "",
                         .stage_of = "",
                         .array = "",
                         .topo = "",
                         .node_has = "",
                         .cores = 1,
                         .mem_mib = 1,
                         .run = "x",
                         .run_bytes = 1};
    struct input in = {.type = INPUT_SUBMIT, .principal = {2}, .request = 1};
    in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = &job, .n_jobs = 1};
    cr_assert_eq(core_step(p.core, &in, p.now, &p.effects, &err), 0, "%s", err.text);
    for (size_t i = 0; i < p.effects.n_outs; i++)
        if (p.effects.outs[i].type == OUT_ACCEPTED)
            cr_assert_gt(p.effects.outs[i].numbers[0], last, "%s", when);
    effects_clear(&p.effects);
    store_close(s);
    p.store = NULL;
}

Test(store_repair, frames_up_to_the_broken_one_are_used_and_numbers_begin_above_all)
{
    struct cq_err err;
    make_whole(true);
    size_t frames = (whole.wal_bytes - HEADER) / FRAME, step = frames / 40 + 1, n = 0;
    for (size_t i = 60; i + 20 < frames; i += step) {
        char when[64];
        (void)snprintf(when, sizeof when, "frame %zu of %zu", i, frames);
        put_whole();
        flip(whole.wal_path, HEADER + i * FRAME + 24 + 1000);
        cr_assert_eq(repair_now(false, &err), 0, "%s: %s", when, err.text);
        cr_assert_not_null(strstr(told, "transactions ("), "%s", told);
        expect_numbers_above(when);
        n++;
    }
    cr_assert_gt(n, 10);
    end_whole();
}

/* ---- what it does not do ---- */

static void expect_same(const char *path, const uint8_t *data, size_t bytes)
{
    size_t n;
    uint8_t *now = read_whole(path, &n);
    cr_assert_not_null(now);
    cr_assert_eq(n, bytes);
    cr_assert_eq(memcmp(now, data, n), 0);
    free(now);
}

Test(store_repair, a_check_and_a_refusal_change_nothing_and_the_damaged_one_is_kept)
{
    struct cq_err err;
    char sql[256], instance[128];
    make_whole(false);
    put_whole();
    cr_assert_neq(repair_now(false, &err), 0);
    cr_assert_not_null(strstr(err.text, "is not damaged; it is left as it is"), "%s", err.text);
    flip(p.path, whole.db_bytes - 100);
    size_t bytes;
    uint8_t *damaged = read_whole(p.path, &bytes);
    cr_assert_eq(repair_now(true, &err), 0, "%s", err.text);
    cr_assert_not_null(strstr(told, "nothing was changed"), "%s", told);
    expect_same(p.path, damaged, bytes);
    expect_untouched("check");

    (void)snprintf(instance, sizeof instance, "%s/instance", p.dir);
    write_whole(instance, (const uint8_t *)"0123456789abcdef0123456789abcdef\n", 33);
    cr_assert_neq(repair_now(false, &err), 0);
    cr_assert_not_null(strstr(err.text, "chipq.db, or the WAL beside it, is of another instance"),
                       "%s", err.text);
    expect_same(p.path, damaged, bytes);
    expect_untouched("another instance");
    cr_assert_eq(unlink(instance), 0);

    (void)snprintf(sql, sizeof sql, "%s/run/chipqd.pid", p.dir);
    int lock = file_lock_pid(sql, &err);
    cr_assert_geq(lock, 0);
    cr_assert_neq(repair_now(false, &err), 0);
    cr_assert_eq(err.code, CQ_E_CONFLICT, "%s", err.text);
    expect_untouched("a chipqd runs");
    (void)close(lock);

    cr_assert_eq(repair_now(false, &err), 0, "%s", err.text);
    const char *aside = strstr(told, "the damaged database is ");
    cr_assert_not_null(aside);
    (void)snprintf(sql, sizeof sql, "%.*s", (int)strcspn(aside + 24, "\n"), aside + 24);
    expect_same(sql, damaged, bytes);
    free(damaged);
    end_whole();
}

/* A long journal is replayed in rounds, in which jobs that are over leave memory. */
Test(store_repair, a_journal_is_replayed_in_rounds)
{
    struct cq_err err = {0};
    unsigned n = 0;
    make_whole(false);
    for (size_t i = 0; i < whole.db_bytes / PAGE; i++) {
        char made[160];
        struct daemon_options o = {.dir = p.dir};
        put_whole();
        flip(p.path, i * PAGE + 50);
        (void)snprintf(made, sizeof made, "%s.new", p.path);
        struct repair r = {.o = &o, .db = p.path, .made = made, .records_a_round = 40};
        cr_assert_eq(store_salvage(p.path, made, &r.found, &err), 0, "%s", err.text);
        if (salvage_needs_replay(&r.found)) {
            n++;
            cr_assert_eq(repair_replay(&r, &err), 0, "%s", err.text);
            cr_assert_eq(rename(made, p.path), 0);
            sqlite3 *db = open_both();
            cr_assert_eq(only_in(db, "old", "new", "job", "1"), 0, "page %zu", i + 1);
            cr_assert_eq(only_in(db, "old", "new", "task", "1"), 0, "page %zu", i + 1);
            cr_assert_eq(only_in(db, "new", "old", "job", "1"), 0, "page %zu", i + 1);
            cr_assert_eq(only_in(db, "new", "old", "attempt", "1"), 0, "page %zu", i + 1);
            cr_assert_eq(only_in(db, "old", "new", "entity", "1"), 0, "page %zu", i + 1);
            expect_passes(db, true, "rounds");
            cr_assert_eq(sqlite3_close(db), SQLITE_OK);
        }
        salvage_fini(&r.found);
    }
    cr_assert_gt(n, 10);
    end_whole();
}

/* ---- without sums ---- */

/* A database from before there were sums: what is read then is only what has the form of a row. */
static void run_each(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s: %s", text,
                     sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(st);
}

static void take_sums_away(void)
{
    sqlite3 *db;
    char sql[512];
    cr_assert_eq(unlink(p.path), 0);
    cr_assert_eq(sqlite3_open(p.path, &db), SQLITE_OK);
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA user_version=6; PRAGMA application_id=%d; ATTACH '%s' AS old",
                   0x63687051, whole.path);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    run_each(db, "SELECT sql FROM old.sqlite_schema ORDER BY rootpage");
    run_each(db, "SELECT 'INSERT INTO main.'||name||' SELECT * FROM old.'||name"
                 " FROM old.sqlite_schema WHERE type='table'");
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    free(whole.db);
    whole.db = read_whole(p.path, &whole.db_bytes);
    cr_assert_eq(whole.db[20], 0);
}

static void spoil(size_t n)
{
    int fd = open(p.path, O_RDWR);
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)draw(256);
        cr_assert_eq(pwrite(fd, &byte, 1, (off_t)draw(whole.db_bytes)), 1);
    }
    (void)close(fd);
}

Test(store_repair, garbage_in_a_database_without_sums_ends_no_process)
{
    struct cq_err err;
    unsigned n_repaired = 0;
    make_whole(false);
    take_sums_away();
    put_whole();
    cr_assert_eq(repair_now(false, &err), 0, "%s", err.text);
    cr_assert_not_null(strstr(told, "from before chipq kept checksums"), "%s", told);
    sqlite3 *db = open_both();
    expect_subset(db, "not damaged");
    expect_all_jobs(db, "not damaged");
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    for (size_t i = 0; i < 150; i++) {
        put_whole();
        spoil(1 + draw(i < 100 ? 20 : 3000));
        n_repaired += repair_now(false, &err) == 0;
    }
    cr_assert_gt(n_repaired, 5);
    end_whole();
}

/* ---- of an older chipqd ---- */

/* Each page is lost in turn, as zeroes: what comes out has the schema of today. */
Test(store_repair, a_database_of_schema_2)
{
    struct cq_err err = {0};
    struct cq_str sql CQ_CLEANUP(cq_str_fini) = {0};
    sqlite3 *db;
    uint8_t zeroes[PAGE] = {0};
    unsigned n_all = 0;
    make_whole(false);
    free(whole.db);
    cr_assert_eq(file_read(CHIPQ_SOURCE_DIR "/tests/data/schema-2.sql", 1 << 20, &sql, &err), 0);
    cr_assert_eq(unlink(p.path), 0);
    cr_assert_eq(sqlite3_open(p.path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, cq_str_text(&sql), NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    whole.db = read_whole(p.path, &whole.db_bytes);
    write_whole(whole.path, whole.db, whole.db_bytes);
    for (size_t i = 0; i <= whole.db_bytes / PAGE; i++) {
        char when[64];
        (void)snprintf(when, sizeof when, "page %zu", i);
        put_whole();
        int fd = open(p.path, O_RDWR);
        if (i > 0)
            cr_assert_eq(pwrite(fd, zeroes, PAGE, (off_t)((i - 1) * PAGE)), PAGE);
        (void)close(fd);
        if (repair_now(false, &err) != 0) {
            cr_assert_not_null(strstr(err.text, "restore a backup"), "%s: %s", when, err.text);
            continue;
        }
        db = open_both();
        n_all += count(db, "SELECT count(*) FROM new.job WHERE name IN "
                           "('passes','fails','many','kept')")
                 == 4;
        /* A snapshot that is made anew has the form of today. */
        cr_assert_eq(only_in(db, "new", "old", "job", "state>3"), 0, "%s\n%s", when, told);
        cr_assert_eq(count(db, "SELECT count(*) FROM new.sqlite_schema WHERE name='efficiency'"),
                     1);
        cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    }
    cr_assert_gt(n_all, 8, "%u", n_all);
    end_whole();
}
