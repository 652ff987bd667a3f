/* Runs one program at a time in the loop, without ever blocking it: output to memory, a time limit,
 * an end that leaves nothing of it behind.
 *
 * The program gets /dev/null as input, our standard error, a small environment of its own and its
 * own process group, which is killed at the end of every run: what the program left behind dies
 * with it. There is no shell. */
#ifndef CHIPQ_FEED_RUN_H
#define CHIPQ_FEED_RUN_H

#include "common/net/loop.h"

enum { FEED_WORDS_MAX = 64, FEED_COMMAND_BYTES_MAX = 4096 };

struct feed_run;

/* The end of a run. `why` NULL: it exited with 0 and printed `bytes` of `text` (borrowed).
 * Otherwise what went wrong: CQ_E_TIMEOUT, CQ_E_LIMIT (too much output), CQ_E_IO (it failed).
 * Called once for each feed_run_start that returned 0, unless feed_run_cancel came first. */
typedef void (*feed_run_done_fn)(void *arg, const char *text, size_t bytes,
                                 const struct cq_err *why);

/* The process is gone and feed_run_start may be called again (here, too). It follows `done`, at
 * once or, where a process had to be killed, when the kernel is through with it. */
typedef void (*feed_run_gone_fn)(void *arg);

/* The most bytes that a run may print are `bytes_max`. */
struct feed_run *feed_run_new(struct loop *l, size_t bytes_max, feed_run_done_fn done,
                              feed_run_gone_fn gone, void *arg);
void feed_run_free(struct feed_run *r); /* accepts NULL; kills what runs, calls nobody */

/* Starts `command`: words separated by spaces, the first a full path, or a name that is looked up
 * in /usr/local/bin, /usr/bin and /bin. Errors, with nothing started and no callback: CQ_E_INVALID
 * (no command that could be run), CQ_E_IO (no process to be had), CQ_E_CONFLICT (feed_run_is_busy).
 * That there is no such program shows at the end of the run, as status 127. */
int feed_run_start(struct feed_run *r, const char *command, int64_t timeout_us,
                   struct cq_err *err) CQ_MUST_CHECK;
void feed_run_cancel(struct feed_run *r); /* kills it; `gone` follows, `done` does not */
bool feed_run_is_busy(const struct feed_run *r);

#endif
