/* The machine's own limit: how many processes of this command it can start and reap in a second
 * with nothing of a scheduler in between. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "common/base/pure/err.h"

#define RAW_SPAWNERS 2

/* Starts `command` n times with posix_spawn from RAW_SPAWNERS small processes, each bound to a
 * processor of its own (where there are that many), one at a time each. *per_second is starts per
 * second of all of them. Errors: CQ_E_IO when it cannot be started, CQ_E_INVALID when it does not
 * exit with 0. Blocks. */
int raw_measure(char *command, size_t n, double *per_second, struct cq_err *err) CQ_MUST_CHECK;

#endif
