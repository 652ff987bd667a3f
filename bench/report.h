/* Figures of one measurement, printed as a table for people or as one JSON object. Also the small
 * statistics that go with them. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "common/base/pure/str.h"

struct report {
    struct cq_str table, json;
};

void report_text(struct report *r, const char *name, const char *value);
void report_count(struct report *r, const char *name, int64_t value);
void report_number(struct report *r, const char *name,
                   double value); /* three significant places kept */

/* name_p50, name_p95, name_p99, name_min, name_max in the unit of `values` (microseconds). Sorts
 * `values`. */
void report_spread(struct report *r, const char *name, int64_t *values, size_t n);

void report_print(const struct report *r, bool as_json); /* to stdout */
void report_fini(struct report *r);

/* The smallest of `n` sorted values that at least `percent` of them do not exceed; n > 0. */
int64_t percentile(const int64_t *sorted, size_t n, unsigned percent);

#endif
