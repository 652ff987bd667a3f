/* Words for why something waits, beside core_explain of view.h. */
#ifndef CHIPQ_EXPLAIN_H
#define CHIPQ_EXPLAIN_H

#include "scheduler/core/queue.h"

/* Appends "asks 64 cores; the largest worker has 2" when no worker that is up could ever hold the
 * shape, and returns true. With no worker up nothing is known: false. */
bool explain_impossible(const struct core *c, const struct shape *shape, struct cq_str *out);

#endif
