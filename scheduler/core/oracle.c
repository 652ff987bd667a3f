/* The choice by brute force, what a pass has left, and the books added up anew. */
#include "scheduler/core/oracle.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_state.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/machine.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"

#ifdef CHIPQ_ORACLE

enum { CHEAP_STEPS = 256, STEPS_MAX = 20000 };
#define FRESH_US (3600 * US_PER_S) /* as the rule says it, not as the queue has it */

/* ---- faults ---- */

static oracle_fault_fn on_fault;
static void *on_fault_arg;

void oracle_on_fault(oracle_fault_fn fn, void *arg)
{
    on_fault = fn;
    on_fault_arg = arg;
}

static void fault(const char *what)
{
    if (on_fault)
        on_fault(on_fault_arg, what);
    __assert_fail(what, __FILE__, __LINE__, "oracle"); /* it shows the text, and we print nothing */
}

#define MUST(ok, ...)                                         \
    do {                                                      \
        char text_[320];                                      \
        if (!(ok)) {                                          \
            (void)snprintf(text_, sizeof text_, __VA_ARGS__); \
            fault(text_);                                     \
        }                                                     \
    } while (0)

/* The more there is to look at, the seldomer it is looked at. */
static bool is_turn(uint64_t steps)
{
    static uint64_t turn;
    return steps <= CHEAP_STEPS || (steps <= STEPS_MAX && ++turn % (steps / CHEAP_STEPS) == 0);
}

/* ---- the choice ---- */

/* It has something to start, its shape is open, and nothing on its path is parked. */
static bool is_candidate(const struct class *k)
{
    return k->jobs.n > 0 && !k->shape->is_shut && !queue_is_parked(k);
}

static const struct share_node *child_towards(const struct share_node *leaf,
                                              const struct share_node *node)
{
    for (; leaf; leaf = leaf->parent)
        if (leaf->parent == node)
            return leaf;
    return NULL;
}

struct key {
    bool guaranteed;
    double value;
    uint64_t id;
};

static struct key key_of(const struct core *c, double a, const struct share_node *n,
                         const struct shape *s)
{
    double m, b;
    if (quota_is_guaranteed(n, s))
        return (struct key){true, quota_claim(n), n->id};
    share_line(c, n, &m, &b);
    return (struct key){false, m * a + b, n->id};
}

static bool key_less(const struct key *x, const struct key *y)
{
    if (x->guaranteed != y->guaranteed)
        return x->guaranteed;
    return x->value != y->value ? x->value < y->value : x->id < y->id;
}

/* The nodes chosen so far, from above. */
struct chosen {
    const struct share_node *nodes[SHARE_LEVELS];
    bool guaranteed[SHARE_LEVELS];
    size_t n;
};

/* Where a node was chosen for its guarantee, only what is within that counts. */
static bool is_within_chosen(const struct chosen *x, const struct class *k)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->guaranteed[i] && !quota_is_guaranteed(x->nodes[i], k->shape))
            return false;
    return is_candidate(k);
}

static const struct share_node *best_child(const struct core *c, double a,
                                           const struct share_node *node, struct chosen *x)
{
    const struct share_node *best = NULL;
    struct key best_key = {0};
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash) {
            const struct share_node *n =
                is_within_chosen(x, k) ? child_towards(k->leaf, node) : NULL;
            struct key key = n ? key_of(c, a, n, k->shape) : (struct key){0};
            if (n && (best == NULL || key_less(&key, &best_key))) {
                best = n;
                best_key = key;
            }
        }
    x->nodes[x->n] = best;
    x->guaranteed[x->n++] = best && best_key.guaranteed;
    return best;
}

static bool class_less(const struct core *c, const struct class *a, const struct class *b)
{
    const struct job *x = queue_class_head(a), *y = queue_class_head(b);
    bool sorts = !c->config.is_easy && c->holds.n > 0;
    bool x_old = c->policy_us - x->waiting_us >= FRESH_US;
    bool y_old = c->policy_us - y->waiting_us >= FRESH_US;
    if (sorts && x_old != y_old)
        return x_old;
    if (sorts && !x_old && a->shape->time_us != b->shape->time_us)
        return a->shape->time_us < b->shape->time_us;
    return x->rank_us != y->rank_us ? x->rank_us < y->rank_us : x->id < y->id;
}

