/* The event loop: submissions and ends in order of time, each told to the core; what the core
 * grants runs for as long as the workload says. */
#include "scheduler/sim/run.h"

#include <inttypes.h>

#include "common/base/pure/heap.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/layout.h"
#include "scheduler/sim/charge.h"
#include "scheduler/sim/setup.h"

enum { PROGRESS_EVERY = 16384, IDLE_TIMERS_MAX = 100000, ATTEMPTS_MAX = 100 };
#define NEVER_US (INT64_MAX / 32) /* timers beyond are those of leases that last for ever */

struct held_lease;

struct attempt {       /* what a machine was told to run */
    size_t heap_index; /* HEAP_NOWHERE: it waits behind another of its lease */
    int64_t start_us, end_us;
    uint64_t order; /* of starts: breaks ties of ends */
    struct in_attempt at;
    struct held_lease *lease;
    struct sim_task *task;
    struct attempt *next;
};

struct held_lease {
    struct principal_id worker;
    uint32_t domains;             /* NUMA nodes that its cores lie in */
    struct attempt *first, *last; /* the first one runs */
};

struct live_job { /* by place in the workload */
    double rate;  /* charge of one task */
    uint64_t id;  /* in the core */
    uint32_t n_over;
};

struct run {
    struct farm farm;
    struct workload *w;
    const struct run_options *o;
    struct principal_id *who;
    struct live_job *live;
    struct map jobs;   /* id in the core -> struct sim_job */
    struct map leases; /* id -> struct held_lease */
    struct heap running;
    struct layout layout; /* of each machine */
    size_t next_job;      /* to be submitted */
    uint64_t n_starts, n_over, n_events;
    bool owes_pass;      /* something met its limit in this instant, and no pass came since */
    uint64_t owed_order; /* of the first of them */
    struct fairness fairness;
    struct metrics_extra extra;
    struct in_attempt_start *starts; /* of one machine, to be told */
    size_t n_starts_due, cap_starts;
};

static bool meets_limit(const struct attempt *a)
{
    return a->task->row->run_us >= a->task->row->limit_us;
}

static bool ends_before(const void *a, const void *b)
{
    const struct attempt *x = a, *y = b;
    if (x->end_us != y->end_us)
        return x->end_us < y->end_us;
    bool x_is_due = meets_limit(x), y_is_due = meets_limit(y);
    return x_is_due != y_is_due ? x_is_due : x->order < y->order;
}

static void set_place(void *item, size_t index)
{
    ((struct attempt *)item)->heap_index = index;
}

static int64_t now_us(const struct run *r)
{
    return r->farm.now.mono_us;
}

static struct live_job *live_of(const struct run *r, const struct sim_task *t)
{
    return &r->live[t->job];
}

static size_t tenant_of(const struct run *r, const struct sim_task *t)
{
    return r->w->leaves[t->row->leaf].enterprise;
}

/* ---- leases ---- */

static struct sim_task *task_of(const struct run *r, const struct in_attempt *at,
                                struct cq_err *err)
{
    const struct sim_job *job = map_find(&r->jobs, at->job);
    uint64_t index = job && job->is_array ? at->task - 1 : at->task;
    if (job && index < job->n_tasks)
        return &r->w->tasks[job->first_task + index];
    (void)cq_fail(err, CQ_E_INTERNAL,
                  "the core grants task %" PRIu64 " of job %" PRIu64 ", which nobody submitted",
                  at->task, at->job);
    return NULL;
}

static void start_first(struct run *r, struct held_lease *l)
{
    struct attempt *a = l->first;
    a->start_us = now_us(r);
    a->end_us = a->start_us + a->task->row->run_us;
    a->order = ++r->n_starts;
    a->task->start_us = a->start_us;
    a->task->domains = l->domains;
    heap_push(&r->running, a);
    fairness_start(&r->fairness, tenant_of(r, a->task), live_of(r, a->task)->rate);
    cq_grow(&r->starts, &r->cap_starts, r->n_starts_due);
    r->starts[r->n_starts_due++] =
        (struct in_attempt_start){.at = a->at, .start_us = r->farm.now.wall_us};
}

