// LINK: cq_store
/* Usage in the database: it adds up, survives an upgrade, and reports group it as asked. */
#include "tests/unit/store_fixture.h"

#define HOUR_US (INT64_C(3600) * US_PER_S)
#define DAY_US  (24 * HOUR_US)

TestSuite(store_usage, .init = make_dir, .fini = remove_dir, .timeout = 60);

enum { ACME = 1, BETA, UART, CPU, SOC, ANN, BOB, ANN_AGAIN, CARL };

static void add_people(struct store_batch *b)
{
    add_enterprise(b, ACME, "acme");
    add_enterprise(b, BETA, "beta");
    add_project(b, UART, ACME, "uart");
    add_project(b, CPU, ACME, "cpu");
    add_project(b, SOC, BETA, "soc");
    add_principal(b, ANN, ACME, "ann");
    add_principal(b, BOB, ACME, "bob");
    add_principal(b, ANN_AGAIN, ACME, "ann");
    add_principal(b, CARL, BETA, "carl");
}

static void add_wait(struct store_batch *b, uint64_t enterprise, uint64_t project,
                     uint64_t principal, int64_t hour_us, uint64_t wait_us)
{
    uint32_t buckets[USAGE_WAIT_BUCKETS] = {0};
    const struct usage_licence tokens[] = {{"vcs", 2 * (uint64_t)HOUR_US}, {"dc", 7}};
    buckets[usage_wait_bucket(wait_us)] = 1;
    struct usage_view v = {.enterprise = {enterprise},
                           .project = {project},
                           .principal = {principal},
                           .hour_us = hour_us,
                           .attempts = 1,
                           .core_us = 4 * (uint64_t)HOUR_US,
                           .mem_mib_us = 1024 * (uint64_t)HOUR_US,
                           .waits = 1,
                           .wait_us = wait_us,
                           .wait_buckets = buckets,
                           .licences = tokens,
                           .n_licences = enterprise == ACME ? 2 : 0};
    store_batch_add_usage(b, &v);
}

static struct store_query *ask(struct store *s, uint64_t enterprise, enum usage_by by,
                               int64_t from_us, int64_t to_us)
{
    struct store_query *q = store_query_new(QUERY_USAGE, NULL);
    q->enterprise.v = enterprise;
    q->usage = usage_report_new(from_us, to_us, by);
    return answer(s, q);
}

static struct store *store_with_some(void)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_wait(b, ACME, UART, ANN, 10 * DAY_US, 1000);
    add_wait(b, ACME, UART, ANN, 10 * DAY_US, 3000000);
    add_wait(b, ACME, CPU, BOB, 10 * DAY_US + HOUR_US, 5);
    add_wait(b, ACME, CPU, ANN_AGAIN, 40 * DAY_US, 5);
    add_wait(b, BETA, SOC, CARL, 40 * DAY_US, 5);
    write_now(s, b);
    b = store_batch_new(s); /* another batch adds to the same rows */
    add_wait(b, ACME, UART, ANN, 10 * DAY_US, 1000);
    write_now(s, b);
    return s;
}

Test(store_usage, batches_add_up_and_reports_group_by_enterprise)
{
    struct store *s = store_with_some();
    store_start(s);
    struct store_query *q = ask(s, 0, USAGE_BY_ENTERPRISE, 0, INT64_MAX);
    const struct usage_report *r = q->usage;
    cr_assert_eq(r->n, 2);
    cr_expect_str_eq(r->groups[0]->enterprise_name, "acme");
    cr_expect_str_eq(r->groups[0]->project_name, "");
    cr_expect_eq(r->groups[0]->attempts, 5);
    cr_expect_eq(r->groups[0]->core_us, 5. * 4 * HOUR_US);
    cr_expect_eq(r->groups[0]->mem_mib_us, 5. * 1024 * HOUR_US);
    cr_assert_eq(r->groups[0]->n_tokens, 2);
    cr_expect_str_eq(r->groups[0]->tokens[0].feature, "dc");
    cr_expect_eq(r->groups[0]->tokens[0].token_us, 35);
    cr_expect_str_eq(r->groups[0]->tokens[1].feature, "vcs");
    cr_expect_eq(r->groups[0]->tokens[1].token_us, 10. * HOUR_US);
    cr_expect_str_eq(r->groups[1]->enterprise_name, "beta");
    cr_expect_eq(r->groups[1]->n_tokens, 0);
    store_query_free(q);
    store_close(s);
}

