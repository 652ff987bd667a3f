/* Memory that is freed all at once: what a decoded message points to. */
#ifndef CHIPQ_ARENA_H
#define CHIPQ_ARENA_H

#include "common/base/pure/compiler.h"

struct wire_arena;

struct wire_arena *wire_arena_new(void);
void wire_arena_free(struct wire_arena *a); /* accepts NULL */

/* Zeroed, aligned for any type, never NULL. The caller has bounded `bytes`. */
void *wire_arena_alloc(struct wire_arena *a, size_t bytes);
char *wire_arena_text(struct wire_arena *a, const void *data,
                      size_t bytes); /* copies, terminates */

#endif
