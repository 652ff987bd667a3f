/* The parts of chipq-tool-klayout. */
#ifndef KLAYOUT_H
#define KLAYOUT_H

#include "plugins/sdk/run.h"

/* One judge for both tasks: did the script run to its end? What it wrote is looked at afterwards.
 */
extern const struct plugin klayout_plugin;
extern const struct judge klayout_judge;

int layout_run(struct run *run, struct cq_err *err);
int drc_run(struct run *run, struct cq_err *err);

/* Appends "-rd NAME=VALUE" for each entry of the map parameter `variables`. */
int klayout_add_variables(const struct run *run, struct args *args,
                          struct cq_err *err) CQ_MUST_CHECK;

#endif
