/* Figures of an attempt: processor time, memory, input and output, and the limits it met. */
#include "worker/shepherd/shepherd.h"

enum { RUSAGE_BLOCK_BYTES = 512, NEAR_KIB = 1024 };

static uint64_t us_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_usec;
}

/* The peak is the attempt's own: it is the only one in the lease. */
void account_begin(struct shepherd *s)
{
    struct lease_record *rec = &s->now_running.record;
    limits_reset_peak(&s->limits);
    rec->mem_limit_kib = s->limits.mem_bytes >> 10;
    rec->pids_limit = s->limits.pids_max;
}

/* What a process tells includes the children that it has waited for itself. */
void account_add(struct lease_record *rec, const struct rusage *u)
{
    rec->cpu_user_us += us_of(u->ru_utime);
    rec->cpu_system_us += us_of(u->ru_stime);
    if ((uint64_t)u->ru_maxrss > rec->max_rss_kib)
        rec->max_rss_kib = (uint64_t)u->ru_maxrss;
    rec->io_read_bytes += (uint64_t)u->ru_inblock * RUSAGE_BLOCK_BYTES;
    rec->io_write_bytes += (uint64_t)u->ru_oublock * RUSAGE_BLOCK_BYTES;
    rec->switches += (uint64_t)u->ru_nvcsw;
    rec->switches_forced += (uint64_t)u->ru_nivcsw;
}

static uint64_t peak_of(const struct shepherd *s, const struct limits_reading *now,
                        uint64_t max_rss_kib)
{
    bool is_own = s->limits.can_reset_peak || now->peak_kib > s->seen.peak_kib;
    uint64_t limit_kib = s->limits.mem_bytes >> 10;
    uint64_t peak = is_own && now->peak_kib ? now->peak_kib : max_rss_kib;
    return limit_kib && peak > limit_kib ? limit_kib : peak; /* pages may be charged to others */
}

/* Somebody was killed: for the lease's limit, or because the machine had nothing left? v1 does not
 * count that, but a limit that kills is met to the page (its failcnt stays 0 in new kernels). */
static bool is_own_limit(const struct shepherd *s, const struct limits_reading *now)
{
    uint64_t limit_kib = s->limits.mem_bytes >> 10;
    bool is_met = s->limits.can_reset_peak && now->peak_kib + NEAR_KIB >= limit_kib;
    return limit_kib && (is_met || now->limit_ooms > s->seen.limit_ooms);
}

/* The kernel's own counters tell, never an exit status: a tool may live on after a child of its
 * was killed, and anybody may exit with 137. */
void account_end(struct shepherd *s)
{
    struct lease_record *rec = &s->now_running.record;
    struct limits_reading now;
    limits_read(&s->limits, &now);
    rec->peak_mem_kib = peak_of(s, &now, rec->max_rss_kib);
    if (now.has_cpu
        && now.cpu_user_us + now.cpu_system_us > s->seen.cpu_user_us + s->seen.cpu_system_us) {
        rec->cpu_user_us = now.cpu_user_us - s->seen.cpu_user_us;
        rec->cpu_system_us = now.cpu_system_us - s->seen.cpu_system_us;
    }
    if (now.oom_kills > s->seen.oom_kills)
        rec->flags |= LEASE_F_OOM | (is_own_limit(s, &now) ? 0U : LEASE_F_OOM_MACHINE);
    if (now.pids_hits > s->seen.pids_hits)
        rec->flags |= LEASE_F_PIDS;
    s->seen = now;
}
