/* One YAML document, refused early when it has what our files never need: aliases, tags, several
 * documents, deep nesting. Duplicate keys are the walker's business. */
#ifndef FLOW_YAML_H
#define FLOW_YAML_H

#include "cli/flow.h"

/* Returns true when `doc` was loaded; the caller deletes it. Else errors were added. */
bool flow_yaml_load(const char *text, size_t bytes, yaml_document_t *doc, struct flow_errors *e);

#endif
