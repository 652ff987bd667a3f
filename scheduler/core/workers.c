/* Workers: their records, their books, their liveness. */
#include "scheduler/core/workers.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/machine.h"

static bool due_less(const void *a, const void *b)
{
    const struct worker *x = a, *y = b;
    return x->due_us != y->due_us ? x->due_us < y->due_us : x->id < y->id;
}

static void due_set_index(void *item, size_t index)
{
    ((struct worker *)item)->due_index = index;
}

void workers_init(struct pool *p)
{
    heap_init(&p->due, due_less, due_set_index);
}

void workers_fini(struct pool *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct worker *w = p->workers[i];
        bitset_fini(&w->cores);
        bitset_fini(&w->used);
        free(w->name);
        free(w->cores_text);
        domains_fini(w);
        free(w->topology);
        free(w->features);
        free(w->drain_why);
        free(w->leases);
        free(w->accepted);
        free(w);
    }
    map_fini(&p->by_principal);
    map_fini(&p->by_name);
    free(p->workers);
    free(p->fit);
    free(p->grown);
    heap_fini(&p->due);
}

struct worker *worker_find(const struct core *c, uint64_t id)
{
    for (size_t low = 0, high = c->pool.n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (c->pool.workers[mid]->id == id)
            return c->pool.workers[mid];
        if (c->pool.workers[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

struct principal_id worker_address(const struct worker *w)
{
    return (struct principal_id){w->principal};
}

/* ---- the index of those that take work ---- */

bool worker_takes_work(const struct worker *w)
{
    return w->is_up && w->has_session && !w->is_drained && !w->is_suspect && !w->is_settling
           && !w->is_leaving && !w->is_wary;
}

void workers_mark_grown(struct core *c, struct worker *w)
{
    struct pool *p = &c->pool;
    if (w->is_grown)
        return;
    w->is_grown = true;
    cq_grow(&p->grown, &p->cap_grown, p->n_grown);
    p->grown[p->n_grown++] = w;
}

void worker_update(struct core *c, struct worker *w)
{
    struct bitset free_cores = {0};
    bool was_in = w->is_fit;
    uint64_t old_free = w->n_free;
    bitset_copy(&free_cores, &w->cores);
    bitset_and_not(&free_cores, &w->used);
    w->n_free = bitset_count(&free_cores);
    bitset_fini(&free_cores);
    if (was_in)
        workers_fit_remove(&c->pool, w);
    if (!worker_takes_work(w))
        return;
    workers_fit_insert(&c->pool, w);
    if (!was_in || w->n_free > old_free)
        workers_mark_grown(c, w);
}

/* ---- liveness ---- */

static int64_t silence_max_us(const struct core *c)
{
    return c->config.lease_us + c->config.lease_us / 50 + c->config.grace_us;
}

/* Sets when its silence means the next thing: suspect, then down. */
static void set_due(struct core *c, struct worker *w)
{
    int64_t over = w->heard_us + silence_max_us(c), suspect = w->heard_us + c->config.suspect_us;
    bool waits_for_suspect = w->has_session && !w->is_suspect && suspect < over;
    w->due_us = waits_for_suspect ? suspect : over;
    if (w->due_index == HEAP_NOWHERE)
        heap_push(&c->pool.due, w);
    else
        heap_fix(&c->pool.due, w->due_index);
}

int64_t worker_over_us(const struct core *c, const struct worker *w)
{
    int64_t us = w->heard_us + silence_max_us(c) - c->now_mono_us;
    return us > 0 ? us : 0;
}

static void clear_due(struct core *c, struct worker *w)
{
    if (w->due_index != HEAP_NOWHERE)
        heap_remove(&c->pool.due, w->due_index);
}

void worker_heard(struct core *c, struct worker *w)
{
    w->heard_us = c->now_mono_us;
    if (w->is_suspect) {
        w->is_suspect = false;
        worker_update(c, w);
    }
    set_due(c, w);
}

static void worker_emit_down(struct core *c, struct worker *w, const char *why, int64_t wall_us,
                             struct effects *out)
{
    w->has_session = false;
    struct lease *l;
    while (w->n_leases > 0 && (l = w->leases[0]))
        lease_lose(c, l, why, wall_us, out);
    struct record *r = record_new(RECORD_WORKER_DOWN);
    r->u.worker_down =
        (struct worker_down){.worker = w->id, .why = cq_strdup(why), .at_us = wall_us};
    core_emit(c, out, r);
}

void workers_timer(struct core *c, struct now now, struct effects *out)
{
    struct worker *w;
    while ((w = heap_top(&c->pool.due)) && w->due_us <= now.mono_us) {
        if (w->due_us < w->heard_us + silence_max_us(c)) {
            w->is_suspect = true;
            worker_update(c, w);
            set_due(c, w);
            continue;
        }
        char why[128];
        (void)snprintf(why, sizeof why, "worker %.64s was silent until its leases ran out",
                       w->name);
        worker_emit_down(c, w, why, now.wall_us, out);
    }
}

int64_t workers_wake_at_us(const struct core *c)
{
    const struct worker *w = heap_top(&c->pool.due);
    return w ? w->due_us : INT64_MAX;
}

void workers_load_done(struct core *c)
{
    c->pool.is_settling = true;
    c->pool.loaded_us = c->policy_us;
    for (size_t i = 0; i < c->pool.n; i++) {
        struct worker *w = c->pool.workers[i];
        w->has_session = w->is_suspect = false;
        w->is_settling = w->is_up;
        w->heard_us = c->now_mono_us;
        worker_update(c, w);
        if (w->is_up)
            set_due(c, w);
    }
}

bool workers_are_settling(struct pool *p)
{
    bool some = false;
    for (size_t i = 0; p->is_settling && !some && i < p->n; i++)
        some = p->workers[i]->is_settling;
    p->is_settling = some;
    return some;
}

/* What it runs is over when its leases have run out: nothing proves its processes dead. */
void worker_cut_off(struct core *c, uint64_t principal)
{
    struct worker *w = worker_of_principal(c, principal);
    if (w == NULL || !w->has_session)
        return;
    w->has_session = false;
    worker_update(c, w);
    set_due(c, w);
}

/* ---- books ---- */

static void count_usable(const struct worker *w, struct lease *l)
{
    l->n_usable = bitset_count_common(&l->cores, &w->cores);
}

void worker_take(struct core *c, struct worker *w, struct lease *l)
{
    count_usable(w, l);
    bitset_or(&w->used, &l->cores);
    w->mem_used_mib += l->mem_mib;
    domains_take(w, l);
    cq_grow(&w->leases, &w->cap_leases, w->n_leases);
    size_t at = w->n_leases++;
    for (; at > 0 && w->leases[at - 1]->id > l->id; at--)
        w->leases[at] = w->leases[at - 1];
    w->leases[at] = l;
    worker_update(c, w);
}

void worker_give_back(struct core *c, struct worker *w, struct lease *l)
{
    size_t at = 0;
    while (w->leases[at] != l)
        at++;
    w->n_leases--;
    memmove(w->leases + at, w->leases + at + 1, (w->n_leases - at) * sizeof(struct lease *));
    bitset_and_not(&w->used, &l->cores);
    assert(w->mem_used_mib >= l->mem_mib);
    w->mem_used_mib -= l->mem_mib;
    domains_give_back(w, l);
    worker_update(c, w);
    if (worker_takes_work(w))
        workers_mark_grown(c, w);
}

/* Ends that a worker may resend are bounded by what its leases can hold: the ring holds as many. */
void worker_remember_end(struct core *c, struct worker *w, const struct accepted *end)
{
    uint64_t want = w->n_cores * (c->config.ahead_max + 2);
    size_t bound = want < 1024 ? 1024 : want > 65536 ? 65536 : (size_t)want;
    bool is_full = w->n_accepted >= bound || w->at_accepted > 0;
    if (is_full) {
        w->accepted[w->at_accepted] = *end;
        w->at_accepted = (w->at_accepted + 1) % w->n_accepted;
        return;
    }
    cq_grow(&w->accepted, &w->cap_accepted, w->n_accepted);
    w->accepted[w->n_accepted++] = *end;
}

bool worker_has_accepted(const struct worker *w, const struct accepted *end)
{
    for (size_t i = 0; i < w->n_accepted; i++) {
        const struct accepted *a = &w->accepted[i];
        if (a->lease == end->lease && a->job == end->job && a->task == end->task
            && a->attempt == end->attempt)
            return true;
    }
    return false;
}

void core_remember_end(struct core *c, const struct record *attempt_end)
{
    const struct attempt_end_rec *r = &attempt_end->u.attempt_end_rec;
    struct worker *w = attempt_end->type == RECORD_ATTEMPT_END ? worker_find(c, r->worker) : NULL;
    const struct accepted end = {r->lease, r->job, r->task, r->attempt};
    if (w)
        worker_remember_end(c, w, &end);
}

/* ---- the door ---- */

static int apply_add(struct core *c, const struct worker_add *r, struct cq_err *err)
{
    struct pool *p = &c->pool;
    if (r->id == 0 || worker_find(c, r->id) || worker_of_principal(c, r->principal)
        || people_principal(c, r->principal) == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "worker %" PRIu64 " does not fit", r->id);
    struct worker *w = CQ_NEW(struct worker);
    *w = (struct worker){.id = r->id,
                         .principal = r->principal,
                         .name = cq_strdup(r->name ? r->name : ""),
                         .cores_text = cq_strdup(""),
                         .topology = cq_strdup(""),
                         .features = cq_strdup(""),
                         .due_index = HEAP_NOWHERE,
                         .is_changed = true};
    cq_grow(&p->workers, &p->cap, p->n);
    size_t at = p->n++;
    for (; at > 0 && p->workers[at - 1]->id > w->id; at--)
        p->workers[at] = p->workers[at - 1];
    p->workers[at] = w;
    p->is_changed = true;
    map_put(&p->by_principal, w->principal, w);
    workers_enter_name(p, w);
    core_saw_id(c, w->id);
    return 0;
}

static void set_text(char **to, const char *from)
{
    free(*to);
    *to = cq_strdup(from ? from : "");
}

/* What the pool has in all: what charges are parts of. Left before a change, joined after it. */
static void leave_pool(struct pool *p, const struct worker *w)
{
    if (!w->is_up)
        return;
    p->n_cores -= w->n_cores;
    p->mem_mib -= w->mem_mib;
    p->n_layered -= !layout_is_flat(&w->layout);
}

static void join_pool(struct pool *p, const struct worker *w)
{
    p->n_cores += w->n_cores;
    p->mem_mib += w->mem_mib;
    p->n_layered += !layout_is_flat(&w->layout);
}

/* A lease that has lost a core ends with what it runs. */
static void recount_leases(struct core *c, struct worker *w)
{
    for (size_t i = 0; i < w->n_leases; i++) {
        struct lease *l = w->leases[i];
        uint64_t before = l->n_usable;
        count_usable(w, l);
        if (l->n_usable != before)
            lease_touch(c, l);
    }
}

static int apply_up(struct core *c, struct worker *w, const struct worker_up *r, struct cq_err *err)
{
    const struct machine_size old = {w->n_cores, w->mem_mib};
    struct bitset cores = {0};
    if (bitset_parse(r->cores ? r->cores : "", &cores, err) != 0)
        return -1;
    leave_pool(&c->pool, w);
    bitset_fini(&w->cores);
    w->cores = cores;
    workers_rename(&c->pool, w, r->name);
    set_text(&w->cores_text, r->cores);
    set_text(&w->topology, r->topology);
    set_text(&w->features, r->features);
    w->incarnation = r->incarnation;
    w->boot_id = r->boot_id;
    w->home = r->home;
    w->n_cores = bitset_count(&w->cores);
    w->mem_mib = r->mem_mib;
    recount_leases(c, w);
    domains_renew(w);
    w->is_up = true;
    join_pool(&c->pool, w);
    machine_changed(c, w, old);
    worker_update(c, w);
    holds_recount(c, w);
    if (worker_takes_work(w))
        workers_mark_grown(c, w);
    return 0;
}

static void apply_down(struct core *c, struct worker *w)
{
    leave_pool(&c->pool, w);
    w->is_up = w->has_session = w->is_settling = w->is_suspect = false;
    clear_due(c, w);
    machine_changed(c, w, (struct machine_size){w->n_cores, w->mem_mib});
    worker_update(c, w);
}

static void apply_drain(struct core *c, struct worker *w, const struct worker_drain *r)
{
    w->is_drained = r->drain != 0;
    w->refusals = 0;
    w->is_wary = false;
    set_text(&w->drain_why, r->why);
    w->drained_by = r->principal;
    worker_update(c, w);
}

static uint64_t worker_of(const struct record *r)
{
    if (r->type == RECORD_WORKER_UP)
        return r->u.worker_up.worker;
    if (r->type == RECORD_WORKER_DOWN)
        return r->u.worker_down.worker;
    return r->u.worker_drain.worker;
}

int worker_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (r->type == RECORD_WORKER_ADD)
        return apply_add(c, &r->u.worker_add, err);
    struct worker *w = worker_find(c, worker_of(r));
    if (w == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "no worker %" PRIu64, worker_of(r));
    w->is_changed = c->pool.is_changed = true;
    if (r->type == RECORD_WORKER_UP)
        return apply_up(c, w, &r->u.worker_up, err);
    if (r->type == RECORD_WORKER_DOWN)
        apply_down(c, w);
    else
        apply_drain(c, w, &r->u.worker_drain);
    return 0;
}

/* ---- inputs ---- */

struct worker *worker_of_session(struct core *c, const struct input *in, struct effects *out)
{
    struct worker *w = worker_of_principal(c, in->principal.v);
    const struct principal *p = people_principal(c, in->principal.v);
    if (w && w->has_session && p && !p->revoked)
        return w;
    struct out *o = effects_out(out, OUT_REPLY);
    o->request = in->request;
    o->worker = in->principal;
    o->code = CQ_E_STALE;
    o->text = cq_strdup("the scheduler does not know this session: say HELLO");
    return NULL;
}

void worker_heartbeat_step(struct core *c, const struct input *in, struct effects *out)
{
    struct worker *w = worker_of_session(c, in, out);
    if (w == NULL)
        return;
    worker_heard(c, w);
    if (in->u.heartbeat.heartbeat > w->heartbeat)
        w->heartbeat = in->u.heartbeat.heartbeat;
    if (w->is_wary) {
        w->is_wary = false;
        worker_update(c, w);
    }
    if (in->u.heartbeat.topology && *in->u.heartbeat.topology)
        worker_offers(c, w, in, out);
    struct out *o = lease_out(c, w, OUT_HEARTBEAT_ACK, 0, out);
    o->heartbeat = in->u.heartbeat.heartbeat;
}

void worker_bye_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct worker *w = worker_of_principal(c, in->principal.v);
    if (w == NULL || !w->has_session)
        return;
    if (in->u.bye.is_stopping) {
        w->is_leaving = true;
        worker_update(c, w);
        return;
    }
    w->has_session = false;
    if (w->n_leases == 0) {
        worker_emit_down(c, w, "said goodbye", now.wall_us, out);
        return;
    }
    worker_update(c, w);
    set_due(c, w);
}

static bool drains_so(const struct worker *w, const char *why)
{
    return w->is_drained && strcmp(w->drain_why ? w->drain_why : "", why) == 0;
}

static int drain(struct core *c, const struct input *in, struct now now, struct effects *out,
                 struct cq_err *err)
{
    const struct worker *w = worker_named(c, in->u.node_drain.name);
    if (w == NULL)
        return cq_fail(err, CQ_E_NOT_FOUND, "no such node '%.63s'", in->u.node_drain.name);
    const char *why = in->u.node_drain.why ? in->u.node_drain.why : "";
    if (in->u.node_drain.drain ? drains_so(w, why) : !w->is_drained)
        return 0;
    struct record *r = record_new(RECORD_WORKER_DRAIN);
    r->u.worker_drain = (struct worker_drain){.worker = w->id,
                                              .drain = in->u.node_drain.drain,
                                              .principal = in->principal.v,
                                              .at_us = now.wall_us,
                                              .why = cq_strdup(why)};
    core_emit(c, out, r);
    return 0;
}

void worker_drain_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct cq_err err = {.code = CQ_OK};
    (void)drain(c, in, now, out, &err);
    core_reply(out, in->request, &err);
}
