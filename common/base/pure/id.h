/* Ids as distinct types, so that the compiler refuses a worker where a job is due, and the two
 * clocks' readings. Ids start at 1; 0 means none. They never leave chipqd: people see names and
 * per-enterprise job numbers. */
#ifndef CQ_ID_H
#define CQ_ID_H

#include "common/base/pure/compiler.h"

struct enterprise_id {
    uint64_t v;
};
struct project_id {
    uint64_t v;
};
struct principal_id {
    uint64_t v;
};
struct job_id {
    uint64_t v;
};
struct worker_id {
    uint64_t v;
};
struct lease_id {
    uint64_t v;
};

/* A 128-bit random value: a client's submit key, a worker's incarnation, a machine's boot id. */
struct cq_uuid {
    uint8_t bytes[16];
};

static inline bool cq_uuid_equal(const struct cq_uuid *a, const struct cq_uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool cq_uuid_is_zero(const struct cq_uuid *u)
{
    static const struct cq_uuid zero;
    return cq_uuid_equal(u, &zero);
}

/* Microseconds. mono: CLOCK_BOOTTIME, for leases and deadlines. wall: for people and calendars.
 * Never mixed. */
struct now {
    int64_t mono_us, wall_us;
};

#define US_PER_S INT64_C(1000000)

#endif
