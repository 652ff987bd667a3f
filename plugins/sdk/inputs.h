/* Where inputs are. A tool sees the project as `src/` and what other jobs published as
 * `dep/JOB/`, both links in the work directory: so logs, netlists and command lines are the same
 * wherever the project lies, and hold no blanks that its directory may have. */
#ifndef INPUTS_H
#define INPUTS_H

#include "common/base/pure/err.h"
#include "plugins/sdk/taskfile.h"

/* Turns a path parameter into the path that the tool is given, and checks that something is there:
 *   /abs/x             as it is
 *   dep:JOB/x          what job JOB published   ($CHIPQ_DEP_JOB/x is the same)
 *   x, $CHIPQ_SRC/x    in the project
 * `where` names the parameter for errors. ".." is refused in all but absolute paths. Makes the
 * links as needed. Caller frees *path. CQ_E_NOT_FOUND names the place that was looked at. */
int input_find(const struct taskfile *task, const char *where, const char *value, char **path,
               struct cq_err *err) CQ_MUST_CHECK;

/* The absolute directory that job `job` published to; borrowed. NULL when it is not among the
 * dependencies: CQ_E_NOT_FOUND. */
const char *input_dep_dir(const struct taskfile *task, const char *job,
                          struct cq_err *err) CQ_MUST_CHECK;

/* Links project file `value` to the same relative name in the work directory, for programs that
 * open files by name. */
int input_link(const struct taskfile *task, const char *where, const char *value,
               struct cq_err *err) CQ_MUST_CHECK;

#endif
