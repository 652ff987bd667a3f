/* What a tool plugin is made of: one constant table, handed to sdk_main. Include this header only;
 * it brings the rest of the SDK. A plugin's own files are the table, the functions that run a stage
 * and the judges that read a tool's output. plugins/README.md walks through one. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include "plugins/sdk/outcome.h"
#include "plugins/sdk/params.h"
#include "plugins/sdk/proc.h"

struct run;

/* Reads a tool's output and says what it means. Pure: a recorded log gives the same answer as the
 * tool did. `state` is `state_bytes` of zeroed memory. */
struct judge {
    size_t state_bytes;
    /* Before the first line; may be NULL. `params` outlives the state. */
    void (*begin)(void *state, const struct params *params);
    /* One line without its newline, at most LINES_MAX_BYTES long, NUL-terminated. */
    void (*line)(void *state, const char *line);
    /* After the last line. `end` is how the tool ended. Fills `out`, which starts as an error
     * without a message. */
    void (*end)(const void *state, const struct proc_end *end, struct outcome *out);
};

struct plugin_resources {
    int cores, mem_mib, time_s;
};

/* A program that must be on the PATH, and the Debian package that brings it. */
struct plugin_program {
    const char *binary, *package;
};

/* One job of a task. The last stage has the name "" and carries the flow job's own name. */
struct plugin_stage {
    const char *name;
    const char *const *params;     /* NULL-terminated; NULL: all of the task's */
    const char *const *array_from; /* NULL: one job. Else an array over the first of these given */
    struct plugin_resources resources;
    const struct plugin_program *needs; /* ends with binary NULL; may be NULL */
    bool no_version;                    /* the tool itself is not started: skip its version */
    const struct judge *judge;          /* what `judge TASK LOG` uses; may be NULL */
    /* Does the work: starts programs, fills run->outcome. -1 means it could not: verdict error. */
    int (*run)(struct run *run, struct cq_err *err);
};

/* A number that a task reports. A name with one <WORD>, as drc__rule__<RULE>, stands for a family
 * whose members are known at run time only. */
struct plugin_metric {
    const char *name, *help;
    const char *unit;  /* "pct", "s"; NULL for a count of things */
    const char *stage; /* an earlier stage that alone reports it; NULL: the last */
};

/* A file that a task publishes; TOP in its path stands for the parameter `top`. */
struct plugin_output {
    const char *path, *help; /* "out/TOP.v" */
    const char *stage;       /* as above */
};

struct plugin_task {
    const char *name, *summary;
    const struct param_spec *params; /* ends with name NULL */
    const struct plugin_stage *stages;
    size_t stage_count;
    const struct plugin_metric *metrics; /* ends with name NULL */
    bool own_metrics; /* scripts of the project may add some, with "chipq-metric: NAME VALUE" */
    const struct plugin_output *outputs; /* ends with path NULL; may be NULL */
    const char *example;                 /* one job of a flow, YAML, for people */
};

struct plugin {
    const char *name, *summary;
    struct plugin_program tool;
    const char *const *version_argv; /* NULL-terminated; its first line with a number is taken */
    const struct plugin_task *tasks;
    size_t task_count;
};

/* The whole of a plugin's main: describe, run, judge, --help, --version. Returns the exit status:
 * 0 pass, 1 fail, 2 error or wrong usage. */
int sdk_main(int argc, char **argv, const struct plugin *plugin);

/* NULL when there is none. `name` is "TASK" or "TASK.STAGE" for stage_find. */
const struct plugin_task *plugin_find_task(const struct plugin *plugin, const char *name);
const struct plugin_stage *plugin_find_stage(const struct plugin_task *task, const char *name);

#endif
