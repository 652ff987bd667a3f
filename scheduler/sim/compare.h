/* Two runs of one workload side by side: as it is configured, and with changes. */
#ifndef CHIPQ_SIM_COMPARE_H
#define CHIPQ_SIM_COMPARE_H

#include "scheduler/sim/report.h"

/* A finished run with the workload that holds its results. */
struct finished {
    struct workload workload;
    struct run_result result;
};
void finished_fini(struct finished *f); /* accepts zeroed memory */

/* Each figure before, after and by how much it differs, and a line for each enterprise where there
 * are several. Both are runs of the same jobs. */
void compare_table(FILE *out, const struct finished *before, const struct finished *after);
json_t *compare_json(const struct finished *before,
                     const struct finished *after); /* {before, after}; caller decrefs */

#endif
