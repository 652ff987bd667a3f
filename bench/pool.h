/* A pool of virtual workers: their keys at chipqd, the fleet, and the wait until all have a
 * session. */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include "bench/bench.h"
#include "bench/fleet.h"

struct pool {
    struct fleet *fleet; /* NULL: not started */
    char name[32], feature[48];
    bool is_enrolled;
};

/* Draws a name; the workers are called after it. */
void pool_init(struct pool *p);

/* Starts b->count workers of b->cores; appends what that took to b->report. Blocks until they are
 * there. The caller stops the pool whatever comes back. */
int pool_start(struct pool *p, struct bench *b, struct session *admin,
               struct cq_err *err) CQ_MUST_CHECK;
int pool_stop(struct pool *p, const struct bench *b, struct session *admin,
              struct cq_err *err) CQ_MUST_CHECK;

#endif
