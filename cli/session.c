/* Opens connections for commands, and words what is wrong when there is none. */
#include "cli/session.h"

#include "common/base/sys/files.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* No key file in the instance: it was never made, or is not ours. */
static int fail_no_key(struct cli *c, const char *path, struct cq_err *err)
{
    struct stat st;
    bool is_named = c->key_option || getenv("CHIPQ_KEY");
    if (!is_named && c->dir && stat(c->dir, &st) != 0)
        return cq_fail(err, CQ_E_NO_SCHEDULER,
                       "no scheduler: there is no instance in %s; start one with: "
                       "chipq up",
                       c->dir);
    if (!is_named)
        return cq_fail(err, CQ_E_NO_SCHEDULER,
                       "no scheduler: no key %s; start an instance with: chipq up", path);
    return cq_fail(err, CQ_E_NOT_FOUND, "no key file %s", path);
}

static void say_away(CQ_UNUSED void *arg, bool is_away)
{
    cli_talk(is_away ? "the scheduler is away; waiting for it" : "the scheduler is back");
}

struct net_client *session_open(struct cli *c, const char *who, struct cq_err *err)
{
    struct curve_key key = {0};
    struct cq_err local = {0};
    CQ_CLEANUP(cq_free_ptr) char *path = cli_key_path(c, who, err);
    if (path == NULL)
        return NULL;
    if (curve_key_read(path, &key, &local) != 0) {
        if (local.code == CQ_E_NOT_FOUND)
            fail_no_key(c, path, err);
        else
            (void)cq_fail(err, local.code, "%s", local.text);
        return NULL;
    }
    const struct net_client_options options = {
        .key = &key, .program = "chipq " CHIPQ_VERSION, .is_own = c->watches, .on_away = say_away};
    struct net_client *s = net_client_connect(&options, err);
    curve_key_wipe(&key);
    return s;
}

struct net_client *session_open_of(struct cli *c, const char *enterprise, struct cq_err *err)
{
    struct net_client *own = session_open(c, AS_USER, err);
    const char *given = getenv("CHIPQ_KEY");
    bool is_given = c->key_option || (given && *given);
    if (own == NULL || enterprise == NULL || *enterprise == '\0' || is_given
        || strcmp(net_client_welcome(own)->enterprise, enterprise) == 0)
        return own;
    struct net_client *admin = session_open(c, AS_ADMIN, NULL);
    if (admin)
        net_client_close(own);
    return admin ? admin : own;
}

int session_call(struct net_client *s, const struct msg *ask, enum msg_code expected,
                 struct msg *reply, struct cq_err *err)
{
    return session_call_for(s, ask, expected, SESSION_CALL_US, reply, err);
}

int session_call_for(struct net_client *s, const struct msg *ask, enum msg_code expected,
                     int64_t timeout_us, struct msg *reply, struct cq_err *err)
{
    if (net_client_call(s, ask, reply, timeout_us, err) != 0)
        return -1;
    if (reply->code == expected)
        return 0;
    cq_fail(err, CQ_E_PROTOCOL, "the scheduler answered %s with %s", msg_code_name(ask->code),
            msg_code_name(reply->code));
    msg_fini(reply);
    return -1;
}

void session_catch_interrupts(struct net_client *s)
{
    net_client_catch(s, SIGINT);
}
