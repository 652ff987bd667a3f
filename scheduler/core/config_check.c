/* Is a planned change of configuration sound as a whole? Looks only at what its rows touch, so that
 * nobody is stopped by, or told of, what others have set. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/config_plan.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

/* Guarantees may take so many tenths of what is up. */
enum { POOL_TENTHS = 9 };

struct mins {
    uint64_t cores, mem_mib;
};

static bool is_text_changed(const struct plan_node *n, enum setting which)
{
    const char *old = n->node ? n->node->settings.texts[which] : NULL;
    const char *new = n->settings.texts[which];
    return old && new ? strcmp(old, new) != 0 : old != new;
}

static const char *text_of(const struct plan_node *n, enum setting which)
{
    const char *text = n->settings.texts[which];
    return text ? text : "0";
}

/* ---- one node ---- */

struct pair {
    enum setting low, high;
    uint64_t low_value, high_value;
};

static int check_pair(const struct plan_node *n, const struct pair *pair, struct cq_err *err)
{
    if (pair->low_value == NO_LIMIT || pair->low_value <= pair->high_value)
        return 0;
    return cq_fail(err, CQ_E_INVALID, "row %zu: %s: %s %s is above %s %s", n->row, n->path,
                   setting_key(pair->low), text_of(n, pair->low), setting_key(pair->high),
                   text_of(n, pair->high));
}

static int check_node(const struct plan_node *n, struct cq_err *err)
{
    const struct settings *s = &n->settings;
    const struct pair pairs[] = {
        {SETTING_LEND_CORES, SETTING_MIN_CORES, s->lend_cores, s->min_cores},
        {SETTING_LEND_MEM, SETTING_MIN_MEM, s->lend_mem_mib, s->min_mem_mib},
        {SETTING_MIN_CORES, SETTING_MAX_CORES, s->min_cores, s->max_cores},
        {SETTING_MIN_MEM, SETTING_MAX_MEM, s->min_mem_mib, s->max_mem_mib}};
    for (size_t i = 0; i < CQ_COUNT(pairs); i++)
        if (check_pair(n, &pairs[i], err) != 0)
            return -1;
    return 0;
}

/* ---- sums of guarantees ---- */

static bool counts(const struct share_node *n)
{
    if (n->level == SHARE_ENTERPRISE)
        return !n->enterprise->is_removed;
    return n->principal == NULL || !n->principal->revoked;
}

static void add(struct mins *sum, const struct settings *s)
{
    sum->cores += s->min_cores;
    sum->mem_mib += s->min_mem_mib;
}

/* The children of `parent` (NULL: enterprises) as the plan wants them. */
static struct mins sum_below(const struct plan *p, const struct plan_node *parent)
{
    struct mins sum = {0};
    const struct share_node *node = parent ? parent->node : &p->c->share.root;
    for (size_t i = 0; node && i < node->n_children; i++)
        if (counts(node->children[i]) && !map_find(&p->by_id, node->children[i]->id))
            add(&sum, &node->children[i]->settings);
    return sum;
}

static int check_sum(const struct plan_node *parent, const struct mins *sum, struct cq_err *err)
{
    const struct settings *s = &parent->settings;
    size_t row = parent->row > parent->row_below ? parent->row : parent->row_below;
    const char *below = parent->level == SHARE_ENTERPRISE ? "projects" : "users";
    if (sum->cores > s->min_cores)
        return cq_fail(err, CQ_E_INVALID,
                       "row %zu: %s: min-cores of its %s add up to %" PRIu64
                       ", above its own min-cores %" PRIu64,
                       row, parent->path, below, sum->cores, s->min_cores);
    if (sum->mem_mib > s->min_mem_mib)
        return cq_fail(err, CQ_E_INVALID,
                       "row %zu: %s: min-mem of its %s adds up to %" PRIu64
                       "M, above its own min-mem %s",
                       row, parent->path, below, sum->mem_mib, text_of(parent, SETTING_MIN_MEM));
    return 0;
}

static int check_pool(const struct plan *p, const struct mins *sum, size_t row, struct cq_err *err)
{
    struct mins up = {0};
    for (size_t i = 0; i < p->c->pool.n; i++) {
        const struct worker *w = p->c->pool.workers[i];
        up.cores += w->is_up ? w->n_cores : 0;
        up.mem_mib += w->is_up ? w->mem_mib : 0;
    }
    if (up.cores == 0)
        return 0; /* nothing to compare with */
    if (sum->cores * 10 > up.cores * POOL_TENTHS)
        return cq_fail(err, CQ_E_INVALID,
                       "row %zu: min-cores of all enterprises add up to %" PRIu64 ", above %" PRIu64
                       ", nine tenths of the %" PRIu64 " cores that are up: lower one",
                       row, sum->cores, up.cores * POOL_TENTHS / 10, up.cores);
    if (sum->mem_mib * 10 > up.mem_mib * POOL_TENTHS)
        return cq_fail(err, CQ_E_INVALID,
                       "row %zu: min-mem of all enterprises adds up to %" PRIu64 "M, above %" PRIu64
                       "M, nine tenths of the %" PRIu64 "M that are up: lower one",
                       row, sum->mem_mib, up.mem_mib * POOL_TENTHS / 10, up.mem_mib);
    return 0;
}

