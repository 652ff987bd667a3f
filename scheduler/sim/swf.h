/* Reads traces in the Standard Workload Format (Parallel Workloads Archive). */
#ifndef CHIPQ_SIM_SWF_H
#define CHIPQ_SIM_SWF_H

#include "scheduler/sim/workload.h"

/* Adds the file's jobs to `w`: processors are those asked for, else those used; the limit is the
 * time asked for, else the run time; a run lasts 1 s at least and its limit at most. Jobs without a
 * size or a run time are counted in n_skipped. `one_leaf`: all jobs belong to one user (arrival
 * order across users then needs no fair share); else each user of the file is one. `exact_limits`:
 * the limit is the run time. Sets w->cores from the header when it is 0. Errors name file and line.
 */
struct swf_options {
    bool one_leaf, exact_limits;
};
int swf_read(const char *path, const struct swf_options *o, struct workload *w,
             struct cq_err *err) CQ_MUST_CHECK;

#endif
