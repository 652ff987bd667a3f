/* Holds: places kept for jobs that need more than any one end of a running job gives back, so that
 * small jobs may start around them but never in their way (EASY backfilling, Lifka 1995, with
 * several reservations, each on one machine and with tokens). A hold's time is computed from time
 * limits alone, so it only moves earlier; predictions never enter the test. */
#ifndef CHIPQ_HOLDS_H
#define CHIPQ_HOLDS_H

#include "scheduler/core/queue.h"

struct core;
struct lease;

enum { HOLDS_MAX = 8 };

struct hold {
    struct job *job;
    struct worker *worker;
    int64_t at_us;       /* policy time at which it fits at the latest */
    int64_t promised_us; /* the first such time */
    int64_t planned_us;  /* when `at_us` was computed */
    unsigned key;        /* resource class: one hold for each */
    bool is_draining;    /* what ends on its machine is kept for it: it costs little */
    bool is_reclaim;     /* victims are being stopped for it */
    /* what is left at `at_us` when it starts then */
    int64_t spare_cores, spare_mem_mib, spare_tokens[TOKENS_MAX];
};

struct holds {
    struct hold items[HOLDS_MAX];
    size_t n;
    int64_t next_us;  /* policy time before which none is planned: a plan costs more than a start */
    int64_t sweep_us; /* policy time of the next sweep */
};

/* Would a start of `shape` on `w` now leave every hold its place? `job` is whose start it is: its
 * own hold does not count (NULL: nobody's). `l` is what the start takes over, or NULL. */
bool holds_allow(const struct core *c, const struct shape *shape, const struct worker *w,
                 const struct lease *l, const struct job *job);

/* The head of `k` found no room. Makes a hold for it when it is due and needs one. */
void holds_consider(struct core *c, struct class *k);
bool holds_has_shape(const struct core *c, const struct shape *s); /* a job of it has one */
struct hold *holds_of(struct core *c, const struct job *job);      /* NULL: none */
struct hold *holds_make(struct core *c, struct job *job, struct worker *w, int64_t at_us);
void holds_drop(struct core *c, const struct job *job); /* started, over, or held back otherwise */

/* Before a pass: drops those that are not needed, plans anew those that may start earlier. */
void holds_review(struct core *c);
/* After picks: who was parked at a limit or a guarantee keeps nothing from others. */
void holds_drop_parked(struct core *c);
/* After a pass: looks for jobs that no pick has met because all of their shape waits. */
void holds_sweep(struct core *c);
int64_t holds_next_us(const struct core *c); /* policy time of the next sweep; INT64_MAX = none */

/* A lease's end by limits; `l->end_us` is kept by these. */
void holds_set_end(struct core *c, struct lease *l, int64_t end_us);
void holds_change_free(struct core *c, const struct feature *f, int64_t by); /* tokens */
void holds_forget_lease(struct core *c, const struct lease *l);              /* it closes */

/* Policy time at which cores and memory for `shape` are there on `w` when leases end as `end` says;
 * INT64_MAX: never. */
typedef int64_t (*lease_end_fn)(const struct core *c, const struct lease *l);
int64_t holds_room(const struct core *c, const struct shape *shape, const struct worker *w,
                   lease_end_fn end);

/* Policy time at which `shape` fits on `w` by limits, with what it leaves then in *h (may be NULL).
 * INT64_MAX: never. */
int64_t holds_earliest(const struct core *c, const struct shape *shape, const struct worker *w,
                       struct hold *h);

#endif
