/* What main chooses from. Each returns an exit status; errors go to the log. */
#ifndef CHIPQ_DAEMON_SERVE_H
#define CHIPQ_DAEMON_SERVE_H

#include "scheduler/daemon/options.h"

/* Runs chipqd until SIGTERM or SIGINT. Blocks. */
int daemon_serve(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* Makes a fresh instance: directories, keys, a database with enterprise `local`. CQ_E_CONFLICT when
 * there is one, or when there was one and its database is missing. */
int daemon_init(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* Prints the journal and the job rows as JSON lines. chipqd must be stopped. */
int daemon_dump(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

char *daemon_database_path(const struct daemon_options *o); /* caller frees */

#endif
