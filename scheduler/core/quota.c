/* Hard caps on the path of a start, guarantees, limits of submits. */
#include "scheduler/core/quota.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"

enum { BURST_SECONDS = 5 };

/* ---- caps ---- */

/* max, and min + borrow where that is less. */
static uint64_t bound_of(uint64_t max, uint64_t min, uint64_t borrow)
{
    return borrow < max && min < max - borrow ? min + borrow : max;
}

/* Which setting makes that bound. */
static enum setting bound_by(uint64_t max, uint64_t min, uint64_t borrow,
                             const enum setting which[2])
{
    return which[bound_of(max, min, borrow) < max];
}

static uint64_t cores_bound(const struct settings *s)
{
    return bound_of(s->max_cores, s->min_cores, s->borrow_cores);
}

static uint64_t mem_bound(const struct settings *s)
{
    return bound_of(s->max_mem_mib, s->min_mem_mib, s->borrow_mem_mib);
}

uint64_t quota_most_mem_mib(const struct share_node *n)
{
    uint64_t most = NO_LIMIT;
    for (; n; n = n->parent)
        most = mem_bound(&n->settings) < most ? mem_bound(&n->settings) : most;
    return most;
}

static bool is_over(struct quota_block *b, const struct share_node *n, enum setting which,
                    const uint64_t numbers[3])
{
    uint64_t limit = numbers[0], used = numbers[1], need = numbers[2];
    if (used <= limit && need <= limit - used)
        return false;
    *b = (struct quota_block){
        .node = (struct share_node *)n, .which = which, .limit = limit, .used = used, .need = need};
    return true;
}

static uint64_t tokens_used(const struct share_node *n, const struct feature *f)
{
    return f->index < n->n_tokens ? n->tokens[f->index] : 0;
}

/* What is in use below a node; of one, without what a lease has; or changed; or nothing at all. */
struct in_use {
    uint64_t cores, mem_mib, running;
    const struct tokens *given_back;   /* NULL: none */
    const struct quota_change *change; /* NULL: none */
    bool is_nothing;
};

static struct in_use in_use(const struct share_node *n, const struct lease *without)
{
    if (without == NULL || !share_is_below(without->leaf, n))
        return (struct in_use){.cores = n->cores, .mem_mib = n->mem_mib, .running = n->running};
    return (struct in_use){.cores = n->cores - without->n_cores,
                           .mem_mib = n->mem_mib - without->mem_mib,
                           .running = n->running - 1,
                           .given_back = &without->tokens};
}

static uint64_t most_tokens(const struct share_node *n, const struct feature *f)
{
    uint64_t limit = NO_LIMIT;
    for (size_t k = 0; k < n->settings.max_licence.n; k++)
        if (n->settings.max_licence.items[k].feature == f)
            limit = n->settings.max_licence.items[k].count;
    return limit;
}

static bool tokens_block(const struct share_node *n, const struct in_use *used,
                         const struct tokens *need, struct quota_block *b)
{
    for (size_t i = 0; i < need->n; i++) {
        const struct token *t = &need->items[i];
        uint64_t limit, held = used->is_nothing ? 0 : tokens_used(n, t->feature);
        held -= used->given_back ? tokens_of(used->given_back, t->feature) : 0;
        held += used->change ? (uint64_t)used->change->tokens[i] : 0;
        limit = most_tokens(n, t->feature);
        if (is_over(b, n, SETTING_MAX_LICENCE, (const uint64_t[]){limit, held, t->count})) {
            b->feature = t->feature;
            return true;
        }
    }
    return false;
}

static bool budget_blocks(const struct share_node *n, const struct shape *shape, bool is_unused,
                          struct quota_block *b)
{
    if (n->settings.budget_core_us == NO_LIMIT)
        return false; /* what is held of no budget may be any sum */
    uint64_t used = is_unused ? 0 : budget_used(n, n->settings.budget_period);
    return is_over(b, n, SETTING_BUDGET,
                   (const uint64_t[]){n->settings.budget_core_us, used, shape_core_us(shape)});
}

