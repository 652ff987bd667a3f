/* One question about a start beside bookings: where, from when, until when; for the calendar's own
 * files. */
#ifndef CHIPQ_CALENDAR_QUERY_H
#define CHIPQ_CALENDAR_QUERY_H

#include "scheduler/core/calendar_state.h"

#define LOOK_AHEAD_US (800 * DAY_US) /* no booking begins later */

struct query {
    const struct core *core;
    const struct shape *shape;
    const struct worker *worker;
    const struct lease *taken; /* what it takes over, or NULL */
    int64_t from_us, until_us; /* wall */
    int64_t look_us;           /* starts so much later are looked at too, for the next moment */
    bool is_alone;             /* as if no lease were there */
    bool beside_holds;         /* each keeps its place too, from its time on; */
    const struct hold *own;    /* but for this one, or NULL */
};

/* A start of `s` on `w` (NULL: anywhere) at that wall time. */
struct query query_of(const struct core *c, const struct shape *s, const struct worker *w,
                      int64_t from_us);
int64_t query_until(int64_t from_us, uint64_t time_us); /* the end of a limit, wall */

/* Cores and memory; tokens. `q->from_us`: it may start. Else no start before that moment can be
 * allowed, which is later. INT64_MAX: none at all. */
int64_t query_machine_us(const struct query *q);
int64_t query_tokens_us(const struct query *q, struct feature **lacking);

/* ---- parts of them ---- */

/* The next occurrence in which a start may be that is not in this one. INT64_MAX: none. */
int64_t query_next_begin_us(const struct query *q, const struct booking *b);

/* When a lease ends by its limit, wall time; one that is late may end any moment. */
int64_t query_lease_end_us(const struct core *c, const struct lease *l);
/* What the present and what later occurrences of a booking have. */
void query_add_present(struct timeline *t, const struct booking *b, const struct query *q,
                       struct amount a);
void query_add_later(struct timeline *t, const struct booking *b, const struct query *q,
                     struct amount a);
/* The hold's cores and memory (f: its tokens of that feature) are counted beside bookings: it is
 * not in one that has booked such. */
bool query_keeps_place(const struct query *q, const struct hold *h, const struct feature *f);
void query_add_hold(struct timeline *t, const struct query *q, const struct hold *h,
                    struct amount a);
/* The wall time until which a hold has its place. */
int64_t query_hold_end_us(const struct core *c, const struct hold *h);

#endif
