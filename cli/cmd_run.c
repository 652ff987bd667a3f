/* chipq run: a flow from its file to its verdict. */
#include "cli/commands.h"
#include "cli/file_errors.h"
#include "cli/flow.h"
#include "cli/node_pages.h"
#include "cli/run_attach.h"
#include "cli/run_report.h"
#include "cli/run_view.h"
#include "cli/to_json.h"
#include "cli/units.h"

#include "common/base/sys/files.h"

#include <inttypes.h>

extern char **environ;

enum { KEY_NO_FOLLOW = 0x2001, KEY_CHECK, KEY_ATTACH, KEY_PATIENCE };

struct opts {
    bool no_follow, only_checks;
    const char *attach; /* borrowed from argv */
    int64_t patience_us;
};

static const struct argp_option options[] = {
    {"no-follow", KEY_NO_FOLLOW, NULL, 0, "submit, print the job numbers and return", 0},
    {"check", KEY_CHECK, NULL, 0, "only check the file against the pool; submit nothing", 0},
    {"attach", KEY_ATTACH, "FLOW|JOB", 0,
     "follow and report again the newest flow of that name, or the one of that job", 0},
    {"patience", KEY_PATIENCE, "TIME", 0,
     "give up when the scheduler is away for this long, exit 5 (2m)", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    switch (key) {
    case KEY_ATTACH:
        o->attach = arg;
        return 0;
    case KEY_PATIENCE:
        return units_parse_time(arg, &o->patience_us, err) == 0 ? 0 : cq_wrap(err, "--patience");
    case KEY_CHECK:
        o->only_checks = true;
        return 0;
    default:
        o->no_follow = true;
        return 0;
    }
}

/* ---- what the pool can do ---- */

static int ask_tools(struct net_client *s, struct flow_pool *pool, struct cq_err *err)
{
    struct msg ask = {.code = MSG_TOOLS_QUERY}, reply = {0};
    if (session_call(s, &ask, MSG_TOOLS, &reply, err) != 0)
        return -1;
    pool->tools = json_array();
    for (size_t i = 0; i < reply.u.tools.n_tools; i++) {
        json_t *tool = json_loads(reply.u.tools.tools[i].describe, 0, NULL);
        if (tool)
            json_array_append_new(pool->tools, tool);
    }
    msg_fini(&reply);
    return 0;
}

static void note_nodes(void *arg, const struct msg_nodes *page)
{
    struct flow_pool *pool = arg;
    for (size_t i = 0; i < page->n_nodes; i++) {
        const struct node_row *node = &page->nodes[i];
        if (node->cores > pool->cores_max)
            pool->cores_max = node->cores;
        if (node->mem_mib > pool->mem_max_mib)
            pool->mem_max_mib = node->mem_mib;
    }
}

/* ---- steps ---- */

static int submit(struct net_client *s, const struct flow *f, const struct flow_plan *plan,
                  uint64_t *numbers, struct cq_err *err)
{
    uint8_t key[16];
    struct msg ask = {.code = MSG_SUBMIT}, reply = {0};
    if (request_draw_key(key, err) != 0)
        return -1;
    struct job_spec *specs = cq_calloc(plan->n, sizeof *specs);
    for (size_t i = 0; i < plan->n; i++)
        specs[i] = plan->jobs[i].spec;
    ask.u.submit = (struct msg_submit){.key = {key, sizeof key},
                                       .flow = f->name,
                                       .project = f->project,
                                       .jobs = specs,
                                       .n_jobs = plan->n};
    int rc = session_call(s, &ask, MSG_ACCEPTED, &reply, err);
    free(specs);
    if (rc != 0 && err->code == CQ_E_LIMIT)
        return cq_wrap(err, "a flow is one message of at most 1 MiB; this one has %zu jobs",
                       plan->n);
    if (rc != 0)
        return -1;
    if (reply.u.accepted.n_numbers != plan->n)
        rc = cq_fail(err, CQ_E_PROTOCOL, "the scheduler accepted %zu of %zu jobs",
                     reply.u.accepted.n_numbers, plan->n);
    else
        memcpy(numbers, reply.u.accepted.numbers, plan->n * sizeof *numbers);
    if (*reply.u.accepted.note)
        cli_talk("%s", reply.u.accepted.note);
    msg_fini(&reply);
    return rc;
}

static void print_numbers(const struct cli *c, const struct flow *f, const struct flow_plan *plan,
                          const uint64_t *numbers)
{
    json_t *jobs = json_array();
    for (size_t i = 0; i < plan->n; i++) {
        json_array_append_new(jobs, json_pack("{s:I, s:s}", "number", (json_int_t)numbers[i],
                                              "name", plan->jobs[i].name));
        if (c->output != CLI_JSON)
            printf("%" PRIu64 " %s\n", numbers[i], plan->jobs[i].name);
    }
    json_t *object = json_pack("{s:s, s:o}", "flow", f->name, "jobs", jobs);
    if (c->output == CLI_JSON)
        json_print(c, object);
    json_decref(object);
}

struct loaded {
    struct flow flow;
    struct flow_plan plan;
    struct flow_errors errors;
    struct net_client *session;
    uint64_t *numbers; /* of the plan's jobs */
};

static int finish(const struct cli *c, const struct loaded *l, struct cq_err *err)
{
    json_t *report = run_report_make(l->session, &l->flow, &l->plan, l->numbers, err);
    if (report == NULL)
        return -1;
    int rc = row_number(report, "failed") ? 1 : 0;
    if (c->output == CLI_JSON)
        json_print(c, report);
    else
        run_report_print(c, report);
    json_decref(report);
    return rc;
}

static int follow(const struct cli *c, const struct opts *o, const struct loaded *l,
                  struct cq_err *err)
{
    struct run_view view;
    struct follow watch = {.session = l->session,
                           .numbers = l->numbers,
                           .n = l->plan.n,
                           .patience_us = o->patience_us};
    session_catch_interrupts(l->session);
    run_view_init(&view, c, &l->plan);
    view.flow = l->flow.name;
    int rc = follow_run(&watch, 0, view.redraws ? 1000000 : 0, run_view_update, &view, err);
    bool was_left = rc != 0 && watch.interrupts > 0;
    if (rc == 0)
        run_view_finish(&view, &watch);
    run_view_fini(&view);
    follow_fini(&watch);
    if (rc == 0)
        return finish(c, l, err);
    return was_left ? 130 : rc;
}

/* What the pool adds to the checks, and the plan. The plan has copies of all that it needs of the
 * pool. */
static int check(struct loaded *l, struct cq_err *err)
{
    struct flow_pool pool = {0};
    int rc = ask_tools(l->session, &pool, err);
    if (rc == 0)
        rc = nodes_fetch(l->session, note_nodes, &pool, err);
    if (rc == 0)
        flow_check(&l->flow, &pool, &l->errors);
    if (rc == 0 && l->errors.n == 0)
        flow_plan_make(&l->flow, environ, &l->plan, &l->errors);
    flow_pool_fini(&pool);
    return rc;
}

/* Reads the file before it connects, so that a broken one is told even without a pool. */
static int load(struct cli *c, const char *path, struct loaded *l, struct cq_err *err)
{
    struct cq_str text = {0};
    struct cq_err no_pool = {0};
    if (file_read(path, FLOW_FILE_MAX, &text, err) != 0)
        return -1;
    flow_read(path, cq_str_text(&text), text.len, &l->flow, &l->errors);
    cq_str_fini(&text);
    l->session = session_open(c, AS_USER, &no_pool);
    if (l->session == NULL && l->errors.n == 0)
        return cq_fail(err, no_pool.code, "%s", no_pool.text);
    if (l->session && check(l, err) != 0)
        return -1;
    return l->errors.n ? file_errors_fail(c, &l->errors, path, "nothing was submitted", err) : 0;
}

static void say_numbers(const struct flow *f, size_t n, const uint64_t *numbers)
{
    if (n == 1)
        cli_talk("flow %s: 1 job, number %" PRIu64, f->name, numbers[0]);
    else
        cli_talk("flow %s: %zu jobs, numbers %" PRIu64 " to %" PRIu64, f->name, n, numbers[0],
                 numbers[n - 1]);
}

static void print_checked(const struct cli *c, const struct flow *f, const struct flow_plan *plan)
{
    cli_talk("%s: no problem found, %zu job%s", f->name, plan->n, plan->n == 1 ? "" : "s");
    if (c->output != CLI_JSON)
        return;
    json_t *jobs = json_array();
    for (size_t i = 0; i < plan->n; i++)
        json_array_append_new(jobs, json_pack("{s:s, s:I}", "name", plan->jobs[i].name, "tasks",
                                              (json_int_t)plan->jobs[i].tasks));
    json_t *object = json_pack("{s:s, s:[], s:o}", "flow", f->name, "errors", "jobs", jobs);
    json_print(c, object);
    json_decref(object);
}

static int run_flow(struct cli *c, const struct opts *o, struct loaded *l, struct cq_err *err)
{
    const struct flow_plan *plan = &l->plan;
    if (o->only_checks) {
        print_checked(c, &l->flow, plan);
        return 0;
    }
    l->numbers = cq_calloc(plan->n + 1, sizeof *l->numbers);
    if (submit(l->session, &l->flow, plan, l->numbers, err) != 0)
        return -1;
    if (o->no_follow) {
        print_numbers(c, &l->flow, plan, l->numbers);
        return 0;
    }
    say_numbers(&l->flow, plan->n, l->numbers);
    return follow(c, o, l, err);
}

/* A flow of before: its jobs are asked for, not its file. */
static int attach(struct cli *c, const struct opts *o, struct cq_err *err)
{
    struct loaded l = {.session = session_open(c, AS_USER, err)};
    int rc = l.session ? run_attach(l.session, o->attach, &l.flow, &l.plan, &l.numbers, err) : -1;
    if (rc == 0) {
        say_numbers(&l.flow, l.plan.n, l.numbers);
        rc = follow(c, o, &l, err);
    }
    net_client_close(l.session);
    run_attach_fini(&l.plan, &l.numbers);
    flow_fini(&l.flow);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct opts *o = opts;
    struct loaded l = {0};
    if (o->attach && (n_args || o->no_follow || o->only_checks))
        return cq_fail(err, CQ_E_INVALID, "run: --attach takes no file, --check or --no-follow");
    if (o->attach)
        return attach(c, o, err);
    if (n_args == 0)
        return cq_fail(err, CQ_E_INVALID, "run: something is missing; usage: chipq run FILE.yaml");
    int rc = load(c, args[0], &l, err);
    if (rc == 0)
        rc = run_flow(c, o, &l, err);
    net_client_close(l.session);
    free(l.numbers);
    flow_plan_fini(&l.plan);
    flow_fini(&l.flow);
    flow_errors_fini(&l.errors);
    return rc;
}

const struct command cmd_run = {
    .name = "run",
    .args = "FILE.yaml|--attach FLOW",
    .summary = "Run a flow: submit its jobs all or none, follow them, report",
    .text =
        "Exits 0 only if every job passed and every gate (require:) held. Every problem of the\n"
        "file is told with line and column before anything is submitted. After Ctrl-C the jobs\n"
        "go on; a second Ctrl-C quits at once, and --attach follows the flow again.\n"
        "A job's 'run:' words are passed on as they are: to use $CHIPQ_SRC and the like, write\n"
        "run: [sh, -c, 'cp \"$CHIPQ_SRC/x\" .'].",
    .examples = "chipq run signoff.yaml\nchipq run regress.yaml --json > report.json\n"
                "chipq run signoff.yaml --check\nchipq run --attach signoff",
    .options = options,
    .flags = COMMAND_WATCHES,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
