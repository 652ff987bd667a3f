/* Before a job is queued: can any machine ever place it as it insists, and what could instead.
 * Cores that are offline count: they may come back. */
#include <inttypes.h>

#include "scheduler/core/core_state.h"
#include "scheduler/core/layout_memory.h"
#include "scheduler/core/placement.h"

static const char *const unit_names[LEVELS] = {"core", "L3 cache", "NUMA node", "socket",
                                               "machine"};

/* Of one that insists on being spread: as if the machine were empty. */
static bool may_spread(const struct worker *w, const struct layout_wish *wish)
{
    bool is_asked = wish->way == WAY_SPREAD && wish->is_strict && wish->cores > 1;
    return !is_asked || wish->cores <= bitset_count(&w->all_cores) / 2;
}

static bool could_place(const struct worker *w, const struct layout_wish *wish)
{
    uint64_t mem[LAYOUT_UNITS_MAX];
    struct layout_rank rank;
    layout_all_memory(&w->all, mem);
    return w->is_up && w->mem_mib >= wish->mem_mib && may_spread(w, wish)
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

/* The largest unit of a level, and what is told of it. */
struct largest {
    uint64_t n_cores, mem_mib;
    size_t n_units; /* of its machine, with cores */
};

static struct largest largest_of(const struct worker *w, enum layout_level level)
{
    struct largest best = {.n_cores = 0};
    uint64_t mem[LAYOUT_UNITS_MAX];
    layout_all_memory(&w->all, mem);
    for (size_t k = 0; w->is_up && k < w->all.n[level]; k++) {
        uint64_t n = w->all.units[level][k].n_cores;
        uint64_t mib = n >= best.n_cores ? layout_unit_memory(&w->all, level, k, mem) : 0;
        best.n_units += n > 0;
        if (n > best.n_cores || (n == best.n_cores && mib > best.mem_mib)) {
            best.n_cores = n;
            best.mem_mib = mib;
        }
    }
    return best;
}

static struct largest largest_unit(const struct core *c, enum layout_level level)
{
    struct largest best = {.n_cores = 0};
    for (size_t i = 0; i < c->pool.n; i++) {
        struct largest there = largest_of(c->pool.workers[i], level);
        bool is_larger = there.n_cores > best.n_cores
                         || (there.n_cores == best.n_cores && there.mem_mib > best.mem_mib);
        best = is_larger ? there : best;
    }
    return best;
}

static uint64_t most_cores(const struct core *c)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        uint64_t n = w->is_up ? bitset_count(&w->all_cores) : 0;
        most = n > most ? n : most;
    }
    return most;
}

/* ---- a strict wish ---- */

/* The nearest level on which the same is possible: a wider one; of what is spread else a narrower
 * one. Written as it would be asked; nothing: there is none. */
static void add_level(const struct core *c, const struct layout_wish *wish, struct cq_str *out)
{
    struct layout_wish other = *wish;
    char text[32];
    for (other.level = wish->level + 1; other.level < LEVEL_NODE; other.level++)
        if (any_could(c, &other))
            break;
    if (other.level == LEVEL_NODE && wish->way == WAY_SPREAD)
        for (other.level = wish->level - 1; other.level > LEVEL_CORE; other.level--)
            if (any_could(c, &other))
                break;
    if (other.level > LEVEL_CORE && other.level < LEVEL_NODE)
        cq_str_printf(out, "--topo %s or ", layout_wish_text(&other, text, sizeof text));
}

