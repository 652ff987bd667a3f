/* chipq why: why a job does not start. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_ref.h"
#include "cli/local_time.h"
#include "cli/to_json.h"

#include "common/base/sys/clock.h"

#include <inttypes.h>

static void print_line(const char *indent, const char *text)
{
    CQ_CLEANUP(cq_free_ptr) char *safe = cli_printable(text);
    printf("%s%s\n", indent, safe);
}

static void print_reasons(const struct msg_why *why)
{
    const struct job_row *job = &why->job[0];
    CQ_CLEANUP(cq_free_ptr) char *name = cli_printable(*job->user ? job->name : "hidden");
    json_t *row = json_of_job_row(job);
    bool has_ended = job_has_ended(row);
    printf("job %" PRIu64 " (%s) %s %s\n", job->number, name, has_ended ? "has ended:" : "is",
           has_ended ? job_outcome(row) : job->state);
    json_decref(row);
    if (why->n_reasons == 0 && *job->reason)
        print_line("  ", job->reason);
    for (size_t i = 0; i < why->n_reasons; i++) {
        const struct reason_row *r = &why->reasons[i];
        print_line("  ", r->text);
        if (r->tasks > 1)
            printf("    holds back %" PRIu64 " tasks\n", r->tasks);
        if (*r->advice)
            print_line("    ", r->advice);
    }
}

/* From: when running jobs end as such jobs usually do; to: when they use their whole limits. */
static void print_expected(const struct msg_why *why)
{
    char from[LOCAL_TIME_BYTES], to[LOCAL_TIME_BYTES];
    if (why->expect_from_us <= 0)
        return;
    int64_t now_us = clock_now().wall_us;
    const char *first = local_time_short(why->expect_from_us, now_us, from);
    const char *last = local_time_short(why->expect_to_us, now_us, to);
    if (why->expect_to_us <= why->expect_from_us || strcmp(first, last) == 0)
        printf("  expected start: %s\n", first);
    else
        printf("  expected start: %s (between %s and %s)\n", first, first, last);
}

/* What its first task that matters says: the one that did not pass, else the one that runs. */
static const struct task_row *telling_task(const struct msg_job *m)
{
    for (size_t i = 0; i < m->n_tasks; i++)
        if (*m->tasks[i].verdict && strcmp(m->tasks[i].verdict, "pass") != 0)
            return &m->tasks[i];
    return m->n_tasks ? &m->tasks[m->n_tasks - 1] : NULL;
}

/* A job that does not wait: how it ended or where it runs, and the log. */
static void print_task(const struct msg_job *m)
{
    const struct task_row *t = telling_task(m);
    if (t == NULL)
        return;
    if (t->end_us == 0 && *t->node)
        printf("  attempt %" PRIu64 " runs on %s, cores %s\n", t->attempt, t->node, t->cores);
    if (m->job[0].is_array)
        printf("  task %" PRIu64 ": %s\n", t->task, *t->verdict ? t->verdict : t->state);
    if (t->end_us && *(*t->summary ? t->summary : t->cause))
        print_line("  ", *t->summary ? t->summary : t->cause);
    print_line("  log ", t->log_path);
}

static void add_task(struct net_client *s, const struct job_name *name, const struct msg_why *why)
{
    struct msg ask = {.code = MSG_JOB_QUERY}, reply = {0};
    if (why->job[0].start_us == 0)
        return;
    ask.u.job_query =
        (struct msg_job_query){.number = name->number, .enterprise = name->enterprise};
    if (session_call(s, &ask, MSG_JOB, &reply, NULL) != 0)
        return;
    if (reply.u.job.n_job)
        print_task(&reply.u.job);
    msg_fini(&reply);
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct job_name name = {0};
    struct msg ask = {.code = MSG_WHY_QUERY}, reply = {0};
    (void)opts, (void)n_args;
    if (job_name_parse(args[0], &name, err) != 0)
        return -1;
    ask.u.why_query = (struct msg_why_query){.number = name.number, .enterprise = name.enterprise};
    struct net_client *s = session_open_of(c, name.enterprise, err);
    int rc = s ? session_call(s, &ask, MSG_WHY, &reply, err) : -1;
    if (rc == 0 && reply.u.why.n_job == 0)
        rc = cq_fail(err, CQ_E_NOT_FOUND, "no such job: %s", args[0]);
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *object = json_of_msg_why(&reply.u.why);
        json_print(c, object);
        json_decref(object);
    } else if (rc == 0) {
        print_reasons(&reply.u.why);
        print_expected(&reply.u.why);
        add_task(s, &name, &reply.u.why);
    }
    msg_fini(&reply);
    net_client_close(s);
    job_name_fini(&name);
    return rc;
}

const struct command cmd_why = {
    .name = "why",
    .args = "JOB",
    .summary = "Say why a job does not start, where it runs, or how it ended",
    .text =
        "The first reason decides; under it stands what would let it start now, if anything does.\n"
        "The expected start assumes that running jobs end as such jobs usually do; the later\n"
        "time, that they use their whole limits. Others may still come first.",
    .examples = "chipq why 12\nchipq why 12 --json",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