static bool room_blocks(const struct share_node *n, const struct shape *shape,
                        const struct in_use *used, struct quota_block *b)
{
    const struct settings *s = &n->settings;
    static const enum setting cores[] = {SETTING_MAX_CORES, SETTING_BORROW_CORES};
    static const enum setting mem[] = {SETTING_MAX_MEM, SETTING_BORROW_MEM};
    return is_over(b, n, bound_by(s->max_cores, s->min_cores, s->borrow_cores, cores),
                   (const uint64_t[]){cores_bound(s), used->cores, shape->least_cores})
           || is_over(b, n, bound_by(s->max_mem_mib, s->min_mem_mib, s->borrow_mem_mib, mem),
                      (const uint64_t[]){mem_bound(s), used->mem_mib, shape->least_mem_mib});
}

static bool node_blocks(const struct share_node *n, const struct shape *shape,
                        const struct in_use *used, struct quota_block *b)
{
    return room_blocks(n, shape, used, b)
           || is_over(b, n, SETTING_MAX_RUNNING,
                      (const uint64_t[]){n->settings.max_running, used->running, 1})
           || tokens_block(n, used, &shape->tokens, b)
           || budget_blocks(n, shape, used->is_nothing, b);
}

bool quota_node_blocks(const struct share_node *n, const struct shape *shape, struct quota_block *b)
{
    const struct in_use used = in_use(n, NULL);
    return node_blocks(n, shape, &used, b);
}

void quota_change_end(struct quota_change *ch, const struct lease *l, const struct shape *shape)
{
    ch->cores -= (int64_t)l->n_cores;
    ch->mem_mib -= (int64_t)l->mem_mib;
    ch->running--;
    for (size_t i = 0; i < shape->tokens.n; i++)
        ch->tokens[i] -= (int64_t)tokens_of(&l->tokens, shape->tokens.items[i].feature);
}

bool quota_node_blocks_later(const struct share_node *n, const struct shape *shape,
                             const struct quota_change *ch, struct quota_block *b)
{
    const struct in_use used = {.cores = n->cores + (uint64_t)ch->cores,
                                .mem_mib = n->mem_mib + (uint64_t)ch->mem_mib,
                                .running = n->running + (uint64_t)ch->running,
                                .change = ch};
    return node_blocks(n, shape, &used, b);
}

static uint64_t times(uint64_t limit, uint64_t need, uint64_t most)
{
    uint64_t n = limit == NO_LIMIT || need == 0 ? NO_LIMIT : limit / need;
    return n < most ? n : most;
}

uint64_t quota_most_at_once(const struct share_node *n, const struct shape *shape)
{
    uint64_t most = n->settings.max_running;
    most = times(cores_bound(&n->settings), shape->least_cores, most);
    most = times(mem_bound(&n->settings), shape->least_mem_mib, most);
    for (size_t i = 0; i < shape->tokens.n; i++)
        most = times(most_tokens(n, shape->tokens.items[i].feature), shape->tokens.items[i].count,
                     most);
    return most;
}

bool quota_blocks_instead(const struct share_node *leaf, const struct shape *shape,
                          const struct lease *of)
{
    struct quota_block block;
    for (const struct share_node *n = leaf; n; n = n->parent) {
        const struct in_use used = in_use(n, of);
        if (node_blocks(n, shape, &used, &block))
            return true;
    }
    return false;
}

/* The path from above. */
static size_t path_of(const struct share_node *leaf, const struct share_node *path[SHARE_LEVELS])
{
    size_t n = 0;
    for (const struct share_node *at = leaf; at; at = at->parent)
        n++;
    size_t i = n;
    for (const struct share_node *at = leaf; at; at = at->parent)
        path[--i] = at;
    return n;
}

bool quota_blocks(const struct share_node *leaf, const struct shape *shape, struct quota_block *b)
{
    const struct share_node *path[SHARE_LEVELS];
    size_t n = path_of(leaf, path);
    for (size_t i = 0; i < n; i++)
        if (quota_node_blocks(path[i], shape, b))
            return true;
    return false;
}

bool quota_blocks_for_ever(const struct share_node *leaf, const struct shape *shape,
                           struct quota_block *b)
{
    const struct share_node *path[SHARE_LEVELS];
    const struct in_use nothing = {.is_nothing = true};
    size_t n = path_of(leaf, path);
    for (size_t i = 0; i < n; i++)
        if (node_blocks(path[i], shape, &nothing, b))
            return true;
    return false;
}

/* Of a shape, as a start in these amounts sees it. */
static struct shape sized(const struct shape *shape, uint64_t cores, uint64_t mem_mib)
{
    struct shape s = *shape;
    s.least_cores = cores;
    s.least_mem_mib = mem_mib;
    return s;
}