/* What the machines have of what it insists on. */
static void add_largest(const struct core *c, const struct layout_wish *wish, struct cq_str *out)
{
    const struct largest u = largest_unit(c, wish->level);
    const uint64_t most = most_cores(c);
    const char *name = unit_names[wish->level];
    if (wish->way == WAY_SPREAD && wish->cores > most / 2)
        cq_str_printf(out,
                      "jobs that are spread have at most half of a machine; the largest has "
                      "%" PRIu64 " cores",
                      most);
    else if (wish->way == WAY_SPREAD && u.n_units < 2)
        cq_str_printf(out, "the machine with the largest %s has only that one", name);
    else if (wish->level == LEVEL_L3)
        cq_str_printf(
            out, "the largest %s has %" PRIu64 " cores, and the memory beside it is %" PRIu64 "M",
            name, u.n_cores, u.mem_mib);
    else
        cq_str_printf(out, "the largest %s has %" PRIu64 " cores and %" PRIu64 "M", name, u.n_cores,
                      u.mem_mib);
}

static int fail_strict(const struct core *c, const struct layout_wish *wish, const char *topo,
                       struct cq_err *err)
{
    struct cq_str has CQ_CLEANUP(cq_str_fini) = {0}, other CQ_CLEANUP(cq_str_fini) = {0};
    add_largest(c, wish, &has);
    add_level(c, wish, &other);
    return cq_fail(err, CQ_E_IMPOSSIBLE,
                   "no machine can ever place %" PRIu64 " cores with %" PRIu64
                   "M as strictly as '%.63s' (%s); write %sthe same without '!'",
                   wish->cores, wish->mem_mib, topo, cq_str_text(&has), cq_str_text(&other));
}

/* ---- whole units ---- */

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

/* The fewest cores of whole units that would bring enough memory with them. 0: none would. */
static uint64_t cores_for_memory(const struct core *c, const struct layout_wish *wish)
{
    uint64_t best = 0;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        uint64_t size = largest_of(w, wish->level).n_cores, all = bitset_count(&w->all_cores);
        struct layout_wish there = *wish;
        for (there.cores = size; size > 0 && there.cores <= all; there.cores += size)
            if (there.cores >= wish->cores && could_place(w, &there)) {
                best = best == 0 || there.cores < best ? there.cores : best;
                break;
            }
    }
    return best;
}

static void add_alternative(struct cq_str *out, const char *text)
{
    cq_str_printf(out, "%s%s", out->len ? ", or " : "; write ", text);
}

/* More of the same, something larger, a machine, or nothing whole. */
static void add_instead(const struct core *c, const struct layout_wish *wish, struct cq_str *out)
{
    struct layout_wish other = *wish;
    char text[64];
    uint64_t cores = cores_for_memory(c, wish);
    (void)snprintf(text, sizeof text, "--cores %" PRIu64, cores);
    if (cores > 0)
        add_alternative(out, text);
    other.level = LEVEL_SOCKET;
    if (wish->level == LEVEL_NUMA && whole_cores(c, &other) > 0)
        add_alternative(out, "--exclusive socket");
    other.way = WAY_ANY;
    other.is_whole = other.is_strict = false;
    if (any_could(c, &other))
        add_alternative(out, "--exclusive node");
}

static int fail_whole(const struct core *c, const struct layout_wish *wish, struct cq_err *err)
{
    const struct largest u = largest_unit(c, wish->level);
    struct cq_str instead CQ_CLEANUP(cq_str_fini) = {0};
    add_instead(c, wish, &instead);
    return cq_fail(err, CQ_E_IMPOSSIBLE,
                   "no machine has whole %ss for %" PRIu64 " cores with %" PRIu64
                   "M (the largest has %" PRIu64 " cores and %" PRIu64 "M)%s",
                   unit_names[wish->level], wish->cores, wish->mem_mib, u.n_cores, u.mem_mib,
                   instead.len ? cq_str_text(&instead) : "; ask for less");
}

static int size_whole(const struct core *c, const struct layout_wish *wish, uint64_t *cores,
                      struct cq_err *err)
{
    *cores = whole_cores(c, wish);
    if (*cores > 0)
        return 0;
    if (is_any_up(c))
        return fail_whole(c, wish, err);
    return cq_fail(err, CQ_E_IMPOSSIBLE,
                   "no machine is up, so how large a %s is there is not known; try again when "
                   "one is (chipq nodes)",
                   unit_names[wish->level]);
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
