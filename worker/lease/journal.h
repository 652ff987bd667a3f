/* The journal of one lease, run/leases/lease-ID.journal: a header and fixed-size records. Who holds
 * its lock (flock on the open description) is the lease's shepherd; a journal that can be locked
 * has lost its shepherd. Not synced, except where asked: it outlives processes, not power. */
#ifndef CHIPQ_JOURNAL_H
#define CHIPQ_JOURNAL_H

#include "common/base/pure/err.h"
#include "worker/lease/lease_record.h"

enum {
    JOURNAL_RECORDS_MAX = 1 << 20, /* no reader goes on beyond */
    JOURNAL_COMPACT_BYTES = 4 << 20,
};

/* Makes `name` in directory `dir_fd` with this header, locked. Returns its descriptor.
 * CQ_E_CONFLICT when it is there already. */
int journal_make(int dir_fd, const char *name, const struct lease_header *header,
                 struct cq_err *err) CQ_MUST_CHECK;

/* Opens an existing one. Returns its descriptor; *is_held tells whether a shepherd has it. When not
 * held, the caller holds the lock from now on. */
int journal_open(int dir_fd, const char *name, bool *is_held, struct cq_err *err) CQ_MUST_CHECK;

int journal_read_header(int fd, struct lease_header *out, struct cq_err *err) CQ_MUST_CHECK;

/* Notes the shepherd's process, so that its death can be told from its pid's reuse, and the slot of
 * its control groups. */
void journal_set_keeper(int fd, int64_t pid, uint32_t slot);

/* Is that very process still there (zombies are not)? */
bool journal_keeper_lives(const struct lease_header *header);

/* Appends; with `sync` it returns after it is on disk. Errors: CQ_E_IO. A half-written record is
 * cut off again. */
int journal_append(int fd, const struct lease_record *r, bool sync,
                   struct cq_err *err) CQ_MUST_CHECK;

/* Calls fn for each whole record from the start; a torn last record is skipped. CQ_E_PROTOCOL when
 * a record inside is damaged. */
typedef void (*journal_fn)(void *arg, const struct lease_record *r);
int journal_read(int fd, journal_fn fn, void *arg, struct cq_err *err) CQ_MUST_CHECK;

#endif
