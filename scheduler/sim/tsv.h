/* Workloads as text: a first line of '#' and JSON (pool, tokens, weights), then one task a line:
 * number, submit s, run s, limit s, cores, MiB, licences (or -), enterprise, project, user, class,
 * array (0 = none), outcome (ok fail oom limit); tabs between them. Plain or gzip. */
#ifndef CHIPQ_SIM_TSV_H
#define CHIPQ_SIM_TSV_H

#include "scheduler/sim/workload.h"

/* Adds the file's tasks, features and enterprises to `w`; cores and memory come from the header
 * unless `w` has them. Errors name file and line. */
int tsv_read(const char *path, struct workload *w, struct cq_err *err) CQ_MUST_CHECK;

/* Writes what tsv_read reads; gzip when the name ends in .gz. */
int tsv_write(const char *path, const struct workload *w, struct cq_err *err) CQ_MUST_CHECK;

#endif
