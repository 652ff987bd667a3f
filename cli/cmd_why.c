/* chipq why: why a job does not start. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_ref.h"
#include "cli/job_task.h"
#include "cli/local_time.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"
#include "common/base/sys/clock.h"

#include <inttypes.h>

static void print_line(const char *indent, const char *text)
{
    CQ_CLEANUP(cq_free_ptr) char *safe = cli_printable(text);
    printf("%s%s\n", indent, safe);
}

/* What is asked of, and the answers. */
struct question {
    struct net_client *session;
    const struct job_name *name;
    const struct msg_why *why;
    bool has_task; /* one task of it: */
    uint64_t task;
    const struct msg_job *job; /* with the rows of that task, or all that are told apart; or NULL */
};

static void print_head(const struct question *q)
{
    const struct job_row *job = &q->why->job[0];
    CQ_CLEANUP(cq_free_ptr) char *name = cli_printable(*job->user ? job->name : "hidden");
    json_t *row = json_of_job_row(job);
    bool has_ended = job_has_ended(row);
    printf("job %" PRIu64 " (%s) %s %s\n", job->number, name, has_ended ? "has ended:" : "is",
           has_ended ? job_outcome(row) : job->state);
    json_decref(row);
}

static void print_reasons(const struct msg_why *why)
{
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

/* ", from 14:05 to 14:07" */
static void print_times(const struct task_row *t)
{
    char from[LOCAL_TIME_BYTES], to[LOCAL_TIME_BYTES];
    int64_t now_us = clock_now().wall_us;
    if (t->start_us == 0)
        return;
    printf(t->end_us ? ", from %s" : ", since %s", local_time_short(t->start_us, now_us, from));
    if (t->end_us)
        printf(" to %s", local_time_short(t->end_us, now_us, to));
}

/* Where and when, and how it ended. */
static void print_attempt(const struct task_row *t)
{
    char how[320];
    if (*t->node == '\0')
        return;
    bool is_over = t->end_us != 0;
    printf("  attempt %" PRIu64 " %s on %s", t->attempt,
           t->start_us == 0 ? (is_over ? "did not start" : "is sent, but has not begun,")
           : is_over        ? "ran"
                            : "runs",
           t->node);
    if (*t->cores)
        printf(", cores %s", t->cores);
    print_times(t);
    if (is_over) {
        CQ_CLEANUP(cq_free_ptr) char *safe = cli_printable(job_task_how(t, how, sizeof how));
        printf(": %s", safe);
    }
    printf("\n");
}

/* How a task ended or where it runs, and the log. */
static void print_task(const struct task_row *t)
{
    if (t->end_us == 0 && *t->node && *t->cores)
        printf("  attempt %" PRIu64 " runs on %s, cores %s\n", t->attempt, t->node, t->cores);
    if (t->end_us && *(*t->summary ? t->summary : t->cause))
        print_line("  ", *t->summary ? t->summary : t->cause);
    print_line("  log ", t->log_path);
}

static void print_telling_task(const struct msg_job *m)
{
    const struct task_row *t = telling_task(m);
    if (t == NULL)
        return;
    if (m->job[0].is_array)
        printf("  task %" PRIu64 ": %s\n", t->task, *t->verdict ? t->verdict : t->state);
    print_task(t);
}

static void print_job(const struct question *q)
{
    print_head(q);
    if (q->why->n_reasons == 0 && *q->why->job[0].reason)
        print_line("  ", q->why->job[0].reason);
    print_reasons(q->why);
    print_expected(q->why);
    if (q->job)
        print_telling_task(q->job);
}

/* ---- one task ---- */

static const struct task_row *row_of(const struct question *q)
{
    for (size_t i = 0; q->job && i < q->job->n_tasks; i++)
        if (q->job->tasks[i].task == q->task)
            return &q->job->tasks[i];
    return NULL;
}

static bool was_killed(const struct question *q)
{
    struct ranges killed = {0};
    bool yes = q->job && ranges_parse(q->job->killed, INT32_MAX, UINT32_MAX, &killed, NULL) == 0
               && ranges_has(&killed, (uint32_t)q->task);
    ranges_fini(&killed);
    return yes;
}

/* "pending" when nothing tells of it. */
static const char *state_of(const struct question *q)
{
    const struct task_row *t = row_of(q);
    return t ? t->state : was_killed(q) ? "killed" : "pending";
}

/* Its attempts before the one that its row tells of, and what memory it is to have next. */
static void print_earlier(const struct question *q, bool is_pending)
{
    const struct task_row *t = row_of(q), *last = NULL;
    char size[32], next[32];
    for (size_t i = 0; q->job && i < q->job->n_earlier; i++)
        if (q->job->earlier[i].task == q->task)
            print_attempt(last = &q->job->earlier[i]);
    if (is_pending && t && last && last->mem_mib && t->mem_mib > last->mem_mib)
        printf("  it ran out of %s of memory, and is to have %s next\n",
               format_size_mib(last->mem_mib, size, sizeof size),
               format_size_mib(t->mem_mib, next, sizeof next));
}

/* It runs or is over. */
static void print_begun(const struct task_row *t)
{
    print_attempt(t);
    if (*t->summary)
        print_line("  ", t->summary);
    if (*t->node == '\0')
        print_line("  ", "of a task that passes without a result no more than that is kept");
    print_line("  log ", t->log_path);
}

static void print_one_task(const struct question *q)
{
    const struct task_row *t = row_of(q);
    const char *state = state_of(q);
    const struct job_row *job = &q->why->job[0];
    bool is_pending = strcmp(state, "pending") == 0;
    CQ_CLEANUP(cq_free_ptr) char *name = cli_printable(*job->user ? job->name : "hidden");
    printf("task %" PRIu64 " of job %" PRIu64 " (%s) ", q->task, job->number, name);
    if (t && *t->verdict)
        printf("has ended: %s\n", t->verdict);
    else
        printf("%s %s\n", t || strcmp(state, "killed") != 0 ? "is" : "was", state);
    if (is_pending) {
        print_reasons(q->why);
        print_expected(q->why);
    }
    print_earlier(q, is_pending);
    if (t && !is_pending)
        print_begun(t);
}

static json_t *json_of_task(const struct question *q)
{
    const struct task_row *t = row_of(q);
    json_t *task = t ? json_of_task_row(t) : json_object(), *earlier = json_array();
    if (t == NULL) {
        json_object_set_new(task, "task", json_integer((json_int_t)q->task));
        json_object_set_new(task, "state", json_text(state_of(q)));
    }
    for (size_t i = 0; q->job && i < q->job->n_earlier; i++)
        if (q->job->earlier[i].task == q->task)
            json_array_append_new(earlier, json_of_task_row(&q->job->earlier[i]));
    json_object_set_new(task, "earlier", earlier);
    return task;
}

/* ---- the command ---- */

static void print(const struct cli *c, const struct question *q)
{
    if (c->output != CLI_JSON) {
        (q->has_task ? print_one_task : print_job)(q);
        return;
    }
    json_t *object = json_of_msg_why(q->why);
    if (q->has_task) {
        json_object_set_new(object, "task", json_of_task(q));
        if (strcmp(state_of(q), "pending") != 0) {
            json_object_set_new(object, "reasons", json_array());
            json_object_set_new(object, "expect_from_us", json_integer(0));
            json_object_set_new(object, "expect_to_us", json_integer(0));
        }
    }
    json_print(c, object);
    json_decref(object);
}

/* With what its tasks did, where that says more. */
static int answer(const struct cli *c, struct question q, struct cq_err *err)
{
    struct msg ask = {.code = MSG_JOB_QUERY}, reply = {0};
    int rc = 0;
    bool asks = q.has_task || (q.why->job[0].start_us && c->output != CLI_JSON);
    ask.u.job_query = (struct msg_job_query){
        .number = q.name->number, .enterprise = q.name->enterprise, .tasks = q.name->tasks};
    if (asks && session_call(q.session, &ask, MSG_JOB, &reply, NULL) == 0 && reply.u.job.n_job)
        q.job = &reply.u.job;
    if (q.has_task && row_of(&q) == NULL)
        rc = job_task_check(q.session, q.name, q.task, err);
    if (rc == 0)
        print(c, &q);
    msg_fini(&reply);
    return rc;
}

static int ask_why(const struct cli *c, struct question q, const char *text, struct cq_err *err)
{
    struct msg ask = {.code = MSG_WHY_QUERY}, reply = {0};
    ask.u.why_query = (struct msg_why_query){.number = q.name->number,
                                             .enterprise = q.name->enterprise,
                                             .has_task = q.has_task,
                                             .task = q.task};
    int rc = session_call(q.session, &ask, MSG_WHY, &reply, err);
    if (rc == 0 && reply.u.why.n_job == 0)
        rc = cq_fail(err, CQ_E_NOT_FOUND, "no such job: %s", text);
    q.why = &reply.u.why;
    if (rc == 0)
        rc = answer(c, q, err);
    msg_fini(&reply);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct job_name name = {0};
    struct question q = {.name = &name};
    (void)opts, (void)n_args;
    int rc = job_name_parse(args[0], &name, err);
    if (rc == 0)
        rc = job_name_one_task(&name, &q.task, err);
    q.has_task = name.tasks && *name.tasks;
    if (rc == 0 && (q.session = session_open_of(c, name.enterprise, err)) == NULL)
        rc = -1;
    if (rc == 0)
        rc = ask_why(c, q, args[0], err);
    net_client_close(q.session);
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
        "time, that they use their whole limits. Others may still come first. Of one task of an\n"
        "array, JOB[TASK], it says why that waits and when it is expected to start, after the\n"
        "tasks of its job that come first; or where it runs, or how it ended; and what became of\n"
        "its earlier attempts.",
    .examples = "chipq why 12\nchipq why '12[3]'\nchipq why 12 --json",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
