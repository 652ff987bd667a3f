/* Books of the memory of NUMA nodes. */
#include "scheduler/core/domains.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/places.h"
#include "scheduler/core/lease.h"
#include "scheduler/core/workers.h"

void domain_memory_fini(struct domain_memory *m)
{
    free(m->mib);
    *m = (struct domain_memory){0};
}

void domain_memory_format(const struct domain_memory *m, struct cq_str *out)
{
    for (size_t i = 0; i < m->n; i++)
        cq_str_printf(out, "%s%" PRIu64, i ? "," : "", m->mib[i]);
}

bool domain_memory_parse(const char *text, struct domain_memory *out)
{
    *out = (struct domain_memory){0};
    size_t cap = 0;
    for (const char *p = text; *p;) {
        char *end;
        uint64_t mib = strtoull(p, &end, 10);
        bool is_number = end != p && *p >= '0' && *p <= '9' && (*end == ',' || *end == '\0');
        if (!is_number || out->n == LAYOUT_UNITS_MAX) {
            domain_memory_fini(out);
            return false;
        }
        cq_grow(&out->mib, &cap, out->n);
        out->mib[out->n++] = mib;
        p = end + (*end == ',');
    }
    return true;
}

/* ---- a lease's part ---- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* It fits, or the last node bears what no node has. */
static void assign(const struct worker *w, struct lease *l)
{
    size_t n = w->layout.n[LEVEL_NUMA];
    uint64_t free_mib[LAYOUT_UNITS_MAX], sum = 0;
    domain_memory_fini(&l->numa_mem);
    l->numa_mem = (struct domain_memory){cq_calloc(n, sizeof(uint64_t)), n};
    domains_free(w, NULL, free_mib);
    layout_take_memory(&w->layout, &l->cores, free_mib, l->mem_mib, l->numa_mem.mib);
    for (size_t i = 0; i < n; i++)
        sum += l->numa_mem.mib[i];
    l->numa_mem.mib[n - 1] += less(l->mem_mib, sum);
}

void domains_take(struct worker *w, struct lease *l)
{
    size_t n = w->layout.n[LEVEL_NUMA];
    if (n < 2) {
        domain_memory_fini(&l->numa_mem);
        return;
    }
    if (l->numa_mem.n != n)
        assign(w, l);
    for (size_t i = 0; i < n; i++)
        w->numa_used.mib[i] += l->numa_mem.mib[i];
}

void domains_give_back(struct worker *w, const struct lease *l)
{
    for (size_t i = 0; i < l->numa_mem.n; i++) {
        assert(w->numa_used.mib[i] >= l->numa_mem.mib[i]);
        w->numa_used.mib[i] -= l->numa_mem.mib[i];
    }
}

void domains_free(const struct worker *w, const struct lease *l, uint64_t *free_mib)
{
    size_t n = w->layout.n[LEVEL_NUMA];
    for (size_t i = 0; i < n; i++) {
        uint64_t used = n > 1 ? w->numa_used.mib[i] : w->mem_used_mib;
        uint64_t back = l == NULL ? 0 : n > 1 ? l->numa_mem.mib[i] : l->mem_mib;
        free_mib[i] = less(w->layout.units[LEVEL_NUMA][i].mem_mib, less(used, back));
    }
}

/* ---- a machine ---- */

void domains_fini(struct worker *w)
{
    layout_fini(&w->layout);
    layout_fini(&w->all);
    bitset_fini(&w->all_cores);
    domain_memory_fini(&w->numa_used);
}

static void read_layout(const struct worker *w, const struct bitset *cores, struct layout *to)
{
    if (layout_parse(w->topology, cores, w->mem_mib, to, NULL) == 0)
        return;
    int bad = layout_parse("", cores, w->mem_mib, to, NULL);
    assert(bad == 0);
    (void)bad;
}

static void find_all_cores(struct worker *w)
{
    struct places places = {0};
    bitset_copy(&w->all_cores, &w->cores);
    (void)places_read(w->topology, &places);
    for (size_t i = 0; i < places.n; i++)
        if (!places.items[i].is_system)
            bitset_set(&w->all_cores, places.items[i].core);
    places_fini(&places);
}

void domains_renew(struct worker *w)
{
    domains_fini(w);
    find_all_cores(w);
    read_layout(w, &w->cores, &w->layout);
    read_layout(w, &w->all_cores, &w->all);
    size_t n = w->layout.n[LEVEL_NUMA];
    w->numa_used = (struct domain_memory){cq_calloc(n, sizeof(uint64_t)), n};
    for (size_t i = 0; i < w->n_leases; i++)
        domains_take(w, w->leases[i]);
}
