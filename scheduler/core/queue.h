/* What waits, and in which order. A shape is a request without who asks; a class is the tasks of
 * one leaf of the share tree with one shape, with its jobs in a heap. Every shape has its own copy
 * of that part of the share tree below which it waits: a seat is a node of the tree as one shape
 * sees it, with its children that have something to start (a kinetic tournament by the share key,
 * and a heap of those under their guarantee). So a shape for which there is no room is shut as a
 * whole, none of its classes is looked at, and the best of the others is found in the logarithm of
 * the number of siblings. */
#ifndef CHIPQ_QUEUE_H
#define CHIPQ_QUEUE_H

#include "common/base/pure/heap.h"
#include "common/base/pure/map.h"
#include "scheduler/core/layout.h"
#include "scheduler/core/settings.h"
#include "scheduler/core/tournament.h"
#include "scheduler/core/view.h"

struct core;
struct job;
struct lease;
struct share_node;
struct worker;

enum wait_reason {
#define REASON(name, text) WAIT_##name,
#include "scheduler/core/reasons.def"
#undef REASON
    WAIT_REASON_COUNT
};
const char *wait_reason_name(enum wait_reason why);

/* The best child of the root as one shape sees it, at the time of queue.order_us. */
struct shape_key {
    bool guaranteed;
    double value; /* its claim or its line */
    uint64_t id;
};

struct shape {
    uint64_t cores, mem_mib, time_us;
    uint64_t least_cores, least_mem_mib; /* a start takes: of a whole machine, all it has */
    bool exclusive; /* the whole machine: least_* are its sizes, if there is one */
    bool is_preemptible, has_machine;
    unsigned exclusive_of, membind, smt; /* as in struct in_job */
    char *topo, *node_has;               /* node_has: one feature a line */
    struct layout_wish wish;             /* of `topo` */
    struct tokens tokens;
    char *reservation;              /* the booking that it runs in; "" = none */
    const struct enterprise *owner; /* whose booking that is; else NULL */
    struct seat *root, *seats;      /* NULL: no class; all of them */
    bool is_shut;                   /* there is no room for it now */
    bool is_marked;                 /* queue_pick_among looks at it */
    struct shape_key key;           /* its place in the order of its list */
    size_t order_index;
    enum wait_reason why;        /* it was shut */
    struct feature *why_feature; /* WAIT_LICENCE */
    size_t index;                /* in queue.open or queue.shut, SIZE_MAX when nothing waits */
    uint64_t ready;              /* tasks that may start now */
    unsigned refs;               /* classes */
    uint64_t hash;
    struct shape *next_same_hash;
};

enum seat_place { SEAT_OUT, SEAT_RIVAL, SEAT_GUARANTEED, SEAT_PARKED };

struct seat {
    struct shape *shape;
    struct share_node *node;
    struct seat *parent;          /* of the same shape; NULL at the root */
    struct seat *next, *previous; /* of the same node */
    struct seat *next_of_shape, *previous_of_shape;
    struct class *class;      /* at a leaf */
    struct tournament rivals; /* children, by the share key */
    struct heap guaranteed;   /* children under their guarantee, by claim */
    enum seat_place place;    /* among its parent's children */
    size_t slot;              /* there */
    double claim;
    struct seat *next_parked, *previous_parked;
    struct seat **parked_list; /* its head, while parked */
    unsigned n_ready;          /* classes at or below it with something to start, parked or not */
    unsigned refs;             /* children and the class */
};

struct class
{
    struct share_node *leaf;
    struct shape *shape;
    struct seat *seat;
    struct heap jobs; /* those with something to start, best first */
    uint64_t ready;   /* tasks that may start now */
    uint64_t queued;  /* attempts in the queues of its leases, running ones included */
    unsigned n_leases;
    unsigned refs; /* jobs and leases */
    uint64_t hash;
    uint64_t runs_key; /* of runs.c, for all of its jobs; 0: not asked for yet */
    struct class *next_same_hash;
};

struct shapes {
    struct shape **items;
    size_t n, cap;
    struct heap order; /* the same, best key first */
};

