/* Who holds tokens of a feature, and until when by limits: what comes back until a moment is a sum
 * of O(log n). Leases in one booking are a group of their own, as their tokens may be the
 * booking's. */
#ifndef CHIPQ_HOLDERS_H
#define CHIPQ_HOLDERS_H

#include "common/base/pure/sumtree.h"

struct feature;
struct lease;

struct holders_group {
    uint64_t booking; /* in which they run, or 0 */
    struct sumtree ends;
};

struct holders {
    struct holders_group *groups; /* by booking; none is empty */
    size_t n, cap;
};

void holders_fini(struct holders *h);

/* A lease is there, with its tokens; `l->end_us` has changed; it goes. */
void holders_enter(struct lease *l);
void holders_set_end(struct lease *l);
void holders_leave(struct lease *l);

/* Tokens in a group, and those of leases that end after a moment; policy time. */
uint64_t holders_all(const struct holders_group *g);
uint64_t holders_after(const struct holders_group *g, int64_t at_us);
const struct holders_group *holders_in(const struct feature *f, uint64_t booking); /* or NULL */

/* Tokens of all groups that are back by a moment. */
uint64_t holders_until(const struct feature *f, int64_t at_us);
/* The last end of any; INT64_MIN: nobody holds some. */
int64_t holders_last_us(const struct feature *f);

#endif
