/* A command is one row: name, arguments, options, texts and the function that does it, side by
 * side. Help, man pages and completion are printed from these rows, so they cannot disagree with
 * what is parsed. */
#ifndef COMMAND_H
#define COMMAND_H

#include "cli/cli.h"

#include <argp.h>

enum command_flags {
    COMMAND_TAKES_REST = 1, /* everything from the first argument on is the caller's command */
    COMMAND_HAS_ROWS = 2,   /* --jsonl and --format make sense */
    COMMAND_NO_JSON = 4,    /* it prints no data */
    COMMAND_WATCHES = 8,    /* its session is for itself alone */
};

/* Puts one option into `opts`. `arg` is NULL for options without argument; borrowed from argv. */
typedef int (*command_set_fn)(void *opts, int key, const char *arg, struct cq_err *err);

/* Does the command. Returns an exit status (0 ok, 1 a job failed), or -1 with `err`. */
typedef int (*command_run_fn)(struct cli *c, void *opts, size_t n_args, char **args,
                              struct cq_err *err);

struct command {
    const char *name;
    const char *args;                  /* after the options in the usage line */
    const char *summary;               /* one line */
    const char *text;                  /* more about it, lines up to 78 characters; may be NULL */
    const char *examples;              /* one a line: "chipq jobs --live" */
    const struct argp_option *options; /* ends with zeroes; may be NULL */
    unsigned flags;                    /* enum command_flags */
    size_t min_args, max_args;
    size_t opts_bytes; /* of the zeroed memory that `set` fills */
    command_set_fn set;
    command_run_fn run;
    void (*fini)(void *opts); /* releases what `set` took; may be NULL */
};

/* All commands, sorted by name. */
extern const struct command *const commands[];
extern const size_t n_commands;

/* What jobs --state takes; ends with NULL. */
extern const char *const jobs_states[];

/* The options that every command takes; ends with zeroes. */
extern const struct argp_option global_options[];

const struct command *command_find(const char *name); /* NULL when there is none */

/* Fills `err` with "no command 'sbumit'; did you mean 'submit'?" and returns -1. */
int command_fail_unknown(const char *name, struct cq_err *err);

struct command_line {
    void *opts;  /* zeroed memory for `set`; the caller's */
    char **args; /* what is no option: borrowed from argv, NULL-terminated */
    size_t n_args;
};

/* Parses argv (argv[0] is the command's name) into `c` and `line`. Returns 0, 1 when --help was
 * asked, or -1 with CQ_E_INVALID. */
int command_parse(const struct command *cmd, struct cli *c, int argc, char **argv,
                  struct command_line *line, struct cq_err *err) CQ_MUST_CHECK;

/* Texts made from the rows, appended to `out`. */
void help_overview(struct cq_str *out);
void help_command(const struct command *cmd, struct cq_str *out);
void help_man(const struct command *cmd, struct cq_str *out); /* scdoc source */
void help_man_overview(struct cq_str *out);                   /* of chipq(1) */

/* Words that may stand at the end of `words` (what was typed after "chipq"), one a line. */
void help_complete(size_t n_words, char **words, struct cq_str *out);

/* May a job's number stand there? These are asked of the pool. */
bool help_wants_jobs(size_t n_words, char **words);

#endif
