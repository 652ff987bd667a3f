/* chipq-worker's file-local state, of which every machine of the simulation has its own. */
#ifndef SIMTEST_AGENT_H
#define SIMTEST_AGENT_H

#include <stddef.h>
#include <stdint.h>

struct held_leases {
    uint64_t *leases;
    size_t n, cap;
};
void execd_link_take(struct held_leases *mine); /* makes them those of the agent that runs */
void execd_link_keep(struct held_leases *mine);

#endif
