/* What a job costs its enterprise while it runs, as a part of the whole pool: the largest of its
 * parts of cores, memory and each feature's tokens. The measures of fairness count in it. */
#ifndef CHIPQ_SIM_CHARGE_H
#define CHIPQ_SIM_CHARGE_H

#include "scheduler/sim/workload.h"

/* `plain`: a feature's tokens count against their own number alone; else at least against twice the
 * number of enterprises, so that one token of a scarce feature is not charged above half an average
 * share. Features that one enterprise owns do not count. */
double charge_of(const struct workload *w, const struct sim_row *r, bool plain);

#endif
