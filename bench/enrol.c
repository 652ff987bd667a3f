/* USER_ADD and USER_REVOKE, many under way at once. */
#include "bench/enrol.h"
#include "common/base/pure/mem.h"

enum { WINDOW = 256, ROLE_OF_DESIGNER = 0, ROLE_OF_WORKER = 3 /* of messages.def */ };

struct enrolment {
    const char *name;
    struct curve_key *keys;
    char user[64];
};

static void name_user(struct enrolment *e, size_t i)
{
    (void)snprintf(e->user, sizeof e->user, "%s-%zu", e->name, i + 1);
}

static void make_add(void *arg, size_t i, struct msg *req)
{
    struct enrolment *e = arg;
    name_user(e, i);
    *req = (struct msg){.code = MSG_USER_ADD};
    req->u.user_add = (struct msg_user_add){.enterprise = "",
                                            .user = e->user,
                                            .role = ROLE_OF_WORKER,
                                            .public_key = e->keys[i].public_key};
}

static void make_revoke(void *arg, size_t i, struct msg *req)
{
    struct enrolment *e = arg;
    name_user(e, i);
    *req = (struct msg){.code = MSG_USER_REVOKE};
    req->u.user_revoke = (struct msg_user_revoke){.enterprise = "", .user = e->user};
}

static void take_ok(CQ_UNUSED void *arg, CQ_UNUSED size_t i, CQ_UNUSED const struct msg *reply)
{
    /* What is not OK is an ERROR, which ends the run. */
}

int enrol_workers(struct session *admin, const char *name, size_t n, struct curve_key **keys,
                  struct cq_err *err)
{
    struct enrolment e = {.name = name, .keys = cq_calloc(n, sizeof *e.keys)};
    const struct session_pipeline p = {
        .n = n, .window = WINDOW, .make = make_add, .take = take_ok, .arg = &e};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = curve_key_generate(&e.keys[i], err);
    if (rc == 0)
        rc = session_run(admin, &p, err);
    *keys = e.keys;
    return rc;
}

int enrol_revoke(struct session *admin, const char *name, size_t n, struct cq_err *err)
{
    struct enrolment e = {.name = name};
    const struct session_pipeline p = {
        .n = n, .window = WINDOW, .make = make_revoke, .take = take_ok, .arg = &e};
    return session_run(admin, &p, err);
}

/* ---- an enterprise ---- */

static int call(struct session *admin, const struct msg *req, struct cq_err *err)
{
    struct msg reply = {0};
    if (session_call(admin, req, &reply, err) != 0)
        return -1;
    msg_fini(&reply);
    return 0;
}

int enrol_enterprise(struct session *admin, const char *name, struct curve_key *key,
                     struct cq_err *err)
{
    struct msg enterprise = {.code = MSG_ENTERPRISE_ADD}, user = {.code = MSG_USER_ADD};
    if (curve_key_generate(key, err) != 0)
        return -1;
    enterprise.u.enterprise_add.name = name;
    user.u.user_add = (struct msg_user_add){.enterprise = name,
                                            .user = "load",
                                            .role = ROLE_OF_DESIGNER,
                                            .public_key = key->public_key};
    return call(admin, &enterprise, err) != 0 ? -1 : call(admin, &user, err);
}

int enrol_revoke_enterprise(struct session *admin, const char *name, struct cq_err *err)
{
    struct msg req = {.code = MSG_USER_REVOKE};
    req.u.user_revoke = (struct msg_user_revoke){.enterprise = name, .user = "load"};
    return call(admin, &req, err);
}
