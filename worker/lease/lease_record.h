/* Facts about a lease and its attempts, in fixed-size records: what the journal of a lease holds
 * and what a shepherd tells the agent. Both sides are the same machine and the same release family,
 * so the bytes are the struct's own; `version` refuses anything else. */
#ifndef CHIPQ_LEASE_RECORD_H
#define CHIPQ_LEASE_RECORD_H

#include "common/base/pure/id.h"

#define LEASE_RECORD_VERSION 2

enum {
    LEASE_CORES_BYTES = 20481, /* "0-3,8", as the grant says, with NUL; see messages.def */
    PLACE_BYTES = 136,         /* "acme/1207/3": enterprise, job number, task */
    CAUSE_BYTES = 256,
};

enum lease_record_type {
    LEASE_REC_HELLO =
        1, /* wire only: first word of a shepherd; limit = enum keeper, flags LEASE_F_CLOSED */
    LEASE_REC_QUEUED,        /* wire only: inventory */
    LEASE_REC_START,         /* the attempt is about to run (journal), or runs (wire) */
    LEASE_REC_END,           /* it is over, every process of it is dead */
    LEASE_REC_ACK,           /* journal only: its end needs no more telling */
    LEASE_REC_INVENTORY_END, /* wire only: that was everything */
    LEASE_REC_STOP, /* journal only: the pool is stopped on request; what has not ended ends by it
                     */
};

#define LIMIT_KINDS(X) \
    X(NONE, "")        \
    X(WALL, "wall")    \
    X(MEMORY, "memory") X(OUTPUT, "output") X(PIDS, "pids") X(LEASE, "lease") X(STOP, "stop")
enum limit_kind {
#define X(name, text) LIMIT_##name,
    LIMIT_KINDS(X)
#undef X
};
const char *limit_kind_text(uint32_t limit); /* "" for none and for unknown numbers */

enum lease_record_flag {
    LEASE_F_TOOL = 1,      /* runs a tool plugin: result.json tells the verdict */
    LEASE_F_PRIVATE = 2,   /* has work/PLACE/attempt-N with out/ in it */
    LEASE_F_NEVER = 4,     /* restart=never: its start was synced */
    LEASE_F_KILLED = 8,    /* somebody asked for its end; cause says who */
    LEASE_F_NO_START = 16, /* it never ran; cause says why */
    LEASE_F_BROKEN = 32,   /* it could not be started: the set-up is wrong; cause says what */
    LEASE_F_CLOSED = 64,
    LEASE_F_OOM = 128,         /* the kernel killed a process of it: its memory was used up */
    LEASE_F_OOM_MACHINE = 256, /* with OOM: the machine's memory, not the lease's */
    LEASE_F_DROP = 1024,       /* output beyond its cap is dropped, and the job goes on */
    LEASE_F_PIDS = 512,        /* a process could not be started: there were as many as may be */
};

struct lease_record {
    uint32_t version;
    uint32_t type;
    uint64_t lease, job, task, attempt;
    uint32_t flags;
    uint32_t limit;
    int32_t exit_code; /* -1 when it did not exit */
    uint32_t signal;
    int64_t start_us, end_us; /* wall time; 0 = not yet */
    int64_t run_us;           /* boot clock */
    uint64_t cpu_user_us, cpu_system_us, peak_mem_kib;
    uint64_t max_rss_kib;                   /* of its largest process */
    uint64_t mem_limit_kib;                 /* that was in force; 0 = none */
    uint64_t pids_limit;                    /* the same, of processes and threads */
    uint64_t io_read_bytes, io_write_bytes; /* from and to block devices */
    uint64_t switches, switches_forced;     /* of context: it waited; it was put aside */
    char place[PLACE_BYTES];
    char cause[CAUSE_BYTES];
};

/* First bytes of a journal; made by the agent before the shepherd starts. */
struct lease_header {
    char magic[8]; /* "chipqls3" */
    uint64_t lease, epoch, mem_mib;
    struct cq_uuid boot_id;
    int64_t made_us;      /* wall time */
    int64_t keeper_pid;   /* the shepherd as the agent sees it; 0 = not told yet */
    uint64_t keeper_born; /* its start time in clock ticks, /proc/PID/stat field 22 */
    char cores[LEASE_CORES_BYTES];
    char pad_[3];
    uint32_t keeper_slot; /* of its control groups; UINT32_MAX = none */
};

static inline bool lease_record_is_same(const struct lease_record *a, uint64_t job, uint64_t task,
                                        uint64_t attempt)
{
    return a->job == job && a->task == task && a->attempt == attempt;
}

#endif
