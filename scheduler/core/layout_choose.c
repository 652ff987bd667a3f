/* Which free cores of a machine suit a request best: whole units for what is wide, the unit that
 * fits most tightly for the rest, and inside it the same again on the level below. */
#include "scheduler/core/layout.h"

#include "common/base/pure/mem.h"

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

/* ---- one level ---- */

static void restore(struct supply *s, struct pieces *p)
{
    for (size_t i = 0; i < p->n; i++)
        s->free[p->items[i].unit] += p->items[i].cores;
    p->n = 0;
}

/* Whole and rest, or the one unit. Memory beside the cores if a unit has it. */
static bool take_tight(const struct layout *l, struct supply *s, const struct layout_wish *w,
                       const uint64_t *mem_free, struct pieces *p)
{
    if (w->is_whole)
        return w->cores % s->size == 0 && take_whole(l, s, (size_t)(w->cores / s->size), p);
    if (w->cores > s->size)
        return take_wide(l, s, w, p);
    bool must_have_memory = p->level == LEVEL_NUMA && w->memory == MEMORY_LOCAL;
    struct fit f = {w->cores, w->mem_mib, must_have_memory ? mem_free : NULL, LAYOUT_UNITS_MAX};
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
        take_spread(&s, w->cores, p);
        *rank = (struct layout_rank){.left_over = 0};
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

/* ---- memory ---- */

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

/* Of whichever node has most. */
static uint64_t take_any_memory(const struct layout *l, const uint64_t *mem_free, uint64_t left,
                                uint64_t *taken)
{
    while (left > 0) {
        size_t best = 0;
        for (size_t i = 1; i < l->n[LEVEL_NUMA]; i++)
            if (mem_free[i] - taken[i] > mem_free[best] - taken[best])
                best = i;
        uint64_t more = least(mem_free[best] - taken[best], left);
        if (more == 0)
            break;
        taken[best] += more;
        left -= more;
    }
    return left;
}

void layout_take_memory(const struct layout *l, const struct bitset *cores,
                        const uint64_t *mem_free, uint64_t mem_mib, uint64_t *taken)
{
    uint64_t left = take_own_memory(l, cores, mem_free, mem_mib, taken);
    (void)take_any_memory(l, mem_free, left, taken);
}

static bool take_memory(const struct layout *l, const struct bitset *cores,
                        const uint64_t *mem_free, const struct layout_wish *w, uint64_t *taken)
{
    if (w->memory != MEMORY_LOCAL) {
        memset(taken, 0, l->n[LEVEL_NUMA] * sizeof *taken);
        uint64_t rest = w->memory == MEMORY_INTERLEAVE
                            ? take_all_alike(l, mem_free, w->mem_mib, taken)
                            : w->mem_mib;
        return take_any_memory(l, mem_free, rest, taken) == 0;
    }
    uint64_t left = take_own_memory(l, cores, mem_free, w->mem_mib, taken);
    if (left > 0 && !(w->is_strict && w->level <= LEVEL_NUMA))
        left = take_any_memory(l, mem_free, left, taken);
    return left == 0;
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
    bool ok = take_memory(l, &chosen, mem_free, &wish, mem_taken ? mem_taken : scratch);
    if (ok && cores)
        *cores = chosen;
    else
        bitset_fini(&chosen);
    return ok;
}
