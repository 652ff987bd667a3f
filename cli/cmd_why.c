/* chipq why: why a job does not start. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_ref.h"
#include "cli/to_json.h"

#include <inttypes.h>

static void print_line(const char *indent, const char *text)
{
    CQ_CLEANUP(cq_free_ptr) char *safe = cli_printable(text);
    printf("%s%s\n", indent, safe);
}

static void print_reasons(const struct msg_why *why)
{
    const struct job_row *job = &why->job[0];
    CQ_CLEANUP(cq_free_ptr) char *name = cli_printable(job->name);
    printf("job %" PRIu64 " (%s) is %s\n", job->number, name, job->state);
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

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct job_name name = {0};
    struct msg ask = {.code = MSG_WHY_QUERY}, reply = {0};
    (void)opts, (void)n_args;
    if (job_name_parse(args[0], &name, err) != 0)
        return -1;
    ask.u.why_query = (struct msg_why_query){.number = name.number, .enterprise = name.enterprise};
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? session_call(s, &ask, MSG_WHY, &reply, err) : -1;
    if (rc == 0 && reply.u.why.n_job == 0)
        rc = cq_fail(err, CQ_E_NOT_FOUND, "no such job: %s", args[0]);
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *object = json_of_msg_why(&reply.u.why);
        json_print(c, object);
        json_decref(object);
    } else if (rc == 0) {
        print_reasons(&reply.u.why);
    }
    msg_fini(&reply);
    net_client_close(s);
    job_name_fini(&name);
    return rc;
}

const struct command cmd_why = {
    .name = "why",
    .args = "JOB",
    .summary = "Say why a job does not start, and what would let it",
    .examples = "chipq why 12\nchipq why 12 --json",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