static int report_starts(struct run *r, struct principal_id worker, struct cq_err *err)
{
    size_t n = r->n_starts_due;
    r->n_starts_due = 0;
    return n ? farm_report_starts(&r->farm, worker, r->starts, n, err) : 0;
}

static uint32_t count_domains(const struct layout *l, const char *text)
{
    struct bitset cores CQ_CLEANUP(bitset_fini) = {0};
    uint32_t n = 0;
    if (bitset_parse(text, &cores, NULL) != 0)
        return 0;
    for (size_t i = 0; i < l->n[LEVEL_NUMA]; i++)
        n += bitset_intersects(&l->units[LEVEL_NUMA][i].cores, &cores);
    return n;
}

static void on_lease(void *arg, struct principal_id worker, uint64_t lease, const char *cores)
{
    struct run *r = arg;
    struct held_lease *l = CQ_NEW(struct held_lease);
    l->worker = worker;
    l->domains = count_domains(&r->layout, cores);
    map_put(&r->leases, lease, l);
}

static int take_grant(struct run *r, const struct farm_grant *g, struct cq_err *err)
{
    struct sim_task *t = task_of(r, &g->at, err);
    if (t == NULL)
        return -1;
    struct held_lease *l = map_find(&r->leases, g->lease);
    if (l == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "the core extends lease %" PRIu64 ", which is unknown",
                       g->lease);
    struct attempt *a = CQ_NEW(struct attempt);
    *a = (struct attempt){.heap_index = HEAP_NOWHERE, .at = g->at, .lease = l, .task = t};
    if (l->first) {
        l->last = l->last->next = a;
        return 0;
    }
    l->first = l->last = a;
    start_first(r, l);
    return 0;
}

static void unlink_attempt(struct held_lease *l, struct attempt *a)
{
    struct attempt **at = &l->first, *before = NULL;
    while (*at != a) {
        before = *at;
        at = &(*at)->next;
    }
    *at = a->next;
    if (l->last == a)
        l->last = before;
}

static struct attempt *find_attempt(const struct run *r, const struct in_attempt *at)
{
    const struct held_lease *l = map_find(&r->leases, at->lease);
    struct attempt *a = l ? l->first : NULL;
    while (a && (a->at.job != at->job || a->at.task != at->task || a->at.attempt != at->attempt))
        a = a->next;
    return a;
}

/* Ends an attempt here and in the core; what its lease has next begins. Frees it. */
static int end_attempt(struct run *r, struct attempt *a, enum verdict verdict, struct cq_err *err)
{
    struct held_lease *l = a->lease;
    bool ran = a->heap_index != HEAP_NOWHERE;
    struct in_attempt_end end =
        farm_end(&r->farm, &a->at, verdict, ran ? now_us(r) - a->start_us : 0);
    if (ran) {
        heap_remove(&r->running, a->heap_index);
        fairness_stop(&r->fairness, tenant_of(r, a->task), live_of(r, a->task)->rate);
    }
    unlink_attempt(l, a);
    free(a);
    if (farm_report_ends(&r->farm, l->worker, &end, 1, err) != 0)
        return -1;
    if (!ran || l->first == NULL)
        return 0;
    start_first(r, l);
    return report_starts(r, l->worker, err);
}

/* ---- what the core decided ---- */

static int start_granted(struct run *r, struct cq_err *err)
{
    struct farm_grant *grants = cq_memdup(r->farm.grants.items, r->farm.grants.n * sizeof *grants);
    size_t n = r->farm.grants.n;
    int rc = 0;
    r->farm.grants.n = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = take_grant(r, &grants[i], err);
        if (rc == 0 && (i + 1 == n || grants[i + 1].worker.v != grants[i].worker.v))
            rc = report_starts(r, grants[i].worker, err);
    }
    free(grants);
    return rc;
}

