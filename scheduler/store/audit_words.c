/* What the audit says of a record: who did what to which thing, in names. They are found before the
 * batch's entities are written: what goes away in this batch still has one, and settings can be
 * compared with what they were. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

struct words {
    struct store *s;
    const struct store_batch *b;
    size_t at; /* of the record in the batch */
};

bool audit_is_due(const struct record *r)
{
    switch ((unsigned)r->type) {
    case RECORD_ENTERPRISE_ADD:
    case RECORD_PRINCIPAL_ADD:
    case RECORD_PRINCIPAL_REVOKE:
    case RECORD_NODE_SETTINGS:
    case RECORD_ENTERPRISE_REMOVE:
    case RECORD_FEATURE_SET:
    case RECORD_FEED_SET:
    case RECORD_RESERVATION_ADD:
    case RECORD_BACKUP:
        return true;
    case RECORD_RESERVATION_REMOVE:
        return r->u.reservation_remove.principal != 0; /* else it was over */
    case RECORD_WORKER_DRAIN:
        return r->u.worker_drain.principal != 0; /* else it stops, or said so itself */
    default:
        return false;
    }
}

static const char *text(const char *t)
{
    return t ? t : "";
}

/* ---- what ids stand for ---- */

static uint64_t id_of(const struct record *r)
{
    switch ((unsigned)r->type) {
    case RECORD_ENTERPRISE_ADD:
        return r->u.enterprise_add.id;
    case RECORD_PROJECT_ADD:
        return r->u.project_add.id;
    case RECORD_PRINCIPAL_ADD:
        return r->u.principal_add.id;
    case RECORD_LEAF_ADD:
        return r->u.leaf_add.id;
    case RECORD_WORKER_ADD:
        return r->u.worker_add.id;
    case RECORD_RESERVATION_ADD:
        return r->u.reservation_add.id;
    case RECORD_FEATURE_SET:
        return r->u.feature_set.id;
    case RECORD_NODE_SETTINGS:
        return r->u.node_settings.id;
    default:
        return 0;
    }
}

/* The newest record of this kind and id before ours: in the batch, else in the entity table. 1
 * found (caller frees *out), 0 not, -1 error. */
static int find(const struct words *w, enum record_type kind, uint64_t id, struct record **out,
                struct cq_err *err)
{
    for (size_t i = w->at; id != 0 && i > 0; i--)
        if (w->b->records[i - 1]->type == kind && id_of(w->b->records[i - 1]) == id) {
            *out = record_ref(w->b->records[i - 1]);
            return 1;
        }
    return id == 0 ? 0 : entity_find(w->s, kind, id, out, err);
}

static int add_enterprise(const struct words *w, uint64_t id, struct cq_str *out,
                          struct cq_err *err)
{
    struct record *r = NULL;
    int rc = find(w, RECORD_ENTERPRISE_ADD, id, &r, err);
    if (rc > 0)
        cq_str_add(out, text(r->u.enterprise_add.name));
    record_free(r);
    return rc;
}

/* "acme/ann", or "admin" of none; *enterprise: whose. */
static int add_principal(const struct words *w, uint64_t id, struct cq_str *out,
                         uint64_t *enterprise, struct cq_err *err)
{
    struct record *r = NULL;
    int rc = find(w, RECORD_PRINCIPAL_ADD, id, &r, err);
    if (rc > 0) {
        *enterprise = r->u.principal_add.enterprise;
        rc = add_enterprise(w, *enterprise, out, err);
        cq_str_printf(out, "%s%s", rc > 0 ? "/" : "", text(r->u.principal_add.name));
        rc = rc < 0 ? -1 : 1;
    }
    record_free(r);
    return rc;
}

static int add_project(const struct words *w, uint64_t id, struct cq_str *out, uint64_t *enterprise,
                       struct cq_err *err)
{
    struct record *r = NULL;
    int rc = find(w, RECORD_PROJECT_ADD, id, &r, err);
    if (rc > 0) {
        *enterprise = r->u.project_add.enterprise;
        rc = add_enterprise(w, *enterprise, out, err);
        cq_str_printf(out, "/%s", text(r->u.project_add.name));
    }
    record_free(r);
    return rc;
}

static int add_leaf(const struct words *w, uint64_t id, struct cq_str *out, uint64_t *enterprise,
                    struct cq_err *err)
{
    struct record *r = NULL, *user = NULL;
    int rc = find(w, RECORD_LEAF_ADD, id, &r, err);
    if (rc > 0)
        rc = add_project(w, r->u.leaf_add.project, out, enterprise, err);
    if (rc > 0)
        rc = find(w, RECORD_PRINCIPAL_ADD, r->u.leaf_add.principal, &user, err);
    if (rc > 0)
        cq_str_printf(out, "/%s", text(user->u.principal_add.name));
    record_free(user);
    record_free(r);
    return rc;
}

