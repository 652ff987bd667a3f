/* Placement: the machine with the unit that fits most tightly; then the fullest, then the lowest
 * id. */
#include "scheduler/core/placement.h"

#include <assert.h>
#include <ctype.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/quota.h"

void placement_fini(struct placement *p)
{
    bitset_fini(&p->cores);
    domain_memory_fini(&p->numa_mem);
}

/* ---- features ---- */

static size_t line_length(const char *text)
{
    const char *end = strchr(text, '\n');
    return end ? (size_t)(end - text) : strlen(text);
}

/* Compares dotted numbers: 5.006 and 5.6 are equal, 5.10 is newer than 5.9. */
static int compare_versions(const char *a, size_t na, const char *b, size_t nb)
{
    size_t i = 0, j = 0;
    while (i < na || j < nb) {
        uint64_t x = 0, y = 0;
        for (; i < na && isdigit((unsigned char)a[i]) && x < UINT32_MAX; i++)
            x = x * 10 + (uint64_t)(a[i] - '0');
        for (; j < nb && isdigit((unsigned char)b[j]) && y < UINT32_MAX; j++)
            y = y * 10 + (uint64_t)(b[j] - '0');
        if (x != y)
            return x < y ? -1 : 1;
        while (i < na && !isdigit((unsigned char)a[i]))
            i++;
        while (j < nb && !isdigit((unsigned char)b[j]))
            j++;
    }
    return 0;
}

static bool line_satisfies(const char *line, size_t n, const char *want, size_t n_want)
{
    const char *at_least = memchr(want, '>', n_want);
    size_t n_name = at_least ? (size_t)(at_least - want) : n_want;
    if (n < n_name || memcmp(line, want, n_name) != 0)
        return false;
    if (at_least == NULL)
        return n == n_name || line[n_name] == '=';
    size_t skip = n_name + 2; /* ">=" */
    return n > n_name && line[n_name] == '='
           && compare_versions(line + n_name + 1, n - n_name - 1, want + skip, n_want - skip) >= 0;
}

static bool has_feature(const char *features, const char *want, size_t n_want)
{
    for (const char *line = features; *line;) {
        size_t n = line_length(line);
        if (line_satisfies(line, n, want, n_want))
            return true;
        line += n + (line[n] == '\n');
    }
    return false;
}

bool placement_has_features(const char *features, const char *wanted)
{
    for (const char *want = wanted; *want;) {
        size_t n = line_length(want);
        if (n > 0 && !has_feature(features, want, n))
            return false;
        want += n + (want[n] == '\n');
    }
    return true;
}

bool placement_feature_is_valid(const char *wanted)
{
    size_t n = strlen(wanted);
    const char *more = strchr(wanted, '>');
    if (n == 0 || n > 255 || (more && (more == wanted || more[1] != '=' || !more[2])))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)wanted[i] <= ' ' || (unsigned char)wanted[i] >= 0x7f)
            return false;
    return true;
}

/* ---- wishes ---- */

struct layout_wish placement_wish(const struct asked_place *a)
{
    static const enum layout_memory memory[] = {MEMORY_LOCAL, MEMORY_INTERLEAVE, MEMORY_ANY};
    struct layout_wish wish = {.cores = a->cores, .mem_mib = a->mem_mib};
    (void)layout_read_wish(a->topo, &wish);
    wish.memory = memory[a->membind < MEMBIND_COUNT ? a->membind : MEMBIND_LOCAL];
    if (a->exclusive != EXCLUSIVE_SOCKET && a->exclusive != EXCLUSIVE_NUMA)
        return wish;
    wish.way = WAY_PACK;
    wish.level = a->exclusive == EXCLUSIVE_NUMA ? LEVEL_NUMA : LEVEL_SOCKET;
    wish.is_strict = wish.is_whole = true;
    return wish;
}

/* ---- fits ---- */

static uint64_t mem_free(const struct worker *w)
{
    return w->mem_mib > w->mem_used_mib ? w->mem_mib - w->mem_used_mib : 0;
}

