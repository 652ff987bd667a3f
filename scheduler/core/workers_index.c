/* Workers found by principal, by name, and by how much of them is free. */
#include <assert.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

struct worker *worker_of_principal(const struct core *c, uint64_t principal)
{
    return map_find(&c->pool.by_principal, principal);
}

/* ---- names ---- */

static uint64_t hash_of(const char *name)
{
    return core_hash(CORE_HASH_SEED, name, strlen(name));
}

static bool is_better(const struct worker *a, const struct worker *b)
{
    return a->is_up != b->is_up ? a->is_up : a->id > b->id;
}

/* A machine that was enrolled anew has two: the one that is up, else the newest. */
struct worker *worker_named(const struct core *c, const char *name)
{
    struct worker *best = NULL, *w = map_find(&c->pool.by_name, hash_of(name));
    for (; w; w = w->next_same_name)
        if (strcmp(w->name, name) == 0 && (best == NULL || is_better(w, best)))
            best = w;
    return best;
}

void workers_enter_name(struct pool *p, struct worker *w)
{
    uint64_t hash = hash_of(w->name);
    w->next_same_name = map_find(&p->by_name, hash);
    map_put(&p->by_name, hash, w);
}

static void leave_name(struct pool *p, struct worker *w)
{
    uint64_t hash = hash_of(w->name);
    struct worker *first = map_find(&p->by_name, hash), *before = first;
    if (first == w && w->next_same_name)
        map_put(&p->by_name, hash, w->next_same_name);
    else if (first == w)
        (void)map_remove(&p->by_name, hash);
    while (before != w && before->next_same_name != w)
        before = before->next_same_name;
    if (before != w)
        before->next_same_name = w->next_same_name;
    w->next_same_name = NULL;
}

void workers_rename(struct pool *p, struct worker *w, const char *name)
{
    leave_name(p, w);
    free(w->name);
    w->name = cq_strdup(name ? name : "");
    workers_enter_name(p, w);
}

/* ---- those that take work ---- */

/* Where a worker with so many free cores and this id is, or would be. */
static size_t fit_place(const struct pool *p, uint64_t n_free, uint64_t id)
{
    size_t low = 0, high = p->n_fit;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct worker *w = p->fit[mid];
        if (w->fit_cores < n_free || (w->fit_cores == n_free && w->id < id))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void workers_fit_remove(struct pool *p, struct worker *w)
{
    size_t at = fit_place(p, w->fit_cores, w->id);
    assert(p->fit[at] == w);
    p->n_fit--;
    memmove(p->fit + at, p->fit + at + 1, (p->n_fit - at) * sizeof(struct worker *));
    p->free_cores -= w->fit_cores;
    p->free_mem_mib -= w->fit_mem_mib;
    w->is_fit = false;
}

void workers_fit_insert(struct pool *p, struct worker *w)
{
    cq_grow(&p->fit, &p->cap_fit, p->n_fit);
    size_t at = fit_place(p, w->n_free, w->id);
    memmove(p->fit + at + 1, p->fit + at, (p->n_fit - at) * sizeof(struct worker *));
    p->fit[at] = w;
    p->n_fit++;
    w->is_fit = true;
    w->fit_cores = w->n_free;
    w->fit_mem_mib = w->mem_mib > w->mem_used_mib ? w->mem_mib - w->mem_used_mib : 0;
    p->free_cores += w->fit_cores;
    p->free_mem_mib += w->fit_mem_mib;
}
