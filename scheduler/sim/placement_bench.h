/* chipq-sim --placement: how often the core splits small jobs over NUMA nodes, and what whole
 * places cost wide jobs in waiting. */
#ifndef CHIPQ_SIM_PLACEMENT_BENCH_H
#define CHIPQ_SIM_PLACEMENT_BENCH_H

#include "scheduler/sim/mixed.h"
#include "scheduler/sim/run.h"

enum { PLACEMENT_LOADS_MAX = 16 };

struct placement_bench {
    struct mixed mixed; /* its load is set by each run */
    double loads[PLACEMENT_LOADS_MAX];
    size_t n_loads;
    bool as_json;
};

/* Reads "0.70,0.85,0.95". */
int placement_bench_loads(const char *text, struct placement_bench *b,
                          struct cq_err *err) CQ_MUST_CHECK;

/* Runs each load with each rule and prints a table, or one JSON object. */
int placement_bench_run(const struct placement_bench *b, const struct run_options *run,
                        struct cq_err *err) CQ_MUST_CHECK;

/* ---- one run, for tests ---- */

enum placement_rule { PLACE_PACK, PLACE_ANY, PLACE_ONE_MACHINE, PLACEMENT_RULES };

struct placement_row {
    uint64_t n_small, n_split; /* jobs that one NUMA node could hold; those on more than one */
    double small_wait_s;
    uint64_t n_wide; /* of 16 cores or more */
    double wide_wait_s;
};
int placement_bench_one(const struct placement_bench *b, const struct run_options *run, double load,
                        enum placement_rule rule, struct placement_row *row,
                        struct cq_err *err) CQ_MUST_CHECK;

#endif
