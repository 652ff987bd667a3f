/* How much memory chipqd takes, looked at while submits come. */
#include "scheduler/daemon/memory.h"
#include "scheduler/daemon/requests.h"

#include "common/base/sys/log.h"
#include "common/base/sys/memory.h"

#include <inttypes.h>
#include <malloc.h>

enum {
    LOOK_US = 10000,
    TELL_US = 60000000,
    FINE_PART = 16, /* of the limit must be free again: requests under way take some, too */
};

static uint64_t may_have(void)
{
    uint64_t total = memory_total_bytes(), limit = memory_group_limit_bytes();
    return total && total < limit ? total : limit;
}

void memory_init(struct daemon *d)
{
    uint64_t most = may_have();
    d->memory.limit_bytes = d->options->max_memory_mib ? d->options->max_memory_mib << 20
                            : most == MEMORY_NO_LIMIT  ? most
                                                       : most / 4 * 3;
}

/* What the allocator keeps for later is no trouble. Asking it takes longer than asking the kernel,
 * and is not needed while there is plenty. */
static uint64_t used_bytes(uint64_t limit)
{
    uint64_t resident = memory_resident_bytes();
    if (resident <= limit)
        return resident;
    struct mallinfo2 m = mallinfo2();
    uint64_t in_use = (uint64_t)m.uordblks + (uint64_t)m.hblkhd;
    return in_use < resident ? in_use : resident;
}

static void look(struct daemon *d)
{
    struct daemon_memory *m = &d->memory;
    int64_t now_us = loop_now(d->loop).mono_us;
    if (m->looked_us != 0 && now_us - m->looked_us < LOOK_US)
        return;
    m->looked_us = now_us;
    m->used_bytes = used_bytes(m->limit_bytes);
    uint64_t fine = m->limit_bytes - m->limit_bytes / FINE_PART;
    m->is_low = m->used_bytes > (m->is_low ? fine : m->limit_bytes);
    if (!m->is_low || (m->told_us != 0 && now_us - m->told_us < TELL_US))
        return;
    m->told_us = now_us;
    log_warn("memory.low used_mib=%" PRIu64 " limit_mib=%" PRIu64
             ": submits are refused until jobs have ended",
             m->used_bytes >> 20, m->limit_bytes >> 20);
}

int memory_check_submit(struct daemon *d, struct cq_err *err)
{
    look(d);
    if (!d->memory.is_low)
        return 0;
    return cq_fail(err, CQ_E_FULL,
                   "the scheduler's memory is nearly full: it uses %" PRIu64 " MiB and may use "
                   "%" PRIu64 " MiB, and every job that waits takes some; submit when jobs have "
                   "ended, or give it more (max-memory in chipq.conf); running jobs go on",
                   d->memory.used_bytes >> 20, d->memory.limit_bytes >> 20);
}
