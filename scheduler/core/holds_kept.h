/* Exact cores, and memory of NUMA nodes, that a hold keeps: of a job that insists on where it runs,
 * its sums are not enough. They are free at its time by what runs now, and whoever would still be
 * there then starts beside them. */
#ifndef CHIPQ_HOLDS_KEPT_H
#define CHIPQ_HOLDS_KEPT_H

#include "scheduler/core/layout.h"

struct core;
struct hold;
struct job;
struct lease;
struct shape;
struct worker;

enum { KEPT_WORDS = BITSET_MAX / 64 };

/* By the machine's numbers; no words: nothing. A value, copied with its hold. */
struct kept_place {
    uint64_t words[KEPT_WORDS]; /* cores */
    uint64_t mem_mib[LAYOUT_UNITS_MAX];
    size_t n, n_mem;
};

/* A hold for `s` on `w` keeps an exact place. */
bool kept_is_exact(const struct shape *s, const struct worker *w);

/* What `h` keeps is of `w` as it is: it may have been told before the machine changed. */
bool kept_is_of(const struct hold *h, const struct worker *w);

/* Could such a one start on `w` at policy time `at_us`, beside what is kept for others then, and
 * leave every hold on `w` its sums? `own` is its own hold or NULL. *out (may be NULL) gets what it
 * is to keep. True of all others: of them only sums are asked (holds_plan.h). */
bool kept_fits_at(const struct core *c, const struct shape *s, const struct worker *w,
                  const struct hold *own, int64_t at_us, struct kept_place *out);

/* What `h` keeps is still there at its time, and leaves the others theirs. False of one that keeps
 * sums only. */
bool kept_is_good(const struct core *c, const struct hold *h);

/* Takes out of what is free on `w` what is kept from those that start `s` now; `job` is whose start
 * it is, or NULL. True: there was something. */
bool kept_take_out(const struct core *c, const struct shape *s, const struct worker *w,
                   const struct job *job, struct bitset *cores, uint64_t *mem_free);

/* With such a start too, jobs that insist on being spread have their part of `w` when they are to:
 * also who is packed for want of room counts as spread. */
bool kept_lets_spread(const struct core *c, const struct shape *s, const struct worker *w,
                      const struct job *job);

/* The lease would still have what `h` keeps, if it went on with such a task from `from_us`. */
bool kept_is_in_way(const struct core *c, const struct hold *h, const struct lease *l,
                    const struct shape *s, int64_t from_us);

#endif
