// LINK: cq_cli
/* Option parsing, and the table of commands that it, help, man pages and completion share. */
#include "cli/command.h"

#include <criterion/criterion.h>

static int parse(const char *command, int argc, const char *const *argv, struct cli *c,
                 char ***args, size_t *n, struct cq_err *err)
{
    const struct command *cmd = command_find(command);
    static char *copy[32];
    cr_assert_not_null(cmd);
    for (int i = 0; i < argc; i++)
        copy[i] = (char *)argv[i];
    copy[argc] = NULL;
    struct command_line line = {.opts = cq_calloc(1, cmd->opts_bytes + 1)};
    int rc = command_parse(cmd, c, argc, copy, &line, err);
    *args = line.args;
    *n = line.n_args;
    if (cmd->fini)
        cmd->fini(line.opts);
    free(line.opts);
    return rc;
}

#define PARSE(...)                                                                                 \
    parse((const char *const[]){__VA_ARGS__}[0],                                                   \
          (int)CQ_COUNT(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__}, \
          &c, &args, &n, &err)

Test(cli_parse, submit_takes_the_rest)
{
    struct cli c = {0};
    char **args = NULL;
    size_t n = 0;
    struct cq_err err = {0};
    cr_assert_eq(PARSE("submit", "--cores", "2", "--", "make", "-j4", "--json"), 0, "%s", err.text);
    cr_expect_eq(n, 3);
    cr_expect_str_eq(args[0], "make");
    cr_expect_str_eq(args[2], "--json");
    cr_expect_eq(c.output, CLI_TABLE, "--json was the command's own");
    cr_assert_eq(PARSE("submit", "--mem=4G", "make", "-j4"), 0, "%s", err.text);
    cr_expect_eq(n, 2);
    cr_expect_str_eq(args[1], "-j4");
}

Test(cli_parse, options_may_follow_arguments)
{
    struct cli c = {0};
    char **args = NULL;
    size_t n = 0;
    struct cq_err err = {0};
    cr_assert_eq(PARSE("wait", "12", "--timeout", "5m", "13", "--dir", "/x"), 0, "%s", err.text);
    cr_expect_eq(n, 2);
    cr_expect_str_eq(c.dir_option, "/x");
}

Test(cli_parse, wrong_options_say_what_was_meant)
{
    static const struct {
        const char *option, *part;
    } cases[] = {
        {"--coers", "did you mean '--cores'?"},
        {"-x", "no option '-x'"},
        {"--hold=yes", "takes no argument"},
        {"--cores=0", "--cores: 0 is out of range"},
        {"--mem", "needs an argument: SIZE"},
        {"--licence=vcs:x", "--licence: vcs: "},
        {"--topo=close", "placement wish"},
        {"--after=soon:3", "--after"},
        {"--output=x", "did you mean '--output-max'?"},
        {"--core=2", "did you mean '--cores'?"},
        {"--lic=x", "did you mean '--licence'?"},
    };
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        struct cli c = {0};
        char **args = NULL;
        size_t n = 0;
        struct cq_err err = {0};
        cr_expect_eq(PARSE("submit", cases[i].option), -1, "%s was taken", cases[i].option);
        cr_expect_eq(err.code, CQ_E_INVALID);
        cr_expect_not_null(strstr(err.text, cases[i].part), "%s: %s", cases[i].option, err.text);
    }
}

Test(cli_parse, output_forms_exclude_each_other)
{
    struct cli c = {0};
    char **args = NULL;
    size_t n = 0;
    struct cq_err err = {0};
    cr_expect_eq(PARSE("jobs", "--json", "--jsonl"), -1);
    c = (struct cli){0};
    cr_expect_eq(PARSE("logs", "--json", "3"), -1);
    cr_expect_not_null(strstr(err.text, "logs are bytes"));
    cr_expect_eq(c.output, CLI_JSON, "the error itself is JSON");
    c = (struct cli){0};
    cr_expect_eq(PARSE("jobs", "--format", "csv"), 0);
    cr_expect_eq(c.output, CLI_CSV);
}

Test(cli_parse, counts_arguments)
{
    struct cli c = {0};
    char **args = NULL;
    size_t n = 0;
    struct cq_err err = {0};
    cr_expect_eq(PARSE("job"), -1);
    cr_expect_not_null(strstr(err.text, "usage: chipq job JOB"));
    cr_expect_eq(PARSE("job", "1", "2"), -1);
    cr_expect_not_null(strstr(err.text, "'2' is one argument too many"));
}

