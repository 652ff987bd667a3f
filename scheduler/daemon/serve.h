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

/* Makes a new database of what can be read of the damaged one, tells what is lost, and puts the old
 * one aside; with o->check it only tells. CQ_E_CONFLICT when chipqd runs; CQ_E_IO when what is lost
 * cannot be made up. */
int daemon_repair(const struct daemon_options *o, struct cq_err *err) CQ_MUST_CHECK;

/* Workers take no orders from an epoch below one that they have seen: so far behind may what is
 * restored or repaired be. */
#define EPOCHS_PASSED UINT64_C(1000000)

/* `NAME.WHAT-TIME`, where an old database goes. Caller frees. */
char *daemon_aside(const char *db, const char *what);
/* Puts the database of the instance and its WAL aside, if they are there, and `made` in its place.
 * A WAL that stayed would be taken for that of the new one. */
int daemon_put_in_place(const struct daemon_options *o, const char *made, const char *aside,
                        struct cq_err *err) CQ_MUST_CHECK;

/* instance.c: what store_id must say of the database; "" when nothing is written yet. */
int instance_read(const struct daemon_options *o, char id[STORE_ID_CHARS + 1],
                  struct cq_err *err) CQ_MUST_CHECK;
int instance_write(const struct daemon_options *o, struct store *s,
                   struct cq_err *err) CQ_MUST_CHECK;

/* Why there is none, and what to do: fills `err`, returns -1. */
int daemon_no_database(const struct daemon_options *o, struct cq_err *err);
char *daemon_database_path(const struct daemon_options *o); /* caller frees */

#endif