static bool is_raised(const struct plan_node *n)
{
    const struct settings *old = n->node ? &n->node->settings : NULL;
    return n->settings.min_cores > (old ? old->min_cores : 0)
           || n->settings.min_mem_mib > (old ? old->min_mem_mib : 0);
}

static bool is_lowered(const struct plan_node *n)
{
    const struct settings *old = n->node ? &n->node->settings : NULL;
    return old
           && (n->settings.min_cores < old->min_cores
               || n->settings.min_mem_mib < old->min_mem_mib);
}

/* Sums by place of the parent in p->nodes; the last is that of the root. */
struct sums {
    struct mins *mins;
    bool *is_touched;
    size_t root_row;
};

static void fill_sums(const struct plan *p, struct sums *s)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        p->nodes[i]->place = i;
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct plan_node *n = p->nodes[i], *parent = n->parent;
        size_t at = parent ? parent->place : p->n_nodes;
        if (n->is_removed || (n->principal && n->principal->revoked))
            continue;
        add(&s->mins[at], &n->settings);
        s->is_touched[i] |= is_lowered(n);
        if (!is_raised(n))
            continue;
        s->is_touched[at] = true;
        if (parent == NULL)
            s->root_row = n->row > s->root_row ? n->row : s->root_row;
        else
            parent->row_below = n->row > parent->row_below ? n->row : parent->row_below;
    }
}

static int check_sums(const struct plan *p, struct sums *s, struct cq_err *err)
{
    for (size_t i = 0; i <= p->n_nodes; i++) {
        const struct plan_node *n = i < p->n_nodes ? p->nodes[i] : NULL;
        if (!s->is_touched[i] || (n && (n->level == SHARE_LEAF || n->is_removed)))
            continue;
        struct mins sum = sum_below(p, n);
        sum.cores += s->mins[i].cores;
        sum.mem_mib += s->mins[i].mem_mib;
        int rc = n ? check_sum(n, &sum, err) : check_pool(p, &sum, s->root_row, err);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int check_guarantees(const struct plan *p, struct cq_err *err)
{
    struct sums s = {.mins = cq_calloc(p->n_nodes + 1, sizeof *s.mins),
                     .is_touched = cq_calloc(p->n_nodes + 1, sizeof *s.is_touched)};
    fill_sums(p, &s);
    int rc = check_sums(p, &s, err);
    free(s.mins);
    free(s.is_touched);
    return rc;
}

/* ---- features ---- */

static int check_owner(const struct plan *p, const struct plan_feature *pf, struct cq_err *err)
{
    const struct feature *f = pf->feature;
    if (f->is_removed || pf->is_made || f->owner == pf->before.owner || f->owner == NULL)
        return 0;
    uint64_t jobs = licence_asked(p->c, f, f->owner);
    if (calendar_asks(p->c, f, f->owner))
        return cq_fail(err, CQ_E_CONFLICT,
                       "row %zu: %s: bookings of other enterprises hold it: remove them first",
                       pf->row, f->name);
    if (jobs == 0)
        return 0;
    return cq_fail(err, CQ_E_CONFLICT,
                   "row %zu: %s: %" PRIu64
                   " live jobs of other enterprises ask for it: cancel them first, or wait",
                   pf->row, f->name, jobs);
}

static int check_owned(const struct plan *p, const struct plan_node *n, struct cq_err *err)
{
    for (size_t i = 0; n->is_removed && i < p->c->features.n; i++) {
        const struct feature *f = p->c->features.items[i];
        if (!f->is_removed && f->owner == n->enterprise)
            return cq_fail(err, CQ_E_CONFLICT,
                           "row %zu: %s owns '%s': remove that first, or give it another owner",
                           n->row, n->path, f->name);
    }
    return 0;
}

/* Limits on features that the node can no longer name are void. */
static void scrub(struct plan *p, struct share_node *node)
{
    const struct plan_node *known = map_find(&p->by_id, node->id);
    const struct settings *now = known ? &known->settings : &node->settings;
    struct tokens kept = {0};
    for (size_t i = 0; i < now->max_licence.n; i++) {
        const struct feature *f = now->max_licence.items[i].feature;
        if (!f->is_removed && feature_is_visible(f, node->enterprise))
            kept.items[kept.n++] = now->max_licence.items[i];
    }
    if (kept.n == now->max_licence.n)
        return;
    struct settings *s = &plan_node_of(p, node)->settings;
    struct cq_str text = {0};
    tokens_format(&kept, &text);
    s->max_licence = kept;
    free(s->texts[SETTING_MAX_LICENCE]);
    s->texts[SETTING_MAX_LICENCE] = kept.n ? cq_str_take(&text) : NULL;
    cq_str_fini(&text);
}

static bool is_narrowed(const struct plan_feature *pf)
{
    return pf->feature->is_removed || pf->feature->owner != pf->before.owner;
}

static void scrub_all(struct plan *p)
{
    const struct share *all = &p->c->share;
    bool is_due = false;
    for (size_t i = 0; i < p->n_features; i++)
        is_due |= !p->features[i].is_made && is_narrowed(&p->features[i]);
    for (size_t i = 0; is_due && i < all->n_all; i++)
        scrub(p, all->all[i]);
}

/* ---- the whole ---- */

/* As strcmp, with '/' before all else: a node comes before those below it, and they before the next
 * node. */
static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    int x = *a == '/' ? 1 : (unsigned char)*a, y = *b == '/' ? 1 : (unsigned char)*b;
    return x - y;
}

static int by_path(const void *a, const void *b)
{
    const struct plan_node *x = *(struct plan_node *const *)a, *y = *(struct plan_node *const *)b;
    int order = compare_paths(x->path, y->path);
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct plan_feature *)a)->name, ((const struct plan_feature *)b)->name);
}

