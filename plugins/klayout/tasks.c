/* The table of chipq-tool-klayout: its tasks, their parameters and stages. */
#include "plugins/klayout/klayout.h"

static const struct param_spec layout_params[] = {
    {.name = "top", .type = PARAM_STRING, .required = true, .help = "name of the top cell"},
    {.name = "script",
     .type = PARAM_PATH,
     .required = true,
     .help = "Python or Ruby script that writes the layout to $out"},
    {.name = "netlist", .type = PARAM_PATH, .help = "given to the script as $netlist"},
    {.name = "lef", .type = PARAM_PATH, .help = "given to the script as $lef"},
    {.name = "variables", .type = PARAM_MAP, .max = 100, .help = "more -rd NAME=VALUE"},
    {.name = NULL},
};

static const struct param_spec drc_params[] = {
    {.name = "deck",
     .type = PARAM_PATH,
     .required = true,
     .help = "DRC deck; reads $input and $top, writes $report, uses $threads"},
    {.name = "gds", .type = PARAM_PATH, .required = true, .help = "the layout"},
    {.name = "top", .type = PARAM_STRING, .help = "name of the top cell; default: the only one"},
    {.name = "rules",
     .type = PARAM_STRINGS,
     .max = 8192,
     .help = "rules that must be in the report; default: those the deck names literally"},
    {.name = "variables", .type = PARAM_MAP, .max = 100, .help = "more -rd NAME=VALUE"},
    {.name = NULL},
};

static const struct plugin_stage layout_stages[] = {
    {.name = "",
     .resources = {.cores = 1, .mem_mib = 1024, .time_s = 1800},
     .judge = &klayout_judge,
     .run = layout_run},
};

static const struct plugin_stage drc_stages[] = {
    {.name = "",
     .resources = {.cores = 1, .mem_mib = 1024, .time_s = 7200},
     .judge = &klayout_judge,
     .run = drc_run},
};

static const struct plugin_metric layout_metrics[] = {
    {.name = "layout__cells", .help = "cells of the layout"},
    {.name = "layout__references", .help = "placements of cells in cells"},
    {.name = "layout__shapes", .help = "polygons, paths and boxes"},
    {.name = NULL},
};

static const struct plugin_metric drc_metrics[] = {
    {.name = "drc__errors", .help = "violations of all rules"},
    {.name = "drc__rules", .help = "rules that were checked"},
    {.name = "drc__rule__<RULE>",
     .help = "violations of one rule; characters other than letters and digits become _"},
    {.name = NULL},
};

static const struct plugin_output layout_outputs[] = {
    {.path = "out/TOP.gds", .help = "the layout that the script wrote"}, {.path = NULL}};
static const struct plugin_output drc_outputs[] = {
    {.path = "out/drc.lyrdb", .help = "every violation with its place, for KLayout's browser"},
    {.path = NULL}};

static const struct plugin_task tasks[] = {
    {.name = "layout",
     .summary = "runs a script of the project that makes a GDS layout",
     .params = layout_params,
     .stages = layout_stages,
     .stage_count = CQ_COUNT(layout_stages),
     .metrics = layout_metrics,
     .own_metrics = true,
     .outputs = layout_outputs,
     .example = "layout:\n"
                "  tool: klayout.layout\n"
                "  needs: [synth]\n"
                "  top: uart\n"
                "  script: layout/make_layout.py\n"
                "  netlist: dep:synth/uart.v\n"
                "  lef: /usr/share/qflow/tech/osu018/osu018_stdcells.lef\n"},
    {.name = "drc",
     .summary = "checks a layout against a deck; a violation fails unless gated by drc__errors",
     .params = drc_params,
     .stages = drc_stages,
     .stage_count = CQ_COUNT(drc_stages),
     .metrics = drc_metrics,
     .own_metrics = true,
     .outputs = drc_outputs,
     .example = "drc:\n"
                "  tool: klayout.drc\n"
                "  needs: [layout]\n"
                "  top: uart\n"
                "  deck: layout/osu018.drc\n"
                "  gds: dep:layout/uart.gds\n"
                "  require: {drc__errors: \"== 0\"}\n"},
};

static const char *const version_argv[] = {"klayout", "-v", NULL};

const struct plugin klayout_plugin = {
    .name = "klayout",
    .summary = "KLayout: layout scripts and design rule checks",
    .tool = {"klayout", "klayout"},
    .version_argv = version_argv,
    .tasks = tasks,
    .task_count = CQ_COUNT(tasks),
};