/* Cores of the machine that are free, or would be without the lease. */
static void free_cores(const struct worker *w, const struct lease *l, struct bitset *out)
{
    bitset_copy(out, &w->cores);
    bitset_and_not(out, &w->used);
    if (l)
        bitset_or(out, &l->cores);
    bitset_and(out, &w->cores);
}

/* For what the shape asks now: advice tries others. */
static struct layout_wish wish_of(const struct shape *s)
{
    struct layout_wish wish = s->wish;
    wish.cores = s->cores;
    wish.mem_mib = s->mem_mib;
    return wish;
}

bool placement_is_spread(const struct shape *s)
{
    return s->wish.way == WAY_SPREAD && !s->exclusive;
}

/* Memory-hungry jobs that are spread have at most half of a machine, so that whole domains stay for
 * others; beyond it they are packed, or wait if they insist. Where there are no domains one core is
 * all that can insist, and is like any other. */
bool placement_may_spread(const struct shape *s, const struct worker *w, uint64_t spread)
{
    return layout_is_flat(&w->layout) || spread + s->cores <= w->n_cores / 2;
}

static uint64_t cores_spread(const struct lease *l)
{
    return l->class && placement_is_spread(l->class->shape) ? l->n_cores : 0;
}

/* By all jobs there, but `but` (may be NULL). */
static uint64_t spread_on(const struct worker *w, const struct lease *but)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->n_leases; i++)
        n += w->leases[i] == but ? 0 : cores_spread(w->leases[i]);
    return n;
}

bool placement_strict(const struct shape *s, const struct worker *w, const struct there *there,
                      struct bitset *out, uint64_t *mem_taken)
{
    struct layout_rank rank;
    const struct layout_wish wish = wish_of(s);
    if (placement_is_spread(s) && !placement_may_spread(s, w, there->spread))
        return false;
    return layout_choose(&w->layout, &there->cores, there->mem_mib, &wish, &rank, out, mem_taken);
}

void there_fini(struct there *t)
{
    bitset_fini(&t->cores);
}

static bool fits_strictly(const struct shape *s, const struct worker *w, const struct lease *l)
{
    struct there t CQ_CLEANUP(there_fini) = {.spread = spread_on(w, l)};
    free_cores(w, l, &t.cores);
    domains_free(w, l, t.mem_mib);
    return placement_strict(s, w, &t, NULL, NULL);
}

bool placement_is_granted(const struct shape *s, const struct worker *w,
                          const struct lease *const *over, size_t n)
{
    struct there t CQ_CLEANUP(there_fini) = {.spread = spread_on(w, NULL)};
    if (!s->wish.is_strict)
        return true;
    free_cores(w, NULL, &t.cores);
    domains_free(w, NULL, t.mem_mib);
    for (size_t i = 0; i < n; i++) {
        bitset_or(&t.cores, &over[i]->cores);
        t.spread -= cores_spread(over[i]);
        for (size_t k = 0; k < over[i]->numa_mem.n; k++)
            t.mem_mib[k] += over[i]->numa_mem.mib[k];
        if (w->layout.n[LEVEL_NUMA] == 1)
            t.mem_mib[0] += over[i]->mem_mib;
    }
    bitset_and(&t.cores, &w->cores);
    return placement_strict(s, w, &t, NULL, NULL);
}

static bool could_fit_strictly(const struct shape *s, const struct worker *w)
{
    struct there t CQ_CLEANUP(there_fini) = {.spread = 0};
    bitset_copy(&t.cores, &w->cores);
    layout_all_memory(&w->layout, t.mem_mib);
    return placement_strict(s, w, &t, NULL, NULL);
}

/* Somebody has it for himself: also what it offers since he came (its agent was started anew). */
static bool is_exclusively_held(const struct worker *w, const struct lease *but)
{
    const struct lease *l = w->n_leases == 1 ? w->leases[0] : NULL;
    return l && l != but && l->class && l->class->shape->exclusive;
}