static const struct class *best_of_leaf(const struct core *c, const struct share_node *leaf,
                                        const struct chosen *x)
{
    const struct class *best = NULL;
    void *item;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash)
            if (k->leaf == leaf && is_within_chosen(x, k)
                && (best == NULL || class_less(c, k, best)))
                best = k;
    return best;
}

void oracle_pick(const struct core *c, const struct class *picked)
{
    if (!is_turn(c->queue.by_class.n))
        return;
    double a = (1 + c->share.beta) * c->share.e_over_lambda; /* the clock was brought up to now */
    const struct share_node *n = &c->share.root;
    struct chosen x = {.n = 0};
    while (n && n->level != SHARE_LEAF)
        n = best_child(c, a, n, &x);
    const struct class *best = n ? best_of_leaf(c, n, &x) : NULL;
    MUST(best == picked,
         "picked leaf %" PRIu64 " with %" PRIu64 " cores, a scan finds leaf %" PRIu64
         " with %" PRIu64,
         picked ? picked->leaf->id : 0, picked ? picked->shape->cores : 0,
         best ? best->leaf->id : 0, best ? best->shape->cores : 0);
}

/* ---- starts ---- */

static uint64_t sum_of(uint64_t a, uint64_t b)
{
    return a < NO_LIMIT - b ? a + b : NO_LIMIT;
}

static uint64_t tokens_at(const struct share_node *n, const struct feature *f)
{
    return f->index < n->n_tokens ? n->tokens[f->index] : 0;
}

static void check_caps(const struct share_node *n)
{
    const struct settings *s = &n->settings;
    MUST(n->cores <= s->max_cores, "max-cores of node %" PRIu64 ": %" PRIu64 " of %" PRIu64, n->id,
         n->cores, s->max_cores);
    MUST(n->cores <= sum_of(s->min_cores, s->borrow_cores), "borrow-cores of node %" PRIu64, n->id);
    MUST(n->mem_mib <= s->max_mem_mib, "max-mem of node %" PRIu64 ": %" PRIu64 " of %" PRIu64,
         n->id, n->mem_mib, s->max_mem_mib);
    MUST(n->mem_mib <= sum_of(s->min_mem_mib, s->borrow_mem_mib), "borrow-mem of node %" PRIu64,
         n->id);
    MUST(n->running <= s->max_running, "max-running of node %" PRIu64, n->id);
}

/* A machine that has less since what it runs began may be full beyond that; nothing joins it. */
static void check_domains(const struct worker *w, const struct lease *l)
{
    for (size_t i = 0; i < l->numa_mem.n; i++)
        MUST(l->numa_mem.mib[i] == 0
                 || w->numa_used.mib[i] <= w->layout.units[LEVEL_NUMA][i].mem_mib,
             "worker %s: %" PRIu64 " MiB of NUMA node %zu, it has %" PRIu64, w->name,
             w->numa_used.mib[i], i, w->layout.units[LEVEL_NUMA][i].mem_mib);
}

void oracle_started(const struct core *c, const struct lease *l)
{
    const struct worker *w = l->worker;
    check_domains(w, l);
    MUST(w->mem_used_mib <= w->mem_mib
             && bitset_count_common(&w->used, &w->cores) + w->n_free == w->n_cores,
         "worker %s holds more than it has", w->name);
    for (size_t i = 0; i < l->tokens.n; i++) {
        const struct feature *f = l->tokens.items[i].feature;
        MUST(f->used <= f->count, "%" PRIu64 " of %" PRIu64 " %s", f->used, f->count, f->name);
    }
    for (const struct share_node *n = l->leaf; n; n = n->parent) {
        const struct tokens *most = &n->settings.max_licence;
        check_caps(n);
        for (size_t i = 0; i < most->n; i++)
            MUST(tokens_of(&l->tokens, most->items[i].feature) == 0
                     || tokens_at(n, most->items[i].feature) <= most->items[i].count,
                 "max-licence of node %" PRIu64, n->id);
    }
    (void)c;
}

void oracle_assigned(const struct core *c, const struct share_node *leaf)
{
    for (const struct share_node *n = leaf; n; n = n->parent)
        MUST(budget_used(n, n->settings.budget_period) <= n->settings.budget_core_us,
             "budget of node %" PRIu64 ": %" PRIu64 " spent or held, %" PRIu64
             " of it held, of %" PRIu64,
             n->id, budget_used(n, n->settings.budget_period), n->budget.held_core_us,
             n->settings.budget_core_us);
    (void)c;
}

