/* Reads what can be read of a damaged database into a new one: each table by its tree; then pages
 * to which a lost one pointed, where their rows can be of one table only. */
#include "scheduler/store/salvage.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <sys/stat.h>
#include <unistd.h>

enum { ROWS_A_COMMIT = 50000, SCHEMA_ROOT = 1 };
enum { AT_PAGES = 28, AT_FIRST_FREE = 32, AT_FREE_COUNT = 36, AT_USER_VERSION = 60 };
enum { AT_APPLICATION = 68 };

/* ---- rows into the new database ---- */

static int sql_error(struct salvage_run *x, const char *what)
{
    if (!x->has_failed)
        (void)sql_fail(x->s, sqlite3_errcode(x->s->db), what, x->err);
    x->has_failed = true;
    return -1;
}

/* As one transaction it would be as large as the database. */
static void commit_now_and_then(struct salvage_run *x)
{
    if (++x->n_written % ROWS_A_COMMIT == 0
        && sqlite3_exec(x->s->db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE); BEGIN", NULL, NULL,
                        NULL)
               != SQLITE_OK)
        (void)sql_error(x, "commit");
}

/* The names of the first n columns: an older database has fewer, and the others their default. */
static char *insert_text(struct salvage_run *x, const char *table, size_t n)
{
    struct cq_str names = {0}, marks = {0}, sql CQ_CLEANUP(cq_str_fini) = {0};
    sqlite3_stmt *st = NULL;
    cq_str_printf(&sql, "SELECT name FROM pragma_table_info('%s') ORDER BY cid", table);
    if (sqlite3_prepare_v2(x->s->db, cq_str_text(&sql), -1, &st, NULL) != SQLITE_OK)
        (void)sql_error(x, table);
    for (size_t i = 0; i < n && sqlite3_step(st) == SQLITE_ROW; i++) {
        cq_str_printf(&names, "%s%s", i ? "," : "", (const char *)sqlite3_column_text(st, 0));
        cq_str_add(&marks, i ? ",?" : "?");
    }
    (void)sqlite3_finalize(st);
    /* These two have their one row from the schema. */
    bool has_row = strcmp(table, "reign") == 0 || strcmp(table, "efficiency_fill") == 0;
    cq_str_clear(&sql);
    cq_str_printf(&sql, "INSERT OR %s INTO %s(%s) VALUES(%s)", has_row ? "REPLACE" : "IGNORE",
                  table, cq_str_text(&names), cq_str_text(&marks));
    cq_str_fini(&names);
    cq_str_fini(&marks);
    return cq_str_take(&sql);
}

