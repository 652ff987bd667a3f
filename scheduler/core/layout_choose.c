/* Which free cores of a machine suit a request best: whole units for what is wide, the unit that
 * fits most tightly for the rest, and inside it the same again on the level below. */
#include "scheduler/core/layout.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/layout_memory.h"

struct piece {
    unsigned unit;
    uint64_t cores;
};

/* Cores of units of one level, in the order in which they were found. */
struct pieces {
    enum layout_level level;
    size_t n;
    struct piece items[LAYOUT_UNITS_MAX];
};

/* What is free of each unit of a level. */
struct supply {
    const struct layout_unit *units;
    size_t n;
    uint64_t free[LAYOUT_UNITS_MAX], size; /* size: of the largest unit */
};

bool layout_rank_before(const struct layout_rank *a, const struct layout_rank *b)
{
    if (a->is_split != b->is_split)
        return b->is_split;
    if (a->left_over != b->left_over)
        return a->left_over < b->left_over;
    return b->is_untouched && !a->is_untouched;
}

static void count_supply(const struct layout *l, enum layout_level level,
                         const struct bitset *avail, struct supply *s)
{
    s->units = l->units[level];
    s->n = l->n[level];
    s->size = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->free[i] = bitset_count_common(&s->units[i].cores, avail);
        s->size = s->units[i].n_cores > s->size ? s->units[i].n_cores : s->size;
    }
}

static bool is_untouched(const struct supply *s, size_t i)
{
    return s->free[i] > 0 && s->free[i] == s->units[i].n_cores;
}

static void add_piece(struct pieces *p, struct supply *s, size_t unit, uint64_t cores)
{
    p->items[p->n++] = (struct piece){(unsigned)unit, cores};
    s->free[unit] -= cores;
}

/* ---- one unit ---- */

/* A unit that is asked for so many cores, and memory of its own (NULL: of any). */
struct fit {
    uint64_t cores, mem_mib;
    const uint64_t *mem_free;
    unsigned socket; /* preferred; LAYOUT_UNITS_MAX: none */
};

static bool is_better_unit(const struct supply *s, const struct fit *f, size_t a, size_t b)
{
    bool near_a = s->units[a].socket == f->socket, near_b = s->units[b].socket == f->socket;
    if (near_a != near_b)
        return near_a;
    if (s->free[a] != s->free[b])
        return s->free[a] < s->free[b];
    return !is_untouched(s, a) && is_untouched(s, b);
}

/* The tightest that has room; SIZE_MAX: none. */
static size_t tightest(const struct supply *s, const struct fit *f)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < s->n; i++) {
        if (s->free[i] < f->cores || (f->mem_free && f->mem_free[i] < f->mem_mib))
            continue;
        if (best == SIZE_MAX || is_better_unit(s, f, i, best))
            best = i;
    }
    return best;
}

/* ---- wide requests: whole units ---- */

static size_t untouched_of(const struct supply *s, unsigned socket)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->units[i].socket == socket && s->units[i].n_cores == s->size && is_untouched(s, i);
    return n;
}

/* The socket with the fewest untouched units that has `want` of them; else the one with the most.
 */
static unsigned socket_for(const struct layout *l, const struct supply *s, size_t want)
{
    unsigned best = LAYOUT_UNITS_MAX;
    size_t best_n = 0;
    for (unsigned i = 0; i < l->n[LEVEL_SOCKET]; i++) {
        size_t n = untouched_of(s, i);
        bool better = best_n < want ? n > best_n : n >= want && n < best_n;
        if (n > 0 && (best == LAYOUT_UNITS_MAX || better)) {
            best = i;
            best_n = n;
        }
    }
    return best;
}

static bool take_whole(const struct layout *l, struct supply *s, size_t want, struct pieces *p)
{
    while (want > 0) {
        unsigned socket = socket_for(l, s, want);
        if (socket == LAYOUT_UNITS_MAX)
            return false;
        for (size_t i = 0; i < s->n && want > 0; i++)
            if (s->units[i].socket == socket && s->units[i].n_cores == s->size
                && is_untouched(s, i)) {
                add_piece(p, s, i, s->size);
                want--;
            }
    }
    return true;
}

