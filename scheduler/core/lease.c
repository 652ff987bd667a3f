/* Leases: the door for their records and those of their attempts; the messages about them. */
#include "scheduler/core/lease.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/ahead.h"
#include "scheduler/core/apply_check.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/learn.h"
#include "scheduler/core/machine.h"
#include "scheduler/core/preempt.h"
#include "scheduler/core/quota.h"

void lease_free(struct lease *l)
{
    if (l == NULL)
        return;
    bitset_fini(&l->cores);
    domain_memory_fini(&l->numa_mem);
    map_fini(&l->heard);
    free(l->cores_text);
    free(l->queue);
    free(l->held);
    free(l);
}

void leases_fini(struct core *c)
{
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        struct lease *l = item;
        queue_class_unref(c, l->class);
        lease_free(l);
    }
    map_fini(&c->leases.by_id);
    free(c->leases.touched);
    free(c->leases.gone);
    free(c->leases.changed);
}

struct lease *lease_find(const struct core *c, uint64_t id)
{
    return map_find(&c->leases.by_id, id);
}

void lease_touch(struct core *c, struct lease *l)
{
    if (l->is_touched)
        return;
    l->is_touched = true;
    cq_grow(&c->leases.touched, &c->leases.cap_touched, c->leases.n_touched);
    c->leases.touched[c->leases.n_touched++] = l->id;
}

static void mark_changed(struct core *c, struct lease *l)
{
    if (l->is_changed)
        return;
    l->is_changed = true;
    cq_grow(&c->leases.changed, &c->leases.cap_changed, c->leases.n_changed);
    c->leases.changed[c->leases.n_changed++] = l->id;
}

size_t lease_item_index(const struct lease *l, uint64_t job, uint64_t task, uint64_t attempt)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct lease_item *it = &l->queue[i];
        if (it->job->id == job && it->task->number == task && it->attempt == attempt)
            return i;
    }
    return SIZE_MAX;
}

/* ---- the door ---- */

static void lease_enter(struct core *c, struct lease *l)
{
    map_put(&c->leases.by_id, l->id, l);
    core_saw_id(c, l->id);
    l->n_cores = bitset_count(&l->cores);
    l->end_us = LEASE_UNCOUNTED;
    worker_take(c, l->worker, l);
    licence_take(c, &l->tokens);
    holders_enter(l);
    quota_take(c, l);
    struct enterprise *e = people_enterprise(c, l->enterprise);
    e->counts.cores_used += l->n_cores;
    mark_changed(c, l);
    lease_touch(c, l);
}

static int check_new(const struct core *c, uint64_t id, uint64_t worker, uint64_t enterprise,
                     struct cq_err *err)
{
    if (id == 0 || lease_find(c, id) || worker_find(c, worker) == NULL
        || people_enterprise(c, enterprise) == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "lease %" PRIu64 " does not fit", id);
    return 0;
}

static int check_room(const struct lease *l, struct cq_err *err)
{
    if (!bitset_intersects(&l->worker->used, &l->cores))
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "lease %" PRIu64 " takes cores that are in use", l->id);
}

static int apply_open(struct core *c, const struct lease_open *r, struct cq_err *err)
{
    if (check_new(c, r->lease, r->worker, r->enterprise, err) != 0)
        return -1;
    struct lease *l = CQ_NEW(struct lease);
    *l = (struct lease){.id = r->lease,
                        .worker = worker_find(c, r->worker),
                        .enterprise = r->enterprise,
                        .project = r->project,
                        .principal = r->principal,
                        .first_epoch = r->epoch,
                        .epoch = r->epoch,
                        .cores_text = cq_strdup(r->cores ? r->cores : ""),
                        .mem_mib = r->mem_mib,
                        .rate = r->rate,
                        .inner_rate = r->inner_rate,
                        .opened_us = r->policy_us,
                        .booking = r->reservation,
                        .ahead_index = HEAP_NOWHERE};
    l->incarnation = l->worker->incarnation;
    l->leaf = share_leaf_of(c, r->project, r->principal);
    if (l->leaf == NULL || bitset_parse(l->cores_text, &l->cores, err) != 0
        || !domain_memory_parse(r->numa_mem ? r->numa_mem : "", &l->numa_mem)
        || check_room(l, err) != 0
        || tokens_parse(c, l->leaf->enterprise, r->licences ? r->licences : "", &l->tokens, err)
               != 0) {
        lease_free(l);
        return cq_fail(err, CQ_E_INTERNAL, "lease %" PRIu64 " does not fit", r->lease);
    }
    if (c->is_loading && apply_check_lease(l, err) != 0) {
        lease_free(l);
        return -1;
    }
    lease_enter(c, l);
    share_charge(c, l->leaf, l->rate, l->inner_rate, l->opened_us);
    return 0;
}