bool quota_blocks_attempt(const struct lease *l, struct quota_block *b)
{
    const struct shape s = sized(l->class->shape, l->n_cores, l->mem_mib);
    for (const struct share_node *n = l->leaf; n; n = n->parent)
        if (budget_blocks(n, &s, false, b))
            return true;
    return false;
}

bool quota_blocks_machine(const struct core *c, const struct share_node *leaf,
                          const struct shape *shape, const struct worker *w, struct quota_block *b)
{
    *b = (struct quota_block){0};
    if (!shape->exclusive)
        return false;
    const struct shape s = sized(shape, w->n_cores, w->mem_mib);
    return quota_blocks(leaf, &s, b) || quota_is_withheld(c, leaf, &s);
}

static bool has_too_many_tokens(const struct share_node *n, const struct tokens *held)
{
    struct quota_block b;
    struct tokens none = *held;
    const struct in_use used = in_use(n, NULL);
    for (size_t i = 0; i < none.n; i++)
        none.items[i].count = 0;
    return tokens_block(n, &used, &none, &b);
}

bool quota_is_exceeded(const struct share_node *leaf, const struct tokens *held)
{
    for (const struct share_node *n = leaf; n; n = n->parent) {
        const struct settings *s = &n->settings;
        if (n->cores > cores_bound(s) || n->mem_mib > mem_bound(s) || n->running > s->max_running
            || has_too_many_tokens(n, held))
            return true;
    }
    return false;
}

static bool has_limits(const struct share_node *n)
{
    const struct settings *s = &n->settings;
    return cores_bound(s) != NO_LIMIT || mem_bound(s) != NO_LIMIT || s->max_running != NO_LIMIT
           || s->budget_core_us != NO_LIMIT || s->max_licence.n > 0;
}

