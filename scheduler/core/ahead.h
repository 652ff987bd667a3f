/* Attempts that are queued ahead in a lease, behind one that turns out long: they wait again, so
 * that whoever is free takes them. What is queued ahead is a quarter of a second of usual runs; the
 * usual may change within an array. */
#ifndef CHIPQ_AHEAD_H
#define CHIPQ_AHEAD_H

#include "scheduler/core/effects.h"

struct core;
struct lease;

void ahead_init(struct core *c);
void ahead_fini(struct core *c);

/* The lease's queue, or what is first in it, changed; or the lease closes (then it has no queue).
 */
void ahead_update(struct core *c, struct lease *l);

/* What runs has taken so long that nothing is to be queued behind it. */
bool ahead_is_late(const struct core *c, const struct lease *l);

/* Calls back all that is behind the first, for that reason, which the worker is told. */
void ahead_call_back(struct core *c, struct lease *l, const char *why, int64_t wall_us,
                     struct effects *out);

/* Does so where the first is late. */
void ahead_run(struct core *c, int64_t wall_us, struct effects *out);
int64_t ahead_next_us(const struct core *c); /* policy time of the next look; INT64_MAX = none */

#endif