Test(cli_parse, table_is_sorted_and_complete)
{
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *cmd = commands[i];
        cr_expect(i == 0 || strcmp(commands[i - 1]->name, cmd->name) < 0, "%s is out of order",
                  cmd->name);
        cr_expect_eq(command_find(cmd->name), cmd);
        cr_expect_not_null(cmd->examples, "%s has no example", cmd->name);
        cr_expect_not_null(strstr(cmd->examples, cmd->name), "%s: its example is another's",
                           cmd->name);
        cr_expect_not_null(cmd->run);
        cr_expect(cmd->options == NULL || cmd->set != NULL);
        cr_expect_lt(strlen(cmd->summary), 80);
        cr_expect_neq(cmd->summary[strlen(cmd->summary) - 1], '.');
    }
    cr_expect_null(command_find("sbumit"));
}

/* Every option that is parsed is in --help and in the manual page. */
Test(cli_parse, help_and_man_name_every_option)
{
    for (size_t i = 0; i < n_commands; i++) {
        struct cq_str help = {0}, man = {0};
        help_command(commands[i], &help);
        help_man(commands[i], &man);
        for (const struct argp_option *o = commands[i]->options; o && o->name; o++) {
            char option[64];
            snprintf(option, sizeof option, "--%s", o->name);
            bool is_hidden = o->flags & OPTION_HIDDEN;
            cr_expect_eq(strstr(cq_str_text(&help), option) != NULL, !is_hidden, "%s %s",
                         commands[i]->name, option);
            cr_expect_eq(strstr(cq_str_text(&man), option) != NULL, !is_hidden, "%s %s",
                         commands[i]->name, option);
        }
        cr_expect_not_null(strstr(cq_str_text(&help), "Examples:\n"));
        cq_str_fini(&help);
        cq_str_fini(&man);
    }
}

static void expect_completion(size_t n, const char *const *words, const char *expected)
{
    struct cq_str out = {0};
    help_complete(n, (char **)words, &out);
    cr_expect_str_eq(cq_str_text(&out), expected);
    cq_str_fini(&out);
}

Test(cli_parse, completion)
{
    expect_completion(1, (const char *const[]){"sub"}, "submit\n");
    expect_completion(2, (const char *const[]){"submit", "--ma"}, "--max-attempts\n");
    expect_completion(2, (const char *const[]){"jobs", "--js"}, "--json\n--jsonl\n");
    expect_completion(2, (const char *const[]){"submit", "ma"}, "");
    expect_completion(2, (const char *const[]){"help", "wh"}, "why\n");
    expect_completion(3, (const char *const[]){"jobs", "--state", "r"}, "running\n");
    cr_expect(help_wants_jobs(2, (char *[]){(char *)"job", (char *)"1"}));
    cr_expect(help_wants_jobs(3, (char *[]){(char *)"cancel", (char *)"3", (char *)""}));
    cr_expect_not(help_wants_jobs(2, (char *[]){(char *)"job", (char *)"--js"}));
    cr_expect_not(help_wants_jobs(2, (char *[]){(char *)"submit", (char *)""}));
    cr_expect_not(help_wants_jobs(3, (char *[]){(char *)"wait", (char *)"--timeout", (char *)""}));
    cr_expect_not(help_wants_jobs(1, (char *[]){(char *)"job"}));
}

Test(cli_parse, unknown_command)
{
    struct cq_err err = {0};
    cr_expect_eq(command_fail_unknown("sbumit", &err), -1);
    cr_expect_str_eq(err.text, "no command 'sbumit'; did you mean 'submit'?");
}

Test(cli_parse, words_of_other_schedulers)
{
    static const struct {
        const char *word, *ours;
    } cases[] = {{"squeue", "chipq jobs"},     {"bkill", "chipq cancel"}, {"stop", "chipq down"},
                 {"stop", "chipq cancel JOB"}, {"sinfo", "chipq nodes"},  {"qsub", "chipq submit"},
                 {"rerun", "chipq requeue"},   {"show", "chipq job"},     {"start", "chipq up"},
                 {"ls", "chipq jobs"},         {"kill", "chipq cancel"},  {"sacct", "chipq jobs"}};
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        struct cq_err err = {0};
        cr_expect_eq(command_fail_unknown(cases[i].word, &err), -1);
        cr_expect_not_null(strstr(err.text, cases[i].ours), "%s: %s", cases[i].word, err.text);
    }
}
