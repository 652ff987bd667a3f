/* Control groups of leases: the kernel's own list of everything in a lease, and what it may use.
 *
 * A group is made in every hierarchy that this machine lets us write to: one tree by which a lease
 * is killed (cgroup v2 where there is one, with or without controllers), and one place a
 * controller, which is the same tree (v2) or a hierarchy of its own (v1). Both at once is the
 * hybrid set-up. What is not there is -1, and group_root_lost says why.
 *
 * Groups belong to slots, not to leases: an empty one is used again (a third of the cost, and none
 * of its long tail). */
#ifndef CHIPQ_GROUP_H
#define CHIPQ_GROUP_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

#include <limits.h>
#include <sys/types.h>

#define GROUP_KINDS(X) \
    X(TREE, "tree")    \
    X(MEMORY, "memory") X(PIDS, "pids") X(CPUSET, "cpuset") X(CPU, "cpu")
enum group_kind {
#define X(name, text) GROUP_##name,
    GROUP_KINDS(X)
#undef X
        GROUP_KIND_COUNT
};
const char *group_kind_text(enum group_kind kind);

struct group_place {
    int fd;     /* directory below which groups are made; -1 = none is writable */
    bool is_v2; /* CLONE_INTO_CGROUP and cgroup.kill work */
    char path[PATH_MAX];
};

struct group_root {
    struct group_place at[GROUP_KIND_COUNT];
    char prefix[64]; /* of our groups' names, one per instance directory */
    char lost[256];  /* why controllers are missing; "" when none is */
};

/* Finds the hierarchies and the group that we are in ourselves; on v2 it may move the caller and
 * other programs of chipq into a group below, as the kernel wants it before limits can be set.
 * `tag` tells instances on one machine apart. `has_limits` false: only the tree. Never fails: an fd
 * is -1 where there is nothing to write to. */
void group_root_open(struct group_root *root, const char *tag, bool has_limits);
void group_root_close(struct group_root *root);
bool group_root_has(const struct group_root *root, enum group_kind kind);

/* "v1:memory+pids+cpuset+cpu", also "v2:" and "mixed:"; "none". */
void group_root_describe(const struct group_root *root, char *to, size_t size);

/* The groups of one slot: a directory in each hierarchy, -1 where there is none. */
struct group {
    uint32_t slot;
    int fd[GROUP_KIND_COUNT];
};

enum group_made { GROUP_MADE, GROUP_IN_USE, GROUP_FAILED };

/* Makes the groups of a slot, or opens those that lie there empty. Descriptors are 64 or above.
 * FAILED: none could be made. */
enum group_made group_make(const struct group_root *root, uint32_t slot, struct group *out);
void group_close(struct group *g);

/* The directory that a process may be born in at no cost (v2 without controllers), or -1. Where the
 * group has limits the shepherd enters by itself, so that its own start is not charged to the job.
 */
int group_born_fd(const struct group_root *root, const struct group *g);
bool group_is_empty(const struct group *g);
uint64_t
group_memory_bytes(const struct group *g); /* what is still charged to it; 0 when unknown */
void group_remove(const struct group_root *root, uint32_t slot); /* only where empty */

/* Kills everything in it, by cgroup.kill or one by one. True when there was something. */
bool group_kill(const struct group_root *root, uint32_t slot);

/* Removes what an instance left of empty groups in directory `path`. */
void group_sweep(const char *path, const char *prefix);

/* Calls fn with everything that cgroup.procs (open, readable) lists and the caller can see. */
void group_each(int procs_fd, void (*fn)(void *arg, pid_t pid), void *arg);

/* Kills all that cgroup.procs (open, readable) lists but ourselves; returns how many. */
size_t group_kill_others(int procs_fd);

/* Small files of a group, by its directory. Safe after vfork. */
int group_write(int dir_fd, const char *file, const char *text);     /* 0, or -1 with errno */
int group_read(int dir_fd, const char *file, char *to, size_t size); /* bytes, or -1 */
/* The caller, a process of one thread, moves in. 0, or -1 with errno. */
int group_join(int dir_fd);
bool group_has_caller(int dir_fd);

#endif
