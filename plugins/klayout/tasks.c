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

static const char *const layout_outputs[] = {"TOP.gds", NULL};
static const char *const drc_outputs[] = {"drc.lyrdb", NULL};

static const struct plugin_task tasks[] = {
    {.name = "layout",
     .summary = "runs a script of the project that makes a GDS layout",
     .params = layout_params,
     .stages = layout_stages,
     .stage_count = CQ_COUNT(layout_stages),
     .outputs = layout_outputs},
    {.name = "drc",
     .summary = "checks a layout against a deck; a violation fails unless gated by drc__errors",
     .params = drc_params,
     .stages = drc_stages,
     .stage_count = CQ_COUNT(drc_stages),
     .outputs = drc_outputs},
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
