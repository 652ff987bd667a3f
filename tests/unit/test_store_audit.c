// LINK: cq_store
/* The audit: every change is there in words, and a row that was tampered with shows. */
#include "tests/unit/store_fixture.h"

TestSuite(store_audit, .init = make_dir, .fini = remove_dir, .timeout = 60);

enum { ACME = 1, BETA, UART, ROOT, ANN, LEAF, NODE, BOOKING };

static void add_record(struct store_batch *b, struct record *r, int64_t at_us)
{
    store_batch_add_record(b, r, at_us);
}

static void add_settings(struct store_batch *b, uint64_t node, const char *settings, int64_t at_us)
{
    struct record *r = record_new(RECORD_NODE_SETTINGS);
    r->u.node_settings = (struct node_settings){
        .id = node, .settings = cq_strdup(settings), .principal = ROOT, .at_us = at_us};
    struct entity_view e = {.type = r->type, .id = node, .record = r};
    store_batch_add_entity(b, &e);
    add_record(b, r, at_us);
}

/* Enterprises, a platform admin of none, a user, her leaf; all in one batch. */
static void add_people(struct store_batch *b)
{
    add_principal(b, ROOT, 0, "root");
    struct record *r = record_new(RECORD_ENTERPRISE_ADD);
    r->u.enterprise_add =
        (struct enterprise_add){.id = ACME, .name = cq_strdup("acme"), .principal = ROOT};
    add_named(b, r, ACME);
    add_enterprise(b, BETA, "beta");
    add_project(b, UART, ACME, "uart");
    r = record_new(RECORD_PRINCIPAL_ADD);
    r->u.principal_add = (struct principal_add){.id = ANN,
                                                .enterprise = ACME,
                                                .name = cq_strdup("ann"),
                                                .role = ROLE_ENTERPRISE_ADMIN,
                                                .public_key = cq_strdup("KEY"),
                                                .principal = ROOT};
    add_named(b, r, ANN);
    r = record_new(RECORD_LEAF_ADD);
    r->u.leaf_add = (struct leaf_add){.id = LEAF, .project = UART, .principal = ANN};
    add_named(b, r, LEAF);
}

static struct store_query *ask(struct store *s, uint64_t enterprise, uint64_t before,
                               uint64_t limit)
{
    struct store_query *q = store_query_new(QUERY_AUDIT, NULL);
    q->enterprise.v = enterprise;
    q->audit = audit_page_new();
    q->audit->before = before;
    q->audit->limit = limit;
    return answer(s, q);
}

/* All that the audit says, the oldest first: "who: verb object (detail)". */
static char *said(struct store *s, uint64_t enterprise)
{
    struct store_query *q = ask(s, enterprise, 0, 1000);
    struct cq_str out = {0};
    for (size_t i = q->audit->n; i > 0; i--) {
        const struct audit_row *r = &q->audit->rows[i - 1];
        cq_str_printf(&out, "%s: %s %s%s%s\n", r->principal_name, r->verb, r->object,
                      *r->detail ? " | " : "", r->detail);
    }
    store_query_free(q);
    return cq_str_take(&out);
}

static void expect_said(struct store *s, uint64_t enterprise, const char *wanted)
{
    char *text = said(s, enterprise);
    cr_expect_str_eq(text, wanted);
    free(text);
}

