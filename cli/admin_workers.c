/* Keys of the pool's machines as `chipq admin worker` makes, lists and revokes them. */
#include "cli/admin.h"

#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"

static const char role[] = "worker";
enum { ROLE_NUMBER = 3 };

static int check_name(const char *name, struct cq_err *err)
{
    if (is_name(name))
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "'%.80s' is no worker's name: letters, digits, '.', '_' and '-', at most 63",
                   name);
}

/* Beside the socket that the acting key goes to, unless it goes over the network. Caller frees. */
static char *worker_endpoint(struct cli *c, const char *given, struct cq_err *err)
{
    struct curve_key key = {0};
    CQ_CLEANUP(cq_free_ptr) char *path = NULL;
    char *endpoint = NULL;
    if (given)
        return cq_strdup(given);
    path = cli_key_path(c, AS_ADMIN, err);
    if (path == NULL || curve_key_read(path, &key, err) != 0)
        return NULL;
    char *slash = strrchr(key.endpoint, '/');
    if (strncmp(key.endpoint, "ipc://", 6) == 0 && slash)
        endpoint = path_format("%.*s/worker.sock", (int)(slash - key.endpoint), key.endpoint);
    else
        cq_fail(err, CQ_E_INVALID,
                "admin worker add: say where the scheduler listens for workers, its "
                "--listen-worker: --endpoint tcp://HOST:PORT");
    curve_key_wipe(&key);
    return endpoint;
}

int admin_worker_add(struct cli *c, const struct admin_opts *o, const char *name,
                     struct cq_err *err)
{
    if (check_name(name, err) != 0)
        return -1;
    if (o->key_out == NULL)
        return cq_fail(err, CQ_E_INVALID,
                       "admin worker add: say where the key goes: --key-out FILE");
    CQ_CLEANUP(cq_free_ptr) char *endpoint = worker_endpoint(c, o->endpoint, err);
    if (endpoint == NULL)
        return -1;
    const struct new_principal p = {.enterprise = "",
                                    .user = name,
                                    .principal = name,
                                    .role = ROLE_NUMBER,
                                    .role_name = role,
                                    .endpoint = endpoint,
                                    .key_out = o->key_out};
    if (admin_principal_add(c, &p, err) != 0)
        return -1;
    cli_talk("that machine's worker runs with: chipq-execd --dir DIR --key %s", o->key_out);
    return 0;
}

int admin_worker_revoke(struct cli *c, const struct admin_opts *o, const char *name,
                        struct cq_err *err)
{
    struct msg ask = {.code = MSG_USER_REVOKE};
    (void)o;
    if (check_name(name, err) != 0)
        return -1;
    ask.u.user_revoke = (struct msg_user_revoke){.enterprise = "", .user = name};
    return admin_call(c, &ask, name, err);
}

int admin_worker_list(struct cli *c, const struct admin_opts *o, const char *name,
                      struct cq_err *err)
{
    static const struct column columns[] = {{"user", "WORKER", COLUMN_TEXT, true},
                                            {"revoked", "REVOKED", COLUMN_TEXT, true},
                                            {"public_key", "PUBLIC KEY", COLUMN_TEXT, true},
                                            {0}};
    (void)o, (void)name;
    return admin_print_users(c, "workers", columns, "role", role, err);
}
