/* The table of chipq-tool-yosys: its tasks, their parameters and stages. */
#include "plugins/yosys/yosys.h"

static const struct param_spec synth_params[] = {
    {.name = "top", .type = PARAM_STRING, .required = true, .help = "name of the top module"},
    {.name = "sources",
     .type = PARAM_PATHS,
     .required = true,
     .min = 1,
     .max = 10000,
     .help = "Verilog and SystemVerilog files"},
    {.name = "liberty", .type = PARAM_PATH, .required = true, .help = "the cell library to map to"},
    {.name = "includes", .type = PARAM_PATHS, .help = "directories of included files"},
    {.name = "defines", .type = PARAM_STRINGS, .help = "NAME or NAME=VALUE, for all files"},
    {.name = "parameters", .type = PARAM_MAP, .help = "parameters of the top module"},
    {.name = "flatten",
     .type = PARAM_BOOL,
     .fallback = "true",
     .help = "one module without hierarchy"},
    {.name = NULL},
};

static const struct plugin_program needs[] = {{"yosys-abc", "yosys"}, {NULL, NULL}};

static const struct plugin_stage synth_stages[] = {
    {.name = "",
     .resources = {.cores = 1, .mem_mib = 1024, .time_s = 3600},
     .needs = needs,
     .judge = &synth_judge,
     .run = synth_run},
};

static const char *const synth_outputs[] = {"TOP.v",     "TOP_sim.v", "TOP.json",   "stat.txt",
                                            "check.txt", "synth.log", "synth.json", NULL};

static const struct plugin_task tasks[] = {
    {.name = "synth",
     .summary = "synthesizes the sources to the cells of a liberty file",
     .params = synth_params,
     .stages = synth_stages,
     .stage_count = CQ_COUNT(synth_stages),
     .outputs = synth_outputs},
};

static const char *const version_argv[] = {"yosys", "-V", NULL};

const struct plugin yosys_plugin = {
    .name = "yosys",
    .summary = "Yosys: synthesis",
    .tool = {"yosys", "yosys"},
    .version_argv = version_argv,
    .tasks = tasks,
    .task_count = CQ_COUNT(tasks),
};
