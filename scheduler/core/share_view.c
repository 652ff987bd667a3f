/* The share tree and its limits as people see them. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

static const char *name_of(const struct share_node *n)
{
    return n->principal ? n->principal->name : n->project ? n->project->name : n->enterprise->name;
}

static int by_name(const void *a, const void *b)
{
    const struct share_node *x = *(struct share_node *const *)a,
                            *y = *(struct share_node *const *)b;
    int order = strcmp(name_of(x), name_of(y));
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* Parents before children, by name; removed enterprises are left out. Caller frees. */
static struct share_node **sorted_nodes(const struct core *c, size_t *n)
{
    struct share_node **list = cq_calloc(c->share.n_all + 1, sizeof(struct share_node *));
    const struct share_node *stack[SHARE_LEVELS];
    size_t next[SHARE_LEVELS] = {0}, depth = 0, at = 0;
    stack[0] = &c->share.root;
    struct share_node **children[SHARE_LEVELS] = {0};
    for (;;) {
        const struct share_node *top = stack[depth];
        if (children[depth] == NULL && top->n_children > 0) {
            children[depth] =
                cq_memdup(top->children, top->n_children * sizeof(struct share_node *));
            qsort(children[depth], top->n_children, sizeof(struct share_node *), by_name);
        }
        if (next[depth] < top->n_children) {
            struct share_node *child = children[depth][next[depth]++];
            if (child->enterprise->is_removed)
                continue;
            list[at++] = child;
            if (child->n_children == 0)
                continue;
            stack[++depth] = child;
            next[depth] = 0;
            continue;
        }
        free(children[depth]);
        children[depth] = NULL;
        if (depth-- == 0)
            break;
    }
    *n = at;
    return list;
}

static const char *kind_of(const struct share_node *n)
{
    return n->level == SHARE_LEAF ? "user" : n->level == SHARE_PROJECT ? "project" : "enterprise";
}

/* ---- shares ---- */

static bool wants(const struct share_node *n)
{
    return n->running > 0 || (n->n_ready > 0 && !quota_is_full(n));
}

/* Its weighted part of what its parent is due, among the siblings that want something. */
double share_due(const struct share_node *n)
{
    double due = 1;
    for (; n->parent; n = n->parent) {
        double weights = 0;
        if (!wants(n))
            return 0;
        for (size_t i = 0; i < n->parent->n_children; i++)
            if (wants(n->parent->children[i]))
                weights += n->parent->children[i]->settings.weight;
        due *= n->settings.weight / weights;
    }
    return due;
}

/* Of the limits of `n` itself the one that holds something below it back, or NULL. */
static const char *limit_at(const struct share_node *n)
{
    struct quota_block b;
    if (n->parked == NULL || !quota_node_blocks(n, n->parked->shape, &b))
        return NULL;
    if (b.which == SETTING_MAX_CORES && b.limit < n->settings.max_cores)
        return setting_key(SETTING_BORROW_CORES);
    if (b.which == SETTING_MAX_MEM && b.limit < n->settings.max_mem_mib)
        return setting_key(SETTING_BORROW_MEM);
    return setting_key(b.which);
}

void core_each_share(const struct core *c, struct now now, share_view_fn fn, void *arg)
{
    size_t n;
    struct share_node **list = sorted_nodes(c, &n);
    (void)now;
    for (size_t i = 0; i < n; i++) {
        const struct share_node *at = list[i];
        struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
        share_path(at, &path);
        double usage = share_usage(c, at, c->policy_us) * (double)c->pool.n_cores / 3600;
        const struct share_view v = {.enterprise = {at->enterprise->id},
                                     .kind = kind_of(at),
                                     .path = cq_str_text(&path),
                                     .weight = at->settings.weight,
                                     .usage_core_hours = usage,
                                     .due = share_due(at),
                                     .got = (double)at->rate / (double)RATE_ONE,
                                     .limit = limit_at(at),
                                     .cores_used = at->cores,
                                     .tasks_running = at->running,
                                     .tasks_waiting = at->waiting};
        fn(arg, &v);
    }
    free(list);
}

/* ---- quotas ---- */

static void set_use(struct quota_view *q, const char *text, double used, double limit)
{
    (void)cq_copy_text(q->used, sizeof q->used, text);
    q->fraction = limit > 0 ? used / limit : used > 0 ? 1 : 0;
}

