/* A bump allocator of chunks. */
#include "common/wire/arena.h"
#include "common/base/pure/mem.h"

#include <stdalign.h>

/* A chunk, its head and what malloc adds are no more than it keeps ready for the next of this size:
 * larger ones make it join all free pieces first, for each message. */
enum { CHUNK_BYTES = 1000, ALIGN = alignof(max_align_t) };

struct chunk {
    struct chunk *next;
    alignas(max_align_t) unsigned char data[];
};

struct wire_arena {
    struct chunk *chunks; /* newest first */
    unsigned char *at;
    size_t left;
};

struct wire_arena *wire_arena_new(void)
{
    return CQ_NEW(struct wire_arena);
}

void wire_arena_free(struct wire_arena *a)
{
    if (a == NULL)
        return;
    for (struct chunk *c = a->chunks; c;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    free(a);
}

/* A chunk of its own for what is large, so that the rest of the current one is not lost. */
static unsigned char *add_chunk(struct wire_arena *a, size_t bytes)
{
    struct chunk *c = cq_malloc(sizeof *c + bytes);
    c->next = a->chunks;
    a->chunks = c;
    return c->data;
}

void *wire_arena_alloc(struct wire_arena *a, size_t bytes)
{
    bytes = bytes ? (bytes + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if (bytes > CHUNK_BYTES / 4)
        return memset(add_chunk(a, bytes), 0, bytes);
    if (a->left < bytes) {
        a->at = add_chunk(a, CHUNK_BYTES);
        a->left = CHUNK_BYTES;
    }
    unsigned char *p = a->at;
    a->at += bytes;
    a->left -= bytes;
    return memset(p, 0, bytes);
}

char *wire_arena_text(struct wire_arena *a, const void *data, size_t bytes)
{
    char *text = wire_arena_alloc(a, bytes + 1);
    if (bytes)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    return text;
}
