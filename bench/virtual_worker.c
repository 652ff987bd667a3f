/* The workers' protocol as worker/agent/ speaks it: when it says HELLO, what it does with grants
 * and how long it keeps ends. An attempt's process is a timer. */
#include "bench/virtual_worker.h"
#include "common/base/pure/mem.h"

#include <stddef.h>
#include <sys/random.h>

enum {
    HELLO_AGAIN_US = 5 * 1000 * 1000, /* as in worker/agent/session.c */
    LEASES_MAX = 4096,
    ATTEMPTS_MAX = 4096,
    MEM_MIB_A_CORE = 4096
};

/* ---- lists ---- */

static void push(struct vattempts *q, struct vattempt *t)
{
    t->next = NULL;
    if (q->first == NULL)
        q->last = &q->first;
    *q->last = t;
    q->last = &t->next;
}

static void unlink_at(struct vattempts *q, struct vattempt **at)
{
    struct vattempt *t = *at;
    *at = t->next;
    if (q->last == &t->next)
        q->last = at;
    t->next = NULL;
}

/* ---- life ---- */

static void draw(void *bytes, size_t n)
{
    if (getrandom(bytes, n, 0) != (ssize_t)n)
        abort();
}

/* Its NUMA nodes have the same number of cores, the last one what is over. */
static void describe(struct vworker *w, const struct fleet_options *o)
{
    struct cq_str text = {0};
    size_t each = o->cores / o->numa, core = 0;
    cq_str_printf(&text, "pkg0(");
    for (size_t i = 0; i < o->numa; i++) {
        size_t n = i + 1 == o->numa ? o->cores - core : each;
        cq_str_printf(&text, "%snuma%zu:%llu(", i ? " " : "", i,
                      (unsigned long long)n * MEM_MIB_A_CORE);
        for (size_t k = 0; k < n; k++)
            cq_str_printf(&text, "%s%zu", k ? " " : "", core++);
        cq_str_add_char(&text, ')');
    }
    cq_str_add_char(&text, ')');
    w->topology = cq_str_take(&text);
    (void)snprintf(w->cores, sizeof w->cores, o->cores > 1 ? "0-%zu" : "0", o->cores - 1);
    w->mem_mib = (uint64_t)o->cores * MEM_MIB_A_CORE;
}

void vworker_init(struct vworker *w, struct crew *c, const struct fleet_options *o, size_t number)
{
    *w = (struct vworker){.beat = {.kind = VTIMER_BEAT, .index = HEAP_NOWHERE},
                          .report = {.kind = VTIMER_REPORT, .index = HEAP_NOWHERE},
                          .crew = c,
                          .heartbeat_us = HELLO_AGAIN_US};
    w->report_last = &w->report_first;
    w->feature = cq_strdup(o->feature);
    (void)snprintf(w->node, sizeof w->node, "%s-%zu", o->name, number);
    draw(w->incarnation.bytes, sizeof w->incarnation.bytes);
    describe(w, o);
}

static void free_attempts(struct vworker *w, struct vattempts *q)
{
    while (q->first) {
        struct vattempt *t = q->first;
        unlink_at(q, &q->first);
        crew_set_timer(w->crew, &t->timer, INT64_MAX);
        free(t);
    }
}

static void free_lease(struct vlease *l)
{
    free_attempts(l->worker, &l->queue);
    bitset_fini(&l->cores_set);
    free(l->cores);
    free(l);
}

void vworker_fini(struct vworker *w)
{
    size_t at = 0;
    void *value;
    free_attempts(w, &w->ended);
    while (map_next(&w->leases, &at, &value))
        free_lease(value);
    map_fini(&w->leases);
    bitset_fini(&w->used);
    free(w->idle_since);
    free(w->topology);
    free(w->feature);
}

/* ---- HELLO and heartbeats ---- */

static struct held_attempt held_of(const struct vattempt *t)
{
    return (struct held_attempt){t->job, t->task, t->attempt, (uint64_t)t->state};
}

static void fill_lease(const struct vworker *w, const struct vlease *l, struct held_lease *to)
{
    struct held_attempt *held = cq_calloc(ATTEMPTS_MAX, sizeof *held);
    size_t n = 0;
    for (const struct vattempt *t = w->ended.first; t && n < ATTEMPTS_MAX; t = t->next)
        if (t->lease == l)
            held[n++] = held_of(t);
    for (const struct vattempt *t = l->queue.first; t && n < ATTEMPTS_MAX; t = t->next)
        held[n++] = held_of(t);
    *to = (struct held_lease){
        .lease = l->id, .epoch = l->epoch, .cores = l->cores, .attempts = held, .n_attempts = n};
}

