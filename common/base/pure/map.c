/* Id to pointer, open addressing with backward-shift deletion (Knuth, TAOCP vol. 3, section 6.4,
 * algorithm R). */
#include "common/base/pure/map.h"
#include "common/base/pure/mem.h"

#include <assert.h>

/* Ids come one after the other: eight of them lie side by side, so that who goes through many has
 * them in few lines of the cache. */
static size_t home(const struct map *m, uint64_t key)
{
    enum { NEIGHBOURS = 8 };
    uint64_t h = key / NEIGHBOURS * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 32;
    return (size_t)(h * NEIGHBOURS + key % NEIGHBOURS) & (m->cap - 1);
}

static struct map_slot *slot_of(const struct map *m, uint64_t key)
{
    for (size_t i = home(m, key);; i = (i + 1) & (m->cap - 1))
        if (m->slots[i].key == key || m->slots[i].key == 0)
            return &m->slots[i];
}

void map_fini(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

void *map_find(const struct map *m, uint64_t key)
{
    return m->n && key ? slot_of(m, key)->value : NULL;
}

static void rehash(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->slots = cq_calloc(m->cap, sizeof *m->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key)
            *slot_of(m, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

void map_put(struct map *m, uint64_t key, void *value)
{
    assert(key != 0 && value != NULL);
    if ((m->n + 1) * 4 > m->cap * 3)
        rehash(m);
    struct map_slot *slot = slot_of(m, key);
    m->n += slot->key == 0;
    *slot = (struct map_slot){key, value};
}

void *map_remove(struct map *m, uint64_t key)
{
    if (m->n == 0 || key == 0)
        return NULL;
    struct map_slot *slot = slot_of(m, key);
    void *value = slot->value;
    if (slot->key == 0)
        return NULL;
    size_t hole = (size_t)(slot - m->slots), mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        size_t want = home(m, m->slots[i].key);
        if (((i - want) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){0};
    m->n--;
    return value;
}

bool map_next(const struct map *m, size_t *at, void **value)
{
    for (; *at < m->cap; (*at)++)
        if (m->slots[*at].key) {
            *value = m->slots[(*at)++].value;
            return true;
        }
    return false;
}
