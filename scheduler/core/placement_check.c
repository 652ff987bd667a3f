/* Before a job is queued: can any machine ever place it as it insists, and what could instead.
 * Cores that are offline count: they may come back. */
#include <inttypes.h>

#include "scheduler/core/core_state.h"
#include "scheduler/core/placement.h"

static const char *const level_names[LEVELS] = {"core", "l3", "numa", "socket", "node"};
static const char *const unit_names[LEVELS] = {"core", "L3 cache", "NUMA node", "socket",
                                               "machine"};

static bool could_place(const struct worker *w, const struct layout_wish *wish)
{
    uint64_t mem[LAYOUT_UNITS_MAX];
    struct layout_rank rank;
    layout_all_memory(&w->all, mem);
    return w->is_up && w->mem_mib >= wish->mem_mib
           && layout_choose(&w->all, &w->all_cores, mem, wish, &rank, NULL, NULL);
}

static bool any_could(const struct core *c, const struct layout_wish *wish)
{
    for (size_t i = 0; i < c->pool.n; i++)
        if (could_place(c->pool.workers[i], wish))
            return true;
    return false;
}

static bool is_any_up(const struct core *c)
{
    for (size_t i = 0; i < c->pool.n; i++)
        if (c->pool.workers[i]->is_up)
            return true;
    return false;
}

/* The unit with the most cores; none of a machine that is down. */
static struct layout_unit largest_of(const struct worker *w, enum layout_level level)
{
    struct layout_unit best = {.n_cores = 0};
    for (size_t k = 0; w->is_up && k < w->all.n[level]; k++)
        if (w->all.units[level][k].n_cores > best.n_cores)
            best = w->all.units[level][k];
    return best;
}

static struct layout_unit largest_unit(const struct core *c, enum layout_level level)
{
    struct layout_unit best = {.n_cores = 0};
    for (size_t i = 0; i < c->pool.n; i++) {
        struct layout_unit there = largest_of(c->pool.workers[i], level);
        if (there.n_cores > best.n_cores)
            best = there;
    }
    return best;
}

/* The next level on which the same is possible, as it would be written; NULL: none. */
static const char *wider_wish(const struct core *c, struct layout_wish wish, char *buf, size_t size)
{
    static const char *const ways[] = {"pack", "spread", "any"};
    while (++wish.level < LEVEL_NODE)
        if (any_could(c, &wish)) {
            (void)snprintf(buf, size, "--topo %s:%s! or ", ways[wish.way], level_names[wish.level]);
            return buf;
        }
    return "";
}

static int fail_strict(const struct core *c, const struct layout_wish *wish, const char *topo,
                       struct cq_err *err)
{
    char wider[64];
    const struct layout_unit u = largest_unit(c, wish->level);
    return cq_fail(err, CQ_E_IMPOSSIBLE,
                   "no machine can ever place %" PRIu64 " cores with %" PRIu64
                   "M as strictly as '%.63s' (the largest %s has %" PRIu64 " cores and %" PRIu64
                   "M); write %sthe same without '!'",
                   wish->cores, wish->mem_mib, topo, unit_names[wish->level], u.n_cores, u.mem_mib,
                   wider_wish(c, *wish, wider, sizeof wider));
}

/* Whole units: the fewest cores with which some machine can place it. 0: none can. */
static uint64_t whole_cores(const struct core *c, const struct layout_wish *wish)
{
    uint64_t best = 0;
    for (size_t i = 0; i < c->pool.n; i++) {
        uint64_t size = largest_of(c->pool.workers[i], wish->level).n_cores;
        struct layout_wish there = *wish;
        there.cores = size ? (wish->cores + size - 1) / size * size : 0;
        bool is_less = there.cores > 0 && (best == 0 || there.cores < best);
        if (is_less && could_place(c->pool.workers[i], &there))
            best = there.cores;
    }
    return best;
}

static int size_whole(const struct core *c, const struct layout_wish *wish, uint64_t *cores,
                      struct cq_err *err)
{
    *cores = whole_cores(c, wish);
    if (*cores > 0)
        return 0;
    if (!is_any_up(c))
        return cq_fail(err, CQ_E_IMPOSSIBLE,
                       "no machine is up, so how large a %s is there is not known; try again when "
                       "one is (chipq nodes)",
                       unit_names[wish->level]);
    return cq_fail(err, CQ_E_IMPOSSIBLE,
                   "no machine has whole %ss for %" PRIu64 " cores with %" PRIu64 "M",
                   unit_names[wish->level], wish->cores, wish->mem_mib);
}

int placement_size(const struct core *c, const struct asked_place *a, uint64_t *cores,
                   struct cq_err *err)
{
    const struct layout_wish wish = placement_wish(a);
    struct layout_wish loose = wish;
    *cores = a->cores;
    if (wish.is_whole)
        return size_whole(c, &wish, cores, err);
    loose.is_strict = false;
    if (!wish.is_strict || any_could(c, &wish) || !any_could(c, &loose))
        return 0;
    return fail_strict(c, &wish, a->topo, err);
}
