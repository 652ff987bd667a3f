/* What a planned change of configuration changes: as text for people, as records for the journal.
 */
#include "common/base/pure/mem.h"
#include "scheduler/core/config.h"
#include "scheduler/core/config_plan.h"
#include "scheduler/core/core_state.h"

static const char present[] = "present";

/* ---- text ---- */

struct change {
    const char *kind, *path, *key, *old, *new;
};

static void put_change(const struct change *ch, struct cq_str *out)
{
    if (strcmp(ch->old, ch->new) != 0)
        cq_str_printf(out, "%s %s\t%s\t%s\t%s\n", ch->kind, ch->path, ch->key, ch->old, ch->new);
}

static const char *text(const char *t)
{
    return t ? t : "";
}

static void node_changes(const struct plan_node *n, struct cq_str *out)
{
    const char *kind = plan_kinds[n->level];
    put_change(
        &(struct change){kind, n->path, "", n->node ? present : "", n->is_removed ? "" : present},
        out);
    for (enum setting i = 0; !n->is_removed && i < SETTING_COUNT; i++)
        put_change(&(struct change){kind, n->path, setting_key(i),
                                    n->node ? text(n->node->settings.texts[i]) : "",
                                    text(n->settings.texts[i])},
                   out);
}

static void count_text(const struct feature *f, char *buf, size_t size)
{
    if (f->is_removed)
        *buf = '\0';
    else
        (void)snprintf(buf, size, "%llu", (unsigned long long)f->count);
}

static const char *owner_text(const struct feature *f)
{
    return f->owner && !f->is_removed ? f->owner->name : "";
}

static void feature_changes(const struct plan_feature *pf, struct cq_str *out)
{
    const struct feature *old = &pf->before, *new = pf->feature;
    const char *kind = plan_feature_kinds[new->kind];
    char old_count[32], new_count[32];
    bool is_other = !old->is_removed && !new->is_removed && old->kind != new->kind;
    count_text(old, old_count, sizeof old_count);
    count_text(new, new_count, sizeof new_count);
    if (is_other)
        put_change(&(struct change){plan_feature_kinds[old->kind], pf->name, "", present, ""}, out);
    put_change(&(struct change){kind, pf->name, "", old->is_removed || is_other ? "" : present,
                                new->is_removed ? "" : present},
               out);
    if (new->is_removed)
        return;
    put_change(&(struct change){kind, pf->name, "count", old_count, new_count}, out);
    put_change(&(struct change){kind, pf->name, "owner", owner_text(old), owner_text(new)}, out);
}

static int64_t every_now(const struct core *c)
{
    return c->features.feed_every_us ? c->features.feed_every_us : FEED_EVERY_US;
}

void config_every_text(int64_t every_us, struct cq_str *out)
{
    if (every_us != FEED_EVERY_US)
        settings_format_time(every_us, out);
}

static void feed_changes(const struct plan *p, struct cq_str *out)
{
    struct cq_str old CQ_CLEANUP(cq_str_fini) = {0}, new CQ_CLEANUP(cq_str_fini) = {0};
    config_every_text(every_now(p->c), &old);
    config_every_text(p->feed_every_us, &new);
    put_change(&(struct change){"feed", FEED_PATH, "command", text(p->c->features.feed_command),
                                text(p->feed_command)},
               out);
    put_change(&(struct change){"feed", FEED_PATH, "every", cq_str_text(&old), cq_str_text(&new)},
               out);
}

void plan_changes(const struct plan *p, struct cq_str *out)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        node_changes(p->nodes[i], out);
    for (size_t i = 0; i < p->n_features; i++)
        feature_changes(&p->features[i], out);
    feed_changes(p, out);
}

/* ---- records ---- */

struct emitter {
    struct plan *plan;
    struct plan_author by;
    struct effects *out;
};

static void emit(const struct emitter *e, struct record *r)
{
    core_emit(e->plan->c, e->out, r);
}

static void make_enterprise(const struct emitter *e, struct plan_node *n)
{
    struct record *r = record_new(RECORD_ENTERPRISE_ADD);
    n->id = n->made.id = core_new_id(e->plan->c);
    r->u.enterprise_add = (struct enterprise_add){.id = n->id,
                                                  .name = cq_strdup(n->name),
                                                  .principal = e->by.principal,
                                                  .at_us = e->by.at_us};
    emit(e, r);
}

