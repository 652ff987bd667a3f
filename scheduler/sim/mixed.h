/* Jobs of 1 to 64 cores for machines with many NUMA nodes: what placement is measured with
 * (docs/SIMULATION.md has the model). The same seed gives the same jobs at every load, only closer
 * together. */
#ifndef CHIPQ_SIM_MIXED_H
#define CHIPQ_SIM_MIXED_H

#include "scheduler/sim/workload.h"

struct mixed {
    uint64_t seed, jobs;
    uint64_t nodes, sockets, domains, domain_cores; /* sockets and domains: of a machine */
    double load; /* demand of cores over the pool's cores, as long as jobs come */
};
enum { MIXED_CORES_MAX = 64, MIXED_DOMAINS_MAX = 256 };

/* Fills an empty workload, with its machines. Errors: machines that are too small or too large. */
int mixed_make(const struct mixed *m, struct workload *w, struct cq_err *err) CQ_MUST_CHECK;

/* "pkg0(numa0:1024(0 1) numa1:1024(2 3))"; caller frees. */
char *mixed_topology(const struct mixed *m);

#endif
