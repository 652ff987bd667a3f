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

static const struct plugin_metric synth_metrics[] = {
    {.name = "synth__design__instance__count", .help = "cells of the netlist"},
    {.name = "synth__design__instance__area",
     .unit = "liberty area",
     .help = "area of all cells, in the liberty file's unit"},
    {.name = "synth__design__unmapped__count", .help = "cells that the library does not have"},
    {.name = "synth__check__problems", .help = "problems that `check` found in the netlist"},
    {.name = "synth__warnings", .help = "warnings of yosys"},
    {.name = NULL},
};

static const struct plugin_output synth_outputs[] = {
    {.path = "out/TOP.v", .help = "netlist for timing and layout: single nets, ports in bits"},
    {.path = "out/TOP_sim.v", .help = "netlist with the ports as written, for simulation"},
    {.path = "out/TOP.json", .help = "netlist as JSON"},
    {.path = "out/stat.txt", .help = "cells by type, and area"},
    {.path = "out/check.txt", .help = "what `check` found"},
    {.path = "out/synth.log", .help = "the whole log of yosys"},
    {.path = "out/synth.json", .help = "top, netlist and library, which opensta.check takes over"},
    {.path = NULL},
};

static const struct plugin_task tasks[] = {
    {.name = "synth",
     .summary = "synthesizes the sources to the cells of a liberty file",
     .params = synth_params,
     .stages = synth_stages,
     .stage_count = CQ_COUNT(synth_stages),
     .metrics = synth_metrics,
     .outputs = synth_outputs,
     .example = "synth:\n"
                "  tool: yosys.synth\n"
                "  top: uart\n"
                "  sources: [rtl/*.sv]\n"
                "  liberty: /usr/share/qflow/tech/osu018/osu018_stdcells.lib\n"
                "  require: {synth__design__instance__area: \"< 60000\"}\n"},
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