static bool take_wide(const struct layout *l, struct supply *s, const struct layout_wish *w,
                      struct pieces *p)
{
    if (!take_whole(l, s, (size_t)(w->cores / s->size), p))
        return false;
    struct fit rest = {.cores = w->cores % s->size,
                       .socket = s->units[p->items[p->n - 1].unit].socket};
    size_t unit = rest.cores > 0 ? tightest(s, &rest) : SIZE_MAX;
    if (rest.cores > 0 && unit == SIZE_MAX)
        return false;
    if (rest.cores > 0)
        add_piece(p, s, unit, rest.cores);
    return true;
}

/* ---- the same, for memory's sake ---- */

static bool has_node(const struct layout *l, const struct pieces *p, size_t node)
{
    for (size_t i = 0; i < p->n; i++)
        if (layout_is_node_of(l, p->level, p->items[i].unit, node))
            return true;
    return false;
}

/* Free memory of the nodes of all pieces. */
static uint64_t memory_of(const struct layout *l, const struct pieces *p, const uint64_t *mem_free)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++)
        sum += has_node(l, p, i) ? mem_free[i] : 0;
    return sum;
}

/* What one more unit would add to it. */
static uint64_t memory_more(const struct layout *l, const struct pieces *p, size_t unit,
                            const uint64_t *mem_free)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++)
        sum += layout_is_node_of(l, p->level, unit, i) && !has_node(l, p, i) ? mem_free[i] : 0;
    return sum;
}

static bool has_unit(const struct pieces *p, size_t unit)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].unit == unit)
            return true;
    return false;
}

/* Of the other units with so many cores free the one that adds most memory. */
static bool take_roomiest(const struct layout *l, struct supply *s, uint64_t cores,
                          const uint64_t *mem_free, struct pieces *p)
{
    size_t best = SIZE_MAX;
    uint64_t best_mib = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->free[i] < cores || has_unit(p, i))
            continue;
        uint64_t mib = memory_more(l, p, i, mem_free);
        if (best == SIZE_MAX || mib > best_mib) {
            best = i;
            best_mib = mib;
        }
    }
    if (best != SIZE_MAX)
        add_piece(p, s, best, cores);
    return best != SIZE_MAX;
}

/* Where sockets and what is left over lead to units with too little memory. */
static bool take_roomy(const struct layout *l, struct supply *s, const struct layout_wish *w,
                       const uint64_t *mem_free, struct pieces *p)
{
    for (uint64_t n = w->cores / s->size; n > 0; n--)
        if (!take_roomiest(l, s, s->size, mem_free, p))
            return false;
    return w->cores % s->size == 0 || take_roomiest(l, s, w->cores % s->size, mem_free, p);
}

/* ---- the fewest pieces ---- */

static size_t most_free(const struct supply *s)
{
    size_t best = 0;
    for (size_t i = 1; i < s->n; i++)
        if (s->free[i] > s->free[best])
            best = i;
    return best;
}

static void take_split(struct supply *s, uint64_t cores, struct pieces *p)
{
    while (cores > 0) {
        struct fit rest = {.cores = cores, .socket = LAYOUT_UNITS_MAX};
        size_t unit = tightest(s, &rest);
        if (unit == SIZE_MAX)
            unit = most_free(s);
        uint64_t n = s->free[unit] < cores ? s->free[unit] : cores;
        add_piece(p, s, unit, n);
        cores -= n;
    }
}

/* One core at a time from the unit that has the most. */
static void take_spread(struct supply *s, uint64_t cores, struct pieces *p)
{
    uint64_t of[LAYOUT_UNITS_MAX] = {0};
    for (; cores > 0; cores--) {
        size_t unit = most_free(s);
        of[unit]++;
        s->free[unit]--;
    }
    for (size_t i = 0; i < s->n; i++)
        if (of[i] > 0)
            p->items[p->n++] = (struct piece){(unsigned)i, of[i]};
}

/* Of the units that are not taken in whole, the one with the fewest taken; of such, the one with
 * the most free. */
static size_t least_taken(const struct supply *s, const uint64_t *of)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < s->n; i++) {
        if (of[i] == s->units[i].n_cores)
            continue;
        bool is_better = best == SIZE_MAX || of[i] < of[best]
                         || (of[i] == of[best] && s->free[i] > s->free[best]);
        best = is_better ? i : best;
    }
    return best;
}

static size_t with_cores(const struct supply *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->units[i].n_cores > 0;
    return n;
}

/* As many of each unit as its size allows, whoever is there: one that insists is spread over all of
 * them, or waits. */
