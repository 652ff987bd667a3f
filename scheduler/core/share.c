/* The share tree: its nodes, their usage, the line by which siblings are compared. */
#include "scheduler/core/share.h"

#include <inttypes.h>

#include "common/base/pure/exp2.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/carry.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

#define LN_2 0.69314718055994530942
enum {
    LANDMARK_HALF_LIVES = 20,
    HALF_LIVES_MAX =
        900 /* a clock that was wrong for years; nothing is left then, and all stays finite */
};

void share_init(struct core *c)
{
    struct share *s = &c->share;
    s->half_life_us = (double)c->config.half_life_us;
    s->lambda = LN_2 / (s->half_life_us / 1e6);
    s->beta = c->config.beta;
    s->e_over_lambda = 1 / s->lambda;
    s->inverse_e = 1;
    settings_init(&s->root.settings);
    budget_init(c);
}

static void node_fini(struct share_node *n)
{
    settings_fini(&n->settings);
    free(n->children);
    free(n->tokens);
}

void share_fini(struct core *c)
{
    struct share *s = &c->share;
    for (size_t i = 0; i < s->n_all; i++) {
        node_fini(s->all[i]);
        free(s->all[i]);
    }
    node_fini(&s->root);
    map_fini(&s->nodes);
    free(s->all);
    free(s->guaranteed);
    free(s->changed);
}

/* ---- nodes ---- */

struct share_node *share_node_find(const struct core *c, uint64_t id)
{
    return id == 0 ? (struct share_node *)&c->share.root : map_find(&c->share.nodes, id);
}