/* ---- what a pass left ---- */

static bool could_start(const struct core *c, const struct class *k)
{
    const struct shape *s = k->shape;
    struct quota_block block;
    struct placement p = {0};
    enum wait_reason why;
    if (quota_blocks(k->leaf, s, &block) || quota_is_withheld(c, k->leaf, s)
        || licence_blocks(&s->tokens) || calendar_lacks(c, s) || !calendar_is_open(c, s))
        return false;
    bool yes = placement_choose(c, s, queue_class_head(k), &p, &why);
    placement_fini(&p);
    return yes;
}

static void describe(const struct core *c, const struct class *k, struct cq_str *out)
{
    const struct shape *s = k->shape;
    cq_str_printf(out,
                  "job %" PRIu64 " of leaf %" PRIu64 " (%" PRIu64 " cores, %" PRIu64
                  " MiB, %" PRIu64 " s) could start, and is %s (%s); holds:",
                  queue_class_head(k)->number, k->leaf->id, s->cores, s->mem_mib,
                  s->time_us / (uint64_t)US_PER_S,
                  s->is_shut           ? "shut"
                  : queue_is_parked(k) ? "parked"
                                       : "open",
                  wait_reason_name(s->why));
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        cq_str_printf(out, " [job %" PRIu64 " on %s in %" PRId64 " s%s%s, spare %" PRId64 "]",
                      h->job->number, h->worker->name, (h->at_us - c->policy_us) / US_PER_S,
                      h->is_draining ? ", draining" : "", h->is_reclaim ? ", reclaim" : "",
                      h->spare_cores);
    }
}

/* What is kept for a drain looks again when something ends there, not whenever keys change: a
 * drain is short, and comparing at each start would cost more than it gives. */
static bool waits_for_drain(const struct core *c, const struct shape *s)
{
    bool drains = false;
    for (size_t i = 0; i < c->holds.n; i++)
        drains = drains || c->holds.items[i].is_draining;
    return drains && s->is_shut && s->why == WAIT_RESERVED;
}

/* What is over its limit is expected to end any moment: beside bookings that lets in what was kept
 * out before, at a time that nothing tells. Its end does. */
static bool waits_for_late(const struct core *c, const struct shape *s)
{
    void *item;
    bool is_late = false;
    for (size_t i = 0; c->calendar.n > 0 && map_next(&c->leases.by_id, &i, &item);)
        is_late = is_late || ((const struct lease *)item)->end_us <= c->policy_us;
    return is_late && s->is_shut;
}

static void check_left(const struct core *c, const struct class *k)
{
    bool is_left = k->shape->is_shut || queue_is_parked(k);
    if (k->jobs.n == 0 || waits_for_drain(c, k->shape) || waits_for_late(c, k->shape)
        || (is_left && !could_start(c, k)))
        return;
    struct cq_str text = {0};
    describe(c, k, &text);
    fault(cq_str_text(&text));
    cq_str_fini(&text);
}

void oracle_passed(const struct core *c)
{
    void *item;
    if (c->config.is_easy || !is_turn(c->queue.by_class.n * (c->pool.n_fit + 1)))
        return;
    for (size_t i = 0; map_next(&c->queue.by_class, &i, &item);)
        for (const struct class *k = item; k; k = k->next_same_hash)
            check_left(c, k);
}

/* ---- books ---- */

static void check_domain(const struct worker *w, size_t i)
{
    uint64_t mem = 0;
    for (size_t k = 0; k < w->n_leases; k++)
        mem += w->leases[k]->numa_mem.mib[i];
    MUST(mem == w->numa_used.mib[i],
         "worker %s: books of %" PRIu64 " MiB of NUMA node %zu, leases of %" PRIu64, w->name,
         w->numa_used.mib[i], i, mem);
}

static void check_worker(const struct worker *w)
{
    struct bitset all = {0};
    uint64_t cores = 0, mem = 0;
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        MUST(!bitset_intersects(&all, &l->cores), "worker %s: cores are held twice", w->name);
        for (size_t b = bitset_next(&l->cores, 0); b != SIZE_MAX; b = bitset_next(&l->cores, b + 1))
            bitset_set(&all, b);
        cores += l->n_cores;
        mem += l->mem_mib;
        MUST(!(l->class && l->class->shape->exclusive) || w->n_leases == 1,
             "worker %s: an exclusive job has company", w->name);
    }
    for (size_t i = 0; w->layout.n[LEVEL_NUMA] > 1 && i < w->layout.n[LEVEL_NUMA]; i++)
        check_domain(w, i);
    MUST(mem == w->mem_used_mib && bitset_count(&w->used) == cores && bitset_count(&all) == cores,
         "worker %s: books of %" PRIu64 " MiB, leases of %" PRIu64, w->name, w->mem_used_mib, mem);
    bitset_fini(&all);
}

