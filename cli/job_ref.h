/* Jobs as people name them: 1207, 1207[3], 1207[1-5,9], acme/1207[3]; several as 53,54 or 1-3. */
#ifndef JOB_REF_H
#define JOB_REF_H

#include "common/base/pure/err.h"

struct job_name {
    uint64_t number;
    char enterprise[64]; /* "" = one's own */
    char *tasks;         /* owned; "" = all */
};

/* CQ_E_INVALID shows the forms. The caller calls job_name_fini. */
int job_name_parse(const char *text, struct job_name *out, struct cq_err *err) CQ_MUST_CHECK;
void job_name_fini(struct job_name *j); /* accepts zeroed memory */

/* The only task that is named; 0 when none is. CQ_E_INVALID when there are several. */
int job_name_one_task(const struct job_name *j, uint64_t *task, struct cq_err *err) CQ_MUST_CHECK;

#define JOB_NAMES_MAX 10000

/* Parses n texts, each of which may name several jobs: "53,54", "1-3", "acme/1-3,7[2]". *n_jobs is
 * how many they are together, at most JOB_NAMES_MAX (CQ_E_LIMIT). The caller frees with
 * job_names_free. NULL on errors. */
struct job_name *job_names_parse(size_t n, char **texts, size_t *n_jobs,
                                 struct cq_err *err) CQ_MUST_CHECK;
void job_names_free(struct job_name *jobs, size_t n);

#endif
