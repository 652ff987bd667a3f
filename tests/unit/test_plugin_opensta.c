// LINK: chipq_tool_opensta
/* Verdicts of OpenSTA's recorded logs. Its exit status is 0 in all of them but the killed one. */
#include <criterion/criterion.h>

#include "plugins/opensta/opensta.h"
#include "tests/plugins/log_case.h"

Test(plugin_opensta, logs_get_their_verdicts)
{
    static const struct log_case cases[] = {
        {"check_pass", 0, 0, VERDICT_PASS, ""},
        {"check_unconstrained", 0, 0, VERDICT_PASS, ""},
        {"check_design_error", 0, 0, VERDICT_FAIL, "timing not met: setup"},
        {"check_no_clock", 0, 0, VERDICT_ERROR,
         "no timing paths: the constraints reach nothing (worst slack is infinite)"},
        {"check_missing_port", 0, 0, VERDICT_ERROR, "port.sdc:#: port 'nosuch' not found."},
        {"check_bad_sdc", 0, 0, VERDICT_ERROR,
         "syntax.sdc:#: invalid command name \"create_clokc\""},
        {"check_truncated_netlist", 0, 0, VERDICT_ERROR,
         "cut.v:#: syntax error, unexpected $end, expecting '(' or '['."},
        {"check_black_box", 0, 0, VERDICT_ERROR,
         "black.v:#: module NAND9X9 not found. Creating black box for _0965_."},
        {"check_wrong_top", 0, 0, VERDICT_ERROR, "nosuch is not a verilog module."},
        {"check_crash", 0, 0, VERDICT_ERROR, "out of memory."},
        {"check_missing_script", 0, 0, VERDICT_ERROR, "sta stopped before the end of the script"},
        {"check_killed", 0, SIGTERM, VERDICT_ERROR, "sta was killed by SIGTERM"},
        {"check_pass", 0, SIGKILL, VERDICT_ERROR, "sta was killed by SIGKILL"},
    };
    log_check_all("opensta", &check_judge, NULL, cases, CQ_COUNT(cases));
}

Test(plugin_opensta, errors_of_files_are_errors)
{
    static const char *const logs[] = {"check_missing_file", "check_missing_liberty"};
    for (size_t i = 0; i < CQ_COUNT(logs); i++) {
        const struct log_case c = {logs[i], 0, 0, VERDICT_ERROR, ""};
        struct outcome out = {0};
        log_judge("opensta", &check_judge, NULL, &c, &out);
        cr_assert_eq(out.verdict, VERDICT_ERROR, "%s", logs[i]);
        cr_assert_eq(out.metrics.count, 0, "an error has no slack to show");
        outcome_fini(&out);
    }
}

Test(plugin_opensta, slack_becomes_metrics)
{
    const struct log_case c = {"check_design_error", 0, 0, VERDICT_FAIL, ""};
    struct outcome out = {0};
    log_judge("opensta", &check_judge, NULL, &c, &out);
    cr_assert_float_eq(metric_of(&out, "timing__setup__ws"), -1.877, 0.001);
    cr_assert_float_eq(metric_of(&out, "timing__hold__ws"), 0.1387, 0.001);
    cr_assert_eq(metric_of(&out, "timing__violations"), 228);
    cr_assert(metric_of(&out, "timing__setup__tns") < -1);
    cr_assert_str_eq(out.overruled_by, "timing__");
    outcome_fini(&out);
}

Test(plugin_opensta, unconstrained_endpoints_are_counted)
{
    const struct log_case c = {"check_unconstrained", 0, 0, VERDICT_PASS, ""};
    struct outcome out = {0};
    log_judge("opensta", &check_judge, NULL, &c, &out);
    cr_assert_eq(metric_of(&out, "timing__unconstrained__endpoints"), 21);
    outcome_fini(&out);
}

Test(plugin_opensta, a_tcl_word_survives_anything)
{
    struct cq_str out = {0};
    tcl_quote("a b$c[d]{e}\\f;g\"h", &out);
    cr_assert_str_eq(cq_str_text(&out), "a\\ b\\$c\\[d\\]\\{e\\}\\\\f\\;g\\\"h");
    cq_str_fini(&out);
}
