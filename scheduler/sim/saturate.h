/* The saturation test: enterprises that always want more than there is, with small jobs. */
#ifndef CHIPQ_SIM_SATURATE_H
#define CHIPQ_SIM_SATURATE_H

#include "scheduler/sim/workload.h"

struct saturation {
    uint64_t enterprises, slots, hours, seed;
    int64_t run_us;
    double jitter;       /* a job lasts run * (1 +- jitter) */
    const char *weights; /* "50,30,20": one enterprise each; NULL: 1, 2, 4, 8 in turn */
};

/* Fills an empty workload: one-core jobs, all there from the beginning, more of each enterprise
 * than it could get in that time even with several times its share. */
int saturation_make(const struct saturation *s, struct workload *w,
                    struct cq_err *err) CQ_MUST_CHECK;

#endif
