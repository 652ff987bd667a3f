/* What a run means: verdict, the message behind it, one line for people, and metrics. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "plugins/sdk/metrics.h"

enum verdict {
    VERDICT_ERROR, /* the tool or its set-up is broken, or there is no proof */
    VERDICT_FAIL,  /* the design is wrong */
    VERDICT_PASS   /* the tool said so, and every required proof is there */
};

#define OUTCOME_TEXT_MAX 512

/* Zeroed memory is an error without a message. */
struct outcome {
    enum verdict verdict;
    char message[OUTCOME_TEXT_MAX]; /* why it did not pass; the signature is made from it */
    char summary[OUTCOME_TEXT_MAX]; /* one line for people */
    /* A fail that rests on this metric alone is dropped when the task has a `require` on it; with
     * "__" at its end, on any metric that begins so. */
    char overruled_by[METRIC_NAME_MAX];
    struct metrics metrics;
};

void outcome_fini(struct outcome *o);

/* Each sets verdict and summary to the text; fail and error set the message too. Metrics stay. */
void outcome_pass(struct outcome *o, const char *fmt, ...) CQ_PRINTF(2, 3);
void outcome_fail(struct outcome *o, const char *fmt, ...) CQ_PRINTF(2, 3);
void outcome_error(struct outcome *o, const char *fmt, ...) CQ_PRINTF(2, 3);

/* Replaces the line for people, keeps verdict and message. */
void outcome_summarise(struct outcome *o, const char *fmt, ...) CQ_PRINTF(2, 3);

/* "pass" "fail" "error"; and the plugin's exit status for it: 0, 1, 2. */
const char *verdict_name(enum verdict verdict);
int verdict_exit_status(enum verdict verdict);

#endif