Test(store_audit, people_and_settings_are_told_by_name)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    add_settings(b, ACME, "weight=2\nmax-cores=64", 5);
    add_settings(b, ACME, "weight=3", 6);
    write_now(s, b);
    b = store_batch_new(s);
    add_settings(b, ACME, "weight=3\nmin-cores=8", 7);
    add_settings(b, UART, "max-running=5", 8);
    add_settings(b, LEAF, "max-running=1", 9);
    struct record *r = record_new(RECORD_PRINCIPAL_REVOKE);
    r->u.principal_revoke = (struct principal_revoke){.id = ANN, .principal = ROOT};
    add_record(b, r, 10);
    write_now(s, b);
    store_start(s);
    expect_said(s, 0,
                "chipqd: user add root | role=designer key=\n"
                "root: enterprise add acme\n"
                "chipqd: enterprise add beta\n"
                "root: user add acme/ann | role=admin key=KEY\n"
                "root: settings acme | weight=2 (was default), max-cores=64 (was default)\n"
                "root: settings acme | weight=3 (was 2), max-cores=default (was 64)\n"
                "root: settings acme | min-cores=8 (was default)\n"
                "root: settings acme/uart | max-running=5 (was default)\n"
                "root: settings acme/uart/ann | max-running=1 (was default)\n"
                "root: user revoke acme/ann\n");
    expect_said(s, BETA, "chipqd: enterprise add beta\n");
    store_close(s);
}

static void add_feature(struct store_batch *b, uint64_t owner, bool removed)
{
    struct record *r = record_new(RECORD_FEATURE_SET);
    r->u.feature_set = (struct feature_set){.id = 20,
                                            .name = cq_strdup("vcs"),
                                            .owner = owner,
                                            .count = 12,
                                            .removed = removed,
                                            .principal = ROOT};
    add_record(b, r, 1);
}

static void add_drain(struct store_batch *b, uint64_t principal)
{
    struct record *r = record_new(RECORD_WORKER_DRAIN);
    r->u.worker_drain = (struct worker_drain){.worker = NODE, .drain = 1, .principal = principal};
    add_record(b, r, 1);
}

Test(store_audit, features_nodes_and_bookings_are_told_by_name)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    struct record *r = record_new(RECORD_WORKER_ADD);
    r->u.worker_add = (struct worker_add){.id = NODE, .name = cq_strdup("n1")};
    add_named(b, r, NODE);
    r = record_new(RECORD_RESERVATION_ADD);
    r->u.reservation_add = (struct reservation_add){.id = BOOKING,
                                                    .name = cq_strdup("tapeout"),
                                                    .node = UART,
                                                    .start_us = 3600 * US_PER_S,
                                                    .end_us = 7200 * US_PER_S,
                                                    .cores = 4,
                                                    .licences = cq_strdup("vcs:2"),
                                                    .principal = ANN};
    add_named(b, r, BOOKING);
    write_now(s, b);
    b = store_batch_new(s);
    add_feature(b, 0, false);
    add_feature(b, ACME, false);
    add_feature(b, ACME, true);
    add_drain(b, ROOT);
    add_drain(b, 0); /* the pool stops: nobody's doing */
    r = record_new(RECORD_RESERVATION_REMOVE);
    r->u.reservation_remove = (struct reservation_remove){.id = BOOKING, .principal = ANN};
    struct entity_view gone = {.type = RECORD_RESERVATION_ADD, .id = BOOKING, .gone = true};
    store_batch_add_entity(b, &gone);
    add_record(b, r, 1);
    write_now(s, b);
    store_start(s);
    char *text = said(s, 0);
    const char *rest = strstr(text, "acme/ann: reservation add");
    cr_assert_not_null(rest);
    cr_expect_str_eq(rest, "acme/ann: reservation add tapeout | for=acme/uart "
                           "from=1970-01-01T01:00:00.000Z to=1970-01-01T02:00:00.000Z cores=4 "
                           "licences=vcs:2\n"
                           "root: licence set vcs | count=12\n"
                           "root: licence set vcs | count=12 owner=acme\n"
                           "root: licence remove vcs | owner=acme\n"
                           "root: node drain n1\n"
                           "acme/ann: reservation remove tapeout | for=acme/uart "
                           "from=1970-01-01T01:00:00.000Z to=1970-01-01T02:00:00.000Z cores=4 "
                           "licences=vcs:2\n");
    free(text);
    store_close(s);
}

static struct store *store_with_rows(int n)
{
    struct store *s = open_store(true);
    struct store_batch *b = store_batch_new(s);
    add_people(b);
    write_now(s, b);
    for (int i = 0; i < n; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "weight=%d", i + 2);
        b = store_batch_new(s);
        add_settings(b, ACME, text, 1000 + i);
        write_now(s, b);
    }
    return s;
}

