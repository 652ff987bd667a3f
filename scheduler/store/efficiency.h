/* Used against asked, summed up per hour and kind of run as ends are written, in the transaction of
 * the records that say so. Private to the store. */
#ifndef CHIPQ_STORE_EFFICIENCY_H
#define CHIPQ_STORE_EFFICIENCY_H

#include "scheduler/store/internal.h"

/* Sums of some rows that are not in the table yet. Zeroed memory is none. */
struct efficiency_sums {
    struct efficiency_sum **items;
    size_t n, cap;
    struct map by_key;
};

/* Zeroed when there is no answer to remember: what of a job its ends are counted by. */
struct efficiency_jobs {
    struct map by_id;
};
void efficiency_jobs_fini(struct efficiency_jobs *jobs);

/* A job whose request has just been written: its ends need not look for it. */
void efficiency_know(struct store *s, const struct job_submit *submit);
/* Adds an end. One whose job has no request is left out. */
int efficiency_add(struct store *s, struct efficiency_sums *sums, const struct attempt_end_rec *e,
                   struct cq_err *err) CQ_MUST_CHECK;
/* Adds them to the table; they are empty then. */
int efficiency_write(struct store *s, struct efficiency_sums *sums,
                     struct cq_err *err) CQ_MUST_CHECK;
void efficiency_sums_fini(struct efficiency_sums *sums);

/* Is the journal of before there was the table added up? 1 yes, 0 no, -1 error. */
int efficiency_is_filled(struct store *s, struct cq_err *err) CQ_MUST_CHECK;
/* Adds up a piece of it, in a transaction of its own. */
int efficiency_fill(struct store *s, struct cq_err *err) CQ_MUST_CHECK;

/* Ten columns from `at` on, of a row of the table. */
int efficiency_read(sqlite3_stmt *st, int at, struct efficiency_tally *out,
                    struct cq_err *err) CQ_MUST_CHECK;
void efficiency_merge(struct efficiency_tally *to, const struct efficiency_tally *newer);

#endif
