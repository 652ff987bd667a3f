// LINK: chipq_tool_verilator
/* Verdicts of Verilator's recorded logs: lint, build, simulation; and coverage files. */
#include <criterion/criterion.h>

#include "plugins/verilator/coverage.h"
#include "plugins/verilator/verilator.h"
#include "plugins/verilator/vmessage.h"
#include "tests/plugins/log_case.h"

#include <unistd.h>

static const struct param_spec sim_specs[] = {
    {.name = "pass_line", .type = PARAM_STRING, .fallback = "\"TEST PASSED\"", .help = ""},
    {.name = "fail_line", .type = PARAM_STRING, .fallback = "\"TEST FAILED\"", .help = ""},
    {.name = NULL},
};

static struct params sim_params(const char *given_text)
{
    struct params params = {0};
    json_t *given = json_loads(given_text, 0, NULL);
    cr_assert_eq(params_read(sim_specs, NULL, given, &params, NULL), 0);
    json_decref(given);
    return params;
}

static void feed(const struct judge *judge, const struct params *params, const char *const *lines,
                 struct proc_end end, struct outcome *out)
{
    void *state = calloc(1, judge->state_bytes);
    if (judge->begin)
        judge->begin(state, params);
    for (; *lines; lines++)
        judge->line(state, *lines);
    judge->end(state, &end, out);
    free(state);
}

Test(plugin_verilator, lint_logs_get_their_verdicts)
{
    static const struct log_case cases[] = {
        {"lint_pass", 0, 0, VERDICT_PASS, ""},
        {"lint_design_error", 1, 0, VERDICT_FAIL,
         "uart.sv:#:#: syntax error, unexpected always_ff, expecting ',' or ';'"},
        {"lint_cannot_continue", 1, 0, VERDICT_FAIL,
         "bad.sv:#:#: syntax error, unexpected endmodule"},
        {"lint_missing_module", 1, 0, VERDICT_FAIL,
         "uart.sv:#:#: Cannot find file containing module: 'uart_baud'"},
        {"lint_missing_file", 1, 0, VERDICT_ERROR,
         "Cannot find file containing module: nothere.sv"},
        {"lint_wrong_top", 1, 0, VERDICT_ERROR,
         "Specified --top-module 'nosuch' was not found in design."},
        {"lint_crash", 0, SIGSEGV, VERDICT_ERROR, "verilator was killed by SIGSEGV"},
        {"lint_killed", 0, SIGKILL, VERDICT_ERROR, "verilator was killed by SIGKILL"},
        {"lint_pass", 3, 0, VERDICT_ERROR, "verilator ended with status # without saying why"},
    };
    log_check_all("verilator", &lint_judge, NULL, cases, CQ_COUNT(cases));
}

Test(plugin_verilator, the_first_error_with_a_place_decides)
{
    struct outcome out = {0};
    const char *const lines[] = {"%Error: Cannot find file containing module: x",
                                 "%Error: src/a.sv:4:1: syntax error, unexpected endmodule",
                                 "%Error: src/a.sv:9:1: another", "%Error: Cannot continue", NULL};
    static const struct judge *const judges[] = {&lint_judge, &sim_build_judge};
    for (size_t i = 0; i < CQ_COUNT(judges); i++) {
        feed(judges[i], NULL, lines, (struct proc_end){.exit_status = 1}, &out);
        cr_expect_eq(out.verdict, VERDICT_FAIL);
        cr_expect_str_eq(out.message, "src/a.sv:4:1: syntax error, unexpected endmodule");
        cr_expect(strstr(out.summary, out.message), "people get the place too: %s", out.summary);
    }
    const char *const nothing[] = {"%Error: Cannot continue", NULL};
    feed(&lint_judge, NULL, nothing, (struct proc_end){.exit_status = 1}, &out);
    cr_expect_eq(out.verdict, VERDICT_ERROR);
    cr_expect(strstr(out.message, "without saying why"), "%s", out.message);
    outcome_fini(&out);
}

Test(plugin_verilator, a_lint_warning_fails_unless_gated)
{
    const struct log_case c = {"lint_warnings_nofatal", 0, 0, VERDICT_FAIL, ""};
    struct outcome out = {0};
    log_judge("verilator", &lint_judge, NULL, &c, &out);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    cr_assert_eq(metric_of(&out, "lint__warnings"), 4);
    cr_assert_eq(metric_of(&out, "lint__errors"), 0);
    cr_assert_str_eq(out.overruled_by, "lint__warnings");
    outcome_fini(&out);
}

