/* Placement: best fit by free cores, then id; lowest free cores on the machine. */
#include "scheduler/core/placement.h"

#include <ctype.h>

#include "scheduler/core/quota.h"

void placement_fini(struct placement *p)
{
    bitset_fini(&p->cores);
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

/* ---- topology wishes ---- */

static bool is_one_of(const char *text, size_t n, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == n && memcmp(text, *words, n) == 0)
            return true;
    return false;
}

bool placement_topo_is_valid(const char *topo)
{
    static const char *const ways[] = {"pack", "spread", "any", NULL};
    static const char *const domains[] = {"core", "l3", "numa", "socket", "node", NULL};
    size_t n = strlen(topo);
    if (n == 0)
        return true;
    if (topo[n - 1] == '!')
        n--;
    const char *colon = memchr(topo, ':', n);
    size_t n_way = colon ? (size_t)(colon - topo) : n;
    if (!is_one_of(topo, n_way, ways))
        return false;
    return colon == NULL || is_one_of(colon + 1, n - n_way - 1, domains);
}

/* ---- fits ---- */

static uint64_t mem_free(const struct worker *w)
{
    return w->mem_mib > w->mem_used_mib ? w->mem_mib - w->mem_used_mib : 0;
}

bool placement_fits(const struct shape *s, const struct worker *w, const struct lease *l)
{
    uint64_t cores = w->n_free + (l ? l->n_cores : 0), mem = mem_free(w) + (l ? l->mem_mib : 0);
    if (cores < s->cores || mem < s->mem_mib)
        return false;
    if (s->exclusive && w->n_leases > (l ? 1u : 0u))
        return false;
    return placement_has_features(w->features, s->node_has);
}

bool placement_could_fit(const struct shape *s, const struct worker *w)
{
    return w->n_cores >= s->cores && w->mem_mib >= s->mem_mib
           && placement_has_features(w->features, s->node_has);
}

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

static void take_lowest(const struct shape *s, const struct worker *w, struct placement *p)
{
    struct bitset left = {0};
    uint64_t want = s->exclusive ? w->n_cores : s->cores, got = 0;
    *p = (struct placement){.worker = (struct worker *)w,
                            .mem_mib = s->exclusive ? w->mem_mib : s->mem_mib};
    bitset_copy(&left, &w->cores);
    bitset_and_not(&left, &w->used);
    for (size_t bit = bitset_next(&left, 0); bit != SIZE_MAX && got < want;
         bit = bitset_next(&left, bit + 1), got++)
        bitset_set(&p->cores, bit);
    bitset_fini(&left);
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

struct worker *placement_find(const struct core *c, const struct shape *s, const struct job *job,
                              enum wait_reason *why)
{
    enum wait_reason withheld = WAIT_NONE;
    struct quota_block block;
    bool is_too_large = false; /* a free machine, for limits that hold back only this class */
    for (size_t i = first_with(&c->pool, s->cores); i < c->pool.n_fit; i++) {
        struct worker *w = c->pool.fit[i];
        if (!placement_fits(s, w, NULL))
            continue;
        /* A hold is named first: shapes that it keeps out look again more often. */
        if (!calendar_allows(c, s, w, NULL))
            withheld = withheld == WAIT_NONE ? WAIT_BOOKED : withheld;
        else if (!holds_allow(c, s, w, NULL, job))
            withheld = WAIT_RESERVED;
        else if (job && quota_blocks_machine(c, job->class->leaf, s, w, &block))
            is_too_large = true;
        else
            return w;
    }
    *why = is_too_large ? WAIT_LIMIT : why_not(c, s, withheld);
    return NULL;
}

bool placement_choose(const struct core *c, const struct shape *s, const struct job *job,
                      struct placement *p, enum wait_reason *why)
{
    struct worker *w = placement_find(c, s, job, why);
    if (w)
        take_lowest(s, w, p);
    return w != NULL;
}
