/* Users and enterprises as `chipq admin` adds, lists and revokes them. Keys are made here: only the
 * public half leaves this machine. */
#include "cli/admin.h"

#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <errno.h>
#include <sys/stat.h>

const char *const admin_roles[] = {"designer", "admin", NULL};

int admin_call(struct cli *c, const struct msg *ask, const char *name, struct cq_err *err)
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

/* ipc:///path, or tcp://HOST:PORT where HOST is one that others can connect to. */
static int check_endpoint(const char *text, struct cq_err *err)
{
    const char *host = strncmp(text, "tcp://", 6) == 0 ? text + 6 : NULL;
    const char *port = host ? strrchr(host, ':') : NULL;
    uint64_t n = 0;
    if (strlen(text) >= CURVE_ENDPOINT_BYTES || strpbrk(text, " \t\r\n#") != NULL)
        return cq_fail(err, CQ_E_INVALID, "--endpoint: '%.80s' is too long or has blanks", text);
    if (strncmp(text, "ipc:///", 7) == 0)
        return 0;
    if (port == NULL || port == host || parse_u64(port + 1, 1, 65535, &n, NULL) != 0)
        return cq_fail(err, CQ_E_INVALID,
                       "--endpoint: '%.80s' is none; write tcp://HOST:PORT or ipc:///PATH", text);
    if (*host == '*' || strncmp(host, "0.0.0.0:", 8) == 0 || strncmp(host, "[::]:", 5) == 0)
        return cq_fail(err, CQ_E_INVALID,
                       "--endpoint: '%.80s' is where to listen; name a host to connect to", text);
    return 0;
}

/* The acting key names the scheduler; the new one gets the same servers. */
static int make_key(struct cli *c, const struct new_principal *p, struct curve_key *key,
                    struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *path = cli_key_path(c, AS_ADMIN, err);
    if (path == NULL || curve_key_read(path, key, err) != 0)
        return -1;
    (void)snprintf(key->principal, sizeof key->principal, "%s", p->principal);
    (void)snprintf(key->role, sizeof key->role, "%s", p->role_name);
    if (p->endpoint)
        (void)snprintf(key->endpoint, sizeof key->endpoint, "%s", p->endpoint);
    return curve_key_generate(key, err);
}

int admin_principal_add(struct cli *c, const struct new_principal *p, struct cq_err *err)
{
    struct curve_key key = {0};
    struct stat st;
    if (p->endpoint && check_endpoint(p->endpoint, err) != 0)
        return -1;
    if (lstat(p->key_out, &st) == 0)
        return cq_fail(err, CQ_E_CONFLICT, "%s is there already; keys are not overwritten",
                       p->key_out);
    int rc = make_key(c, p, &key, err);
    /* On disk first: a user whose key is lost would have to be revoked. */
    if (rc == 0)
        rc = curve_key_write(p->key_out, &key, err);
    if (rc == 0) {
        struct msg ask = {.code = MSG_USER_ADD};
        ask.u.user_add = (struct msg_user_add){.enterprise = p->enterprise,
                                               .user = p->user,
                                               .role = p->role,
                                               .public_key = key.public_key};
        rc = admin_call(c, &ask, p->principal, err);
        if (rc != 0)
            (void)remove(p->key_out);
    }
    curve_key_wipe(&key);
    return rc;
}

int admin_user_add(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err)
{
    char enterprise[64], user[64];
    if (split_user(name, enterprise, user, err) != 0)
        return -1;
    if (o->key_out == NULL)
        return cq_fail(err, CQ_E_INVALID, "admin user add: say where the key goes: --key-out FILE");
    const struct new_principal p = {.enterprise = enterprise,
                                    .user = user,
                                    .principal = name,
                                    .role = o->role_number,
                                    .role_name = admin_roles[o->role_number],
                                    .endpoint = o->endpoint,
                                    .key_out = o->key_out};
    if (admin_principal_add(c, &p, err) != 0)
        return -1;
    cli_talk("%s acts with: chipq --key %s", name, o->key_out);
    return 0;
}

int admin_user_revoke(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err)
{
    char enterprise[64], user[64];
    struct msg ask = {.code = MSG_USER_REVOKE};
    (void)o;
    if (split_user(name, enterprise, user, err) != 0)
        return -1;
    ask.u.user_revoke = (struct msg_user_revoke){.enterprise = enterprise, .user = user};
    return admin_call(c, &ask, name, err);
}

static bool add_page(const struct msg_principals *m, json_t *enterprises, json_t *users)
{
    for (size_t i = 0; i < m->n_enterprises; i++)
        json_array_append_new(enterprises,
                              json_pack("{s:o}", "name", json_text(m->enterprises[i])));
    for (size_t i = 0; i < m->n_users; i++)
        json_array_append_new(users, json_of_principal_row(&m->users[i]));
    return m->has_more && m->n_enterprises + m->n_users > 0;
}

static int ask_principals(struct cli *c, json_t *enterprises, json_t *users, struct cq_err *err)
{
    struct net_client *s = session_open(c, AS_ADMIN, err);
    bool has_more = s != NULL;
    int rc = s ? 0 : -1;
    while (rc == 0 && has_more) {
        struct msg ask = {.code = MSG_PRINCIPALS_QUERY}, reply = {0};
        ask.u.principals_query = (struct msg_principals_query){
            .skip_enterprises = json_array_size(enterprises), .skip_users = json_array_size(users)};
        rc = session_call(s, &ask, MSG_PRINCIPALS, &reply, err);
        has_more = rc == 0 && add_page(&reply.u.principals, enterprises, users);
        msg_fini(&reply);
    }
    net_client_close(s);
    return rc;
}

static json_t *pick(json_t *rows, const char *key, const char *value)
{
    json_t *picked = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        const char *has = json_string_value(json_object_get(row, key));
        if (value == NULL || (has != NULL && strcmp(has, value) == 0))
            json_array_append(picked, row);
    }
    return picked;
}

int admin_enterprise_list(struct cli *c, const struct admin_opts *o, const char *name,
                          struct cq_err *err)
{
    static const struct column columns[] = {{"name", "ENTERPRISE", COLUMN_TEXT, true}, {0}};
    (void)o, (void)name;
    if (columns_check(c, columns, err) != 0)
        return -1;
    json_t *rows = json_array(), *users = json_array();
    int rc = ask_principals(c, rows, users, err);
    if (rc == 0)
        rc = columns_print(c, "enterprises", rows, columns, err);
    json_decref(rows);
    json_decref(users);
    return rc;
}

int admin_print_users(struct cli *c, const char *title, const struct column *columns,
                      const char *key, const char *value, struct cq_err *err)
{
    if (columns_check(c, columns, err) != 0)
        return -1;
    json_t *enterprises = json_array(), *users = json_array();
    int rc = ask_principals(c, enterprises, users, err);
    json_t *rows = pick(users, key, value);
    if (rc == 0)
        rc = columns_print(c, title, rows, columns, err);
    json_decref(rows);
    json_decref(users);
    json_decref(enterprises);
    return rc;
}

int admin_user_list(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err)
{
    static const struct column columns[] = {{"enterprise", "ENTERPRISE", COLUMN_TEXT, true},
                                            {"user", "USER", COLUMN_TEXT, true},
                                            {"role", "ROLE", COLUMN_TEXT, true},
                                            {"revoked", "REVOKED", COLUMN_TEXT, true},
                                            {"public_key", "PUBLIC KEY", COLUMN_TEXT, true},
                                            {0}};
    (void)o;
    return admin_print_users(c, "users", columns, "enterprise", name, err);
}