/* Its own limits stop all that waits below it. */
static bool stops_all(const struct share_node *n)
{
    struct quota_block b;
    if (!has_limits(n))
        return false;
    for (const struct seat *t = n->seats; t; t = t->next)
        if (t->n_ready > 0 && !quota_node_blocks(n, t->shape, &b))
            return false;
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, four levels */
bool quota_is_full(const struct share_node *n)
{
    bool some = false;
    if (stops_all(n))
        return true;
    for (size_t i = 0; i < n->n_children; i++) {
        if (n->children[i]->n_ready == 0)
            continue;
        if (!quota_is_full(n->children[i]))
            return false;
        some = true;
    }
    return some;
}

/* ---- guarantees ---- */

static bool has_guarantee(const struct share_node *n)
{
    return n->settings.min_cores > 0 || n->settings.min_mem_mib > 0;
}

/* With so much in use. */
static bool is_guaranteed_with(const struct share_node *n, uint64_t cores, uint64_t mem_mib)
{
    const struct settings *s = &n->settings;
    return has_guarantee(n) && (s->min_cores == 0 || cores <= s->min_cores)
           && (s->min_mem_mib == 0 || mem_mib <= s->min_mem_mib);
}

bool quota_is_guaranteed(const struct share_node *n, const struct shape *shape)
{
    return is_guaranteed_with(n, n->cores + shape->least_cores, n->mem_mib + shape->least_mem_mib);
}

bool quota_is_guaranteed_instead(const struct share_node *n, const struct shape *shape,
                                 const struct lease *of)
{
    return is_guaranteed_with(n, n->cores - of->n_cores + shape->least_cores,
                              n->mem_mib - of->mem_mib + shape->least_mem_mib);
}

bool quota_is_within(const struct share_node *n)
{
    return is_guaranteed_with(n, n->cores, n->mem_mib);
}

double quota_claim(const struct share_node *n)
{
    const struct settings *s = &n->settings;
    double cores = s->min_cores ? (double)n->cores / (double)s->min_cores : 0;
    double mem = s->min_mem_mib ? (double)n->mem_mib / (double)s->min_mem_mib : 0;
    return cores > mem ? cores : mem;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* It can be called back, or is soon over. */
static bool may_borrow(const struct shape *shape)
{
    return shape->is_preemptible || shape->time_us <= (uint64_t)BORROW_SHORT_US;
}

/* What is kept for guarantees: its owners' part that nobody may borrow, and all of it; and what is
 * on loan, as far as it can be had back for them. */
struct kept {
    uint64_t hard, all, on_loan;
};

static void keep(struct kept *k, uint64_t min, uint64_t lend, uint64_t used, uint64_t lent,
                 bool is_own)
{
    uint64_t above = less(used, min);
    k->hard += is_own ? 0 : less(less(min, lend), used);
    k->all += is_own ? 0 : less(min, used);
    k->on_loan -= less(lent, above);
}

/* A borrower must leave what nobody may borrow; the others all of it, free or on loan. */
static bool is_too_much(const struct kept *k, bool may_borrow, uint64_t need, uint64_t free_now)
{
    if (k->hard > 0 && k->hard + need > free_now)
        return true;
    return !may_borrow && k->all > 0 && k->all + need > free_now + k->on_loan;
}

static bool is_withheld(const struct core *c, const struct share_node *own,
                        const struct shape *shape, const struct given_back *g)
{
    const struct share_node *root = &c->share.root;
    struct kept cores = {.on_loan = less(root->lent_cores, g->lent_cores)};
    struct kept mem = {.on_loan = less(root->lent_mem_mib, g->lent_mem_mib)};
    for (size_t i = 0; i < c->share.n_guaranteed; i++) {
        const struct share_node *n = c->share.guaranteed[i];
        const struct settings *s = &n->settings;
        if (n->level != SHARE_ENTERPRISE)
            continue;
        keep(&cores, s->min_cores, s->lend_cores, n->cores, n->lent_cores, n == own);
        keep(&mem, s->min_mem_mib, s->lend_mem_mib, n->mem_mib, n->lent_mem_mib, n == own);
    }
    bool borrows = may_borrow(shape);
    return is_too_much(&cores, borrows, shape->least_cores, c->pool.free_cores + g->cores)
           || is_too_much(&mem, borrows, shape->least_mem_mib, c->pool.free_mem_mib + g->mem_mib);
}

bool quota_is_withheld_with(const struct core *c, const struct share_node *leaf,
                            const struct shape *shape, const struct given_back *g)
{
    const struct share_node *own = leaf->parent->parent;
    if (c->share.n_guaranteed == 0 || quota_is_guaranteed(own, shape))
        return false;
    return is_withheld(c, own, shape, g);
}

bool quota_is_withheld(const struct core *c, const struct share_node *leaf,
                       const struct shape *shape)
{
    return quota_is_withheld_with(c, leaf, shape, &(struct given_back){0});
}

void quota_add_given_back(struct given_back *g, const struct lease *l)
{
    bool is_lent = l->class && may_borrow(l->class->shape);
    g->cores += l->n_cores;
    g->mem_mib += l->mem_mib;
    g->lent_cores += is_lent ? l->n_cores : 0;
    g->lent_mem_mib += is_lent ? l->mem_mib : 0;
}

bool quota_lease_is_withheld(const struct core *c, const struct lease *l)
{
    const struct share_node *own = l->leaf->parent->parent;
    struct given_back g = {0};
    if (c->share.n_guaranteed == 0 || quota_is_within(own))
        return false;
    quota_add_given_back(&g, l);
    return is_withheld(c, own, l->class->shape, &g);
}

/* ---- books ---- */

static void add_tokens(struct share_node *n, const struct tokens *t, bool give_back)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t index = t->items[i].feature->index;
        if (index >= n->n_tokens) {
            n->tokens = cq_realloc(n->tokens, index + 1, sizeof *n->tokens);
            memset(n->tokens + n->n_tokens, 0, (index + 1 - n->n_tokens) * sizeof *n->tokens);
            n->n_tokens = index + 1;
        }
        uint64_t count = t->items[i].count;
        n->tokens[index] += give_back ? (uint64_t)0 - count : count;
    }
}

void quota_recall(const struct lease *l)
{
    for (struct share_node *n = l->leaf; n; n = n->parent) {
        n->recalled_cores += l->n_cores;
        n->recalled_mem_mib += l->mem_mib;
    }
}

void quota_lend(const struct lease *l)
{
    for (struct share_node *n = l->leaf; n && may_borrow(l->class->shape); n = n->parent) {
        n->lent_cores += l->n_cores;
        n->lent_mem_mib += l->mem_mib;
    }
}

void quota_take(struct core *c, const struct lease *l)
{
    for (struct share_node *n = l->leaf; n; n = n->parent) {
        n->cores += l->n_cores;
        n->mem_mib += l->mem_mib;
        n->running++;
        add_tokens(n, &l->tokens, false);
    }
    if (l->is_recalled)
        quota_recall(l);
    if (has_guarantee(l->leaf->parent->parent))
        queue_wake_withheld(c); /* less is kept for it */
}

