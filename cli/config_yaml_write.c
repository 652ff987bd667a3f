/* Writes the configuration as YAML. */
#include "cli/config_yaml.h"

#include "common/base/pure/mem.h"

/* The object under `key`, made when it is not there. */
static json_t *descend(json_t *object, const char *key)
{
    json_t *below = json_object_get(object, key);
    if (below == NULL) {
        below = json_object();
        json_object_set_new(object, key, below);
    }
    return below;
}

/* enterprises -> acme -> projects -> uart -> users -> ann */
static json_t *descend_path(json_t *root, const char *path)
{
    static const char *const levels[] = {"enterprises", "projects", "users"};
    json_t *node = root;
    for (size_t i = 0; i < CQ_COUNT(levels) && *path; i++) {
        size_t len = strcspn(path, "/");
        CQ_CLEANUP(cq_free_ptr) char *name = cq_strndup(path, len);
        node = descend(descend(node, levels[i]), name);
        path += len + (path[len] == '/');
    }
    return node;
}

static json_t *node_of(json_t *root, const struct setting_row *row)
{
    if (strcmp(row->kind, "licence") == 0)
        return descend(descend(root, "licences"), row->path);
    if (strcmp(row->kind, "instrument") == 0)
        return descend(descend(root, "instruments"), row->path);
    if (strcmp(row->kind, "feed") == 0)
        return descend(root, "licence-feed");
    return descend_path(root, row->path);
}

static bool is_plain(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "._/-";
    return *text && *text != '-' && text[strspn(text, safe)] == '\0';
}

static void write_value(const char *text, struct cq_str *out)
{
    if (is_plain(text)) {
        cq_str_add(out, text);
        return;
    }
    json_t *value = json_string(text); /* YAML reads JSON's texts */
    CQ_CLEANUP(cq_free_ptr) char *quoted = json_dumps(value, JSON_ENCODE_ANY);
    cq_str_add(out, quoted ? quoted : "\"\"");
    json_decref(value);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as descend_path makes it, six levels */
static void write_map(json_t *map, int indent, struct cq_str *out)
{
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        cq_str_printf(out, "%*s%s:", indent, "", key);
        if (json_is_string(value)) {
            cq_str_add_char(out, ' ');
            write_value(json_string_value(value), out);
            cq_str_add_char(out, '\n');
        } else if (json_object_size(value) == 0) {
            cq_str_add(out, " {}\n");
        } else {
            cq_str_add_char(out, '\n');
            write_map(value, indent + 2, out);
        }
    }
}

void config_yaml_write(const struct setting_row *rows, size_t n, struct cq_str *out)
{
    json_t *root = json_object();
    for (size_t i = 0; i < n; i++) {
        json_t *node = node_of(root, &rows[i]);
        if (*rows[i].key)
            json_object_set_new(node, rows[i].key, json_string(rows[i].value));
    }
    if (json_object_size(root) == 0)
        cq_str_add(out, "{}\n");
    else
        write_map(root, 0, out);
    json_decref(root);
}
