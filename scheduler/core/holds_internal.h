/* What the files of holds share. */
#ifndef CHIPQ_HOLDS_INTERNAL_H
#define CHIPQ_HOLDS_INTERNAL_H

#include "scheduler/core/holds.h"

/* One hold for each: what a shape waits for, and how wide it is. */
unsigned hold_key(const struct core *c, const struct shape *s);

/* Its place counts with the others, or (sign -1) does not any more. */
void hold_count(struct core *c, const struct hold *h, int64_t sign);

/* Plans anew; who it kept out looks again when it leaves more. False: there is no place. */
bool hold_replan(struct core *c, struct hold *h);
/* A claim's place is its victims'; that of a machine which may yet come back stays as promised. */
bool hold_may_move(const struct hold *h);

/* There are as many of its kind as there may be. */
bool hold_is_full(const struct core *c, bool is_senior);

void hold_drop_at(struct core *c, size_t i); /* its place in c->holds; those behind move up */

/* Jobs that a hold kept from starting look again. */
void hold_wake_others(struct core *c);

#endif
