/* Memory of NUMA nodes for a request: which of it a unit has, and how much of each node is taken.
 * Of layout_choose.c. */
#ifndef CHIPQ_LAYOUT_MEMORY_H
#define CHIPQ_LAYOUT_MEMORY_H

#include "scheduler/core/layout.h"

/* A NUMA node belongs to a unit that has cores of it; one whose cores are all offline to its
 * socket as well, if that is known. */
bool layout_is_node_of(const struct layout *l, enum layout_level level, size_t unit, size_t node);

/* Free memory of the nodes of a unit. */
uint64_t layout_unit_memory(const struct layout *l, enum layout_level level, size_t unit,
                            const uint64_t *mem_free);

/* What the wish takes of each node beside those cores. `may`, if not NULL, has the only nodes that
 * local memory may come from. False: there is not enough. */
bool layout_memory_take(const struct layout *l, const struct bitset *cores,
                        const uint64_t *mem_free, const struct layout_wish *w,
                        const struct bitset *may, uint64_t *taken);

#endif