static struct share_node **child_place(const struct share_node *n, uint64_t id)
{
    size_t low = 0, high = n->n_children;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (n->children[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return n->children + low;
}

struct share_node *share_add(struct core *c, struct share_node *parent, uint64_t id,
                             enum share_level level)
{
    struct share *s = &c->share;
    struct share_node *n = CQ_NEW(struct share_node);
    *n = (struct share_node){.id = id,
                             .level = level,
                             .parent = parent,
                             .enterprise = parent->enterprise,
                             .project = parent->project,
                             .group.inverse_e = 1,
                             .carry.inverse_e = 1,
                             .is_new = true};
    settings_init(&n->settings);
    cq_grow(&s->all, &s->cap_all, s->n_all);
    s->all[s->n_all++] = n;
    map_put(&s->nodes, id, n);
    cq_grow(&parent->children, &parent->cap_children, parent->n_children);
    struct share_node **at = child_place(parent, id);
    memmove(at + 1, at, (size_t)(parent->children + parent->n_children - at) * sizeof *at);
    *at = n;
    parent->n_children++;
    return n;
}

struct share_node *share_leaf_of(const struct core *c, uint64_t project, uint64_t principal)
{
    const struct project *p = people_project(c, project);
    for (size_t i = 0; p && i < p->share->n_children; i++)
        if (p->share->children[i]->principal->id == principal)
            return p->share->children[i];
    return NULL;
}

bool share_is_below(const struct share_node *n, const struct share_node *above)
{
    while (n && n != above)
        n = n->parent;
    return n != NULL;
}

void share_path(const struct share_node *n, struct cq_str *out)
{
    if (n->enterprise)
        cq_str_add(out, n->enterprise->name);
    if (n->project)
        cq_str_printf(out, "/%s", n->project->name);
    if (n->principal)
        cq_str_printf(out, "/%s", n->principal->name);
}

static int apply_leaf(struct core *c, const struct leaf_add *r, struct cq_err *err)
{
    const struct project *project = people_project(c, r->project);
    struct principal *who = people_principal(c, r->principal);
    if (r->id == 0 || map_find(&c->share.nodes, r->id) || project == NULL || who == NULL
        || share_leaf_of(c, r->project, r->principal))
        return cq_fail(err, CQ_E_INTERNAL, "leaf %" PRIu64 " does not fit", r->id);
    struct share_node *n = share_add(c, project->share, r->id, SHARE_LEAF);
    n->principal = who;
    core_saw_id(c, r->id);
    return 0;
}

int share_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (r->type == RECORD_LEAF_ADD)
        return apply_leaf(c, &r->u.leaf_add, err);
    struct share_node *n = share_node_find(c, r->u.share_state.id);
    if (n == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "state of share node %" PRIu64 ", which is not there",
                       r->u.share_state.id);
    return share_state_apply(c, n, &r->u.share_state.state, err);
}

void share_mark_changed(struct core *c, struct share_node *n)
{
    struct share *s = &c->share;
    if (n->is_changed)
        return;
    n->is_changed = true;
    cq_grow(&s->changed, &s->cap_changed, s->n_changed);
    s->changed[s->n_changed++] = n;
}

/* Keeps the list of nodes with a guarantee in order of their ids. */
static void list_guaranteed(struct share *s, struct share_node *n)
{
    bool wanted = n->settings.min_cores > 0 || n->settings.min_mem_mib > 0;
    size_t at = 0;
    while (at < s->n_guaranteed && s->guaranteed[at]->id < n->id)
        at++;
    bool is_there = at < s->n_guaranteed && s->guaranteed[at] == n;
    if (wanted == is_there)
        return;
    if (wanted)
        cq_grow(&s->guaranteed, &s->cap_guaranteed, s->n_guaranteed);
    struct share_node **place = s->guaranteed + at;
    size_t after = (s->n_guaranteed - at) * sizeof(struct share_node *);
    if (wanted) {
        memmove(place + 1, place, after);
        *place = n;
        s->n_guaranteed++;
    } else {
        memmove(place, place + 1, after - sizeof(struct share_node *));
        s->n_guaranteed--;
    }
}

void share_settings_changed(struct core *c, struct share_node *n)
{
    (void)share_now(c);
    list_guaranteed(&c->share, n);
    if (n->settings.budget_core_us != NO_LIMIT) {
        c->share.has_budgets = n->budget.is_counted = true;
        share_mark_changed(c, n);
    }
    carry_review(c, n);
    queue_node_changed(c, n);
    queue_wake_limits(c, n);
    queue_wake_withheld(c);
}

/* ---- time ---- */

static double growth_at(const struct share *s, int64_t policy_us)
{
    double half_lives = (double)(policy_us - s->landmark_us) / s->half_life_us;
    return cq_exp2(half_lives < HALF_LIVES_MAX ? half_lives : HALF_LIVES_MAX);
}

static void tick(struct share *s, int64_t policy_us)
{
    if (s->landmark_us == 0 || policy_us <= s->at_us)
        return; /* nothing was charged yet */
    double e = growth_at(s, policy_us);
    s->e_over_lambda = e / s->lambda;
    s->inverse_e = 1 / e;
    s->at_us = policy_us;
}

double share_now(struct core *c)
{
    tick(&c->share, c->policy_us);
    return (1 + c->share.beta) * c->share.e_over_lambda;
}

void share_saw_landmark(struct core *c, int64_t landmark_us)
{
    if (landmark_us <= c->share.landmark_us)
        return;
    c->share.landmark_us = landmark_us;
    c->counters_changed = true;
}

/* Moves the landmark to now, so that E stays small. All lines change alike. */
static void move_landmark(struct core *c)
{
    struct share *s = &c->share;
    double factor = s->inverse_e;
    for (size_t i = 0; i < s->n_all; i++)
        carry_settle(c, s->all[i]);
    for (size_t i = 0; i < s->n_all; i++) {
        s->all[i]->c *= factor;
        carry_scale(s->all[i], factor);
        share_mark_changed(c, s->all[i]);
    }
    s->root.c *= factor;
    carry_scale(&s->root, factor);
    share_mark_changed(c, &s->root);
    share_saw_landmark(c, s->at_us);
    s->e_over_lambda = 1 / s->lambda;
    s->inverse_e = 1;
    queue_rebuild_lines(c);
}

/* ---- usage ---- */

void share_line(const struct core *c, const struct share_node *n, double *m, double *b)
{
    double carry = n->carry.rate * c->share.beta / (1 + c->share.beta);
    *m = ((double)n->rate / (double)RATE_ONE - carry) / n->settings.weight;
    *b = n->c / n->settings.weight;
}

double share_usage(const struct core *c, const struct share_node *n, int64_t policy_us)
{
    const struct share *s = &c->share;
    double e = s->landmark_us ? growth_at(s, policy_us) : 1;
    return (double)n->rate / (double)RATE_ONE / s->lambda + n->c / e;
}

static void charge_node(struct core *c, struct share_node *n, int64_t rate)
{
    double c_change = -(double)rate / (double)RATE_ONE * c->share.e_over_lambda;
    carry_settle(c, n);
    n->rate += rate;
    n->c += c_change;
    carry_charge(n, rate, c_change);
    carry_review(c, n);
    share_mark_changed(c, n);
    carry_turn_siblings(c, n);
    queue_node_changed(c, n);
}

void share_charge(struct core *c, struct share_node *node, int64_t rate, int64_t inner,
                  int64_t policy_us)
{
    struct share *s = &c->share;
    if (s->landmark_us == 0) {
        s->at_us = policy_us;
        share_saw_landmark(c, policy_us);
    }
    tick(s, policy_us);
    if (s->at_us - s->landmark_us > LANDMARK_HALF_LIVES * (int64_t)s->half_life_us)
        move_landmark(c);
    for (struct share_node *n = node; n; n = n->parent)
        charge_node(c, n, n->level > SHARE_ENTERPRISE ? inner : rate);
}

void share_turn(struct core *c, struct share_node *leaf, int64_t policy_us)
{
    tick(&c->share, policy_us);
    for (struct share_node *n = leaf; n; n = n->parent)
        carry_turn(c, n);
}

void share_refund(struct core *c, struct share_node *leaf, int64_t rate, int64_t inner,
                  int64_t from_us, int64_t to_us)
{
    const struct share *s = &c->share;
    if (from_us >= to_us)
        return; /* a lease that was loaded may say anything */
    double span = (growth_at(s, to_us) - growth_at(s, from_us)) / s->lambda;
    for (struct share_node *n = leaf; n; n = n->parent) {
        double paid =
            (double)(n->level > SHARE_ENTERPRISE ? inner : rate) / (double)RATE_ONE * span;
        carry_settle(c, n);
        n->c -= paid;
        carry_charge(n, 0, -paid);
        share_mark_changed(c, n);
        queue_node_changed(c, n);
    }
}
