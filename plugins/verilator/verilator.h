/* The parts of chipq-tool-verilator: the stages of its tasks and their judges. */
#ifndef VERILATOR_H
#define VERILATOR_H

#include "plugins/sdk/run.h"

extern const struct plugin verilator_plugin;
extern const struct judge lint_judge, sim_build_judge, sim_run_judge;

int lint_run(struct run *run, struct cq_err *err);
int sim_build_run(struct run *run, struct cq_err *err);
int sim_run_run(struct run *run, struct cq_err *err);

/* Options that lint and build share: --top-module, sources, includes, defines, parameters. */
int verilator_design_args(const struct run *run, struct args *args,
                          struct cq_err *err) CQ_MUST_CHECK;

#define VERILATOR_VERSION_FILE "verilator.version" /* in the build stage's outputs */

#endif
