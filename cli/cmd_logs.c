/* chipq logs: the output of an attempt, also while it runs. */
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/job_rows.h"

#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

enum { KEY_TASK = 0x2001, KEY_ATTEMPT, KEY_RAW };

struct opts {
    uint64_t task, attempt;
    bool follows, is_raw, has_task;
};

static const struct argp_option options[] = {
    {"follow", 'f', NULL, 0, "go on until the attempt is over", 0},
    {"task", KEY_TASK, "N", 0, "task of an array; the same as JOB[N]", 0},
    {"attempt", KEY_ATTEMPT, "N", 0, "an earlier attempt (the last)", 0},
    {"raw", KEY_RAW, NULL, 0, "do not escape control characters on a terminal", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    switch (key) {
    case 'f':
        o->follows = true;
        return 0;
    case KEY_RAW:
        o->is_raw = true;
        return 0;
    case KEY_TASK:
        o->has_task = true;
        return parse_u64(arg, 0, UINT32_MAX, &o->task, err) ? cq_wrap(err, "--task") : 0;
    default:
        return parse_u64(arg, 1, 1000000, &o->attempt, err) ? cq_wrap(err, "--attempt") : 0;
    }
}

/* Output for a terminal: escaped, but lines stay lines and tabs stay tabs. `held` keeps the bytes
 * of a UTF-8 character that a chunk has cut. */
static void add_safe(struct cq_str *held, const char *data, size_t len, bool is_last,
                     struct cq_str *out)
{
    cq_str_append(held, data, len);
    size_t usable = held->len, back = 0;
    while (!is_last && back < 3 && back < usable
           && ((unsigned char)held->data[usable - 1 - back] & 0xc0) == 0x80)
        back++;
    if (!is_last && back < usable && (unsigned char)held->data[usable - 1 - back] >= 0xc0)
        usable -= back + 1;
    for (size_t i = 0; i < usable;) {
        size_t n = i;
        while (n < usable && held->data[n] != '\n' && held->data[n] != '\t')
            n++;
        cq_str_add_printable(out, held->data + i, n - i);
        if (n < usable)
            cq_str_add_char(out, held->data[n++]);
        i = n;
    }
    struct cq_str rest = {0};
    cq_str_append(&rest, held->data + usable, held->len - usable);
    cq_str_fini(held);
    *held = rest;
}

static int put(const struct cli *c, const struct opts *o, struct cq_str *held,
               const struct msg_log_data *d, struct cq_err *err)
{
    struct cq_str safe = {0};
    const void *data = d->data.data;
    size_t len = d->data.len;
    if (c->stdout_is_tty && !o->is_raw) {
        add_safe(held, data, len, d->at_end, &safe);
        data = cq_str_text(&safe);
        len = safe.len;
    }
    int rc = len ? write_all(STDOUT_FILENO, data, len) : 0;
    int why = errno;
    cq_str_fini(&safe);
    return rc == 0 ? 0 : cq_fail_errno(err, CQ_E_IO, why, "cannot write the output");
}

/* A follower is told once that the machine with the output is away, and then waits for it. */
static void note_away(struct msg_log_query *ask, const char *away)
{
    bool is_away = away != NULL && *away != '\0';
    if (is_away)
        cli_talk("the output is on machine '%s', which is away; waiting for it", away);
    ask->when_away = is_away ? AWAY_IS_AWAITED : AWAY_IS_TOLD;
}

static int stream(const struct cli *c, struct net_client *s, const struct opts *o, struct msg *ask,
                  struct cq_err *err)
{
    struct cq_str held = {0};
    int rc = 0;
    for (bool goes_on = true; goes_on && rc == 0;) {
        struct msg reply = {0};
        rc = net_client_call(s, ask, &reply, o->follows ? -1 : SESSION_CALL_US, err);
        if (rc == 0 && reply.code != MSG_LOG_DATA)
            rc = cq_fail(err, CQ_E_PROTOCOL, "the scheduler answered with %s",
                         msg_code_name(reply.code));
        if (rc == 0) {
            const struct msg_log_data *d = &reply.u.log_data;
            rc = put(c, o, &held, d, err);
            note_away(&ask->u.log_query, d->away);
            ask->u.log_query.offset = d->offset + d->data.len;
            if (ask->u.log_query.attempt == 0)
                ask->u.log_query.attempt = d->attempt;
            goes_on = !d->at_end && (o->follows || d->data.len);
        }
        msg_fini(&reply);
    }
    cq_str_fini(&held);
    return rc;
}

/* "job 2 has no task 0" is right and no help. */
static int explain_array(struct net_client *s, const struct job_name *name, struct cq_err *err)
{
    json_t *rows = job_rows_ask(s, name, 1, NULL);
    const json_t *row = job_rows_find(rows, name->number);
    const char *failed = row_text(row, "failed_tasks");
    size_t first = strcspn(failed, ",-.");
    if (row && json_is_true(json_object_get(row, "is_array")))
        cq_fail(err, CQ_E_INVALID,
                "job %" PRIu64 " is an array of %" PRId64 "; name one: chipq logs '%" PRIu64
                "[%.*s]'%s%.100s%s",
                name->number, row_number(row, "tasks"), name->number, first ? (int)first : 1,
                first ? failed : "1", first ? " (failed: " : "", failed, first ? ")" : "");
    json_decref(rows);
    return -1;
}

static int print_log(struct cli *c, struct net_client *s, const struct opts *o,
                     const struct job_name *name, struct cq_err *err)
{
    uint64_t task = 0;
    struct msg ask = {.code = MSG_LOG_QUERY};
    if (job_name_one_task(name, &task, err) != 0)
        return -1;
    ask.u.log_query = (struct msg_log_query){.number = name->number,
                                             .enterprise = name->enterprise,
                                             .task = o->has_task ? o->task : task,
                                             .attempt = o->attempt,
                                             .follow = o->follows,
                                             .when_away = AWAY_IS_TOLD};
    if (o->follows)
        session_catch_interrupts(s);
    if (stream(c, s, o, &ask, err) == 0)
        return 0;
    if (net_client_caught(s)) { /* the user has seen enough */
        cli_talk("interrupted; the job goes on");
        return 130;
    }
    if (err->code == CQ_E_NOT_FOUND && !o->has_task && !*name->tasks)
        return explain_array(s, name, err);
    return -1;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct job_name name = {0};
    (void)n_args;
    if (job_name_parse(args[0], &name, err) != 0)
        return -1;
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? print_log(c, s, opts, &name, err) : -1;
    net_client_close(s);
    job_name_fini(&name);
    return rc;
}

const struct command cmd_logs = {
    .name = "logs",
    .args = "JOB[TASK]",
    .summary = "Print the output of a job, also while it runs",
    .examples = "chipq logs 12\nchipq logs -f 12\nchipq logs 12[3]\nchipq logs 12 --attempt 1",
    .options = options,
    .flags = COMMAND_NO_JSON | COMMAND_WATCHES,
    .min_args = 1,
    .max_args = 1,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
