/* Ending everything that an attempt has left: whatever it forked, detached or hid from its parent.
 */
#ifndef CHIPQ_TREE_H
#define CHIPQ_TREE_H

#include "worker/lease/proto.h"

/* Which keeper holds for the calling process; `group_fd` (cgroup.procs, readable) may be -1. With
 * KEEPER_SUBREAPER it makes itself the parent of orphans. */
enum keeper tree_keeper(bool is_user_namespace, int group_fd);

/* SIGKILL to every process but the caller that the keeper holds. The caller reaps until ECHILD. */
void tree_kill(enum keeper keeper, int group_fd);

/* SIGKILL to every descendant of the caller except the pids in `spare` (and what is below them).
 * Returns how many there were. */
size_t tree_kill_descendants(const pid_t *spare, size_t n_spare);

/* Calls fn with the caller and everything below it, as the group lists it or, without one, a walk
 * of /proc. Nobody where /proc is that of another namespace. */
void tree_each(int group_fd, void (*fn)(void *arg, pid_t pid), void *arg);

#endif
