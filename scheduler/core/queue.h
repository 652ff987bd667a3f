/* The order of what waits. A class is the tasks of one leaf (project, user) with one request; it
 * holds its jobs in a heap by (priority, arrival). A shape is a request without its leaf: if a
 * shape does not fit anywhere now, it parks with all its classes and none of them is looked at
 * until some worker's free vector grows and covers it. Ready shapes are in one heap by their best
 * class's best job. */
#ifndef CHIPQ_QUEUE_H
#define CHIPQ_QUEUE_H

#include "common/base/pure/heap.h"
#include "common/base/pure/map.h"
#include "scheduler/core/view.h"

struct core;
struct job;
struct worker;

enum wait_reason {
#define REASON(name, text) WAIT_##name,
#include "scheduler/core/reasons.def"
#undef REASON
    WAIT_REASON_COUNT
};
const char *wait_reason_name(enum wait_reason why);

struct shape {
    uint64_t cores, mem_mib;
    bool exclusive;
    char *topo, *node_has; /* node_has: one feature a line */
    struct heap classes;   /* those with something to start, best first */
    size_t ready_index;    /* in queue.ready, HEAP_NOWHERE when parked or empty */
    size_t parked_index;   /* in queue.parked, SIZE_MAX when not parked */
    enum wait_reason why;  /* as placement said when it parked */
    unsigned refs;         /* classes */
    uint64_t hash;
    struct shape *next_same_hash;
};

struct class
{
    uint64_t enterprise, project, principal; /* its leaf */
    struct shape *shape;
    struct heap jobs; /* those with something to start, best first */
    size_t index;     /* in shape->classes */
    uint64_t ready;   /* tasks that may start now */
    uint64_t queued;  /* attempts in the queues of its leases, running ones included */
    unsigned n_leases;
    unsigned refs; /* jobs and leases */
    uint64_t hash;
    struct class *next_same_hash;
};

struct queue {
    struct map shapes, classes; /* by hash, chained */
    struct heap ready;          /* shapes */
    struct shape **parked;      /* no order */
    size_t n_parked, cap_parked;
    struct shape *owed;     /* the one shape that a worker is kept free for, or NULL */
    struct worker *owed_by; /* that worker */
};

void queue_init(struct queue *q);
void queue_fini(struct queue *q);

/* Finds or makes the class of a job's request; one reference for the caller. */
struct class *queue_class_ref(struct core *c, const struct job *job);
void queue_class_unref(struct core *c, struct class *k); /* accepts NULL */

/* Counts anew what of the job may start, and moves job, class and shape to where they belong.
 * Called after every change of the job. */
void queue_update(struct core *c, struct job *job);

/* True when a is to be served before b. Strict and total: ties go by job id, which is arrival. */
bool queue_job_before(const struct job *a, const struct job *b);
struct job *queue_class_head(const struct class *class); /* NULL when nothing may start */
struct job *queue_shape_head(const struct shape *shape);

void queue_park(struct core *c, struct shape *shape, enum wait_reason why);
void queue_unpark(struct core *c, struct shape *shape);

/* Keeps `worker` free for a parked shape; ends when the shape leaves, or by queue_settle_debt. */
void queue_owe(struct core *c, struct shape *shape, struct worker *worker);
void queue_settle_debt(struct core *c); /* no-op when nothing is owed */

#endif
