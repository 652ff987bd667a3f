/* A thread that asks `why` and `jobs` in turn, so many a second, over a connection of its own. */
#ifndef BENCH_ASKER_H
#define BENCH_ASKER_H

#include "bench/bench.h"

struct asker;

struct asker_counts {
    uint64_t answered;
    int64_t took_us; /* of all of them, from the question to the answer */
};

/* Quiet at first. */
struct asker *asker_start(const char *key_path, uint64_t per_second,
                          struct cq_err *err) CQ_MUST_CHECK;
int asker_stop(struct asker *a, struct cq_err *err); /* -1 when it had failed; accepts NULL */

void asker_ask_about(struct asker *a, uint64_t number); /* a job's; 0: be quiet */
struct asker_counts asker_counts(struct asker *a);

#endif
