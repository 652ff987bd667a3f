/* The processes of a local instance: starting them detached, finding them by their locked pid
 * files, ending them. */
#ifndef INSTANCE_H
#define INSTANCE_H

#include "cli/cli.h"

#include <sys/types.h>

#define INSTANCE_DIR_MAX 80 /* bytes; what is left of a unix socket's 107 holds our names */

/* Checks the directory's path, owner and mode; `makes` creates what is missing. CQ_E_LIMIT,
 * CQ_E_DENIED, CQ_E_IO. */
int instance_check_dir(const char *dir, bool makes, struct cq_err *err) CQ_MUST_CHECK;

/* Waits until no other `up` or `down` works on the instance, and keeps them out until the
 * descriptor is closed (or the process ends). -1 when the directory is not there. */
int instance_lock(const char *dir);

/* The directory of our own executable. Caller frees. */
char *instance_bin_dir(void);

/* The pid of a running "chipqd", "execd" or "worker"; 0 when it does not run. */
pid_t instance_pid(const char *dir, const char *role);

/* Waits at most timeout_us for the end of one that is on its way out, and says whether it is gone.
 */
bool instance_has_gone(const char *dir, const char *role, int64_t timeout_us);

struct instance_program {
    const char *dir, *role; /* worker, chipqd */
    char *const *argv;
    size_t n_fixed;    /* --ready-fd comes after so many words of argv */
    const char *needs; /* role without which it cannot get ready; NULL: none */
};

/* Starts argv[0] in a session of its own, output appended to DIR/log/ROLE.log, and waits until it
 * writes "ready" to the descriptor given by --ready-fd (appended by us). CQ_E_INTERNAL with the
 * last line of its log when it ends before, and when what it needs ends; CQ_E_TIMEOUT after
 * timeout_us; the process is ended. Returns the pid, or -1. */
pid_t instance_start(const struct instance_program *i, int64_t timeout_us,
                     struct cq_err *err) CQ_MUST_CHECK;

/* Runs argv to its end and collects at most max_bytes of its output. Returns its exit status, or
 * -1. */
int instance_capture(char *const *argv, size_t max_bytes, int64_t timeout_us, struct cq_str *out,
                     struct cq_err *err) CQ_MUST_CHECK;

enum instance_stopped { INSTANCE_NOT_RUNNING, INSTANCE_ENDED, INSTANCE_KILLED };

/* TERM, wait until it is gone, KILL after timeout_us. CQ_E_DENIED when it is not ours. */
int instance_stop(const char *dir, const char *role, int64_t timeout_us, enum instance_stopped *how,
                  struct cq_err *err) CQ_MUST_CHECK;

#endif
