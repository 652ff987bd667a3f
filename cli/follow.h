/* Follows jobs until they are over: WATCH, and the newest row of each job as JSON. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "cli/session.h"

#include <jansson.h>

#define FOLLOW_PATIENCE_US (INT64_C(120) * 1000000)

struct follow {
    struct net_client *session; /* borrowed */
    const char *enterprise;     /* borrowed; NULL = one's own */
    const uint64_t *numbers;    /* borrowed */
    size_t n;
    json_t **rows;         /* owned; rows[i] is the newest job_row of numbers[i] */
    int interrupts;        /* how often Ctrl-C was caught */
    int64_t patience_us;   /* how long the scheduler may be away; 0 = FOLLOW_PATIENCE_US */
    int64_t away_since_us; /* boot clock; 0 = it is there */
    int64_t again_at_us;   /* boot clock: our watch lost its place, ask again then; 0 = it is on */
};

enum { FOLLOW_TICK = -1, FOLLOW_INTERRUPT = -2 };

/* Called with the index of a row that has changed (at the start: of each), or FOLLOW_TICK, or
 * FOLLOW_INTERRUPT. */
typedef void (*follow_fn)(void *arg, const struct follow *f, int64_t index);

/* Watches until all jobs have ended. `timeout_us` 0 = for ever; `tick_us` 0 = no ticks. Ctrl-C, if
 * it is caught: the first one is told to `on_change` if there is one, the next (else the first)
 * ends the wait. Errors: CQ_E_NOT_FOUND names the job; CQ_E_TIMEOUT when the time is over or Ctrl-C
 * ended it; CQ_E_NO_SCHEDULER when that is away for longer than our patience. Release with
 * follow_fini either way. */
int follow_run(struct follow *f, int64_t timeout_us, int64_t tick_us, follow_fn on_change,
               void *arg, struct cq_err *err) CQ_MUST_CHECK;
void follow_fini(struct follow *f);

/* Waits for the jobs of `f`, which is filled but for its rows, and returns 0 when all passed, 1
 * when one did not (said on stderr), 130 after Ctrl-C, -1 on errors. With --json prints {"jobs":
 * [...]} in between. Releases the rows. */
int follow_wait(const struct cli *c, struct follow *f, int64_t timeout_us,
                struct cq_err *err) CQ_MUST_CHECK;

/* Says on stderr of each job that did not pass how it ended, why, and where its log is. Asks for
 * the details; without an answer it does without. Returns 1 when there is such a job, else 0. */
int follow_report(const struct follow *f);

bool job_has_ended(const json_t *row);
bool job_has_passed(const json_t *row);

/* "pass", "fail", ... once it has ended; "skipped" when a dependency kept it from running; else its
 * state. */
const char *job_outcome(const json_t *row);

/* Short reads of a row. */
const char *row_text(const json_t *row, const char *key); /* "" when absent */
int64_t row_number(const json_t *row, const char *key);   /* 0 when absent */

#endif