/* That of the job's request with so much memory. */
static void set_class(struct core *c, struct lease *l, const struct job *job, uint64_t mem_mib)
{
    if (l->class)
        return;
    l->class = queue_class_ref(c, job, mem_mib);
    l->class->n_leases++;
    quota_lend(l);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* An attempt that was called back is gone by then. */
static int64_t killed_by(const struct lease *l)
{
    const struct task *t = l->queue[0].task;
    return l->is_recalled && t->preempted_us != 0 ? t->preempted_us + RECLAIM_KILL_US : INT64_MAX;
}

static void renew_end(struct core *c, struct lease *l)
{
    int64_t end_us = l->n > 0 ? l->head_since_us : c->policy_us;
    if (l->n > 0) {
        uint64_t limit_us = l->class->shape->time_us, mean_us = l->mean_run_us;
        end_us += limit_us < INT64_MAX / 4 ? (int64_t)limit_us : INT64_MAX / 4;
        end_us += (int64_t)(l->n - 1) * (int64_t)(mean_us < limit_us ? mean_us : limit_us);
        end_us = sooner(end_us, killed_by(l));
    }
    holds_set_end(c, l, end_us);
    holders_set_end(l);
}

void lease_recall(struct core *c, struct lease *l)
{
    if (l->is_recalled)
        return;
    l->is_recalled = true;
    l->recalled_from_us = l->head_since_us;
    quota_recall(l);
    renew_end(c, l);
    mark_changed(c, l);
}

/* What an attempt may use at most: all cores of the lease to the limit. */
static uint64_t lease_core_us(const struct lease *l)
{
    return machine_core_us(l->n_cores, l->class->shape->time_us);
}

/* The class is set before. */
static void push(struct core *c, struct lease *l, struct job *job, struct task *task, int64_t at_us,
                 int64_t policy_us)
{
    cq_grow(&l->queue, &l->cap, l->n);
    l->class->queued++;
    if (l->n == 0)
        l->head_since_us = policy_us;
    l->queue[l->n++] = (struct lease_item){.job = job, .task = task, .attempt = task->attempt};
    budget_hold(c, l->leaf, lease_core_us(l), at_us);
    ahead_update(c, l);
    renew_end(c, l);
}

static void set_node(struct job *job, const char *name)
{
    if (job->node && strcmp(job->node, name) == 0)
        return;
    free(job->node);
    job->node = cq_strdup(name);
}

static int apply_assign(struct core *c, const struct attempt_assign *r, struct cq_err *err)
{
    struct lease *l = lease_find(c, r->lease);
    struct job *job = job_find(c, r->job);
    if (l == NULL || job == NULL || r->task > UINT32_MAX
        || !ranges_has(&job->waiting, (uint32_t)r->task) || (l->class && l->class != job->class))
        return cq_fail(err, CQ_E_INTERNAL, "an attempt of job %" PRIu64 " does not fit", r->job);
    const struct task *old = job_task(job, (uint32_t)r->task);
    if (r->attempt != (old ? old->attempt : 0) + 1)
        return cq_fail(err, CQ_E_INTERNAL, "attempt %" PRIu64 " of job %" PRIu64 " is out of order",
                       r->attempt, r->job);
    set_class(c, l, job, grow_mem_mib(job));
    push(c, l, job, job_assign(c, job, (uint32_t)r->task, (uint32_t)r->attempt, l), r->at_us,
         r->policy_us);
    if (!job->is_array)
        set_node(job, l->worker->name);
    job_refresh(c, job, r->at_us);
    mark_changed(c, l);
    lease_touch(c, l);
    return 0;
}

/* The place of an attempt in its lease, for records that need it to be there. */
static int find_item(const struct core *c, const uint64_t at[4], struct lease **l, size_t *index,
                     struct cq_err *err)
{
    *l = lease_find(c, at[0]);
    *index = *l ? lease_item_index(*l, at[1], at[2], at[3]) : SIZE_MAX;
    if (*index != SIZE_MAX)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL,
                   "attempt %" PRIu64 " of task %" PRIu64 " of job %" PRIu64
                   " is not in lease %" PRIu64,
                   at[3], at[2], at[1], at[0]);
}