/* The path of a node of the share tree. */
static int add_node(const struct words *w, uint64_t id, struct cq_str *out, uint64_t *enterprise,
                    struct cq_err *err)
{
    int rc = add_enterprise(w, id, out, err);
    if (rc > 0)
        *enterprise = id;
    if (rc == 0)
        rc = add_project(w, id, out, enterprise, err);
    if (rc == 0)
        rc = add_leaf(w, id, out, enterprise, err);
    return rc;
}

/* ---- settings, line by line ---- */

/* The value of `key` in lines of key=value; its length in *len. NULL: not there. */
static const char *value_of(const char *lines, const char *key, size_t key_len, size_t *len)
{
    for (const char *p = lines; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, key, key_len) == 0 && p[key_len] == '=') {
            *len = strcspn(p + key_len + 1, "\n");
            return p + key_len + 1;
        }
    return NULL;
}

static void say_set(const char *line, size_t key_len, const char *old, struct cq_str *out)
{
    size_t len = strcspn(line, "\n"), old_len = 0;
    const char *was = value_of(old, line, key_len, &old_len);
    const char *now = line + key_len + 1;
    if (was && old_len == len - key_len - 1 && strncmp(was, now, old_len) == 0)
        return;
    cq_str_printf(out, "%s%.*s (was %.*s)", out->len ? ", " : "", (int)len, line,
                  was ? (int)old_len : 7, was ? was : "default");
}

static void say_changes(const char *old, const char *now, struct cq_str *out)
{
    for (const char *p = now; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t key_len = strcspn(p, "=\n");
        if (p[key_len] == '=')
            say_set(p, key_len, old, out);
    }
    for (const char *p = old; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t key_len = strcspn(p, "=\n"), len;
        if (p[key_len] == '=' && value_of(now, p, key_len, &len) == NULL)
            cq_str_printf(out, "%s%.*s=default (was %.*s)", out->len ? ", " : "", (int)key_len, p,
                          (int)strcspn(p + key_len + 1, "\n"), p + key_len + 1);
    }
}

/* ---- one record ---- */

struct said {
    struct cq_str object, detail;
    const char *verb;
    uint64_t who, enterprise;
};

static int say_person(const struct words *w, const struct record *r, struct said *out,
                      struct cq_err *err)
{
    const struct principal_add *p = &r->u.principal_add;
    out->verb = "user add";
    out->who = p->principal;
    out->enterprise = p->enterprise;
    int rc = add_enterprise(w, p->enterprise, &out->object, err);
    cq_str_printf(&out->object, "%s%s", rc > 0 ? "/" : "", text(p->name));
    cq_str_printf(&out->detail, "role=%s key=%s", role_name((enum role)p->role),
                  text(p->public_key));
    return rc;
}

static int say_settings(const struct words *w, const struct node_settings *n, struct said *out,
                        struct cq_err *err)
{
    struct record *old = NULL;
    out->verb = "settings";
    out->who = n->principal;
    if (find(w, RECORD_NODE_SETTINGS, n->id, &old, err) < 0)
        return -1;
    say_changes(old ? text(old->u.node_settings.settings) : "", text(n->settings), &out->detail);
    record_free(old);
    return add_node(w, n->id, &out->object, &out->enterprise, err);
}

static int say_feature(const struct words *w, const struct feature_set *f, struct said *out,
                       struct cq_err *err)
{
    out->verb = f->removed ? (f->kind ? "instrument remove" : "licence remove")
                : f->kind  ? "instrument set"
                           : "licence set";
    out->who = f->principal;
    out->enterprise = f->owner;
    cq_str_add(&out->object, text(f->name));
    if (!f->removed)
        cq_str_printf(&out->detail, "count=%llu", (unsigned long long)f->count);
    if (f->owner == 0)
        return 0;
    cq_str_add(&out->detail, f->removed ? "owner=" : " owner=");
    return add_enterprise(w, f->owner, &out->detail, err);
}

static void add_part(struct cq_str *out, const char *key, const char *value)
{
    if (value && *value)
        cq_str_printf(out, " %s=%s", key, value);
}

static int say_reservation(const struct words *w, const struct record *r, const char *verb,
                           struct said *out, struct cq_err *err)
{
    const struct reservation_add *a = &r->u.reservation_add;
    char from[32], to[32];
    out->verb = verb;
    cq_str_add(&out->object, text(a->name));
    cq_str_add(&out->detail, "for=");
    int rc = add_node(w, a->node, &out->detail, &out->enterprise, err);
    cq_str_printf(&out->detail, " from=%s to=%s", format_wall_us(a->start_us, from, sizeof from),
                  format_wall_us(a->end_us, to, sizeof to));
    if (a->every_days)
        cq_str_printf(&out->detail, " every_days=%llu", (unsigned long long)a->every_days);
    if (a->cores)
        cq_str_printf(&out->detail, " cores=%llu", (unsigned long long)a->cores);
    if (a->mem_mib)
        cq_str_printf(&out->detail, " mem_mib=%llu", (unsigned long long)a->mem_mib);
    add_part(&out->detail, "nodes", a->nodes);
    add_part(&out->detail, "licences", a->licences);
    return rc;
}

