/* Small file work: whole-file reads with a bound, atomic writes, directories, locks. All block. */
#ifndef CQ_FILES_H
#define CQ_FILES_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

#include <sys/types.h>

/* Reads a whole regular file of at most max_bytes into `out` (replaced). CQ_E_NOT_FOUND when there
 * is none, CQ_E_LIMIT when it is larger, CQ_E_IO otherwise. */
int file_read(const char *path, size_t max_bytes, struct cq_str *out,
              struct cq_err *err) CQ_MUST_CHECK;

/* As file_read for secrets: opened O_NOFOLLOW, must be a regular file of ours (or root's), closed
 * to group and others. */
int file_read_secret(const char *path, size_t max_bytes, struct cq_str *out,
                     struct cq_err *err) CQ_MUST_CHECK;

/* Writes to a temporary name beside `path`, syncs, renames. Readers see the old file or the new
 * one. */
int file_write_atomic(const char *path, const void *data, size_t bytes, mode_t mode,
                      struct cq_err *err) CQ_MUST_CHECK;

/* mkdir -p. Existing directories are fine; their mode is left alone. */
int dir_make(const char *path, mode_t mode, struct cq_err *err) CQ_MUST_CHECK;

/* Renames and new files in it are on disk. */
int dir_sync(const char *path, struct cq_err *err) CQ_MUST_CHECK;

/* Removes a tree below `path`, itself too; never follows links, never crosses a mount. Missing is
 * fine. */
int dir_remove(const char *path, struct cq_err *err) CQ_MUST_CHECK;

/* Opens (creating) and locks `path` exclusively (flock), writes our pid into it, returns the
 * descriptor to keep open. CQ_E_CONFLICT with the holder's pid when someone has it. */
int file_lock_pid(const char *path, struct cq_err *err) CQ_MUST_CHECK;

/* The pid in a lock file whose lock is held by a living process; 0 when nobody holds it. */
pid_t file_lock_holder(const char *path);

/* printf into a new path; caller frees. */
char *path_format(const char *fmt, ...) CQ_PRINTF(1, 2);

/* write(2) until all is out. Returns -1 with errno. */
int write_all(int fd, const void *data, size_t bytes);

#endif
