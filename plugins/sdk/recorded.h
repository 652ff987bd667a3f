/* Judging of recorded logs: the same code that judges a running tool, without the tool. */
#ifndef RECORDED_H
#define RECORDED_H

#include "plugins/sdk/plugin.h"

/* Feeds the file at `path` to `judge` as if a program had printed it and ended as `end` says. */
int recorded_read(const struct judge *judge, const struct params *params, const char *path,
                  const struct proc_end *end, struct outcome *out,
                  struct cq_err *err) CQ_MUST_CHECK;

/* The command line `judge TASK[.STAGE] LOG [--exit N | --signal N] [PARAM=VALUE...]`. A VALUE that
 * is not JSON is a string. */
int recorded_judge(const struct plugin *plugin, int argc, char **argv, struct outcome *out,
                   struct cq_err *err) CQ_MUST_CHECK;

/* The outcome as JSON, in the form of result.json; caller frees. */
char *recorded_text(const struct outcome *outcome);

#endif
