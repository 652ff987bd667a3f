// LINK: chipq_tool_verilator chipq_tool_yosys chipq_tool_opensta chipq_tool_klayout
/* Whole runs of the plugins, from task.json to result.json, with small scripts in the place of the
 * tools: what they do with what a tool leaves, and does not leave, behind. */
#include <criterion/criterion.h>

#include "common/base/sys/files.h"
#include "plugins/klayout/klayout.h"
#include "plugins/opensta/opensta.h"
#include "plugins/verilator/verilator.h"
#include "plugins/yosys/yosys.h"

#include <sys/stat.h>
#include <unistd.h>

static char home[64];
static json_t *result;

static void put(const char *path, const char *text)
{
    struct cq_err err = {0};
    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0644, &err), 0, "%s", err.text);
}

/* A program of the test's: bin/NAME is found first, before the real tool. */
static void fake(const char *path, const char *script)
{
    struct cq_str text = {0};
    cq_str_printf(&text, "#!/bin/sh\n%s\n", script);
    put(path, cq_str_text(&text));
    cr_assert_eq(chmod(path, 0755), 0);
    cq_str_fini(&text);
}

static void enter(void)
{
    char text[160];
    (void)snprintf(home, sizeof home, "/tmp/chipq-test-XXXXXX");
    cr_assert(mkdtemp(home) && chdir(home) == 0);
    cr_assert_eq(dir_make("bin", 0755, NULL) | dir_make("project", 0755, NULL), 0);
    cr_assert_eq(dir_make("dep", 0755, NULL) | dir_make("built", 0755, NULL), 0);
    put("project/a.sv", "module a; endmodule\n");
    put("project/b.sv", "module b; endmodule\n");
    (void)snprintf(text, sizeof text, "%s/bin:/usr/bin:/bin", home);
    (void)setenv("PATH", text, 1);
    (void)snprintf(text, sizeof text, "%s/project", home);
    (void)setenv("CHIPQ_SRC", text, 1);
    (void)snprintf(text, sizeof text, "%s/built", home);
    (void)setenv("CHIPQ_DEP_sim_build", text, 1);
    (void)setenv("CHIPQ_DEP_synth", text, 1);
    (void)setenv("CHIPQ_CORES", "2", 1);
    (void)unsetenv("CHIPQ_TASK");
    (void)unsetenv("CHIPQ_SEED");
    cr_assert(freopen("log", "w", stdout));
}

static void leave(void)
{
    json_decref(result);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(dir_remove(home, NULL), 0);
}

TestSuite(plugin_runs, .init = enter, .fini = leave);

static bool is_described(const struct plugin *plugin, const char *metric)
{
    for (size_t i = 0; i < plugin->task_count; i++)
        for (const struct plugin_metric *m = plugin->tasks[i].metrics; m->name; m++) {
            size_t fixed = strcspn(m->name, "<");
            if (m->name[fixed] ? strncmp(m->name, metric, fixed) == 0
                               : strcmp(m->name, metric) == 0)
                return true;
        }
    return false;
}

/* Flows are checked against the description: a metric that it lacks could not be gated. */
static void check_described(const struct plugin *plugin)
{
    const char *metric;
    json_t *value;
    json_object_foreach(json_object_get(result, "metrics"), metric, value)
    {
        cr_expect(is_described(plugin, metric), "%s does not describe %s", plugin->name, metric);
    }
}

/* Runs and checks verdict and a part of the summary; every metric must be described. */
static void run_as(const struct plugin *plugin, const char *task, const char *verdict,
                   const char *summary)
{
    put("task.json", task);
    (void)run_main(plugin);
    json_decref(result);
    result = json_load_file("result.json", 0, NULL);
    cr_assert(result);
    check_described(plugin);
    const char *said = json_string_value(json_object_get(result, "summary"));
    cr_assert_str_eq(json_string_value(json_object_get(result, "verdict")), verdict, "%s", said);
    cr_assert(strstr(said, summary), "'%s' is not in '%s'", summary, said);
}

static bool log_has(const char *text)
{
    struct cq_str log = {0};
    cr_assert_eq(file_read("log", 1 << 20, &log, NULL), 0);
    bool found = strstr(cq_str_text(&log), text) != NULL;
    cq_str_fini(&log);
    return found;
}

#define SIM(params)                                                                               \
    "{\"chipq_task\":1,\"task\":\"sim\",\"stage\":\"run\",\"job\":\"sim\",\"seed\":0,\"params\":" \
    "{" params "}}"

