/* How much memory jobs may use on this machine, when nobody says. */
#ifndef CHIPQ_WORKER_MEMORY_H
#define CHIPQ_WORKER_MEMORY_H

#include <stdint.h>

#define MEMORY_NO_LIMIT UINT64_MAX

/* MemTotal of a text in the format of /proc/meminfo, in bytes; 0 when it is not there. */
uint64_t memory_total_in(const char *meminfo);

/* Of this machine as its kernel counts it; 0 when it does not say. What firmware tells per NUMA
 * node may be far off where memory was added later. */
uint64_t memory_total_bytes(void);

/* The lowest limit among this process's control groups (v1 and v2) and those above them, or
 * MEMORY_NO_LIMIT. */
uint64_t memory_group_limit_bytes(void);

/* What to offer: the machine's total less a reserve for itself of max(1 GiB, 5 %), at most half;
 * the groups' limit less 5 %; the lower of the two. */
uint64_t memory_offer_mib(uint64_t total_bytes, uint64_t limit_bytes);

/* The same with a reserve that somebody chose. */
uint64_t memory_left_mib(uint64_t total_bytes, uint64_t limit_bytes, uint64_t reserve_mib);

#endif
