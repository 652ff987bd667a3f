/* chipq admin: its options and actions; what they do is in admin_*.c. */
#include "cli/admin.h"
#include "cli/commands.h"

enum {
    KEY_ROLE = 0x2001,
    KEY_KEY_OUT,
    KEY_ENDPOINT,
    KEY_DRY_RUN,
    KEY_YES,
    KEY_PRUNE,
    KEY_FROM,
    KEY_TO,
    KEY_LIMIT,
    KEY_VERIFY,
    KEY_SETTING
};

static const struct argp_option options[] = {
    {"role", KEY_ROLE, "ROLE", 0, "of the new user: designer or admin (designer)", 0},
    {"key-out", KEY_KEY_OUT, "FILE", 0, "where the new key file goes", 0},
    {"endpoint", KEY_ENDPOINT, "ENDPOINT", 0,
     "in the new key: where the scheduler listens, for people as in tcp://10.0.0.1:7077, for "
     "workers "
     "as in tcp://10.0.0.1:7078 (user: that of the acting key; worker: on this machine)",
     0},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "apply: only show what would change", 0},
    {"yes", KEY_YES, NULL, 0, "apply: do not ask", 0},
    {"prune", KEY_PRUNE, NULL, 0,
     "apply: remove enterprises, licences and instruments that the file does not list", 0},
    {"from", KEY_FROM, "DATE", 0, "audit: from then on: 2026-11-01, 2026-11, yesterday, -7d", 0},
    {"to", KEY_TO, "DATE", 0, "audit: up to then, a day or month with its end", 0},
    {"limit", KEY_LIMIT, "N", 0, "audit: at most N, the newest (100)", 0},
    {"verify", KEY_VERIFY, NULL, 0, "audit: check that all rows still are what was written", 0},
#define KEY(NAME, key, arg, help) {key, KEY_SETTING + SETTING_KEY_##NAME, arg, 0, help, 0},
#include "cli/setting_keys.def"
#undef KEY
    {0},
};

static int set_role(struct admin_opts *o, const char *arg, struct cq_err *err)
{
    for (uint64_t i = 0; admin_roles[i]; i++)
        if (strcmp(admin_roles[i], arg) == 0) {
            o->role_number = i;
            o->role = arg;
            return 0;
        }
    return cq_fail(err, CQ_E_INVALID, "--role: '%.40s' is none of: designer, admin", arg);
}

static void set_audit(struct audit_list_opts *a, int key, const char *arg)
{
    if (key == KEY_FROM)
        a->from = arg;
    else if (key == KEY_TO)
        a->to = arg;
    else if (key == KEY_LIMIT)
        a->limit = arg;
    else
        a->is_verify = true;
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct admin_opts *o = p;
    if (key >= KEY_SETTING && *arg == '\0')
        return cq_fail(err, CQ_E_INVALID, "--%s is empty; 'none' takes it back",
                       setting_keys[key - KEY_SETTING].key);
    if (key >= KEY_SETTING)
        return o->settings[key - KEY_SETTING] = arg, 0;
    switch (key) {
    case KEY_ROLE:
        return set_role(o, arg, err);
    case KEY_KEY_OUT:
        o->key_out = arg;
        return 0;
    case KEY_ENDPOINT:
        o->endpoint = arg;
        return 0;
    case KEY_DRY_RUN:
        o->is_dry_run = true;
        return 0;
    case KEY_YES:
        o->is_sure = true;
        return 0;
    case KEY_PRUNE:
        o->prunes = true;
        return 0;
    default:
        set_audit(&o->audit, key, arg);
        return 0;
    }
}

static int admin_audit(struct cli *c, const struct admin_opts *o, const char *name,
                       struct cq_err *err)
{
    (void)name;
    return audit_list(c, &o->audit, err);
}

/* What an action takes beside its name. */
enum takes {
    TAKES_NOTHING,
    TAKES_KEY,
    TAKES_WORKER_KEY,
    TAKES_SETTINGS,
    TAKES_FILE,
    TAKES_TIMES,
    TAKES_COUNT
};

