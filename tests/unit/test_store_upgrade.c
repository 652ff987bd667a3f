// LINK: cq_store
/* A database that an earlier chipqd left: it is upgraded in one go, and all of it is there. */
#include "tests/unit/store_fixture.h"

#include "scheduler/core/core.h"

TestSuite(store_upgrade, .init = make_dir, .fini = remove_dir, .timeout = 60);

static void make_database(const char *dump)
{
    struct cq_str sql = {0};
    struct cq_err err = {0};
    char *from CQ_CLEANUP(cq_free_ptr) = path_format(CHIPQ_SOURCE_DIR "/tests/data/%s", dump);
    cr_assert_eq(file_read(from, 1 << 20, &sql, &err), 0, "%s", err.text);
    raw_exec(cq_str_text(&sql));
    cq_str_fini(&sql);
}

static int64_t number_of(struct store *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    cr_assert_eq(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), SQLITE_OK, "%s", sql);
    cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return n;
}

static int apply(void *core, const struct record *r, struct cq_err *err)
{
    return core_apply(core, r, err);
}

static int replay(void *core, uint64_t seq, int64_t at_us, const struct record *r,
                  struct cq_err *err)
{
    (void)seq;
    (void)at_us;
    return core_apply(core, r, err);
}

static int note_job(void *arg, const struct stored_job *j, struct cq_err *err)
{
    (void)err;
    cq_str_printf(arg, "%s:%s ", j->name, job_state_name((enum job_state)j->state));
    return 0;
}

/* What it holds: a job that passed, one that failed, an array, one that is held; an enterprise. */
static void check_contents(struct store *s)
{
    struct cq_str jobs = {0};
    struct cq_err err = {0};
    struct counts loaded = {0}, replayed = {0};
    struct core_config config = {0};
    struct enterprise_id acme;
    cr_assert_eq(store_each_job(s, note_job, &jobs, &err), 0, "%s", err.text);
    cr_expect_str_eq(cq_str_text(&jobs), "passes:done fails:failed many:done kept:held ");
    cq_str_fini(&jobs);
    struct core *from_rows = core_new(&config), *from_journal = core_new(&config);
    cr_assert_eq(store_load(s, apply, from_rows, &err), 0, "%s", err.text);
    cr_assert_eq(store_each_journal(s, 0, replay, from_journal, &err), 0, "%s", err.text);
    core_counts(from_rows, (struct enterprise_id){0}, &loaded);
    core_counts(from_journal, (struct enterprise_id){0}, &replayed);
    cr_expect_eq(loaded.tasks_waiting, 1);
    cr_expect_eq(replayed.tasks_waiting, 1);
    cr_expect(core_find_enterprise(from_rows, "acme", &acme));
    core_free(from_rows);
    core_free(from_journal);
}

Test(store_upgrade, a_database_of_schema_2)
{
    char before[STORE_ID_CHARS + 1], after[STORE_ID_CHARS + 1];
    make_database("schema-2.sql");
    struct store *s = open_store(false);
    cr_expect_eq(number_of(s, "PRAGMA user_version"), SCHEMA_VERSION);
    cr_expect(!sums_are_kept(s->db), "its pages have no room for them");
    cr_expect_eq(number_of(s, "SELECT count(*) FROM usage"), 0);
    cr_expect_eq(number_of(s, "SELECT until FROM efficiency_fill"),
                 number_of(s, "SELECT max(seq) FROM journal"));
    check_contents(s);
    cr_assert_eq(store_id(s, before, NULL), 0);
    store_close(s);
    s = open_store(false); /* and as any other from then on */
    check_contents(s);
    cr_assert_eq(store_id(s, after, NULL), 0);
    cr_expect_str_eq(before, after);
    store_close(s);
}

/* Its runs are added up by the first who asks. */
Test(store_upgrade, what_ran_before_the_table_of_used_and_asked_is_added_up)
{
    make_database("schema-2.sql");
    struct store *s = open_store(false);
    int64_t enterprise = number_of(s, "SELECT enterprise FROM job WHERE name='passes'");
    store_start(s);
    struct store_query *q = store_query_new(QUERY_EFFICIENCY, NULL);
    q->enterprise.v = (uint64_t)enterprise;
    q->efficiency = efficiency_report_new(0, INT64_MAX);
    q = answer(s, q);
    double runs = 0;
    for (size_t i = 0; i < q->efficiency->n; i++)
        runs += q->efficiency->groups[i]->tally.runs;
    cr_expect_eq(runs, 5);
    store_query_free(q);
    store_close(s);
}
