/* Bytes as a difference to others, the base: which stretches of it they repeat, and what is new
 * between. For many texts that are alike, of which only the first is kept whole. */
#ifndef CQ_DELTA_H
#define CQ_DELTA_H

#include "common/base/pure/str.h"

/* Where in the base eight bytes in a row are found. Borrows the base. */
struct delta_index;
struct delta_index *delta_index_new(const void *base, size_t bytes);
void delta_index_free(struct delta_index *x); /* accepts NULL */

/* Appends the difference: a few bytes for what is in the base, in any order, and a little more than
 * its size for what is not. */
void delta_put(const struct delta_index *x, const void *data, size_t bytes, struct cq_str *out);

/* Makes the `bytes` bytes again. False: base or difference are not those that they were made of. */
bool delta_get(const void *base, size_t base_bytes, const void *delta, size_t delta_bytes, void *to,
               size_t bytes);

#endif