static int kill_one(struct run *r, const struct in_attempt *at, struct cq_err *err)
{
    struct attempt *a = find_attempt(r, at);
    if (a == NULL)
        return 0; /* it ended before */
    struct sim_task *t = a->task;
    if (a->heap_index != HEAP_NOWHERE) {
        r->extra.n_preemptions++;
        r->extra.preempted_core_us += (double)(now_us(r) - a->start_us) * t->row->cores;
        t->preemptions++;
        if (end_attempt(r, a, VERDICT_KILLED, err) != 0)
            return -1;
        fairness_queue(&r->fairness, tenant_of(r, t), live_of(r, t)->rate, 1);
        return 0;
    }
    return end_attempt(r, a, VERDICT_KILLED, err);
}

static int kill_all(struct run *r, struct cq_err *err)
{
    struct farm_grant *kills = cq_memdup(r->farm.kills.items, r->farm.kills.n * sizeof *kills);
    size_t n = r->farm.kills.n;
    int rc = 0;
    r->farm.kills.n = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = kill_one(r, &kills[i].at, err);
    free(kills);
    return rc;
}

static int drop_closed(struct run *r, struct cq_err *err)
{
    for (size_t i = 0; i < r->farm.n_closed; i++) {
        struct held_lease *l = map_remove(&r->leases, r->farm.closed[i]);
        if (l && l->first)
            return cq_fail(err, CQ_E_INTERNAL,
                           "the core closes lease %" PRIu64 ", in which something runs",
                           r->farm.closed[i]);
        free(l);
    }
    r->farm.n_closed = 0;
    return 0;
}

/* Carries out what the core wants until it wants nothing more. */
static int settle(struct run *r, struct cq_err *err)
{
    while (r->farm.grants.n || r->farm.kills.n) {
        if (r->farm.grants.n && start_granted(r, err) != 0)
            return -1;
        if (r->farm.kills.n && kill_all(r, err) != 0)
            return -1;
        farm_plan(&r->farm);
    }
    return drop_closed(r, err);
}

static int pass(struct run *r, struct cq_err *err)
{
    farm_plan(&r->farm);
    return settle(r, err);
}

/* ---- events ---- */

static int submit_next(struct run *r, struct cq_err *err)
{
    struct sim_job *job = &r->w->jobs[r->next_job++];
    const struct sim_row *row = job->request;
    const struct sim_leaf *leaf = &r->w->leaves[row->leaf];
    struct live_job *live = &r->live[job - r->w->jobs];
    char array[32] = "";
    if (job->is_array)
        (void)snprintf(array, sizeof array, "1-%" PRIu32, job->n_tasks);
    const struct in_job in = {.name = "",
                              .tool = "",
                              .stage_of = "",
                              .array = array,
                              .topo = r->w->topo ? r->w->topo : "",
                              .node_has = "",
                              .cores = row->cores,
                              .mem_mib = row->mem_mib,
                              .time_us = (uint64_t)row->limit_us,
                              .max_attempts = ATTEMPTS_MAX,
                              .run = "x",
                              .run_bytes = 1,
                              .licences = r->w->licences.items[row->licence],
                              .is_preemptible = true};
    if (farm_submit(&r->farm, r->who[row->leaf], r->w->projects.items[leaf->project], &in, 1, err)
        != 0)
        return -1;
    if (r->farm.number == 0) {
        r->extra.n_refused += job->n_tasks;
        return 0;
    }
    struct principal_view who;
    (void)core_view_principal(r->farm.core, r->who[row->leaf], &who);
    live->id = core_find_job(r->farm.core, who.enterprise, r->farm.number).v;
    map_put(&r->jobs, live->id, job);
    fairness_queue(&r->fairness, leaf->enterprise, live->rate, job->n_tasks);
    return 0;
}

static enum verdict verdict_of(enum sim_outcome outcome)
{
    switch (outcome) {
    case SIM_OK:
        return VERDICT_PASS;
    case SIM_FAIL:
        return VERDICT_FAIL;
    case SIM_OOM:
        return VERDICT_OOM;
    case SIM_LIMIT:
        return VERDICT_TIMEOUT;
    case SIM_OUTCOME_COUNT:
        break;
    }
    return VERDICT_ERROR;
}

