/* The plan of a change of configuration: finds, copies and makes what its rows name. */
#include "scheduler/core/config_plan.h"

#include <assert.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/config.h"
#include "scheduler/core/core_state.h"

enum { PARTS_MAX = SHARE_LEVELS - 1, NAME_BYTES = 64 };

const char *const plan_kinds[SHARE_LEVELS] = {"root", "enterprise", "project", "user"};
const char *const plan_feature_kinds[2] = {"licence", "instrument"};

void plan_init(struct plan *p, struct core *c)
{
    *p = (struct plan){.c = c,
                       .feed_command = cq_strdup(c->features.feed_command),
                       .feed_every_us = c->features.feed_every_us};
    if (p->feed_every_us == 0)
        p->feed_every_us = FEED_EVERY_US;
}

void plan_fini(struct plan *p)
{
    for (size_t i = 0; i < p->n_nodes; i++) {
        settings_fini(&p->nodes[i]->settings);
        free(p->nodes[i]->path);
        free(p->nodes[i]);
    }
    for (size_t i = 0; i < p->n_features; i++)
        free(p->features[i].name);
    free(p->nodes);
    free(p->features);
    free(p->feed_command);
    map_fini(&p->by_id);
    map_fini(&p->by_path);
}

/* ---- features ---- */

uint64_t plan_count_of(enum feature_kind kind)
{
    return kind == FEATURE_INSTRUMENT ? 1 : 0;
}

static struct plan_feature *note_feature(struct plan *p, struct feature *f)
{
    cq_grow(&p->features, &p->cap_features, p->n_features);
    struct plan_feature *pf = &p->features[p->n_features++];
    *pf = (struct plan_feature){.feature = f, .name = cq_strdup(f->name), .before = *f};
    return pf;
}

void plan_touch(struct plan *p, struct feature *f)
{
    size_t i = 0;
    while (i < p->n_features && p->features[i].feature != f)
        i++;
    if (i == p->n_features)
        (void)note_feature(p, f);
    p->features[i].row = p->row;
}

static struct feature *append_feature(struct plan *p, const char *name)
{
    struct features *all = &p->c->features;
    struct feature *f = CQ_NEW(struct feature);
    *f = (struct feature){.index = all->n, .name = cq_strdup(name), .is_removed = true};
    cq_grow(&all->items, &all->cap, all->n);
    all->items[all->n++] = f;
    note_feature(p, f)->is_made = true;
    return f;
}

/* One that an earlier row took away comes back as itself. */
struct feature *plan_make_feature(struct plan *p, const char *name, enum feature_kind kind)
{
    struct feature *f = NULL;
    for (size_t i = 0; i < p->n_features; i++)
        if (strcmp(p->features[i].name, name) == 0)
            f = p->features[i].feature;
    if (f == NULL)
        f = append_feature(p, name);
    plan_touch(p, f);
    f->kind = kind;
    f->count = plan_count_of(kind);
    f->owner = NULL;
    f->is_removed = false;
    return f;
}

void plan_undo(struct plan *p)
{
    struct features *all = &p->c->features;
    for (size_t i = 0; i < p->n_features; i++) {
        struct plan_feature *pf = &p->features[i];
        pf->after = *pf->feature;
        pf->feature->kind = pf->before.kind;
        pf->feature->count = pf->before.count;
        pf->feature->owner = pf->before.owner;
        pf->feature->is_removed = pf->before.is_removed;
    }
    while (all->n > 0 && all->items[all->n - 1]->id == 0) { /* made ones are the newest */
        struct feature *f = all->items[--all->n];
        free(f->name);
        free(f);
    }
    for (size_t i = 0; i < p->n_features; i++)
        if (p->features[i].is_made)
            p->features[i].feature = NULL;
}

/* ---- nodes ---- */

static struct plan_node *note_node(struct plan *p, enum share_level level, const char *path,
                                   struct share_node *node)
{
    struct plan_node *n = CQ_NEW(struct plan_node);
    n->level = level;
    n->path = cq_strdup(path);
    n->name = strrchr(n->path, '/') ? strrchr(n->path, '/') + 1 : n->path;
    n->node = node;
    settings_init(&n->settings);
    cq_grow(&p->nodes, &p->cap_nodes, p->n_nodes);
    p->nodes[p->n_nodes++] = n;
    if (node) {
        n->id = node->id;
        n->enterprise = node->enterprise;
        n->principal = node->principal;
        settings_copy(&n->settings, &node->settings);
        map_put(&p->by_id, node->id, n);
        return n;
    }
    uint64_t hash = core_hash(CORE_HASH_SEED, path, strlen(path));
    n->next_same_hash = map_find(&p->by_path, hash);
    map_put(&p->by_path, hash, n);
    return n;
}

