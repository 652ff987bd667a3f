/* Tells when a Unix socket appears whose server was away: a chipqd that was started again. Without
 * it a client that has tried in vain for a while would come back seconds later. The kernel says so:
 * see inotify(7). */
#ifndef CHIPQ_IPC_WATCH_H
#define CHIPQ_IPC_WATCH_H

#include "common/net/loop.h"

struct ipc_watch;
typedef void (*ipc_watch_fn)(void *arg);

/* NULL for an endpoint that is no "ipc://PATH", and where the kernel has no watch left: time alone
 * tells then. */
struct ipc_watch *ipc_watch_new(struct loop *l, const char *endpoint, ipc_watch_fn fn, void *arg);
void ipc_watch_close(struct ipc_watch *w); /* accepts NULL; also from within fn */

#endif
