/* A worker says HELLO: it registers, and what it holds is brought together with what we know
 * (reliability: held by both is adopted, unknown to it is lost, unknown to us is dropped). */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/ahead.h"
#include "scheduler/core/core_state.h"

enum { HELD_QUEUED, HELD_STARTING, HELD_RUNNING, HELD_ENDED };

struct hello {
    const struct in_worker_hello *in;
    struct worker *worker;
    int64_t wall_us;
    struct effects *out;
    size_t welcome; /* index in out->outs */
    bool rebooted;
};

/* ---- registration ---- */

/* It may offer no core at all when those that it has are offline. */
static int check_offer(const char *node, const char *cores_text, const char *topology,
                       uint64_t mem_mib, struct cq_err *err)
{
    struct bitset cores CQ_CLEANUP(bitset_fini) = {0};
    struct layout layout;
    if (bitset_parse(cores_text, &cores, err) != 0)
        return cq_wrap(err, "cores of node %s", node);
    if (bitset_count(&cores) == 0 && *topology == '\0')
        return cq_fail(err, CQ_E_INVALID, "node %s offers no cores", node);
    if (layout_parse(topology, &cores, mem_mib, &layout, err) != 0)
        return cq_wrap(err, "node %s", node);
    layout_fini(&layout);
    return 0;
}

/* A key is for one machine: with a copy of it a second agent would report nothing of what the first
 * runs, and all of that would run twice. So a stranger has to wait until the first is silent and
 * nothing that it was given can still run (reliability: P7). */
static int check_home(const struct core *c, const struct input *in, struct cq_err *err)
{
    const struct in_worker_hello *h = &in->u.worker_hello;
    const struct worker *w = worker_of_principal(c, in->principal.v);
    if (w == NULL || !w->is_up || cq_uuid_is_zero(&w->home) || cq_uuid_is_zero(&h->home)
        || cq_uuid_equal(&w->home, &h->home))
        return 0;
    if (w->has_session && !w->is_suspect)
        return cq_fail(err, CQ_E_CONFLICT,
                       "another agent with this key is at work as node %s; a key is for one "
                       "machine: make one for this machine with 'chipq admin worker add'",
                       w->name);
    if (w->n_leases > 0)
        return cq_fail(err, CQ_E_CONFLICT,
                       "node %s, another machine or directory with this key, may still run jobs "
                       "for %" PRId64 " s; then this one is welcome",
                       w->name, worker_over_us(c, w) / 1000000 + 1);
    return 0;
}

int core_check_hello(const struct core *c, const struct input *in, struct cq_err *err)
{
    const struct in_worker_hello *h = &in->u.worker_hello;
    const struct principal *p = people_principal(c, in->principal.v);
    if (p == NULL || p->revoked || p->role != ROLE_WORKER)
        return cq_fail(err, CQ_E_DENIED, "this key is not a worker's");
    if (!is_name(h->node))
        return cq_fail(err, CQ_E_INVALID, "'%.63s' is no node name", h->node);
    const struct worker *other = worker_named(c, h->node);
    if (other && other->principal != p->id && other->is_up)
        return cq_fail(err, CQ_E_CONFLICT, "another worker is up under the node name '%s'",
                       h->node);
    if (h->mem_mib == 0)
        return cq_fail(err, CQ_E_INVALID, "node %s offers no memory", h->node);
    if (h->mem_mib > MEM_MIB_MAX)
        return cq_fail(err, CQ_E_INVALID,
                       "node %s offers %" PRIu64 " MiB of memory; at most 1048576T can be", h->node,
                       h->mem_mib);
    if (check_home(c, in, err) != 0)
        return -1;
    return check_offer(h->node, h->cores, h->topology, h->mem_mib, err);
}

static void refuse(const struct input *in, const struct cq_err *err, struct effects *out)
{
    struct out *o = effects_out(out, OUT_REPLY);
    o->request = in->request;
    o->worker = in->principal;
    o->code = err->code;
    o->text = cq_strdup(err->text);
}

static struct worker *find_or_add(struct core *c, const struct input *in, struct effects *out)
{
    struct worker *w = worker_of_principal(c, in->principal.v);
    if (w)
        return w;
    struct record *r = record_new(RECORD_WORKER_ADD);
    r->u.worker_add = (struct worker_add){.id = core_new_id(c),
                                          .principal = in->principal.v,
                                          .name = cq_strdup(in->u.worker_hello.node)};
    core_emit(c, out, r);
    return worker_of_principal(c, in->principal.v);
}

static bool is_registered_so(const struct worker *w, const struct in_worker_hello *h)
{
    return w->is_up && cq_uuid_equal(&w->incarnation, &h->incarnation)
           && cq_uuid_equal(&w->boot_id, &h->boot_id) && cq_uuid_equal(&w->home, &h->home)
           && strcmp(w->name, h->node) == 0 && strcmp(w->cores_text, h->cores) == 0
           && w->mem_mib == h->mem_mib && strcmp(w->topology, h->topology) == 0
           && strcmp(w->features, h->features) == 0;
}

