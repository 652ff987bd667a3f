/* Reads the configuration from YAML into rows. */
#include "cli/config_yaml.h"

#include "cli/flow_yaml.h"
#include "cli/setting_keys.h"
#include "cli/yaml_walk.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

enum { VALUE_MAX = 4095 };

/* Rows are collected apart, so that each names only what is there already. */
enum part { PART_ENTERPRISES, PART_FEATURES, PART_SETTINGS, PART_FEED, PARTS };

struct reader {
    struct yaml_walk w;
    struct config_rows parts[PARTS];
};

struct thing { /* what the rows below a key are about */
    enum part part;
    const char *kind, *path;
};

static void add(struct reader *r, const struct thing *t, enum config_rows_op op,
                const yaml_node_t *at)
{
    config_rows_add(
        &r->parts[t->part],
        (struct config_row_spec){.op = op, .kind = t->kind, .path = t->path, .at = flow_at_of(at)});
}

static void add_set(struct reader *r, const struct thing *t, const char *key, const char *value,
                    const yaml_node_t *at)
{
    if (strlen(value) > VALUE_MAX)
        flow_errors_add(r->w.e, flow_at_of(at), "%s: %zu bytes; at most %d", key, strlen(value),
                        VALUE_MAX);
    else if (strchr(value, '\n'))
        flow_errors_add(r->w.e, flow_at_of(at), "%s: one line, please", key);
    else
        config_rows_add(&r->parts[t->part], (struct config_row_spec){.op = ROW_SET,
                                                                     .kind = t->kind,
                                                                     .path = t->path,
                                                                     .key = key,
                                                                     .value = value,
                                                                     .at = flow_at_of(at)});
}

static bool is_empty(const yaml_node_t *value)
{
    return value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0
           && flow_is_plain(value);
}

/* A map, or nothing at all after the colon. */
static bool expect_map(struct reader *r, const char *what, const yaml_node_t *value)
{
    return !is_empty(value) && yaml_walk_expect(&r->w, what, value, YAML_MAPPING_NODE, "a map");
}

static bool expect_name(struct reader *r, const char *what, const yaml_node_t *key)
{
    if (is_name(flow_scalar(key)))
        return true;
    flow_errors_add(r->w.e, flow_at_of(key), "'%.80s' is no name of %s (letters, digits, . _ -)",
                    flow_scalar(key), what);
    return false;
}

/* ---- settings of the share tree ---- */

/* {vcs: 4, dc: 2} means the same as "vcs:4,dc:2". */
static void read_tokens(struct reader *r, const struct thing *t, const char *key,
                        const yaml_node_t *map)
{
    struct cq_str text = {0};
    yaml_node_t *name, *count;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &name, &count);)
        if (yaml_walk_expect(&r->w, key, count, YAML_SCALAR_NODE, "a count of tokens"))
            cq_str_printf(&text, "%s%s:%s", text.len ? "," : "", flow_scalar(name),
                          flow_scalar(count));
    add_set(r, t, key, cq_str_text(&text), map);
    cq_str_fini(&text);
}

static void read_setting(struct reader *r, const struct thing *t, const char *key,
                         const yaml_node_t *value)
{
    if (strcmp(key, "max-licence") == 0 && value->type == YAML_MAPPING_NODE)
        read_tokens(r, t, key, value);
    else if (yaml_walk_expect(&r->w, key, value, YAML_SCALAR_NODE, "one value"))
        add_set(r, t, key, flow_scalar(value), value);
}

static void fail_setting(struct reader *r, const yaml_node_t *key, const char *below,
                         const struct thing *t)
{
    const char *known[SETTING_KEYS + 2];
    char where[256];
    size_t n = 0;
    for (; n < SETTING_KEYS; n++)
        known[n] = setting_keys[n].key;
    known[n++] = below;
    known[n] = NULL;
    (void)snprintf(where, sizeof where, "%s '%s'", t->kind, t->path);
    yaml_walk_unknown(&r->w, key, known, where);
}

/* Puts the settings of a node into rows and returns the value of the key `below` ("projects",
 * "users"), or NULL. */
static yaml_node_t *read_node(struct reader *r, const struct thing *t, const yaml_node_t *at,
                              const yaml_node_t *map, const char *below)
{
    yaml_node_t *key, *value, *found = NULL;
    add(r, t, ROW_CLEAR, at);
    if (!expect_map(r, t->path, map))
        return NULL;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);)
        if (below && strcmp(flow_scalar(key), below) == 0)
            found = value;
        else if (setting_key_is_known(flow_scalar(key)))
            read_setting(r, t, flow_scalar(key), value);
        else
            fail_setting(r, key, below, t);
    return found;
}

static void read_users(struct reader *r, const char *project, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!expect_map(r, "users", map))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);) {
        char path[192];
        if (!expect_name(r, "a user", key))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", project, flow_scalar(key));
        const struct thing user = {PART_SETTINGS, "user", path};
        add(r, &user, ROW_PUT, key);
        (void)read_node(r, &user, key, value, NULL);
    }
}