static void bind_value(sqlite3_stmt *st, int at, const struct salvage_value *v)
{
    if (v->kind == 'i')
        (void)sqlite3_bind_int64(st, at, v->i);
    else if (v->kind == 'r')
        (void)sqlite3_bind_double(st, at, v->r);
    else if (v->kind == 't')
        (void)sqlite3_bind_text64(st, at, (const char *)v->data, v->bytes, SQLITE_STATIC,
                                  SQLITE_UTF8);
    else if (v->kind == 'b')
        (void)sqlite3_bind_blob64(st, at, v->data, v->bytes, SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(st, at);
}

static sqlite3_stmt *insert_of(struct salvage_run *x, size_t n)
{
    if (x->insert != NULL && x->n_insert == n)
        return x->insert;
    char *sql CQ_CLEANUP(cq_free_ptr) = insert_text(x, x->kind->name, n);
    (void)sqlite3_finalize(x->insert);
    x->insert = NULL;
    x->n_insert = n;
    if (sqlite3_prepare_v2(x->s->db, sql, -1, &x->insert, NULL) != SQLITE_OK)
        (void)sql_error(x, sql);
    return x->insert;
}

static bool take_row(void *arg, const struct salvage_row *row)
{
    struct salvage_run *x = arg;
    if (!salvage_fits(x->kind, row))
        return false;
    sqlite3_stmt *st = x->has_failed ? NULL : insert_of(x, row->n);
    if (st == NULL)
        return true;
    for (size_t i = 0; i < row->n; i++)
        if (x->kind->columns[i] == 'k')
            (void)sqlite3_bind_int64(st, (int)i + 1, row->rowid);
        else
            bind_value(st, (int)i + 1, &row->columns[i]);
    if (sqlite3_step(st) != SQLITE_DONE)
        (void)sql_error(x, x->kind->name);
    x->table->kept += (uint64_t)sqlite3_changes(x->s->db);
    (void)sqlite3_reset(st);
    commit_now_and_then(x);
    return true;
}

static bool only_look(void *arg, const struct salvage_row *row)
{
    const struct salvage_run *x = arg;
    return salvage_fits(x->kind, row);
}

static void choose(struct salvage_run *x, size_t i)
{
    x->kind = &salvage_kinds[i];
    x->table = &x->out->tables[i];
    (void)sqlite3_finalize(x->insert);
    x->insert = NULL;
}

static void read_table(struct salvage_run *x, size_t i)
{
    choose(x, i);
    if (x->root[i] == 0) { /* older schemas lack some */
        x->table->is_damaged = !x->is_schema_known || x->version >= SCHEMA_VERSION;
        return;
    }
    struct salvage_tree *t = &x->trees[i];
    *t = (struct salvage_tree){.is_index = x->kind->is_index, .fn = take_row, .arg = x};
    tree_read(&x->p, x->root[i], t);
    x->table->bad_pages = t->n_bad_pages;
    x->table->bad_rows = t->n_bad_rows;
    x->table->is_damaged = t->n_bad_pages + t->n_bad_rows > 0;
}

/* ---- the schema: where trees begin ---- */

static bool take_schema_row(void *arg, const struct salvage_row *row)
{
    struct salvage_run *x = arg;
    const struct salvage_value *name = &row->columns[1], *root = &row->columns[3];
    if (row->n != 5 || name->kind != 't' || root->kind != 'i')
        return false;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (strlen(salvage_kinds[i].name) == name->bytes
            && memcmp(salvage_kinds[i].name, name->data, name->bytes) == 0)
            x->root[i] = (uint32_t)root->i;
    if (name->bytes == 10 && memcmp(name->data, "job_number", 10) == 0)
        x->root_number = (uint32_t)root->i;
    if (name->bytes == 8 && memcmp(name->data, "job_live", 8) == 0)
        x->root_live = (uint32_t)root->i;
    return true;
}

static uint32_t root_here(struct salvage_run *x, const char *name)
{
    sqlite3_stmt *st = NULL;
    uint32_t root = 0;
    if (sqlite3_prepare_v2(x->s->db, "SELECT rootpage FROM sqlite_schema WHERE name=?", -1, &st,
                           NULL)
        != SQLITE_OK)
        (void)sql_error(x, "read the schema");
    (void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(st) == SQLITE_ROW)
        root = (uint32_t)sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return root;
}

/* A database that was made by this version has its trees where a new one has them; one that was
 * upgraded may not, and then what is found there are no rows of that table. */
static void guess_roots(struct salvage_run *x)
{
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        x->root[i] = x->root[i] ? x->root[i] : root_here(x, salvage_kinds[i].name);
    x->root_number = x->root_number ? x->root_number : root_here(x, "job_number");
    x->root_live = x->root_live ? x->root_live : root_here(x, "job_live");
}

static void read_schema(struct salvage_run *x)
{
    struct salvage_tree t = {.fn = take_schema_row, .arg = x};
    tree_read(&x->p, SCHEMA_ROOT, &t);
    x->is_schema_known = t.n_bad_pages + t.n_bad_rows == 0;
    if (!x->is_schema_known)
        guess_roots(x);
}

/* ---- the head: whose file it is, and what is free ---- */

/* A page on the list holds rows of before, which are not to be believed. */
static bool read_free_list(struct salvage_run *x, uint32_t trunk, uint32_t n)
{
    uint8_t *page CQ_CLEANUP(cq_free_ptr) = cq_malloc((size_t)x->p.bytes + 8);
    while (trunk != 0 && n > 0) {
        if (pages_is_used(&x->p, trunk <= x->p.n ? trunk : 0) || !pages_read(&x->p, trunk, page))
            return false;
        uint32_t leaves = page_u32(page + 4);
        if (leaves > x->p.usable / 4 - 2 || leaves + 1 > n)
            return false;
        pages_use(&x->p, trunk);
        for (uint32_t i = 0; i < leaves; i++)
            pages_use(&x->p, page_u32(page + 8 + 4 * (size_t)i));
        n -= leaves + 1;
        trunk = page_u32(page);
    }
    return trunk == 0 && n == 0;
}

static int read_head(struct salvage_run *x, const char *path, struct cq_err *err)
{
    uint8_t *page CQ_CLEANUP(cq_free_ptr) = cq_malloc((size_t)x->p.bytes + 8);
    x->version = SCHEMA_VERSION;
    if (!pages_read(&x->p, 1, page))
        return 0;
    if (memcmp(page, "SQLite format 3", 16) != 0 && !x->p.has_sums)
        return cq_fail(err, CQ_E_IO,
                       "%s is not a database, or its first page is lost and it has no checksums; "
                       "restore a backup: chipqd --restore FILE",
                       path);
    if (memcmp(page, "SQLite format 3", 16) != 0)
        return 0;
    x->version = page_u32(page + AT_USER_VERSION);
    x->out->told_pages = page_u32(page + AT_PAGES);
    if (page_u32(page + AT_APPLICATION) != APPLICATION_ID)
        return cq_fail(err, CQ_E_IO, "%s is not a database of chipq", path);
    if (x->version > SCHEMA_VERSION)
        return cq_fail(err, CQ_E_VERSION,
                       "%s has schema version %u, this chipqd knows %d: it was made by a newer "
                       "chipq; repair it with that one",
                       path, x->version, SCHEMA_VERSION);
    x->is_free_known =
        read_free_list(x, page_u32(page + AT_FIRST_FREE), page_u32(page + AT_FREE_COUNT));
    return 0;
}

/* ---- pages to which nothing points any more ---- */

/* Rows that are never changed may also be taken from a page that is free. */
static bool may_own(const struct salvage_run *x, size_t i)
{
    return x->trees[i].has_lost_branch && (x->is_free_known || salvage_kinds[i].is_append_only);
}

static bool can_be_of(struct salvage_run *x, uint32_t page, size_t i)
{
    struct salvage_tree look = {.is_index = salvage_kinds[i].is_index, .fn = only_look, .arg = x};
    choose(x, i);
    return tree_read_page(&x->p, page, &look);
}

static void adopt_page(struct salvage_run *x, uint32_t page)
{
    size_t owner = SALVAGE_TABLES, n = 0;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (may_own(x, i) && can_be_of(x, page, i)) {
            owner = i;
            n++;
        }
    if (n != 1)
        return;
    struct salvage_tree take = {
        .is_index = salvage_kinds[owner].is_index, .fn = take_row, .arg = x};
    choose(x, owner);
    pages_use(&x->p, page);
    (void)tree_read_page(&x->p, page, &take);
}

static void adopt_pages(struct salvage_run *x)
{
    bool is_due = false;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        is_due = is_due || may_own(x, i);
    for (uint32_t page = 2; is_due && page <= x->p.n && !x->has_failed; page++)
        if (!pages_is_used(&x->p, page))
            adopt_page(x, page);
}

/* ---- the whole ---- */

static void report_pages(struct salvage_run *x)
{
    struct salvage *out = x->out;
    out->pages = x->p.n;
    out->page_bytes = x->p.bytes;
    out->has_sums = x->p.has_sums;
    out->bad_pages = pages_count_bad(&x->p, out->bad_page, SALVAGE_PAGES_NAMED, &out->n_bad_page);
    out->wal_frames = x->p.wal.frames;
    out->lost_frames = x->p.wal.lost_frames;
    out->lost_commits = x->p.wal.lost_commits;
}

static int read_all(struct salvage_run *x, const char *path, struct cq_err *err)
{
    if (pages_open(&x->p, path, err) != 0 || read_head(x, path, err) != 0)
        return -1;
    report_pages(x);
    struct store_options so = {
        .path = x->made, .create = true, .low_water_bytes = 1, .ballast_bytes = 4096};
    x->s = store_open(&so, err);
    if (x->s == NULL || sql_exec(x->s, "BEGIN", err) != 0)
        return -1;
    read_schema(x);
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        read_table(x, i);
    salvage_see_indices(x);
    adopt_pages(x);
    salvage_complete(x);
    (void)sqlite3_finalize(x->insert);
    x->insert = NULL;
    return x->has_failed ? -1 : sql_exec(x->s, "COMMIT", err);
}

int store_salvage(const char *path, const char *made, struct salvage *out, struct cq_err *err)
{
    struct cq_err why = {0};
    struct salvage_run x = {.out = out, .made = made, .err = &why};
    *out = (struct salvage){0};
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        out->tables[i].name = salvage_kinds[i].name;
    int rc = read_all(&x, path, &why);
    (void)sqlite3_finalize(x.insert);
    store_close(x.s);
    pages_close(&x.p);
    return rc == 0 ? 0 : cq_fail(err, why.code, "%s", why.text);
}

void salvage_fini(struct salvage *s)
{
    free(s->jobs);
    free(s->gaps);
    *s = (struct salvage){0};
}

const struct salvaged_table *salvage_table(const struct salvage *s, const char *name)
{
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (strcmp(s->tables[i].name, name) == 0)
            return &s->tables[i];
    return NULL;
}

bool salvage_needs_replay(const struct salvage *s)
{
    static const char *const names[] = {"entity", "job", "task", "attempt", "pass"};
    for (size_t i = 0; i < CQ_COUNT(names); i++)
        if (salvage_table(s, names[i])->is_damaged)
            return true;
    return false;
}