static struct plan_node *made_node(const struct plan *p, const char *path)
{
    struct plan_node *n = map_find(&p->by_path, core_hash(CORE_HASH_SEED, path, strlen(path)));
    while (n && strcmp(n->path, path) != 0)
        n = n->next_same_hash;
    return n;
}

struct plan_node *plan_node_of(struct plan *p, struct share_node *node)
{
    struct plan_node *below = NULL, *first = NULL;
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
    for (struct share_node *at = node; at && at->level != SHARE_ROOT; at = at->parent) {
        struct plan_node *n = map_find(&p->by_id, at->id);
        bool is_known = n != NULL;
        cq_str_clear(&path);
        share_path(at, &path);
        if (!is_known)
            n = note_node(p, at->level, cq_str_text(&path), at);
        if (below)
            below->parent = n;
        first = first ? first : n;
        below = n;
        if (is_known)
            break;
    }
    return first;
}

void plan_clear(struct plan *p, struct plan_node *n)
{
    settings_fini(&n->settings);
    settings_init(&n->settings);
    n->row = p->row;
}

/* ---- paths ---- */

static int bad_path(enum share_level level, const char *path, struct cq_err *err)
{
    const char *form = level == SHARE_ENTERPRISE ? "acme"
                       : level == SHARE_PROJECT  ? "acme/uart"
                                                 : "acme/uart/ann";
    return cq_fail(err, CQ_E_INVALID, "'%.191s' is no path of a%s %s; write it as %s", path,
                   level == SHARE_ENTERPRISE ? "n" : "", plan_kinds[level], form);
}

static int split_path(enum share_level level, const char *path, char parts[PARTS_MAX][NAME_BYTES],
                      struct cq_err *err)
{
    const char *p = path;
    assert(level < SHARE_LEVELS);
    for (unsigned i = 0; i < (unsigned)level; i++) {
        size_t bytes = strcspn(p, "/");
        bool is_last = i + 1 == (unsigned)level;
        if (bytes >= NAME_BYTES || (p[bytes] == '/') == is_last)
            return bad_path(level, path, err);
        memcpy(parts[i], p, bytes);
        parts[i][bytes] = '\0';
        if (!is_name(parts[i]))
            return bad_path(level, path, err);
        p += bytes + !is_last;
    }
    return 0;
}

struct names {
    const char **items;
    size_t n, cap;
};

static void add_name(struct names *l, const char *name)
{
    cq_grow(&l->items, &l->cap, l->n + 1);
    l->items[l->n++] = name;
    l->items[l->n] = NULL;
}

/* Those there are below `parent` (NULL: enterprises), and those that rows have made. */
static void list_names(const struct plan *p, const struct plan_node *parent, enum share_level level,
                       struct names *l)
{
    const struct core *c = p->c;
    const struct enterprise *e = parent ? parent->enterprise : NULL;
    for (size_t i = 0; level == SHARE_ENTERPRISE && i < c->people.n_enterprises; i++)
        if (!c->people.enterprises[i]->is_removed)
            add_name(l, c->people.enterprises[i]->name);
    for (size_t i = 0; level == SHARE_PROJECT && i < c->people.n_projects; i++)
        if (c->people.projects[i]->enterprise == e)
            add_name(l, c->people.projects[i]->name);
    for (size_t i = 0; level == SHARE_LEAF && i < c->people.n_principals; i++) {
        const struct principal *who = c->people.principals[i];
        if (who->enterprise == e && !who->revoked && who->role != ROLE_WORKER)
            add_name(l, who->name);
    }
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct plan_node *n = p->nodes[i];
        if (n->node == NULL && n->level == level && (parent == NULL || n->parent == parent))
            add_name(l, n->name);
    }
}

static struct plan_node *no_such_node(const struct plan *p, const struct plan_node *parent,
                                      enum share_level level, const char *name, struct cq_err *err)
{
    struct names l = {0};
    if (err == NULL)
        return NULL; /* only asked whether it is there: near names cost far more than that */
    list_names(p, parent, level, &l);
    const char *near = l.n ? cq_closest(name, l.items) : NULL;
    const char *of = parent ? parent->enterprise->name : "";
    if (near)
        (void)cq_fail(err, CQ_E_NOT_FOUND, "no %s '%s'%s%s; did you mean %s?", plan_kinds[level],
                      name, *of ? " in " : "", of, near);
    else
        (void)cq_fail(err, CQ_E_NOT_FOUND, "no %s '%s'%s%s (chipq share lists what there is)", plan_kinds[level], name,
                      *of ? " in " : "", of);
    free(l.items);
    return NULL;
}

