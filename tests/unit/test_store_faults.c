// LINK: cq_store
/* The store on a disk that fails: each call of each kind in turn, and the power at each change.
 * What it said is written is there afterwards, and nothing is there by half. */
#include "tests/unit/store_jobs.h"

enum { BATCHES = 6, CHECKPOINT_AFTER = 3 };

TestSuite(store_faults, .init = jobs_set_up, .fini = jobs_tear_down, .timeout = 120);

/* Commits job after job until one is not acknowledged. Returns how many were. */
static uint64_t commit_jobs(struct store *s, struct cq_err *err)
{
    for (uint64_t n = 1; n <= BATCHES; n++) {
        if (store_write(s, batch_of_job(s, n), err) != 0)
            return n - 1;
        if (n == CHECKPOINT_AFTER
            && sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL)
                   != SQLITE_OK)
            return n;
    }
    return BATCHES;
}

/* After whatever happened: all that was acknowledged is there, and at most the one more that was
 * under way. */
static void check_after(uint64_t acked, const char *when)
{
    struct cq_err err = {0};
    struct store *s = try_open(false, &err);
    cr_assert_not_null(s, "%s: %s", when, err.text);
    uint64_t there = jobs_there(s, when);
    cr_assert(there == acked || there == acked + 1, "%s: %d acknowledged, %d there", when,
              (int)acked, (int)there);
    store_close(s);
}

/* A fault of this kind at each call in turn, until a run passes without. */
static unsigned fail_each(enum fault_call call, enum fault_kind kind, bool for_good)
{
    for (unsigned nth = 1; nth < 1000; nth++) {
        char when[64];
        struct cq_err err = {0};
        (void)snprintf(when, sizeof when, "call %d kind %d nth %u", (int)call, (int)kind, nth);
        struct store *s = open_anew();
        fault_set(call, nth, kind, for_good);
        uint64_t acked = commit_jobs(s, &err);
        cr_assert(acked == BATCHES || fault_disk.has_struck, "%s: %s", when, err.text);
        store_close(s);
        bool is_clean = !fault_disk.has_struck;
        fault_none();
        check_after(acked, when);
        if (is_clean)
            return nth - 1;
    }
    cr_assert_fail("never clean");
    return 0;
}

Test(store_faults, every_call_that_fails_costs_nothing_that_was_acknowledged)
{
    for (int for_good = 0; for_good <= 1; for_good++) {
        cr_expect_geq(fail_each(FAULT_WRITE, FAULT_IO, for_good), 20);
        cr_expect_geq(fail_each(FAULT_WRITE, FAULT_FULL, for_good), 20);
        cr_expect_geq(fail_each(FAULT_WRITE, FAULT_SHORT, for_good), 20);
        cr_expect_geq(fail_each(FAULT_SYNC, FAULT_IO, for_good), 6);
        cr_expect_geq(fail_each(FAULT_TRUNCATE, FAULT_IO, for_good), 1);
        (void)fail_each(FAULT_READ, FAULT_IO, for_good);
        (void)fail_each(FAULT_OPEN, FAULT_IO, for_good);
        (void)fail_each(FAULT_DELETE, FAULT_IO, for_good);
    }
}

static int load_nothing(void *arg, const struct record *r, struct cq_err *err)
{
    (void)arg;
    (void)r;
    (void)err;
    return 0;
}