static bool take_even(struct supply *s, uint64_t cores, struct pieces *p)
{
    uint64_t of[LAYOUT_UNITS_MAX] = {0};
    if (cores > 1 && with_cores(s) < 2)
        return false;
    for (; cores > 0; cores--) {
        size_t unit = least_taken(s, of);
        if (unit == SIZE_MAX || s->free[unit] == 0)
            return false;
        of[unit]++;
        s->free[unit]--;
    }
    for (size_t i = 0; i < s->n; i++)
        if (of[i] > 0)
            p->items[p->n++] = (struct piece){(unsigned)i, of[i]};
    return true;
}

static void restore(struct supply *s, struct pieces *p)
{
    for (size_t i = 0; i < p->n; i++)
        s->free[p->items[i].unit] += p->items[i].cores;
    p->n = 0;
}

/* With fewer cores than units, memory decides which have one where it would not be enough else. */
static bool take_evenly(const struct layout *l, struct supply *s, const struct layout_wish *w,
                        const uint64_t *mem_free, struct pieces *p)
{
    if (!take_even(s, w->cores, p))
        return false;
    if (w->memory != MEMORY_LOCAL || memory_of(l, p, mem_free) >= w->mem_mib)
        return true;
    restore(s, p);
    for (uint64_t n = w->cores; n > 0 && w->cores < with_cores(s); n--)
        if (!take_roomiest(l, s, 1, mem_free, p))
            return false;
    return p->n > 0 && memory_of(l, p, mem_free) >= w->mem_mib;
}

/* ---- one level ---- */

/* One that insists on its place insists on local memory there too. */
static bool insists_on_memory(const struct layout_wish *w)
{
    return w->is_strict && w->memory == MEMORY_LOCAL;
}

/* The one unit. Memory beside the cores if a unit has it. */
static bool take_one(const struct layout *l, struct supply *s, const struct layout_wish *w,
                     const uint64_t *mem_free, struct pieces *p)
{
    uint64_t mem[LAYOUT_UNITS_MAX];
    struct fit f = {w->cores, w->mem_mib, NULL, LAYOUT_UNITS_MAX};
    if (insists_on_memory(w) || (p->level == LEVEL_NUMA && w->memory == MEMORY_LOCAL && mem_free)) {
        for (size_t i = 0; i < s->n; i++)
            mem[i] = layout_unit_memory(l, p->level, i, mem_free);
        f.mem_free = mem;
    }
    size_t unit = tightest(s, &f);
    if (unit == SIZE_MAX && f.mem_free && !w->is_strict) {
        f.mem_free = NULL;
        unit = tightest(s, &f);
    }
    if (unit == SIZE_MAX)
        return false;
    add_piece(p, s, unit, w->cores);
    return true;
}

/* Whole and rest, or the one unit. */
static bool take_tight(const struct layout *l, struct supply *s, const struct layout_wish *w,
                       const uint64_t *mem_free, struct pieces *p)
{
    if (!w->is_whole && w->cores <= s->size)
        return take_one(l, s, w, mem_free, p);
    if (s->size == 0 || (w->is_whole && w->cores % s->size != 0))
        return false;
    bool ok =
        w->is_whole ? take_whole(l, s, (size_t)(w->cores / s->size), p) : take_wide(l, s, w, p);
    if (!ok || !insists_on_memory(w) || memory_of(l, p, mem_free) >= w->mem_mib)
        return ok;
    restore(s, p);
    return take_roomy(l, s, w, mem_free, p) && memory_of(l, p, mem_free) >= w->mem_mib;
}

static void rank_pieces(const struct supply *s, const struct pieces *p, struct layout_rank *rank)
{
    const struct piece *last = &p->items[p->n - 1];
    const struct layout_unit *u = &s->units[last->unit];
    *rank = (struct layout_rank){.left_over = s->free[last->unit],
                                 .is_untouched = s->free[last->unit] + last->cores == u->n_cores};
    for (size_t i = 0; p->n > 1 && i < s->n; i++)
        rank->left_over += is_untouched(s, i) ? s->free[i] : 0;
}

