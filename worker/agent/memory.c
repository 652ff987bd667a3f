/* What of a machine's memory is offered to jobs. */
#include "worker/agent/memory.h"

enum { RESERVE_PART = 20, RESERVE_MIB_MIN = 1024 };

uint64_t memory_left_mib(uint64_t total_bytes, uint64_t limit_bytes, uint64_t reserve_mib)
{
    uint64_t total = total_bytes >> 20, limit = limit_bytes >> 20;
    uint64_t offer = total > reserve_mib ? total - reserve_mib : 0;
    limit -= limit / RESERVE_PART;
    return limit < offer ? limit : offer;
}

uint64_t memory_offer_mib(uint64_t total_bytes, uint64_t limit_bytes)
{
    uint64_t total = total_bytes >> 20, reserve = total / RESERVE_PART;
    reserve = reserve > RESERVE_MIB_MIN ? reserve : RESERVE_MIB_MIN;
    return memory_left_mib(total_bytes, limit_bytes, reserve < total / 2 ? reserve : total / 2);
}
