// LINK: chipq_tool_yosys
/* Verdicts of yosys' recorded logs, and the figures of its reports. */
#include <criterion/criterion.h>

#include "plugins/yosys/yosys.h"
#include "tests/plugins/log_case.h"

#include <unistd.h>

Test(plugin_yosys, logs_get_their_verdicts)
{
    static const struct log_case cases[] = {
        {"synth_pass", 0, 0, VERDICT_PASS, ""},
        {"synth_warnings", 0, 0, VERDICT_PASS, ""},
        {"synth_design_error", 1, 0, VERDICT_FAIL,
         "uart.sv:#: ERROR: syntax error, unexpected TOK_ALWAYS_FF"},
        {"synth_missing_module", 1, 0, VERDICT_FAIL,
         "Module `\\uart_fifo' referenced in module `\\uart' in cell `\\rx_fifo' is not part of "
         "the design."},
        {"synth_missing_file", 1, 0, VERDICT_ERROR,
         "Can't open input file `none.sv' for reading: No such file or directory"},
        {"synth_wrong_top", 1, 0, VERDICT_ERROR, "Module `nosuch' not found!"},
        {"synth_crash", 0, SIGABRT, VERDICT_ERROR, "yosys was killed by SIGABRT"},
        {"synth_killed", 0, SIGTERM, VERDICT_ERROR, "yosys was killed by SIGTERM"},
        {"synth_killed", 0, 0, VERDICT_ERROR, "yosys stopped before the end of the script"},
        {"synth_pass", 4, 0, VERDICT_ERROR, "yosys ended with status # without saying why"},
    };
    log_check_all("yosys", &synth_judge, NULL, cases, CQ_COUNT(cases));
}

Test(plugin_yosys, warnings_are_counted)
{
    const struct log_case c = {"synth_warnings", 0, 0, VERDICT_PASS, ""};
    struct outcome out = {0};
    log_judge("yosys", &synth_judge, NULL, &c, &out);
    cr_assert_eq(metric_of(&out, "synth__warnings"), 3);
    outcome_fini(&out);
}

Test(plugin_yosys, figures_come_from_the_reports)
{
    char json[512], text[512], check[512];
    struct outcome out = {.verdict = VERDICT_PASS};
    struct cq_err err = {0};
    log_path(json, sizeof json, "yosys", "stat.json");
    log_path(text, sizeof text, "yosys", "stat.txt");
    log_path(check, sizeof check, "yosys", "check.txt");
    cr_assert_eq(stat_read(json, text, "uart", &out, &err), 0, "%s", err.text);
    cr_assert_eq(stat_read_check(check, &out, &err), 0, "%s", err.text);
    cr_assert_eq(out.verdict, VERDICT_PASS);
    cr_assert_eq(metric_of(&out, "synth__design__instance__count"), 1090);
    cr_assert_eq(metric_of(&out, "synth__design__instance__area"), 46364);
    cr_assert_eq(metric_of(&out, "synth__design__unmapped__count"), 0);
    cr_assert_eq(metric_of(&out, "synth__check__problems"), 0);
    outcome_fini(&out);
}

static int read_stat(const char *json, struct outcome *out)
{
    char path[] = "/tmp/chipq-test-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, json, strlen(json)) == (ssize_t)strlen(json));
    (void)close(fd);
    int rc = stat_read(path, path, "top", out, NULL);
    (void)unlink(path);
    return rc;
}

Test(plugin_yosys, a_netlist_that_is_none_fails)
{
    struct outcome out = {.verdict = VERDICT_PASS};
    cr_assert_eq(read_stat("{\"design\":{\"num_cells\":0,\"num_cells_by_type\":{}}}", &out), 0);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    cr_assert_eq(read_stat("{\"design\":{\"num_cells\":3,\"num_cells_by_type\":"
                           "{\"INVX1\":1,\"$_DLATCH_P_\":2}}}",
                           &out),
                 0);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    cr_assert(strstr(out.message, "$_DLATCH_P_"));
    outcome_fini(&out);
}

Test(plugin_yosys, a_broken_report_is_refused)
{
    struct outcome out = {0};
    cr_assert_eq(read_stat("{", &out), -1);
    cr_assert_eq(read_stat("{}", &out), -1);
    cr_assert_eq(stat_read_check("/dev/null", &out, NULL), -1);
}
