/* Enterprises, principals and projects: their records, their inputs and the look-ups of the shell.
 */
#include "scheduler/core/people.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/learn.h"

enum { KEY_CHARS = 40 }; /* of a CURVE key in Z85 */

void people_fini(struct people *p)
{
    for (size_t i = 0; i < p->n_enterprises; i++) {
        map_fini(&p->enterprises[i]->jobs);
        free(p->enterprises[i]->name);
        free(p->enterprises[i]);
    }
    for (size_t i = 0; i < p->n_principals; i++) {
        free(p->principals[i]->name);
        free(p->principals[i]->public_key);
        free(p->principals[i]);
    }
    for (size_t i = 0; i < p->n_projects; i++) {
        free(p->projects[i]->name);
        learned_free(p->projects[i]->learned);
        free(p->projects[i]);
    }
    free(p->enterprises);
    free(p->principals);
    free(p->projects);
    map_fini(&p->by_id);
    map_fini(&p->by_key);
}

/* by_id holds three types; the vectors tell which, in order of creation (ids ascend). */
#define FIND_BY_ID(items, count, wanted)                \
    for (size_t low = 0, high = (count); low < high;) { \
        size_t mid = low + (high - low) / 2;            \
        if ((items)[mid]->id == (wanted))               \
            return (items)[mid];                        \
        if ((items)[mid]->id < (wanted))                \
            low = mid + 1;                              \
        else                                            \
            high = mid;                                 \
    }                                                   \
    return NULL

struct enterprise *people_enterprise(const struct core *c, uint64_t id)
{
    FIND_BY_ID(c->people.enterprises, c->people.n_enterprises, id);
}

struct principal *people_principal(const struct core *c, uint64_t id)
{
    FIND_BY_ID(c->people.principals, c->people.n_principals, id);
}

struct project *people_project(const struct core *c, uint64_t id)
{
    FIND_BY_ID(c->people.projects, c->people.n_projects, id);
}

