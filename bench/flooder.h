/* One who submits as fast as chipqd takes it: a process of its own with many connections of one
 * user, on each so many submits without an answer. A refused submit is replaced by the next at
 * once. */
#ifndef BENCH_FLOODER_H
#define BENCH_FLOODER_H

#include "bench/bench.h"

#include <stdatomic.h>

struct flooder;

struct flood_shape {
    const char *name;
    size_t connections;
    size_t jobs;            /* in a request */
    const char *array;      /* NULL: jobs of one task */
    uint64_t request_bytes; /* of each job's run specification; 0 = as small as can be */
};

struct flooder_options {
    const struct curve_key *key; /* with endpoint and server; borrowed for the call */
    const struct flood_shape *shape;
    const char *feature; /* of the nodes that run it; NULL: the jobs are held */
    size_t window;
};

struct flooder_counts {
    _Atomic uint64_t accepted; /* requests */
    _Atomic uint64_t refused;
    _Atomic uint64_t failed; /* connections that were refused or lost */
};

struct flooder *flooder_start(const struct bench *b, const struct flooder_options *o,
                              struct cq_err *err) CQ_MUST_CHECK;
const struct flooder_counts *flooder_counts(const struct flooder *f);
void flooder_stop(struct flooder *f); /* accepts NULL; what was accepted stays */

#endif