/* The texts of `up` are borrowed. */
static void emit_up(struct core *c, const struct worker_up *up, struct effects *out)
{
    struct record *r = record_new(RECORD_WORKER_UP);
    r->u.worker_up = *up;
    r->u.worker_up.name = cq_strdup(up->name);
    r->u.worker_up.cores = cq_strdup(up->cores);
    r->u.worker_up.topology = cq_strdup(up->topology);
    r->u.worker_up.features = cq_strdup(up->features);
    core_emit(c, out, r);
}

static void register_worker(struct core *c, struct hello *h)
{
    struct worker *w = h->worker;
    const struct in_worker_hello *in = h->in;
    w->has_session = true;
    w->is_settling = w->is_suspect = w->is_leaving = w->is_wary = false;
    w->heartbeat = in->heartbeat;
    worker_heard(c, w);
    if (is_registered_so(w, in)) {
        worker_update(c, w);
        return;
    }
    const struct worker_up up = {.worker = w->id,
                                 .incarnation = in->incarnation,
                                 .boot_id = in->boot_id,
                                 .name = (char *)in->node,
                                 .cores = (char *)in->cores,
                                 .mem_mib = in->mem_mib,
                                 .topology = (char *)in->topology,
                                 .features = (char *)in->features,
                                 .home = in->home,
                                 .at_us = h->wall_us};
    emit_up(c, &up, h->out);
}

/* What waits behind what runs on cores of which some are offline goes elsewhere. */
static void call_back_queued(struct core *c, const struct worker *w, struct effects *out)
{
    for (size_t i = 0; i < w->n_leases; i++)
        if (w->leases[i]->n_usable < w->leases[i]->n_cores)
            ahead_call_back(c, w->leases[i], "called back: a core went offline", c->now_wall_us,
                            out);
}

void worker_offers(struct core *c, struct worker *w, const struct input *in, struct effects *out)
{
    const char *cores = in->u.heartbeat.cores ? in->u.heartbeat.cores : "";
    const char *topology = in->u.heartbeat.topology;
    struct cq_err err;
    if (check_offer(w->name, cores, topology, w->mem_mib, &err) != 0) {
        refuse(in, &err, out);
        return;
    }
    if (strcmp(w->cores_text, cores) == 0 && strcmp(w->topology, topology) == 0)
        return;
    const struct worker_up up = {.worker = w->id,
                                 .incarnation = w->incarnation,
                                 .boot_id = w->boot_id,
                                 .name = w->name,
                                 .cores = (char *)cores,
                                 .mem_mib = w->mem_mib,
                                 .topology = (char *)topology,
                                 .features = w->features,
                                 .home = w->home,
                                 .at_us = c->now_wall_us};
    emit_up(c, &up, out);
    call_back_queued(c, w, out);
    c->calendar.is_unclear = true; /* bookings may have less now than they are to have */
}

/* ---- reconciliation ---- */

static const struct in_held_lease *held_lease(const struct in_worker_hello *in, uint64_t id)
{
    for (size_t i = 0; i < in->n_leases; i++)
        if (in->leases[i].lease == id)
            return &in->leases[i];
    return NULL;
}

static const struct in_held_attempt *held_attempt(const struct in_held_lease *held,
                                                  const struct lease_item *it)
{
    for (size_t i = 0; i < held->n_attempts; i++) {
        const struct in_held_attempt *a = &held->attempts[i];
        if (a->job == it->job->id && a->task == it->task->number && a->attempt == it->attempt)
            return a;
    }
    return NULL;
}

static void drop_lease(struct hello *h, uint64_t id)
{
    struct out *o = &h->out->outs[h->welcome];
    o->numbers = cq_realloc(o->numbers, o->n_numbers + 1, sizeof *o->numbers);
    o->numbers[o->n_numbers++] = id;
}

/* Attempts of ours that the worker does not hold are proven lost. The kill reaches a grant that is
 * still on its way. */
static void lose_unknown(struct core *c, struct hello *h, struct lease *l,
                         const struct in_held_lease *held)
{
    for (size_t i = 0; i < l->n;) {
        const struct lease_item *it = &l->queue[i];
        if (held_attempt(held, it)) {
            i++;
            continue;
        }
        const struct out_attempt at = {
            .job = {it->job->id}, .task = it->task->number, .attempt = it->attempt};
        lease_emit_loss(c, l, i, "the worker does not know it", h->wall_us, h->out);
        lease_send_kill(c, l, &at, "not known at HELLO", h->out);
    }
}

