/* chipq admin: enterprises and users. Keys are made here: only the public half leaves this machine.
 */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <errno.h>
#include <sys/stat.h>

enum { KEY_ROLE = 0x2001, KEY_KEY_OUT };

struct opts {
    const char *role, *key_out;
    uint64_t role_number;
};

static const char *const roles[] = {"designer", "admin", NULL};

static const struct argp_option options[] = {
    {"role", KEY_ROLE, "ROLE", 0, "of the new user: designer or admin (designer)", 0},
    {"key-out", KEY_KEY_OUT, "FILE", 0, "where the new user's key file goes", 0},
    {0},
};

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    if (key == KEY_KEY_OUT)
        return o->key_out = arg, 0;
    for (uint64_t i = 0; roles[i]; i++)
        if (strcmp(roles[i], arg) == 0) {
            o->role_number = i;
            o->role = arg;
            return 0;
        }
    return cq_fail(err, CQ_E_INVALID, "--role: '%.40s' is none of: designer, admin", arg);
}

/* Sends it; with --json prints what it was done to. */
static int call_ok(struct cli *c, const struct msg *ask, const char *name, struct cq_err *err)
{
    struct msg reply = {0};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? session_call(s, ask, MSG_OK, &reply, err) : -1;
    if (rc == 0)
        msg_fini(&reply);
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *o = json_pack("{s:s}", "name", name);
        json_print(c, o);
        json_decref(o);
    }
    net_client_close(s);
    return rc;
}

/* "acme/ann" in two. */
static int split_user(const char *text, char enterprise[64], char user[64], struct cq_err *err)
{
    const char *slash = strchr(text, '/');
    if (slash && slash - text < 64 && strlen(slash + 1) < 64) {
        (void)snprintf(enterprise, 64, "%.*s", (int)(slash - text), text);
        (void)snprintf(user, 64, "%s", slash + 1);
        if (is_name(enterprise) && is_name(user))
            return 0;
    }
    return cq_fail(err, CQ_E_INVALID, "'%.80s' is no ENTERPRISE/USER", text);
}

static int enterprise_add(struct cli *c, const struct opts *o, const char *name, struct cq_err *err)
{
    struct msg ask = {.code = MSG_ENTERPRISE_ADD};
    (void)o;
    if (!is_name(name))
        return cq_fail(err, CQ_E_INVALID, "'%.80s' is no name (letters, digits, '.', '_', '-')",
                       name);
    ask.u.enterprise_add.name = name;
    return call_ok(c, &ask, name, err);
}

/* The acting key names the scheduler; the new one gets the same servers and endpoint. */
static int make_key(struct cli *c, const char *principal, const char *role, struct curve_key *key,
                    struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *path = cli_key_path(c, AS_ADMIN, err);
    if (path == NULL || curve_key_read(path, key, err) != 0)
        return -1;
    (void)snprintf(key->principal, sizeof key->principal, "%s", principal);
    (void)snprintf(key->role, sizeof key->role, "%s", role);
    return curve_key_generate(key, err);
}

static int user_add(struct cli *c, const struct opts *o, const char *name, struct cq_err *err)
{
    char enterprise[64], user[64];
    struct curve_key key = {0};
    struct msg ask = {.code = MSG_USER_ADD};
    struct stat st;
    if (split_user(name, enterprise, user, err) != 0)
        return -1;
    if (o->key_out == NULL)
        return cq_fail(err, CQ_E_INVALID, "admin user add: say where the key goes: --key-out FILE");
    if (lstat(o->key_out, &st) == 0)
        return cq_fail(err, CQ_E_CONFLICT, "%s is there already; keys are not overwritten",
                       o->key_out);
    int rc = make_key(c, name, roles[o->role_number], &key, err);
    /* On disk first: a user whose key is lost would have to be revoked. */
    if (rc == 0)
        rc = curve_key_write(o->key_out, &key, err);
    if (rc == 0) {
        ask.u.user_add = (struct msg_user_add){.enterprise = enterprise,
                                               .user = user,
                                               .role = o->role_number,
                                               .public_key = key.public_key};
        rc = call_ok(c, &ask, name, err);
        if (rc != 0)
            (void)remove(o->key_out);
    }
    curve_key_wipe(&key);
    if (rc == 0)
        cli_talk("%s acts with: chipq --key %s", name, o->key_out);
    return rc;
}

