/* What is configured, in the order in which it can be configured; settings as durable state. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/config.h"
#include "scheduler/core/config_plan.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

void config_fini(struct core *c)
{
    free(c->settings_changed);
}

/* ---- the door ---- */

static void note_changed(struct core *c, struct share_node *n)
{
    if (n->is_settings_changed)
        return;
    n->is_settings_changed = true;
    cq_grow(&c->settings_changed, &c->cap_settings_changed, c->n_settings_changed);
    c->settings_changed[c->n_settings_changed++] = n;
}

int config_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    const struct node_settings *a = &r->u.node_settings;
    struct share_node *n = a->id ? share_node_find(c, a->id) : NULL;
    if (n == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "settings of share node %" PRIu64 ", which is not there",
                       a->id);
    budget_see(c, a->at_us);
    if (settings_parse(c, NULL, a->settings ? a->settings : "", &n->settings, err) != 0)
        return cq_wrap(err, "settings of share node %" PRIu64, a->id);
    note_changed(c, n);
    share_settings_changed(c, n);
    return 0;
}

/* ---- snapshots ---- */

/* Takes r. */
static void give(entity_view_fn fn, void *arg, struct record *r, uint64_t id, bool gone)
{
    const struct entity_view e = {.type = r->type, .id = id, .record = r, .gone = gone};
    fn(arg, &e);
    record_free(r);
}

/* Nodes are only ever added. */
static void give_leaves(struct core *c, entity_view_fn fn, void *arg)
{
    for (; c->n_nodes_seen < c->share.n_all; c->n_nodes_seen++) {
        const struct share_node *n = c->share.all[c->n_nodes_seen];
        if (n->level != SHARE_LEAF)
            continue;
        struct record *r = record_new(RECORD_LEAF_ADD);
        r->u.leaf_add = (struct leaf_add){
            .id = n->id, .project = n->project->id, .principal = n->principal->id};
        give(fn, arg, r, n->id, false);
    }
}

void config_view_entities(struct core *c, entity_view_fn fn, void *arg)
{
    give_leaves(c, fn, arg);
    for (size_t i = 0; i < c->n_settings_changed; i++) {
        struct share_node *n = c->settings_changed[i];
        struct cq_str text = {0};
        struct record *r = record_new(RECORD_NODE_SETTINGS);
        settings_format(&n->settings, &text);
        bool is_plain = text.len == 0;
        r->u.node_settings = (struct node_settings){.id = n->id, .settings = cq_str_take(&text)};
        give(fn, arg, r, n->id, is_plain);
        n->is_settings_changed = false;
    }
    c->n_settings_changed = 0;
}

/* ---- all settings ---- */

struct lister {
    setting_view_fn fn;
    void *arg;
};

static int by_own_name(const void *a, const void *b)
{
    const struct share_node *x = *(struct share_node *const *)a;
    const struct share_node *y = *(struct share_node *const *)b;
    if (x->level == SHARE_ENTERPRISE)
        return strcmp(x->enterprise->name, y->enterprise->name);
    if (x->level == SHARE_PROJECT)
        return strcmp(x->project->name, y->project->name);
    return strcmp(x->principal->name, y->principal->name);
}

static bool is_shown(const struct share_node *n)
{
    if (n->level == SHARE_ENTERPRISE)
        return !n->enterprise->is_removed;
    if (n->level == SHARE_PROJECT)
        return true;
    bool is_plain = true; /* a leaf that nobody configured is no configuration */
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        is_plain &= n->settings.texts[i] == NULL;
    return !is_plain && !n->principal->revoked;
}

/* Caller frees. */
static struct share_node **sorted_children(const struct share_node *n, size_t *count)
{
    struct share_node **list = cq_calloc(n->n_children + 1, sizeof *list);
    *count = 0;
    for (size_t i = 0; i < n->n_children; i++)
        if (is_shown(n->children[i]))
            list[(*count)++] = n->children[i];
    qsort(list, *count, sizeof(*list), by_own_name);
    return list;
}

static void list_node(const struct lister *l, const struct share_node *n)
{
    struct cq_str path = {0};
    share_path(n, &path);
    struct setting_view v = {.enterprise = {n->enterprise->id},
                             .kind = plan_kinds[n->level],
                             .path = cq_str_text(&path),
                             .key = "",
                             .value = ""};
    l->fn(l->arg, &v);
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        v.key = setting_key(i);
        v.value = n->settings.texts[i];
        if (v.value)
            l->fn(l->arg, &v);
    }
    cq_str_fini(&path);
}

static void list_project(const struct lister *l, const struct share_node *project)
{
    size_t n;
    struct share_node **users = sorted_children(project, &n);
    list_node(l, project);
    for (size_t i = 0; i < n; i++)
        list_node(l, users[i]);
    free(users);
}

static void list_enterprise(const struct lister *l, const struct share_node *enterprise)
{
    size_t n;
    struct share_node **projects = sorted_children(enterprise, &n);
    list_node(l, enterprise);
    for (size_t i = 0; i < n; i++)
        list_project(l, projects[i]);
    free(projects);
}

static void list_feature(const struct lister *l, const struct feature *f)
{
    char count[32];
    struct setting_view v = {.enterprise = {f->owner ? f->owner->id : 0},
                             .kind = plan_feature_kinds[f->kind],
                             .path = f->name,
                             .key = "",
                             .value = ""};
    l->fn(l->arg, &v);
    (void)snprintf(count, sizeof count, "%" PRIu64, f->count);
    v.key = "count";
    v.value = count;
    l->fn(l->arg, &v);
    if (f->owner) {
        v.key = "owner";
        v.value = f->owner->name;
        l->fn(l->arg, &v);
    }
}

static void list_feed(const struct core *c, const struct lister *l)
{
    int64_t every_us;
    struct cq_str every CQ_CLEANUP(cq_str_fini) = {0};
    const char *command = core_feed_command(c, &every_us);
    struct setting_view v = {.kind = "feed", .path = FEED_PATH, .key = "", .value = ""};
    config_every_text(every_us, &every);
    if (command == NULL && every.len == 0)
        return;
    l->fn(l->arg, &v);
    v.key = "command";
    v.value = command;
    if (command)
        l->fn(l->arg, &v);
    v.key = "every";
    v.value = cq_str_text(&every);
    if (every.len > 0)
        l->fn(l->arg, &v);
}

void core_each_setting(const struct core *c, setting_view_fn fn, void *arg)
{
    const struct lister l = {fn, arg};
    const struct feature **features CQ_CLEANUP(cq_free_ptr);
    size_t n, n_features = features_by_name(c, &features);
    struct share_node **enterprises CQ_CLEANUP(cq_free_ptr) = sorted_children(&c->share.root, &n);
    for (size_t i = 0; i < n; i++)
        list_enterprise(&l, enterprises[i]);
    for (size_t i = 0; i < n_features; i++)
        list_feature(&l, features[i]);
    list_feed(c, &l);
}
