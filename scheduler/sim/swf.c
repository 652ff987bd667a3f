/* SWF: 18 numbers a line, header lines start with ';'. */
#include "scheduler/sim/swf.h"

#include <ctype.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/sim/lines.h"

enum { FIELDS = 18 };
enum { NUMBER = 0, SUBMIT = 1, RUN = 3, USED_PROCS = 4, PROCS = 7, LIMIT = 8, USER = 11 };
enum { JOB_MEM_MIB = 1, CORE_MEM_MIB = 1024 };

struct swf {
    const struct swf_options *options;
    struct workload *w;
    uint64_t max_procs, max_nodes; /* of the header; 0 = not said */
};

/* The number behind "; NAME:", if this header line says it. */
static void take_header(const char *line, const char *name, uint64_t *value)
{
    const char *p = line + strspn(line, "; \t");
    size_t n = strlen(name);
    if (strncasecmp(p, name, n) != 0 || p[n] != ':')
        return;
    p += n + 1;
    p += strspn(p, " \t");
    char number[24];
    size_t digits = strspn(p, "0123456789");
    if (digits == 0 || digits >= sizeof number)
        return;
    (void)snprintf(number, sizeof number, "%.*s", (int)digits, p);
    if (parse_u64(number, 1, WORKLOAD_CORES_MAX, value, NULL) != 0)
        *value = 0; /* as if it were not said */
}

/* Cuts the line into its fields. */
static int split(char *line, char *fields[FIELDS], struct cq_err *err)
{
    size_t n = 0;
    for (char *p = line; *(p += strspn(p, " \t"));) {
        if (n == FIELDS)
            return cq_fail(err, CQ_E_INVALID, "more than %d fields", FIELDS);
        fields[n++] = p;
        p += strcspn(p, " \t");
        if (*p)
            *p++ = '\0';
    }
    if (n < FIELDS)
        return cq_fail(err, CQ_E_INVALID, "%zu fields; a job has %d", n, FIELDS);
    return 0;
}

/* Fields that are not used must be numbers too: a line that is shifted is not read as a job. */
static int check_numbers(char *const fields[FIELDS], struct cq_err *err)
{
    double number;
    for (size_t i = 0; i < FIELDS; i++)
        if (parse_double(fields[i], &number, err) != 0)
            return cq_wrap(err, "field %zu", i + 1);
    return 0;
}

static int whole(char *const fields[FIELDS], size_t i, int64_t *value, struct cq_err *err)
{
    if (parse_i64(fields[i], -1, WORKLOAD_TIME_MAX_US / US_PER_S, value, err) != 0)
        return cq_wrap(err, "field %zu", i + 1);
    return 0;
}

static int add_job(struct swf *s, const int64_t f[FIELDS], struct cq_err *err)
{
    int64_t procs = f[PROCS] > 0 ? f[PROCS] : f[USED_PROCS];
    int64_t limit = f[LIMIT] > 0 ? f[LIMIT] : f[RUN], run = f[RUN];
    char user[32] = "all";
    if (procs < 1 || run < 0) {
        s->w->n_skipped++;
        return 0;
    }
    if (procs > UINT32_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%" PRId64 " processors are out of range", procs);
    run = run < limit ? run : limit;
    run = run > 1 ? run : 1;
    if (s->options->exact_limits || limit < run)
        limit = run;
    if (!s->options->one_leaf && f[USER] >= 0)
        (void)snprintf(user, sizeof user, "u%" PRId64, f[USER]);
    const struct sim_row row = {.submit_us = f[SUBMIT] * US_PER_S,
                                .run_us = run * US_PER_S,
                                .limit_us = limit * US_PER_S,
                                .number = (uint64_t)f[NUMBER],
                                .mem_mib = JOB_MEM_MIB,
                                .cores = (uint32_t)procs,
                                .leaf = workload_leaf(s->w, "trace", "default", user),
                                .licence = workload_licence(s->w, ""),
                                .klass = names_id(&s->w->classes, "all")};
    return workload_add(s->w, &row, err);
}

static int read_job(struct swf *s, char *line, struct cq_err *err)
{
    static const size_t used[] = {NUMBER, SUBMIT, RUN, USED_PROCS, PROCS, LIMIT, USER};
    char *fields[FIELDS];
    int64_t values[FIELDS] = {0};
    if (split(line, fields, err) != 0 || check_numbers(fields, err) != 0)
        return -1;
    for (size_t i = 0; i < CQ_COUNT(used); i++)
        if (whole(fields, used[i], &values[used[i]], err) != 0)
            return -1;
    if (values[NUMBER] < 0 || values[SUBMIT] < 0)
        return cq_fail(err, CQ_E_INVALID, "the job has no number or no time of submission");
    return add_job(s, values, err);
}

static int read_line(struct swf *s, char *line, struct cq_err *err)
{
    const char *p = line + strspn(line, " \t");
    if (*p == ';') {
        take_header(p, "MaxProcs", &s->max_procs);
        take_header(p, "MaxNodes", &s->max_nodes);
        return 0;
    }
    return *p ? read_job(s, line, err) : 0;
}

int swf_read(const char *path, const struct swf_options *o, struct workload *w, struct cq_err *err)
{
    struct swf s = {.options = o, .w = w};
    struct lines *l = lines_open(path, err);
    char *line;
    int rc;
    if (l == NULL)
        return -1;
    while ((rc = lines_next(l, &line, err)) > 0)
        if (read_line(&s, line, err) != 0) {
            rc = lines_wrap(l, err);
            break;
        }
    lines_close(l);
    if (rc != 0)
        return -1;
    if (w->cores == 0)
        w->cores = s.max_procs ? s.max_procs : s.max_nodes;
    if (w->cores == 0)
        return cq_fail(err, CQ_E_INVALID, "%s does not say how large the machine is; add --cores N",
                       path);
    w->mem_mib = w->cores * CORE_MEM_MIB;
    return 0;
}