struct queue {
    struct map by_shape, by_class; /* by hash, chained */
    struct shapes open, shut;      /* shapes of which something waits */
    int64_t order_us;              /* policy time of their keys; -1: none */
    struct seat *withheld;         /* parked: what is free is kept for others' guarantees */
    struct heap by_age;            /* jobs with something to start, the longest waiting first */
    uint64_t n_ready_classes;
};

void queue_init(struct core *c);
void queue_fini(struct core *c);

/* Finds or makes the class of a job's request, with that memory; one reference for the caller. */
struct class *queue_class_ref(struct core *c, const struct job *job, uint64_t mem_mib);
void queue_class_unref(struct core *c, struct class *k); /* accepts NULL */
uint64_t shape_core_us(const struct shape *s);           /* least cores x limit */
bool shape_waits_for_room(const struct shape *s);        /* shut: what ends may let it start */

/* Counts anew what of the job may start, and moves job, class and seats to where they belong.
 * Called after every change of the job. */
void queue_update(struct core *c, struct job *job);

/* Within a leaf: rank (time of submit, place in the array, priority), then arrival. Total. */
bool queue_job_before(const struct job *a, const struct job *b);
struct job *queue_class_head(const struct class *k); /* NULL when nothing may start */
bool queue_is_senior(const struct core *c,
                     const struct job *job); /* waits longer than any should */

/* The next class by guarantee and share key, of shapes that are open; or of those given. NULL:
 * none. */
struct class *queue_pick(struct core *c);
struct class *queue_pick_among(struct core *c, struct shape *const *shapes, size_t n);

struct class *queue_best_of(struct core *c, const struct shape *s); /* in the depth of the tree */
struct class *queue_best_below(struct core *c, struct seat *t);
/* In pick order; a and b both have something to start. */
bool queue_class_before(struct core *c, const struct class *a, const struct class *b);

/* As queue_pick_among, but only below one node. */
struct class *queue_pick_below(struct core *c, struct share_node *node, struct shape *const *shapes,
                               size_t n);

/* Who of the shapes that `takes` lets through would be picked before what the lease runs, if it
 * were over? NULL: nobody. */
typedef bool (*shape_filter_fn)(const void *arg, const struct shape *s);
struct class *queue_rival(struct core *c, shape_filter_fn takes, const void *arg,
                          const struct lease *l);

/* Would `other`, which need not be in any choice now, be picked before it then? */
bool queue_comes_instead(struct core *c, const struct class *other, const struct lease *l);

void queue_shut(struct core *c, struct shape *s, enum wait_reason why, struct feature *f);
void queue_open(struct core *c, struct shape *s);

/* Parks a class's seat at the level of `node`: a limit of that node holds it back. The others: at
 * its enterprise, or alone as machines are too large for limits; until capacity moves. */
void queue_park(struct core *c, struct class *k, struct share_node *node);
void queue_withhold(struct core *c, struct class *k);
void queue_park_whole(struct core *c, struct class *k);
bool queue_is_parked(const struct class *k); /* at any level */

/* seat.c: what changes of nodes do to seats. */
void queue_node_changed(struct core *c, struct share_node *n); /* its line or its claim */
void queue_rebuild_lines(struct core *c);                      /* after a new landmark */
void queue_wake_limits(struct core *c,
                       struct share_node *n); /* those that its limits let through */
void queue_park_blocked(struct core *c, struct share_node *n); /* all that they hold back */
void queue_wake_withheld(struct core *c);
void queue_wake_licence(struct core *c, struct feature *f);

/* A child of the root changed: the shape's place in the order, while keys are of this moment. */
void queue_order_changed(struct core *c, struct shape *s);

/* A shape knows its place in the list that it is in. */
void shapes_add(struct shapes *list, struct shape *s);
void shapes_remove(struct shapes *list, struct shape *s);

struct seat *seat_ref(struct core *c, struct shape *s, struct share_node *node);
void seat_unref(struct core *c, struct seat *t);
bool seat_is_empty(const struct seat *t);
void seat_update(struct core *c, struct seat *t); /* it or its children changed: its place above */
void seat_park(struct core *c, struct seat *t, struct seat **list);
/* The best child of a seat: under guarantee first. */
struct seat *seat_best(struct seat *t, double a);

#endif