static void read_projects(struct reader *r, const char *enterprise, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!expect_map(r, "projects", map))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);) {
        char path[128];
        if (!expect_name(r, "a project", key))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", enterprise, flow_scalar(key));
        const struct thing project = {PART_SETTINGS, "project", path};
        add(r, &project, ROW_PUT, key);
        const yaml_node_t *users = read_node(r, &project, key, value, "users");
        if (users)
            read_users(r, path, users);
    }
}

static void read_enterprises(struct reader *r, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!expect_map(r, "enterprises", map))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);) {
        if (!expect_name(r, "an enterprise", key))
            continue;
        const struct thing made = {PART_ENTERPRISES, "enterprise", flow_scalar(key)};
        const struct thing set = {PART_SETTINGS, "enterprise", flow_scalar(key)};
        add(r, &made, ROW_PUT, key);
        const yaml_node_t *projects = read_node(r, &set, key, value, "projects");
        if (projects)
            read_projects(r, flow_scalar(key), projects);
    }
}

/* ---- features, the feed ---- */

/* A map whose keys are all of `known`. */
static void read_flat(struct reader *r, const struct thing *t, const yaml_node_t *map,
                      const char *const *known, const char *where)
{
    yaml_node_t *key, *value;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);) {
        bool is_known = false;
        for (size_t k = 0; known[k] && !is_known; k++)
            is_known = strcmp(known[k], flow_scalar(key)) == 0;
        if (!is_known)
            yaml_walk_unknown(&r->w, key, known, where);
        else if (yaml_walk_expect(&r->w, flow_scalar(key), value, YAML_SCALAR_NODE, "one value"))
            add_set(r, t, flow_scalar(key), flow_scalar(value), value);
    }
}

static bool has_key(const struct config_rows *rows, size_t from, const char *key)
{
    for (size_t i = from; i < rows->n; i++)
        if (strcmp(rows->items[i].key, key) == 0)
            return true;
    return false;
}

/* `vcs: {count: 12, owner: acme}`, or `vcs: 12`. */
static void read_feature(struct reader *r, const struct thing *t, const yaml_node_t *key,
                         const yaml_node_t *value)
{
    static const char *const known[] = {"count", "owner", NULL};
    size_t from = r->parts[t->part].n, errors = r->w.e->n;
    char where[96];
    (void)snprintf(where, sizeof where, "%s '%s'", t->kind, t->path);
    add(r, t, ROW_PUT, key);
    add(r, t, ROW_CLEAR, key);
    if (value->type == YAML_SCALAR_NODE && value->data.scalar.length)
        add_set(r, t, "count", flow_scalar(value) ? flow_scalar(value) : "", value);
    else if (yaml_walk_expect(&r->w, where, value, YAML_MAPPING_NODE, "a map, as in {count: 12}"))
        read_flat(r, t, value, known, where);
    if (r->w.e->n == errors && !has_key(&r->parts[t->part], from, "count"))
        flow_errors_add(r->w.e, flow_at_of(key), "%s without 'count'", where);
}

static void read_features(struct reader *r, const char *kind, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!expect_map(r, kind, map))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);) {
        const struct thing feature = {PART_FEATURES, kind, flow_scalar(key)};
        if (expect_name(r, kind, key))
            read_feature(r, &feature, key, value);
    }
}

static void read_feed(struct reader *r, const yaml_node_t *key, const yaml_node_t *map)
{
    static const char *const known[] = {"command", "every", NULL};
    const struct thing feed = {PART_FEED, "feed", "licences"};
    add(r, &feed, ROW_CLEAR, key);
    if (expect_map(r, "licence-feed", map))
        read_flat(r, &feed, map, known, "licence-feed");
}

/* ---- the top ---- */

static void read_top(struct reader *r, const yaml_node_t *root)
{
    static const char *const known[] = {"enterprises", "licences", "instruments", "licence-feed",
                                        NULL};
    yaml_node_t *key, *value;
    if (!yaml_walk_expect(&r->w, "the configuration", root, YAML_MAPPING_NODE,
                          "a map with enterprises, licences, instruments or licence-feed"))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, root, &i, &key, &value);) {
        const char *name = flow_scalar(key);
        if (strcmp(name, "enterprises") == 0)
            read_enterprises(r, value);
        else if (strcmp(name, "licences") == 0)
            read_features(r, "licence", value);
        else if (strcmp(name, "instruments") == 0)
            read_features(r, "instrument", value);
        else if (strcmp(name, "licence-feed") == 0)
            read_feed(r, key, value);
        else
            yaml_walk_unknown(&r->w, key, known, "the configuration");
    }
}

bool config_yaml_read(const char *text, size_t bytes, struct config_rows *rows,
                      struct flow_errors *e)
{
    yaml_document_t doc;
    if (bytes > CONFIG_FILE_MAX) {
        flow_errors_add(e, (struct flow_at){0}, "%zu bytes; a configuration has at most %d", bytes,
                        CONFIG_FILE_MAX);
        return false;
    }
    if (!flow_yaml_load(text, bytes, &doc, e))
        return false;
    struct reader r = {.w = {.doc = &doc, .e = e}};
    read_top(&r, yaml_document_get_root_node(&doc));
    for (size_t i = 0; i < PARTS; i++)
        config_rows_move(rows, &r.parts[i]);
    yaml_document_delete(&doc);
    return e->n == 0;
}
