/* Interned texts: a vector in order of first use, and a map from their hashes. */
#include "scheduler/sim/names.h"

#include "common/base/pure/mem.h"

struct name_entry {
    uint32_t id;
    struct name_entry *next_same_hash;
};

static uint64_t hash_of(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}

void names_fini(struct names *n)
{
    void *item;
    for (size_t i = 0; map_next(&n->by_hash, &i, &item);) {
        for (struct name_entry *e = item, *next; e; e = next) {
            next = e->next_same_hash;
            free(e);
        }
    }
    for (size_t i = 0; i < n->n; i++)
        free(n->items[i]);
    free(n->items);
    map_fini(&n->by_hash);
    *n = (struct names){0};
}

uint32_t names_find(const struct names *n, const char *text)
{
    const struct name_entry *e = map_find(&n->by_hash, hash_of(text));
    while (e && strcmp(n->items[e->id], text) != 0)
        e = e->next_same_hash;
    return e ? e->id : UINT32_MAX;
}

uint32_t names_id(struct names *n, const char *text)
{
    uint32_t id = names_find(n, text);
    if (id != UINT32_MAX)
        return id;
    struct name_entry *e = CQ_NEW(struct name_entry);
    e->id = (uint32_t)n->n;
    e->next_same_hash = map_find(&n->by_hash, hash_of(text));
    map_put(&n->by_hash, hash_of(text), e);
    cq_grow(&n->items, &n->cap, n->n);
    n->items[n->n++] = cq_strdup(text);
    return e->id;
}
