/* The calendar: bookings of machines, cores, tokens and instruments for a node of the share tree,
 * once or every day or week. A start whose limit reaches into a booking must leave it its place;
 * inside it, only jobs that name it run on what it has. Its times are wall times, and so it is the
 * only part of the core that follows a wall clock that jumps: edges that were passed happen at
 * once, in order; a clock that is set back undoes none. */
#ifndef CHIPQ_CALENDAR_H
#define CHIPQ_CALENDAR_H

#include "common/base/pure/map.h"
#include "scheduler/core/effects.h"
#include "scheduler/core/view.h"

struct booking; /* calendar_state.h */
struct core;
struct enterprise;
struct feature;
struct hold;
struct lease;
struct placement;
struct shape;
struct share_node;
struct worker;

struct calendar {
    struct booking **items; /* by id */
    size_t n, cap;
    size_t n_with_tokens; /* of them */
    struct map by_node;   /* hash of a machine's name -> what is booked there, chained */
    int64_t next_us;      /* wall time of the next edge; INT64_MAX = none */
    int64_t seen_us;      /* wall time of the newest calendar_run */
    bool is_changed;      /* since then: shapes that bookings shut look again */
    bool is_unclear;      /* one began or shelters nobody any more, or a machine has fewer cores */
    bool has_news;        /* since the last core_view_entities */
    uint64_t *gone;       /* ids, since the last core_view_entities */
    size_t n_gone, cap_gone;
};

void calendar_fini(struct calendar *k);
void calendar_renew_next(struct calendar *k); /* after an enterprise was removed */

/* May a task of `s` start on `w` now, as far as bookings go? In `l`, or NULL: behind what that has,
 * with its tokens, in its booking. */
bool calendar_allows(const struct core *c, const struct shape *s, const struct worker *w,
                     const struct lease *l);
/* The same if nothing else ran on `w`: victims make no room that a booking keeps. */
bool calendar_could_allow(const struct core *c, const struct shape *s, const struct worker *w);
/* May it start there at that policy time, when all leases end by their limits? */
bool calendar_allows_at(const struct core *c, const struct shape *s, const struct worker *w,
                        int64_t at_us);
/* A start that bookings allow leaves holds their place beside them too: bookings are asked again
 * only with holds that it may meet. `own`: of its job, or NULL. */
bool calendar_leaves_holds(const struct core *c, const struct shape *s, const struct worker *w,
                           const struct lease *l, const struct hold *own);
/* Policy time, `from_us` or later, at which it may start there beside holds but `own` (or NULL)
 * when all leases end by their limits. INT64_MAX: not to be seen. */
int64_t calendar_earliest(const struct core *c, const struct shape *s, const struct worker *w,
                          const struct hold *own, int64_t from_us);
/* The feature of which bookings leave too few tokens until the limit of `s`, or NULL. */
struct feature *calendar_lacks(const struct core *c, const struct shape *s);
/* The booking that `s` names is active and long enough; true when it names none. */
bool calendar_is_open(const struct core *c, const struct shape *s);

/* A lease runs in what a booking keeps of its machine. */
bool calendar_has(const struct core *c, const struct lease *l);

/* What a start is charged: what its booking pays for (while it is reserved) is left out. */
void calendar_rates(const struct core *c, const struct shape *s, const struct placement *at,
                    int64_t *rate, int64_t *inner);

/* At each plan: occurrences that begin, give back what is unused, or end; shapes that this
 * concerns look again; preemptible leases in the way are called back. */
void calendar_run(struct core *c, int64_t wall_us, struct effects *out);

/* Id of the booking that the shape names, 0: none, or there is no such. */
uint64_t calendar_id(const struct core *c, const struct shape *s);
/* A booking holds tokens of it, for others than `but` (NULL: for anyone). */
bool calendar_asks(const struct core *c, const struct feature *f, const struct enterprise *but);

/* A job of a submit names a booking: may jobs of `leaf` run in it, and can this one ever?
 * CQ_E_NOT_FOUND names a near one that they may. */
int calendar_check_job(const struct core *c, const struct share_node *leaf, const char *name,
                       uint64_t time_us, struct cq_err *err) CQ_MUST_CHECK;

/* An occurrence of the booking begins at that wall time; false when there is no such booking. */
bool calendar_has_occurrence(const struct core *c, uint64_t id, int64_t start_us);

/* The door for RESERVATION_* records. */
int calendar_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
void calendar_view_entities(struct core *c, entity_view_fn fn, void *arg);

/* Inputs. */
void reservation_add_step(struct core *c, const struct input *in, struct now now,
                          struct effects *out);
void reservation_remove_step(struct core *c, const struct input *in, struct now now,
                             struct effects *out);

#endif
