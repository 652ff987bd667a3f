/* Reads a command's options with argp, after a look of our own that can say what was meant. */
#include "cli/command.h"

#include <errno.h>

enum { KEY_DIR = 0x1001, KEY_KEY, KEY_JSON, KEY_JSONL, KEY_FORMAT, KEY_HELP };
enum { OWN_OPTIONS_MAX = 56 };

const struct argp_option global_options[] = {
    {"dir", KEY_DIR, "DIR", 0, "instance directory (CHIPQ_DIR; else the user's own)", 0},
    {"key", KEY_KEY, "FILE", 0, "key file to act with (CHIPQ_KEY; else the instance's)", 0},
    {"json", KEY_JSON, NULL, 0, "print one JSON object", 0},
    {"jsonl", KEY_JSONL, NULL, 0, "print one JSON object a line", 0},
    {"format", KEY_FORMAT, "LIST", 0, "columns to print, 'number,state'; or 'csv'", 0},
    {"help", 'h', NULL, 0, "print this help", 0},
    {0},
};

struct parse {
    const struct command *cmd;
    struct cli *c;
    void *opts;
    char **args;
    size_t n_args;
    bool wants_help;
    struct cq_err *err;
};

static bool is_end(const struct argp_option *o)
{
    return o->name == NULL && o->key == 0;
}

/* Names are not abbreviated: a script that says --out must not change its meaning when an option
 * is added. `is_prefix` finds the first option that starts so, for what is said then. */
static const struct argp_option *find_long(const struct argp_option *const lists[2],
                                           const char *name, size_t len, bool is_prefix)
{
    for (size_t i = 0; i < 2; i++)
        for (const struct argp_option *o = lists[i]; o && !is_end(o); o++)
            if (strncmp(o->name, name, len) == 0 && (is_prefix || o->name[len] == '\0')
                && !(is_prefix && o->flags & OPTION_HIDDEN))
                return o;
    return NULL;
}

static const struct argp_option *find_short(const struct argp_option *const lists[2], char letter)
{
    for (size_t i = 0; i < 2; i++)
        for (const struct argp_option *o = lists[i]; o && !is_end(o); o++)
            if (o->key == letter)
                return o;
    return NULL;
}

static int fail_option(const struct parse *p, const struct argp_option *const lists[2],
                       const char *name, size_t len)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        for (const struct argp_option *o = lists[i]; o && !is_end(o) && n < 63; o++)
            names[n++] = o->name;
    names[n] = NULL;
    CQ_CLEANUP(cq_free_ptr) char *given = cq_strndup(name, len);
    const struct argp_option *longer = len > 1 ? find_long(lists, name, len, true) : NULL;
    const char *meant = longer ? longer->name : cq_closest(given, names);
    return cq_fail(p->err, CQ_E_INVALID, "%s: no option '--%s'%s%s%s; see: chipq %s --help",
                   p->cmd->name, given, meant ? "; did you mean '--" : "", meant ? meant : "",
                   meant ? "'?" : "", p->cmd->name);
}

/* One word that starts with '-'. Sets *skip when the next word is its argument. */
static int check_word(const struct parse *p, const struct argp_option *const lists[2],
                      const char *word, bool has_next, bool *skip)
{
    const struct argp_option *o;
    bool has_arg = false;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        o = find_long(lists, word + 2, len, false);
        if (o == NULL)
            return fail_option(p, lists, word + 2, len);
        has_arg = word[2 + len] == '=';
        if (has_arg && o->arg == NULL)
            return cq_fail(p->err, CQ_E_INVALID, "%s: --%s takes no argument", p->cmd->name,
                           o->name);
    } else {
        o = find_short(lists, word[1]);
        if (o == NULL && word[1] >= '0' && word[1] <= '9')
            return cq_fail(p->err, CQ_E_INVALID,
                           "%s: '%s' is taken for an option, and numbers below 0 are not taken; "
                           "see: chipq %s --help",
                           p->cmd->name, word, p->cmd->name);
        if (o == NULL)
            return cq_fail(p->err, CQ_E_INVALID, "%s: no option '%.2s'; see: chipq %s --help",
                           p->cmd->name, word, p->cmd->name);
        if (o->arg == NULL && word[2])
            return cq_fail(p->err, CQ_E_INVALID, "%s: write '%s' as separate options", p->cmd->name,
                           word);
        has_arg = word[2] != '\0';
    }
    *skip = o->arg && !has_arg;
    if (*skip && !has_next)
        return cq_fail(p->err, CQ_E_INVALID, "%s: --%s needs an argument: %s", p->cmd->name,
                       o->name, o->arg);
    return 0;
}

static int check_words(const struct parse *p, int argc, char **argv)
{
    const struct argp_option *const lists[2] = {p->cmd->options, global_options};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            break;
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            if (p->cmd->flags & COMMAND_TAKES_REST)
                break;
            continue;
        }
        bool skip = false;
        if (check_word(p, lists, argv[i], i + 1 < argc, &skip) != 0)
            return -1;
        i += skip;
    }
    return 0;
}

