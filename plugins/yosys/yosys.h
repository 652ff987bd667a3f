/* The parts of chipq-tool-yosys. */
#ifndef YOSYS_H
#define YOSYS_H

#include "plugins/sdk/run.h"

extern const struct plugin yosys_plugin;
extern const struct judge synth_judge;

int synth_run(struct run *run, struct cq_err *err);

/* Writes the synthesis script of a run. Refuses names that yosys' command line cannot hold. */
int synth_script(const struct run *run, struct cq_str *out, struct cq_err *err) CQ_MUST_CHECK;

/* Reads what `stat` left, as JSON (cells) and as text (area), into metrics and, where the netlist
 * is not one (no cells, or cells the library does not have), the verdict. `top` names the module.
 */
int stat_read(const char *json_path, const char *text_path, const char *top, struct outcome *out,
              struct cq_err *err) CQ_MUST_CHECK;

/* The "Found and reported N problems." of `check`, as synth__check__problems. */
int stat_read_check(const char *path, struct outcome *out, struct cq_err *err) CQ_MUST_CHECK;

#endif
