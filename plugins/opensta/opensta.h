/* The parts of chipq-tool-opensta. */
#ifndef OPENSTA_H
#define OPENSTA_H

#include "plugins/sdk/run.h"

extern const struct plugin opensta_plugin;
extern const struct judge check_judge;

int check_run(struct run *run, struct cq_err *err);

/* `text` as one Tcl word, whatever is in it. */
void tcl_quote(const char *text, struct cq_str *out);

#endif