static int end_next(struct run *r, struct cq_err *err)
{
    struct attempt *a = heap_top(&r->running);
    struct sim_task *t = a->task;
    struct live_job *live = live_of(r, t);
    if (end_attempt(r, a, verdict_of(t->row->outcome), err) != 0)
        return -1;
    t->is_over = true;
    r->n_over++;
    if (++live->n_over < r->w->jobs[t->job].n_tasks)
        return 0;
    map_remove(&r->jobs, live->id);
    farm_forget(&r->farm, (struct job_id){live->id});
    return 0;
}

static int64_t next_submit_us(const struct run *r)
{
    return r->next_job < r->w->n_jobs ? r->w->jobs[r->next_job].request->submit_us : INT64_MAX;
}

static int64_t next_end_us(const struct run *r)
{
    const struct attempt *a = heap_top(&r->running);
    return a ? a->end_us : INT64_MAX;
}

/* What reaches its limit is over before anything else of that instant: the core knew of it, and so
 * did everyone who published a schedule (tests/unit/sim_reference.h). */
static int end_at_limits(struct run *r, struct cq_err *err)
{
    const struct attempt *a;
    while ((a = heap_top(&r->running)) && a->end_us == now_us(r) && meets_limit(a)) {
        if (!r->owes_pass)
            r->owed_order = a->order;
        r->owes_pass = true;
        if (end_next(r, err) != 0)
            return -1;
    }
    return 0;
}

/* One submission or end of this instant. Nothing when a pass is owed that comes before it: what was
 * sent earlier has its chance first, and ends have their own order. */
static int take_one(struct run *r, struct cq_err *err)
{
    const struct attempt *a = heap_top(&r->running);
    bool has_submit = next_submit_us(r) == now_us(r), has_end = a && a->end_us == now_us(r);
    bool waits_for_pass = r->o->order == RUN_EACH && r->owes_pass
                          && (has_submit || !has_end || r->owed_order < a->order);
    r->n_events++;
    if (waits_for_pass || (!has_submit && !has_end))
        return 0;
    return has_submit ? submit_next(r, err) : end_next(r, err);
}

static bool has_events(const struct run *r)
{
    return next_submit_us(r) == now_us(r) || next_end_us(r) == now_us(r);
}

static int take_events(struct run *r, struct cq_err *err)
{
    if (end_at_limits(r, err) != 0)
        return -1;
    do {
        if (take_one(r, err) != 0)
            return -1;
        r->owes_pass = false;
    } while (r->o->order == RUN_BATCH && has_events(r));
    return pass(r, err);
}

/* Goes on to `to_us`, or to an earlier time at which a timer of the core brought something. */
static int go_on(struct run *r, int64_t to_us, struct cq_err *err)
{
    if (farm_advance(&r->farm, to_us, err) != 0)
        return -1;
    fairness_advance(&r->fairness, now_us(r));
    return settle(r, err);
}

/* Nothing will happen by itself: only a timer of the core can move what still waits. False when
 * there is none, or timers alone move nothing. */
static bool may_wait(const struct run *r, uint64_t idle)
{
    int64_t wake_us = core_wake_at_us(r->farm.core);
    return r->n_over + r->extra.n_refused < r->w->n_tasks && wake_us < NEVER_US
           && idle < IDLE_TIMERS_MAX;
}

static void tell_progress(const struct run *r)
{
    if (r->o->progress && r->n_events % PROGRESS_EVERY == 0)
        r->o->progress(r->o->progress_arg, now_us(r), r->n_over, r->w->n_tasks);
}

