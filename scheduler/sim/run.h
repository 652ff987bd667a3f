/* Runs a workload through the real core in virtual time. */
#ifndef CHIPQ_SIM_RUN_H
#define CHIPQ_SIM_RUN_H

#include "scheduler/core/core.h"
#include "scheduler/sim/metrics.h"

/* What happens within one second. EACH: submissions, then ends, a pass after each of them. BATCH:
 * all of them, then one pass. */
enum run_order { RUN_EACH, RUN_BATCH };

/* Called now and then: how far time and jobs are. */
typedef void (*run_progress_fn)(void *arg, int64_t now_us, uint64_t n_over, uint64_t n_tasks);

struct run_options {
    struct core_config core;
    enum run_order order;
    double
        min_share; /* each enterprise gets this part of its weighted share as min-cores; 0 = none */
    int64_t until_us;                 /* stop then; 0 = when all is done */
    const struct in_config_row *rows; /* further configuration, applied when all exist */
    size_t n_rows;
    const char *const *row_places; /* where each was written, for errors; "" = not known */
    run_progress_fn progress;      /* NULL: none */
    void *progress_arg;
};

struct run_result {
    struct metrics metrics;
    char stuck[512]; /* why the first job that never started did not; "" = all ended */
    uint64_t n_events;
};

/* Runs a built workload; its tasks hold the results then. A workload is built anew before it runs
 * again. The caller calls run_result_fini. Errors: the configuration is refused, or the core breaks
 * its contract. */
int run_workload(struct workload *w, const struct run_options *o, struct run_result *r,
                 struct cq_err *err) CQ_MUST_CHECK;
void run_result_fini(struct run_result *r);

#endif