static void say_hello(struct vworker *w)
{
    struct crew_state *f = crew_state(w->crew);
    struct held_lease *leases = cq_calloc(w->leases.n + 1, sizeof *leases);
    struct msg m = {.code = MSG_WORKER_HELLO, .request = 1};
    const char *features[] = {"keeper=virtual", w->feature};
    size_t n = 0, at = 0;
    void *value;
    while (n < LEASES_MAX && map_next(&w->leases, &at, &value))
        fill_lease(w, value, &leases[n++]);
    w->hello = ++w->heartbeat;
    m.u.worker_hello = (struct msg_worker_hello){
        .version_min = WIRE_VERSION_MIN,
        .version_max = WIRE_VERSION,
        .incarnation = {w->incarnation.bytes, sizeof w->incarnation.bytes},
        .boot_id = {f->boot_id.bytes, sizeof f->boot_id.bytes},
        .node = w->node,
        .heartbeat = w->hello,
        .mem_mib = w->mem_mib,
        .cores = w->cores,
        .topology = w->topology,
        .features = features,
        .n_features = CQ_COUNT(features),
        .leases = leases,
        .n_leases = n};
    w->has_said_hello = vworker_send(w, &m);
    f->counts->hellos += w->has_said_hello;
    for (size_t i = 0; i < n; i++)
        free((struct held_attempt *)leases[i].attempts);
    free(leases);
    crew_set_timer(w->crew, &w->beat, f->now_us + HELLO_AGAIN_US);
}

void vworker_bye(struct vworker *w)
{
    struct msg m = {.code = MSG_WORKER_BYE};
    if (w->is_welcome)
        (void)vworker_send(w, &m);
}

static void set_welcome(struct vworker *w, bool is_welcome)
{
    struct crew_state *f = crew_state(w->crew);
    if (w->is_welcome != is_welcome)
        f->counts->welcome += is_welcome ? 1 : UINT64_MAX;
    w->is_welcome = is_welcome;
}

void vworker_connected(struct vworker *w, bool is_connected)
{
    if (!is_connected) {
        set_welcome(w, false);
        w->has_said_hello = false;
    } else if (!w->is_welcome && !w->has_said_hello) {
        say_hello(w);
    }
}

static void beat(struct vworker *w)
{
    struct msg m = {.code = MSG_HEARTBEAT};
    if (!w->is_welcome) {
        if (w->has_said_hello)
            say_hello(w); /* the answer is late */
        return;
    }
    m.u.heartbeat.heartbeat = ++w->heartbeat;
    (void)vworker_send(w, &m);
    crew_set_timer(w->crew, &w->beat, crew_state(w->crew)->now_us + w->heartbeat_us);
}

/* ---- attempts ---- */

/* It leaves its lease's queue; `at` is where. */
static void end_attempt(struct vlease *l, struct vattempt **at, uint64_t verdict)
{
    struct vworker *w = l->worker;
    struct crew_state *f = crew_state(w->crew);
    struct vattempt *t = *at;
    bool was_running = t->state == VATTEMPT_RUNNING;
    unlink_at(&l->queue, at);
    crew_set_timer(w->crew, &t->timer, INT64_MAX);
    f->counts->running -= was_running;
    t->run_us = was_running ? f->now_us - t->started_mono_us : 0;
    t->state = VATTEMPT_ENDED;
    t->verdict = verdict;
    t->end_us = f->wall_us;
    push(&w->ended, t);
    l->n_ended++;
    if (l->queue.first == NULL) {
        cq_grow(&w->idle_since, &w->cap_idle, w->n_idle);
        w->idle_since[w->n_idle++] = f->now_us;
    }
    vworker_list(t, l->queue.first == NULL);
}

static void start_attempt(struct vattempt *t)
{
    struct vworker *w = t->lease->worker;
    struct crew_state *f = crew_state(w->crew);
    t->state = VATTEMPT_RUNNING;
    t->start_us = f->wall_us;
    t->started_mono_us = f->now_us;
    f->counts->running++;
    if (f->is_held || f->run_us > 0)
        vworker_list(t, false);
    if (!f->is_held)
        crew_set_timer(w->crew, &t->timer, f->now_us + f->run_us);
}

/* Those that take no time end in this same turn. */
static void run_next(struct vlease *l)
{
    const struct crew_state *f = crew_state(l->worker->crew);
    while (l->queue.first && l->queue.first->state == VATTEMPT_QUEUED) {
        start_attempt(l->queue.first);
        if (!f->is_held && f->run_us == 0)
            end_attempt(l, &l->queue.first, VERDICT_OF_PASS);
    }
}

static void free_lease_if_over(struct vlease *l)
{
    struct vworker *w = l->worker;
    if (!l->is_closed || l->queue.first || l->n_ended > 0)
        return;
    (void)map_remove(&w->leases, l->id);
    free_lease(l);
}