static void set_count(struct quota_view *q, uint64_t used, uint64_t limit)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, used);
    set_use(q, text, (double)used, (double)limit);
}

static void set_mem(struct quota_view *q, uint64_t used, uint64_t limit)
{
    char text[32];
    set_use(q, format_size_mib(used, text, sizeof text), (double)used, (double)limit);
}

static void set_budget(struct quota_view *q, const struct share_node *n)
{
    char text[96], spent[32], held[32];
    const struct budget *b = &n->budget;
    (void)snprintf(text, sizeof text, "%score-hours, %s held",
                   budget_format(b->spent_core_us[n->settings.budget_period], spent, sizeof spent),
                   budget_format(b->held_core_us, held, sizeof held));
    set_use(q, text, (double)budget_used(n, n->settings.budget_period),
            (double)n->settings.budget_core_us);
}

static void set_tokens(struct quota_view *q, const struct share_node *n)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    double most = 0;
    for (size_t i = 0; i < n->settings.max_licence.n; i++) {
        const struct token *t = &n->settings.max_licence.items[i];
        uint64_t used = t->feature->index < n->n_tokens ? n->tokens[t->feature->index] : 0;
        cq_str_printf(&text, "%s%s:%" PRIu64, i ? "," : "", t->feature->name, used);
        double part = t->count > 0 ? (double)used / (double)t->count : 1;
        most = part > most ? part : most;
    }
    set_use(q, cq_str_text(&text), most, 1);
}

static uint64_t above(uint64_t used, uint64_t min)
{
    return used > min ? used - min : 0;
}

/* What stops nothing: a guarantee, and what nobody counts (the longest time, the rate of submits;
 * what of a guarantee is lent, as no borrower has one lender). */
static bool is_stop(enum setting which)
{
    return which != SETTING_MIN_CORES && which != SETTING_MIN_MEM;
}

static bool is_uncounted(enum setting which)
{
    return which == SETTING_MAX_WALL || which == SETTING_MAX_SUBMIT_RATE
           || which == SETTING_LEND_CORES || which == SETTING_LEND_MEM;
}

/* False: a setting that is no quota. */
static bool fill_use(struct quota_view *q, const struct share_node *n, enum setting which)
{
    const struct settings *s = &n->settings;
    if (which == SETTING_MAX_CORES)
        set_count(q, n->cores, s->max_cores);
    else if (which == SETTING_MAX_MEM)
        set_mem(q, n->mem_mib, s->max_mem_mib);
    else if (which == SETTING_MAX_RUNNING)
        set_count(q, n->running, s->max_running);
    else if (which == SETTING_MAX_PENDING)
        set_count(q, n->waiting, s->max_pending);
    else if (which == SETTING_MAX_LICENCE)
        set_tokens(q, n);
    else if (which == SETTING_MIN_CORES)
        set_count(q, n->cores, s->min_cores);
    else if (which == SETTING_MIN_MEM)
        set_mem(q, n->mem_mib, s->min_mem_mib);
    else if (which == SETTING_BORROW_CORES)
        set_count(q, above(n->cores, s->min_cores), s->borrow_cores);
    else if (which == SETTING_BORROW_MEM)
        set_mem(q, above(n->mem_mib, s->min_mem_mib), s->borrow_mem_mib);
    else if (which == SETTING_BUDGET)
        set_budget(q, n);
    else
        return is_uncounted(which);
    q->is_reached = q->fraction >= 1 && is_stop(which);
    return true;
}

void core_each_quota(const struct core *c, struct now now, quota_view_fn fn, void *arg)
{
    size_t n;
    struct share_node **list = sorted_nodes(c, &n);
    (void)now;
    for (size_t i = 0; i < n; i++) {
        struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
        share_path(list[i], &path);
        for (unsigned k = 0; k < SETTING_COUNT; k++) {
            struct quota_view q = {.enterprise = {list[i]->enterprise->id},
                                   .kind = kind_of(list[i]),
                                   .path = cq_str_text(&path),
                                   .key = setting_key((enum setting)k),
                                   .limit = list[i]->settings.texts[k]};
            if (q.limit && fill_use(&q, list[i], (enum setting)k))
                fn(arg, &q);
        }
    }
    free(list);
}
