/* What an id stands for: the snapshot records of people, projects and machines in the entity table.
 */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"

int entity_find(struct store *s, enum record_type kind, uint64_t id, struct record **out,
                struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_ENTITY_FIND);
    sql_bind_u64(st, 1, kind);
    sql_bind_u64(st, 2, id);
    int rc = sql_row(s, st, "find an entity", err);
    if (rc <= 0)
        return rc;
    rc = record_decode(kind, (uint64_t)sqlite3_column_int64(st, 0), sqlite3_column_blob(st, 1),
                       (size_t)sqlite3_column_bytes(st, 1), out, err);
    (void)sqlite3_reset(st);
    return rc == 0 ? 1 : -1;
}

static const char *name_in(const struct record *r)
{
    const char *name = NULL;
    if (r->type == RECORD_ENTERPRISE_ADD)
        name = r->u.enterprise_add.name;
    else if (r->type == RECORD_PROJECT_ADD)
        name = r->u.project_add.name;
    else if (r->type == RECORD_PRINCIPAL_ADD)
        name = r->u.principal_add.name;
    return name ? name : "";
}

char *entity_name(struct store *s, enum record_type kind, uint64_t id, struct cq_err *err)
{
    struct record *r = NULL;
    if (id == 0)
        return cq_strdup("");
    int rc = entity_find(s, kind, id, &r, err);
    if (rc < 0)
        return NULL;
    char *name = cq_strdup(rc > 0 ? name_in(r) : "?");
    record_free(r);
    return name;
}
