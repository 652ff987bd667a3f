/* The wish to stop, told by SIGTERM, SIGINT or SIGHUP. The signals are blocked and read from a
 * descriptor, so that a run notices them in its poll loop and nowhere else. */
#ifndef STOP_H
#define STOP_H

#include "common/base/pure/err.h"

#include <signal.h>

/* Blocks the signals and opens the descriptor; SIGPIPE and SIGXFSZ are ignored from here on.
 * Call once, first. Without it stop_fd is -1 and nothing ever asks to stop. */
int stop_init(struct cq_err *err) CQ_MUST_CHECK;

int stop_fd(void);     /* readable when a signal came; -1 before stop_init */
int stop_take(void);   /* reads what came; the signal's number, kept for stop_signal, or 0 */
int stop_signal(void); /* the first signal taken; 0: go on */
const char *stop_name(int signal_number); /* "SIGTERM"; also for the signals that end a tool */

/* For posix_spawn: the mask that was there before, and the signals whose default must come back. */
const sigset_t *stop_old_mask(void);
void stop_default_signals(sigset_t *set);

#endif
