/* What main chooses from. Each returns an exit status; errors go to the log. */
#ifndef CHIPQ_DAEMON_SERVE_H
#define CHIPQ_DAEMON_SERVE_H

#include "scheduler/daemon/options.h"
#include "scheduler/store/store.h"

/* Runs chipqd until SIGTERM or SIGINT. Blocks. */
int daemon_serve(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* Makes a fresh instance: directories, keys, a database with enterprise `local`. CQ_E_CONFLICT when
 * there is one, or when there was one and its database is missing. */
int daemon_init(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* Prints the journal and the job rows as JSON lines. chipqd must be stopped. */
int daemon_dump(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* Makes the backup o->restore_file the database. CQ_E_CONFLICT when chipqd runs, or when there is
 * one and not o->replace. */
int daemon_restore(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* instance.c: what store_id must say of the database; "" when nothing is written yet. */
int instance_read(const struct daemon_options *o, char id[STORE_ID_CHARS + 1],
                  struct cq_err *err) CQ_MUST_CHECK;
int instance_write(const struct daemon_options *o, struct store *s,
                   struct cq_err *err) CQ_MUST_CHECK;

/* Why there is none, and what to do: fills `err`, returns -1. */
int daemon_no_database(const struct daemon_options *o, struct cq_err *err);
char *daemon_database_path(const struct daemon_options *o); /* caller frees */

#endif
