/* Snapshots of everything small for the store's entity table, and views of workers and leases. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/config.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/learn.h"

struct give {
    entity_view_fn fn;
    void *arg;
};

/* Takes r. */
static void give(const struct give *g, struct record *r, uint64_t id, bool gone)
{
    struct entity_view e = {.type = r->type, .id = id, .record = r, .gone = gone};
    g->fn(g->arg, &e);
    record_free(r);
}

static void give_counters(struct core *c, const struct give *g)
{
    if (c->epoch_changed) {
        struct record *r = record_new(RECORD_EPOCH_START);
        r->u.epoch_start.epoch = c->epoch;
        give(g, r, 1, false);
    }
    if (c->counters_changed) {
        struct record *r = record_new(RECORD_COUNTERS);
        r->u.counters = (struct counters){.next_id = c->next_id,
                                          .policy_us = c->told_us,
                                          .landmark_us = c->share.landmark_us,
                                          .day_us = c->share.periods[BUDGET_DAY].start_us};
        give(g, r, 1, false);
    }
    c->epoch_changed = c->counters_changed = false;
}

static void give_enterprise(struct enterprise *e, const struct give *g)
{
    if (e->changed) {
        struct record *r = record_new(RECORD_ENTERPRISE_ADD);
        r->u.enterprise_add = (struct enterprise_add){.id = e->id, .name = cq_strdup(e->name)};
        give(g, r, e->id, false);
    }
    if (e->changed && e->is_removed) {
        struct record *r = record_new(RECORD_ENTERPRISE_REMOVE);
        r->u.enterprise_remove.id = e->id;
        give(g, r, e->id, false);
    }
    if (e->number_changed) {
        struct record *r = record_new(RECORD_NUMBERING);
        r->u.numbering = (struct numbering){.enterprise = e->id, .next_number = e->next_number};
        give(g, r, e->id, false);
    }
    e->changed = e->number_changed = false;
}

static void give_principal(struct principal *p, const struct give *g)
{
    if (!p->changed)
        return;
    struct record *r = record_new(RECORD_PRINCIPAL_ADD);
    r->u.principal_add = (struct principal_add){.id = p->id,
                                                .enterprise = p->enterprise ? p->enterprise->id : 0,
                                                .name = cq_strdup(p->name),
                                                .role = p->role,
                                                .public_key = cq_strdup(p->public_key)};
    give(g, r, p->id, false);
    if (p->revoked) {
        r = record_new(RECORD_PRINCIPAL_REVOKE);
        r->u.principal_revoke.id = p->id;
        give(g, r, p->id, false);
    }
    p->changed = false;
}

static void give_project(struct project *p, const struct give *g)
{
    if (!p->changed)
        return;
    struct record *r = record_new(RECORD_PROJECT_ADD);
    r->u.project_add = (struct project_add){
        .id = p->id, .enterprise = p->enterprise->id, .name = cq_strdup(p->name)};
    give(g, r, p->id, false);
    p->changed = false;
}

static void give_worker_state(const struct worker *w, const struct give *g)
{
    if (w->is_up || !cq_uuid_is_zero(&w->incarnation)) { /* an agent may call itself anything */
        struct record *r = record_new(RECORD_WORKER_UP);
        r->u.worker_up = (struct worker_up){.worker = w->id,
                                            .incarnation = w->incarnation,
                                            .boot_id = w->boot_id,
                                            .name = cq_strdup(w->name),
                                            .cores = cq_strdup(w->cores_text),
                                            .mem_mib = w->mem_mib,
                                            .topology = cq_strdup(w->topology),
                                            .features = cq_strdup(w->features),
                                            .home = w->home};
        give(g, r, w->id, false);
    }
    struct record *down = record_new(RECORD_WORKER_DOWN);
    down->u.worker_down.worker = w->id;
    give(g, down, w->id, w->is_up);
    struct record *drain = record_new(RECORD_WORKER_DRAIN);
    drain->u.worker_drain = (struct worker_drain){
        .worker = w->id, .drain = 1, .principal = w->drained_by, .why = cq_strdup(w->drain_why)};
    give(g, drain, w->id, !w->is_drained);
}

static void give_worker(struct worker *w, const struct give *g)
{
    if (!w->is_changed)
        return;
    struct record *r = record_new(RECORD_WORKER_ADD);
    r->u.worker_add =
        (struct worker_add){.id = w->id, .principal = w->principal, .name = cq_strdup(w->name)};
    give(g, r, w->id, false);
    give_worker_state(w, g);
    w->is_changed = false;
}

