/* Walks maps of a YAML document. */
#include "cli/yaml_walk.h"

enum { KEYS_MAX = 10000 };

yaml_node_t *yaml_walk_node(const struct yaml_walk *w, int index)
{
    return yaml_document_get_node(w->doc, index);
}

bool yaml_walk_pair(const struct yaml_walk *w, const yaml_node_t *map, size_t *i, yaml_node_t **key,
                    yaml_node_t **value)
{
    const yaml_node_pair_t *start = map->data.mapping.pairs.start;
    size_t n = (size_t)(map->data.mapping.pairs.top - start);
    if (n > KEYS_MAX) {
        flow_errors_add(w->e, flow_at_of(map), "%zu keys in one map; at most %d", n, KEYS_MAX);
        return false;
    }
    while (*i < n) {
        const yaml_node_pair_t *pair = start + (*i)++;
        bool is_duplicate = false;
        *key = yaml_walk_node(w, pair->key);
        *value = yaml_walk_node(w, pair->value);
        const char *name = flow_scalar(*key);
        if (name == NULL || *name == '\0') {
            flow_errors_add(w->e, flow_at_of(*key), "a key must be a text");
            continue;
        }
        for (const yaml_node_pair_t *p = start; p < pair && !is_duplicate; p++) {
            const char *other = flow_scalar(yaml_walk_node(w, p->key));
            is_duplicate = other && strcmp(other, name) == 0;
        }
        if (!is_duplicate)
            return true;
        flow_errors_add(w->e, flow_at_of(*key), "key '%s' is there twice", name);
    }
    return false;
}

bool yaml_walk_expect(const struct yaml_walk *w, const char *what, const yaml_node_t *value,
                      yaml_node_type_t type, const char *expected)
{
    if (value->type == type && (type != YAML_SCALAR_NODE || flow_scalar(value)))
        return true;
    flow_errors_add(w->e, flow_at_of(value), "%s must be %s, not %s", what, expected,
                    value->type == YAML_SCALAR_NODE && type == YAML_SCALAR_NODE
                        ? "text with a NUL"
                        : flow_kind_of(value));
    return false;
}

void yaml_walk_unknown(const struct yaml_walk *w, const yaml_node_t *key, const char *const *known,
                       const char *where)
{
    const char *meant = cq_closest(flow_scalar(key), known);
    if (meant)
        flow_errors_add(w->e, flow_at_of(key), "unknown key '%s' in %s; did you mean '%s'?",
                        flow_scalar(key), where, meant);
    else
        flow_errors_add(w->e, flow_at_of(key), "unknown key '%s' in %s", flow_scalar(key), where);
}
