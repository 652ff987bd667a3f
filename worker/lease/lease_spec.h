/* What a shepherd is told once, in a sealed memfd: its lease. Flat format (base/flat). */
#ifndef CHIPQ_LEASE_SPEC_H
#define CHIPQ_LEASE_SPEC_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"
#include "worker/lease/lease_record.h"

#include <limits.h>

enum { LEASE_SPEC_MAX = 32768, LEASE_CPUS_BYTES = 20481, LEASE_MEMS_BYTES = 1024 };

/* Where a job's memory comes from. The numbers are those of `membind` in messages.def. */
enum lease_membind {
    MEMBIND_LOCAL,      /* its own nodes first, others when they are full */
    MEMBIND_INTERLEAVE, /* page by page round all nodes */
    MEMBIND_NONE,       /* as the kernel likes */
    MEMBIND_STRICT,     /* its own nodes only */
    MEMBIND_COUNT
};

struct lease_spec {
    uint64_t lease, epoch, mem_mib;
    uint64_t cores;              /* how many */
    uint64_t membind;            /* enum lease_membind */
    int64_t until_us;            /* boot clock: the lease's end unless it is renewed */
    char dir[PATH_MAX];          /* the instance's directory, absolute */
    char cpus[LEASE_CPUS_BYTES]; /* processor numbers of the kernel to bind to; "" = do not bind */
    char mems[LEASE_MEMS_BYTES]; /* memory nodes, as membind means them; "" = do not bind */
};

void lease_spec_encode(const struct lease_spec *s, struct cq_str *out);
int lease_spec_decode(const void *data, size_t bytes, struct lease_spec *out,
                      struct cq_err *err) CQ_MUST_CHECK;

/* A sealed memfd with these bytes. Returns the descriptor. CQ_E_IO. */
int sealed_memory_make(const char *name, const void *data, size_t bytes,
                       struct cq_err *err) CQ_MUST_CHECK;

/* Maps one read-only; refuses memory that could still change. *bytes is its size, 1..max_bytes. The
 * caller unmaps. */
const void *sealed_memory_map(int fd, size_t max_bytes, size_t *bytes,
                              struct cq_err *err) CQ_MUST_CHECK;

#endif
