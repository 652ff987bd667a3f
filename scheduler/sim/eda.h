/* Makes a workload as a pool of chip-design companies sees it: nightly regressions of thousands of
 * short simulations, debug runs by day, synthesis and timing, and a few very large jobs
 * (docs/SIMULATION.md has the model). The same seed gives the same workload. */
#ifndef CHIPQ_SIM_EDA_H
#define CHIPQ_SIM_EDA_H

#include "scheduler/sim/workload.h"

struct eda {
    uint64_t seed, enterprises, days;
    double load; /* mean demand of cores over the pool's cores */
};

/* Reads "seed=1,enterprises=40,days=2,load=0.85"; what is left out keeps these values. */
int eda_parse(const char *text, struct eda *e, struct cq_err *err) CQ_MUST_CHECK;

/* Fills an empty workload; its cores, unless given, are chosen for the load. */
int eda_make(const struct eda *e, struct workload *w, struct cq_err *err) CQ_MUST_CHECK;

#endif
