/* Sends JOB_ACTION and says what became of each job. */
#include "cli/job_action.h"

#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/job_ref.h"
#include "cli/job_rows.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <inttypes.h>

enum { KEY_FLOW = 0x2001 };

static const char *const done_words[] = {"cancelled", "held", "released", "requeued"};
static const char *const command_words[] = {"cancel", "hold", "release", "requeue"};

static const struct column columns[] = {
    {"job", "JOB", COLUMN_NUMBER, true},
    {"result", "RESULT", COLUMN_STATE, true},
    {"text", "TEXT", COLUMN_TEXT, true},
    {0},
};

const struct argp_option job_action_options[] = {
    {"flow", KEY_FLOW, "NAME", 0, "all jobs of flows with this name that have not ended", 0},
    {0},
};

int job_action_set(void *opts, int key, const char *arg, struct cq_err *err)
{
    struct job_action_opts *o = opts;
    (void)key;
    o->flow = arg;
    return is_name(arg) ? 0 : cq_fail(err, CQ_E_INVALID, "--flow: '%.80s' is no name", arg);
}

struct work {
    struct cli *c;
    struct net_client *session;
    enum job_action action;
    struct job_name *jobs;
    size_t n;
    json_t *before; /* rows of the jobs as they were; those that could be had */
};

/* ---- what to act on ---- */

static int take_flow(struct work *w, const char *flow, struct cq_err *err)
{
    w->before = job_rows_of_flow(w->session, flow, err);
    if (w->before == NULL)
        return -1;
    w->n = json_array_size(w->before);
    w->jobs = cq_calloc(w->n + 1, sizeof *w->jobs);
    for (size_t i = 0; i < w->n; i++) {
        w->jobs[i].number = (uint64_t)row_number(json_array_get(w->before, i), "number");
        w->jobs[i].tasks = cq_strdup("");
    }
    return 0;
}

static int take_jobs(struct work *w, size_t n_args, char **args, struct cq_err *err)
{
    w->jobs = job_names_parse(n_args, args, &w->n, err);
    if (w->jobs == NULL)
        return -1;
    if (w->n > JOB_ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%zu jobs; at most %d at once", w->n, JOB_ROWS_MAX);
    w->session = session_open_of(w->c, w->n ? w->jobs[0].enterprise : NULL, err);
    if (w->session == NULL)
        return -1;
    w->before = job_rows_ask(w->session, w->jobs, w->n, NULL); /* for what is said only */
    return 0;
}

static int take(struct work *w, const struct job_action_opts *o, size_t n_args, char **args,
                struct cq_err *err)
{
    const char *name = command_words[w->action];
    const char *flow = o ? o->flow : NULL;
    if (flow && n_args)
        return cq_fail(err, CQ_E_INVALID, "%s: name jobs or a flow, not both", name);
    if (!flow && n_args == 0)
        return cq_fail(err, CQ_E_INVALID,
                       "%s: something is missing; usage: chipq %s JOB... or "
                       "--flow NAME",
                       name, name);
    if (!flow)
        return take_jobs(w, n_args, args, err);
    w->session = session_open(w->c, AS_USER, err);
    return w->session ? take_flow(w, flow, err) : -1;
}

/* ---- what became of it ---- */

static void add_again(struct work *w, const struct action_result *r, struct cq_str *out)
{
    struct msg ask = {.code = MSG_JOB_QUERY}, reply = {0};
    ask.u.job_query = (struct msg_job_query){.number = r->number, .tasks = "0"};
    for (size_t i = 0; i < w->n; i++)
        if (w->jobs[i].number == r->number)
            ask.u.job_query.enterprise = w->jobs[i].enterprise;
    if (session_call(w->session, &ask, MSG_JOB, &reply, NULL) != 0)
        return;
    if (reply.u.job.n_job) {
        json_t *row = json_of_job_row(&reply.u.job.job[0]);
        cq_str_add(out, "; ");
        job_action_again(row, reply.u.job.argv ? reply.u.job.argv : "", out);
        json_decref(row);
    }
    msg_fini(&reply);
}

/* "job 23: is over: failed; submit it again: ..." */
static void add_refusal(struct work *w, const struct action_result *r, struct cq_str *out)
{
    enum cq_code code = cq_code_from_wire(r->code);
    const json_t *row = job_rows_find(w->before, r->number);
    char own[40];
    (void)snprintf(own, sizeof own, "job %" PRIu64, r->number);
    if (!cq_str_starts(r->text, own) && !cq_str_starts(r->text, "no such job"))
        cq_str_printf(out, "%s: ", own);
    cq_str_add(out, *r->text ? r->text : cq_code_text(code));
    if (w->action == JOB_ACTION_REQUEUE && code == CQ_E_CONFLICT && row && job_has_ended(row))
        add_again(w, r, out);
}

static void add_words(struct work *w, size_t i, const struct action_result *r, struct cq_str *out)
{
    const char *tasks = i < w->n && w->jobs[i].number == r->number ? w->jobs[i].tasks : "";
    if (r->code)
        add_refusal(w, r, out);
    else
        job_action_words(w->action, r, tasks, job_rows_find(w->before, r->number), out);
}

static int report(struct work *w, const struct msg_job_action_done *done, struct cq_err *err)
{
    json_t *rows = json_array();
    struct cq_err first = {0};
    bool is_table = w->c->output == CLI_TABLE;
    for (size_t i = 0; i < done->n_results; i++) {
        const struct action_result *r = &done->results[i];
        enum cq_code code = r->code ? cq_code_from_wire(r->code) : CQ_OK;
        struct cq_str text = {0};
        add_words(w, i, r, &text);
        json_array_append_new(rows,
                              json_pack("{s:I, s:s, s:o}", "job", (json_int_t)r->number, "result",
                                        code ? cq_code_text(code) : done_words[w->action], "text",
                                        json_text(cq_str_text(&text))));
        if (code && first.code == CQ_OK)
            cq_fail(&first, code, "%s", cq_str_text(&text));
        else if (is_table)
            cli_talk("%s", cq_str_text(&text));
        cq_str_fini(&text);
    }
    int rc = is_table ? 0 : columns_print(w->c, "results", rows, columns, err);
    w->c->has_answered = !is_table;
    json_decref(rows);
    if (rc == 0 && first.code != CQ_OK)
        return cq_fail(err, first.code, "%s", first.text);
    return rc;
}

static int act(struct work *w, struct cq_err *err)
{
    struct msg ask = {.code = MSG_JOB_ACTION}, reply = {0};
    struct job_ref *refs = cq_calloc(w->n + 1, sizeof *refs);
    for (size_t i = 0; i < w->n; i++)
        refs[i] = (struct job_ref){.number = w->jobs[i].number,
                                   .enterprise = w->jobs[i].enterprise,
                                   .tasks = w->jobs[i].tasks};
    ask.u.job_action = (struct msg_job_action){.action = w->action, .jobs = refs, .n_jobs = w->n};
    int rc = session_call(w->session, &ask, MSG_JOB_ACTION_DONE, &reply, err);
    free(refs);
    if (rc != 0)
        return -1;
    rc = report(w, &reply.u.job_action_done, err);
    msg_fini(&reply);
    return rc;
}

int job_action_run(struct cli *c, enum job_action action, const struct job_action_opts *opts,
                   size_t n_args, char **args, struct cq_err *err)
{
    struct work w = {.c = c, .action = action};
    int rc = take(&w, opts, n_args, args, err);
    if (rc == 0)
        rc = act(&w, err);
    net_client_close(w.session);
    json_decref(w.before);
    job_names_free(w.jobs, w.n);
    return rc;
}
