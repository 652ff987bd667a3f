/* Holds: places kept for jobs that need more than any one end of a running job gives back, so that
 * small jobs may start around them but never in their way (EASY backfilling, Lifka 1995, with
 * several reservations, each on one machine and with tokens). A hold's time is computed from time
 * limits alone and beside all other holds (holds_plan.h), so it only moves earlier; predictions
 * never enter the test. What a lease has queued ahead (a quarter of a second of its usual tasks)
 * counts as usual: the one case in which more may be taken than was told. */
#ifndef CHIPQ_HOLDS_H
#define CHIPQ_HOLDS_H

#include "scheduler/core/holds_kept.h"
#include "scheduler/core/queue.h"

struct core;
struct lease;

enum {
    HOLDS_ORDINARY_MAX = 8,
    HOLDS_SENIORS_MAX = 4, /* beside them */
    HOLDS_MAX = HOLDS_ORDINARY_MAX + HOLDS_SENIORS_MAX
};

struct hold {
    struct job *job;
    struct worker *worker;
    int64_t at_us;       /* policy time at which it fits at the latest */
    int64_t promised_us; /* the first such time */
    int64_t planned_us;  /* when `at_us` was computed */
    int64_t counted_us;  /* when its spare was: what is late then was taken to end a moment after */
    unsigned key;        /* resource class: one hold for each */
    bool is_draining;    /* what ends on its machine is kept for it: it costs little */
    bool is_reclaim;     /* victims are being stopped for it */
    bool is_due;         /* its time has come, and it has looked */
    bool is_senior;      /* it waits longer than anyone should */
    /* what is left at `at_us` when it starts then, and the others in their time */
    int64_t spare_cores, spare_mem_mib, spare_tokens[TOKENS_MAX];
    struct kept_place kept; /* of a job that insists on where it runs */
};

struct holds {
    struct hold items[HOLDS_MAX];
    size_t n;
    int64_t next_us;  /* policy time before which none is planned: a plan costs more than a start */
    int64_t sweep_us; /* policy time of the next sweep */
    bool is_overbooked; /* a booking came since the last review */
    bool is_changed;    /* since the last PLANS record: a hold, or since when a guarantee waits */
    struct record_bytes told; /* the newest such record */
    bool is_told;             /* it is in the store's rows */
};

/* Would a start of `shape` on `w` now leave every hold its place? `job` is whose start it is: its
 * own hold does not count (NULL: nobody's). `l` is what the start takes over, or NULL. */
bool holds_allow(const struct core *c, const struct shape *shape, const struct worker *w,
                 const struct lease *l, const struct job *job);

/* A hold there drains, or does so when it is planned anew. */
bool holds_may_drain(const struct core *c, const struct worker *w);

/* The head of `k` found no room. Makes a hold for it when it is due and needs one. */
void holds_consider(struct core *c, struct class *k);
bool holds_has_shape(const struct core *c, const struct shape *s); /* a job of it has one */
struct hold *holds_of(struct core *c, const struct job *job);      /* NULL: none */
/* It has none, and none of its kind, width, feature or enterprise is in its way. */
bool holds_may_have(const struct core *c, const struct job *job);

/* A claim takes back: others make way, then, with the victims called back, its place is held. */
bool holds_may_reclaim(struct core *c,
                       const struct job *job); /* false: claims have all there are */
void holds_reclaim(struct core *c, struct job *job, struct worker *w, int64_t at_us);
/* It starts on `w`; late, it puts others off. Before its record. */
void holds_begun(struct core *c, const struct job *job, const struct worker *w);
void holds_drop(struct core *c, const struct job *job); /* over, or held back otherwise */

/* Before a pass: drops those that are not needed, plans anew those that may start earlier. */
void holds_review(struct core *c);
/* After picks: who was parked at a limit or a guarantee keeps nothing from others. */
void holds_drop_parked(struct core *c);
/* After a pass: looks for jobs that no pick has met because all of their shape waits. */
void holds_sweep(struct core *c);
int64_t holds_next_us(const struct core *c); /* policy time of the next look; INT64_MAX = none */

/* After a plan: a PLANS record, if what is kept has changed. */
void holds_tell(struct core *c, struct effects *out);
void holds_apply(struct core *c, const struct plans *r);
bool holds_are_sound(const struct record_bytes *state); /* of a PLANS record: it can be read */
void holds_view_entity(struct core *c, entity_view_fn fn, void *arg);
void holds_load_done(struct core *c); /* takes up what was told, when all else is loaded */

/* A lease's end by limits; `l->end_us` is kept by these. */
void holds_set_end(struct core *c, struct lease *l, int64_t end_us);
void holds_change_free(struct core *c, const struct feature *f, int64_t by); /* tokens */
void holds_forget_lease(struct core *c, const struct lease *l);              /* it closes */
void holds_recount(struct core *c, const struct worker *w); /* it has other cores than before */

#endif
