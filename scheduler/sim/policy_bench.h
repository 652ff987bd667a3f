/* How fast the core decides: grants per second of CPU with very many tasks waiting. */
#ifndef CHIPQ_SIM_POLICY_BENCH_H
#define CHIPQ_SIM_POLICY_BENCH_H

#include "common/base/pure/err.h"

struct policy_bench {
    uint64_t tasks; /* waiting; a curve goes up to it from 1,000 in steps of ten */
    uint64_t enterprises, projects, users; /* projects of an enterprise, users of a project */
    uint64_t buckets;                      /* tasks of one user with one request */
    uint64_t requests;                     /* that differ, over all users */
    uint64_t slots;                        /* of the pool, always full */
    uint64_t decisions;                    /* to measure at each point */
    uint64_t batch;                        /* ends told before each pass */
    uint64_t request_bytes;                /* of each job's run specification */
    bool singles;                          /* separate jobs instead of one array for each bucket */
    bool as_json;
};

/* Prints as it goes (table) or at the end (JSON). */
int policy_bench_run(const struct policy_bench *b, struct cq_err *err) CQ_MUST_CHECK;

#endif
