/* The control group (cgroup v2) of one lease: the kernel's own list of everything in it. No
 * controller is needed for that; limits per lease join here when they come. Where the hierarchy is
 * not writable the functions say so and the other keepers do the work. */
#ifndef CHIPQ_GROUP_H
#define CHIPQ_GROUP_H

#include "common/base/pure/err.h"

#include <limits.h>
#include <sys/types.h>

struct group_root {
    int fd;          /* directory below which groups are made; -1 = none is writable */
    char prefix[64]; /* of our groups' names, one per instance directory */
};

/* Finds the hierarchy and the group that we are in ourselves. `tag` tells instances on one machine
 * apart. Never fails: fd is -1 when there is nothing to write to. */
void group_root_open(struct group_root *root, const char *tag);
void group_root_close(struct group_root *root);

/* Makes the group of a lease, or opens the one that is there. Returns its directory's descriptor
 * (usable with CLONE_INTO_CGROUP), or -1. */
int group_make(const struct group_root *root, uint64_t lease);
int group_join(int group_fd); /* the caller moves in; 0 or -1. Safe after vfork. */

/* Kills everything in it, by cgroup.kill or one by one. */
void group_kill(const struct group_root *root, uint64_t lease);
bool group_is_empty(const struct group_root *root, uint64_t lease); /* true when there is none */
void group_remove(const struct group_root *root, uint64_t lease);   /* only when empty */

/* Removes what an instance left of empty groups: of shepherds that nobody reaped. */
void group_sweep(const struct group_root *root);

/* Kills all that cgroup.procs (open, readable) lists but ourselves; returns how many. */
size_t group_kill_others(int procs_fd);

#endif
