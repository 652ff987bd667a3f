/* Rows of the store and of the core as rows of the wire. Texts are borrowed from the source. */
#ifndef CHIPQ_DAEMON_VIEWS_H
#define CHIPQ_DAEMON_VIEWS_H

#include "scheduler/daemon/daemon.h"

struct job_row view_job_row(const struct stored_job *j, const char *enterprise);

/* What a platform admin may see of a tenant's job: number, state, counts, resources, times. */
size_t view_job_row_bytes(const struct job_row *row); /* on the wire, at most */
void view_job_row_shape_only(struct job_row *row);

/* Adds what only the core knows of a live job: why it waits, its newest progress line. Borrows from
 * `r`. No-op for a job that is over. The memo, or NULL: for rows of one list. */
void view_job_row_live(const struct daemon *d, struct job_id id, struct job_row *row,
                       struct reason *r, struct brief_memo *memo);

struct task_row view_task_row(const struct stored_task *t);
struct task_row view_task_row_live(const struct task_view *t);
struct task_row view_task_row_passed(uint64_t task); /* of which only the range is kept */

/* "metrics" of a single-task job's result.json as a JSON object; NULL without. Caller frees. */
char *view_metrics(const struct job_view *v);

/* A command, quoted for a shell, cut to max_bytes; "" for a tool's task. */
void view_argv(const void *run, size_t run_bytes, struct cq_str *out);

const char *view_enterprise_name(const struct daemon *d,
                                 struct enterprise_id e); /* "" if unknown */

#endif