/* A database that was killed, so that its WAL must be read; then each call of the start fails. */
Test(store_faults, a_start_that_fails_changes_nothing)
{
    static const enum fault_call calls[] = {FAULT_OPEN, FAULT_READ,     FAULT_WRITE,
                                            FAULT_SYNC, FAULT_TRUNCATE, FAULT_DELETE};
    struct cq_err err = {0};
    struct store *s = open_anew();
    cr_assert_eq(commit_jobs(s, &err), BATCHES);
    fault_disk.is_off = true; /* as killed: closing writes nothing, what was written stays */
    store_close(s);
    fault_power_on();
    unsigned refused = 0;
    for (size_t i = 0; i < CQ_COUNT(calls); i++) {
        bool has_struck = true;
        for (unsigned nth = 1; has_struck; nth++) {
            fault_set(calls[i], nth, FAULT_IO, false);
            s = try_open(false, &err);
            bool is_fine = s != NULL && store_load(s, load_nothing, NULL, &err) == 0;
            refused += !is_fine;
            cr_assert(is_fine || err.text[0] != '\0');
            has_struck = fault_disk.has_struck;
            if (s != NULL)
                fault_disk.is_off = true;
            store_close(s);
            fault_power_on();
            check_after(BATCHES, "a failed start");
            cr_assert_lt(nth, 1000);
        }
    }
    cr_expect_gt(refused, 10);
}

Test(store_faults, the_power_may_go_at_any_change)
{
    unsigned struck = 0;
    for (unsigned seed = 1; seed <= 6; seed++) {
        for (unsigned nth = 1;; nth++) {
            char when[64];
            struct cq_err err = {0};
            (void)snprintf(when, sizeof when, "seed %u, change %u", seed, nth);
            struct store *s = open_anew();
            fault_disk.seed = seed * 7919 + nth;
            fault_set(FAULT_CHANGE, nth, FAULT_POWER, false);
            uint64_t acked = commit_jobs(s, &err);
            store_close(s);
            bool has_struck = fault_disk.has_struck;
            fault_power_on();
            check_after(acked, when);
            if (!has_struck)
                break;
            struck++;
        }
    }
    cr_expect_gt(struck, 200);
}

/* ---- no room ---- */

static void wait_commit(struct store *s)
{
    while (store_is_busy(s)) {
        struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 20000), 1);
        cr_assert_null(store_collect(s));
    }
}

Test(store_faults, a_write_without_room_takes_the_ballast_and_is_made_again)
{
    for (unsigned nth = 1; nth < 30; nth++) {
        struct store *s = open_anew();
        cr_assert_eq(access(s->space.ballast_path, F_OK), 0);
        store_start(s);
        fault_set(FAULT_WRITE, nth, FAULT_SHORT, false);
        for (uint64_t n = 1; n <= BATCHES; n++) {
            store_commit(s, batch_of_job(s, n));
            wait_commit(s);
        }
        cr_assert(fault_disk.has_struck);
        store_close(s);
        fault_none();
        check_after(BATCHES, "no room once");
    }
}

static struct store_query *ask_jobs(struct store *s)
{
    struct store_query *q = store_query_new(QUERY_JOBS, NULL);
    q->enterprise.v = 1;
    q->limit = 100;
    return answer(s, q);
}

Test(store_faults, without_any_room_a_batch_waits_and_questions_are_answered)
{
    struct store *s = open_anew();
    store_start(s);
    store_commit(s, batch_of_job(s, 1));
    wait_commit(s);
    fault_set(FAULT_WRITE, 1, FAULT_FULL, true);
    store_commit(s, batch_of_job(s, 2));
    while (store_space(s).room != ROOM_NONE) {
        struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 20000), 1);
        cr_assert_null(store_collect(s));
    }
    struct store_query *q = ask_jobs(s);
    cr_assert_eq(q->n_jobs, 1);
    cr_assert(store_is_busy(s));
    cr_assert_eq(store_durable_seq(s), 2);
    store_query_free(q);
    fault_none(); /* room is made */
    wait_commit(s);
    cr_assert_eq(store_durable_seq(s), 4);
    cr_assert_eq(store_space(s).room, ROOM_FINE);
    store_close(s);
    check_after(2, "room was made");
}

Test(store_faults, a_store_that_is_closed_without_room_ends_and_keeps_what_was_written)
{
    struct store *s = open_anew();
    store_start(s);
    store_commit(s, batch_of_job(s, 1));
    wait_commit(s);
    fault_set(FAULT_WRITE, 1, FAULT_FULL, true);
    store_commit(s, batch_of_job(s, 2));
    store_close(s);
    fault_none();
    check_after(1, "closed");
}
