/* What every command gets: the instance it talks to, how it prints, and whether it may use colour.
 * stdout is data, stderr is talk. */
#ifndef CLI_H
#define CLI_H

#include "common/base/pure/err.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

enum cli_output { CLI_TABLE, CLI_JSON, CLI_JSONL, CLI_CSV, CLI_COLUMNS };

struct cli {
    const char *dir_option; /* --dir as given, or NULL; borrowed from argv */
    const char *key_option; /* --key as given, or NULL */
    const char *format;     /* --format as given, or NULL */
    enum cli_output output;
    bool stdout_is_tty, stderr_is_tty;
    bool has_color;    /* of stdout */
    bool watches;      /* its session is for itself alone */
    bool has_answered; /* stdout has its JSON already: an error adds none */
    char *dir;         /* owned; cli_dir fills it */
};

/* Fills in from the environment: terminals, NO_COLOR, TERM. */
void cli_init(struct cli *c);
void cli_fini(struct cli *c);

/* The instance directory, absolute: --dir, CHIPQ_DIR, $XDG_STATE_HOME/chipq, ~/.local/state/chipq.
 * Does not have to exist. NULL with CQ_E_INVALID when none of them is set. Borrowed from `c`. */
const char *cli_dir(struct cli *c, struct cq_err *err) CQ_MUST_CHECK;

/* The key file to act with: --key, CHIPQ_KEY, else DIR/keys/NAME.key. Caller frees. */
char *cli_key_path(struct cli *c, const char *name, struct cq_err *err) CQ_MUST_CHECK;

/* One line to stderr, "chipq: ..." with what terminals would act on escaped. */
void cli_talk(const char *fmt, ...) CQ_PRINTF(1, 2);
void cli_say_error(const struct cq_err *err);

/* `text` as one harmless line. Caller frees. */
char *cli_printable(const char *text);

/* Runs the program: argv as main got it. Returns the exit status of design section 10. */
int cli_main(int argc, char **argv);

#endif