static int say_reservation_end(const struct words *w, const struct reservation_remove *e,
                               struct said *out, struct cq_err *err)
{
    struct record *r = NULL;
    int rc = find(w, RECORD_RESERVATION_ADD, e->id, &r, err);
    out->verb = "reservation remove";
    if (rc > 0)
        rc = say_reservation(w, r, out->verb, out, err);
    record_free(r);
    out->who = e->principal;
    return rc;
}

static int say_drain(const struct words *w, const struct worker_drain *d, struct said *out,
                     struct cq_err *err)
{
    struct record *r = NULL;
    int rc = find(w, RECORD_WORKER_ADD, d->worker, &r, err);
    if (rc > 0)
        cq_str_add(&out->object, text(r->u.worker_add.name));
    record_free(r);
    out->verb = d->drain ? "node drain" : "node resume";
    out->who = d->principal;
    cq_str_add(&out->detail, text(d->why));
    return rc;
}

static int say_enterprise(const struct words *w, const struct record *r, struct said *out,
                          struct cq_err *err)
{
    bool is_add = r->type == RECORD_ENTERPRISE_ADD;
    out->verb = is_add ? "enterprise add" : "enterprise remove";
    out->who = is_add ? r->u.enterprise_add.principal : r->u.enterprise_remove.principal;
    out->enterprise = is_add ? r->u.enterprise_add.id : r->u.enterprise_remove.id;
    if (!is_add)
        return add_enterprise(w, out->enterprise, &out->object, err);
    cq_str_add(&out->object, text(r->u.enterprise_add.name));
    return 0;
}

static int say_feed(const struct feed_set *f, struct said *out)
{
    out->verb = "feed set";
    out->who = f->principal;
    cq_str_add(&out->object, "licences");
    cq_str_printf(&out->detail, "every=%llds command=%s", (long long)(f->every_us / US_PER_S),
                  text(f->command));
    return 0;
}

static int say_backup(const struct backup_rec *b, struct said *out)
{
    out->verb = b->restored == 2 ? "repair" : b->restored ? "restore" : "backup";
    out->who = b->principal;
    cq_str_add(&out->object, text(b->name));
    return 0;
}

static int say(const struct words *w, const struct record *r, struct said *out, struct cq_err *err)
{
    switch ((unsigned)r->type) {
    case RECORD_ENTERPRISE_ADD:
    case RECORD_ENTERPRISE_REMOVE:
        return say_enterprise(w, r, out, err);
    case RECORD_PRINCIPAL_ADD:
        return say_person(w, r, out, err);
    case RECORD_PRINCIPAL_REVOKE:
        out->verb = "user revoke";
        out->who = r->u.principal_revoke.principal;
        return add_principal(w, r->u.principal_revoke.id, &out->object, &out->enterprise, err);
    case RECORD_NODE_SETTINGS:
        return say_settings(w, &r->u.node_settings, out, err);
    case RECORD_FEATURE_SET:
        return say_feature(w, &r->u.feature_set, out, err);
    case RECORD_FEED_SET:
        return say_feed(&r->u.feed_set, out);
    case RECORD_BACKUP:
        return say_backup(&r->u.backup_rec, out);
    case RECORD_RESERVATION_ADD:
        out->who = r->u.reservation_add.principal;
        return say_reservation(w, r, "reservation add", out, err);
    case RECORD_RESERVATION_REMOVE:
        return say_reservation_end(w, &r->u.reservation_remove, out, err);
    default:
        return say_drain(w, &r->u.worker_drain, out, err);
    }
}

/* Cuts in front of a UTF-8 continuation, so that the text stays valid. */
static char *take_bounded(struct cq_str *s)
{
    size_t n = AUDIT_DETAIL_MAX - 4;
    if (s->len > AUDIT_DETAIL_MAX) {
        while (n > 0 && ((unsigned char)s->data[n] & 0xc0) == 0x80)
            n--;
        cq_str_truncate(s, n);
        cq_str_add(s, "...");
    }
    char *text_of = cq_strdup(cq_str_text(s));
    cq_str_fini(s);
    return text_of;
}

int audit_describe(struct store *s, const struct store_batch *b, size_t i, struct audit_row *row,
                   struct cq_err *err)
{
    const struct words w = {s, b, i};
    struct said out = {0};
    struct cq_str who = {0};
    uint64_t home = 0;
    int rc = say(&w, b->records[i], &out, err);
    if (rc >= 0 && out.who != 0)
        rc = add_principal(&w, out.who, &who, &home, err);
    if (out.who == 0)
        cq_str_add(&who, "chipqd");
    *row = (struct audit_row){.seq = b->first_seq + i,
                              .at_us = b->at_us[i],
                              .principal = out.who,
                              .principal_name = take_bounded(&who),
                              .enterprise = out.enterprise,
                              .verb = cq_strdup(out.verb),
                              .object = take_bounded(&out.object),
                              .detail = take_bounded(&out.detail)};
    return rc < 0 ? -1 : 0;
}
