/* chipq instrument: bookable devices, counted like tokens. */
#include "cli/commands.h"
#include "cli/features.h"

enum { KEY_OWNER = 0x2001, KEY_ALL };

struct opts {
    const char *owner;
    bool all;
};

static const struct argp_option options[] = {
    {"owner", KEY_OWNER, "ENTERPRISE", 0, "set: whose it is; 'none' for everyone's", 0},
    {"all", KEY_ALL, NULL, 0, "list: everything; act with the instance's admin key", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    (void)err;
    if (key == KEY_OWNER)
        o->owner = arg;
    else
        o->all = true;
    return 0;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct opts *o = opts;
    if (n_args == 0 || (strcmp(args[0], "list") == 0 && n_args == 1))
        return features_list(c, "instrument", o->all, err);
    if (strcmp(args[0], "set") == 0 && n_args == 3)
        return features_set(c, "instrument", args + 1, o->owner, err);
    if (strcmp(args[0], "remove") == 0 && n_args == 2)
        return features_remove(c, "instrument", args[1], err);
    return cq_fail(err, CQ_E_INVALID,
                   "usage: chipq instrument list | set NAME COUNT | remove NAME");
}

const struct command cmd_instrument = {
    .name = "instrument",
    .args = "list|set|remove [NAME [COUNT]]",
    .summary = "List and set instruments: emulators, testers, boards",
    .text = "An instrument has a number of equal parts (domains, boards). Jobs ask for some with\n"
            "--instrument; chipq reservation books them for a time.",
    .examples = "chipq instrument set palladium 8\nchipq instrument list\n"
                "chipq submit --instrument palladium:4 -- ./emulate.sh\n"
                "chipq instrument remove palladium",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 3,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
