/* Allocation that aborts when memory is out. */
#include "common/base/pure/mem.h"

static void *check(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

void *cq_malloc(size_t bytes)
{
    return check(malloc(bytes ? bytes : 1));
}

void *cq_calloc(size_t count, size_t bytes)
{
    return check(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *cq_realloc(void *old, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        abort();
    return check(realloc(old, total ? total : 1));
}

char *cq_strdup(const char *text)
{
    return text ? check(strdup(text)) : NULL;
}

char *cq_strndup(const char *text, size_t bytes)
{
    return check(strndup(text, bytes));
}

void *cq_memdup(const void *data, size_t bytes)
{
    if (bytes == 0)
        return NULL;
    return memcpy(cq_malloc(bytes), data, bytes);
}

void cq_free_ptr(void *pp)
{
    void **p = pp;
    free(*p);
    *p = NULL;
}
