/* What an attempt used and left, for people and for programs. What nobody measured is told as not
 * known (JSON null), never as 0: its keeper was lost, it never ran, or it runs still. */
#ifndef JOB_FIGURES_H
#define JOB_FIGURES_H

#include "common/wire/message.h"

#include <jansson.h>

/* Adds `peak_mem_mib` and words for `outputs` to a task's JSON, and takes what is not known away.
 */
void job_figures_add(json_t *row, const struct task_row *t);

/* Adds the words of `task`, a row that job_figures_add has seen, to `to`: where, cpu_words (with
 * cpu_us), peak_words, io_words, switch_words, grown_words. `to` is a job's JSON with the job's own
 * mem_mib and has_grown. */
void job_figures_add_words(json_t *to, const json_t *task);

#endif