Test(plugin_verilator, build_logs_get_their_verdicts)
{
    static const struct log_case cases[] = {
        {"build_pass", 0, 0, VERDICT_PASS, ""},
        {"build_design_error", 1, 0, VERDICT_FAIL,
         "uart.sv:#:#: syntax error, unexpected always_ff, expecting ',' or ';'"},
        {"build_cannot_continue", 1, 0, VERDICT_FAIL,
         "bad.sv:#:#: syntax error, unexpected endmodule"},
        {"build_missing_file", 1, 0, VERDICT_ERROR, "Cannot find file containing module: none.sv"},
        {"build_crash", 2, 0, VERDICT_ERROR, "virtual memory exhausted: Cannot allocate memory"},
        {"build_killed", 0, SIGTERM, VERDICT_ERROR, "verilator was killed by SIGTERM"},
    };
    log_check_all("verilator", &sim_build_judge, NULL, cases, CQ_COUNT(cases));
}

Test(plugin_verilator, a_compiler_error_is_the_users_only_in_his_files)
{
    struct outcome out = {0};
    const char *const user[] = {"../src/tb/dpi.cpp:3:5: error: 'foo' was not declared", NULL};
    feed(&sim_build_judge, NULL, user, (struct proc_end){.exit_status = 2}, &out);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    const char *const ours[] = {"Vsim.cpp:3:5: error: 'foo' was not declared", NULL};
    feed(&sim_build_judge, NULL, ours, (struct proc_end){.exit_status = 2}, &out);
    cr_assert_eq(out.verdict, VERDICT_ERROR);
    const char *const two_mains[] = {"ld: multiple definition of `main'; a.o", NULL};
    feed(&sim_build_judge, NULL, two_mains, (struct proc_end){.exit_status = 2}, &out);
    cr_assert_eq(out.verdict, VERDICT_ERROR);
    cr_assert(strstr(out.message, "own_main: true"));
    outcome_fini(&out);
}

Test(plugin_verilator, simulation_logs_get_their_verdicts)
{
    static const struct log_case cases[] = {
        {"sim_pass", 0, 0, VERDICT_PASS, ""},
        {"sim_design_error", 0, SIGABRT, VERDICT_FAIL,
         "uart_tb.sv:#: Assertion failed in TOP.uart_tb.check_received: rx: frame error is #, "
         "expected #"},
        {"sim_seeded_bug", 0, SIGABRT, VERDICT_FAIL,
         "rv32_tb.sv:#: Assertion failed in TOP.rv32_tb.finish_with: program failed its check "
         "lb_odd_positive (tohost #)"},
        {"sim_watchdog", 0, SIGABRT, VERDICT_FAIL,
         "uart_tb.sv:#: Assertion failed in TOP.uart_tb: watchdog: no end after # clocks"},
        {"sim_no_pass_line", 0, 0, VERDICT_FAIL,
         "ended without the line 'TEST PASSED'; last words: bye"},
        {"sim_crash", 0, SIGABRT, VERDICT_ERROR, "the simulation was killed by SIGABRT"},
        {"sim_crash_segv", 0, SIGSEGV, VERDICT_ERROR, "the simulation was killed by SIGSEGV"},
        {"sim_killed", 0, SIGTERM, VERDICT_ERROR, "the simulation was killed by SIGTERM"},
        {"sim_killed", 0, SIGKILL, VERDICT_ERROR, "the simulation was killed by SIGKILL"},
        {"sim_bad_option", 0, SIGABRT, VERDICT_ERROR,
         "COMMAND_LINE:#: Unknown runtime argument: +verilator+nosuch+#"},
        {"sim_pass", 0, SIGSEGV, VERDICT_ERROR, "the simulation was killed by SIGSEGV"},
        {"sim_pass", 9, 0, VERDICT_ERROR, "the simulation ended with status #"},
    };
    struct params params = sim_params("{}");
    log_check_all("verilator", &sim_run_judge, &params, cases, CQ_COUNT(cases));
    params_fini(&params);
}

Test(plugin_verilator, the_pass_line_is_the_flows_to_choose)
{
    struct params params = sim_params("{\"pass_line\": \"bye\"}");
    const struct log_case c = {"sim_no_pass_line", 0, 0, VERDICT_PASS, ""};
    log_check_all("verilator", &sim_run_judge, &params, &c, 1);
    params_fini(&params);
}

