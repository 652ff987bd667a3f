/* Steps through a YAML document that flow_yaml_load has taken, for readers that know their keys:
 * duplicates, wrong kinds and unknown keys are told with line and column. */
#ifndef YAML_WALK_H
#define YAML_WALK_H

#include "cli/flow.h"

struct yaml_walk {
    yaml_document_t *doc;
    struct flow_errors *e;
};

yaml_node_t *yaml_walk_node(const struct yaml_walk *w, int index);

/* Steps through a map: for (size_t i = 0; yaml_walk_pair(...); ). Keys that are no text, and
 * duplicates, are reported and skipped. */
bool yaml_walk_pair(const struct yaml_walk *w, const yaml_node_t *map, size_t *i, yaml_node_t **key,
                    yaml_node_t **value);

/* Reports "WHAT must be EXPECTED, not a list" when it is of another kind. */
bool yaml_walk_expect(const struct yaml_walk *w, const char *what, const yaml_node_t *value,
                      yaml_node_type_t type, const char *expected);

/* Reports "unknown key 'tol' in WHERE; did you mean 'tool'?". `known` ends with NULL. */
void yaml_walk_unknown(const struct yaml_walk *w, const yaml_node_t *key, const char *const *known,
                       const char *where);

#endif
