/* chipq licences: the pools of licence tokens. */
#include "cli/commands.h"
#include "cli/features.h"
#include "cli/pages.h"

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    const struct all_opts *o = opts;
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
    .options = all_options,
    .flags = COMMAND_HAS_ROWS,
    .opts_bytes = sizeof(struct all_opts),
    .set = all_options_set,
    .run = run,
};