bool placement_fits(const struct shape *s, const struct worker *w, const struct lease *l)
{
    uint64_t cores = w->n_free + (l ? l->n_usable : 0), mem = mem_free(w) + (l ? l->mem_mib : 0);
    if (cores < s->cores || mem < s->mem_mib)
        return false;
    if ((s->exclusive && w->n_leases > (l ? 1u : 0u)) || is_exclusively_held(w, l))
        return false;
    return placement_has_features(w->features, s->node_has)
           && (!s->wish.is_strict || fits_strictly(s, w, l));
}

bool placement_could_fit(const struct shape *s, const struct worker *w)
{
    return w->n_cores >= s->cores && w->mem_mib >= s->mem_mib
           && placement_has_features(w->features, s->node_has)
           && (!s->wish.is_strict || could_fit_strictly(s, w));
}

/* ---- the machine ---- */

static size_t first_with(const struct pool *p, uint64_t cores)
{
    size_t low = 0, high = p->n_fit;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->fit[mid]->n_free < cores)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static enum wait_reason why_not(const struct core *c, const struct shape *s,
                                enum wait_reason withheld)
{
    bool up = false, could = false, settling = false;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        bool fits = w->is_up && placement_could_fit(s, w);
        up = up || w->is_up;
        could = could || (fits && !w->is_settling);
        settling = settling || (fits && w->is_settling);
    }
    if (!up)
        return WAIT_NO_WORKER;
    if (withheld != WAIT_NONE)
        return withheld;
    if (could)
        return WAIT_CAPACITY;
    return settling ? WAIT_SETTLING : WAIT_NO_NODE;
}

static struct layout_wish wish_on(const struct shape *s, const struct worker *w)
{
    struct layout_wish wish = wish_of(s);
    bool may_pack = wish.way == WAY_SPREAD && !wish.is_strict;
    if (may_pack && !placement_may_spread(s, w, spread_on(w, NULL)))
        wish.way = WAY_PACK;
    return wish;
}

/* All its machines are alike to it but for how full they are. */
static bool is_flat_for(const struct shape *s, const struct worker *w)
{
    enum layout_level level = s->wish.level;
    return s->exclusive || s->wish.way == WAY_ANY || level == LEVEL_CORE || level == LEVEL_NODE
           || (s->wish.way == WAY_PACK && w->layout.n[level] <= 1);
}

/* What is free on `w` and not kept from this start. True: something is kept. */
static bool free_for(const struct core *c, const struct shape *s, const struct worker *w,
                     const struct job *job, struct bitset *cores, uint64_t *mem)
{
    free_cores(w, NULL, cores);
    domains_free(w, NULL, mem);
    return kept_take_out(c, s, w, job, cores, mem);
}

static struct layout_wish whole_wish(const struct worker *w)
{
    return (struct layout_wish){.way = WAY_ANY, .cores = w->n_cores, .mem_mib = w->mem_mib};
}

/* False: what is free is kept for others. */
static bool rank_layered(const struct core *c, const struct shape *s, const struct worker *w,
                         const struct job *job, struct layout_rank *rank)
{
    uint64_t mem[LAYOUT_UNITS_MAX], taken[LAYOUT_UNITS_MAX];
    struct bitset cores CQ_CLEANUP(bitset_fini) = {0};
    const struct layout_wish wish = s->exclusive ? whole_wish(w) : wish_on(s, w);
    struct layout_rank own;
    bool is_kept = free_for(c, s, w, job, &cores, mem);
    if (is_kept && !kept_lets_spread(c, s, w, job))
        return false;
    if (!layout_choose(&w->layout, &cores, mem, &wish, &own, NULL, is_kept ? taken : NULL))
        return false;
    if (is_flat_for(s, w))
        return true;
    *rank = own;
    if (s->wish.way == WAY_SPREAD) { /* the emptiest; packed only where nothing else is left */
        rank->is_split = wish.way != WAY_SPREAD;
        rank->left_over = BITSET_MAX - w->n_free;
    }
    return true;
}

