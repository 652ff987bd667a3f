/* Heaps of simulated processes. A block knows its neighbours, not its heap, so that anybody may
 * free it; a heap can be freed with all that is in it. */
#include "tests/simtest/sim.h"

#undef malloc
#undef calloc
#undef realloc
#undef free
#undef strdup
#undef strndup

/* 16 bytes in front keep what malloc promises of alignment. */
_Static_assert(sizeof(struct heap_block) == 16, "a block's head must not spoil the alignment");

static struct heap *current;

void heap_open(struct heap *h)
{
    h->head.before = h->head.after = &h->head;
}

void heap_free_all(struct heap *h)
{
    while (h->head.after != &h->head)
        sim_free(h->head.after + 1);
}

struct heap *heap_enter(struct heap *h)
{
    struct heap *old = current;
    current = h;
    return old;
}

static void *link_in(struct heap_block *b)
{
    if (b == NULL || current == NULL)
        abort();
    b->before = current->head.before;
    b->after = &current->head;
    b->before->after = b->after->before = b;
    return b + 1;
}

void *sim_malloc(size_t bytes)
{
    return link_in(malloc(sizeof(struct heap_block) + bytes));
}

void *sim_calloc(size_t count, size_t bytes)
{
    if (bytes > 0 && count > SIZE_MAX / 2 / bytes)
        abort();
    return link_in(calloc(1, sizeof(struct heap_block) + count * bytes));
}

void sim_free(void *p)
{
    if (p == NULL)
        return;
    struct heap_block *b = (struct heap_block *)p - 1;
    b->before->after = b->after;
    b->after->before = b->before;
    free(b);
}

void *sim_realloc(void *old, size_t bytes)
{
    if (old == NULL)
        return sim_malloc(bytes);
    struct heap_block *b = (struct heap_block *)old - 1;
    struct heap_block *grown = realloc(b, sizeof *b + bytes);
    if (grown == NULL)
        abort();
    grown->before->after = grown->after->before = grown; /* it stays in its heap */
    return grown + 1;
}

char *sim_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    return memcpy(sim_malloc(bytes), text, bytes);
}

char *sim_strndup(const char *text, size_t bytes)
{
    size_t n = strnlen(text, bytes);
    char *copy = memcpy(sim_malloc(n + 1), text, n);
    copy[n] = '\0';
    return copy;
}
