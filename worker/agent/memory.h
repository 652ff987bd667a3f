/* How much memory jobs may use on this machine, when nobody says. */
#ifndef CHIPQ_WORKER_MEMORY_H
#define CHIPQ_WORKER_MEMORY_H

#include "common/base/sys/memory.h"

/* What to offer: the machine's total less a reserve for itself of max(1 GiB, 5 %), at most half;
 * the groups' limit less 5 %; the lower of the two. */
uint64_t memory_offer_mib(uint64_t total_bytes, uint64_t limit_bytes);

/* The same with a reserve that somebody chose. */
uint64_t memory_left_mib(uint64_t total_bytes, uint64_t limit_bytes, uint64_t reserve_mib);

#endif
