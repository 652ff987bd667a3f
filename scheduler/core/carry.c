/* The carry of share nodes: closed forms of the integrals, settled at the node's own events. */
#include "scheduler/core/carry.h"

#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

enum { TURN_SIBLINGS = 2, USUAL_EVENTS = 64 };
#define CARRY_BOUND_S 3600.0 /* what a node may be owed: one job for so long */

static double fraction(int64_t rate)
{
    return (double)rate / (double)RATE_ONE;
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static double clamp(double x, double bound)
{
    return x > bound ? bound : x < -bound ? -bound : x;
}

/* The integral of usage r/lambda + c/E over a span in which r and c stay. */
static double usage_integral(const struct share *s, int64_t rate, double c, int64_t from_us,
                             double inverse_e_then)
{
    return (fraction(rate) * seconds(s->at_us - from_us) + c * (inverse_e_then - s->inverse_e))
           / s->lambda;
}

static void settle_group(const struct share *s, struct carry_group *g)
{
    double span = seconds(s->at_us - g->at_us);
    if (g->weight > 0 && span > 0) {
        double usage = usage_integral(s, g->rate, g->c, g->at_us, g->inverse_e);
        g->level += (usage + s->beta / s->lambda * fraction(g->rate) * span) / g->weight;
    }
    g->at_us = s->at_us;
    g->inverse_e = s->inverse_e;
}

void carry_settle(struct core *c, struct share_node *n)
{
    const struct share *s = &c->share;
    struct carry *k = &n->carry;
    if (n->parent == NULL || c->config.carry < 0)
        return;
    settle_group(s, &n->parent->group);
    if (k->is_in && s->at_us > k->at_us) {
        double due = n->settings.weight * (n->parent->group.level - k->level_at)
                     - usage_integral(s, n->rate, n->c, k->at_us, k->inverse_e);
        k->deficit += due * s->lambda / s->beta - fraction(n->rate) * seconds(s->at_us - k->at_us);
        k->deficit = clamp(k->deficit, k->step * CARRY_BOUND_S);
    }
    k->rate = clamp(k->deficit * c->config.carry, k->step);
    k->at_us = s->at_us;
    k->inverse_e = s->inverse_e;
    k->level_at = n->parent->group.level;
}

void carry_charge(struct share_node *n, int64_t rate, double c_change)
{
    struct carry *k = &n->carry;
    if (rate > 0)
        k->step = fraction(rate);
    if (n->parent == NULL || !k->is_in)
        return;
    n->parent->group.rate += rate;
    n->parent->group.c += c_change;
}

/* What its group has when it has all it can: rises at once, falls slowly, so that the moment
 * between an end and the next start says nothing. */
static void note_rate(struct carry_group *g)
{
    if (g->rate >= g->usual_rate)
        g->usual_rate = g->rate;
    else
        g->usual_rate -= (g->usual_rate - g->rate) / USUAL_EVENTS;
}

/* Joins or leaves its group with all it has. */
static void set_in(struct share_node *n, bool in)
{
    struct carry_group *g = &n->parent->group;
    n->carry.is_in = in;
    g->rate += in ? n->rate : -n->rate;
    g->c += in ? n->c : -n->c;
    n->carry.weight = in ? n->settings.weight : n->carry.weight;
    g->weight += in ? n->carry.weight : -n->carry.weight;
    if (g->weight < 1e-9) {
        g->weight = g->c = 0;
        g->rate = 0;
    }
}

/* Its usage alone, without anything running, is not above the group's key when all is in use. */
static bool is_owed(const struct share *s, const struct share_node *n)
{
    const struct carry_group *g = &n->parent->group;
    if (g->weight <= 0)
        return true;
    double usage = fraction(g->rate) / s->lambda + g->c * s->inverse_e;
    double key = (usage + s->beta / s->lambda * fraction(g->usual_rate)) / g->weight;
    double own = (fraction(n->rate) / s->lambda + n->c * s->inverse_e) / n->settings.weight;
    return own <= key;
}

void carry_review(struct core *c, struct share_node *n)
{
    if (n->parent == NULL || c->config.carry < 0 || c->share.is_restored)
        return;
    bool wants = n->n_ready > 0 && !quota_is_full(n);
    bool in = wants && is_owed(&c->share, n);
    bool is_reweighed = n->carry.is_in && n->carry.weight != n->settings.weight;
    if (in == n->carry.is_in && !is_reweighed)
        return;
    carry_settle(c, n);
    if (n->carry.is_in)
        set_in(n, false);
    if (in)
        set_in(n, true);
    share_mark_changed(c, n);
    share_mark_changed(c, n->parent);
}

static void refresh(struct core *c, struct share_node *n)
{
    double old = n->carry.rate;
    carry_settle(c, n);
    carry_review(c, n);
    share_mark_changed(c, n);
    if (n->carry.rate != old)
        queue_node_changed(c, n);
}

void carry_turn_siblings(struct core *c, const struct share_node *n)
{
    struct share_node *parent = n->parent;
    if (parent == NULL || parent->n_children == 1 || c->config.carry < 0)
        return;
    note_rate(&parent->group);
    for (unsigned i = 0; i < TURN_SIBLINGS; i++) {
        parent->group.next = (parent->group.next + 1) % parent->n_children;
        struct share_node *sibling = parent->children[parent->group.next];
        if (sibling != n)
            refresh(c, sibling);
    }
    share_mark_changed(c, parent);
}

void carry_turn(struct core *c, struct share_node *n)
{
    if (n->parent == NULL || n->parent->n_children == 1 || c->config.carry < 0)
        return;
    refresh(c, n);
    carry_turn_siblings(c, n);
}

void carry_scale(struct share_node *n, double factor)
{
    n->group.c *= factor;
    n->group.inverse_e = 1;
    n->carry.inverse_e = 1;
}
