/* The indexed heap: order, ties, removal from the middle, changed keys. */
#include "common/base/pure/heap.h"

#include <criterion/criterion.h>

enum { ITEMS = 300 };

struct item {
    uint64_t key, number;
    size_t index;
};

static struct item items[ITEMS];
static uint64_t state = 88172645463325252ULL;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static bool less(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->key != y->key ? x->key < y->key : x->number < y->number;
}

static void set_index(void *item, size_t index)
{
    ((struct item *)item)->index = index;
}

static bool is_sound(const struct heap *h)
{
    for (size_t i = 0; i < h->n; i++) {
        if (((struct item *)h->items[i])->index != i)
            return false;
        if (i > 0 && less(h->items[i], h->items[(i - 1) / 2]))
            return false;
    }
    return true;
}

static void change_one(struct heap *h, struct item *it)
{
    if (it->index == HEAP_NOWHERE) {
        it->key = draw() % 50;
        heap_push(h, it);
    } else if (draw() % 2) {
        it->key = draw() % 50;
        heap_fix(h, it->index);
    } else {
        heap_remove(h, it->index);
    }
}

Test(heap, stays_a_heap_under_random_changes_and_empties_in_order)
{
    struct heap h;
    bool good = true;
    heap_init(&h, less, set_index);
    for (size_t i = 0; i < ITEMS; i++)
        items[i] = (struct item){.number = i, .index = HEAP_NOWHERE};
    for (int step = 0; step < 20000 && good; step++) {
        change_one(&h, &items[draw() % ITEMS]);
        good = is_sound(&h);
    }
    cr_assert(good);
    struct item *last = heap_pop(&h);
    while (good && heap_top(&h)) {
        struct item *next = heap_pop(&h);
        good = less(last, next) && last->index == HEAP_NOWHERE;
        last = next;
    }
    cr_assert(good);
    cr_assert_null(heap_pop(&h));
    heap_fini(&h);
}

Test(heap, is_sound_again_when_all_keys_have_changed)
{
    struct heap h;
    heap_init(&h, less, set_index);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.key = draw() % 50, .number = i};
        heap_push(&h, &items[i]);
    }
    for (size_t i = 0; i < ITEMS; i++)
        items[i].key = draw() % 50;
    heap_rebuild(&h);
    cr_expect(is_sound(&h));
    heap_fini(&h);
}
