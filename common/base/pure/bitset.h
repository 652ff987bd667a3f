/* A growable set of small numbers (cores): 64 to a word. Zeroed memory is the empty set. */
#ifndef CQ_BITSET_H
#define CQ_BITSET_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

#define BITSET_MAX 4096 /* cores of one machine that chipq can name */

struct bitset {
    uint64_t *words;
    size_t n; /* words */
};

void bitset_fini(struct bitset *b);
void bitset_set(struct bitset *b, size_t bit);   /* bit < BITSET_MAX */
void bitset_clear(struct bitset *b, size_t bit); /* a bit beyond the end is clear already */
bool bitset_has(const struct bitset *b, size_t bit);
size_t bitset_count(const struct bitset *b);
size_t bitset_next(const struct bitset *b,
                   size_t from); /* first set bit >= from; SIZE_MAX when none */
void bitset_copy(struct bitset *to, const struct bitset *from);
void bitset_or(struct bitset *to, const struct bitset *from);
void bitset_and(struct bitset *to, const struct bitset *from);
void bitset_and_not(struct bitset *to, const struct bitset *from);
bool bitset_intersects(const struct bitset *a, const struct bitset *b);
size_t bitset_count_common(const struct bitset *a, const struct bitset *b); /* in both */
bool bitset_equal(const struct bitset *a, const struct bitset *b);

void bitset_format(const struct bitset *b, struct cq_str *out); /* "0-3,8" */
int bitset_parse(const char *text, struct bitset *out,
                 struct cq_err *err) CQ_MUST_CHECK; /* "" is empty */

#endif