static const struct action {
    const char *noun, *verb; /* verb NULL: the noun alone is the action */
    size_t min_names, max_names;
    const char *name; /* how usage calls it */
    enum takes takes;
    admin_fn run;
} actions[] = {
    {"enterprise", "add", 1, 1, "NAME", TAKES_SETTINGS, admin_enterprise_add},
    {"enterprise", "set", 1, 1, "NAME", TAKES_SETTINGS, admin_enterprise_set},
    {"enterprise", "remove", 1, 1, "NAME", TAKES_NOTHING, admin_enterprise_remove},
    {"enterprise", "list", 0, 0, "", TAKES_NOTHING, admin_enterprise_list},
    {"project", "add", 1, 1, "ENTERPRISE/PROJECT", TAKES_SETTINGS, admin_project_add},
    {"project", "set", 1, 1, "ENTERPRISE/PROJECT", TAKES_SETTINGS, admin_project_set},
    {"project", "remove", 1, 1, "ENTERPRISE/PROJECT", TAKES_NOTHING, admin_project_remove},
    {"user", "add", 1, 1, "ENTERPRISE/USER", TAKES_KEY, admin_user_add},
    {"user", "set", 1, 1, "ENTERPRISE/PROJECT/USER", TAKES_SETTINGS, admin_user_set},
    {"user", "list", 0, 1, "[ENTERPRISE]", TAKES_NOTHING, admin_user_list},
    {"user", "revoke", 1, 1, "ENTERPRISE/USER", TAKES_NOTHING, admin_user_revoke},
    {"worker", "add", 1, 1, "NAME", TAKES_WORKER_KEY, admin_worker_add},
    {"worker", "list", 0, 0, "", TAKES_NOTHING, admin_worker_list},
    {"worker", "revoke", 1, 1, "NAME", TAKES_NOTHING, admin_worker_revoke},
    {"apply", NULL, 1, 1, "FILE", TAKES_FILE, admin_apply},
    {"export", NULL, 0, 0, "", TAKES_NOTHING, admin_export},
    {"audit", NULL, 0, 0, "", TAKES_TIMES, admin_audit},
    {"backup", NULL, 0, 1, "[FILE]", TAKES_NOTHING, admin_backup},
};

/* The first option that only actions of this kind take, NULL when none is given. */
static const char *option_of(const struct admin_opts *o, enum takes takes, enum takes key)
{
    const struct {
        enum takes takes;
        bool is_given;
        const char *name;
    } given[] = {
        {TAKES_KEY, o->role != NULL, "role"},
        {key, o->key_out != NULL, "key-out"},
        {key, o->endpoint != NULL, "endpoint"},
        {TAKES_FILE, o->is_dry_run, "dry-run"},
        {TAKES_FILE, o->is_sure, "yes"},
        {TAKES_FILE, o->prunes, "prune"},
        {TAKES_TIMES, o->audit.from != NULL, "from"},
        {TAKES_TIMES, o->audit.to != NULL, "to"},
        {TAKES_TIMES, o->audit.limit != NULL, "limit"},
        {TAKES_TIMES, o->audit.is_verify, "verify"},
    };
    for (size_t i = 0; i < CQ_COUNT(given); i++)
        if (given[i].takes == takes && given[i].is_given)
            return given[i].name;
    for (size_t i = 0; i < SETTING_KEYS && takes == TAKES_SETTINGS; i++)
        if (o->settings[i])
            return setting_keys[i].key;
    return NULL;
}

/* An option that the action would ignore is a mistake. */
static int check_options(const struct admin_opts *o, const struct action *a, struct cq_err *err)
{
    const char *unfit = NULL;
    for (enum takes t = TAKES_NOTHING; t < TAKES_COUNT && unfit == NULL; t++)
        if (t != a->takes)
            unfit = option_of(o, t, a->takes == TAKES_WORKER_KEY ? TAKES_WORKER_KEY : TAKES_KEY);
    if (unfit)
        return cq_fail(err, CQ_E_INVALID, "admin %s%s%s takes no --%s", a->noun, a->verb ? " " : "",
                       a->verb ? a->verb : "", unfit);
    return 0;
}

