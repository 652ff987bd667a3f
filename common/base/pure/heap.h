/* An indexed binary min-heap of borrowed pointers. Each element knows its place through
 * `set_index`, so that it can be removed or moved in O(log n). Ties must be broken by `less` (by a
 * creation number), never left to chance. */
#ifndef CQ_HEAP_H
#define CQ_HEAP_H

#include "common/base/pure/compiler.h"

#define HEAP_NOWHERE SIZE_MAX

typedef bool (*heap_less_fn)(const void *a, const void *b);
typedef void (*heap_set_index_fn)(void *item, size_t index); /* HEAP_NOWHERE when it leaves */

struct heap {
    void **items;
    size_t n, cap;
    heap_less_fn less;
    heap_set_index_fn set_index;
};

void heap_init(struct heap *h, heap_less_fn less, heap_set_index_fn set_index);
void heap_fini(struct heap *h); /* the items are not touched */
void heap_push(struct heap *h, void *item);
void *heap_top(const struct heap *h); /* NULL when empty */
void *heap_pop(struct heap *h);       /* NULL when empty */
void heap_remove(struct heap *h, size_t index);
void heap_fix(struct heap *h, size_t index); /* the item at index has a new key */
void heap_rebuild(struct heap *h);           /* any may have: O(n) */

#endif