static int fail_output(const struct parse *p, enum cli_output output)
{
    if (output != CLI_JSON)
        return cq_fail(p->err, CQ_E_INVALID, "it prints no rows%s",
                       p->cmd->flags & COMMAND_NO_JSON ? "" : "; use --json");
    if (strcmp(p->cmd->name, "logs") == 0)
        return cq_fail(p->err, CQ_E_INVALID,
                       "logs are bytes; chipq job JOB --json has their log_path");
    return cq_fail(p->err, CQ_E_INVALID, "it prints no JSON");
}

static int set_output(struct parse *p, enum cli_output output, const char *format)
{
    if (p->c->output != CLI_TABLE && p->c->output != output)
        return cq_fail(p->err, CQ_E_INVALID, "choose one of --json, --jsonl and --format");
    if ((output == CLI_JSON && p->cmd->flags & COMMAND_NO_JSON)
        || (output != CLI_JSON && !(p->cmd->flags & COMMAND_HAS_ROWS)))
        return fail_output(p, output);
    p->c->output = output;
    p->c->format = format;
    return 0;
}

static int set_global(struct parse *p, int key, const char *arg)
{
    switch (key) {
    case KEY_DIR:
        p->c->dir_option = arg;
        return 0;
    case KEY_KEY:
        p->c->key_option = arg;
        return 0;
    case KEY_JSON:
        return set_output(p, CLI_JSON, NULL);
    case KEY_JSONL:
        return set_output(p, CLI_JSONL, NULL);
    case KEY_FORMAT:
        return set_output(p, strcmp(arg, "csv") == 0 ? CLI_CSV : CLI_COLUMNS, arg);
    default:
        p->wants_help = true;
        return 0;
    }
}

static bool is_global(int key)
{
    return key == 'h' || (key >= KEY_DIR && key <= KEY_HELP);
}

static error_t on_key(int key, char *arg, struct argp_state *state)
{
    struct parse *p = state->input;
    if (key == ARGP_KEY_ARGS) {
        p->args = state->argv + state->next;
        p->n_args = (size_t)(state->argc - state->next);
        state->next = state->argc;
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN; /* asks for ARGP_KEY_ARGS */
    if (is_global(key))
        return set_global(p, key, arg) == 0 ? 0 : EINVAL;
    if (p->cmd->options)
        for (const struct argp_option *o = p->cmd->options; !is_end(o); o++)
            if (o->key == key)
                return p->cmd->set(p->opts, key, arg, p->err) == 0 ? 0 : EINVAL;
    return ARGP_ERR_UNKNOWN;
}

static int check_count(const struct parse *p)
{
    if (p->n_args < p->cmd->min_args)
        return cq_fail(p->err, CQ_E_INVALID, "%s: something is missing; usage: chipq %s %s",
                       p->cmd->name, p->cmd->name, p->cmd->args);
    if (p->n_args > p->cmd->max_args)
        return cq_fail(p->err, CQ_E_INVALID,
                       "%s: '%s' is one argument too many; usage: chipq %s %s", p->cmd->name,
                       p->args[p->cmd->max_args], p->cmd->name, p->cmd->args);
    return 0;
}

/* The command's own options and the global ones as one list. */
static void join_options(const struct command *cmd, struct argp_option *out)
{
    size_t n = 0;
    for (const struct argp_option *o = cmd->options; o && !is_end(o) && n < OWN_OPTIONS_MAX; o++)
        out[n++] = *o;
    for (const struct argp_option *o = global_options; !is_end(o); o++)
        out[n++] = *o;
    out[n] = (struct argp_option){0};
}

/* Whoever asked for JSON gets the error as JSON too. */
static void notice_json(struct cli *c, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            c->output = CLI_JSON;
}

static int parse_line(const struct command *cmd, struct cli *c, int argc, char **argv,
                      struct command_line *line, struct cq_err *err)
{
    static char *no_args[] = {NULL};
    struct cq_err local = {0};
    struct parse p = {
        .cmd = cmd, .c = c, .opts = line->opts, .args = no_args, .err = err ? err : &local};
    struct argp_option options[OWN_OPTIONS_MAX + 8];
    const struct argp argp = {.options = options, .parser = on_key};
    unsigned flags = ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP;
    if (check_words(&p, argc, argv) != 0)
        return -1;
    join_options(cmd, options);
    if (cmd->flags & COMMAND_TAKES_REST)
        flags |= ARGP_IN_ORDER;
    p.err->text[0] = '\0';
    if (argp_parse(&argp, argc, argv, flags, NULL, &p) != 0) {
        if (p.err->text[0] == '\0')
            return cq_fail(p.err, CQ_E_INVALID, "%s: wrong options; see: chipq %s --help",
                           cmd->name, cmd->name);
        return cq_wrap(p.err, "%s", cmd->name);
    }
    if (p.wants_help)
        return 1;
    line->args = p.args;
    line->n_args = p.n_args;
    return check_count(&p);
}

int command_parse(const struct command *cmd, struct cli *c, int argc, char **argv,
                  struct command_line *line, struct cq_err *err)
{
    int rc = parse_line(cmd, c, argc, argv, line, err);
    if (rc < 0)
        notice_json(c, argc, argv);
    return rc;
}
