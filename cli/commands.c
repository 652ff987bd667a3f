/* The table of all commands, sorted by name, and the way from argv to one of them. */
#include "cli/command.h"
#include "cli/columns.h"
#include "cli/commands.h"

#include <unistd.h>

const struct command *const commands[] = {
    &cmd_admin,      &cmd_cancel, &cmd_doctor,   &cmd_down,    &cmd_help,     &cmd_hold,
    &cmd_instrument, &cmd_job,    &cmd_jobs,     &cmd_licence, &cmd_licences, &cmd_logs,
    &cmd_node,       &cmd_nodes,  &cmd_quota,    &cmd_release, &cmd_requeue,  &cmd_reservation,
    &cmd_run,        &cmd_share,  &cmd_simulate, &cmd_status,  &cmd_submit,   &cmd_tools,
    &cmd_up,         &cmd_usage,  &cmd_version,  &cmd_wait,    &cmd_why,
};
const size_t n_commands = CQ_COUNT(commands);

const struct command *command_find(const char *name)
{
    size_t low = 0, high = n_commands;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(name, commands[mid]->name);
        if (order == 0)
            return commands[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* What people type who come from another scheduler. */
static const char *foreign_word(const char *name)
{
    static const struct {
        const char *words, *ours;
    } table[] = {
        {" squeue bjobs queue qstat ls list ps sacct bhist history ", "chipq jobs"},
        {" scancel bkill kill qdel abort delete rm ", "chipq cancel"},
        {" sinfo bhosts qhost hosts lshosts machines workers ", "chipq nodes"},
        {" sbatch srun bsub qsub add exec ", "chipq submit"},
        {" rerun restart retry brequeue ", "chipq requeue"},
        {" info show scontrol describe inspect ", "chipq job"},
        {" bstop suspend ", "chipq hold"},
        {" bresume unhold ", "chipq release"},
        {" log tail cat bpeek output ", "chipq logs"},
        {" flow make ", "chipq run"},
        {" start init serve ", "chipq up"},
        {" fairshare sshare shares ", "chipq share"},
        {" quotas limits blimits ", "chipq quota"},
        {" license licenses lmstat ", "chipq licences"},
        {" reservations brsvs resv brsvadd ", "chipq reservation"},
        {" sacctmgr ", "chipq admin"},
        {" sreport bacct accounting bill ", "chipq usage"},
        {" stop ", "chipq cancel JOB, or for the whole pool chipq down"},
        {" shutdown halt quit ", "chipq down"},
    };
    char padded[32];
    (void)snprintf(padded, sizeof padded, " %.20s ", name);
    for (size_t i = 0; i < CQ_COUNT(table); i++)
        if (!strchr(name, ' ') && strstr(table[i].words, padded))
            return table[i].ours;
    return NULL;
}

int command_fail_unknown(const char *name, struct cq_err *err)
{
    const char *ours = foreign_word(name);
    if (ours)
        return cq_fail(err, CQ_E_INVALID, "no command '%s'; here it is: %s", name, ours);
    const char *names[CQ_COUNT(commands) + 1];
    for (size_t i = 0; i < n_commands; i++)
        names[i] = commands[i]->name;
    names[n_commands] = NULL;
    const char *meant = cq_closest(name, names);
    if (meant)
        return cq_fail(err, CQ_E_INVALID, "no command '%s'; did you mean '%s'?", name, meant);
    return cq_fail(err, CQ_E_INVALID, "no command '%s'; see: chipq help", name);
}

static int print_help(const struct command *cmd)
{
    struct cq_str text = {0};
    help_command(cmd, &text);
    (void)fputs(cq_str_text(&text), stdout);
    cq_str_fini(&text);
    return 0;
}

static int run_command(const struct command *cmd, struct cli *c, int argc, char **argv,
                       struct cq_err *err)
{
    struct command_line line = {.opts = cq_calloc(1, cmd->opts_bytes + 1)};
    int rc = command_parse(cmd, c, argc, argv, &line, err);
    c->watches = (cmd->flags & COMMAND_WATCHES) != 0;
    if (rc == 1)
        rc = print_help(cmd);
    else if (rc == 0)
        rc = cmd->run(c, line.opts, line.n_args, line.args, err);
    if (cmd->fini)
        cmd->fini(line.opts);
    free(line.opts);
    return rc;
}

/* Moves the global options that stand before the command behind it. Returns the command's place in
 * argv, argc when there is none. */
static int find_command(int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-') {
        bool has_argument = false;
        for (const struct argp_option *o = global_options; o->name; o++)
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, o->name) == 0 && o->arg)
                has_argument = true;
        i += has_argument ? 2 : 1;
    }
    return i < argc ? i : argc;
}

static int run_without_command(int argc, char **argv, struct cq_err *err)
{
    struct cq_str text = {0};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0)
            return printf("chipq %s\n", CHIPQ_VERSION), 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            return cq_fail(err, CQ_E_INVALID, "say which command; see: chipq help");
    help_overview(&text);
    (void)fputs(cq_str_text(&text), argc > 1 ? stdout : stderr);
    cq_str_fini(&text);
    return argc > 1 ? 0 : cq_code_exit_status(CQ_E_INVALID);
}

static int dispatch(struct cli *c, int argc, char **argv, struct cq_err *err)
{
    int at = find_command(argc, argv);
    if (at == argc)
        return run_without_command(argc, argv, err);
    const struct command *cmd = command_find(argv[at]);
    if (cmd == NULL)
        return command_fail_unknown(argv[at], err);
    CQ_CLEANUP(cq_free_ptr) char **moved = cq_calloc((size_t)argc + 1, sizeof *moved);
    int n = 0;
    moved[n++] = argv[at];
    for (int i = 1; i < at; i++)
        moved[n++] = argv[i];
    for (int i = at + 1; i < argc; i++)
        moved[n++] = argv[i];
    return run_command(cmd, c, n, moved, err);
}

int cli_main(int argc, char **argv)
{
    struct cli c;
    struct cq_err err = {0};
    cli_init(&c);
    int rc = dispatch(&c, argc, argv, &err);
    cli_fini(&c);
    if (rc < 0)
        cli_print_error(&c, &err);
    if (fflush(stdout) != 0 && rc >= 0)
        rc = cq_fail(&err, CQ_E_IO, "cannot write the output");
    if (rc >= 0)
        return rc;
    cli_say_error(&err);
    return cq_code_exit_status(err.code);
}
