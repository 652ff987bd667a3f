/* Why attempts had the memory that they had. */
#ifndef JOB_MEMORY_H
#define JOB_MEMORY_H

#include <jansson.h>
#include <stdbool.h>

/* Adds `mem_why`, and `sized` for tables, to the rows of `task_list` and `earlier` of a job's JSON.
 * True when some attempt had more than the first of its task. */
bool job_memory_explain(json_t *job);

#endif
