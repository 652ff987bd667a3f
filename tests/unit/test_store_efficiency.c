// LINK: cq_store
/* Used against asked: whose runs, what they asked, what they took; kept as ends are written. */
#include "scheduler/store/efficiency.h"
#include "tests/unit/store_fixture.h"

TestSuite(store_efficiency, .init = make_dir, .fini = remove_dir, .timeout = 60);

enum { ACME = 1, BETA, UART, SOC, ANN, CARL, JOB };

static void add_people(struct store_batch *b)
{
    add_enterprise(b, ACME, "acme");
    add_enterprise(b, BETA, "beta");
    add_project(b, UART, ACME, "uart");
    add_project(b, SOC, BETA, "soc");
    add_principal(b, ANN, ACME, "ann");
    add_principal(b, CARL, BETA, "carl");
}

static void add_submit(struct store_batch *b, uint64_t id, uint64_t enterprise, const char *name)
{
    struct record *r = record_new(RECORD_JOB_SUBMIT);
    r->u.job_submit = (struct job_submit){.id = id,
                                          .enterprise = enterprise,
                                          .project = enterprise == ACME ? UART : SOC,
                                          .principal = enterprise == ACME ? ANN : CARL,
                                          .number = id,
                                          .submit_count = 1,
                                          .cores = 4,
                                          .mem_mib = 1000,
                                          .name = cq_strdup(name)};
    store_batch_add_record(b, r, 1);
}

static void add_end(struct store_batch *b, uint64_t job, int64_t at_us, uint64_t mem_mib,
                    uint64_t peak_mib)
{
    struct record *r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec = (struct attempt_end_rec){.job = job,
                                                    .attempt = 1,
                                                    .verdict = VERDICT_PASS,
                                                    .start_us = at_us - 100,
                                                    .end_us = at_us,
                                                    .run_us = 100,
                                                    .cpu_user_us = 90,
                                                    .cpu_system_us = 10,
                                                    .peak_mem_kib = peak_mib * 1024,
                                                    .mem_mib = mem_mib,
                                                    .worker = 9,
                                                    .at_us = at_us};
    store_batch_add_record(b, r, at_us);
}

static struct store_query *ask(struct store *s, uint64_t enterprise, int64_t from_us, int64_t to_us)
{
    struct store_query *q = store_query_new(QUERY_EFFICIENCY, NULL);
    q->enterprise.v = enterprise;
    q->efficiency = efficiency_report_new(from_us, to_us);
    return answer(s, q);
}

#define HOUR_US (INT64_C(3600) * US_PER_S)

/* In three hours and two batches. */
static struct store *write_ends(void)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_submit(b, JOB, ACME, "seed-1");
    add_submit(b, JOB + 1, ACME, "seed-22");
    add_submit(b, JOB + 2, BETA, "seed-3");
    add_end(b, JOB, 1000, 0, 250);
    add_end(b, JOB + 2, HOUR_US + 1500, 4000, 3999);
    add_end(b, JOB + 1, HOUR_US + 2000, 2000, 3000); /* nothing held it to what it asked */
    write_now(s, b);
    b = store_batch_new(s);
    add_end(b, JOB + 1, HOUR_US + 3000, 500, 0); /* not measured */
    add_end(b, JOB + 77, HOUR_US, 500, 100);     /* nobody knows what it was */
    write_now(s, b);
    return s;
}

static struct store *make(void)
{
    struct store *s = write_ends();
    store_start(s);
    return s;
}

static void expect_sums(struct store *s)
{
    struct store_query *q = ask(s, ACME, 0, INT64_MAX);
    cr_assert_eq(q->efficiency->n, 1);
    const struct efficiency_group *g = q->efficiency->groups[0];
    cr_expect_str_eq(g->what, "seed-#");
    cr_expect_str_eq(g->project_name, "uart");
    cr_expect_str_eq(g->user_name, "ann");
    cr_expect_eq(g->tally.runs, 3);
    cr_expect_eq(g->tally.core_us, 1200);
    cr_expect_eq(g->tally.cpu_us, 300);
    cr_expect_eq(g->tally.asked_mib_us, 300000);
    cr_expect_eq(g->tally.used_mib_us, 225000);
    cr_expect_eq(g->tally.asked_mib, 2000);
    cr_expect_eq(g->p95_mib, 3000);
    store_query_free(q);
}

Test(store_efficiency, runs_of_a_kind_are_summed)
{
    struct store *s = make();
    expect_sums(s);
    store_close(s);
}

