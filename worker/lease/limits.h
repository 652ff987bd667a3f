/* What a lease may use, set in its control groups, and what was used, read from them: one small
 * interface over cgroup v1, v2, a mix of both, and nothing at all. Used by the shepherd. */
#ifndef CHIPQ_LIMITS_H
#define CHIPQ_LIMITS_H

#include "worker/lease/group.h"

enum {
    LIMITS_PIDS = 4096, /* processes and threads of a lease, at least */
    LIMITS_PIDS_PER_CORE = 256,
};

struct limits {
    int dir[GROUP_KIND_COUNT]; /* of the lease's groups; -1 = none */
    bool is_v2[GROUP_KIND_COUNT];
    int peak_fd, events_fd, pids_fd, cpu_fd; /* files that are read after every attempt */
    bool can_reset_peak;
    uint64_t mem_bytes; /* what is enforced; 0 = nothing */
    uint64_t pids_max;
};

struct limits_wanted {
    uint64_t mem_mib; /* 0 = no limit */
    uint64_t cores;
    const char *cpus, *mems; /* processors and memory nodes of the kernel; "" = all */
    bool is_mems_strict;     /* memory from other nodes is refused */
};

/* Takes the directories (group.fd order). Never fails. */
void limits_open(struct limits *l, const int dirs[GROUP_KIND_COUNT]);

/* Sets all limits, then moves the caller into the groups; what it starts inherits them. Where one
 * cannot be set it goes on without it and fills `err` with the first reason, returning -1. */
int limits_apply(struct limits *l, const struct limits_wanted *w, struct cq_err *err);

/* Sets the processors anew, after some of them came back online: v1 takes those that go offline out
 * of every group below the root for good, and moves who has none left out of the group. The second
 * brings such a process back; neither does harm where nothing is amiss. 0, or -1 with errno. */
int limits_set_cpus(const struct limits *l, const char *cpus);
int limits_take_in(const struct limits *l, pid_t pid);

/* Counters since the groups were made; the caller takes differences. */
struct limits_reading {
    uint64_t oom_kills, pids_hits;
    uint64_t limit_ooms; /* that the lease's own limit led to; v2 only */
    uint64_t cpu_user_us, cpu_system_us;
    uint64_t peak_kib; /* since limits_reset_peak; 0 = unknown */
    bool has_cpu;
};
void limits_read(const struct limits *l, struct limits_reading *out);
void limits_reset_peak(struct limits *l);

/* The number after `key` in the kernel's "key value" lines; `otherwise` when it is not there. */
uint64_t limits_value(const char *text, const char *key, uint64_t otherwise);

#endif
