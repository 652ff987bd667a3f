/* chipq wait: until jobs are over. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_ref.h"
#include "cli/units.h"

enum { KEY_TIMEOUT = 0x2001, KEY_PATIENCE, JOBS_MAX = 1000 };

struct opts {
    int64_t timeout_us, patience_us;
};

static const struct argp_option options[] = {
    {"timeout", KEY_TIMEOUT, "TIME", 0, "give up after this time, exit 6", 0},
    {"patience", KEY_PATIENCE, "TIME", 0,
     "give up when the scheduler is away for this long, exit 5 (2m)", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    int64_t *field = key == KEY_PATIENCE ? &o->patience_us : &o->timeout_us;
    if (units_parse_time(arg, field, err) != 0)
        return cq_wrap(err, key == KEY_PATIENCE ? "--patience" : "--timeout");
    if (*field <= 0)
        *field = 1;
    return 0;
}

static int check_names(const struct job_name *jobs, size_t n, uint64_t *numbers, struct cq_err *err)
{
    if (n > JOBS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "wait: %zu jobs; at most %d at once", n, JOBS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (*jobs[i].tasks)
            return cq_fail(err, CQ_E_INVALID, "wait: name whole jobs, not tasks");
        if (strcmp(jobs[i].enterprise, jobs[0].enterprise) != 0)
            return cq_fail(err, CQ_E_INVALID, "wait: jobs of one enterprise at a time");
        numbers[i] = jobs[i].number;
    }
    return 0;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct opts *o = opts;
    size_t n = 0;
    struct job_name *jobs = job_names_parse(n_args, args, &n, err);
    uint64_t numbers[JOBS_MAX];
    int rc = jobs ? check_names(jobs, n, numbers, err) : -1;
    struct net_client *s = rc == 0 ? session_open_of(c, jobs[0].enterprise, err) : NULL;
    struct follow watch = {.session = s, .numbers = numbers, .n = n, .patience_us = o->patience_us};
    if (jobs)
        watch.enterprise = jobs[0].enterprise;
    rc = s ? follow_wait(c, &watch, o->timeout_us, err) : -1;
    net_client_close(s);
    job_names_free(jobs, n);
    return rc;
}

const struct command cmd_wait = {
    .name = "wait",
    .args = "JOB...",
    .summary = "Wait until jobs are over; exit 1 when one did not pass",
    .examples = "chipq wait 12\nchipq wait 12-14 --timeout 2h\n"
                "chipq wait $(chipq submit -- make sim) && echo good",
    .options = options,
    .flags = COMMAND_WATCHES,
    .min_args = 1,
    .max_args = JOBS_MAX,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
