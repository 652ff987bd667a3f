/* Exact cores of holds: found when they are planned, and kept from others. */
#include "scheduler/core/holds_kept.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_plan.h"
#include "scheduler/core/placement.h"

static struct bitset view(const struct kept_place *k)
{
    return (struct bitset){(uint64_t *)k->words, k->n};
}

static bool keeps_any(const struct hold *h)
{
    return h->kept.n > 0;
}

/* Only those that insist are exact. */
static uint64_t cores_spread(const struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    return keeps_any(h) && placement_is_spread(s) ? s->cores : 0;
}

/* A start of `s` at that time is there together with the job of `h`. */
static bool is_beside(const struct hold *h, const struct shape *s, int64_t at_us)
{
    return h->at_us < plan_over_us(at_us, s)
           && at_us < plan_over_us(h->at_us, h->job->class->shape);
}

/* ---- what is there at a time ---- */

/* Without what runs then by its limit. */
static void fill_there(const struct core *c, const struct worker *w, int64_t at_us, struct there *t)
{
    size_t n = w->layout.n[LEVEL_NUMA];
    bitset_copy(&t->cores, &w->cores);
    layout_all_memory(&w->layout, t->mem_mib);
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        if (plan_end_of(c, l) <= at_us)
            continue;
        bitset_and_not(&t->cores, &l->cores);
        for (size_t k = 0; k < n; k++) {
            uint64_t used = n > 1 ? l->numa_mem.mib[k] : l->mem_mib;
            t->mem_mib[k] -= used < t->mem_mib[k] ? used : t->mem_mib[k];
        }
    }
}

static void take_out(const struct kept_place *k, struct bitset *cores, uint64_t *mem)
{
    const struct bitset kept = view(k);
    bitset_and_not(cores, &kept);
    for (size_t i = 0; i < k->n_mem; i++)
        mem[i] -= k->mem_mib[i] < mem[i] ? k->mem_mib[i] : mem[i];
}

static void take_out_kept(const struct core *c, const struct shape *s, const struct worker *w,
                          const struct hold *own, int64_t at_us, struct there *t)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        if (h == own || h->worker != w || !keeps_any(h) || !is_beside(h, s, at_us))
            continue;
        take_out(&h->kept, &t->cores, t->mem_mib);
    }
}

/* ---- half of a machine for those that are spread ---- */

/* Cores that are spread on `w` at that time, by leases and by those that holds keep a place from
 * then or before; `own` and `but` (may be NULL) are left out. */
static uint64_t spread_at(const struct core *c, const struct worker *w, int64_t at_us,
                          const struct hold *own, const struct hold *but)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        bool is_spread = l->class && placement_is_spread(l->class->shape);
        n += is_spread && plan_end_of(c, l) > at_us ? l->n_cores : 0;
    }
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        bool is_there = h->at_us <= at_us && at_us < plan_over_us(h->at_us, h->job->class->shape);
        n += h != own && h != but && h->worker == w && is_there ? cores_spread(h) : 0;
    }
    return n;
}

/* With so many cores more that are spread at its time the job of `h` would not be there. */
static bool takes_half(const struct core *c, const struct hold *h, const struct hold *own,
                       uint64_t cores)
{
    uint64_t n = spread_at(c, h->worker, h->at_us, own, h) + cores;
    return cores_spread(h) > 0 && !placement_may_spread(h->job->class->shape, h->worker, n);
}

/* A start of `s` at that time leaves their part to those that insist on being spread and come
 * while it is there. */
static bool leaves_half(const struct core *c, const struct shape *s, const struct worker *w,
                        const struct hold *own, int64_t at_us)
{
    for (size_t i = 0; placement_is_spread(s) && i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        bool is_late = h->at_us < at_us && at_us <= c->policy_us; /* it starts any moment */
        bool comes = (h->at_us >= at_us || is_late) && h->at_us < plan_over_us(at_us, s);
        if (h != own && h->worker == w && h->job->ready > 0 && comes
            && takes_half(c, h, own, s->cores))
            return false;
    }
    return true;
}

/* ---- a hold is planned ---- */

bool kept_is_exact(const struct shape *s, const struct worker *w)
{
    return s->wish.is_strict && !s->exclusive && !layout_is_flat(&w->layout);
}

bool kept_is_of(const struct hold *h, const struct worker *w)
{
    return !keeps_any(h)
           || (h->kept.n_mem == w->layout.n[LEVEL_NUMA] && kept_is_exact(h->job->class->shape, w));
}