struct sums {
    uint64_t cores, mem_mib, running, held_core_us;
    int64_t rate;
};

static bool is_below(const struct share_node *leaf, const struct share_node *n)
{
    while (leaf && leaf != n)
        leaf = leaf->parent;
    return leaf != NULL;
}

static struct sums sums_of(const struct core *c, const struct share_node *n)
{
    struct sums s = {0};
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (!is_below(l->leaf, n))
            continue;
        s.cores += l->n_cores;
        s.mem_mib += l->mem_mib;
        s.running++;
        s.rate += n->level > SHARE_ENTERPRISE ? l->inner_rate : l->rate;
        s.held_core_us +=
            l->class ? l->n * machine_core_us(l->n_cores, l->class->shape->time_us) : 0;
    }
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        if (is_below(b->node, n))
            s.rate += n->level > SHARE_ENTERPRISE ? b->inner_rate : b->rate;
    }
    return s;
}

static void check_node(const struct core *c, const struct share_node *n)
{
    const struct sums s = sums_of(c, n);
    MUST(s.cores == n->cores && s.mem_mib == n->mem_mib && s.running == n->running,
         "node %" PRIu64 ": books of %" PRIu64 " cores, leases of %" PRIu64, n->id, n->cores,
         s.cores);
    MUST(s.rate == n->rate,
         "node %" PRIu64 " is charged %" PRId64 ", its leases and bookings %" PRId64, n->id,
         n->rate, s.rate);
    MUST(s.held_core_us == n->budget.held_core_us,
         "node %" PRIu64 " holds %" PRIu64 " of its budget, its attempts %" PRIu64, n->id,
         n->budget.held_core_us, s.held_core_us);
}

static void check_feature(const struct core *c, const struct feature *f)
{
    uint64_t used = 0;
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        used += tokens_of(&l->tokens, f);
        MUST(l->tokens.n == 0 || l->held[0].key == l->end_us,
             "lease %" PRIu64 " holds tokens until %" PRId64 ", its limit is %" PRId64, l->id,
             l->held[0].key, l->end_us);
    }
    MUST(used == f->used, "%s: books of %" PRIu64 " tokens, leases of %" PRIu64, f->name, f->used,
         used);
    for (size_t i = 0; i < f->holders.n; i++)
        used -= holders_all(&f->holders.groups[i]);
    MUST(used == 0, "%s: its holders have not what its leases have", f->name);
}

static bool is_spare(const struct hold *a, const struct hold *b)
{
    bool same = a->spare_cores == b->spare_cores && a->spare_mem_mib == b->spare_mem_mib;
    for (size_t i = 0; i < a->job->class->shape->tokens.n; i++)
        same = same && a->spare_tokens[i] == b->spare_tokens[i];
    return same;
}

static void check_hold(const struct core *c, const struct hold *h)
{
    struct hold again = *h;
    plan_count_spare(c, &again);
    MUST(is_spare(h, &again),
         "the hold of job %" PRIu64 " on %s keeps %" PRId64 " cores and %" PRId64
         " MiB for others, a count %" PRId64 " and %" PRId64,
         h->job->id, h->worker->name, h->spare_cores, h->spare_mem_mib, again.spare_cores,
         again.spare_mem_mib);
}

void oracle_books(const struct core *c)
{
    uint64_t leases = c->leases.by_id.n;
    if (!is_turn((c->share.n_all + c->features.n + 1) * (leases + 1)))
        return;
    for (size_t i = 0; i < c->pool.n; i++)
        check_worker(c->pool.workers[i]);
    check_node(c, &c->share.root);
    for (size_t i = 0; i < c->share.n_all; i++)
        check_node(c, c->share.all[i]);
    for (size_t i = 0; i < c->holds.n; i++)
        check_hold(c, &c->holds.items[i]);
    for (size_t i = 0; leases > 0 && i < c->features.n; i++)
        check_feature(c, c->features.items[i]);
}

#else
struct oracle_is_out; /* nothing of it is compiled in */
#endif
