/* How much memory there is, may be used, and is used, as the kernel says. */
#ifndef CHIPQ_SYS_MEMORY_H
#define CHIPQ_SYS_MEMORY_H

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

uint64_t memory_resident_bytes(void); /* of this process; 0 when the kernel does not say */

#endif