void quota_give_back(struct core *c, const struct lease *l)
{
    bool is_lent = l->class && may_borrow(l->class->shape);
    for (struct share_node *n = l->leaf; n; n = n->parent) {
        n->lent_cores -= is_lent ? l->n_cores : 0;
        n->lent_mem_mib -= is_lent ? l->mem_mib : 0;
        n->cores -= l->n_cores;
        n->mem_mib -= l->mem_mib;
        n->recalled_cores -= l->is_recalled ? l->n_cores : 0;
        n->recalled_mem_mib -= l->is_recalled ? l->mem_mib : 0;
        n->running--;
        add_tokens(n, &l->tokens, true);
        queue_wake_limits(c, n);
    }
    queue_wake_withheld(c); /* also when the machine itself takes no work */
}

void quota_waiting(struct share_node *leaf, int64_t tasks)
{
    for (struct share_node *n = leaf; n; n = n->parent)
        n->waiting += (uint64_t)tasks;
}

/* ---- submits ---- */

static const char *name_of(const struct share_node *n, struct cq_str *buf)
{
    cq_str_clear(buf);
    share_path(n, buf);
    return cq_str_text(buf);
}

int quota_check_job(const struct share_node *leaf, uint64_t tasks, uint64_t time_us,
                    struct cq_err *err)
{
    struct cq_str name CQ_CLEANUP(cq_str_fini) = {0};
    char asks[32], most[32];
    for (const struct share_node *n = leaf; n; n = n->parent) {
        const struct settings *s = &n->settings;
        if (time_us > s->max_wall_us)
            return cq_fail(err, CQ_E_QUOTA,
                           "it asks %s, and max-wall of %s is %s; ask for less with --time",
                           format_time_us((int64_t)time_us, asks, sizeof asks), name_of(n, &name),
                           format_time_us((int64_t)s->max_wall_us, most, sizeof most));
        if (n->waiting > s->max_pending || tasks > s->max_pending - n->waiting)
            return cq_fail(err, CQ_E_QUOTA,
                           "max-pending of %s is %" PRIu64 " tasks, %" PRIu64
                           " wait already and this adds %" PRIu64 "; try again when some have run",
                           name_of(n, &name), s->max_pending, n->waiting, tasks);
    }
    return 0;
}

/* What the rate of `n` takes to pay for so many jobs. */
static int64_t price_us(const struct share_node *n, uint64_t jobs)
{
    return (int64_t)(jobs * (uint64_t)US_PER_S / n->settings.max_submit_rate);
}

/* Jobs are paid for with time: a full burst is BURST_SECONDS ahead. A submit that is larger than a
 * whole burst may go when that is full, and is paid back before the next. */
static bool may_submit(const struct share_node *n, int64_t policy_us, size_t jobs)
{
    const int64_t burst_us = BURST_SECONDS * US_PER_S;
    if (n->settings.max_submit_rate == NO_LIMIT)
        return true;
    if (n->settings.max_submit_rate == 0)
        return false;
    int64_t need_us = price_us(n, jobs), owed_us = n->submits_paid_us - policy_us;
    return owed_us <= 0 || owed_us + (need_us < burst_us ? need_us : burst_us) <= burst_us;
}

int quota_check_submit(const struct core *c, const struct share_node *leaf, size_t jobs,
                       struct cq_err *err)
{
    struct cq_str name CQ_CLEANUP(cq_str_fini) = {0};
    for (const struct share_node *n = leaf; n; n = n->parent)
        if (!may_submit(n, c->policy_us, jobs))
            return cq_fail(err, CQ_E_QUOTA,
                           "max-submit-rate of %s is %" PRIu64 " jobs a second (%" PRIu64
                           " in a burst); try again in a moment, or send many tasks as one --array",
                           name_of(n, &name), n->settings.max_submit_rate,
                           n->settings.max_submit_rate * BURST_SECONDS);
    return 0;
}

void quota_note_submit(struct core *c, struct share_node *leaf, uint64_t jobs, int64_t policy_us)
{
    for (struct share_node *n = leaf; n; n = n->parent) {
        if (n->settings.max_submit_rate == NO_LIMIT || n->settings.max_submit_rate == 0)
            continue;
        int64_t from_us = n->submits_paid_us > policy_us ? n->submits_paid_us : policy_us;
        n->submits_paid_us = from_us + price_us(n, jobs);
        share_mark_changed(c, n);
    }
}