/* With that kept too, each hold of which only sums are counted has as many as it wants. */
static bool leaves_sums(const struct core *c, const struct shape *s, const struct worker *w,
                        const struct hold *own, int64_t at_us)
{
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        bool is_asked = h != own && h->worker == w && !keeps_any(h) && is_beside(h, s, at_us);
        if (is_asked
            && (h->spare_cores < (int64_t)s->cores || h->spare_mem_mib < (int64_t)s->mem_mib))
            return false;
    }
    return true;
}

bool kept_fits_at(const struct core *c, const struct shape *s, const struct worker *w,
                  const struct hold *own, int64_t at_us, struct kept_place *out)
{
    if (!kept_is_exact(s, w))
        return true;
    struct there t = {0};
    struct bitset cores = {0};
    fill_there(c, w, at_us, &t);
    take_out_kept(c, s, w, own, at_us, &t);
    t.spread = spread_at(c, w, at_us, own, NULL);
    struct kept_place kept = {.n_mem = w->layout.n[LEVEL_NUMA]};
    bool ok = placement_strict(s, w, &t, &cores, kept.mem_mib);
    kept.n = cores.n;
    if (ok)
        memcpy(kept.words, cores.words, cores.n * sizeof kept.words[0]);
    ok = ok && leaves_sums(c, s, w, own, at_us) && leaves_half(c, s, w, own, at_us);
    if (ok && out)
        *out = kept;
    bitset_fini(&cores);
    there_fini(&t);
    return ok;
}

bool kept_is_good(const struct core *c, const struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    const struct bitset kept = view(&h->kept);
    struct there t = {0};
    bool ok = keeps_any(h);
    fill_there(c, h->worker, h->at_us, &t);
    take_out_kept(c, s, h->worker, h, h->at_us, &t);
    for (size_t i = bitset_next(&kept, 0); i != SIZE_MAX; i = bitset_next(&kept, i + 1))
        ok = ok && bitset_has(&t.cores, i);
    for (size_t i = 0; i < h->kept.n_mem; i++)
        ok = ok && t.mem_mib[i] >= h->kept.mem_mib[i];
    ok = ok && !takes_half(c, h, NULL, 0);
    there_fini(&t);
    return ok && leaves_sums(c, s, h->worker, h, h->at_us);
}

/* ---- others start ---- */

bool kept_take_out(const struct core *c, const struct shape *s, const struct worker *w,
                   const struct job *job, struct bitset *cores, uint64_t *mem_free)
{
    const struct hold *own = job ? holds_of((struct core *)c, job) : NULL;
    bool some = false;
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        bool is_over = plan_over_us(c->policy_us, s) <= h->at_us;
        if (h == own || h->worker != w || !keeps_any(h) || h->job->ready == 0 || is_over)
            continue;
        take_out(&h->kept, cores, mem_free);
        some = true;
    }
    return some;
}

bool kept_lets_spread(const struct core *c, const struct shape *s, const struct worker *w,
                      const struct job *job)
{
    const struct hold *own = job ? holds_of((struct core *)c, job) : NULL;
    return leaves_half(c, s, w, own, c->policy_us);
}

/* One that is over by then is not counted yet. */
static bool takes_kept_half(const struct core *c, const struct hold *h, const struct lease *l)
{
    bool is_spread = l->class && placement_is_spread(l->class->shape);
    return is_spread && takes_half(c, h, NULL, plan_end_of(c, l) > h->at_us ? 0 : l->n_cores);
}

/* With its memory of NUMA nodes taken then too, there is too little of what `h` keeps. */
static bool takes_kept_memory(const struct core *c, const struct hold *h, const struct lease *l)
{
    struct there t = {0};
    bool yes = false, is_counted = plan_end_of(c, l) > h->at_us;
    fill_there(c, h->worker, h->at_us, &t);
    for (size_t i = 0; i < h->kept.n_mem && i < l->numa_mem.n; i++) {
        uint64_t used = is_counted ? 0 : l->numa_mem.mib[i];
        yes = yes || (used > 0 && t.mem_mib[i] < used + h->kept.mem_mib[i]);
    }
    there_fini(&t);
    return yes;
}

bool kept_is_in_way(const struct core *c, const struct hold *h, const struct lease *l,
                    const struct shape *s, int64_t from_us)
{
    const struct bitset kept = view(&h->kept);
    bool is_there =
        l && h->worker == l->worker && keeps_any(h) && plan_over_us(from_us, s) > h->at_us;
    return is_there
           && (bitset_intersects(&kept, &l->cores) || takes_kept_memory(c, h, l)
               || takes_kept_half(c, h, l));
}
