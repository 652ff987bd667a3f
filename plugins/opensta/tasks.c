/* The table of chipq-tool-opensta: its tasks, their parameters and stages. */
#include "plugins/opensta/opensta.h"

#define SYNTH "yosys.synth"

static const struct param_spec check_params[] = {
    {.name = "sdc", .type = PARAM_PATH, .required = true, .help = "the constraints"},
    {.name = "netlist",
     .type = PARAM_PATH,
     .help = "structural Verilog, as dep:synth/TOP.v; default: of the yosys.synth in needs",
     .from_need = SYNTH},
    {.name = "top",
     .type = PARAM_STRING,
     .help = "name of the top module; default: of the yosys.synth in needs",
     .from_need = SYNTH},
    {.name = "liberty",
     .type = PARAM_PATH,
     .help = "the cell library; default: of the yosys.synth in needs",
     .from_need = SYNTH},
    {.name = "libraries", .type = PARAM_PATHS, .max = 1000, .help = "more libraries, as of macros"},
    {.name = "spef", .type = PARAM_PATH, .help = "parasitics of the top module"},
    {.name = "paths",
     .type = PARAM_INT,
     .fallback = "10",
     .min = 1,
     .max = 100000,
     .help = "paths a group in the reports"},
    {.name = NULL},
};

static const struct plugin_stage check_stages[] = {
    {.name = "",
     .resources = {.cores = 1, .mem_mib = 512, .time_s = 1800},
     .judge = &check_judge,
     .run = check_run},
};

#define TIME_UNIT "liberty time" /* of the library; ns in most */

static const struct plugin_metric check_metrics[] = {
    {.name = "timing__setup__ws", .unit = TIME_UNIT, .help = "worst slack of setup"},
    {.name = "timing__hold__ws", .unit = TIME_UNIT, .help = "worst slack of hold"},
    {.name = "timing__setup__tns", .unit = TIME_UNIT, .help = "total negative slack of setup"},
    {.name = "timing__hold__tns", .unit = TIME_UNIT, .help = "total negative slack of hold"},
    {.name = "timing__setup__violations", .help = "endpoints with negative setup slack"},
    {.name = "timing__hold__violations", .help = "endpoints with negative hold slack"},
    {.name = "timing__violations", .help = "both of them"},
    {.name = "timing__unconstrained__endpoints", .help = "endpoints that no constraint reaches"},
    {.name = "timing__warnings", .help = "warnings of sta"},
    {.name = NULL},
};

static const struct plugin_output check_outputs[] = {
    {.path = "out/setup.rpt", .help = "the worst setup paths of each group"},
    {.path = "out/hold.rpt", .help = "the worst hold paths of each group"},
    {.path = "out/check_setup.rpt", .help = "what the constraints leave out"},
    {.path = NULL},
};

static const struct plugin_task tasks[] = {
    {.name = "check",
     .summary = "worst slack, total negative slack and violations, setup and hold",
     .params = check_params,
     .stages = check_stages,
     .stage_count = CQ_COUNT(check_stages),
     .metrics = check_metrics,
     .own_metrics = true,
     .outputs = check_outputs,
     .example = "sta:\n"
                "  tool: opensta.check\n"
                "  needs: [synth]   # a yosys.synth: netlist, top and liberty are its\n"
                "  sdc: uart.sdc\n"
                "  require: {timing__setup__ws: \">= 0\", timing__violations: \"== 0\"}\n"},
};

static const char *const version_argv[] = {"sta", "-version", NULL};

const struct plugin opensta_plugin = {
    .name = "opensta",
    .summary = "OpenSTA: static timing analysis",
    .tool = {"sta", "opensta"},
    .version_argv = version_argv,
    .tasks = tasks,
    .task_count = CQ_COUNT(tasks),
};