static void adopt(struct core *c, struct hello *h, const struct lease *l)
{
    if (l->epoch == c->epoch && cq_uuid_equal(&l->incarnation, &h->in->incarnation))
        return;
    struct record *r = record_new(RECORD_LEASE_ADOPT);
    r->u.lease_adopt =
        (struct lease_adopt){.lease = l->id, .epoch = c->epoch, .incarnation = h->in->incarnation};
    core_emit(c, h->out, r);
}

/* Starts that we have not heard of, and kills that the worker may not have heard of. */
static void bring_up_to_date(struct core *c, struct hello *h, const struct lease *l,
                             const struct in_held_lease *held)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct lease_item *it = &l->queue[i];
        const struct in_held_attempt *a = held_attempt(held, it);
        if (a && a->state == HELD_RUNNING && it->task->state != TASK_RUNNING) {
            struct record *r = record_new(RECORD_ATTEMPT_START);
            r->u.attempt_start_rec = (struct attempt_start_rec){.lease = l->id,
                                                                .job = a->job,
                                                                .task = a->task,
                                                                .attempt = a->attempt,
                                                                .start_us = h->wall_us};
            core_emit(c, h->out, r);
        }
        const struct out_attempt at = {
            .job = {it->job->id}, .task = it->task->number, .attempt = it->attempt};
        if (it->task->is_killing || it->task->is_requeued)
            lease_send_kill(c, l, &at, it->task->is_killing ? "cancelled" : "requeued", h->out);
    }
}

/* What runs there although we count it as over, or never granted it in this lease. */
static void kill_strangers(struct core *c, struct hello *h, const struct lease *l,
                           const struct in_held_lease *held)
{
    for (size_t i = 0; i < held->n_attempts; i++) {
        const struct in_held_attempt *a = &held->attempts[i];
        const struct out_attempt at = {.job = {a->job}, .task = a->task, .attempt = a->attempt};
        bool is_ours = lease_item_index(l, a->job, a->task, a->attempt) != SIZE_MAX;
        if (a->state != HELD_ENDED && !is_ours)
            lease_send_kill(c, l, &at, "stale", h->out);
    }
}

/* Run orders that were on their way to the old session may be lost, and which ones nobody knows:
 * all go out again with the next attempt. A shepherd ignores one that it has. */
static void forget_orders(struct lease *l)
{
    map_fini(&l->heard);
    l->heard = (struct map){0};
}

static void reconcile_known(struct core *c, struct hello *h, struct lease *l)
{
    const struct in_held_lease *held = held_lease(h->in, l->id);
    if (h->rebooted || held == NULL) {
        drop_lease(h, l->id);
        lease_lose(c, l, h->rebooted ? "the machine was restarted" : "the worker does not know it",
                   h->wall_us, h->out);
        return;
    }
    forget_orders(l);
    lose_unknown(c, h, l, held);
    adopt(c, h, l);
    bring_up_to_date(c, h, l, held);
    kill_strangers(c, h, l, held);
}

/* A lease that only the worker knows. If all that is left of it are ends to report, it may report
 * them (we may have counted them already and the answer was lost); else it is dropped. */
static void reconcile_unknown(const struct core *c, struct hello *h,
                              const struct in_held_lease *held)
{
    const struct lease *l = lease_find(c, held->lease);
    if (l && l->worker == h->worker)
        return;
    bool only_ends = held->n_attempts > 0;
    for (size_t i = 0; i < held->n_attempts; i++)
        only_ends = only_ends && held->attempts[i].state == HELD_ENDED;
    if (only_ends)
        (void)lease_out(c, h->worker, OUT_LEASE_CLOSE, held->lease, h->out);
    else
        drop_lease(h, held->lease);
}

static void reconcile(struct core *c, struct hello *h)
{
    struct worker *w = h->worker;
    size_t n = w->n_leases;
    struct lease **ours = cq_memdup(w->leases, n * sizeof(struct lease *));
    for (size_t i = 0; i < n; i++)
        reconcile_known(c, h, ours[i]);
    free(ours);
    for (size_t i = 0; i < h->in->n_leases; i++)
        if (lease_find(c, h->in->leases[i].lease) == NULL
            || lease_find(c, h->in->leases[i].lease)->worker != w)
            reconcile_unknown(c, h, &h->in->leases[i]);
}

void worker_hello_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct cq_err err;
    if (core_check_hello(c, in, &err) != 0) {
        refuse(in, &err, out);
        return;
    }
    struct hello h = {.in = &in->u.worker_hello, .wall_us = now.wall_us, .out = out};
    h.worker = find_or_add(c, in, out);
    h.rebooted = !cq_uuid_equal(&h.worker->boot_id, &h.in->boot_id);
    register_worker(c, &h);
    h.welcome = out->n_outs;
    struct out *o = lease_out(c, h.worker, OUT_WORKER_WELCOME, 0, out);
    o->request = in->request;
    reconcile(c, &h);
    call_back_queued(c, h.worker, out);
}
