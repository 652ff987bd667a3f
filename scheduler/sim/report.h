/* Figures of a simulation for people (an aligned table), for programs (JSON) and per job (CSV). */
#ifndef CHIPQ_SIM_REPORT_H
#define CHIPQ_SIM_REPORT_H

#include <jansson.h>

#include "scheduler/sim/run.h"

/* With a line for each enterprise where there are several. */
void report_table(FILE *out, const struct workload *w, const struct run_result *r);
json_t *report_json(const struct workload *w, const struct run_result *r); /* caller decrefs */

/* job, submit, wait, run, cores, enterprise, class, started; times in seconds, those of a job that
 * never ended are empty. */
int report_csv(const char *path, const struct workload *w, struct cq_err *err) CQ_MUST_CHECK;

/* The means over several windows of one trace: as each one's report, and theirs together. */
struct window_mean {
    uint64_t n;
    double bounded_slowdown, wait_s, utilisation; /* sums until divided by n */
};
void window_mean_add(struct window_mean *m, const struct metrics *one);
void report_window_mean(FILE *out, const struct window_mean *m);
json_t *report_window_mean_json(const struct window_mean *m);

/* What went wrong, as chipq says it: a line on stderr, and with `as_json` an object on stdout. */
void report_error(const char *program, bool as_json, const struct cq_err *err);

#endif
