/* Enterprises, users and their keys. */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/log.h"

enum { PRINCIPALS_MAX = 1000 }; /* of each kind on a page */

static void deny(struct daemon *d, const struct asker *a, const char *what)
{
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_DENIED, "a %s may not %s", role_name(a->who.role), what);
    reply_error(d, a, &err);
}

static void step(struct daemon *d, const struct asker *a, struct input *in)
{
    struct cq_err err = {0};
    in->principal = a->who.id;
    in->request = reply_handle(d, a, NULL, 0);
    uint64_t handle = in->request;
    if (turn_step(d, in, &err) != 0) {
        free(map_remove(&d->replies, handle));
        reply_error(d, a, &err);
    }
}

void on_enterprise_add(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct authz_object pool = {.owner = NULL};
    if (!authz(&a->who, VERB_ENTERPRISE_ADD, &pool)) {
        deny(d, a, "add enterprises; use the platform admin's key");
        return;
    }
    struct input in = {.type = INPUT_ENTERPRISE_ADD};
    in.u.enterprise_add.name = m->u.enterprise_add.name;
    log_info("audit.enterprise_add by=%s/%s name=%s", a->who.enterprise_name, a->who.name,
             is_name(in.u.enterprise_add.name) ? in.u.enterprise_add.name : "?");
    step(d, a, &in);
}

/* Designers and admins are their enterprise's affair; platform admins and workers the platform's.
 */
static enum verb verb_for_role(enum role role)
{
    return role == ROLE_PLATFORM_ADMIN || role == ROLE_WORKER ? VERB_KEYS_CHANGE
                                                              : VERB_USERS_CHANGE;
}

/* Refusals in the same words whether the enterprise exists or not, for those it does not concern.
 */
static bool may_change(struct daemon *d, const struct asker *a, const char *enterprise,
                       enum role role)
{
    struct enterprise_id e = {0};
    bool is_known = enterprise[0] == '\0' || core_find_enterprise(d->core, enterprise, &e);
    struct authz_object what = {.enterprise = e};
    if (authz(&a->who, verb_for_role(role), &what))
        return true; /* for a platform admin the core says what is unknown */
    if (enterprise[0] == '\0' || (is_known && e.v == a->who.enterprise.v)) {
        deny(d, a,
             verb_for_role(role) == VERB_KEYS_CHANGE || enterprise[0] == '\0'
                 ? "change the platform's keys; use the platform admin's key"
                 : "change users");
        return false;
    }
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_NOT_FOUND, "no such enterprise '%.63s'", enterprise);
    reply_error(d, a, &err);
    return false;
}

void on_user_add(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_user_add *u = &m->u.user_add;
    if (!may_change(d, a, u->enterprise, (enum role)u->role))
        return;
    if (!curve_is_z85(u->public_key)) {
        struct cq_err err = {0};
        (void)cq_fail(&err, CQ_E_INVALID, "that is no public key; 40 characters of Z85 are one");
        reply_error(d, a, &err);
        return;
    }
    struct input in = {.type = INPUT_USER_ADD};
    in.u.user_add.enterprise = u->enterprise;
    in.u.user_add.name = u->user;
    in.u.user_add.public_key = u->public_key;
    in.u.user_add.role = (enum role)u->role;
    log_info("audit.user_add by=%s/%s role=%s", a->who.enterprise_name, a->who.name,
             role_name(in.u.user_add.role));
    step(d, a, &in);
}

struct role_search {
    const char *enterprise, *name;
    enum role role;
};

static void note_role(void *arg, const struct principal_view *p)
{
    struct role_search *s = arg;
    if (!p->revoked && strcmp(p->enterprise_name, s->enterprise) == 0
        && strcmp(p->name, s->name) == 0)
        s->role = p->role;
}

void on_user_revoke(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_user_revoke *u = &m->u.user_revoke;
    struct role_search s = {u->enterprise, u->user, ROLE_DESIGNER};
    core_each_principal(d->core, note_role, &s);
    if (!may_change(d, a, u->enterprise, s.role))
        return;
    struct input in = {.type = INPUT_USER_REVOKE};
    in.u.user_revoke.enterprise = u->enterprise;
    in.u.user_revoke.name = u->user;
    log_info("audit.user_revoke by=%s/%s", a->who.enterprise_name, a->who.name);
    step(d, a, &in);
    logs_drop_revoked(d);
}

/* ---- PRINCIPALS ---- */

struct listing {
    const struct asker *asker;
    const char *enterprises[PRINCIPALS_MAX];
    size_t n_enterprises;
    struct principal_row users[PRINCIPALS_MAX];
    size_t n_users;
    uint64_t skip_enterprises, skip_users; /* still to be left out */
    bool has_more;
};

static bool may_list(const struct listing *l, struct enterprise_id e)
{
    struct authz_object what = {.enterprise = e};
    return authz(&l->asker->who, VERB_USERS_SEE, &what);
}

/* Is the next one that the asker may see on this page? */
static bool takes(struct listing *l, uint64_t *skip, size_t n)
{
    if (*skip > 0) {
        --*skip;
        return false;
    }
    l->has_more = l->has_more || n == PRINCIPALS_MAX;
    return n < PRINCIPALS_MAX;
}

static void list_enterprise(void *arg, struct enterprise_id id, const char *name)
{
    struct listing *l = arg;
    if (may_list(l, id) && takes(l, &l->skip_enterprises, l->n_enterprises))
        l->enterprises[l->n_enterprises++] = name;
}

static void list_user(void *arg, const struct principal_view *p)
{
    struct listing *l = arg;
    if (may_list(l, p->enterprise) && takes(l, &l->skip_users, l->n_users))
        l->users[l->n_users++] = (struct principal_row){.enterprise = p->enterprise_name,
                                                        .user = p->name,
                                                        .role = role_name(p->role),
                                                        .public_key = p->public_key,
                                                        .revoked = p->revoked};
}

void on_principals_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct listing *l CQ_CLEANUP(cq_free_ptr) = CQ_NEW(struct listing);
    l->asker = a;
    l->skip_enterprises = m->u.principals_query.skip_enterprises;
    l->skip_users = m->u.principals_query.skip_users;
    if (!may_list(l, a->who.enterprise)) {
        deny(d, a, "list users");
        return;
    }
    core_each_enterprise(d->core, list_enterprise, l);
    core_each_principal(d->core, list_user, l);
    struct msg answer = {.code = MSG_PRINCIPALS};
    answer.u.principals.enterprises = l->enterprises;
    answer.u.principals.n_enterprises = l->n_enterprises;
    answer.u.principals.users = l->users;
    answer.u.principals.n_users = l->n_users;
    answer.u.principals.has_more = l->has_more;
    reply(d, a, &answer);
}
