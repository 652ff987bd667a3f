/* A child process the vfork way: it borrows our memory and we stand still until it has called exec
 * or _exit. Costs the same whatever our size is (fork copies page tables). */
#ifndef CHIPQ_CLONE_H
#define CHIPQ_CLONE_H

#include "common/base/pure/compiler.h"

#include <sys/types.h>

enum { CLONE_NO_GROUP = -1 };

/* Runs fn(arg) in the child, on a stack of its own (64 KiB, shared between calls: one thread only).
 * fn must not return except by _exit or exec, and calls only what may be called in a signal
 * handler. `flags` are further CLONE_ flags (namespaces). `group_fd` is the directory of a control
 * group (v2) to be born in, or CLONE_NO_GROUP. All signals are blocked in the child until it
 * changes that. Returns its pid, or -1 with errno. */
pid_t clone_vfork(int (*fn)(void *arg), void *arg, int flags, int group_fd);

#endif
