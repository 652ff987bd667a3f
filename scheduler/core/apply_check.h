/* What the doors of records rely on. A live core makes its records itself, and they fit. What comes
 * from a database may be damaged, edited by hand, or of a core with a bug: while a state is loaded,
 * each record is looked at before it is applied, and what it brings in packed form as it is read.
 * Live turns pay nothing for it. Errors are CQ_E_INTERNAL and say what does not fit. */
#ifndef CHIPQ_APPLY_CHECK_H
#define CHIPQ_APPLY_CHECK_H

#include "common/base/pure/ranges.h"
#include "scheduler/core/record.h"

struct core;
struct job;
struct lease;

/* With less than this, sums of what is kept stay within 64 bits. Nothing real comes near. */
#define CHECK_TIME_MAX_US (INT64_C(1) << 58) /* from 1970 on, back and forth: 9,000 years */
#define CHECK_ID_MAX      (UINT64_C(1) << 56)
#define CHECK_RUN_MAX_US  (INT64_MAX / 8) /* as a worker's word of it is cut */
#define CHECK_ATTEMPT_MAX (UINT64_C(1) << 31)
enum { CHECK_QUEUE_MAX = 4096 }; /* attempts in one lease's queue */

bool check_time(int64_t us);                  /* wall or policy */
bool check_number(double x, double most);     /* finite, at most so large */
bool check_rate(int64_t rate, uint64_t most); /* of charges of so many leases */

/* Each number of `r` that is relied on is in its range: apply_bounds.c. */
int apply_check_bounds(const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
/* Before `r` is applied: its numbers, and whom it names. */
int apply_check(const struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
/* It did not fit: names it and its subject in front of why. Returns -1. */
int apply_refuse(const struct record *r, struct cq_err *err);

/* What JOB_SNAPSHOT has made of a job whose tasks were `all` when it came. */
int apply_check_job(const struct job *job, const struct ranges *all,
                    struct cq_err *err) CQ_MUST_CHECK;
/* A lease before it takes its place. */
int apply_check_lease(const struct lease *l, struct cq_err *err) CQ_MUST_CHECK;

#endif
