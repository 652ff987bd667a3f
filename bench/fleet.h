/* A fleet of virtual workers: each has a key, a CURVE connection and a node of its own and speaks
 * the workers' protocol as chipq-worker does, but its attempts only pretend to run. What chipqd
 * sees is a pool of so many machines.
 *
 * A worker takes two descriptors, so the fleet lives in as many processes as the limit of open
 * files asks for, one thread each; one is enough for about ten thousand workers. */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "common/base/pure/err.h"
#include "common/net/curve.h"

#include <stdatomic.h>

struct fleet;

struct fleet_options {
    const char *name, *feature;    /* nodes are called NAME-1, NAME-2, ...; what they advertise */
    size_t count, cores;           /* workers; cores of each */
    size_t numa;                   /* NUMA nodes that its cores are divided among */
    const struct curve_key *keys;  /* `count` of them; borrowed until fleet_start returns */
    const char *server, *endpoint; /* chipqd's public key, its workers' port; borrowed likewise */
    int64_t run_us;                /* how long an attempt pretends to run */
};

/* Written by the fleet's processes, read by any. All but the first two only grow. */
struct fleet_counts {
    _Atomic uint64_t welcome;    /* workers with a session */
    _Atomic uint64_t running;    /* attempts that pretend to run now */
    _Atomic uint64_t granted;    /* attempts received */
    _Atomic uint64_t accepted;   /* ends that chipqd has on disk */
    _Atomic uint64_t passed;     /* of these, with verdict pass */
    _Atomic uint64_t stale;      /* ends that it did not want */
    _Atomic uint64_t twice;      /* the same attempt received again: must be 0 */
    _Atomic uint64_t overlaps;   /* a grant of cores that are in use: must be 0 */
    _Atomic uint64_t errors;     /* ERROR answers but "say HELLO" */
    _Atomic uint64_t hellos;     /* said */
    _Atomic uint64_t heartbeats; /* acknowledged */
    _Atomic int64_t granted_us;  /* boot clock, of the newest attempt */
};

/* Workers connect in the background. Errors: CQ_E_LIMIT when a process may not even have the
 * descriptors for a few of them. */
struct fleet *fleet_start(const struct fleet_options *o, struct cq_err *err) CQ_MUST_CHECK;
void fleet_stop(struct fleet *f); /* says goodbye for all, and ends; accepts NULL */

bool fleet_is_whole(const struct fleet *f); /* none of its processes has ended */
int64_t fleet_cpu_us(const struct fleet *f);
const struct fleet_counts *fleet_counts(const struct fleet *f);
void fleet_set_run_us(struct fleet *f, int64_t run_us); /* of attempts that start from now on */
void fleet_hold(struct fleet *f, bool is_held); /* held: no attempt that runs ends by itself */

/* The newest ERROR but "say HELLO" that a worker got; "" when there was none. Copies. */
void fleet_last_error(struct fleet *f, char *text, size_t bytes);

/* How long cores stood idle from the end of an attempt until the next came, since the last call:
 * at most `max` of the oldest, the rest is forgotten. */
size_t fleet_take_gaps(struct fleet *f, int64_t *us, size_t max);

#endif
