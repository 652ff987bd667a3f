// LINK: chipq_sdk
/* require and expect. */
#include <criterion/criterion.h>

#include "plugins/sdk/gate.h"

static void apply(const char *require, const char *expect, struct outcome *o)
{
    static struct gates gates;
    json_t *r = require ? json_loads(require, 0, NULL) : NULL;
    json_t *e = expect ? json_loads(expect, 0, NULL) : NULL;
    struct cq_err err = {0};
    cr_assert_eq(gates_read(r, e, &gates, &err), 0, "%s", err.text);
    gates_apply(&gates, o);
    json_decref(r);
    json_decref(e);
}

Test(sdk_gate, rules_are_parsed_strictly)
{
    enum gate_op op;
    double bound;
    cr_assert_eq(gate_parse_rule(">= 0", &op, &bound, NULL), 0);
    cr_assert(op == GATE_GE && bound == 0);
    cr_assert_eq(gate_parse_rule("<1.5e3", &op, &bound, NULL), 0);
    cr_assert(op == GATE_LT && bound == 1500);
    cr_assert_eq(gate_parse_rule("7", &op, &bound, NULL), 0);
    cr_assert(op == GATE_EQ && bound == 7);
    static const char *const bad[] = {"", ">=", "=> 0", ">= x", ">= 1 2", ">= inf", "ok"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++)
        cr_assert_eq(gate_parse_rule(bad[i], &op, &bound, NULL), -1, "%s", bad[i]);
}

Test(sdk_gate, a_rule_that_does_not_hold_fails_a_pass)
{
    struct outcome o = {0};
    outcome_pass(&o, "fine");
    metrics_set(&o.metrics, "slack", -0.25);
    apply("{\"slack\": \">= 0\"}", NULL, &o);
    cr_assert_eq(o.verdict, VERDICT_FAIL);
    cr_assert_str_eq(o.summary, "gate missed: slack is -0.25, required >= 0");
    outcome_fini(&o);
}

Test(sdk_gate, a_missing_metric_fails_a_pass)
{
    struct outcome o = {0};
    outcome_pass(&o, "fine");
    apply("{\"slack\": 0}", NULL, &o);
    cr_assert_eq(o.verdict, VERDICT_FAIL);
    cr_assert_str_eq(o.message, "required metric slack is missing");
    outcome_fini(&o);
}

Test(sdk_gate, a_gate_overrules_a_fail_that_rests_on_its_metric)
{
    struct outcome o = {0};
    outcome_fail(&o, "3 violations");
    (void)snprintf(o.overruled_by, sizeof o.overruled_by, "drc__errors");
    metrics_set(&o.metrics, "drc__errors", 3);
    apply("{\"drc__errors\": \"<= 5\"}", NULL, &o);
    cr_assert_eq(o.verdict, VERDICT_PASS);
    outcome_fail(&o, "3 violations");
    (void)snprintf(o.overruled_by, sizeof o.overruled_by, "drc__errors");
    apply("{\"drc__errors\": \"<= 2\"}", NULL, &o);
    cr_assert_eq(o.verdict, VERDICT_FAIL);
    outcome_fail(&o, "3 violations");
    (void)snprintf(o.overruled_by, sizeof o.overruled_by, "drc__");
    apply("{\"drc__errors\": \"<= 5\"}", NULL, &o);
    cr_assert_eq(o.verdict, VERDICT_PASS);
    outcome_fini(&o);
}

Test(sdk_gate, a_hard_fail_and_an_error_stay)
{
    struct outcome o = {0};
    outcome_fail(&o, "hard");
    metrics_set(&o.metrics, "m", 1);
    apply("{\"m\": 1}", NULL, &o);
    cr_assert_eq(o.verdict, VERDICT_FAIL);
    outcome_error(&o, "broken");
    apply("{\"m\": 1}", "{\"verdict\": \"fail\"}", &o);
    cr_assert_eq(o.verdict, VERDICT_ERROR);
    outcome_fini(&o);
}

static const char expects[] = "{\"verdict\": \"fail\", \"signature\": \"lb_odd\"}";

Test(sdk_gate, the_expected_failure_is_a_pass)
{
    struct outcome o = {0};
    outcome_fail(&o, "tb.sv:3: check lb_odd: expected 3");
    apply(NULL, expects, &o);
    cr_assert_eq(o.verdict, VERDICT_PASS);
    cr_assert_str_eq(o.summary, "expected failure seen: tb.sv:3: check lb_odd: expected 3");
}

Test(sdk_gate, its_absence_or_another_failure_is_a_fail)
{
    struct outcome o = {0};
    outcome_pass(&o, "fine");
    apply(NULL, expects, &o);
    cr_assert_eq(o.verdict, VERDICT_FAIL);
    cr_assert_str_eq(o.message, "expected failure not seen: lb_odd");
    outcome_fail(&o, "something else");
    apply(NULL, expects, &o);
    cr_assert_eq(o.verdict, VERDICT_FAIL);
    cr_assert_str_eq(o.message, "expected failure not seen: lb_odd");
}

Test(sdk_gate, unknown_keys_and_types_are_refused)
{
    static struct gates g;
    static const char *const bad[] = {"{\"verdict\":\"maybe\"}", "{\"signature\":\"x\"}",
                                      "{\"verdict\":\"fail\",\"sig\":\"x\"}", "{\"verdict\":1}",
                                      "{\"verdict\":\"pass\",\"signature\":\"x\"}"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        json_t *e = json_loads(bad[i], 0, NULL);
        cr_assert_eq(gates_read(NULL, e, &g, NULL), -1, "%s", bad[i]);
        json_decref(e);
    }
    json_t *r = json_pack("{s:[]}", "m");
    cr_assert_eq(gates_read(r, NULL, &g, NULL), -1);
    json_decref(r);
}
