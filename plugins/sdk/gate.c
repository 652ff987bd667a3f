/* The conditions a task puts on its result. */
#include "plugins/sdk/gate.h"

#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"
#include "plugins/sdk/signature.h"

static const char *const op_texts[] = {
    [GATE_EQ] = "==", [GATE_NE] = "!=", [GATE_LT] = "<",
    [GATE_LE] = "<=", [GATE_GT] = ">",  [GATE_GE] = ">=",
};

const char *gate_op_text(enum gate_op op)
{
    return op_texts[op];
}

/* The longest operator that `text` begins with; "<=" before "<". */
static size_t read_op(const char *text, enum gate_op *op)
{
    size_t best = 0;
    for (size_t i = 0; i < CQ_COUNT(op_texts); i++)
        if (strlen(op_texts[i]) > best && cq_str_starts(text, op_texts[i])) {
            best = strlen(op_texts[i]);
            *op = (enum gate_op)i;
        }
    return best;
}

int gate_parse_rule(const char *rule, enum gate_op *op, double *bound, struct cq_err *err)
{
    enum gate_op found = GATE_EQ;
    const char *at = rule + strspn(rule, " ");
    at += read_op(at, &found);
    at += strspn(at, " ");
    char number[64];
    double value;
    size_t len = strcspn(at, " ");
    if (len == 0 || len >= sizeof number || at[len + strspn(at + len, " ")] != '\0')
        return cq_fail(err, CQ_E_INVALID,
                       "rule '%.64s': expected an operator and a number, as '>= 0'", rule);
    memcpy(number, at, len);
    number[len] = '\0';
    if (parse_double(number, &value, NULL))
        return cq_fail(err, CQ_E_INVALID, "rule '%.64s': '%s' is not a number", rule, number);
    *op = found;
    *bound = value;
    return 0;
}

static int read_require(const char *name, json_t *rule, struct gates *g, struct cq_err *err)
{
    if (g->count == GATES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "require: more than %d rules", GATES_MAX);
    struct gate gate = {.op = GATE_EQ};
    if (!cq_copy_text(gate.metric, sizeof gate.metric, name))
        return cq_fail(err, CQ_E_LIMIT, "require.%.64s: the name is too long", name);
    if (json_is_number(rule))
        gate.bound = json_number_value(rule);
    else if (!json_is_string(rule))
        return cq_fail(err, CQ_E_INVALID, "require.%s: expected a rule such as '>= 0'", name);
    else if (gate_parse_rule(json_string_value(rule), &gate.op, &gate.bound, err))
        return cq_wrap(err, "require.%s", name);
    g->items[g->count++] = gate;
    return 0;
}

static int read_expect(json_t *expect, struct gates *g, struct cq_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(expect, key, value)
    {
        if (strcmp(key, "verdict") != 0 && strcmp(key, "signature") != 0)
            return cq_fail(err, CQ_E_INVALID,
                           "expect.%.64s: no such key; known are verdict, signature", key);
        if (!json_is_string(value))
            return cq_fail(err, CQ_E_INVALID, "expect.%s: expected a string", key);
    }
    const char *verdict = json_string_value(json_object_get(expect, "verdict"));
    const char *signature = json_string_value(json_object_get(expect, "signature"));
    if (!verdict || (strcmp(verdict, "fail") != 0 && strcmp(verdict, "pass") != 0))
        return cq_fail(err, CQ_E_INVALID, "expect.verdict: expected 'fail' or 'pass'");
    g->expects_fail = strcmp(verdict, "fail") == 0;
    if (signature && !g->expects_fail)
        return cq_fail(err, CQ_E_INVALID, "expect.signature: only goes with 'verdict: fail'");
    if (signature && !cq_copy_text(g->signature, sizeof g->signature, signature))
        return cq_fail(err, CQ_E_LIMIT, "expect.signature: longer than %d bytes",
                       OUTCOME_TEXT_MAX - 1);
    return 0;
}

int gates_read(json_t *require, json_t *expect, struct gates *out, struct cq_err *err)
{
    struct gates g = {0};
    const char *name;
    json_t *rule;
    json_object_foreach(require, name, rule)
    {
        if (read_require(name, rule, &g, err))
            return -1;
    }
    if (expect && read_expect(expect, &g, err))
        return -1;
    *out = g;
    return 0;
}

/* Numbers come from text with a few digits; exact comparison is what `==` means here. */
static bool holds(enum gate_op op, double value, double bound)
{
    switch (op) {
    case GATE_EQ:
        return value == bound;
    case GATE_NE:
        return value != bound;
    case GATE_LT:
        return value < bound;
    case GATE_LE:
        return value <= bound;
    case GATE_GT:
        return value > bound;
    case GATE_GE:
        return value >= bound;
    }
    return false;
}

/* Does a gate stand on this metric? A name that ends with "__" means all that begin so. */
static bool has_gate(const struct gates *g, const char *metric)
{
    size_t len = strlen(metric);
    bool family = len > 2 && strcmp(metric + len - 2, "__") == 0;
    for (size_t i = 0; i < g->count; i++)
        if (family ? cq_str_starts(g->items[i].metric, metric)
                   : strcmp(g->items[i].metric, metric) == 0)
            return true;
    return false;
}

/* `why`: what the tool itself said of a failure that was left to the gates; "" when it passed. */
static void fail_by_gate(const struct gate *gate, const char *why, struct outcome *o)
{
    if (!gate->found) {
        outcome_fail(o, "required metric %s is missing", gate->metric);
        return;
    }
    outcome_fail(o, "gate %s %s %g missed", gate->metric, gate_op_text(gate->op), gate->bound);
    outcome_summarise(o, "gate missed: %s is %g, required %s %g%s%s", gate->metric, gate->value,
                      gate_op_text(gate->op), gate->bound, *why ? "; " : "", why);
}

static void apply_require(struct gates *g, struct outcome *o)
{
    const struct gate *missed = NULL;
    char why[OUTCOME_TEXT_MAX] = "";
    for (size_t i = 0; i < g->count; i++) {
        struct gate *gate = &g->items[i];
        gate->found = metrics_get(&o->metrics, gate->metric, &gate->value);
        gate->ok = gate->found && holds(gate->op, gate->value, gate->bound);
        if (!gate->ok && !missed)
            missed = gate;
    }
    if (o->verdict == VERDICT_FAIL && o->overruled_by[0] && has_gate(g, o->overruled_by)) {
        (void)cq_copy_text(why, sizeof why, o->summary);
        outcome_pass(o, "%s (allowed by the gate)", why);
    }
    if (missed && o->verdict == VERDICT_PASS)
        fail_by_gate(missed, why, o);
}

static void apply_expect(const struct gates *g, struct outcome *o)
{
    if (!g->expects_fail || o->verdict == VERDICT_ERROR)
        return;
    bool seen = o->verdict == VERDICT_FAIL
                && (g->signature[0] == '\0' || signature_has(o->message, g->signature));
    char before[OUTCOME_TEXT_MAX];
    (void)cq_copy_text(before, sizeof before, o->summary);
    if (seen) {
        outcome_pass(o, "expected failure seen: %s", before);
        return;
    }
    const char *wanted = g->signature[0] ? g->signature : "any failure";
    bool passed = o->verdict == VERDICT_PASS;
    outcome_fail(o, "expected failure not seen: %s", wanted);
    outcome_summarise(o, "expected failure not seen: %s (instead: %s%s)", wanted,
                      passed ? "" : "failed with ", before);
}

void gates_apply(struct gates *g, struct outcome *o)
{
    apply_require(g, o);
    apply_expect(g, o);
}
