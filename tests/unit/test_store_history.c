// LINK: cq_store
/* What ran, out of the journal: only what ran, whose it was, and page by page. */
#include "tests/unit/store_fixture.h"

TestSuite(store_history, .init = make_dir, .fini = remove_dir, .timeout = 60);

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

static void add_submit(struct store_batch *b, uint64_t id, uint64_t enterprise, const char *array)
{
    struct record *r = record_new(RECORD_JOB_SUBMIT);
    r->u.job_submit = (struct job_submit){.id = id,
                                          .enterprise = enterprise,
                                          .project = enterprise == ACME ? UART : SOC,
                                          .principal = enterprise == ACME ? ANN : CARL,
                                          .number = id * 10,
                                          .submit_count = 1,
                                          .at_us = (int64_t)id * 1000,
                                          .cores = 4,
                                          .mem_mib = 512,
                                          .time_us = 60,
                                          .array = cq_strdup(array),
                                          .name = cq_strdup("secret"),
                                          .licences = cq_strdup("vcs:2")};
    store_batch_add_record(b, r, 1);
}

static void add_end(struct store_batch *b, uint64_t job, uint64_t task, uint64_t worker,
                    enum verdict verdict)
{
    struct record *r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec = (struct attempt_end_rec){.job = job,
                                                    .task = task,
                                                    .attempt = 1,
                                                    .verdict = verdict,
                                                    .start_us = 50000,
                                                    .end_us = 50300,
                                                    .run_us = 299,
                                                    .worker = worker};
    store_batch_add_record(b, r, 1);
}

static struct store_query *ask(struct store *s, uint64_t enterprise, uint64_t after, uint64_t limit)
{
    struct store_query *q = store_query_new(QUERY_HISTORY, NULL);
    q->enterprise.v = enterprise;
    q->history = history_page_new();
    q->history->after = after;
    q->history->limit = limit;
    return answer(s, q);
}

Test(store_history, rows_are_what_ran_and_what_its_job_had_asked_for)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_submit(b, JOB, ACME, "");
    add_submit(b, JOB + 1, BETA, "1-3");
    add_end(b, JOB, 0, 9, VERDICT_FAIL);
    add_end(b, JOB + 1, 2, 0, VERDICT_LOST); /* chipqd's word: nobody knows how long it ran */
    add_end(b, JOB + 1, 2, 9, VERDICT_LOST); /* its worker's */
    add_end(b, JOB + 1, 3, 9, VERDICT_PASS);
    write_now(s, b);
    store_start(s);
    struct store_query *q = ask(s, 0, 0, 0);
    cr_assert_eq(q->history->n, 3);
    cr_expect(!q->history->has_more);
    const struct history_row *r = &q->history->rows[0];
    cr_expect_str_eq(r->enterprise, "acme");
    cr_expect_str_eq(r->project, "uart");
    cr_expect_str_eq(r->user, "ann");
    cr_expect_str_eq(r->licences, "vcs:2");
    cr_expect_eq(r->number, JOB * 10);
    cr_expect_eq(r->cores, 4);
    cr_expect_eq(r->mem_mib, 512);
    cr_expect_eq(r->time_us, 60);
    cr_expect_eq(r->submit_us, JOB * 1000);
    cr_expect_eq(r->start_us, 50000);
    cr_expect_eq(r->run_us, 299);
    cr_expect_eq(r->verdict, VERDICT_FAIL);
    cr_expect(!r->is_array);
    cr_expect(q->history->rows[2].is_array);
    cr_expect_eq(q->history->rows[2].task, 3);
    cr_expect_str_eq(q->history->rows[2].user, "carl");
    store_query_free(q);
    q = ask(s, ACME, 0, 0);
    cr_expect_eq(q->history->n, 1);
    store_query_free(q);
    q = store_query_new(QUERY_HISTORY, NULL);
    q->history = history_page_new();
    q->history->from_us = (JOB + 1) * 1000;
    q = answer(s, q);
    cr_expect_eq(q->history->n, 2);
    store_query_free(q);
    store_close(s);
}

Test(store_history, pages_follow_each_other_without_a_gap)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_submit(b, JOB, ACME, "1-2500");
    for (uint64_t i = 1; i <= 2500; i++)
        add_end(b, JOB, i, 9, VERDICT_PASS);
    write_now(s, b);
    store_start(s);
    uint64_t after = 0, task = 0, pages = 0;
    for (bool has_more = true; has_more; pages++) {
        struct store_query *q = ask(s, 0, after, 999999);
        cr_assert_leq(q->history->n, QUERY_ROWS_MAX);
        for (size_t i = 0; i < q->history->n; i++)
            cr_assert_eq(q->history->rows[i].task, ++task);
        has_more = q->history->has_more;
        after = q->history->next;
        store_query_free(q);
    }
    cr_expect_eq(task, 2500);
    cr_expect_eq(pages, 3);
    store_close(s);
}
