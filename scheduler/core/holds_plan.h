/* When a request fits on a machine: what runs ends by its limit, and every hold keeps its place
 * from its time on for its own limit. So all holds fit side by side, and one that is planned anew
 * is never later than it was (conservative backfilling: Mu'alem, Feitelson, TPDS 2001). */
#ifndef CHIPQ_HOLDS_PLAN_H
#define CHIPQ_HOLDS_PLAN_H

#include "scheduler/core/holds.h"

/* What ends give back until a moment, in order of time. */
struct plan_ending {
    int64_t end_us; /* policy time */
    uint64_t cores, mem_mib, tokens[TOKENS_MAX];
};
struct plan_endings {
    struct plan_ending *items;
    size_t n, cap;
};

/* Tokens of `shape` that leases of all machines give back. Caller frees out->items. */
void plan_token_endings(const struct core *c, const struct shape *shape, struct plan_endings *out);

/* Policy time from which `shape` fits on `w` for all its limit, beside all holds but `own` (may be
 * NULL) and all bookings. INT64_MAX: never. */
int64_t plan_earliest(const struct core *c, const struct shape *shape, const struct worker *w,
                      const struct hold *own, const struct plan_endings *tokens);

/* When the lease ends by its limit, policy time: one that is late may end any moment. */
int64_t plan_end_of(const struct core *c, const struct lease *l);

/* When `shape`, begun at that policy time, is over by its limit; one without a limit stays far
 * longer than anything is planned. */
int64_t plan_over_us(int64_t at_us, const struct shape *shape);

/* Policy time at which cores and memory for `shape` are there on `w` when leases end as `end` says,
 * whatever is held. INT64_MAX: never. */
typedef int64_t (*lease_end_fn)(const struct core *c, const struct lease *l);
int64_t plan_room(const struct core *c, const struct shape *shape, const struct worker *w,
                  lease_end_fn end);

/* What `h` leaves at its time, beside the others: as of now, or again as of when it was counted. */
void plan_fill_spare(const struct core *c, struct hold *h);
void plan_count_spare(const struct core *c, struct hold *h);

/* The lease is over when `h` begins, as its spare counts. */
bool plan_is_over(const struct hold *h, const struct lease *l);

/* What `other` takes of what `h` counts, at the time of `h`. */
int64_t plan_cores_taken(const struct hold *h, const struct hold *other);
int64_t plan_mem_taken(const struct hold *h, const struct hold *other);
int64_t plan_tokens_taken(const struct hold *h, const struct hold *other, const struct feature *f);

uint64_t plan_cores_wanted(const struct shape *s, const struct worker *w);

#endif