static int user_revoke(struct cli *c, const struct opts *o, const char *name, struct cq_err *err)
{
    char enterprise[64], user[64];
    struct msg ask = {.code = MSG_USER_REVOKE};
    (void)o;
    if (split_user(name, enterprise, user, err) != 0)
        return -1;
    ask.u.user_revoke = (struct msg_user_revoke){.enterprise = enterprise, .user = user};
    return call_ok(c, &ask, name, err);
}

static int ask_principals(struct cli *c, struct msg *reply, struct cq_err *err)
{
    struct msg ask = {.code = MSG_PRINCIPALS_QUERY};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? session_call(s, &ask, MSG_PRINCIPALS, reply, err) : -1;
    net_client_close(s);
    return rc;
}

static int enterprise_list(struct cli *c, const struct opts *o, const char *name,
                           struct cq_err *err)
{
    static const struct column columns[] = {{"name", "ENTERPRISE", COLUMN_TEXT, true}, {0}};
    struct msg reply = {0};
    (void)o, (void)name;
    if (columns_check(c, columns, err) != 0 || ask_principals(c, &reply, err) != 0)
        return -1;
    json_t *rows = json_array();
    for (size_t i = 0; i < reply.u.principals.n_enterprises; i++)
        json_array_append_new(
            rows, json_pack("{s:o}", "name", json_text(reply.u.principals.enterprises[i])));
    msg_fini(&reply);
    int rc = columns_print(c, "enterprises", rows, columns, err);
    json_decref(rows);
    return rc;
}

static int user_list(struct cli *c, const struct opts *o, const char *name, struct cq_err *err)
{
    static const struct column columns[] = {{"enterprise", "ENTERPRISE", COLUMN_TEXT, true},
                                            {"user", "USER", COLUMN_TEXT, true},
                                            {"role", "ROLE", COLUMN_TEXT, true},
                                            {"revoked", "REVOKED", COLUMN_TEXT, true},
                                            {"public_key", "PUBLIC KEY", COLUMN_TEXT, true},
                                            {0}};
    struct msg reply = {0};
    (void)o;
    if (columns_check(c, columns, err) != 0 || ask_principals(c, &reply, err) != 0)
        return -1;
    json_t *rows = json_array();
    for (size_t i = 0; i < reply.u.principals.n_users; i++)
        if (name == NULL || strcmp(reply.u.principals.users[i].enterprise, name) == 0)
            json_array_append_new(rows, json_of_principal_row(&reply.u.principals.users[i]));
    msg_fini(&reply);
    int rc = columns_print(c, "users", rows, columns, err);
    json_decref(rows);
    return rc;
}

static const struct {
    const char *noun, *verb;
    int min_names, max_names;
    int (*run)(struct cli *c, const struct opts *o, const char *name, struct cq_err *err);
} actions[] = {
    {"enterprise", "add", 1, 1, enterprise_add},
    {"enterprise", "list", 0, 0, enterprise_list},
    {"user", "add", 1, 1, user_add},
    {"user", "list", 0, 1, user_list},
    {"user", "revoke", 1, 1, user_revoke},
};

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    int names = (int)n_args - 2;
    for (size_t i = 0; i < CQ_COUNT(actions); i++) {
        if (strcmp(actions[i].noun, args[0]) != 0 || strcmp(actions[i].verb, args[1]) != 0)
            continue;
        if (names < actions[i].min_names || names > actions[i].max_names)
            return cq_fail(err, CQ_E_INVALID, "usage: chipq admin %s %s%s", actions[i].noun,
                           actions[i].verb, actions[i].max_names ? " NAME" : "");
        return actions[i].run(c, opts, n_args > 2 ? args[2] : NULL, err);
    }
    return cq_fail(
        err, CQ_E_INVALID,
        "admin: no '%s %s'; there are: enterprise add, enterprise list, user add, user list, "
        "user revoke",
        args[0], args[1]);
}

const struct command cmd_admin = {
    .name = "admin",
    .args = "enterprise|user add|list|revoke [NAME]",
    .summary = "Add, list and revoke enterprises and users",
    .text = "The new user's key pair is made on this machine; the scheduler gets the public half\n"
            "only. Acts with DIR/keys/admin.key unless --key is given.",
    .examples = "chipq admin enterprise add acme\n"
                "chipq admin user add acme/ann --role designer --key-out ann.key\n"
                "chipq admin user list acme\nchipq admin user revoke acme/ann",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .min_args = 2,
    .max_args = 3,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
};
