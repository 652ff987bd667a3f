/* chipq licence: sets the pools of licence tokens and the licence feed. */
#include "cli/commands.h"
#include "cli/features.h"
#include "cli/units.h"

enum { KEY_OWNER = 0x2001, KEY_EVERY, KEY_NONE, KEY_ALL };

struct opts {
    const char *owner, *every;
    bool ends_feed, all;
};

static const struct argp_option options[] = {
    {"owner", KEY_OWNER, "ENTERPRISE", 0, "set: whose tokens they are; 'none' for everyone's", 0},
    {"every", KEY_EVERY, "TIME", 0, "feed: how often the program runs, as in 30s", 0},
    {"none", KEY_NONE, NULL, 0, "feed: no program any more", 0},
    {"all", KEY_ALL, NULL, 0, "list: everything; act with the instance's admin key", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    int64_t us;
    switch (key) {
    case KEY_OWNER:
        o->owner = arg;
        return 0;
    case KEY_EVERY:
        o->every = arg;
        return units_parse_time(arg, &us, err) == 0 ? 0 : cq_wrap(err, "--every");
    case KEY_NONE:
        o->ends_feed = true;
        return 0;
    default:
        o->all = true;
        return 0;
    }
}

static int run_feed(struct cli *c, const struct opts *o, size_t n_args, char **args,
                    struct cq_err *err)
{
    if (o->ends_feed && n_args > 0)
        return cq_fail(err, CQ_E_INVALID, "licence feed: a command, or --none, not both");
    if (o->ends_feed)
        return feed_set(c, "", NULL, err);
    if (n_args > 1)
        return cq_fail(err, CQ_E_INVALID,
                       "licence feed: write the command as one word: 'PROGRAM ARG...'");
    return n_args ? feed_set(c, args[0], o->every, err) : feed_show(c, err);
}

/* Returns -2 when there is no such action with so many names. */
static int run_action(struct cli *c, const struct opts *o, size_t n_args, char **args,
                      struct cq_err *err)
{
    if (n_args == 0 || (strcmp(args[0], "list") == 0 && n_args == 1))
        return features_list(c, "licence", o->all, err);
    if (strcmp(args[0], "feed") == 0)
        return run_feed(c, o, n_args - 1, args + 1, err);
    if (strcmp(args[0], "set") == 0 && n_args == 3)
        return features_set(c, "licence", args + 1, o->owner, err);
    if (strcmp(args[0], "remove") == 0 && n_args == 2)
        return features_remove(c, "licence", args[1], err);
    return -2;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    int rc = run_action(c, opts, n_args, args, err);
    if (rc == -2)
        return cq_fail(err, CQ_E_INVALID,
                       "usage: chipq licence list | set NAME COUNT | remove NAME | feed COMMAND");
    return rc;
}

const struct command cmd_licence = {
    .name = "licence",
    .args = "list|set|remove|feed [NAME [COUNT]]",
    .summary = "Set how many licence tokens there are, and who owns them",
    .text =
        "The feed is a program that chipqd runs now and then; it prints how many tokens the\n"
        "licence server has given to anybody, a line a feature: NAME USED. What strangers take\n"
        "is not given to jobs. When it fails, its last good word stays. No shell is started.",
    .examples = "chipq licence set vcs 12\nchipq licence set dc 2 --owner acme\n"
                "chipq licence set vcs 10 --owner none\nchipq licence remove dc\n"
                "chipq licence feed '/opt/chipq/flexlm-feed 27000@lic1' --every 30s\n"
                "chipq licence feed --none\nchipq licence list --all",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .max_args = 3,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
