/* The table of chipq-tool-verilator: its tasks, their parameters and stages. */
#include "plugins/verilator/verilator.h"

static const char *const wave_choices[] = {"off", "on", "fail", NULL};

#define DESIGN_PARAMS                                                                            \
    {.name = "top", .type = PARAM_STRING, .required = true, .help = "name of the top module"},   \
        {.name = "sources",                                                                      \
         .type = PARAM_PATHS,                                                                    \
         .required = true,                                                                       \
         .min = 1,                                                                               \
         .max = 10000,                                                                           \
         .help = "design and bench files: .v .sv, and .cpp for sim"},                            \
        {.name = "includes", .type = PARAM_PATHS, .help = "directories of included files"},      \
        {.name = "defines", .type = PARAM_STRINGS, .help = "NAME or NAME=VALUE, for all files"}, \
    {                                                                                            \
        .name = "parameters", .type = PARAM_MAP, .help = "parameters of the top module"          \
    }

static const struct param_spec lint_params[] = {
    DESIGN_PARAMS,
    {.name = "waive",
     .type = PARAM_STRINGS,
     .help = "warning codes that do not count, as UNUSEDSIGNAL"},
    {.name = NULL},
};

static const struct param_spec sim_params[] = {
    DESIGN_PARAMS,
    {.name = "timescale",
     .type = PARAM_STRING,
     .fallback = "\"1ns/1ps\"",
     .help = "of modules that give none"},
    {.name = "coverage",
     .type = PARAM_BOOL,
     .fallback = "false",
     .help = "record line and cover-statement coverage"},
    {.name = "waves",
     .type = PARAM_STRING,
     .fallback = "\"off\"",
     .choices = wave_choices,
     .help = "off, on, or fail: run a failing test again with waves (FST)"},
    {.name = "own_main",
     .type = PARAM_BOOL,
     .fallback = "false",
     .help = "a C++ source has the main()"},
    {.name = "flags", .type = PARAM_STRINGS, .max = 100, .help = "more options for verilator"},
    {.name = "seeds", .type = PARAM_RANGES, .help = "one run a seed, as 1-200"},
    {.name = "programs",
     .type = PARAM_PATHS,
     .help = "one run a file, given to the bench as +program=FILE"},
    {.name = "plusargs",
     .type = PARAM_STRINGS,
     .max = 100,
     .help = "for $value$plusargs, with or without +"},
    {.name = "files",
     .type = PARAM_PATHS,
     .help = "files the bench opens by their name in the project"},
    {.name = "pass_line",
     .type = PARAM_STRING,
     .fallback = "\"TEST PASSED\"",
     .help = "text without which a run has not passed"},
    {.name = "fail_line",
     .type = PARAM_STRING,
     .fallback = "\"TEST FAILED\"",
     .help = "text that makes a run fail"},
    {.name = NULL},
};

static const char *const build_names[] = {"top",        "sources",   "includes", "defines",
                                          "parameters", "timescale", "coverage", "waves",
                                          "own_main",   "flags",     NULL};
static const char *const run_names[] = {
    "coverage", "waves", "seeds", "programs", "plusargs", "files", "pass_line", "fail_line", NULL};
static const char *const run_arrays[] = {"programs", "seeds", NULL};

static const struct plugin_program build_needs[] = {{"g++", "g++"}, {"make", "make"}, {NULL, NULL}};

static const struct plugin_stage lint_stages[] = {
    {.name = "",
     .resources = {.cores = 1, .mem_mib = 512, .time_s = 600},
     .judge = &lint_judge,
     .run = lint_run},
};

static const struct plugin_stage sim_stages[] = {
    {.name = "build",
     .params = build_names,
     .resources = {.cores = 1, .mem_mib = 1024, .time_s = 1800},
     .needs = build_needs,
     .judge = &sim_build_judge,
     .run = sim_build_run},
    {.name = "",
     .params = run_names,
     .array_from = run_arrays,
     .resources = {.cores = 1, .mem_mib = 256, .time_s = 600},
     .no_version = true,
     .judge = &sim_run_judge,
     .run = sim_run_run},
};

static const struct plugin_metric lint_metrics[] = {
    {.name = "lint__errors", .help = "errors in the sources"},
    {.name = "lint__warnings", .help = "warnings that are not waived"},
    {.name = NULL},
};

static const struct plugin_metric sim_metrics[] = {
    {.name = "sim__tests__passed", .help = "1 when this run passed"},
    {.name = "sim__tests__failed", .help = "1 when this run failed"},
    {.name = "sim__errors", .help = "errors and failed assertions of this run"},
    {.name = "sim__coverage__line__pct",
     .unit = "pct",
     .help = "lines and branches covered, with coverage: true"},
    {.name = "sim__coverage__user__pct",
     .unit = "pct",
     .help = "cover statements hit, with coverage: true"},
    {.name = "sim__build__errors", .help = "errors of the build", .stage = "build"},
    {.name = "sim__build__warnings", .help = "warnings of the build", .stage = "build"},
    {.name = NULL},
};

static const struct plugin_output sim_outputs[] = {
    {.path = "out/coverage.dat", .help = "what was covered, with coverage: true"},
    {.path = "out/waves.fst", .help = "waves, with waves: on, or fail and a failing run"},
    {.path = "out/sim", .help = "the simulation", .stage = "build"},
    {.path = "out/" VERILATOR_VERSION_FILE, .help = "Verilator's version", .stage = "build"},
    {.path = NULL},
};

static const struct plugin_task tasks[] = {
    {.name = "lint",
     .summary = "checks the sources with all warnings on; a warning fails unless waived or gated "
                "by lint__warnings",
     .params = lint_params,
     .stages = lint_stages,
     .stage_count = CQ_COUNT(lint_stages),
     .metrics = lint_metrics,
     .example = "lint:\n"
                "  tool: verilator.lint\n"
                "  top: uart\n"
                "  sources: [rtl/*.sv]\n"
                "  require: {lint__warnings: \"== 0\"}\n"},
    {.name = "sim",
     .summary = "builds the simulation once, then runs it for every seed or program",
     .params = sim_params,
     .stages = sim_stages,
     .stage_count = CQ_COUNT(sim_stages),
     .metrics = sim_metrics,
     .own_metrics = true,
     .outputs = sim_outputs,
     .example = "sim:\n"
                "  tool: verilator.sim\n"
                "  needs: [lint]\n"
                "  top: uart_tb\n"
                "  sources: [rtl/*.sv, tb/*.sv]\n"
                "  seeds: 1-100\n"
                "  coverage: true\n"
                "  require: {sim__coverage__line__pct: \">= 95\"}\n"},
};

static const char *const version_argv[] = {"verilator", "--version", NULL};

const struct plugin verilator_plugin = {
    .name = "verilator",
    .summary = "Verilator: lint and simulation of Verilog and SystemVerilog",
    .tool = {"verilator", "verilator"},
    .version_argv = version_argv,
    .tasks = tasks,
    .task_count = CQ_COUNT(tasks),
};
