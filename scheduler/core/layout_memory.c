/* Memory of NUMA nodes for a request. */
#include "scheduler/core/layout_memory.h"

#include "common/base/pure/mem.h"

bool layout_is_node_of(const struct layout *l, enum layout_level level, size_t unit, size_t node)
{
    const struct layout_unit *n = &l->units[LEVEL_NUMA][node];
    if (level == LEVEL_NUMA)
        return node == unit;
    if (n->n_cores == 0)
        return level == LEVEL_SOCKET && n->socket == unit;
    return bitset_intersects(&n->cores, &l->units[level][unit].cores);
}

uint64_t layout_unit_memory(const struct layout *l, enum layout_level level, size_t unit,
                            const uint64_t *mem_free)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++)
        sum += layout_is_node_of(l, level, unit, i) ? mem_free[i] : 0;
    return sum;
}

/* ---- what is taken ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of those of its cores, in proportion to them, then as they have it. What is left is returned. */
static uint64_t take_own_memory(const struct layout *l, const struct bitset *cores,
                                const uint64_t *mem_free, uint64_t mem_mib, uint64_t *taken)
{
    const struct layout_unit *nodes = l->units[LEVEL_NUMA];
    uint64_t left = mem_mib, n_cores = bitset_count(cores);
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++) {
        uint64_t part = bitset_count_common(&nodes[i].cores, cores) * mem_mib / n_cores;
        taken[i] = least(least(part, mem_free[i]), left);
        left -= taken[i];
    }
    for (size_t i = 0; i < l->n[LEVEL_NUMA] && left > 0; i++) {
        bool is_own = bitset_intersects(&nodes[i].cores, cores);
        uint64_t more = is_own ? least(mem_free[i] - taken[i], left) : 0;
        taken[i] += more;
        left -= more;
    }
    return left;
}

/* The same of each node, as far as it has it. */
static uint64_t take_all_alike(const struct layout *l, const uint64_t *mem_free, uint64_t mem_mib,
                               uint64_t *taken)
{
    size_t n = l->n[LEVEL_NUMA];
    uint64_t left = mem_mib;
    for (size_t i = 0; i < n; i++) {
        taken[i] = least(least((mem_mib + n - 1) / n, mem_free[i]), left);
        left -= taken[i];
    }
    return left;
}

/* Of those that may be taken (NULL: all), the one that has most left; SIZE_MAX: none has any. */
static size_t fullest(const struct layout *l, const uint64_t *mem_free, const struct bitset *may,
                      const uint64_t *taken)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++) {
        if (mem_free[i] <= taken[i] || (may && !bitset_has(may, i)))
            continue;
        if (best == SIZE_MAX || mem_free[i] - taken[i] > mem_free[best] - taken[best])
            best = i;
    }
    return best;
}

/* Of whichever node has most. */
static uint64_t take_any_memory(const struct layout *l, const uint64_t *mem_free, uint64_t left,
                                const struct bitset *may, uint64_t *taken)
{
    while (left > 0) {
        size_t best = fullest(l, mem_free, may, taken);
        if (best == SIZE_MAX)
            break;
        uint64_t more = least(mem_free[best] - taken[best], left);
        taken[best] += more;
        left -= more;
    }
    return left;
}

void layout_take_memory(const struct layout *l, const struct bitset *cores,
                        const uint64_t *mem_free, uint64_t mem_mib, uint64_t *taken)
{
    uint64_t left = take_own_memory(l, cores, mem_free, mem_mib, taken);
    (void)take_any_memory(l, mem_free, left, NULL, taken);
}

bool layout_memory_take(const struct layout *l, const struct bitset *cores,
                        const uint64_t *mem_free, const struct layout_wish *w,
                        const struct bitset *may, uint64_t *taken)
{
    if (w->memory != MEMORY_LOCAL) {
        memset(taken, 0, l->n[LEVEL_NUMA] * sizeof *taken);
        uint64_t rest = w->memory == MEMORY_INTERLEAVE
                            ? take_all_alike(l, mem_free, w->mem_mib, taken)
                            : w->mem_mib;
        return take_any_memory(l, mem_free, rest, NULL, taken) == 0;
    }
    uint64_t left = take_own_memory(l, cores, mem_free, w->mem_mib, taken);
    return take_any_memory(l, mem_free, left, may, taken) == 0;
}
