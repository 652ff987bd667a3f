/* The command line of every tool plugin. */
#include "plugins/sdk/describe.h"
#include "plugins/sdk/plugin.h"
#include "plugins/sdk/recorded.h"
#include "plugins/sdk/run.h"

#include <errno.h>
#include <unistd.h>

#define SDK_USAGE_STATUS 2

const struct plugin_task *plugin_find_task(const struct plugin *plugin, const char *name)
{
    for (size_t i = 0; i < plugin->task_count; i++)
        if (strcmp(plugin->tasks[i].name, name) == 0)
            return &plugin->tasks[i];
    return NULL;
}

const struct plugin_stage *plugin_find_stage(const struct plugin_task *task, const char *name)
{
    const char *wanted = strcmp(name, "run") == 0 ? "" : name;
    for (size_t i = 0; i < task->stage_count; i++)
        if (strcmp(task->stages[i].name, wanted) == 0)
            return &task->stages[i];
    return NULL;
}

static void print_params(FILE *out, const struct param_spec *specs)
{
    for (; specs->name; specs++) {
        (void)fprintf(out, "      %-12s %-8s %s", specs->name, param_type_name(specs->type),
                      specs->help);
        if (specs->required)
            (void)fprintf(out, " (required)");
        else if (specs->fallback)
            (void)fprintf(out, " (default %s)", specs->fallback);
        (void)fputc('\n', out);
    }
}

static void print_help(FILE *out, const struct plugin *p)
{
    (void)fprintf(out,
                  "chipq-tool-%s - %s\n\n"
                  "  chipq-tool-%s describe               what it can do, as JSON\n"
                  "  chipq-tool-%s run [--dir DIR] [--src PROJECT]\n"
                  "                                       do what DIR/task.json says, write "
                  "DIR/result.json\n"
                  "  chipq-tool-%s judge TASK[.STAGE] LOG [--exit N | --signal N] "
                  "[PARAM=VALUE...]\n"
                  "                                       the verdict of a recorded log\n"
                  "  chipq-tool-%s --version | --help\n\n"
                  "Exit status of run and judge: 0 pass, 1 fail, 2 error. SIGTERM stops the tool\n"
                  "and still leaves a result. chipq starts it by itself for `tool: %s.TASK` in a "
                  "flow.\n\nTasks:\n",
                  p->name, p->summary, p->name, p->name, p->name, p->name, p->name);
    for (size_t i = 0; i < p->task_count; i++) {
        (void)fprintf(out, "  %s  %s\n", p->tasks[i].name, p->tasks[i].summary);
        print_params(out, p->tasks[i].params);
    }
    (void)fprintf(out,
                  "\nExample, by hand, in an empty directory:\n"
                  "  echo '{\"chipq_task\":1,\"task\":\"%s\",\"params\":{...}}' > task.json\n"
                  "  CHIPQ_CORES=2 chipq-tool-%s run --src ~/myproject && cat result.json\n",
                  p->tasks[0].name, p->name);
}

static int usage(const struct plugin *plugin, const char *what)
{
    (void)fprintf(stderr, "chipq-tool-%s: %s\nTry 'chipq-tool-%s --help'.\n", plugin->name, what,
                  plugin->name);
    return SDK_USAGE_STATUS;
}

static int cmd_describe(const struct plugin *plugin)
{
    struct probe probe;
    probe_tool(plugin, &probe);
    char *text = describe_text(plugin, &probe);
    int rc = puts(text) < 0 || fflush(stdout) != 0;
    free(text);
    return rc ? SDK_USAGE_STATUS : 0;
}

/* --src is made absolute before --dir takes effect, so both are relative to where the user is. */
static int cmd_run(int argc, char **argv, const struct plugin *plugin)
{
    const char *dir = NULL;
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc)
            return usage(plugin, "run: --dir DIR or --src PROJECT expected");
        if (strcmp(argv[i], "--dir") == 0) {
            dir = argv[i + 1];
        } else if (strcmp(argv[i], "--src") == 0) {
            char *root = realpath(argv[i + 1], NULL);
            if (!root || setenv("CHIPQ_SRC", root, 1))
                return usage(plugin, "run: --src names no directory");
            free(root);
        } else {
            return usage(plugin, "run: unknown option");
        }
    }
    if (dir && chdir(dir)) {
        (void)fprintf(stderr, "chipq-tool-%s: %s: %s\n", plugin->name, dir, strerror(errno));
        return SDK_USAGE_STATUS;
    }
    return run_main(plugin);
}

static int cmd_judge(int argc, char **argv, const struct plugin *plugin)
{
    struct cq_err err = {0};
    struct outcome outcome = {0};
    if (recorded_judge(plugin, argc, argv, &outcome, &err))
        return usage(plugin, err.text);
    char *text = recorded_text(&outcome);
    (void)puts(text);
    free(text);
    int status = verdict_exit_status(outcome.verdict);
    outcome_fini(&outcome);
    return status;
}

static int cmd_version(const struct plugin *plugin)
{
    struct probe probe;
    probe_tool(plugin, &probe);
    (void)printf("chipq-tool-%s %s, contract 1\n", plugin->name, CHIPQ_VERSION);
    if (probe.found)
        (void)printf("%s %s (%s)\n", plugin->tool.binary, probe.version, probe.path);
    else
        (void)printf("%s is not installed; apt-get install %s\n", plugin->tool.binary,
                     plugin->tool.package);
    return 0;
}

int sdk_main(int argc, char **argv, const struct plugin *plugin)
{
    if (argc < 2)
        return usage(plugin, "what to do is missing: describe, run or judge");
    const char *what = argv[1];
    if (strcmp(what, "describe") == 0 && argc == 2)
        return cmd_describe(plugin);
    if (strcmp(what, "run") == 0)
        return cmd_run(argc - 2, argv + 2, plugin);
    if (strcmp(what, "judge") == 0)
        return cmd_judge(argc - 2, argv + 2, plugin);
    if (strcmp(what, "--version") == 0 || strcmp(what, "-V") == 0)
        return cmd_version(plugin);
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0 || strcmp(what, "help") == 0) {
        print_help(stdout, plugin);
        return 0;
    }
    return usage(plugin, "unknown command; known are describe, run, judge");
}
