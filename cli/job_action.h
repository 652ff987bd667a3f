/* cancel, hold, release, requeue: one message, one report. */
#ifndef JOB_ACTION_H
#define JOB_ACTION_H

#include "cli/cli.h"

#include <argp.h>
#include <jansson.h>

enum job_action { JOB_ACTION_CANCEL, JOB_ACTION_HOLD, JOB_ACTION_RELEASE, JOB_ACTION_REQUEUE };

struct action_result; /* of messages.def */

struct job_action_opts {
    const char *flow; /* borrowed from argv; NULL = jobs are named */
};

extern const struct argp_option job_action_options[]; /* --flow NAME */
int job_action_set(void *opts, int key, const char *arg, struct cq_err *err);

/* Does `action` to the jobs named in `args`, or to the live jobs of a flow (`opts` may be NULL).
 * Says on stderr what it did. Returns 0, or -1 with the first job's error when any was refused. */
int job_action_run(struct cli *c, enum job_action action, const struct job_action_opts *opts,
                   size_t n_args, char **args, struct cq_err *err);

/* What was done to a job (all of it when `tasks` is ""), with its row of just before (NULL when it
 * is not known): "job 40: 2 running tasks called back, they start again". */
void job_action_words(enum job_action action, const struct action_result *r, const char *tasks,
                      const json_t *row, struct cq_str *out);

/* What to type to have a job that is over run once more, from its row and its command (quoted for
 * a shell, "" for a tool's task). */
void job_action_again(const json_t *row, const char *argv, struct cq_str *out);

#endif