/* ---- grants ---- */

static bool is_new(struct vworker *w, const struct attempt_ref *r)
{
    struct crew_state *f = crew_state(w->crew);
    uint64_t h = r->job * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 29) ^ r->task) * UINT64_C(0xbf58476d1ce4e5b9);
    h = ((h ^ (h >> 32) ^ r->attempt) * UINT64_C(0x94d049bb133111eb)) | 1;
    f->counts->granted++;
    if (map_find(&f->seen, h) == NULL) {
        map_put(&f->seen, h, f);
        return true;
    }
    f->counts->twice++;
    return false;
}

static void note_gap(struct vworker *w)
{
    if (w->n_idle == 0)
        return;
    crew_note_gap(w->crew, crew_state(w->crew)->now_us - w->idle_since[0]);
    w->n_idle--;
    memmove(w->idle_since, w->idle_since + 1, w->n_idle * sizeof *w->idle_since);
}

static void take_attempts(struct vlease *l, const struct attempt_ref *refs, size_t n)
{
    struct crew_state *f = crew_state(l->worker->crew);
    if (l->queue.first == NULL && n > 0)
        note_gap(l->worker);
    for (size_t i = 0; i < n; i++) {
        if (!is_new(l->worker, &refs[i]))
            continue;
        struct vattempt *t = CQ_NEW(struct vattempt);
        *t = (struct vattempt){.timer = {.kind = VTIMER_ATTEMPT, .index = HEAP_NOWHERE},
                               .lease = l,
                               .job = refs[i].job,
                               .task = refs[i].task,
                               .attempt = refs[i].attempt};
        push(&l->queue, t);
    }
    f->counts->granted_us = f->now_us;
    run_next(l);
}

static void refuse(struct vworker *w, uint64_t epoch, uint64_t lease, const char *text)
{
    struct msg m = {.code = MSG_LEASE_REFUSE};
    m.u.lease_refuse = (struct msg_lease_refuse){.epoch = epoch, .lease = lease, .text = text};
    (void)vworker_send(w, &m);
}

/* Of leases that may still run something. */
static void count_used(struct vworker *w)
{
    size_t at = 0;
    void *value;
    bitset_fini(&w->used);
    w->used = (struct bitset){0};
    while (map_next(&w->leases, &at, &value)) {
        const struct vlease *l = value;
        if (!l->is_closed || l->queue.first)
            bitset_or(&w->used, &l->cores_set);
    }
}

static void on_grant(struct vworker *w, const struct msg_lease_grant *m)
{
    struct vlease *l = map_find(&w->leases, m->lease);
    struct bitset cores = {0};
    if (m->heartbeat < w->hello)
        return; /* from before the HELLO, which has settled it */
    if (l) {
        take_attempts(l, m->attempts, m->n_attempts);
        return;
    }
    count_used(w);
    if (bitset_parse(m->cores, &cores, NULL) != 0 || bitset_intersects(&cores, &w->used)) {
        crew_state(w->crew)->counts->overlaps++;
        bitset_fini(&cores);
        refuse(w, m->epoch, m->lease, "its cores are in use");
        return;
    }
    l = CQ_NEW(struct vlease);
    *l = (struct vlease){.worker = w,
                         .id = m->lease,
                         .epoch = m->epoch,
                         .cores = cq_strdup(m->cores),
                         .cores_set = cores};
    map_put(&w->leases, l->id, l);
    take_attempts(l, m->attempts, m->n_attempts);
}

static void on_extend(struct vworker *w, const struct msg_lease_extend *m)
{
    struct vlease *l = map_find(&w->leases, m->lease);
    if (l)
        take_attempts(l, m->attempts, m->n_attempts);
    else
        refuse(w, m->epoch, m->lease, "this worker does not hold that lease any more");
}

static void on_close(struct vworker *w, const struct msg_lease_close *m)
{
    struct vlease *l = map_find(&w->leases, m->lease);
    if (l == NULL)
        return;
    l->is_closed = true;
    free_lease_if_over(l);
}

static void on_kill(struct vworker *w, const struct msg_attempt_kill *m)
{
    struct vlease *l = map_find(&w->leases, m->lease);
    if (l == NULL)
        return;
    for (struct vattempt **at = &l->queue.first; *at; at = &(*at)->next) {
        const struct vattempt *t = *at;
        if (t->job != m->job || t->task != m->task || t->attempt != m->attempt)
            continue;
        end_attempt(l, at, VERDICT_OF_KILLED);
        run_next(l);
        return;
    }
}

/* ---- acknowledgements ---- */

