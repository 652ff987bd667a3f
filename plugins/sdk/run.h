/* One run of one stage, as a plugin's function sees it: its parameters, its inputs, the means to
 * start the tool, and the outcome to fill. The current directory is the job's own; what is put
 * under out/ is published. */
#ifndef RUN_H
#define RUN_H

#include "plugins/sdk/gate.h"
#include "plugins/sdk/inputs.h"
#include "plugins/sdk/plugin.h"
#include "plugins/sdk/probe.h"

struct run {
    const struct plugin *plugin;
    const struct plugin_task *task;
    const struct plugin_stage *stage;
    struct taskfile file;
    struct params params;
    struct gates gates;
    int cores;              /* granted: give this to the tool's thread flag */
    struct outcome outcome; /* what the stage's function fills */
    char tool_version[PROBE_VERSION_MAX];
};

/* Does everything `run` of a plugin means: reads task.json, runs the stage, applies the gates,
 * writes result.json. Returns the plugin's exit status. */
int run_main(const struct plugin *plugin);

/* Starts a program; its output goes to the log and, line by line, to `judge`, which fills `out`
 * (released and replaced). Lines "chipq-metric: NAME VALUE" of the program become metrics too.
 * 0 when it ran to its own end, however that was; -1 when it could not start, or when we were asked
 * to stop (the judge is not asked then). Blocks. */
int run_judged(const struct run *run, const struct args *args, const struct judge *judge,
               struct outcome *out, struct cq_err *err) CQ_MUST_CHECK;

/* The path of parameter `name` (PARAM_PATH) as the tool is to see it; caller frees. */
int run_input(const struct run *run, const char *name, char **path,
              struct cq_err *err) CQ_MUST_CHECK;

/* Appends "PREFIX" + path for every entry of `name` (PARAM_PATHS) to `args`. */
int run_inputs(const struct run *run, const char *name, const char *prefix, struct args *args,
               struct cq_err *err) CQ_MUST_CHECK;

/* The directory in which an earlier stage of this same task left its outputs; borrowed; NULL when
 * it is not among the dependencies. */
const char *run_stage_dir(const struct run *run, const char *stage,
                          struct cq_err *err) CQ_MUST_CHECK;

/* A line of our own in the log, and the live line of `chipq run`. */
void run_note(const char *fmt, ...) CQ_PRINTF(1, 2);
void run_progress(int percent, const char *text);

/* Refuses a parameter that is not a plain identifier: [A-Za-z_][A-Za-z0-9_$]*. */
int run_check_identifier(const char *where, const char *text, struct cq_err *err) CQ_MUST_CHECK;

/* Renames a finished file into out/; CQ_E_NOT_FOUND when it is not there or empty. */
int run_publish(const char *from, const char *to, struct cq_err *err) CQ_MUST_CHECK;

#endif