struct enterprise *people_enterprise_named(const struct core *c, const char *name)
{
    for (size_t i = 0; i < c->people.n_enterprises; i++) {
        struct enterprise *e = c->people.enterprises[i];
        if (!e->is_removed && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

struct project *people_project_named(const struct core *c, const struct enterprise *e,
                                     const char *name)
{
    (void)c;
    for (size_t i = 0; i < e->share->n_children; i++)
        if (strcmp(e->share->children[i]->project->name, name) == 0)
            return e->share->children[i]->project;
    return NULL;
}

struct principal *people_principal_named(const struct core *c, const struct enterprise *e,
                                         const char *name)
{
    for (size_t i = 0; i < c->people.n_principals; i++) {
        struct principal *p = c->people.principals[i];
        if (p->enterprise == e && !p->revoked && strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static struct principal *principal_of_key(const struct core *c, const char *key)
{
    struct principal *p = map_find(&c->people.by_key, core_hash(CORE_HASH_SEED, key, strlen(key)));
    while (p && (p->revoked || strcmp(p->public_key, key) != 0))
        p = p->next_same_hash;
    return p;
}

/* ---- the door ---- */

static int check_id(const struct core *c, uint64_t id, const struct record *r, struct cq_err *err)
{
    if (id != 0 && map_find(&c->people.by_id, id) == NULL)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "record %s brings id %" PRIu64 ", which is taken",
                   record_type_name(r->type), id);
}

/* Keeps a vector sorted by id whatever the order of load; live, it appends. */
#define INSERT_BY_ID(items, cap, count, item)                       \
    do {                                                            \
        cq_grow(&(items), &(cap), (count));                         \
        size_t at_ = (count)++;                                     \
        for (; at_ > 0 && (items)[at_ - 1]->id > (item)->id; at_--) \
            (items)[at_] = (items)[at_ - 1];                        \
        (items)[at_] = (item);                                      \
    } while (0)

static int apply_enterprise(struct core *c, const struct record *r, struct cq_err *err)
{
    const struct enterprise_add *a = &r->u.enterprise_add;
    if (check_id(c, a->id, r, err) != 0)
        return -1;
    struct people *p = &c->people;
    struct enterprise *e = CQ_NEW(struct enterprise);
    *e = (struct enterprise){
        .id = a->id, .name = cq_strdup(a->name ? a->name : ""), .next_number = 1, .changed = true};
    INSERT_BY_ID(p->enterprises, p->cap_enterprises, p->n_enterprises, e);
    map_put(&p->by_id, e->id, e);
    e->share = share_add(c, &c->share.root, e->id, SHARE_ENTERPRISE);
    e->share->enterprise = e;
    core_saw_id(c, e->id);
    return 0;
}

static int apply_principal(struct core *c, const struct record *r, struct cq_err *err)
{
    const struct principal_add *a = &r->u.principal_add;
    struct enterprise *e = people_enterprise(c, a->enterprise);
    if (check_id(c, a->id, r, err) != 0)
        return -1;
    if ((a->enterprise && e == NULL) || a->role >= ROLE_COUNT)
        return cq_fail(err, CQ_E_INTERNAL, "principal %" PRIu64 " does not fit", a->id);
    struct people *p = &c->people;
    struct principal *n = CQ_NEW(struct principal);
    *n = (struct principal){.id = a->id,
                            .enterprise = e,
                            .name = cq_strdup(a->name ? a->name : ""),
                            .public_key = cq_strdup(a->public_key ? a->public_key : ""),
                            .role = (enum role)a->role,
                            .changed = true};
    p->is_principal_changed = true;
    INSERT_BY_ID(p->principals, p->cap_principals, p->n_principals, n);
    map_put(&p->by_id, n->id, n);
    uint64_t hash = core_hash(CORE_HASH_SEED, n->public_key, strlen(n->public_key));
    n->next_same_hash = map_find(&p->by_key, hash);
    map_put(&p->by_key, hash, n);
    core_saw_id(c, n->id);
    return 0;
}

static void revoke(struct core *c, struct principal *p)
{
    p->revoked = p->changed = c->people.is_principal_changed = true;
    if (p->role == ROLE_WORKER)
        worker_cut_off(c, p->id);
}

static int apply_revoke(struct core *c, const struct record *r, struct cq_err *err)
{
    struct principal *p = people_principal(c, r->u.principal_revoke.id);
    if (p == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "no principal %" PRIu64, r->u.principal_revoke.id);
    revoke(c, p);
    return 0;
}

static int apply_remove(struct core *c, const struct record *r, struct cq_err *err)
{
    struct enterprise *e = people_enterprise(c, r->u.enterprise_remove.id);
    if (e == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "no enterprise %" PRIu64, r->u.enterprise_remove.id);
    e->is_removed = e->changed = true;
    calendar_renew_next(&c->calendar);
    for (size_t i = 0; i < c->people.n_principals; i++)
        if (c->people.principals[i]->enterprise == e && !c->people.principals[i]->revoked)
            revoke(c, c->people.principals[i]);
    return 0;
}

static int apply_project(struct core *c, const struct record *r, struct cq_err *err)
{
    const struct project_add *a = &r->u.project_add;
    struct enterprise *e = people_enterprise(c, a->enterprise);
    if (check_id(c, a->id, r, err) != 0)
        return -1;
    if (e == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "project %" PRIu64 " has no enterprise", a->id);
    struct people *p = &c->people;
    struct project *n = CQ_NEW(struct project);
    *n = (struct project){
        .id = a->id, .enterprise = e, .name = cq_strdup(a->name ? a->name : ""), .changed = true};
    INSERT_BY_ID(p->projects, p->cap_projects, p->n_projects, n);
    map_put(&p->by_id, n->id, n);
    n->share = share_add(c, e->share, n->id, SHARE_PROJECT);
    n->share->project = n;
    core_saw_id(c, n->id);
    return 0;
}

static int apply_numbering(struct core *c, const struct record *r, struct cq_err *err)
{
    struct enterprise *e = people_enterprise(c, r->u.numbering.enterprise);
    if (e == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "numbering of an unknown enterprise");
    if (r->u.numbering.next_number > e->next_number)
        e->next_number = r->u.numbering.next_number;
    return 0;
}

int people_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (r->type == RECORD_ENTERPRISE_ADD)
        return apply_enterprise(c, r, err);
    if (r->type == RECORD_PRINCIPAL_ADD)
        return apply_principal(c, r, err);
    if (r->type == RECORD_PRINCIPAL_REVOKE)
        return apply_revoke(c, r, err);
    if (r->type == RECORD_PROJECT_ADD)
        return apply_project(c, r, err);
    if (r->type == RECORD_ENTERPRISE_REMOVE)
        return apply_remove(c, r, err);
    return apply_numbering(c, r, err);
}

/* ---- inputs ---- */

static int check_name(const char *what, const char *name, struct cq_err *err)
{
    if (is_name(name))
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "'%.63s' is no name for %s; use letters, digits, '.', '_', '-', at most 63",
                   name, what);
}

static int enterprise_add(struct core *c, const struct input *in, struct now now,
                          struct effects *out, struct cq_err *err)
{
    const char *name = in->u.enterprise_add.name;
    if (check_name("an enterprise", name, err) != 0)
        return -1;
    if (people_enterprise_named(c, name))
        return cq_fail(err, CQ_E_CONFLICT, "enterprise '%s' exists already", name);
    struct record *r = record_new(RECORD_ENTERPRISE_ADD);
    r->u.enterprise_add = (struct enterprise_add){.id = core_new_id(c),
                                                  .name = cq_strdup(name),
                                                  .principal = in->principal.v,
                                                  .at_us = now.wall_us};
    core_emit(c, out, r);
    return 0;
}

void people_enterprise_add(struct core *c, const struct input *in, struct now now,
                           struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    (void)enterprise_add(c, in, now, out, &err);
    core_reply(out, in->request, &err);
}

/* Workers and platform admins may belong to no enterprise. */
static int find_home(const struct core *c, const struct input *in, struct enterprise **home,
                     struct cq_err *err)
{
    const char *name = in->u.user_add.enterprise;
    enum role role = in->u.user_add.role;
    bool may_be_none = role == ROLE_WORKER || role == ROLE_PLATFORM_ADMIN;
    *home = people_enterprise_named(c, name);
    if (*home || (*name == '\0' && may_be_none))
        return 0;
    if (*name == '\0')
        return cq_fail(err, CQ_E_INVALID, "a user with role %s needs an enterprise",
                       role_name(role));
    return cq_fail(err, CQ_E_NOT_FOUND, "no such enterprise '%.63s'", name);
}

static int check_new_user(const struct core *c, const struct input *in,
                          const struct enterprise *home, struct cq_err *err)
{
    const char *name = in->u.user_add.name, *key = in->u.user_add.public_key;
    const struct principal *same = people_principal_named(c, home, name);
    if (check_name("a user", name, err) != 0)
        return -1;
    if (strlen(key) != KEY_CHARS)
        return cq_fail(err, CQ_E_INVALID, "a public key has %d characters, this one has %zu",
                       KEY_CHARS, strlen(key));
    if ((unsigned)in->u.user_add.role >= ROLE_COUNT)
        return cq_fail(err, CQ_E_INVALID, "unknown role");
    if (same)
        return cq_fail(err, CQ_E_CONFLICT, "user '%s' exists already; revoke it first", name);
    if (principal_of_key(c, key))
        return cq_fail(err, CQ_E_CONFLICT, "this key belongs to another user already");
    return 0;
}

static int user_add(struct core *c, const struct input *in, struct now now, struct effects *out,
                    struct cq_err *err)
{
    struct enterprise *home;
    if (find_home(c, in, &home, err) != 0)
        return -1;
    const char *name = in->u.user_add.name, *key = in->u.user_add.public_key;
    const struct principal *same = people_principal_named(c, home, name);
    if (same && same->role == in->u.user_add.role && strcmp(same->public_key, key) == 0)
        return 0; /* asked again: done already */
    if (check_new_user(c, in, home, err) != 0)
        return -1;
    struct record *r = record_new(RECORD_PRINCIPAL_ADD);
    r->u.principal_add = (struct principal_add){.id = core_new_id(c),
                                                .enterprise = home ? home->id : 0,
                                                .name = cq_strdup(name),
                                                .role = in->u.user_add.role,
                                                .public_key = cq_strdup(key),
                                                .principal = in->principal.v,
                                                .at_us = now.wall_us};
    core_emit(c, out, r);
    return 0;
}

void people_user_add(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    (void)user_add(c, in, now, out, &err);
    core_reply(out, in->request, &err);
}

static int user_revoke(struct core *c, const struct input *in, struct now now, struct effects *out,
                       struct cq_err *err)
{
    const char *home_name = in->u.user_revoke.enterprise;
    const struct enterprise *home = people_enterprise_named(c, home_name);
    if (home == NULL && *home_name)
        return cq_fail(err, CQ_E_NOT_FOUND, "no such enterprise '%.63s'", home_name);
    const struct principal *p = people_principal_named(c, home, in->u.user_revoke.name);
    if (p == NULL)
        return cq_fail(err, CQ_E_NOT_FOUND, "no such user '%.63s'", in->u.user_revoke.name);
    struct record *r = record_new(RECORD_PRINCIPAL_REVOKE);
    r->u.principal_revoke =
        (struct principal_revoke){.id = p->id, .principal = in->principal.v, .at_us = now.wall_us};
    core_emit(c, out, r);
    return 0;
}

void people_user_revoke(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    (void)user_revoke(c, in, now, out, &err);
    core_reply(out, in->request, &err);
}

/* ---- views ---- */

static struct principal_view view_of(const struct principal *p)
{
    return (struct principal_view){.id = {p->id},
                                   .enterprise = {p->enterprise ? p->enterprise->id : 0},
                                   .enterprise_name = p->enterprise ? p->enterprise->name : "",
                                   .name = p->name,
                                   .public_key = p->public_key,
                                   .role = p->role,
                                   .revoked = p->revoked};
}

bool core_view_principal(const struct core *c, struct principal_id id, struct principal_view *v)
{
    const struct principal *p = people_principal(c, id.v);
    if (p)
        *v = view_of(p);
    return p != NULL;
}

bool core_find_principal_key(const struct core *c, const char *public_key, struct principal_view *v)
{
    const struct principal *p = principal_of_key(c, public_key);
    if (p)
        *v = view_of(p);
    return p != NULL;
}

void core_each_principal(const struct core *c,
                         void (*fn)(void *arg, const struct principal_view *p), void *arg)
{
    for (size_t i = 0; i < c->people.n_principals; i++) {
        struct principal_view v = view_of(c->people.principals[i]);
        fn(arg, &v);
    }
}

void core_each_enterprise(const struct core *c,
                          void (*fn)(void *arg, struct enterprise_id id, const char *name),
                          void *arg)
{
    for (size_t i = 0; i < c->people.n_enterprises; i++) {
        const struct enterprise *e = c->people.enterprises[i];
        if (!e->is_removed)
            fn(arg, (struct enterprise_id){e->id}, e->name);
    }
}

const char *core_enterprise_name(const struct core *c, struct enterprise_id id)
{
    const struct enterprise *e = people_enterprise(c, id.v);
    return e ? e->name : "";
}

bool core_find_enterprise(const struct core *c, const char *name, struct enterprise_id *id)
{
    const struct enterprise *e = people_enterprise_named(c, name);
    if (e)
        id->v = e->id;
    return e != NULL;
}
