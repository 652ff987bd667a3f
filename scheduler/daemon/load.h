/* A core from a database: as chipqd starts, and as a repair proves that it would. Neither starts
 * anything: core_load_done, which says what time it is, is the caller's. */
#ifndef CHIPQ_DAEMON_LOAD_H
#define CHIPQ_DAEMON_LOAD_H

#include "scheduler/core/core.h"
#include "scheduler/daemon/options.h"
#include "scheduler/store/store.h"

/* What the core needs to know of the options. */
struct core_config load_config(const struct daemon_options *o);

/* What is live; then what has ended and is still asked for. Block for the disk. */
int load_live(struct store *s, struct core *c, struct cq_err *err) CQ_MUST_CHECK;
int load_all(struct store *s, struct core *c, struct cq_err *err) CQ_MUST_CHECK;

#endif
