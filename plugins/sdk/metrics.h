/* Named numbers that a tool reported, in the manner of METRICS2.1 (synth__design__instance__area).
 * Bounded: result.json must stay small. Zeroed memory is an empty list. */
#ifndef METRICS_H
#define METRICS_H

#include "common/base/pure/compiler.h"

#define METRIC_NAME_MAX 96 /* bytes with NUL */
#define METRICS_MAX     256

struct metric {
    char name[METRIC_NAME_MAX];
    double value;
};

struct metrics {
    struct metric *items; /* owned */
    size_t count, cap;
    size_t left_off; /* not stored: the list was full, or the number was not finite */
};

void metrics_fini(struct metrics *m);

/* Sets or replaces. Characters other than [A-Za-z0-9_] in `name` become '_'; long names are cut. */
void metrics_set(struct metrics *m, const char *name, double value);
bool metrics_get(const struct metrics *m, const char *name, double *value);

/* A line "chipq-metric: NAME VALUE", which benches and scripts may print. True when it was one. */
bool metrics_read_line(struct metrics *m, const char *line);

#endif
