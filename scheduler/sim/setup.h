/* Brings a farm to where a workload can begin: enterprises, users, machines, configuration. */
#ifndef CHIPQ_SIM_SETUP_H
#define CHIPQ_SIM_SETUP_H

#include "scheduler/sim/farm.h"
#include "scheduler/sim/run.h"

/* `who`: the principal of each leaf, w->n_leaves of them; caller frees. The workload's features are
 * set to what the configuration says in the end. */
int setup_farm(struct farm *f, struct workload *w, const struct run_options *o,
               struct principal_id **who, struct cq_err *err) CQ_MUST_CHECK;

#endif
