/* How long runs took: of each kind (user, project, tool, size of the request) the last 64 that
 * ended by themselves. It tells people when a start is expected and decides nothing: it is no
 * record, and a restart that loads snapshots begins without. */
#ifndef CHIPQ_RUNS_H
#define CHIPQ_RUNS_H

#include "common/base/pure/map.h"

struct core;
struct job;

enum { RUNS_KEPT = 64, RUNS_KINDS_MAX = 4096 }; /* 4 MiB when full; the oldest kinds leave */

struct run_kind {
    uint64_t key;
    int64_t run_us[RUNS_KEPT]; /* a ring */
    int64_t sorted[RUNS_KEPT]; /* the same in order */
    int64_t mean_us;
    size_t n, next;
};

struct runs {
    struct map by_key;
    struct run_kind *kinds[RUNS_KINDS_MAX]; /* a ring, by their first run */
    size_t next;
};

void runs_fini(struct runs *r);
void runs_add(struct core *c, const struct job *job, int64_t run_us);

/* Nine of ten runs of the job's kind that took longer than `longer_us` took no longer than this;
 * 0: none is known that did. */
int64_t runs_p90(const struct core *c, const struct job *job, int64_t longer_us);
int64_t runs_mean(const struct core *c, const struct job *job); /* 0: none is known */

#endif
