/* A set of 32-bit numbers kept as sorted, disjoint, non-adjacent ranges: the tasks of an array that
 * have not started, or that ended with one verdict. Zeroed memory is the empty set. Cost: O(log n)
 * to find, O(n) ranges to shift on a split; an array of 100,000 tasks is one range until its tasks
 * start. */
#ifndef CQ_RANGES_H
#define CQ_RANGES_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

struct range {
    uint32_t first, last; /* both included */
};

/* One range, as most sets are, lies in the struct itself: read them through ranges_items. */
struct ranges {
    union {
        struct range one, *many; /* many: when n > 1 */
    } at;
    uint64_t n : 31, count : 33; /* ranges; numbers in the set */
};

static inline const struct range *ranges_items(const struct ranges *r)
{
    return r->n > 1 ? r->at.many : &r->at.one;
}

void ranges_fini(struct ranges *r);
void ranges_add(struct ranges *r, uint32_t first,
                uint32_t last); /* first <= last; overlaps are fine */
void ranges_add_all(struct ranges *to, const struct ranges *from);    /* not to itself */
bool ranges_remove(struct ranges *r, uint32_t number);                /* false when it was not in */
void ranges_subtract(struct ranges *from, const struct ranges *what); /* O(n) for both together */
bool ranges_has(const struct ranges *r, uint32_t number);
uint64_t ranges_below(const struct ranges *r, uint32_t number); /* how many are smaller; O(n) */
bool ranges_is_empty(const struct ranges *r);
uint32_t ranges_first(const struct ranges *r); /* asserts that the set is not empty */
void ranges_copy(struct ranges *to, const struct ranges *from); /* `to` is replaced */

void ranges_format(const struct ranges *r, struct cq_str *out); /* "1-5,7"; "" when empty */

/* Parses "1-5,7,9-20:2" (a step after ':'). Numbers 0..max_number, at most max_count of them. */
int ranges_parse(const char *text, uint32_t max_number, uint64_t max_count, struct ranges *out,
                 struct cq_err *err) CQ_MUST_CHECK;

#endif