static int run_events(struct run *r, struct cq_err *err)
{
    for (uint64_t idle = 0;;) {
        int64_t submit_us = next_submit_us(r), end_us = next_end_us(r);
        int64_t next_us = submit_us < end_us ? submit_us : end_us;
        if (r->o->until_us && next_us > r->o->until_us)
            return go_on(r, r->o->until_us, err);
        if (next_us == INT64_MAX && !may_wait(r, idle++))
            return 0;
        if (next_us == INT64_MAX)
            next_us = core_wake_at_us(r->farm.core);
        else
            idle = 0;
        if (go_on(r, next_us, err) != 0)
            return -1;
        if (has_events(r) && take_events(r, err) != 0)
            return -1;
        tell_progress(r);
    }
}

/* ---- the whole ---- */

static void explain_stuck(const struct run *r, char *text, size_t size)
{
    struct reason why[1];
    for (size_t i = 0; i < r->w->n_jobs && r->o->until_us == 0; i++) {
        const struct sim_job *job = &r->w->jobs[i];
        const struct live_job *live = &r->live[i];
        if (live->id == 0 || live->n_over >= job->n_tasks)
            continue;
        size_t n = core_explain(r->farm.core, (struct job_id){live->id}, r->farm.now, why, 1);
        (void)snprintf(text, size, "job %" PRIu64 " never started: %.250s", job->request->number,
                       n ? why[0].text : "the core gives no reason");
        return;
    }
}

static int run_init(struct run *r, struct workload *w, const struct run_options *o,
                    struct cq_err *err)
{
    struct bitset cores CQ_CLEANUP(bitset_fini) = {0};
    *r = (struct run){.w = w, .o = o, .live = cq_calloc(w->n_jobs, sizeof *r->live)};
    farm_init(&r->farm, &o->core);
    r->farm.on_lease = on_lease;
    r->farm.on_lease_arg = r;
    heap_init(&r->running, ends_before, set_place);
    for (uint64_t i = workload_node_cores(w, 0); i-- > 0;)
        bitset_set(&cores, i);
    return layout_parse(w->topology ? w->topology : "", &cores, workload_node_mem(w, 0), &r->layout,
                        err);
}

/* When the configuration has had its say about weights. */
static void start_fairness(struct run *r)
{
    const struct workload *w = r->w;
    CQ_CLEANUP(cq_free_ptr) bool *has_jobs = cq_calloc(w->enterprises.n, sizeof *has_jobs);
    for (size_t i = 0; i < w->n_rows; i++)
        has_jobs[w->leaves[w->rows[i].leaf].enterprise] = true;
    fairness_init(&r->fairness, w->weights, w->enterprises.n);
    for (size_t i = 0; i < w->enterprises.n; i++)
        if (!has_jobs[i])
            fairness_set_absent(&r->fairness, i);
}

static void run_fini(struct run *r)
{
    void *item;
    for (size_t i = 0; map_next(&r->leases, &i, &item);) {
        struct held_lease *l = item;
        for (struct attempt *a = l->first, *next; a; a = next) {
            next = a->next;
            free(a);
        }
        free(l);
    }
    map_fini(&r->leases);
    map_fini(&r->jobs);
    heap_fini(&r->running);
    fairness_fini(&r->fairness);
    farm_fini(&r->farm);
    layout_fini(&r->layout);
    free(r->who);
    free(r->live);
    free(r->starts);
}

int run_workload(struct workload *w, const struct run_options *o, struct run_result *result,
                 struct cq_err *err)
{
    struct run r;
    int rc = run_init(&r, w, o, err);
    if (rc == 0)
        rc = setup_farm(&r.farm, w, o, &r.who, err);
    if (rc == 0)
        start_fairness(&r);
    for (size_t i = 0; rc == 0 && i < w->n_jobs; i++)
        r.live[i].rate = charge_of(w, w->jobs[i].request, o->core.has_plain_licence_charge);
    if (rc == 0)
        rc = run_events(&r, err);
    if (rc == 0) {
        *result = (struct run_result){.n_events = r.n_events};
        r.extra.fairness = &r.fairness;
        metrics_make(&result->metrics, w, &r.extra);
        explain_stuck(&r, result->stuck, sizeof result->stuck);
    }
    run_fini(&r);
    return rc;
}

void run_result_fini(struct run_result *r)
{
    metrics_fini(&r->metrics);
}
