/* Memory that chipqd may take: most of it is of jobs that wait, so what is refused when it has
 * taken as much is submits. The kernel would end chipqd at the limit of its control group, and
 * again while it loads those jobs. */
#ifndef CHIPQ_DAEMON_MEMORY_H
#define CHIPQ_DAEMON_MEMORY_H

#include "common/base/pure/err.h"

struct daemon;

struct daemon_memory {
    uint64_t limit_bytes, used_bytes; /* used: as it was when it was looked at */
    int64_t looked_us, told_us;
    bool is_low;
};

/* From max-memory, else three quarters of what this process may have. */
void memory_init(struct daemon *d);
int memory_check_submit(struct daemon *d, struct cq_err *err) CQ_MUST_CHECK; /* CQ_E_FULL */

#endif