Test(plugin_runs, a_simulation_without_seeds_has_seed_1)
{
    fake("built/sim", "echo TEST PASSED");
    (void)setenv("CHIPQ_TASK", "0", 1);
    (void)setenv("CHIPQ_SEED", "0", 1);
    run_as(&verilator_plugin, SIM(""), "pass", "TEST PASSED");
    cr_assert(log_has("+verilator+seed+1"));
}

Test(plugin_runs, seed_0_is_refused)
{
    fake("built/sim", "echo TEST PASSED");
    (void)setenv("CHIPQ_SEED", "0", 1);
    run_as(&verilator_plugin, SIM("\"seeds\":\"0-3\""), "error", "seed 0");
}

Test(plugin_runs, each_program_is_one_task)
{
    fake("built/sim", "for a; do case $a in +program=/*/b.sv) echo TEST PASSED;; esac; done");
    (void)setenv("CHIPQ_TASK", "2", 1);
    run_as(&verilator_plugin, SIM("\"programs\":[\"a.sv\",\"b.sv\"]"), "pass", "TEST PASSED");
    (void)setenv("CHIPQ_TASK", "1", 1);
    run_as(&verilator_plugin, SIM("\"programs\":[\"a.sv\",\"b.sv\"]"), "fail", "ended without");
    (void)setenv("CHIPQ_TASK", "3", 1);
    run_as(&verilator_plugin, SIM("\"programs\":[\"a.sv\",\"b.sv\"]"), "error", "only 2 programs");
    run_as(&verilator_plugin, SIM("\"programs\":[\"a.sv\"],\"seeds\":\"1-2\""), "error",
           "not both");
}

Test(plugin_runs, coverage_that_is_asked_for_must_be_there)
{
    fake("built/sim", "echo TEST PASSED");
    run_as(&verilator_plugin, SIM("\"coverage\":true"), "error", "coverage");
}

Test(plugin_runs, a_failing_test_runs_again_for_its_waves)
{
    fake("built/sim", "for a; do case $a in +chipq_waves=*) echo w > ${a#*=};; esac; done\n"
                      "echo '%Error: tb.sv:3: broken'; kill -ABRT $$");
    run_as(&verilator_plugin, SIM("\"waves\":\"fail\""), "fail", "tb.sv:3: broken");
    json_t *first = json_array_get(json_object_get(result, "artefacts"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(first, "path")), "out/waves.fst");
}

Test(plugin_runs, a_missing_build_is_said)
{
    run_as(&verilator_plugin, SIM(""), "error", "built/sim");
    (void)unsetenv("CHIPQ_DEP_sim_build");
    run_as(&verilator_plugin, SIM(""), "error", "sim.build");
}

Test(plugin_runs, plusargs_of_chipq_cannot_be_set)
{
    fake("built/sim", "echo TEST PASSED");
    run_as(&verilator_plugin, SIM("\"plusargs\":[\"+verilator+error+limit+9\"]"), "error",
           "chipq's to set");
}

Test(plugin_runs, a_build_gets_the_granted_cores_and_must_leave_a_program)
{
    static const char task[] =
        "{\"chipq_task\":1,\"task\":\"sim\",\"stage\":\"build\",\"job\":\"sim\","
        "\"params\":{\"top\":\"a\",\"sources\":[\"a.sv\"],\"coverage\":true}}";
    fake("bin/g++", "");
    fake("bin/make", "");
    fake("bin/verilator", "[ $1 = --version ] && echo Verilator 5.006; exit 0");
    run_as(&verilator_plugin, task, "error", "did not write obj_dir/sim");
    cr_assert(log_has("-j 2") && log_has("--coverage-line") && log_has("chipq_main.cpp"));
    fake("bin/verilator",
         "[ $1 = --version ] && echo Verilator 5.006; mkdir -p obj_dir; echo x > obj_dir/sim");
    run_as(&verilator_plugin, task, "pass", "built");
    cr_assert_eq(access("out/sim", R_OK), 0);
}

Test(plugin_runs, a_missing_tool_names_its_package)
{
    (void)setenv("PATH", "/nonexistent", 1);
    run_as(&yosys_plugin,
           "{\"chipq_task\":1,\"task\":\"synth\",\"params\":{\"top\":\"a\",\"sources\":[\"a.sv\"],"
           "\"liberty\":\"a.sv\"}}",
           "error", "apt-get install yosys");
}

