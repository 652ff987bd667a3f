/* The turn's plan: opens leases, tops them up, closes them, and makes the messages about it. */
#ifndef CHIPQ_GRANT_H
#define CHIPQ_GRANT_H

#include "scheduler/core/effects.h"

struct core;

void grant_plan(struct core *c, int64_t wall_us, struct effects *out);
void grant_load_done(struct core *c); /* every open lease is looked at by the next plan */

#endif
