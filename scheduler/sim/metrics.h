/* Figures of a finished simulation, from its tasks. */
#ifndef CHIPQ_SIM_METRICS_H
#define CHIPQ_SIM_METRICS_H

#include "scheduler/sim/fairness.h"
#include "scheduler/sim/workload.h"

/* Waits: from submission to the start of the run that ended, in seconds. The p95 is the smallest
 * value that at least 95 in 100 do not exceed. */
struct wait_stats {
    uint64_t n;
    double mean_s, median_s, p95_s, max_s;
};

struct tenant_stats {
    double weight, due, got; /* parts of all charged service, 0..1 */
    bool is_absent;          /* it never had a job: nothing is due to it */
    double core_hours;
    struct wait_stats wait;
};

struct metrics {
    uint64_t n_jobs;       /* tasks that ended */
    uint64_t n_unfinished; /* did not end: the pool was stopped, or they can never start */
    uint64_t n_refused, n_skipped;
    struct wait_stats wait;
    double mean_bounded_slowdown; /* max(1, (wait + run) / max(run, 10 s)) */
    double p95_bounded_slowdown, max_bounded_slowdown;
    double makespan_s;  /* from the first submission to the last end */
    double utilisation; /* core-seconds of runs that ended over cores and makespan */
    uint64_t n_preemptions;
    double preempted_core_hours; /* runs that were lost to preemption */
    double jain_hour_mean, jain_hour_min, jain_day_mean, jain_day_min;
    uint64_t n_hours, n_days; /* windows that count */
    double max_lag_min;
    const char *max_lag_tenant;   /* borrowed from the workload; "" = none */
    double jain_total;            /* of all charged service by weight, over all tenants */
    struct wait_stats *classes;   /* by place in the workload's list; owned */
    struct tenant_stats *tenants; /* owned */
    size_t n_classes, n_tenants;
};

/* What the run counted besides the tasks. */
struct metrics_extra {
    const struct fairness *fairness;
    uint64_t n_refused, n_preemptions;
    double preempted_core_us;
};

void metrics_make(struct metrics *m, const struct workload *w, const struct metrics_extra *extra);
void metrics_fini(struct metrics *m);

/* Sorts `values`. */
struct wait_stats wait_stats_of(double *values, size_t n);

#endif
