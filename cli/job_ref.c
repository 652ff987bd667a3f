/* Parses job names. */
#include "cli/job_ref.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"

static int fail_form(const char *text, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID, "'%.80s' is no job; write 1207, 1207[3] or 1207[1-5]", text);
}

int job_name_parse(const char *text, struct job_name *out, struct cq_err *err)
{
    struct job_name job = {0};
    struct ranges set = {0};
    const char *slash = strchr(text, '/'), *number = slash ? slash + 1 : text;
    size_t digits = strcspn(number, "[");
    const char *tasks = number + digits;
    size_t n_tasks = strlen(tasks);
    if (slash) {
        (void)snprintf(job.enterprise, sizeof job.enterprise, "%.*s", (int)(slash - text), text);
        if (slash - text > 63 || !is_name(job.enterprise))
            return fail_form(text, err);
    }
    CQ_CLEANUP(cq_free_ptr) char *plain = cq_strndup(number, digits);
    if (parse_u64(plain, 1, INT64_MAX, &job.number, NULL) != 0
        || (n_tasks && (n_tasks < 3 || tasks[n_tasks - 1] != ']')))
        return fail_form(text, err);
    job.tasks = n_tasks ? cq_strndup(tasks + 1, n_tasks - 2) : cq_strdup("");
    if (n_tasks && ranges_parse(job.tasks, UINT32_MAX - 1, UINT32_MAX, &set, err) != 0) {
        free(job.tasks);
        return cq_wrap(err, "'%.80s'", text);
    }
    ranges_fini(&set);
    *out = job;
    return 0;
}

void job_name_fini(struct job_name *j)
{
    free(j->tasks);
    *j = (struct job_name){0};
}

int job_name_one_task(const struct job_name *j, uint64_t *task, struct cq_err *err)
{
    *task = 0;
    if (*j->tasks && parse_u64(j->tasks, 0, UINT32_MAX, task, NULL) != 0)
        return cq_fail(err, CQ_E_INVALID, "name one task, as in %llu[3]",
                       (unsigned long long)j->number);
    return 0;
}

void job_names_free(struct job_name *jobs, size_t n)
{
    for (size_t i = 0; jobs && i < n; i++)
        job_name_fini(&jobs[i]);
    free(jobs);
}

struct job_name *job_names_parse(size_t n, char **texts, struct cq_err *err)
{
    struct job_name *jobs = cq_calloc(n + 1, sizeof *jobs);
    for (size_t i = 0; i < n; i++)
        if (job_name_parse(texts[i], &jobs[i], err) != 0) {
            job_names_free(jobs, i);
            return NULL;
        }
    return jobs;
}
