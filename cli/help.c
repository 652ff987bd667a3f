/* Help, man page sources and completion words, all made from the command table. */
#include "cli/command.h"

enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };

static bool is_end(const struct argp_option *o)
{
    return o->name == NULL && o->key == 0;
}

static bool applies(const struct command *cmd, const struct argp_option *o)
{
    if (strcmp(o->name, "json") == 0)
        return !(cmd->flags & COMMAND_NO_JSON);
    if (strcmp(o->name, "jsonl") == 0 || strcmp(o->name, "format") == 0)
        return cmd->flags & COMMAND_HAS_ROWS;
    return true;
}

/* Appends `text` with lines broken at spaces, later lines starting in HELP_COLUMN. */
static void add_wrapped(struct cq_str *out, size_t column, const char *text)
{
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + word + 1 > HELP_WIDTH && column > HELP_COLUMN) {
            cq_str_printf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            cq_str_add_char(out, ' ');
            column++;
        }
        cq_str_append(out, text, word);
        column += word;
        text += word + (text[word] == ' ');
    }
    cq_str_add_char(out, '\n');
}

static const char job_names[] =
    "JOB is a number, 1207; tasks of an array are 1207[3] or 1207[1-5,9]. Where several\n"
    "are taken: 53,54 or 1-3. A job of another enterprise, for platform admins, is\n"
    "ENTERPRISE/JOB: acme/1207.\n";

static bool names_jobs(const struct command *cmd)
{
    return strstr(cmd->args, "JOB") != NULL;
}

static void add_option_name(struct cq_str *out, const struct argp_option *o)
{
    if (o->key > 0 && o->key < 128)
        cq_str_printf(out, "-%c, ", o->key);
    cq_str_printf(out, "--%s", o->name);
    if (o->arg)
        cq_str_printf(out, " %s", o->arg);
}

static void add_option(struct cq_str *out, const struct argp_option *o)
{
    size_t start = out->len;
    cq_str_add(out, "  ");
    add_option_name(out, o);
    size_t column = out->len - start;
    if (column >= HELP_COLUMN - 1) {
        cq_str_add_char(out, '\n');
        column = 0;
    }
    cq_str_printf(out, "%*s", (int)(HELP_COLUMN - column), "");
    add_wrapped(out, HELP_COLUMN, o->doc);
}

/* Calls back with each line of `text`. */
static void add_lines(struct cq_str *out, const char *indent, const char *text, const char *ending)
{
    for (const char *p = text; p && *p;) {
        size_t len = strcspn(p, "\n");
        cq_str_add(out, len ? indent : "");
        cq_str_append(out, p, len);
        cq_str_add(out, ending);
        p += len + (p[len] == '\n');
    }
}

void help_overview(struct cq_str *out)
{
    cq_str_add(out, "chipq runs chip-design work on one shared pool of machines.\n\n"
                    "Usage: chipq [--dir DIR] COMMAND [OPTION...]\n\nCommands:\n");
    for (size_t i = 0; i < n_commands; i++)
        cq_str_printf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
    cq_str_add(out, "\nExamples:\n  chipq up\n  chipq run signoff.yaml\n"
                    "  chipq submit --cores 2 -- make sim\n  chipq why 12\n"
                    "\nMore: chipq COMMAND --help\n");
}

void help_command(const struct command *cmd, struct cq_str *out)
{
    cq_str_printf(out, "Usage: chipq %s [OPTION...]%s%s\n%s.\n", cmd->name, *cmd->args ? " " : "",
                  cmd->args, cmd->summary);
    if (cmd->text) {
        cq_str_add_char(out, '\n');
        add_lines(out, "", cmd->text, "\n");
    }
    if (names_jobs(cmd))
        cq_str_printf(out, "\n%s", job_names);
    cq_str_add(out, "\nOptions:\n");
    for (const struct argp_option *o = cmd->options; o && !is_end(o); o++)
        if (!(o->flags & OPTION_HIDDEN))
            add_option(out, o);
    for (const struct argp_option *o = global_options; !is_end(o); o++)
        if (applies(cmd, o))
            add_option(out, o);
    cq_str_add(out, "\nExamples:\n");
    add_lines(out, "  ", cmd->examples, "\n");
}

/* Escapes what scdoc would read as markup. */
static void add_man(struct cq_str *out, const char *text)
{
    if (*text == '-') /* would start a list */
        cq_str_add_char(out, '\\');
    for (; *text; text++) {
        if (strchr("_*\\<>~#[]|`", *text))
            cq_str_add_char(out, '\\');
        cq_str_add_char(out, *text);
    }
}

static void add_man_option(struct cq_str *out, const struct argp_option *o)
{
    struct cq_str name = {0};
    add_option_name(&name, o);
    cq_str_add(out, "*");
    add_man(out, cq_str_text(&name));
    cq_str_add(out, "*\n\t");
    add_man(out, o->doc);
    cq_str_add(out, "\n\n");
    cq_str_fini(&name);
}

static void add_man_literal(struct cq_str *out, const char *text)
{
    cq_str_add(out, "```\n");
    add_lines(out, "", text, "\n");
    cq_str_add(out, "```\n");
}

static void add_man_end(struct cq_str *out)
{
    cq_str_add(out, "\n# EXIT STATUS\n\n*0*\tdone; every job that was asked about passed\n\n"
                    "*1*\ta job did not pass\n\n*2*\twrong usage, or a file with errors\n\n"
                    "*3*\tnot found, or not allowed\n\n*4*\trefused by quota\n\n"
                    "*5*\tno scheduler answers\n\n*6*\ttimed out\n\n*7*\tconflict\n\n"
                    "*70*\tan internal error\n\n*130*\tended by Ctrl-C; the jobs go on\n");
}

