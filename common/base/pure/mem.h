/* Allocation that aborts when memory is out: the journal makes that safe, untested error paths are
 * not. Its price: every size that comes from outside is checked against a limit before it is
 * allocated. */
#ifndef CQ_MEM_H
#define CQ_MEM_H

#include "common/base/pure/compiler.h"

void *cq_malloc(size_t bytes);                           /* uninitialised; never NULL */
void *cq_calloc(size_t count, size_t bytes);             /* zeroed; never NULL */
void *cq_realloc(void *old, size_t count, size_t bytes); /* count * bytes, overflow-checked */
char *cq_strdup(const char *text);                       /* NULL for NULL; caller frees */
char *cq_strndup(const char *text, size_t bytes);        /* caller frees */
void *cq_memdup(const void *data, size_t bytes);         /* NULL for 0 bytes; caller frees */

#define CQ_NEW(type) ((type *)cq_calloc(1, sizeof(type)))

/* For CQ_CLEANUP on `char *` and friends: frees what the variable points to. */
void cq_free_ptr(void *pp);

/* Makes room for one more element in a growable array: `cq_grow(&v, &cap, n)` keeps cap > n. */
#define cq_grow(items, cap, n)                                       \
    do {                                                             \
        if ((size_t)(n) >= (size_t) * (cap)) {                       \
            size_t cap_ = *(cap) ? (size_t) * (cap)*2 : 8;           \
            while (cap_ <= (size_t)(n))                              \
                cap_ *= 2;                                           \
            *(items) = cq_realloc(*(items), cap_, sizeof **(items)); \
            *(cap) = (__typeof__(*(cap)))cap_;                       \
        }                                                            \
    } while (0)

#endif
