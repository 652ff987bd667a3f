/* Plays execd and agent for one lease at a time: a real shepherd in its namespaces and groups runs
 * noops, without a scheduler. */
#ifndef BENCH_LAUNCH_LEASE_H
#define BENCH_LAUNCH_LEASE_H

#include "common/base/pure/err.h"
#include "worker/execd/execd.h"

struct launcher {
    char *dir, *shepherd; /* owned; dir is one of our own */
    const char *command;  /* borrowed: what runs */
    int leases_fd, null_fd;
    struct slots slots;
    uint64_t next_lease;
};

/* Makes the directory and finds the control groups. */
int launcher_open(struct launcher *l, const char *bin_dir, const char *command,
                  struct cq_err *err) CQ_MUST_CHECK;
void launcher_close(struct launcher *l);

struct launched {
    int64_t took_us; /* from the journal to the shepherd's end */
    int64_t cpu_us;  /* of the shepherd, its processes and us */
};

/* One lease that runs `n` attempts (at most 1000). Fails when one did not exit with 0. */
int launcher_run(struct launcher *l, enum keeper keeper, bool has_groups, uint64_t n,
                 struct launched *out, struct cq_err *err) CQ_MUST_CHECK;

#endif
