/* An indexed binary min-heap (Williams 1964). */
#include "common/base/pure/heap.h"
#include "common/base/pure/mem.h"

#include <assert.h>

void heap_init(struct heap *h, heap_less_fn less, heap_set_index_fn set_index)
{
    *h = (struct heap){.less = less, .set_index = set_index};
}

void heap_fini(struct heap *h)
{
    free(h->items);
    h->items = NULL;
    h->n = h->cap = 0;
}

static void place(struct heap *h, size_t i, void *item)
{
    h->items[i] = item;
    h->set_index(item, i);
}

static size_t sift_up(struct heap *h, size_t i, void *item)
{
    for (; i > 0 && h->less(item, h->items[(i - 1) / 2]); i = (i - 1) / 2)
        place(h, i, h->items[(i - 1) / 2]);
    place(h, i, item);
    return i;
}

static void sift_down(struct heap *h, size_t i, void *item)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && h->less(h->items[child + 1], h->items[child]))
            child++;
        if (!h->less(h->items[child], item))
            break;
        place(h, i, h->items[child]);
        i = child;
    }
    place(h, i, item);
}

void heap_push(struct heap *h, void *item)
{
    cq_grow(&h->items, &h->cap, h->n);
    h->n++;
    sift_up(h, h->n - 1, item);
}

void *heap_top(const struct heap *h)
{
    return h->n ? h->items[0] : NULL;
}

void *heap_pop(struct heap *h)
{
    void *top = heap_top(h);
    if (top)
        heap_remove(h, 0);
    return top;
}

void heap_remove(struct heap *h, size_t index)
{
    assert(index < h->n);
    h->set_index(h->items[index], HEAP_NOWHERE);
    void *last = h->items[--h->n];
    if (index < h->n) {
        h->items[index] = last;
        heap_fix(h, index);
    }
}

void heap_fix(struct heap *h, size_t index)
{
    assert(index < h->n);
    void *item = h->items[index];
    if (sift_up(h, index, item) == index)
        sift_down(h, index, item);
}

/* Floyd 1964. */
void heap_rebuild(struct heap *h)
{
    for (size_t i = h->n / 2; i-- > 0;)
        sift_down(h, i, h->items[i]);
}