Test(store_audit, pages_and_times_bound_what_is_listed)
{
    struct store *s = store_with_rows(300);
    store_start(s);
    struct store_query *q = ask(s, ACME, 0, 100);
    cr_assert_eq(q->audit->n, 100);
    cr_expect(q->audit->has_more);
    cr_expect_eq(q->audit->rows[0].at_us, 1299);
    uint64_t before = q->audit->rows[99].seq;
    store_query_free(q);
    q = ask(s, ACME, before, 1000);
    cr_expect_eq(q->audit->rows[0].at_us, 1199);
    cr_expect(!q->audit->has_more);
    cr_expect_eq(q->audit->n, 202); /* with the enterprise and its user */
    store_query_free(q);
    q = store_query_new(QUERY_AUDIT, NULL);
    q->audit = audit_page_new();
    q->audit->from_us = 1010;
    q->audit->to_us = 1020;
    q = answer(s, q);
    cr_expect_eq(q->audit->n, 10);
    store_query_free(q);
    store_close(s);
}

static uint64_t verify(uint64_t *checked)
{
    struct store *s = open_store(false);
    store_start(s);
    struct store_query *q = store_query_new(QUERY_AUDIT, NULL);
    q->audit = audit_page_new();
    q->audit->is_verify = true;
    q = answer(s, q);
    uint64_t broken = q->audit->broken_seq;
    *checked = q->audit->checked;
    store_query_free(q);
    store_close(s);
    return broken;
}

Test(store_audit, what_was_written_is_found_whole)
{
    uint64_t checked;
    store_close(store_with_rows(300));
    cr_expect_eq(verify(&checked), 0);
    cr_expect_eq(checked, 304);
}

Test(store_audit, a_row_that_was_changed_taken_out_or_put_in_is_found)
{
    static const struct {
        const char *sql;
        uint64_t broken;
    } cases[] = {
        {"UPDATE audit SET detail='weight=9 (was 2)' WHERE seq=20", 20},
        {"UPDATE audit SET at_us=at_us+1 WHERE seq=20", 20},
        {"UPDATE audit SET principal_name='eve' WHERE seq=20", 20},
        {"DELETE FROM audit WHERE seq=20", 21},
        {"DELETE FROM audit WHERE seq=1", 2},
        {"INSERT INTO audit SELECT 100,at_us,principal,principal_name,enterprise,verb,object,"
         "detail,prev_hash,hash FROM audit WHERE seq=20",
         100},
        {"UPDATE audit SET hash=zeroblob(32) WHERE seq=36", 36},
        {"UPDATE audit SET hash='short' WHERE seq=36", 36},
    };
    store_close(store_with_rows(30)); /* records 1 to 6 and 7 to 36 */
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        uint64_t checked;
        raw_exec("CREATE TABLE saved AS SELECT * FROM audit");
        raw_exec(cases[i].sql);
        cr_expect_eq(verify(&checked), cases[i].broken, "%s", cases[i].sql);
        raw_exec("DELETE FROM audit; INSERT INTO audit SELECT * FROM saved; DROP TABLE saved");
    }
    uint64_t checked;
    cr_expect_eq(verify(&checked), 0);
}

Test(store_audit, a_database_of_before_begins_its_audit_when_it_is_upgraded)
{
    uint64_t checked;
    store_close(store_with_rows(3));
    raw_exec("DROP TABLE audit; DROP TABLE pass; DROP TABLE efficiency; DROP TABLE "
             "efficiency_fill; PRAGMA "
             "user_version=3");
    struct store *s = open_store(false);
    struct store_batch *b = store_batch_new(s);
    add_settings(b, ACME, "weight=7", 5);
    write_now(s, b);
    store_start(s);
    expect_said(s, 0, "root: settings acme | weight=7 (was 4)\n");
    store_close(s);
    cr_expect_eq(verify(&checked), 0);
    cr_expect_eq(checked, 1);
}
