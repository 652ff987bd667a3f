/* Rows of a change of configuration: collected, and compared with what is. */
#include "cli/config_rows.h"

#include "common/base/pure/mem.h"

static void free_text(const char *text)
{
    union {
        const char *from;
        char *to;
    } p = {.from = text};
    free(p.to);
}

static void free_row(struct config_row *row)
{
    free_text(row->kind);
    free_text(row->path);
    free_text(row->key);
    free_text(row->value);
}

static char *copy(const char *text)
{
    return cq_strdup(text ? text : "");
}

static void append(struct config_rows *rows, struct config_row row, struct flow_at at)
{
    cq_grow(&rows->items, &rows->cap, rows->n);
    cq_grow(&rows->ats, &rows->cap_ats, rows->n);
    rows->items[rows->n] = row;
    rows->ats[rows->n++] = at;
}

void config_rows_add(struct config_rows *rows, struct config_row_spec s)
{
    struct config_row row = {.op = s.op,
                             .kind = copy(s.kind),
                             .path = copy(s.path),
                             .key = copy(s.key),
                             .value = copy(s.value)};
    append(rows, row, s.at);
}

void config_rows_move(struct config_rows *to, struct config_rows *from)
{
    for (size_t i = 0; i < from->n; i++)
        append(to, from->items[i], from->ats[i]);
    from->n = 0;
    config_rows_fini(from);
}

void config_rows_fini(struct config_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        free_row(&rows->items[i]);
    free(rows->items);
    free(rows->ats);
    *rows = (struct config_rows){0};
}

/* ---- what is, and what is wanted, by thing ---- */

static const char *thing_key(const char *kind, const char *path, struct cq_str *buffer)
{
    cq_str_clear(buffer);
    cq_str_printf(buffer, "%s %s", kind, path);
    return cq_str_text(buffer);
}

/* {"enterprise acme": {"weight": "2"}} */
static json_t *things_now(const struct setting_row *now, size_t n)
{
    json_t *things = json_object();
    struct cq_str name = {0};
    for (size_t i = 0; i < n; i++) {
        const char *key = thing_key(now[i].kind, now[i].path, &name);
        if (json_object_get(things, key) == NULL)
            json_object_set_new(things, key, json_object());
        if (*now[i].key)
            json_object_set_new(json_object_get(things, key), now[i].key,
                                json_string(now[i].value));
    }
    cq_str_fini(&name);
    return things;
}

/* The same of things that the rows describe whole; a thing with other rows becomes null. */
static json_t *things_wanted(const struct config_rows *rows)
{
    json_t *things = json_object();
    struct cq_str name = {0};
    for (size_t i = 0; i < rows->n; i++) {
        const struct config_row *r = &rows->items[i];
        const char *key = thing_key(r->kind, r->path, &name);
        json_t *thing = json_object_get(things, key);
        if (r->op == ROW_CLEAR && (thing == NULL || json_is_object(thing)))
            json_object_set_new(things, key, json_object());
        else if (r->op == ROW_SET && json_is_object(thing) && *r->value)
            json_object_set_new(thing, r->key, json_string(r->value));
        else if (r->op != ROW_PUT)
            json_object_set_new(things, key, json_null());
    }
    cq_str_fini(&name);
    return things;
}

static void keep_only(struct config_rows *rows, const bool *keeps)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (!keeps[i]) {
            free_row(&rows->items[i]);
            continue;
        }
        rows->items[n] = rows->items[i];
        rows->ats[n++] = rows->ats[i];
    }
    rows->n = n;
}

void config_rows_drop_same(struct config_rows *rows, const struct setting_row *now, size_t n_now)
{
    json_t *old = things_now(now, n_now), *new = things_wanted(rows);
    CQ_CLEANUP(cq_free_ptr) bool *keeps = cq_calloc(rows->n + 1, sizeof *keeps);
    struct cq_str name = {0};
    for (size_t i = 0; i < rows->n; i++) {
        const char *key = thing_key(rows->items[i].kind, rows->items[i].path, &name);
        const json_t *before = json_object_get(old, key), *after = json_object_get(new, key);
        keeps[i] = before == NULL || !json_equal(before, after);
    }
    keep_only(rows, keeps);
    cq_str_fini(&name);
    json_decref(old);
    json_decref(new);
}

void config_rows_add_prunes(struct config_rows *rows, const struct setting_row *now, size_t n_now)
{
    json_t *named = json_object();
    struct cq_str name = {0};
    for (size_t i = 0; i < rows->n; i++)
        json_object_set_new(named, thing_key(rows->items[i].kind, rows->items[i].path, &name),
                            json_true());
    for (size_t i = 0; i < n_now; i++) {
        const struct setting_row *r = &now[i];
        bool is_prunable = strcmp(r->kind, "enterprise") == 0 || strcmp(r->kind, "licence") == 0
                           || strcmp(r->kind, "instrument") == 0;
        const char *key = thing_key(r->kind, r->path, &name);
        if (!is_prunable || json_object_get(named, key) != NULL)
            continue;
        json_object_set_new(named, key, json_true());
        config_rows_add(
            rows, (struct config_row_spec){.op = ROW_REMOVE, .kind = r->kind, .path = r->path});
    }
    cq_str_fini(&name);
    json_decref(named);
}

void config_rows_drop_bare_enterprises(struct config_rows *rows)
{
    json_t *wanted = things_wanted(rows);
    CQ_CLEANUP(cq_free_ptr) bool *keeps = cq_calloc(rows->n + 1, sizeof *keeps);
    struct cq_str name = {0};
    for (size_t i = 0; i < rows->n; i++) {
        const char *key = thing_key(rows->items[i].kind, rows->items[i].path, &name);
        const json_t *thing = json_object_get(wanted, key);
        bool is_bare = thing == NULL || (json_is_object(thing) && json_object_size(thing) == 0);
        keeps[i] = strcmp(rows->items[i].kind, "enterprise") != 0 || !is_bare;
    }
    keep_only(rows, keeps);
    cq_str_fini(&name);
    json_decref(wanted);
}