static void acknowledge(struct vworker *w, const struct attempt_ref *r, bool is_accepted)
{
    struct crew_state *f = crew_state(w->crew);
    for (struct vattempt **at = &w->ended.first; *at; at = &(*at)->next) {
        struct vattempt *t = *at;
        if (t->is_listed || t->job != r->job || t->task != r->task || t->attempt != r->attempt)
            continue;
        f->counts->accepted += is_accepted;
        f->counts->stale += !is_accepted;
        f->counts->passed += is_accepted && t->verdict == VERDICT_OF_PASS;
        unlink_at(&w->ended, at);
        t->lease->n_ended--;
        free_lease_if_over(t->lease);
        free(t);
        return;
    }
}

static void on_ack(struct vworker *w, const struct msg_attempt_ack *m)
{
    for (size_t i = 0; i < m->n_accepted; i++)
        acknowledge(w, &m->accepted[i], true);
    for (size_t i = 0; i < m->n_stale; i++)
        acknowledge(w, &m->stale[i], false);
}

static void tell_again(struct vworker *w)
{
    size_t at = 0;
    void *value;
    for (struct vattempt *t = w->ended.first; t; t = t->next)
        vworker_list(t, true);
    while (map_next(&w->leases, &at, &value)) {
        const struct vlease *l = value;
        if (l->queue.first && l->queue.first->state == VATTEMPT_RUNNING)
            vworker_list(l->queue.first, true);
    }
}

/* What chipqd wants forgotten: killed, and only ends are told. */
static void drop(struct vworker *w, uint64_t lease)
{
    struct vlease *l = map_find(&w->leases, lease);
    if (l == NULL)
        return;
    while (l->queue.first)
        end_attempt(l, &l->queue.first, VERDICT_OF_KILLED);
    l->is_closed = true;
    free_lease_if_over(l);
}

static void on_welcome(struct vworker *w, const struct msg_worker_welcome *m)
{
    if (m->heartbeat != w->hello)
        return; /* of a HELLO that a newer one has replaced */
    w->epoch = m->epoch;
    w->heartbeat_us = m->heartbeat_us ? (int64_t)m->heartbeat_us : HELLO_AGAIN_US;
    set_welcome(w, true);
    for (size_t i = 0; i < m->n_drop; i++)
        drop(w, m->drop[i]);
    tell_again(w);
    vworker_touch(w);
    crew_set_timer(w->crew, &w->beat, crew_state(w->crew)->now_us + w->heartbeat_us);
}

static void on_error(struct vworker *w, const struct msg_error *m)
{
    if (m->code != CQ_E_STALE) {
        crew_state(w->crew)->counts->errors++;
        crew_note_error(w->crew, m->text);
        return;
    }
    if (!w->is_welcome)
        return; /* its HELLO is on the way */
    set_welcome(w, false);
    say_hello(w);
}

void vworker_take(struct vworker *w, const struct msg *m)
{
    if (m->code == MSG_WORKER_WELCOME)
        on_welcome(w, &m->u.worker_welcome);
    else if (m->code == MSG_ERROR)
        on_error(w, &m->u.error);
    else if (!w->is_welcome)
        return;
    else if (m->code == MSG_LEASE_GRANT)
        on_grant(w, &m->u.lease_grant);
    else if (m->code == MSG_LEASE_EXTEND)
        on_extend(w, &m->u.lease_extend);
    else if (m->code == MSG_LEASE_CLOSE)
        on_close(w, &m->u.lease_close);
    else if (m->code == MSG_ATTEMPT_KILL)
        on_kill(w, &m->u.attempt_kill);
    else if (m->code == MSG_ATTEMPT_ACK)
        on_ack(w, &m->u.attempt_ack);
    else if (m->code == MSG_HEARTBEAT_ACK)
        crew_state(w->crew)->counts->heartbeats++;
}

/* ---- time ---- */

void vworker_due(struct vtimer *timer)
{
    if (timer->kind == VTIMER_BEAT) {
        beat((struct vworker *)(void *)timer);
        return;
    }
    if (timer->kind == VTIMER_REPORT) {
        vworker_flush((struct vworker *)(void *)((char *)timer - offsetof(struct vworker, report)));
        return;
    }
    struct vlease *l = ((struct vattempt *)(void *)timer)->lease;
    end_attempt(l, &l->queue.first, VERDICT_OF_PASS);
    run_next(l);
}

void vworker_release(struct vworker *w)
{
    const struct crew_state *f = crew_state(w->crew);
    size_t at = 0;
    void *value;
    while (map_next(&w->leases, &at, &value)) {
        const struct vlease *l = value;
        struct vattempt *t = l->queue.first;
        if (t && t->state == VATTEMPT_RUNNING && t->timer.index == HEAP_NOWHERE)
            crew_set_timer(w->crew, &t->timer, f->now_us + f->run_us);
    }
}
