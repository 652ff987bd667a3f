/* Parses job names. */
#include "cli/job_ref.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"

static int fail_form(const char *text, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID,
                   "'%.80s' is no job; write 1207, 1207[3], 1207[1-5] or 1207-1209", text);
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

struct list {
    struct job_name *jobs;
    size_t n, cap;
};

static int append(struct list *l, struct job_name *job, struct cq_err *err)
{
    if (l->n == JOB_NAMES_MAX) {
        job_name_fini(job);
        return cq_fail(err, CQ_E_LIMIT, "more than %d jobs", JOB_NAMES_MAX);
    }
    cq_grow(&l->jobs, &l->cap, l->n);
    l->jobs[l->n++] = *job;
    return 0;
}

/* "1-3" after "acme/" or nothing. */
static int append_range(struct list *l, const char *text, const char *enterprise,
                        struct cq_err *err)
{
    struct ranges set = {0};
    int rc = ranges_parse(text, UINT32_MAX - 1, JOB_NAMES_MAX, &set, err);
    for (size_t i = 0; rc == 0 && i < set.n; i++)
        for (uint64_t n = ranges_items(&set)[i].first; rc == 0 && n <= ranges_items(&set)[i].last;
             n++) {
            struct job_name job = {.number = n, .tasks = cq_strdup("")};
            (void)snprintf(job.enterprise, sizeof job.enterprise, "%s", enterprise);
            rc = n ? append(l, &job, err) : (job_name_fini(&job), fail_form(text, err));
        }
    ranges_fini(&set);
    return rc;
}

/* One piece of a list: a job, its tasks, or a range of jobs. */
static int append_piece(struct list *l, const char *text, char enterprise[64], struct cq_err *err)
{
    struct job_name job = {0};
    const char *slash = strchr(text, '/'), *number = slash ? slash + 1 : text;
    if (strspn(number, "0123456789-") == strlen(number) && strchr(number, '-')) {
        if (slash && (slash - text > 63 || slash == text))
            return fail_form(text, err);
        if (slash)
            (void)snprintf(enterprise, 64, "%.*s", (int)(slash - text), text);
        if (slash && !is_name(enterprise))
            return fail_form(text, err);
        return append_range(l, number, enterprise, err);
    }
    if (job_name_parse(text, &job, err) != 0)
        return -1;
    if (slash)
        (void)snprintf(enterprise, 64, "%s", job.enterprise);
    else
        (void)snprintf(job.enterprise, sizeof job.enterprise, "%s", enterprise);
    return append(l, &job, err);
}

/* Bytes until the next comma outside of brackets. */
static size_t piece_len(const char *text)
{
    size_t n = 0;
    for (bool is_inside = false; text[n] && (is_inside || text[n] != ','); n++)
        is_inside = text[n] == '[' || (is_inside && text[n] != ']');
    return n;
}

static int append_text(struct list *l, const char *text, struct cq_err *err)
{
    char enterprise[64] = "";
    for (const char *p = text;; p++) {
        size_t len = piece_len(p);
        CQ_CLEANUP(cq_free_ptr) char *piece = cq_strndup(p, len);
        if (append_piece(l, piece, enterprise, err) != 0)
            return -1;
        p += len;
        if (*p == '\0')
            return 0;
    }
}

struct job_name *job_names_parse(size_t n, char **texts, size_t *n_jobs, struct cq_err *err)
{
    struct list l = {.jobs = cq_calloc(1, sizeof *l.jobs), .cap = 1};
    for (size_t i = 0; i < n; i++)
        if (append_text(&l, texts[i], err) != 0) {
            job_names_free(l.jobs, l.n);
            return NULL;
        }
    *n_jobs = l.n;
    return l.jobs;
}
