/* A store in a directory of its own, for tests of what it answers. */
#ifndef CHIPQ_TEST_STORE_FIXTURE_H
#define CHIPQ_TEST_STORE_FIXTURE_H

#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

static char dir[] = "/tmp/chipq-store-XXXXXX";
static char path[64];

CQ_UNUSED static void make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/chipq.db", dir);
}

CQ_UNUSED static void remove_dir(void)
{
    cr_assert_eq(dir_remove(dir, NULL), 0);
}

CQ_UNUSED static struct store *open_store(bool create)
{
    struct cq_err err = {0};
    struct store_options o = {
        .path = path, .create = create, .low_water_bytes = 1, .ballast_bytes = 4096};
    struct store *s = store_open(&o, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

CQ_UNUSED static void write_now(struct store *s, struct store_batch *b)
{
    struct cq_err err = {0};
    cr_assert_eq(store_write(s, b, &err), 0, "%s", err.text);
}

/* On a closed database. */
CQ_UNUSED static void raw_exec(const char *sql)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    cr_assert_eq(sqlite3_open_v2(path, &db, flags, store_vfs_name()), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

/* Asks and waits; the store runs. */
CQ_UNUSED static struct store_query *answer(struct store *s, struct store_query *q)
{
    store_ask(s, q);
    for (;;) {
        q = store_collect(s);
        if (q != NULL)
            return q;
        struct pollfd p = {.fd = store_fd(s), .events = POLLIN};
        cr_assert_eq(poll(&p, 1, 20000), 1);
    }
}

/* A record that is its own snapshot, into journal and entity table. Takes r. */
CQ_UNUSED static void add_named(struct store_batch *b, struct record *r, uint64_t id)
{
    struct entity_view e = {.type = r->type, .id = id, .record = r};
    store_batch_add_entity(b, &e);
    store_batch_add_record(b, r, 1);
}

CQ_UNUSED static void add_enterprise(struct store_batch *b, uint64_t id, const char *name)
{
    struct record *r = record_new(RECORD_ENTERPRISE_ADD);
    r->u.enterprise_add.id = id;
    r->u.enterprise_add.name = cq_strdup(name);
    add_named(b, r, id);
}

CQ_UNUSED static void add_project(struct store_batch *b, uint64_t id, uint64_t enterprise,
                                  const char *name)
{
    struct record *r = record_new(RECORD_PROJECT_ADD);
    r->u.project_add = (struct project_add){.id = id, .enterprise = enterprise};
    r->u.project_add.name = cq_strdup(name);
    add_named(b, r, id);
}

CQ_UNUSED static void add_principal(struct store_batch *b, uint64_t id, uint64_t enterprise,
                                    const char *name)
{
    struct record *r = record_new(RECORD_PRINCIPAL_ADD);
    r->u.principal_add = (struct principal_add){.id = id, .enterprise = enterprise};
    r->u.principal_add.name = cq_strdup(name);
    add_named(b, r, id);
}

#endif
