/* Books of machines, from the journal, the core and the truth. */
#include "tests/simtest/rules_books.h"

#include "common/base/pure/bitset.h"
#include "common/base/pure/mem.h"
#include "tests/simtest/nodes.h"

#include <inttypes.h>

struct open_lease {
    uint64_t id, worker, mem_mib;
    struct bitset cores;
    struct open_lease *next;
};
static struct open_lease *leases;
static struct {
    uint64_t id, mem_mib;
} workers[MACHINES_MAX];
static size_t n_workers;

void books_reset(void)
{
    leases = NULL;
    n_workers = 0;
}

static uint64_t mem_of_worker(uint64_t id)
{
    for (size_t i = 0; i < n_workers; i++)
        if (workers[i].id == id)
            return workers[i].mem_mib;
    return 0;
}

static void on_worker_up(const struct worker_up *r)
{
    size_t i = 0;
    while (i < n_workers && workers[i].id != r->worker)
        i++;
    if (i == n_workers && n_workers++ == MACHINES_MAX)
        abort();
    workers[i].id = r->worker;
    workers[i].mem_mib = r->mem_mib;
}

static void on_open(const struct lease_open *r)
{
    struct open_lease *l = CQ_NEW(struct open_lease);
    uint64_t mem_mib = r->mem_mib;
    *l = (struct open_lease){.id = r->lease, .worker = r->worker, .mem_mib = r->mem_mib};
    if (bitset_parse(r->cores, &l->cores, NULL) != 0)
        abort();
    for (const struct open_lease *o = leases; o; o = o->next) {
        if (o->worker != l->worker)
            continue;
        mem_mib += o->mem_mib;
        if (bitset_intersects(&o->cores, &l->cores))
            sim_fail("R11", "leases %" PRIu64 " and %" PRIu64 " share a core", o->id, l->id);
    }
    if (mem_mib > mem_of_worker(l->worker))
        sim_fail("R11", "leases have %" PRIu64 " MiB of a machine with %" PRIu64, mem_mib,
                 mem_of_worker(l->worker));
    l->next = leases;
    leases = l;
}

static void on_close(const struct lease_close_rec *r)
{
    struct open_lease **at = &leases;
    while (*at && (*at)->id != r->lease)
        at = &(*at)->next;
    if (*at == NULL)
        sim_fail("R11", "lease %" PRIu64 " is closed and was not open", r->lease);
    else
        *at = (*at)->next;
}

void books_record(const struct record *r)
{
    if (r->type == RECORD_WORKER_UP)
        on_worker_up(&r->u.worker_up);
    else if (r->type == RECORD_LEASE_OPEN)
        on_open(&r->u.lease_open);
    else if (r->type == RECORD_LEASE_CLOSE)
        on_close(&r->u.lease_close_rec);
}

bool books_is_empty(void)
{
    return leases == NULL;
}

static void check_worker(void *arg, const struct worker_view *w)
{
    (void)arg;
    if (w->cores_used > w->cores || w->mem_used_mib > w->mem_mib)
        sim_fail("R11",
                 "the core's books of %s: %" PRIu64 " of %" PRIu64 " cores, %" PRIu64 " of %" PRIu64
                 " MiB",
                 w->name, w->cores_used, w->cores, w->mem_used_mib, w->mem_mib);
}

void books_check_core(const struct core *c, struct now now)
{
    core_each_worker(c, now, check_worker, NULL);
}

/* What runs there together, whatever anybody believes. */
void books_started(const struct truth *t)
{
    struct bitset mine = {0}, other = {0};
    const struct machine *m = &machines[t->machine];
    uint64_t mem_mib = t->mem_mib;
    if (bitset_parse(t->cores, &mine, NULL) != 0 || bitset_next(&mine, m->cores) != SIZE_MAX)
        sim_fail("R11", "an attempt has cores %s of %s, which has %" PRIu64, t->cores, m->name,
                 m->cores);
    for (size_t i = 0; i + 1 < truths.n; i++) {
        const struct truth *o = truths.all[i];
        if (!o->is_alive || o->machine != t->machine)
            continue;
        mem_mib += o->mem_mib;
        if (bitset_parse(o->cores, &other, NULL) == 0 && bitset_intersects(&mine, &other))
            sim_fail("R11", "two attempts run on one core of %s: %s and %s", m->name, t->cores,
                     o->cores);
        bitset_fini(&other);
    }
    if (mem_mib > m->mem_mib)
        sim_fail("R11", "%" PRIu64 " MiB are granted of %s, which has %" PRIu64, mem_mib, m->name,
                 m->mem_mib);
    bitset_fini(&mine);
}
