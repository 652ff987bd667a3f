/* R11: what is granted of a machine never exceeds what it has: by the journal, by the core's own
 * books, and by what truly runs. */
#ifndef SIMTEST_RULES_BOOKS_H
#define SIMTEST_RULES_BOOKS_H

#include "scheduler/core/core.h"
#include "tests/simtest/jobs.h"

void books_reset(void);
void books_record(const struct record *r);
void books_check_core(const struct core *c, struct now now);
void books_started(const struct truth *t); /* the newest of `truths` */
bool books_is_empty(void);                 /* no lease is open */

#endif