Test(store_efficiency, of_a_time_and_of_one_enterprise)
{
    struct store *s = make();
    struct store_query *q = ask(s, ACME, 1, 2 * HOUR_US);
    cr_assert_eq(q->efficiency->n, 1);
    cr_expect_eq(q->efficiency->groups[0]->tally.runs, 2);
    store_query_free(q);
    q = ask(s, ACME, 0, HOUR_US);
    cr_assert_eq(q->efficiency->n, 1);
    cr_expect_eq(q->efficiency->groups[0]->tally.runs, 1);
    cr_expect_eq(q->efficiency->groups[0]->p95_mib, 250);
    store_query_free(q);
    q = ask(s, ACME, 2 * HOUR_US, INT64_MAX);
    cr_expect_eq(q->efficiency->n, 0);
    store_query_free(q);
    q = ask(s, BETA, 0, INT64_MAX);
    cr_assert_eq(q->efficiency->n, 1);
    cr_expect_eq(q->efficiency->groups[0]->tally.runs, 1);
    cr_expect_str_eq(q->efficiency->groups[0]->user_name, "carl");
    store_query_free(q);
    store_close(s);
}

Test(store_efficiency, they_outlive_the_process_and_need_no_journal)
{
    store_close(write_ends());
    raw_exec("DELETE FROM journal WHERE type NOT IN (1)");
    struct store *s = open_store(false);
    store_start(s);
    expect_sums(s);
    store_close(s);
}

#define TO_VERSION_5 "DROP TABLE efficiency; DROP TABLE efficiency_fill; PRAGMA user_version=5"

Test(store_efficiency, an_older_database_is_summed_up_when_somebody_asks)
{
    store_close(write_ends());
    raw_exec(TO_VERSION_5);
    for (size_t i = 0; i < 2; i++) { /* once only */
        struct store *s = open_store(false);
        store_start(s);
        expect_sums(s);
        expect_sums(s);
        store_close(s);
    }
}

/* Pieces are 2048 records; what ends in between is not counted twice. */
Test(store_efficiency, a_long_journal_is_summed_up_piece_by_piece)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    struct cq_err err = {0};
    add_people(b);
    add_submit(b, JOB, ACME, "seed-1");
    for (int64_t i = 0; i < 5000; i++)
        add_end(b, JOB, i % 3 * HOUR_US + 200, 100, 50);
    write_now(s, b);
    store_close(s);
    raw_exec(TO_VERSION_5);
    s = open_store(false);
    cr_expect_eq(efficiency_is_filled(s, &err), 0, "%s", err.text);
    cr_expect_eq(efficiency_fill(s, &err), 0, "%s", err.text);
    cr_expect_eq(efficiency_is_filled(s, &err), 0, "%s", err.text);
    b = store_batch_new(s);
    for (int64_t i = 0; i < 100; i++)
        add_end(b, JOB, HOUR_US, 100, 50);
    write_now(s, b);
    store_close(s);
    s = open_store(false); /* goes on where it was */
    store_start(s);
    struct store_query *q = ask(s, ACME, 0, INT64_MAX);
    cr_assert_eq(q->efficiency->n, 1);
    cr_expect_eq(q->efficiency->groups[0]->tally.runs, 5100);
    store_query_free(q);
    store_close(s);
}

/* Each has its own row: a page holds 64. */
Test(store_efficiency, more_rows_than_a_page_are_all_read)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_submit(b, JOB, ACME, "seed-1");
    add_submit(b, JOB + 1, ACME, "other");
    for (int64_t i = 0; i < 300; i++) {
        add_end(b, JOB, i * HOUR_US + 200, 100, 50);
        add_end(b, JOB + 1, i * HOUR_US + 200, 100, 50);
    }
    write_now(s, b);
    store_start(s);
    struct store_query *q = ask(s, ACME, 100 * HOUR_US, 200 * HOUR_US);
    cr_assert_eq(q->efficiency->n, 2);
    cr_expect_eq(q->efficiency->groups[0]->tally.runs, 100);
    cr_expect_eq(q->efficiency->groups[1]->tally.runs, 100);
    store_query_free(q);
    store_close(s);
}

/* Its keeper died with it: it held cores, but what it made of them is no zero. */
Test(store_efficiency, an_attempt_that_nobody_measured_is_no_run)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_submit(b, JOB, ACME, "seed-1");
    add_end(b, JOB, HOUR_US, 1000, 500);
    struct record *r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec = (struct attempt_end_rec){.job = JOB,
                                                    .attempt = 2,
                                                    .verdict = VERDICT_LOST,
                                                    .start_us = HOUR_US,
                                                    .end_us = 2 * HOUR_US,
                                                    .run_us = HOUR_US,
                                                    .mem_mib = 1000,
                                                    .worker = 9,
                                                    .at_us = HOUR_US};
    store_batch_add_record(b, r, HOUR_US);
    write_now(s, b);
    store_start(s);
    struct store_query *q = ask(s, ACME, 0, INT64_MAX);
    cr_assert_eq(q->efficiency->n, 1);
    cr_expect_eq(q->efficiency->groups[0]->tally.runs, 1);
    cr_expect_eq(q->efficiency->groups[0]->tally.core_us, 400);
    store_query_free(q);
    store_close(s);
}