static int run_action(struct cli *c, const struct admin_opts *o, const struct action *a,
                      const struct command_line *rest, struct cq_err *err)
{
    if (rest->n_args < a->min_names || rest->n_args > a->max_names)
        return cq_fail(err, CQ_E_INVALID, "usage: chipq admin %s%s%s %s", a->noun,
                       a->verb ? " " : "", a->verb ? a->verb : "", a->name);
    if (check_options(o, a, err) != 0)
        return -1;
    return a->run(c, o, rest->n_args ? rest->args[0] : NULL, err);
}

static int fail_unknown(size_t n_args, char **args, struct cq_err *err)
{
    struct cq_str all = {0};
    for (size_t i = 0; i < CQ_COUNT(actions); i++)
        cq_str_printf(&all, "%s%s%s%s", i ? ", " : "", actions[i].noun, actions[i].verb ? " " : "",
                      actions[i].verb ? actions[i].verb : "");
    cq_fail(err, CQ_E_INVALID, "admin: no '%.40s%s%.40s'; there are: %s", args[0],
            n_args > 1 ? " " : "", n_args > 1 ? args[1] : "", cq_str_text(&all));
    cq_str_fini(&all);
    return -1;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    for (size_t i = 0; i < CQ_COUNT(actions); i++) {
        const struct action *a = &actions[i];
        size_t words = a->verb ? 2 : 1;
        if (n_args < words || strcmp(a->noun, args[0]) != 0
            || (a->verb && strcmp(a->verb, args[1]) != 0))
            continue;
        const struct command_line rest = {.args = args + words, .n_args = n_args - words};
        return run_action(c, opts, a, &rest, err);
    }
    return fail_unknown(n_args, args, err);
}

const struct command cmd_admin = {
    .name = "admin",
    .args = "enterprise|project|user|worker|apply|export|audit|backup [ACTION] [NAME]",
    .summary = "Set up enterprises, projects, users, workers, their shares and limits",
    .text =
        "  enterprise add|set|remove NAME, enterprise list\n"
        "  project add|set|remove ENTERPRISE/PROJECT\n"
        "  user add|revoke ENTERPRISE/USER, user list [ENTERPRISE]\n"
        "  user set ENTERPRISE/PROJECT/USER      settings of this user in this project\n"
        "  worker add|revoke NAME, worker list   keys of the pool's machines\n"
        "  apply FILE, export                    the whole configuration as YAML\n"
        "  audit                                 who changed configuration or people\n"
        "  backup [FILE]                         copy the database while it is in use\n\n"
        "Settings take effect at once. 'none' as a value takes a setting back. A new\n"
        "enterprise gets --max-pending 100000 and --max-submit-rate 200 unless they are given.\n"
        "A new key pair is made on this machine; the scheduler gets the public half only. A\n"
        "key is for one person or one machine. Acts with DIR/keys/admin.key unless --key is "
        "given.\n\n"
        "audit lists the newest last. Each row vouches for those before it: --verify finds the\n"
        "first that is not as it was written. Keep the head that it prints to see later that\n"
        "none was taken away at the end.\n\n"
        "backup writes DIR/backup/FILE on the scheduler's machine (without FILE a name with the\n"
        "time), checks it, and then gives it its name. Keep keys/ of the instance with it: it\n"
        "holds no secret keys. To restore: chipqd --restore FILE.",
    .examples = "chipq admin enterprise add acme --weight 2 --max-cores 64 --min-cores 8 "
                "--budget 5000core-hours/month\n"
                "chipq admin project add acme/uart --weight 3\n"
                "chipq admin user add acme/ann --role designer --key-out ann.key\n"
                "chipq admin user set acme/uart/ann --max-cores 8\n"
                "chipq admin enterprise set acme --max-licence vcs:4 --max-cores none\n"
                "chipq admin export > pool.yaml\n"
                "chipq admin apply pool.yaml --dry-run\n"
                "chipq admin user revoke acme/ann\n"
                "chipq admin worker add farm2 --endpoint tcp://10.0.0.1:7078 --key-out farm2.key\n"
                "chipq admin audit --from -7d\nchipq admin audit --verify\n"
                "chipq admin backup\nchipq admin backup before-upgrade.db",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 3,
    .opts_bytes = sizeof(struct admin_opts),
    .set = set,
    .run = run,
};
