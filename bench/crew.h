/* One process of a fleet: some of its workers, one DEALER for each, all in one epoll. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "bench/fleet.h"

#include <pthread.h>

enum { CREW_OTHER_DESCRIPTORS = 64, FLEET_GAPS_MAX = 1 << 20 };

/* In memory that all processes of the fleet share. */
struct fleet_shared {
    struct fleet_counts counts;
    _Atomic int64_t run_us; /* orders */
    _Atomic bool is_held, must_stop;
    pthread_mutex_t lock; /* of what follows */
    char error[256];
    size_t n_gaps;
    int64_t gaps[FLEET_GAPS_MAX];
};

/* Runs the workers first..first+count-1 (from 0) until it is told to stop. `wake_fd` is an eventfd
 * that tells of orders. */
int crew_run(struct fleet_shared *shared, int wake_fd, const struct fleet_options *o, size_t first,
             size_t count, struct cq_err *err) CQ_MUST_CHECK;

#endif
