/* Sends JOB_ACTION and says what became of each job. */
#include "cli/job_action.h"

#include "cli/columns.h"
#include "cli/job_ref.h"
#include "cli/session.h"

#include <inttypes.h>

static const char *const done_words[] = {"cancelled", "held", "released", "requeued"};

static const struct column columns[] = {
    {"job", "JOB", COLUMN_NUMBER, true},
    {"result", "RESULT", COLUMN_STATE, true},
    {"text", "TEXT", COLUMN_TEXT, true},
    {0},
};

static int report(struct cli *c, enum job_action action, const struct msg_job_action_done *done,
                  struct cq_err *err)
{
    json_t *rows = json_array();
    struct cq_err first = {0};
    for (size_t i = 0; i < done->n_results; i++) {
        const struct action_result *r = &done->results[i];
        const char *word = r->code ? cq_code_text(cq_code_from_wire(r->code)) : done_words[action];
        json_array_append_new(rows, json_pack("{s:I, s:s, s:s}", "job", (json_int_t)r->number,
                                              "result", word, "text", r->text));
        if (r->code && first.code == CQ_OK)
            cq_fail(&first, cq_code_from_wire(r->code), "job %" PRIu64 ": %s", r->number,
                    *r->text ? r->text : word);
        else if (c->output == CLI_TABLE && r->code)
            cli_talk("job %" PRIu64 ": %s", r->number, *r->text ? r->text : word);
    }
    int rc = c->output == CLI_TABLE ? 0 : columns_print(c, "results", rows, columns, err);
    json_decref(rows);
    if (rc == 0 && first.code != CQ_OK)
        return cq_fail(err, first.code, "%s", first.text);
    return rc;
}

int job_action_run(struct cli *c, enum job_action action, size_t n_args, char **args,
                   struct cq_err *err)
{
    struct msg ask = {.code = MSG_JOB_ACTION}, reply = {0};
    struct job_name *jobs = job_names_parse(n_args, args, err);
    if (jobs == NULL)
        return -1;
    struct job_ref *refs = cq_calloc(n_args, sizeof *refs);
    for (size_t i = 0; i < n_args; i++)
        refs[i] = (struct job_ref){
            .number = jobs[i].number, .enterprise = jobs[i].enterprise, .tasks = jobs[i].tasks};
    ask.u.job_action = (struct msg_job_action){.action = action, .jobs = refs, .n_jobs = n_args};
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? session_call(s, &ask, MSG_JOB_ACTION_DONE, &reply, err) : -1;
    if (rc == 0) {
        rc = report(c, action, &reply.u.job_action_done, err);
        msg_fini(&reply);
    }
    net_client_close(s);
    free(refs);
    job_names_free(jobs, n_args);
    return rc;
}