Test(store_usage, an_enterprise_sees_its_own_and_the_hours_asked_for)
{
    struct store *s = store_with_some();
    store_start(s);
    struct store_query *q = ask(s, BETA, USAGE_BY_PROJECT, 0, INT64_MAX);
    cr_assert_eq(q->usage->n, 1);
    cr_expect_str_eq(q->usage->groups[0]->project_name, "soc");
    store_query_free(q);
    q = ask(s, 0, USAGE_BY_PROJECT, 10 * DAY_US, 10 * DAY_US + HOUR_US);
    cr_assert_eq(q->usage->n, 1, "the hour's end is not in it");
    cr_expect_str_eq(q->usage->groups[0]->project_name, "uart");
    cr_expect_eq(q->usage->groups[0]->attempts, 3);
    store_query_free(q);
    q = ask(s, 0, USAGE_BY_PROJECT, 10 * DAY_US + HOUR_US, 40 * DAY_US);
    cr_assert_eq(q->usage->n, 1);
    cr_expect_str_eq(q->usage->groups[0]->project_name, "cpu");
    store_query_free(q);
    q = ask(s, ACME, USAGE_BY_PROJECT, 41 * DAY_US, INT64_MAX);
    cr_expect_eq(q->usage->n, 0);
    store_query_free(q);
    store_close(s);
}

Test(store_usage, a_user_with_a_new_key_is_one_row)
{
    struct store *s = store_with_some();
    store_start(s);
    struct store_query *q = ask(s, ACME, USAGE_BY_USER, 0, INT64_MAX);
    cr_assert_eq(q->usage->n, 2);
    cr_expect_str_eq(q->usage->groups[0]->user_name, "ann");
    cr_expect_eq(q->usage->groups[0]->attempts, 4);
    cr_expect_eq(q->usage->groups[0]->tokens[1].token_us, 8. * HOUR_US);
    cr_expect_str_eq(q->usage->groups[1]->user_name, "bob");
    store_query_free(q);
    store_close(s);
}

Test(store_usage, days_and_months_are_those_of_the_calendar)
{
    struct store *s = store_with_some();
    store_start(s);
    struct store_query *q = ask(s, 0, USAGE_BY_DAY, 0, INT64_MAX);
    cr_assert_eq(q->usage->n, 2);
    cr_expect_eq(q->usage->groups[0]->period_us, 10 * DAY_US);
    cr_expect_eq(q->usage->groups[0]->attempts, 4);
    cr_expect_eq(q->usage->groups[1]->period_us, 40 * DAY_US);
    store_query_free(q);
    q = ask(s, 0, USAGE_BY_MONTH, 0, INT64_MAX);
    cr_assert_eq(q->usage->n, 2);
    cr_expect_eq(q->usage->groups[0]->period_us, 0);
    cr_expect_eq(q->usage->groups[1]->period_us, 31 * DAY_US); /* February 1970 */
    store_query_free(q);
    store_close(s);
}

Test(store_usage, the_95th_percentile_is_that_of_all_waits_together)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    for (int i = 0; i < 95; i++)
        add_wait(b, ACME, UART, ANN, i * HOUR_US, 2000000);
    for (int i = 0; i < 5; i++)
        add_wait(b, ACME, CPU, BOB, i * HOUR_US, 900 * US_PER_S);
    write_now(s, b);
    store_start(s);
    struct store_query *q = ask(s, 0, USAGE_BY_ENTERPRISE, 0, INT64_MAX);
    const struct usage_group *g = q->usage->groups[0];
    cr_expect_eq(g->waits, 100);
    cr_expect_eq(g->wait_us, 95. * 2000000 + 5. * 900 * US_PER_S);
    cr_expect_eq(g->p95_wait_us, usage_wait_of_bucket(usage_wait_bucket(2000000)));
    store_query_free(q);
    q = ask(s, 0, USAGE_BY_USER, 0, INT64_MAX);
    cr_expect_eq(q->usage->groups[1]->p95_wait_us,
                 usage_wait_of_bucket(usage_wait_bucket(900 * US_PER_S)));
    store_query_free(q);
    store_close(s);
}

Test(store_usage, more_rows_than_a_page_are_all_read)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    for (int i = 0; i < 1000; i++) {
        add_wait(b, ACME, UART, ANN, i * HOUR_US, 5);
        add_wait(b, BETA, SOC, CARL, i * HOUR_US, 5);
    }
    write_now(s, b);
    store_start(s);
    struct store_query *q = ask(s, 0, USAGE_BY_ENTERPRISE, 100 * HOUR_US, 900 * HOUR_US);
    cr_assert_eq(q->usage->n, 2);
    cr_expect_eq(q->usage->groups[0]->attempts, 800);
    cr_expect_eq(q->usage->groups[1]->attempts, 800);
    store_query_free(q);
    store_close(s);
}

Test(store_usage, a_database_of_before_is_upgraded_and_keeps_what_it_has)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    write_now(s, b);
    store_close(s);
    raw_exec("DROP TABLE usage; DROP TABLE usage_wait; DROP TABLE usage_licence;"
             "DROP TABLE audit; DROP TABLE pass; DROP TABLE efficiency; "
             "DROP TABLE efficiency_fill; PRAGMA user_version=2");
    s = open_store(false);
    cr_expect_eq(store_next_seq(s), 10);
    b = store_batch_new(s);
    add_wait(b, ACME, UART, ANN, 0, 5);
    write_now(s, b);
    store_start(s);
    struct store_query *q = ask(s, 0, USAGE_BY_USER, 0, INT64_MAX);
    cr_assert_eq(q->usage->n, 1);
    cr_expect_str_eq(q->usage->groups[0]->user_name, "ann");
    store_query_free(q);
    store_close(s);
}
