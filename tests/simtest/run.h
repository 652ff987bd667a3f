/* One run of the simulation. */
#ifndef SIMTEST_RUN_H
#define SIMTEST_RUN_H

#include "tests/simtest/sim.h"

struct run_options {
    enum break_kind broken;
    bool is_verbose; /* every event */
    bool is_loud;    /* the programs' log lines as well */
    uint64_t max_events;
};

struct run_result {
    uint64_t hash, n_events;
    int64_t end_us;
    size_t n_jobs, n_starts, n_restarts, n_submits, n_accepted, n_cancels;
    bool is_failed;
    char rule[16], text[400];
};

void run_seed(uint64_t seed, const struct run_options *o, struct run_result *result);

#endif