int plan_check(struct plan *p, struct cq_err *err)
{
    scrub_all(p);
    if (p->n_nodes > 0)
        qsort(p->nodes, p->n_nodes, sizeof *p->nodes, by_path);
    if (p->n_features > 0)
        qsort(p->features, p->n_features, sizeof *p->features, by_name);
    for (size_t i = 0; i < p->n_nodes; i++)
        if ((p->nodes[i]->row > 0 && check_node(p->nodes[i], err) != 0)
            || check_owned(p, p->nodes[i], err) != 0)
            return -1;
    for (size_t i = 0; i < p->n_features; i++)
        if (check_owner(p, &p->features[i], err) != 0)
            return -1;
    return check_guarantees(p, err);
}

/* ---- warnings ---- */

struct use {
    enum setting which;
    uint64_t limit, used;
    const char *unit, *effect;
};

static void warn_limit(const struct plan_node *n, const struct use *u, struct cq_str *out)
{
    if (is_text_changed(n, u->which) && u->used > u->limit)
        cq_str_printf(out, "%s: %s %s is below the %" PRIu64 "%s: %s until it falls\n", n->path,
                      setting_key(u->which), text_of(n, u->which), u->used, u->unit, u->effect);
}

static void warn_tokens(const struct plan_node *n, struct cq_str *out)
{
    const struct tokens *limits = &n->settings.max_licence;
    for (size_t i = 0; is_text_changed(n, SETTING_MAX_LICENCE) && i < limits->n; i++) {
        const struct feature *f = limits->items[i].feature;
        uint64_t used = f->index < n->node->n_tokens ? n->node->tokens[f->index] : 0;
        if (used > limits->items[i].count)
            cq_str_printf(out,
                          "%s: max-licence %s:%" PRIu64 " is below the %" PRIu64
                          " in use now: nothing new that needs it starts until it falls\n",
                          n->path, f->name, limits->items[i].count, used);
    }
}

/* What is held comes back when jobs end early; what is spent does not. */
static void warn_budget(const struct plan_node *n, struct cq_str *out)
{
    char used[32], spent[32], held[32];
    const struct settings *s = &n->settings;
    uint64_t spent_us = n->node->budget.spent_core_us[s->budget_period];
    uint64_t used_us = budget_used(n->node, s->budget_period);
    if (!is_text_changed(n, SETTING_BUDGET) || used_us <= s->budget_core_us)
        return;
    cq_str_printf(
        out,
        "%s: budget %s is below the %s core-hours used now, %s spent and %s held: nothing new "
        "starts before %s\n",
        n->path, text_of(n, SETTING_BUDGET), budget_format(used_us, used, sizeof used),
        budget_format(spent_us, spent, sizeof spent),
        budget_format(n->node->budget.held_core_us, held, sizeof held),
        spent_us < s->budget_core_us ? "running jobs end, or the next period" : "the next period");
}

static void warn_node(const struct plan_node *n, struct cq_str *out)
{
    const struct settings *s = &n->settings;
    const struct share_node *now = n->node;
    const struct use uses[] = {
        {SETTING_MAX_CORES, s->max_cores, now->cores, " in use now", "nothing new starts"},
        {SETTING_MAX_MEM, s->max_mem_mib, now->mem_mib, "M in use now", "nothing new starts"},
        {SETTING_MAX_RUNNING, s->max_running, now->running, " that run now", "nothing new starts"},
        {SETTING_MAX_PENDING, s->max_pending, now->waiting, " that wait now",
         "submits are refused"}};
    for (size_t i = 0; i < CQ_COUNT(uses); i++)
        warn_limit(n, &uses[i], out);
    warn_tokens(n, out);
    warn_budget(n, out);
}

void plan_warnings(const struct plan *p, struct cq_str *out)
{
    for (size_t i = 0; i < p->n_nodes; i++)
        if (p->nodes[i]->node && !p->nodes[i]->is_removed)
            warn_node(p->nodes[i], out);
    for (size_t i = 0; i < p->n_features; i++) {
        const struct feature *f = p->features[i].feature;
        if (!f->is_removed && f->count < f->used && f->count != p->features[i].before.count)
            cq_str_printf(out,
                          "%s: count %" PRIu64 " is below the %" PRIu64
                          " in use now: nothing new that needs it starts until it falls\n",
                          f->name, f->count, f->used);
    }
}