void help_man(const struct command *cmd, struct cq_str *out)
{
    cq_str_printf(out, "chipq-%s(1) \"chipq " CHIPQ_VERSION "\"\n\n# NAME\n\nchipq-%s - ",
                  cmd->name, cmd->name);
    add_man(out, cmd->summary);
    cq_str_printf(out, "\n\n# SYNOPSIS\n\n*chipq %s* ", cmd->name);
    add_man(out, "[OPTION...] ");
    add_man(out, cmd->args);
    cq_str_add(out, "\n\n# DESCRIPTION\n\n");
    add_man(out, cmd->summary);
    cq_str_add(out, ".\n\n");
    if (cmd->text)
        add_man_literal(out, cmd->text);
    if (names_jobs(cmd)) {
        cq_str_add(out, "\n");
        add_man(out, job_names);
    }
    cq_str_add(out, "\n# OPTIONS\n\n");
    for (const struct argp_option *o = cmd->options; o && !is_end(o); o++)
        if (!(o->flags & OPTION_HIDDEN))
            add_man_option(out, o);
    for (const struct argp_option *o = global_options; !is_end(o); o++)
        if (applies(cmd, o))
            add_man_option(out, o);
    cq_str_add(out, "# EXAMPLES\n\n");
    add_man_literal(out, cmd->examples);
    add_man_end(out);
    cq_str_add(out, "\n# SEE ALSO\n\n*chipq*(1)\n");
}

void help_man_overview(struct cq_str *out)
{
    cq_str_add(out,
               "chipq(1) \"chipq " CHIPQ_VERSION "\"\n\n# NAME\n\n"
               "chipq - run chip-design work on one shared pool of machines\n\n"
               "# SYNOPSIS\n\n*chipq* \\[--dir DIR\\] COMMAND \\[OPTION...\\]\n\n# COMMANDS\n\n");
    for (size_t i = 0; i < n_commands; i++) {
        cq_str_printf(out, "*chipq-%s*(1)\n\t", commands[i]->name);
        add_man(out, commands[i]->summary);
        cq_str_add(out, "\n\n");
    }
    cq_str_add(
        out,
        "# ENVIRONMENT\n\n*CHIPQ\\_DIR*\n\tinstance directory, as *--dir*\n\n"
        "*CHIPQ\\_HELPER*\n\t'off': each command shakes hands with the scheduler itself, and no "
        "chipq-helper goes on for those that follow\n\n"
        "*CHIPQ\\_KEY*\n\tkey file, as *--key*\n\n"
        "*XDG\\_STATE\\_HOME*\n\tits folder chipq is the instance directory when neither "
        "is given\n\n*NO\\_COLOR*\n\twhen set and not empty, no colour is used\n");
    add_man_end(out);
}

static void complete_options(const struct argp_option *o, const char *start, struct cq_str *out)
{
    for (; o && !is_end(o); o++)
        if (strncmp(o->name, start + 2, strlen(start) - 2) == 0)
            cq_str_printf(out, "--%s\n", o->name);
}

/* "list|set|remove [NAME]": an action word that starts so. */
static void complete_actions(const char *args, const char *start, struct cq_str *out)
{
    size_t all = strcspn(args, " ");
    if (memchr(args, '|', all) == NULL || args[0] < 'a' || args[0] > 'z')
        return;
    for (const char *p = args; p < args + all;) {
        size_t len = strcspn(p, "| ");
        if (strncmp(p, start, strlen(start)) == 0)
            cq_str_printf(out, "%.*s\n", (int)len, p);
        p += len + 1;
    }
}

static void complete_states(const char *start, struct cq_str *out)
{
    for (const char *const *state = jobs_states; *state; state++)
        if (cq_str_starts(*state, start))
            cq_str_printf(out, "%s\n", *state);
}

bool help_wants_jobs(size_t n_words, char **words)
{
    const char *last = n_words ? words[n_words - 1] : "";
    const struct command *cmd = NULL;
    for (size_t i = 0; i + 1 < n_words && cmd == NULL; i++)
        cmd = command_find(words[i]);
    return cmd && cq_str_starts(cmd->args, "JOB") && last[strspn(last, "0123456789")] == '\0'
           && !cq_str_starts(words[n_words - 2], "--");
}

void help_complete(size_t n_words, char **words, struct cq_str *out)
{
    const struct command *cmd = NULL;
    const char *last = n_words ? words[n_words - 1] : "";
    for (size_t i = 0; i + 1 < n_words && cmd == NULL; i++)
        cmd = command_find(words[i]);
    if (n_words > 1 && strcmp(words[n_words - 2], "--state") == 0) {
        complete_states(last, out);
    } else if (cq_str_starts(last, "--")) {
        complete_options(cmd ? cmd->options : NULL, last, out);
        complete_options(global_options, last, out);
    } else if (cmd == NULL || strcmp(cmd->name, "help") == 0) {
        for (size_t i = 0; i < n_commands; i++)
            if (cq_str_starts(commands[i]->name, last))
                cq_str_printf(out, "%s\n", commands[i]->name);
    } else if (n_words > 1 && strcmp(words[n_words - 2], cmd->name) == 0) {
        complete_actions(cmd->args, last, out);
    }
}
