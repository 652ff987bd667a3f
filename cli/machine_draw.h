/* A machine as packages, NUMA nodes and cores, with who is on them. */
#ifndef MACHINE_DRAW_H
#define MACHINE_DRAW_H

#include "common/base/pure/str.h"
#include "common/wire/message.h"

#include <jansson.h>

/* Lines of at most 80 columns as long as jobs have at most 5 digits: a core shows the number of the
 * job on it, "busy" when that is not the asker's to see, or "."; then the jobs by name. Appended to
 * `out`. */
void machine_draw(const struct node_row *node, struct cq_str *out);

/* The same as data: name, state, cores, memory, "numa" and "places". Caller owns. */
json_t *machine_json(const struct node_row *node);

#endif
