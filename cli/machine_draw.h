/* A machine as packages, NUMA nodes and cores, with who is on them. */
#ifndef MACHINE_DRAW_H
#define MACHINE_DRAW_H

#include "common/base/pure/str.h"
#include "common/wire/message.h"

#include <jansson.h>

/* Lines of at most 80 columns as long as jobs have at most 5 digits: a core shows the number of the
 * job on it, "busy" when that is not the asker's to see, "off", "sys" or "."; then GPUs, then the
 * jobs by name. Appended to `out`. */
void machine_draw(const struct node_row *node, struct cq_str *out);

/* The same as data: name, state, cores, memory, "numa", "gpus" and "places". Caller owns. */
json_t *machine_json(const struct node_row *node);

/* Its GPUs as texts, "nvidia:20b0@0000:3b:00.0 (numa 0)". Caller owns. */
json_t *machine_gpus(const char *topology);

#endif