static void give_leases(struct core *c, const struct give *g)
{
    struct leases *all = &c->leases;
    for (size_t i = 0; i < all->n_gone; i++) {
        struct record *r = record_new(RECORD_LEASE_SNAPSHOT);
        r->u.lease_snapshot.lease = all->gone[i];
        give(g, r, all->gone[i], true);
    }
    for (size_t i = 0; i < all->n_changed; i++) {
        struct lease *l = lease_find(c, all->changed[i]);
        if (l == NULL || !l->is_changed)
            continue;
        give(g, lease_snapshot(l), l->id, false);
        l->is_changed = false;
        l->is_shown = true;
    }
    all->n_gone = all->n_changed = 0;
}

void core_view_entities(struct core *c, entity_view_fn fn, void *arg)
{
    const struct give g = {fn, arg};
    give_counters(c, &g);
    for (size_t i = 0; i < c->people.n_enterprises; i++)
        give_enterprise(c->people.enterprises[i], &g);
    for (size_t i = 0; c->people.is_principal_changed && i < c->people.n_principals; i++)
        give_principal(c->people.principals[i], &g);
    for (size_t i = 0; i < c->people.n_projects; i++)
        give_project(c->people.projects[i], &g);
    for (size_t i = 0; c->pool.is_changed && i < c->pool.n; i++)
        give_worker(c->pool.workers[i], &g);
    c->people.is_principal_changed = c->pool.is_changed = false;
    licence_view_entities(c, fn, arg);
    config_view_entities(c, fn, arg);
    give_leases(c, &g);
    share_view_entities(c, fn, arg);
    calendar_view_entities(c, fn, arg);
    holds_view_entity(c, fn, arg);
    learn_view_entities(c, fn, arg);
}

/* ---- workers ---- */

static const char *state_of(const struct worker *w)
{
    if (!w->is_up)
        return "down";
    if (w->is_settling)
        return "settling";
    if (w->is_drained)
        return w->n_leases > 0 ? "draining" : "drained";
    return w->is_suspect || !w->has_session ? "suspect" : "up";
}

void core_each_worker(const struct core *c, struct now now,
                      void (*fn)(void *arg, const struct worker_view *w), void *arg)
{
    (void)now;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        const struct worker_view v = {.id = {w->id},
                                      .principal = {w->principal},
                                      .name = w->name,
                                      .state = state_of(w),
                                      .topology = w->topology,
                                      .features = w->features,
                                      .drain_why = w->is_drained ? w->drain_why : NULL,
                                      .is_drained_by_chipqd = w->is_drained && w->drained_by == 0,
                                      .cores = w->n_cores,
                                      .cores_used = bitset_count_common(&w->used, &w->cores),
                                      .mem_mib = w->mem_mib,
                                      .mem_used_mib = w->mem_used_mib,
                                      .leases = w->n_leases,
                                      .last_seen_mono_us = w->heard_us};
        fn(arg, &v);
    }
}

size_t core_worker_numa(const struct core *c, struct worker_id id, uint64_t *mib,
                        uint64_t *used_mib)
{
    const struct worker *w = worker_find(c, id.v);
    size_t n = w ? w->layout.n[LEVEL_NUMA] : 0;
    for (size_t i = 0; i < n; i++) {
        mib[i] = w->layout.units[LEVEL_NUMA][i].mem_mib;
        used_mib[i] = n > 1 ? w->numa_used.mib[i] : w->mem_used_mib;
    }
    return n;
}

void core_worker_offline(const struct core *c, struct worker_id id, struct bitset *out)
{
    const struct worker *w = worker_find(c, id.v);
    if (w == NULL)
        return;
    bitset_copy(out, &w->all_cores);
    bitset_and_not(out, &w->cores);
}

const char *core_worker_topology(const struct core *c, const char *name)
{
    const struct worker *w = worker_named(c, name);
    return w && w->topology ? w->topology : "";
}

void core_each_lease(const struct core *c, struct worker_id id,
                     void (*fn)(void *arg, const struct lease_view *l), void *arg)
{
    const struct worker *w = worker_find(c, id.v);
    for (size_t i = 0; w && i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        const struct lease_item *it = l->n > 0 ? &l->queue[0] : NULL;
        const struct lease_view v = {.id = {l->id},
                                     .job = {it ? it->job->id : 0},
                                     .task = it ? it->task->number : 0,
                                     .number = it ? it->job->number : 0,
                                     .enterprise = {l->enterprise},
                                     .enterprise_name = people_enterprise(c, l->enterprise)->name,
                                     .cores = l->cores_text};
        fn(arg, &v);
    }
}

struct worker_id core_worker_of_task(const struct core *c, struct job_id id, uint64_t task)
{
    const struct job *job = job_find(c, id.v);
    const struct task *t = job && task <= UINT32_MAX ? job_task(job, (uint32_t)task) : NULL;
    return (struct worker_id){t && t->lease ? t->lease->worker->id : 0};
}

struct worker_id core_find_worker(const struct core *c, const char *name)
{
    const struct worker *w = worker_named(c, name);
    return (struct worker_id){w ? w->id : 0};
}