Test(plugin_verilator, passed_with_an_error_is_failed)
{
    struct params params = sim_params("{}");
    struct outcome out = {0};
    const char *const error[] = {"[10] %Error: a.sv:3: Assertion failed in TOP: x", "TEST PASSED",
                                 "- a.sv:9: Verilog $finish", NULL};
    feed(&sim_run_judge, &params, error, (struct proc_end){0}, &out);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    const char *const said[] = {"TEST FAILED: 3 mismatches", "TEST PASSED", NULL};
    feed(&sim_run_judge, &params, said, (struct proc_end){0}, &out);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    cr_assert_str_eq(out.message, "TEST FAILED: 3 mismatches");
    const char *const warned[] = {"[10] %Warning: a.sv:3: Assertion failed in TOP: x",
                                  "TEST PASSED", NULL};
    feed(&sim_run_judge, &params, warned, (struct proc_end){0}, &out);
    cr_assert_eq(out.verdict, VERDICT_PASS);
    outcome_fini(&out);
    params_fini(&params);
}

Test(plugin_verilator, a_bench_that_runs_on_behind_finish_has_not_passed)
{
    struct params params = sim_params("{}");
    struct outcome out = {0};
    const char *const ran_on[] = {"TIMEOUT",
                                  "- tb.sv:13: Verilog $finish",
                                  "TEST PASSED",
                                  "- tb.sv:14: Verilog $finish",
                                  "- tb.sv:14: Second verilog $finish, exiting",
                                  NULL};
    feed(&sim_run_judge, &params, ran_on, (struct proc_end){0}, &out);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    const char *const final_block[] = {"- tb.sv:13: Verilog $finish", "TEST PASSED", NULL};
    feed(&sim_run_judge, &params, final_block, (struct proc_end){0}, &out);
    cr_assert_eq(out.verdict, VERDICT_PASS);
    outcome_fini(&out);
    params_fini(&params);
}

Test(plugin_verilator, a_missing_memory_image_is_an_error_even_when_passed)
{
    struct params params = sim_params("{}");
    struct outcome out = {0};
    const char *const lines[] = {"%Warning: rom.hex:0: $readmem file not found", "TEST PASSED",
                                 NULL};
    feed(&sim_run_judge, &params, lines, (struct proc_end){0}, &out);
    cr_assert_eq(out.verdict, VERDICT_ERROR);
    outcome_fini(&out);
    params_fini(&params);
}

Test(plugin_verilator, messages_are_told_apart)
{
    struct vmessage m = vmessage_read("%Error-NEEDTIMINGOPT: tb.sv:5:10: Use --timing");
    cr_assert(m.kind == VMESSAGE_ERROR && m.located && !m.summary);
    m = vmessage_read("%Error: Exiting due to 2 error(s)");
    cr_assert(m.kind == VMESSAGE_ERROR && m.summary);
    m = vmessage_read("[12] %Warning: tb.sv:5: hm");
    cr_assert(m.kind == VMESSAGE_WARNING && m.located);
    cr_assert_eq(vmessage_read("it says %Error: in the middle").kind, VMESSAGE_NONE);
    cr_assert_eq(vmessage_read("%Error").kind, VMESSAGE_NONE);
}

static char *temporary(const char *text)
{
    char *path = strdup("/tmp/chipq-test-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
    return path;
}

static int read_coverage(const char *text, struct coverage *c)
{
    char *path = temporary(text);
    int rc = coverage_read(path, c, NULL);
    (void)unlink(path);
    free(path);
    return rc;
}

Test(plugin_verilator, coverage_counts_points_by_page)
{
    struct coverage c = {0};
    cr_assert_eq(read_coverage("# SystemC::Coverage-3\n"
                               "C '\001f\002a.sv\001l\0022\001page\002v_line/a\001o\002block' 2\n"
                               "C '\001f\002a.sv\001l\0023\001page\002v_branch/a\001o\002if' 0\n"
                               "C '\001f\002a.sv\001l\0024\001page\002v_user/a\001o\002c' 7\n",
                               &c),
                 0);
    cr_assert(c.line_points == 2 && c.line_hit == 1 && c.user_points == 1 && c.user_hit == 1);
}

Test(plugin_verilator, half_a_coverage_file_is_refused)
{
    struct coverage c = {0};
    cr_assert_eq(read_coverage("", &c), -1);
    cr_assert_eq(read_coverage("# SystemC::Coverage-3\nC '\001f\002a.sv\001l", &c), -1);
    cr_assert_eq(read_coverage("# SystemC::Coverage-3\nC 'x' \n", &c), -1);
    cr_assert_eq(coverage_read("/nonexistent", &c, NULL), -1);
}
