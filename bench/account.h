/* What became of jobs, asked of chipqd: a scheduler that loses jobs is not fast. */
#ifndef BENCH_ACCOUNT_H
#define BENCH_ACCOUNT_H

#include "bench/session.h"

#define ACCOUNT_ROWS 1000 /* of one question */

/* The asker's jobs that have not ended, with numbers of at least `from`; at most ACCOUNT_ROWS. */
int account_live(struct session *s, uint64_t from, uint64_t *numbers, size_t *n,
                 struct cq_err *err) CQ_MUST_CHECK;

struct account {
    uint64_t jobs, tasks, passed, killed; /* tasks, of arrays too */
    uint64_t live;                        /* jobs that have not ended */
};

/* Sums over the jobs first..last of that name (NULL: any). */
int account_sum(struct session *s, uint64_t first, uint64_t last, const char *name,
                struct account *sum, struct cq_err *err) CQ_MUST_CHECK;

#endif