static int apply_start(struct core *c, const struct attempt_start_rec *r, struct cq_err *err)
{
    struct lease *l;
    size_t i;
    if (find_item(c, (const uint64_t[]){r->lease, r->job, r->task, r->attempt}, &l, &i, err) != 0)
        return -1;
    struct job *job = l->queue[i].job;
    struct task *t = l->queue[i].task;
    if (task_state_next(t->state, TASK_EV_START) == TASK_NONE)
        return cq_fail(err, CQ_E_INTERNAL, "an attempt of job %" PRIu64 " starts twice", job->id);
    job_task_move(c, job, t, TASK_EV_START, NULL);
    t->start_us = r->start_us;
    usage_start(c, job, t, r->start_us);
    if (job->start_us == 0)
        job->start_us = r->start_us;
    job_show_task(c, job, t);
    return 0;
}

/* What an attempt used of a budget: its own word, within its limit; a loss costs nothing. */
static struct budget_use use_of(const struct lease *l, const struct attempt_end_rec *r)
{
    struct budget_use use = {.held_core_us = lease_core_us(l), .cores = l->n_cores};
    if (r->verdict == VERDICT_LOST || r->start_us <= 0)
        return use;
    int64_t run_us = r->run_us < INT64_MAX / 2 ? (int64_t)r->run_us : INT64_MAX / 2;
    use.to_us = r->at_us;
    use.from_us = use.to_us - run_us;
    return use;
}

static void drop_item(struct core *c, struct lease *l, size_t i, const struct attempt_end_rec *r)
{
    const struct budget_use use = use_of(l, r);
    l->n--;
    l->class->queued--;
    memmove(l->queue + i, l->queue + i + 1, (l->n - i) * sizeof *l->queue);
    if (i == 0)
        l->head_since_us = r->policy_us;
    ahead_update(c, l);
    renew_end(c, l);
    if (l->n == 0 && c->calendar.n > 0)
        workers_mark_grown(c, l->worker); /* beside bookings it is over from now on */
    budget_settle(c, l->leaf, &use, r->at_us);
}

static uint64_t aged_mean(uint64_t mean, uint64_t run_us)
{
    if (run_us == 0)
        run_us = 1;
    return mean ? (mean * 3 + run_us) / 4 : run_us;
}

static bool tells_duration(enum verdict v)
{
    return v == VERDICT_PASS || v == VERDICT_FAIL || v == VERDICT_ERROR;
}

static int apply_end(struct core *c, const struct record *record, struct cq_err *err)
{
    const struct attempt_end_rec *r = &record->u.attempt_end_rec;
    struct lease *l;
    size_t i;
    if (r->verdict >= VERDICT_COUNT)
        return cq_fail(err, CQ_E_INTERNAL, "verdict %" PRIu64 " is unknown", r->verdict);
    if (find_item(c, (const uint64_t[]){r->lease, r->job, r->task, r->attempt}, &l, &i, err) != 0)
        return -1;
    struct job *job = l->queue[i].job;
    struct task *t = l->queue[i].task;
    enum verdict v = (enum verdict)r->verdict;
    if (tells_duration(v)) {
        uint64_t run_us = r->run_us < INT64_MAX / 8 ? r->run_us : INT64_MAX / 8;
        l->mean_run_us = aged_mean(l->mean_run_us, run_us);
        job->mean_run_us = aged_mean(job->mean_run_us, run_us);
        runs_add(c, job, (int64_t)run_us);
    }
    drop_item(c, l, i, r); /* whose next end is by the new mean */
    if (job->start_us == 0 && r->start_us > 0)
        job->start_us = r->start_us;
    if (t->start_us == 0)
        t->start_us = r->start_us; /* its start was never told apart from its end */
    if (r->worker)
        worker_remember_end(c, l->worker,
                            &(struct accepted){r->lease, r->job, r->task, r->attempt});
    usage_end(c, job, t, r);
    learn_add(job, r);
    grow_note_end(job, r);
    job_task_move(c, job, t, job_judge(job, t, r), record);
    share_turn(c, l->leaf, r->policy_us);
    job_refresh(c, job, r->at_us);
    mark_changed(c, l);
    lease_touch(c, l);
    return 0;
}

