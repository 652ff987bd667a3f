/* When limits let a request start: use below a node falls as its leases end. What a budget has
 * spent comes back with no end. */
#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/estimate.h"

enum { ENDINGS_LOOKED_AT_MAX = 2000 };

/* When the limits of `n` alone let it start beside what `first` takes. */
static int64_t node_lets_us(const struct asked *a, const struct share_node *n,
                            const struct quota_change *first, lease_end_fn end)
{
    struct quota_change change = *first;
    struct quota_block block;
    size_t n_ends;
    int64_t at_us = INT64_MAX;
    if (!quota_node_blocks_later(n, a->shape, &change, &block))
        return a->core->policy_us;
    if (block.which == SETTING_BUDGET)
        return INT64_MAX;
    struct ending *list = estimate_endings(a->core, n, end, &n_ends);
    for (size_t i = 0; i < n_ends && i < ENDINGS_LOOKED_AT_MAX && at_us == INT64_MAX; i++) {
        quota_change_end(&change, list[i].lease, a->shape);
        if (!quota_node_blocks_later(n, a->shape, &change, &block))
            at_us = list[i].at_us;
    }
    free(list);
    return at_us;
}

static int64_t path_lets_us(const struct asked *a, const struct quota_change *first,
                            lease_end_fn end)
{
    int64_t at_us = a->core->policy_us;
    for (const struct share_node *n = a->job->class->leaf; n && at_us < INT64_MAX; n = n->parent) {
        int64_t node_us = node_lets_us(a, n, first, end);
        at_us = node_us > at_us ? node_us : at_us;
    }
    return at_us;
}

struct band estimate_limits(const struct asked *a)
{
    static const struct quota_change nothing;
    return (struct band){path_lets_us(a, &nothing, estimate_usual_end),
                         path_lets_us(a, &nothing, plan_end_of)};
}

/* From then on its leaf has so little, and the pool so much free, that all may start. */
static int64_t share_lets_us(const struct asked *a, const struct ahead *ahead)
{
    const struct core *c = a->core;
    const struct share_node *leaf = a->job->class->leaf;
    int64_t need = ahead->takes.cores + (int64_t)a->shape->least_cores, at_us = c->policy_us;
    int64_t has = (int64_t)leaf->cores, free_cores = (int64_t)c->pool.free_cores;
    size_t n;
    if ((double)need > ahead->due_cores)
        return INT64_MAX;
    struct ending *list = estimate_endings(c, &c->share.root, estimate_usual_end, &n);
    for (size_t i = 0; (double)(has + need) > ahead->due_cores || free_cores < need; i++) {
        if (i == n || i == ENDINGS_LOOKED_AT_MAX) {
            at_us = INT64_MAX;
            break;
        }
        at_us = list[i].at_us;
        free_cores += (int64_t)list[i].lease->n_usable;
        has -= list[i].lease->leaf == leaf ? (int64_t)list[i].lease->n_cores : 0;
    }
    free(list);
    return at_us;
}

int64_t estimate_all_at_once(const struct asked *a, const struct ahead *ahead)
{
    int64_t share_us = share_lets_us(a, ahead);
    int64_t path_us =
        share_us < INT64_MAX ? path_lets_us(a, &ahead->takes, estimate_usual_end) : INT64_MAX;
    return path_us > share_us ? path_us : share_us;
}