static void make_project(const struct emitter *e, struct plan_node *n)
{
    struct record *r = record_new(RECORD_PROJECT_ADD);
    n->id = core_new_id(e->plan->c);
    r->u.project_add =
        (struct project_add){.id = n->id, .enterprise = n->parent->id, .name = cq_strdup(n->name)};
    emit(e, r);
}

static void make_leaf(const struct emitter *e, struct plan_node *n)
{
    struct record *r = record_new(RECORD_LEAF_ADD);
    n->id = core_new_id(e->plan->c);
    r->u.leaf_add =
        (struct leaf_add){.id = n->id, .project = n->parent->id, .principal = n->principal->id};
    emit(e, r);
}

static void emit_settings(const struct emitter *e, const struct plan_node *n)
{
    struct cq_str old CQ_CLEANUP(cq_str_fini) = {0}, new = {0};
    if (n->node)
        settings_format(&n->node->settings, &old);
    settings_format(&n->settings, &new);
    if (strcmp(cq_str_text(&old), cq_str_text(&new)) != 0) {
        struct record *r = record_new(RECORD_NODE_SETTINGS);
        r->u.node_settings = (struct node_settings){.id = n->id,
                                                    .settings = cq_str_take(&new),
                                                    .principal = e->by.principal,
                                                    .at_us = e->by.at_us,
                                                    .policy_us = e->plan->c->policy_us};
        emit(e, r);
    }
    cq_str_fini(&new);
}

static bool is_feature_changed(const struct plan_feature *pf)
{
    const struct feature *a = &pf->before, *b = &pf->after;
    return a->is_removed != b->is_removed
           || (!b->is_removed
               && (a->kind != b->kind || a->count != b->count || a->owner != b->owner));
}

static void emit_features(const struct emitter *e, bool removals)
{
    for (size_t i = 0; i < e->plan->n_features; i++) {
        const struct plan_feature *pf = &e->plan->features[i];
        const struct feature *f = &pf->after;
        if (f->is_removed != removals || !is_feature_changed(pf))
            continue;
        struct record *r = record_new(RECORD_FEATURE_SET);
        r->u.feature_set = (struct feature_set){.id = pf->is_made ? core_new_id(e->plan->c) : f->id,
                                                .name = cq_strdup(pf->name),
                                                .kind = f->kind,
                                                .owner = f->owner && !removals ? f->owner->id : 0,
                                                .count = removals ? 0 : f->count,
                                                .removed = removals,
                                                .principal = e->by.principal,
                                                .at_us = e->by.at_us};
        emit(e, r);
    }
}

static void emit_feed(const struct emitter *e)
{
    const struct plan *p = e->plan;
    if (strcmp(text(p->feed_command), text(p->c->features.feed_command)) == 0
        && p->feed_every_us == every_now(p->c))
        return;
    struct record *r = record_new(RECORD_FEED_SET);
    r->u.feed_set = (struct feed_set){.command = cq_strdup(p->feed_command),
                                      .every_us = p->feed_every_us,
                                      .principal = e->by.principal,
                                      .at_us = e->by.at_us};
    emit(e, r);
}

static void emit_removals(const struct emitter *e)
{
    for (size_t i = 0; i < e->plan->n_nodes; i++) {
        const struct plan_node *n = e->plan->nodes[i];
        if (!n->is_removed)
            continue;
        struct record *r = record_new(RECORD_ENTERPRISE_REMOVE);
        r->u.enterprise_remove = (struct enterprise_remove){
            .id = n->id, .principal = e->by.principal, .at_us = e->by.at_us};
        emit(e, r);
    }
}

/* Whatever a record names has been made by one before it. */
void plan_emit(struct plan *p, struct plan_author by, struct effects *out)
{
    const struct emitter e = {p, by, out};
    static void (*const makers[SHARE_LEVELS])(const struct emitter *, struct plan_node *) = {
        NULL, make_enterprise, make_project, make_leaf};
    for (unsigned level = SHARE_ENTERPRISE; level < SHARE_LEVELS; level++)
        for (size_t i = 0; i < p->n_nodes; i++)
            if (p->nodes[i]->node == NULL && p->nodes[i]->level == level)
                makers[level](&e, p->nodes[i]);
    emit_features(&e, false);
    for (size_t i = 0; i < p->n_nodes; i++)
        emit_settings(&e, p->nodes[i]);
    emit_features(&e, true);
    emit_feed(&e);
    emit_removals(&e);
}