/* Attempts still in the queue never started: they wait again. */
static void return_queue(struct core *c, struct lease *l, int64_t at_us)
{
    for (size_t i = 0; i < l->n; i++) {
        struct task *t = l->queue[i].task;
        bool is_over = t->is_killing;
        job_task_move(c, l->queue[i].job, t, is_over ? TASK_EV_KILL : TASK_EV_AGAIN, NULL);
        job_refresh(c, l->queue[i].job, at_us);
    }
    for (size_t i = 0; i < l->n; i++)
        budget_settle(c, l->leaf, &(struct budget_use){lease_core_us(l), 0, 0, 0}, at_us);
    if (l->class)
        l->class->queued -= l->n;
    l->n = 0;
    ahead_update(c, l);
}

static void mark_gone(struct core *c, const struct lease *l)
{
    cq_grow(&c->leases.gone, &c->leases.cap_gone, c->leases.n_gone);
    c->leases.gone[c->leases.n_gone++] = l->id;
}

static int apply_close(struct core *c, const struct lease_close_rec *r, struct cq_err *err)
{
    struct lease *l = lease_find(c, r->lease);
    if (l == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "lease %" PRIu64 " is not open", r->lease);
    return_queue(c, l, r->at_us);
    holds_forget_lease(c, l);
    worker_give_back(c, l->worker, l);
    quota_give_back(c, l);
    holders_leave(l);
    licence_give_back(c, &l->tokens);
    share_charge(c, l->leaf, -l->rate, -l->inner_rate, r->policy_us);
    if (l->is_recalled)
        share_refund(c, l->leaf, l->rate, l->inner_rate, l->recalled_from_us, r->policy_us);
    people_enterprise(c, l->enterprise)->counts.cores_used -= l->n_cores;
    if (l->class) {
        l->class->n_leases--;
        queue_class_unref(c, l->class);
    }
    if (l->is_shown)
        mark_gone(c, l);
    map_remove(&c->leases.by_id, l->id);
    lease_free(l);
    return 0;
}

void lease_recharge(struct core *c, struct lease *l, int64_t rate, int64_t inner, int64_t policy_us)
{
    share_charge(c, l->leaf, rate - l->rate, inner - l->inner_rate, policy_us);
    l->rate = rate;
    l->inner_rate = inner;
    mark_changed(c, l);
}

static int apply_adopt(struct core *c, const struct lease_adopt *r, struct cq_err *err)
{
    struct lease *l = lease_find(c, r->lease);
    if (l == NULL || r->epoch < l->epoch)
        return cq_fail(err, CQ_E_INTERNAL, "lease %" PRIu64 " cannot be adopted", r->lease);
    l->epoch = r->epoch;
    l->incarnation = r->incarnation;
    for (size_t i = 0; i < l->n; i++) {
        job_task_move(c, l->queue[i].job, l->queue[i].task, TASK_EV_ACCEPT, NULL);
        job_mark_dirty(c, l->queue[i].job);
    }
    mark_changed(c, l);
    lease_touch(c, l);
    return 0;
}

/* ---- snapshot ---- */

enum {
    LEASE_SNAPSHOT_VERSION = 3, /* 2: no NUMA nodes; 1: nothing of what is charged */
    LEASE_QUEUE_MAX = CHECK_QUEUE_MAX,
    CORES_TEXT_MAX = 1 << 16,
    LICENCES_TEXT_MAX = 1024
};

static void put_books(const struct lease *l, struct cq_str *out)
{
    const int64_t books[] = {l->rate,          l->inner_rate,       l->opened_us,
                             l->head_since_us, (int64_t)l->booking, l->recalled_from_us};
    struct cq_str tokens CQ_CLEANUP(cq_str_fini) = {0};
    for (size_t i = 0; i < CQ_COUNT(books); i++)
        flat_put_i64(out, books[i]);
    tokens_format(&l->tokens, &tokens);
    flat_put_text(out, cq_str_text(&tokens));
    flat_put_u64(out, l->numa_mem.n);
    for (size_t i = 0; i < l->numa_mem.n; i++)
        flat_put_u64(out, l->numa_mem.mib[i]);
}

