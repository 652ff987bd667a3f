/* A hash map from a 64-bit id to a pointer: open addressing, linear probing, 16 bytes a slot. Key 0
 * is not allowed (ids start at 1). Values are borrowed. Zeroed memory is the empty map. Iteration
 * order is not defined: code whose decisions must be repeatable never iterates over a map. */
#ifndef CQ_MAP_H
#define CQ_MAP_H

#include "common/base/pure/compiler.h"

struct map_slot {
    uint64_t key;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t n, cap; /* cap is a power of two, or 0 */
};

void map_fini(struct map *m);
void *map_find(const struct map *m, uint64_t key);      /* NULL when absent */
void map_put(struct map *m, uint64_t key, void *value); /* replaces; value is not NULL */
void *map_remove(struct map *m, uint64_t key);          /* the value that was there, or NULL */

/* for (size_t i = 0; map_next(m, &i, &value);) ... The map must not change meanwhile. */
bool map_next(const struct map *m, size_t *at, void **value);

#endif
