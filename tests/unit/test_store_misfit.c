// LINK: cq_daemon
/* Databases whose pages are all as they were written, and whose rows do not fit together: a bug of
 * ours, or a hand at the database. chipqd --repair makes them anew from the journal, and says so
 * when that does not help. promises: P1 */
#include "tests/unit/repair_fixture.h"

#include "scheduler/daemon/load.h"
#include "scheduler/store/internal.h"

TestSuite(store_misfit, .timeout = 120);

/* On a copy of the undamaged one, with its sums. */
static void change(const char *sql)
{
    sqlite3 *db;
    put_whole();
    cr_assert_eq(sqlite3_open_v2(p.path, &db, SQLITE_OPEN_READWRITE, store_vfs_name()), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(db));
    cr_assert_gt(sqlite3_total_changes(db), 0, "%s", sql);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

/* As chipqd starts. */
static int start(struct cq_err *err)
{
    struct store_options so = {
        .path = p.path, .loads = true, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct store *s = store_open(&so, err);
    cr_assert_not_null(s, "%s", err->text);
    const struct core_config config = {0};
    struct core *c = core_new(&config);
    int rc = load_all(s, c, err);
    core_free(c);
    store_close(s);
    return rc;
}

#define LIVE "(SELECT min(id) FROM job WHERE state<4)"

static const char *const changes[] = {
    /* a lease is gone, and what it runs says that it runs */
    "DELETE FROM entity WHERE kind=36",
    /* a job has the state of another one */
    "UPDATE job SET snapshot=(SELECT snapshot FROM job o WHERE o.state<4 AND o.snapshot<>"
    "job.snapshot LIMIT 1) WHERE id=" LIVE,
    /* a job has the request of another one */
    "UPDATE job_request SET payload=(SELECT payload FROM job_request o WHERE o.job<>job_request.job"
    " LIMIT 1) WHERE job=" LIVE,
    /* no state at all */
    "UPDATE job SET snapshot=zeroblob(5) WHERE id=" LIVE,
    /* nobody is charged for what runs */
    "DELETE FROM entity WHERE kind=47",
    /* a machine that runs something never was there */
    "DELETE FROM entity WHERE kind IN (20,21)",
    /* the next id is the last one that there is */
    "UPDATE entity SET payload=X'FFFFFFFFFFFFFFFFFF01000000' WHERE kind=6",
};

Test(store_misfit, rows_that_do_not_fit_are_refused_and_made_anew_from_the_journal)
{
    make_whole(false);
    for (size_t i = 0; i < CQ_COUNT(changes); i++) {
        struct cq_err err = {0};
        change(changes[i]);
        cr_assert_neq(start(&err), 0, "%s", changes[i]);
        cr_assert_neq(err.code, CQ_OK);
        cr_assert_eq(repair_now(true, &err), 0, "%s: %s", changes[i], err.text);
        cr_assert_not_null(strstr(told, "nothing was changed"), "%s", told);
        cr_assert_neq(start(&err), 0, "%s", changes[i]);
        cr_assert_eq(repair_now(false, &err), 0, "%s: %s", changes[i], err.text);
        cr_assert_not_null(strstr(told, "what it held does not fit together: "), "%s", told);
        cr_assert_not_null(strstr(told, "0 of "), "%s", told);
        cr_assert_not_null(strstr(told, "the journal is whole"), "%s", told);
        sqlite3 *db = open_both();
        expect_subset(db, changes[i]);
        expect_all_jobs(db, changes[i]);
        cr_assert_eq(sqlite3_close(db), SQLITE_OK);
        cr_assert_eq(start(&err), 0, "%s: %s", changes[i], err.text);
    }
    end_whole();
}

/* chipqd itself: it says what does not fit, and the ways out. */
Test(store_misfit, a_start_names_the_record_and_the_ways_out)
{
    struct daemon_options o = {.dir = p.dir, .low_water_mib = 1, .ready_fd = -1};
    struct cq_err err = {0};
    make_whole(false);
    change(changes[1]);
    cr_assert_neq(daemon_serve(&o, &err), 0);
    cr_expect_eq(err.code, CQ_E_INTERNAL);
    cr_expect(strstr(err.text, "chipqd --restore FILE") && strstr(err.text, "chipqd --repair")
                  && strstr(err.text, "load job id ") && strstr(err.text, "JOB_SNAPSHOT"),
              "%s", err.text);
    end_whole();
}

/* What the journal says does not fit either, or not all of it is there. */
Test(store_misfit, a_journal_that_does_not_help_is_refused_in_words)
{
    static const struct {
        const char *sql, *says;
    } journals[] = {
        {"DELETE FROM journal WHERE seq=20",
         "the journal, from which it could be made anew, has a gap"},
        {"UPDATE journal SET payload=(SELECT payload FROM journal o WHERE o.type=31 ORDER BY seq "
         "LIMIT 1)"
         " WHERE type=31",
         "journal record"},
        {"UPDATE journal SET payload=(SELECT payload FROM journal o WHERE o.type=10 ORDER BY seq "
         "LIMIT 1)"
         " WHERE type=10",
         "JOB_SUBMIT"},
        {"UPDATE journal SET payload=zeroblob(3) WHERE type=30", "has a gap"},
    };
    make_whole(false);
    for (size_t i = 0; i < CQ_COUNT(journals); i++) {
        struct cq_err err = {0};
        char sql[512];
        (void)snprintf(sql, sizeof sql, "%s; %s", changes[0], journals[i].sql);
        change(sql);
        cr_assert_neq(repair_now(false, &err), 0, "%s: %s", sql, told);
        cr_assert_not_null(strstr(err.text, journals[i].says), "%s: %s", sql, err.text);
        cr_assert_not_null(strstr(err.text, "restore a backup: chipqd --restore FILE"), "%s: %s",
                           sql, err.text);
    }
    end_whole();
}

/* The journal alone is wrong: nobody needs it to start. */
Test(store_misfit, what_is_sound_is_left_as_it_is)
{
    struct cq_err err = {0};
    make_whole(false);
    change("UPDATE journal SET payload=(SELECT payload FROM journal o WHERE o.type=31 LIMIT 1)"
           " WHERE type=31");
    cr_assert_eq(start(&err), 0, "%s", err.text);
    cr_assert_neq(repair_now(false, &err), 0);
    cr_assert_not_null(strstr(err.text, "is not damaged; it is left as it is"), "%s", err.text);
    end_whole();
}