struct record *lease_snapshot(const struct lease *l)
{
    struct cq_str s = {0};
    const uint64_t head[] = {
        LEASE_SNAPSHOT_VERSION, l->worker->id, l->enterprise,  l->project, l->principal,
        l->first_epoch,         l->epoch,      l->mean_run_us, l->mem_mib};
    for (size_t i = 0; i < CQ_COUNT(head); i++)
        flat_put_u64(&s, head[i]);
    flat_put_bytes(&s, l->incarnation.bytes, sizeof l->incarnation.bytes);
    flat_put_text(&s, l->cores_text);
    put_books(l, &s);
    flat_put_u64(&s, l->n);
    for (size_t i = 0; i < l->n; i++) {
        flat_put_u64(&s, l->queue[i].job->id);
        flat_put_u64(&s, l->queue[i].task->number);
    }
    struct record *r = record_new(RECORD_LEASE_SNAPSHOT);
    r->u.lease_snapshot.lease = l->id;
    r->u.lease_snapshot.state.len = s.len;
    r->u.lease_snapshot.state.data = (uint8_t *)cq_str_take(&s);
    return r;
}

static void get_numa_mem(struct lease *l, struct flat_reader *in)
{
    size_t n = flat_get_count(in, LAYOUT_UNITS_MAX);
    l->numa_mem = (struct domain_memory){cq_calloc(n, sizeof(uint64_t)), n};
    for (size_t i = 0; i < n; i++)
        l->numa_mem.mib[i] = flat_get_u64(in);
}

/* What is charged and held. */
static bool get_books(const struct core *c, struct lease *l, struct flat_reader *in,
                      uint64_t version)
{
    int64_t *const books[] = {&l->rate, &l->inner_rate, &l->opened_us, &l->head_since_us};
    for (size_t i = 0; i < CQ_COUNT(books); i++)
        *books[i] = flat_get_i64(in);
    l->booking = (uint64_t)flat_get_i64(in);
    l->recalled_from_us = flat_get_i64(in);
    l->is_recalled = l->recalled_from_us != 0;
    char *tokens CQ_CLEANUP(cq_free_ptr) = flat_get_text(in, LICENCES_TEXT_MAX);
    if (version >= 3)
        get_numa_mem(l, in);
    return !in->failed && tokens_parse(c, l->leaf->enterprise, tokens, &l->tokens, NULL) == 0;
}

/* The attempt is of the lease's class and user. */
static bool takes(struct core *c, const struct lease *l, const struct job *job, uint64_t mem_mib)
{
    struct class *k = queue_class_ref(c, job, mem_mib);
    bool yes = k->leaf == l->leaf && (l->class == NULL || l->class == k)
               && (!k->shape->exclusive || l->worker->n_leases == 1);
    queue_class_unref(c, k);
    return yes;
}

static bool get_queue(struct core *c, struct lease *l, struct flat_reader *in)
{
    size_t n = flat_get_count(in, LEASE_QUEUE_MAX);
    for (size_t i = 0; i < n; i++) {
        struct job *job = job_find(c, flat_get_u64(in));
        uint64_t number = flat_get_u64(in);
        struct task *t = job && number <= UINT32_MAX ? job_task(job, (uint32_t)number) : NULL;
        if (job == NULL && c->config.may_lack_jobs)
            continue;
        if (t == NULL || !task_state_is_live(t->state) || t->lease || !takes(c, l, job, t->mem_mib))
            return false;
        t->lease = l;
        set_class(c, l, job, t->mem_mib);
        push(c, l, job, t, 0, 0);
    }
    return flat_at_end(in);
}

static struct lease *lease_from(const struct core *c, uint64_t id, struct flat_reader *in)
{
    uint64_t head[9];
    size_t bytes;
    for (size_t i = 0; i < CQ_COUNT(head); i++)
        head[i] = flat_get_u64(in);
    struct lease *l = CQ_NEW(struct lease);
    *l = (struct lease){.id = id,
                        .worker = worker_find(c, head[1]),
                        .enterprise = head[2],
                        .project = head[3],
                        .principal = head[4],
                        .first_epoch = head[5],
                        .epoch = head[6],
                        .mean_run_us = head[7],
                        .mem_mib = head[8],
                        .ahead_index = HEAP_NOWHERE};
    const void *inc = flat_get_bytes(in, sizeof l->incarnation.bytes, &bytes);
    if (bytes == sizeof l->incarnation.bytes)
        memcpy(l->incarnation.bytes, inc, bytes);
    l->cores_text = flat_get_text(in, CORES_TEXT_MAX);
    l->leaf = share_leaf_of(c, l->project, l->principal);
    bool ok = head[0] >= 1 && head[0] <= LEASE_SNAPSHOT_VERSION && !in->failed && l->leaf;
    ok = ok && (head[0] < 2 || get_books(c, l, in, head[0]));
    if (ok && bitset_parse(l->cores_text, &l->cores, NULL) == 0)
        return l;
    lease_free(l);
    return NULL;
}