/* ---- one level after the other ---- */

static struct plan_node *make_node(struct plan *p, struct plan_node *parent, enum share_level level,
                                   const char *name)
{
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
    cq_str_printf(&path, "%s%s%s", parent ? parent->path : "", parent ? "/" : "", name);
    struct plan_node *n = note_node(p, level, cq_str_text(&path), NULL);
    n->parent = parent;
    n->made.name = n->path; /* never freed through it */
    n->enterprise = parent ? parent->enterprise : &n->made;
    n->row = p->row;
    return n;
}

static struct plan_node *find_enterprise(struct plan *p, const char *name, bool may_make,
                                         struct cq_err *err)
{
    const struct enterprise *e = people_enterprise_named(p->c, name);
    struct plan_node *n = e ? plan_node_of(p, e->share) : made_node(p, name);
    if (n == NULL)
        return may_make ? make_node(p, NULL, SHARE_ENTERPRISE, name)
                        : no_such_node(p, NULL, SHARE_ENTERPRISE, name, err);
    if (!n->is_removed)
        return n;
    (void)cq_fail(err, CQ_E_NOT_FOUND,
                  "row %zu removes enterprise '%s'; a new one of that name is another change",
                  n->row, name);
    return NULL;
}

static struct plan_node *make_project(struct plan *p, struct plan_node *parent, const char *name,
                                      struct cq_err *err)
{
    size_t n = parent->n_made + (parent->node ? parent->node->n_children : 0);
    if (n < PROJECTS_MAX) {
        parent->n_made++;
        return make_node(p, parent, SHARE_PROJECT, name);
    }
    (void)cq_fail(err, CQ_E_LIMIT, "%s has %zu projects already; no more can be made", parent->path,
                  n);
    return NULL;
}

static struct plan_node *find_project(struct plan *p, struct plan_node *parent, const char *name,
                                      bool may_make, struct cq_err *err)
{
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
    for (size_t i = 0; parent->node && i < parent->node->n_children; i++)
        if (strcmp(parent->node->children[i]->project->name, name) == 0)
            return plan_node_of(p, parent->node->children[i]);
    cq_str_printf(&path, "%s/%s", parent->path, name);
    struct plan_node *n = made_node(p, cq_str_text(&path));
    if (n)
        return n;
    return may_make ? make_project(p, parent, name, err)
                    : no_such_node(p, parent, SHARE_PROJECT, name, err);
}

static struct plan_node *make_user(struct plan *p, struct plan_node *project, const char *name,
                                   struct cq_err *err)
{
    struct principal *who = people_principal_named(p->c, project->enterprise, name);
    if (who == NULL || who->role == ROLE_WORKER)
        return no_such_node(p, project, SHARE_LEAF, name, err);
    struct plan_node *n = make_node(p, project, SHARE_LEAF, name);
    n->principal = who;
    return n;
}

static struct plan_node *find_user(struct plan *p, struct plan_node *project, const char *name,
                                   bool may_make, struct cq_err *err)
{
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
    for (size_t i = 0; project->node && i < project->node->n_children; i++) {
        struct share_node *leaf = project->node->children[i];
        if (!leaf->principal->revoked && strcmp(leaf->principal->name, name) == 0)
            return plan_node_of(p, leaf);
    }
    cq_str_printf(&path, "%s/%s", project->path, name);
    struct plan_node *n = made_node(p, cq_str_text(&path));
    if (n)
        return n;
    if (may_make)
        return make_user(p, project, name, err);
    (void)cq_fail(err, CQ_E_NOT_FOUND, "user '%s' has nothing set or run in %s", name,
                  project->path);
    return NULL;
}

struct plan_node *plan_find(struct plan *p, enum share_level level, const char *path, bool may_make,
                            struct cq_err *err)
{
    char parts[PARTS_MAX][NAME_BYTES];
    if (p->last && p->last->level == level && !p->last->is_removed
        && strcmp(p->last->path, path) == 0)
        return p->last;
    if (split_path(level, path, parts, err) != 0)
        return NULL;
    struct plan_node *n = find_enterprise(p, parts[0], may_make && level == SHARE_ENTERPRISE, err);
    /* A user's row makes no project: its name may be misspelt. The default one is there for all. */
    bool may_make_project =
        may_make && (level == SHARE_PROJECT || strcmp(parts[1], "default") == 0);
    if (n && level >= SHARE_PROJECT)
        n = find_project(p, n, parts[1], may_make_project, err);
    if (n && level == SHARE_LEAF)
        n = find_user(p, n, parts[2], may_make, err);
    p->last = n;
    return n;
}