Test(plugin_runs, a_synthesis_without_a_netlist_is_an_error)
{
    fake("bin/yosys", "echo 'End of script. x'");
    fake("bin/yosys-abc", "");
    run_as(&yosys_plugin,
           "{\"chipq_task\":1,\"task\":\"synth\",\"params\":{\"top\":\"a\",\"sources\":[\"a.sv\"],"
           "\"liberty\":\"b.sv\"}}",
           "error", "did not write out/a.v");
    struct cq_str script = {0};
    cr_assert_eq(file_read("synth.ys", 1 << 16, &script, NULL), 0);
    cr_assert(
        strstr(cq_str_text(&script), "read_liberty -lib src/b.sv\nread_verilog -sv src/a.sv\n"));
    cq_str_fini(&script);
}

Test(plugin_runs, names_that_a_script_cannot_hold_are_refused)
{
    fake("bin/yosys", "echo 'End of script. x'");
    fake("bin/yosys-abc", "");
    put("project/a;b.sv", "x");
    run_as(
        &yosys_plugin,
        "{\"chipq_task\":1,\"task\":\"synth\",\"params\":{\"top\":\"a\",\"sources\":[\"a;b.sv\"],"
        "\"liberty\":\"b.sv\"}}",
        "error", "yosys cannot take");
    run_as(&yosys_plugin,
           "{\"chipq_task\":1,\"task\":\"synth\",\"params\":{\"top\":\"a; "
           "shell\",\"sources\":[\"a.sv\"],"
           "\"liberty\":\"b.sv\"}}",
           "error", "not a plain name");
}

Test(plugin_runs, timing_takes_its_defaults_from_the_synthesis)
{
    put("built/synth.json",
        "{\"chipq_synth\":1,\"top\":\"a\",\"netlist\":\"a.v\",\"liberty\":\"b.sv\"}");
    put("built/a.v", "x");
    fake("bin/sta", "cat check.tcl");
    run_as(&opensta_plugin, "{\"chipq_task\":1,\"task\":\"check\",\"params\":{\"sdc\":\"a.sv\"}}",
           "error", "sta");
    cr_assert(log_has("read_liberty src/b.sv\n") && log_has("link_design a\n"));
}

Test(plugin_runs, a_script_that_is_only_echoed_proves_nothing)
{
    put("built/a.v", "x");
    fake("bin/sta", "cat check.tcl; echo chipq-sta: end");
    run_as(&opensta_plugin,
           "{\"chipq_task\":1,\"task\":\"check\",\"params\":{\"sdc\":\"a.sv\",\"top\":\"a\","
           "\"netlist\":\"dep:synth/a.v\",\"liberty\":\"b.sv\"}}",
           "error", "printed no");
}

#define DRC \
    "{\"chipq_task\":1,\"task\":\"drc\",\"params\":{\"deck\":\"deck.drc\",\"gds\":\"a.sv\"}}"
#define REPORT                                                                                \
    "for a; do case $a in report=*) r=${a#report=};; esac; done\n"                            \
    "echo \"<report-database><categories><category><name>M1.W</name></category></categories>" \
    "<items>$I</items></report-database>\" > $r\n"

Test(plugin_runs, a_report_is_judged_only_when_the_deck_ended_well)
{
    put("project/deck.drc", "x.output('M1.W')\n");
    fake("bin/klayout", "I=\n" REPORT "exit 1");
    run_as(&klayout_plugin, DRC, "error", "ended with status 1");
    fake("bin/klayout", "I=\n" REPORT "kill -KILL $$");
    run_as(&klayout_plugin, DRC, "error", "SIGKILL");
    fake("bin/klayout", "I=\n" REPORT);
    run_as(&klayout_plugin, DRC, "pass", "no violation of 1 rules");
    fake("bin/klayout", "I='<item><category>M1.W</category></item>'\n" REPORT);
    run_as(&klayout_plugin, DRC, "fail", "1 violation: M1.W (1)");
    fake("bin/klayout", "");
    run_as(&klayout_plugin, DRC, "error", "did not write");
}

Test(plugin_runs, a_report_without_a_rule_of_the_deck_is_not_complete)
{
    put("project/deck.drc", "x.output('M1.W')\ny.output('M2.W')\n");
    fake("bin/klayout", "I=\n" REPORT);
    run_as(&klayout_plugin, DRC, "error", "lacks rule 'M2.W'");
}

Test(plugin_runs, a_layout_must_be_a_whole_gds)
{
    static const char task[] = "{\"chipq_task\":1,\"task\":\"layout\",\"params\":{\"top\":\"top\","
                               "\"script\":\"a.sv\"}}";
    fake("bin/klayout", "echo no gds > top.part.gds");
    run_as(&klayout_plugin, task, "error", "not a whole GDS");
    cr_assert_neq(access("out/top.gds", F_OK), 0);
}