static int apply_snapshot(struct core *c, const struct lease_snapshot *r, struct cq_err *err)
{
    struct flat_reader in = flat_reader_of(r->state.data, r->state.len);
    struct lease *l = lease_from(c, r->lease, &in);
    if (l == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "the snapshot of lease %" PRIu64 " is damaged",
                       r->lease);
    if (check_new(c, l->id, l->worker ? l->worker->id : 0, l->enterprise, err) != 0
        || check_room(l, err) != 0 || apply_check_lease(l, err) != 0) {
        lease_free(l);
        return -1;
    }
    int64_t head_since_us = l->head_since_us;
    lease_enter(c, l);
    bool ok = get_queue(c, l, &in);
    l->head_since_us = head_since_us;
    ahead_update(c, l);
    renew_end(c, l);
    if (!ok)
        return cq_fail(err, CQ_E_INTERNAL, "the queue of lease %" PRIu64 " is damaged", r->lease);
    l->is_shown = true;
    return 0;
}

int lease_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    switch ((unsigned)r->type) {
    case RECORD_LEASE_OPEN:
        return apply_open(c, &r->u.lease_open, err);
    case RECORD_ATTEMPT_ASSIGN:
        return apply_assign(c, &r->u.attempt_assign, err);
    case RECORD_ATTEMPT_START:
        return apply_start(c, &r->u.attempt_start_rec, err);
    case RECORD_ATTEMPT_END:
        return apply_end(c, r, err);
    case RECORD_LEASE_CLOSE:
        return apply_close(c, &r->u.lease_close_rec, err);
    case RECORD_LEASE_ADOPT:
        return apply_adopt(c, &r->u.lease_adopt, err);
    default:
        return apply_snapshot(c, &r->u.lease_snapshot, err);
    }
}

/* ---- records and messages ---- */

struct out *lease_out(const struct core *c, const struct worker *w, enum out_type type,
                      uint64_t lease, struct effects *out)
{
    struct out *o = effects_out(out, type);
    o->worker = worker_address(w);
    o->worker_id = (struct worker_id){w->id};
    o->epoch = c->epoch;
    o->lease = lease;
    o->heartbeat = w->heartbeat;
    return o;
}

void lease_emit_close(struct core *c, struct lease *l, const char *why, int64_t wall_us,
                      struct effects *out)
{
    if (l->worker->has_session)
        (void)lease_out(c, l->worker, OUT_LEASE_CLOSE, l->id, out);
    struct record *r = record_new(RECORD_LEASE_CLOSE);
    r->u.lease_close_rec = (struct lease_close_rec){
        .lease = l->id, .why = cq_strdup(why), .at_us = wall_us, .policy_us = c->policy_us};
    core_emit(c, out, r);
}

void lease_emit_loss(struct core *c, struct lease *l, size_t index, const char *cause,
                     int64_t wall_us, struct effects *out)
{
    const struct lease_item *it = &l->queue[index];
    struct record *r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec = (struct attempt_end_rec){.lease = l->id,
                                                    .job = it->job->id,
                                                    .task = it->task->number,
                                                    .attempt = it->attempt,
                                                    .verdict = VERDICT_LOST,
                                                    .mem_mib = l->mem_mib,
                                                    .exit_code = -1,
                                                    .start_us = it->task->start_us,
                                                    .end_us = wall_us,
                                                    .cause = cq_strdup(cause),
                                                    .at_us = wall_us,
                                                    .policy_us = c->policy_us};
    core_emit(c, out, r);
}

void lease_lose(struct core *c, struct lease *l, const char *cause, int64_t wall_us,
                struct effects *out)
{
    while (l->n > 0)
        lease_emit_loss(c, l, 0, cause, wall_us, out);
    lease_emit_close(c, l, cause, wall_us, out);
}

void lease_send_kill(struct core *c, const struct lease *l, const struct out_attempt *at,
                     const char *cause, struct effects *out)
{
    if (!l->worker->has_session)
        return; /* HELLO tells it again */
    struct out *o = lease_out(c, l->worker, OUT_ATTEMPT_KILL, l->id, out);
    o->attempts = cq_memdup(at, sizeof *at);
    o->n_attempts = 1;
    o->text = cq_strdup(cause);
}
