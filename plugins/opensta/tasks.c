/* The table of chipq-tool-opensta: its tasks, their parameters and stages. */
#include "plugins/opensta/opensta.h"

static const struct param_spec check_params[] = {
    {.name = "sdc", .type = PARAM_PATH, .required = true, .help = "the constraints"},
    {.name = "netlist",
     .type = PARAM_PATH,
     .help = "structural Verilog, as dep:synth/TOP.v; default: of the yosys.synth in needs"},
    {.name = "top",
     .type = PARAM_STRING,
     .help = "name of the top module; default: of the yosys.synth in needs"},
    {.name = "liberty",
     .type = PARAM_PATH,
     .help = "the cell library; default: of the yosys.synth in needs"},
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

static const char *const check_outputs[] = {"setup.rpt", "hold.rpt", "check_setup.rpt", NULL};

static const struct plugin_task tasks[] = {
    {.name = "check",
     .summary = "worst slack, total negative slack and violations, setup and hold",
     .params = check_params,
     .stages = check_stages,
     .stage_count = CQ_COUNT(check_stages),
     .outputs = check_outputs},
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
