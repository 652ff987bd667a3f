/* The conditions a task puts on its result: `require` (rules on metrics) and `expect` (a failure
 * that must be seen). */
#ifndef GATE_H
#define GATE_H

#include "common/base/pure/err.h"
#include "plugins/sdk/outcome.h"

#include <jansson.h>

#define GATES_MAX 64

enum gate_op { GATE_EQ, GATE_NE, GATE_LT, GATE_LE, GATE_GT, GATE_GE };

struct gate {
    char metric[METRIC_NAME_MAX];
    enum gate_op op;
    double bound;
    bool found, ok; /* filled by gates_apply: the metric was reported; the rule holds */
    double value;
};

struct gates {
    struct gate items[GATES_MAX];
    size_t count;
    bool expects_fail;
    char signature[OUTCOME_TEXT_MAX]; /* "": any failure will do */
};

/* ">= 0", "<1.5", "== 3", "!= 0", or a plain number for ==. */
int gate_parse_rule(const char *rule, enum gate_op *op, double *bound,
                    struct cq_err *err) CQ_MUST_CHECK;
const char *gate_op_text(enum gate_op op);

/* Reads task.json's `require` and `expect`; either may be NULL. */
int gates_read(json_t *require, json_t *expect, struct gates *out,
               struct cq_err *err) CQ_MUST_CHECK;

/* Judges `o` by the gates: a failed gate or a missing metric turns pass into fail; a fail that only
 * rests on a metric with a gate of its own is left to that gate; an expected failure becomes a
 * pass, its absence a fail. An error stays an error: a broken tool is never the failure one waited
 * for. */
void gates_apply(struct gates *g, struct outcome *o);

#endif
