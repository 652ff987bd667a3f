/* chipq licences: the pools of licence tokens. */
#include "cli/commands.h"
#include "cli/features.h"

enum { KEY_ALL = 0x2001 };

struct opts {
    bool all;
};

static const struct argp_option options[] = {
    {"all", KEY_ALL, NULL, 0, "everything: act with the instance's admin key", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    (void)key, (void)arg, (void)err;
    o->all = true;
    return 0;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct opts *o = opts;
    (void)n_args, (void)args;
    return features_list(c, "licence", o->all, err);
}

const struct command cmd_licences = {
    .name = "licences",
    .args = "",
    .summary = "List the licence features and how many tokens are free",
    .text = "You see what everyone may use, and what is your enterprise's own. Who else uses them\n"
            "is not shown. The same as: chipq licence list",
    .examples = "chipq licences\nchipq licences --all\nchipq licences --format name,free",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
