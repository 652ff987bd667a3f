/* chipq help: texts of the command table, for people, for man pages and for shells. */
#include "cli/commands.h"
#include "cli/session.h"

#include <inttypes.h>

enum { KEY_MAN = 0x2001, KEY_COMPLETE };

struct opts {
    bool as_man, as_words;
};

static const struct argp_option options[] = {
    {"man", KEY_MAN, NULL, 0, "print the source of the manual page (scdoc)", 0},
    {"complete", KEY_COMPLETE, NULL, 0, "print what may follow WORD..., for shells", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    (void)arg, (void)err;
    *(key == KEY_MAN ? &o->as_man : &o->as_words) = true;
    return 0;
}

/* Numbers of the newest jobs that start so; none without a pool, in silence. */
static void add_jobs(struct cli *c, const char *start, struct cq_str *out)
{
    struct msg ask = {.code = MSG_JOBS_QUERY}, reply = {0};
    struct net_client *s = session_open(c, AS_USER, NULL);
    if (s && session_call(s, &ask, MSG_JOBS, &reply, NULL) == 0) {
        for (size_t i = 0; i < reply.u.jobs.n_jobs; i++) {
            char number[24];
            (void)snprintf(number, sizeof number, "%" PRIu64, reply.u.jobs.jobs[i].number);
            if (cq_str_starts(number, start))
                cq_str_printf(out, "%s\n", number);
        }
        msg_fini(&reply);
    }
    net_client_close(s);
}

static int add_text(struct cli *c, const struct opts *o, size_t n, char **args, struct cq_str *out,
                    struct cq_err *err)
{
    if (o->as_words) {
        help_complete(n, args, out);
        if (help_wants_jobs(n, args))
            add_jobs(c, args[n - 1], out);
        return 0;
    }
    const struct command *cmd = n ? command_find(args[0]) : NULL;
    if (n > 1)
        return cq_fail(err, CQ_E_INVALID, "help: one command at a time");
    if (n && cmd == NULL)
        return command_fail_unknown(args[0], err);
    if (o->as_man)
        cmd ? help_man(cmd, out) : help_man_overview(out);
    else
        cmd ? help_command(cmd, out) : help_overview(out);
    return 0;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct cq_str text = {0};
    int rc = add_text(c, opts, n_args, args, &text, err);
    (void)fputs(cq_str_text(&text), stdout);
    cq_str_fini(&text);
    return rc;
}

const struct command cmd_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "Explain chipq or one of its commands",
    .examples = "chipq help\nchipq help submit\nchipq help --man submit | scdoc > chipq-submit.1",
    .options = options,
    .flags = COMMAND_NO_JSON,
    .max_args = 1000,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