static bool take_level(const struct layout *l, const struct bitset *avail,
                       const struct layout_wish *w, const uint64_t *mem_free, struct pieces *p,
                       struct layout_rank *rank)
{
    struct supply s;
    count_supply(l, p->level, avail, &s);
    p->n = 0;
    if (w->way == WAY_SPREAD) {
        *rank = (struct layout_rank){.left_over = 0};
        if (w->is_strict)
            return take_evenly(l, &s, w, mem_free, p);
        take_spread(&s, w->cores, p);
        return true;
    }
    bool is_tight = take_tight(l, &s, w, mem_free, p);
    if (!is_tight && (w->is_strict || w->is_whole))
        return false;
    if (!is_tight) {
        restore(&s, p);
        take_split(&s, w->cores, p);
    }
    rank_pieces(&s, p, rank);
    rank->is_split = !is_tight;
    return true;
}

/* ---- cores ---- */

static void take_lowest(const struct bitset *avail, uint64_t n, struct bitset *cores)
{
    for (size_t i = bitset_next(avail, 0); i != SIZE_MAX && n > 0;
         i = bitset_next(avail, i + 1), n--)
        bitset_set(cores, i);
}

/* The same rule again in each unit, down to the cores. */
/* NOLINTNEXTLINE(misc-no-recursion): one level further in each time */
static void take_inside(const struct layout *l, const struct bitset *avail, enum layout_level level,
                        const struct layout_wish *w, struct bitset *cores)
{
    if (level <= LEVEL_CORE || w->way == WAY_ANY) {
        take_lowest(avail, w->cores, cores);
        return;
    }
    struct pieces p = {.level = level};
    struct layout_rank rank;
    struct layout_wish inner = *w;
    inner.is_strict = inner.is_whole = false;
    (void)take_level(l, avail, &inner, NULL, &p, &rank);
    for (size_t i = 0; i < p.n; i++) {
        struct bitset part = {0};
        bitset_copy(&part, avail);
        bitset_and(&part, &l->units[level][p.items[i].unit].cores);
        inner.cores = p.items[i].cores;
        take_inside(l, &part, level - 1, &inner, cores);
        bitset_fini(&part);
    }
}

static void take_pieces(const struct layout *l, const struct bitset *avail, const struct pieces *p,
                        const struct layout_wish *w, struct bitset *cores)
{
    struct layout_wish inner = *w;
    inner.is_whole = false;
    for (size_t i = 0; i < p->n; i++) {
        struct bitset part = {0};
        bitset_copy(&part, avail);
        bitset_and(&part, &l->units[p->level][p->items[i].unit].cores);
        inner.cores = p->items[i].cores;
        take_inside(l, &part, p->level - 1, &inner, cores);
        bitset_fini(&part);
    }
}

/* ---- the choice ---- */

bool layout_choose(const struct layout *l, const struct bitset *free_cores,
                   const uint64_t *mem_free, const struct layout_wish *w, struct layout_rank *rank,
                   struct bitset *cores, uint64_t *mem_taken)
{
    bool is_flat = w->way == WAY_ANY || w->level == LEVEL_CORE || w->level == LEVEL_NODE;
    struct pieces p = {.level = is_flat ? LEVEL_NUMA : w->level};
    struct layout_wish wish = *w;
    struct bitset chosen = {0};
    wish.is_strict = w->is_strict && !is_flat;
    *rank = (struct layout_rank){.is_split = false};
    if (bitset_count(free_cores) < w->cores)
        return false;
    if (w->way == WAY_ANY)
        take_lowest(free_cores, w->cores, &chosen);
    else if (!take_level(l, free_cores, &wish, mem_free, &p, rank))
        return false;
    rank->is_split = rank->is_split && !is_flat;
    if (cores == NULL && mem_taken == NULL && !wish.is_strict && !wish.is_whole) {
        bitset_fini(&chosen);
        return true;
    }
    if (w->way != WAY_ANY)
        take_pieces(l, free_cores, &p, &wish, &chosen);
    uint64_t scratch[LAYOUT_UNITS_MAX];
    struct bitset near CQ_CLEANUP(bitset_fini) = {0};
    for (size_t i = 0; wish.is_strict && i < l->n[LEVEL_NUMA]; i++)
        if (has_node(l, &p, i))
            bitset_set(&near, i);
    bool ok = layout_memory_take(l, &chosen, mem_free, &wish, wish.is_strict ? &near : NULL,
                                 mem_taken ? mem_taken : scratch);
    if (ok && cores)
        *cores = chosen;
    else
        bitset_fini(&chosen);
    return ok;
}