/* What the search has seen. */
struct search {
    struct worker *best;
    struct layout_rank rank;
    enum wait_reason withheld;
    bool is_too_large; /* a free machine, for limits that hold back only this class */
};

static void consider(const struct core *c, const struct shape *s, struct worker *w,
                     const struct job *job, struct search *x)
{
    struct quota_block block;
    struct layout_rank rank = {.left_over = w->n_free - s->cores, .is_untouched = w->n_leases == 0};
    bool is_kept = !layout_is_flat(&w->layout) && !rank_layered(c, s, w, job, &rank);
    if (x->best && (is_kept || !layout_rank_before(&rank, &x->rank)))
        return;
    /* A hold is named first: shapes that it keeps out look again more often. */
    if (!calendar_allows(c, s, w, NULL)) {
        x->withheld = x->withheld == WAIT_NONE ? WAIT_BOOKED : x->withheld;
    } else if (is_kept || !holds_allow(c, s, w, NULL, job)) {
        x->withheld = WAIT_RESERVED;
    } else if (job && quota_blocks_machine(c, job->class->leaf, s, w, &block)) {
        x->is_too_large = true;
    } else {
        x->best = w;
        x->rank = rank;
    }
}

/* None that comes later, with more free, can be better. */
static bool is_best(const struct core *c, const struct search *x)
{
    bool is_perfect = !x->rank.is_split && x->rank.left_over == 0 && !x->rank.is_untouched;
    return x->best && (c->pool.n_layered == 0 || is_perfect);
}

struct worker *placement_find(const struct core *c, const struct shape *s, const struct job *job,
                              enum wait_reason *why)
{
    struct search x = {.withheld = WAIT_NONE};
    for (size_t i = first_with(&c->pool, s->cores); i < c->pool.n_fit && !is_best(c, &x); i++)
        if (placement_fits(s, c->pool.fit[i], NULL))
            consider(c, s, c->pool.fit[i], job, &x);
    if (x.best == NULL)
        *why = x.is_too_large ? WAIT_LIMIT : why_not(c, s, x.withheld);
    return x.best;
}

/* ---- the cores ---- */

static void take_lowest(const struct shape *s, const struct worker *w, struct bitset *cores)
{
    struct bitset left CQ_CLEANUP(bitset_fini) = {0};
    uint64_t want = s->exclusive ? w->n_cores : s->cores, got = 0;
    free_cores(w, NULL, &left);
    for (size_t bit = bitset_next(&left, 0); bit != SIZE_MAX && got < want;
         bit = bitset_next(&left, bit + 1), got++)
        bitset_set(cores, bit);
}

/* The cores and the memory of each NUMA node. */
static void take_layered(const struct core *c, const struct shape *s, const struct worker *w,
                         const struct job *job, struct placement *p)
{
    uint64_t mem[LAYOUT_UNITS_MAX];
    struct layout_rank rank;
    const struct layout_wish wish = s->exclusive ? whole_wish(w) : wish_on(s, w);
    struct bitset left CQ_CLEANUP(bitset_fini) = {0};
    size_t n = w->layout.n[LEVEL_NUMA];
    p->numa_mem = (struct domain_memory){cq_calloc(n, sizeof(uint64_t)), n};
    (void)free_for(c, s, w, job, &left, mem);
    bool ok = layout_choose(&w->layout, &left, mem, &wish, &rank, &p->cores, p->numa_mem.mib);
    assert(ok); /* it fits */
    (void)ok;
    if (n == 1)
        domain_memory_fini(&p->numa_mem);
}

bool placement_choose(const struct core *c, const struct shape *s, const struct job *job,
                      struct placement *p, enum wait_reason *why)
{
    struct worker *w = placement_find(c, s, job, why);
    if (w == NULL)
        return false;
    *p = (struct placement){.worker = w, .mem_mib = s->exclusive ? w->mem_mib : s->mem_mib};
    if (layout_is_flat(&w->layout))
        take_lowest(s, w, &p->cores);
    else
        take_layered(c, s, w, job, p);
    return true;
}
