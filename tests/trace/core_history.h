/* One history of a small pool whose workers answer late, twice or never: the model of the workers,
 * what may happen, and what must hold after each step. */
#ifndef CHIPQ_TEST_CORE_HISTORY_H
#define CHIPQ_TEST_CORE_HISTORY_H

#include "scheduler/core/core_state.h"
#include "scheduler/core/oracle.h"
#include "tests/trace/core_print.h"
#include "tests/trace/dice.h"

enum { WORKERS = 3, HELD_MAX = 4096 };

/* ---- the model of a worker ---- */

enum { QUEUED, STARTING, RUNNING, ENDED };

struct run { /* one attempt that a worker holds */
    uint64_t lease, epoch, job, task, attempt, state;
    bool kill;
    enum verdict verdict;
};

struct machine {
    char name[8];
    struct run *runs;
    size_t n, cap;
    uint8_t incarnation, boot;
    uint64_t heartbeat;
    bool is_gone; /* no session */
};

struct started { /* every start that truly happened */
    uint64_t job, task, attempt;
    bool is_never;
};

struct history {
    struct world w;
    struct dice dice;
    struct machine machines[WORKERS];
    struct started *started;
    size_t n_started, cap_started;
    uint64_t never_jobs[4096]; /* ids of restart=never jobs */
    size_t n_never;
    uint64_t n_submits, n_jobs;
    uint64_t seed;
};

static struct machine *machine_of(struct history *h, struct principal_id id)
{
    for (size_t i = 0; i < WORKERS; i++)
        if (world_principal(&h->w, h->machines[i].name).v == id.v)
            return &h->machines[i];
    return NULL;
}

static void drop_runs(struct machine *m, uint64_t lease, bool keep_ended)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->runs[i].lease != lease || (keep_ended && m->runs[i].state == ENDED))
            m->runs[n++] = m->runs[i];
    m->n = n;
}

static void forget_run(struct machine *m, const struct out_attempt *at)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct run *r = &m->runs[i];
        if (r->job == at->job.v && r->task == at->task && r->attempt == at->attempt
            && r->state == ENDED) {
            memmove(m->runs + i, m->runs + i + 1, (m->n - i - 1) * sizeof *m->runs);
            m->n--;
            return;
        }
    }
}

static void fail_seed(const struct history *h, const char *what)
{
    (void)fprintf(stderr, "seed %" PRIu64 ": %s; replay: CHIPQ_SEED=%" PRIu64 " CHIPQ_ROUNDS=1\n",
                  h->seed, what, h->seed);
    abort();
}

struct current {
    uint64_t task, attempt;
    bool found;
};

static void find_current(void *arg, const struct task_view *t)
{
    struct current *want = arg;
    bool is_live = strcmp(t->state, "pending") != 0;
    want->found = want->found || (is_live && t->task == want->task && t->attempt == want->attempt);
}

/* An end that once counted is never called stale: its outputs would be thrown away. */
static void check_stale(const struct history *h, const struct out_attempt *at)
{
    for (size_t i = 0; i < h->w.n_journal; i++) {
        const struct attempt_end_rec *r = &h->w.journal[i]->u.attempt_end_rec;
        if (h->w.journal[i]->type == RECORD_ATTEMPT_END && r->worker != 0 && r->job == at->job.v
            && r->task == at->task && r->attempt == at->attempt)
            fail_seed(h, "an accepted end was called stale later");
    }
    struct current want = {at->task, at->attempt, false};
    core_each_task(h->w.core, at->job, find_current, &want);
    if (want.found)
        fail_seed(h, "the end of a task's current attempt was called stale");
}

static void take_message(struct history *h, const struct out *o)
{
    struct machine *m = o->worker.v ? machine_of(h, o->worker) : NULL;
    if (m == NULL || m->is_gone)
        return; /* the message is lost */
    if (o->type == OUT_LEASE_GRANT || o->type == OUT_LEASE_EXTEND) {
        for (size_t i = 0; i < o->n_attempts; i++) {
            cq_grow(&m->runs, &m->cap, m->n);
            m->runs[m->n++] = (struct run){.lease = o->lease,
                                           .epoch = o->epoch,
                                           .job = o->attempts[i].job.v,
                                           .task = o->attempts[i].task,
                                           .attempt = o->attempts[i].attempt};
        }
    } else if (o->type == OUT_ATTEMPT_KILL) {
        for (size_t i = 0; i < m->n; i++)
            if (m->runs[i].job == o->attempts[0].job.v && m->runs[i].task == o->attempts[0].task
                && m->runs[i].attempt == o->attempts[0].attempt)
                m->runs[i].kill = true;
    } else if (o->type == OUT_ATTEMPT_ACK) {
        for (size_t i = o->n_accepted; i < o->n_attempts; i++)
            check_stale(h, &o->attempts[i]);
        for (size_t i = 0; i < o->n_attempts; i++)
            forget_run(m, &o->attempts[i]);
    } else if (o->type == OUT_WORKER_WELCOME) {
        for (size_t i = 0; i < o->n_numbers; i++)
            drop_runs(m, o->numbers[i], true);
    }
}

/* ---- invariants ---- */

static void check_worker(void *arg, const struct worker_view *v)
{
    struct history *h = arg;
    if (v->cores_used > v->cores || v->mem_used_mib > v->mem_mib)
        fail_seed(h, "a worker's books exceed what it has");
}

static void check_books(struct history *h)
{
    struct counts all;
    core_each_worker(h->w.core, h->w.now, check_worker, h);
    core_counts(h->w.core, (struct enterprise_id){0}, &all);
    if (all.cores_used > 64 || all.tasks_running > 1 << 20 || all.jobs_waiting > 1 << 20)
        fail_seed(h, "counts ran below zero");
}

static bool is_never(const struct history *h, uint64_t job)
{
    for (size_t i = 0; i < h->n_never; i++)
        if (h->never_jobs[i] == job)
            return true;
    return false;
}

/* A start in the real world: never twice of one attempt; restart=never once in all. */
static void note_start(struct history *h, const struct run *r)
{
    bool never = is_never(h, r->job);
    for (size_t i = 0; i < h->n_started; i++) {
        const struct started *s = &h->started[i];
        if (s->job != r->job || s->task != r->task)
            continue;
        if (s->attempt == r->attempt)
            fail_seed(h, "an attempt started twice");
        if (never)
            fail_seed(h, "a restart=never task started twice");
    }
    cq_grow(&h->started, &h->cap_started, h->n_started);
    h->started[h->n_started++] =
        (struct started){.job = r->job, .task = r->task, .attempt = r->attempt};
}

/* ---- the same state by other ways ---- */

static void print_effects(const struct effects *fx, struct cq_str *out)
{
    for (size_t i = 0; i < fx->n_records; i++) {
        record_format_json(fx->records[i], out);
        cq_str_add_char(out, '\n');
    }
    cq_str_printf(out, "%zu messages\n", fx->n_outs);
}

/* Lets a rebuilt core decide: load, HELLO of all workers with nothing held, plan. */
static char *next_decisions(const struct history *h, struct core *c)
{
    struct effects fx = {0};
    struct cq_str out = {0};
    core_load_done(c, h->w.now, &fx);
    core_plan(c, h->w.now, &fx);
    for (size_t i = 0; i < WORKERS; i++) {
        struct input in = {.type = INPUT_WORKER_HELLO,
                           .principal = world_principal(&h->w, h->machines[i].name)};
        in.u.worker_hello = (struct in_worker_hello){.node = h->machines[i].name,
                                                     .cores = "0-3",
                                                     .topology = "",
                                                     .features = "",
                                                     .mem_mib = 2000,
                                                     .heartbeat = 1};
        in.u.worker_hello.incarnation.bytes[0] = 99;
        in.u.worker_hello.boot_id.bytes[0] = 99;
        int bad = core_step(c, &in, h->w.now, &fx, NULL);
        if (bad != 0)
            fail_seed(h, "a rebuilt core takes no HELLO");
        core_plan(c, h->w.now, &fx);
    }
    print_effects(&fx, &out);
    effects_fini(&fx);
    return cq_str_take(&out);
}

static void must_equal(const struct history *h, char *a, char *b, const char *what)
{
    if (strcmp(a, b) != 0) {
        size_t i = 0;
        while (a[i] && a[i] == b[i])
            i++;
        while (i > 0 && a[i - 1] != '\n')
            i--;
        (void)fprintf(stderr, "%s\n--- %.400s\n--- %.400s\n", what, a + i, b + i);
        fail_seed(h, what);
    }
    free(a);
    free(b);
}

/* A second core built the same way gives its entities once more: all changed since it was made. */
static void check_rebuilds(struct history *h)
{
    struct core *a = replayed(&h->w), *b = core_from_rows(&h->w), *b2 = core_from_rows(&h->w);
    struct core *a2 = replayed(&h->w);
    drain_entities(a);
    drain_entities(b);
    must_equal(h, print_core(a, &h->w), print_core(h->w.core, &h->w), "replay differs from live");
    must_equal(h, print_core(b, &h->w), print_core(h->w.core, &h->w), "views differ from live");
    must_equal(h, next_decisions(h, a2), next_decisions(h, b2), "rebuilt cores decide differently");
    core_free(a);
    core_free(b);
    core_free(a2);
    core_free(b2);
}

/* ---- moves ---- */

static void step(struct history *h, struct input *in)
{
    struct world *w = &h->w;
    in->request = ++w->request;
    struct cq_err err;
    if (core_step(w->core, in, w->now, &w->fx, &err) != 0)
        fail_seed(h, err.text);
    core_plan(w->core, w->now, &w->fx);
    for (size_t i = 0; i < w->fx.n_records; i++)
        if (w->fx.records[i]->type == RECORD_JOB_SUBMIT
            && w->fx.records[i]->u.job_submit.restart == 1)
            h->never_jobs[h->n_never++] = w->fx.records[i]->u.job_submit.id;
    for (size_t i = 0; i < w->fx.n_outs; i++)
        take_message(h, &w->fx.outs[i]);
    seal(w);
    check_books(h);
}

static const char *random_user(struct history *h)
{
    static const char *const users[] = {"ann", "bob", "eve"};
    return users[roll(&h->dice, 3)];
}

static void add_deps(struct history *h, struct in_job *job, struct in_dep *deps, size_t place,
                     struct enterprise_id e)
{
    for (size_t i = 0; i < 2 && roll(&h->dice, 3) == 0; i++) {
        struct in_dep *d = &deps[job->n_deps];
        *d = (struct in_dep){.when = (enum dep_when)roll(&h->dice, 3), .name = "x"};
        uint64_t number = 1 + roll(&h->dice, 30);
        if (place > 0 && roll(&h->dice, 2))
            d->index = 1 + roll(&h->dice, place);
        else if (core_find_job(h->w.core, e, number).v) {
            d->number = number;
            d->outcome = OUTCOME_LIVE;
        } else {
            d->number = number;
            d->outcome = roll(&h->dice, 2) ? OUTCOME_OK : OUTCOME_NOTOK;
        }
        job->n_deps++;
    }
    uint64_t other = 1 + roll(&h->dice, 30);
    struct job_id live = core_find_job(h->w.core, e, other);
    if (*job->array && live.v && roll(&h->dice, 2) == 0) {
        deps[job->n_deps] =
            (struct in_dep){.when = DEP_AFTERCORR, .number = other, .outcome = OUTCOME_LIVE};
        job->n_deps++;
    }
    if (place > 0 && *job->array && roll(&h->dice, 2) == 0) {
        deps[job->n_deps] = (struct in_dep){.when = DEP_AFTERCORR, .index = place};
        job->n_deps++;
    }
}

static void move_submit(struct history *h)
{
    struct in_dep deps[4][8];
    struct in_job jobs[4];
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&h->w, random_user(h))};
    struct principal_view who;
    if (!core_view_principal(h->w.core, in.principal, &who))
        fail_seed(h, "a user is not there");
    bool arrays = roll(&h->dice, 3) == 0;
    size_t n = 1 + roll(&h->dice, 4);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct in_job)IN_JOB_PLAIN;
        jobs[i].name = "j";
        jobs[i].cores = 1 + roll(&h->dice, 8) / 6 * roll(&h->dice, 4);
        jobs[i].mem_mib = 100 * (1 + roll(&h->dice, 6));
        jobs[i].mem_mib = jobs[i].mem_mib % 400 ? jobs[i].mem_mib : 0; /* left to chipq */
        jobs[i].priority = (int64_t)roll(&h->dice, 3) - 1;
        jobs[i].array = arrays ? "1-9" : "";
        jobs[i].array_max_running = roll(&h->dice, 4) == 0 ? 2 : 0;
        jobs[i].hold = roll(&h->dice, 10) == 0;
        jobs[i].exclusive = roll(&h->dice, 12) == 0;
        jobs[i].restart = roll(&h->dice, 5) == 0;
        jobs[i].on_lost = roll(&h->dice, 6) == 0 ? roll(&h->dice, 3) : 0;
        jobs[i].max_own_failures = roll(&h->dice, 3);
        jobs[i].deps = deps[i];
        add_deps(h, &jobs[i], deps[i], i, who.enterprise);
    }
    in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = jobs, .n_jobs = n};
    h->n_submits++;
    memcpy(in.u.submit.key.bytes, &h->n_submits, sizeof h->n_submits);
    step(h, &in);
}

static void move_action(struct history *h)
{
    struct principal_view who;
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(&h->w, random_user(h))};
    if (!core_view_principal(h->w.core, in.principal, &who))
        fail_seed(h, "a user is not there");
    in.u.action.action = (enum job_action)roll(&h->dice, 4);
    in.u.action.enterprise = who.enterprise;
    in.u.action.number = 1 + roll(&h->dice, 40);
    in.u.action.tasks = "";
    if (in.u.action.action == ACTION_HOLD && roll(&h->dice, 2))
        in.u.action.action = ACTION_RELEASE;
    step(h, &in);
}

static void send_hello(struct history *h, struct machine *m)
{
    static struct in_held_lease leases[HELD_MAX];
    static struct in_held_attempt attempts[HELD_MAX];
    size_t n_leases = 0;
    for (size_t i = 0; i < m->n && i < HELD_MAX; i++)
        attempts[i] = (struct in_held_attempt){0};
    size_t at = 0;
    for (size_t i = 0; i < m->n; i++) {
        bool seen = false;
        for (size_t k = 0; k < n_leases; k++)
            seen = seen || leases[k].lease == m->runs[i].lease;
        if (seen)
            continue;
        leases[n_leases] = (struct in_held_lease){
            .lease = m->runs[i].lease, .epoch = m->runs[i].epoch, .attempts = attempts + at};
        for (size_t k = i; k < m->n; k++)
            if (m->runs[k].lease == m->runs[i].lease) {
                attempts[at++] = (struct in_held_attempt){.job = m->runs[k].job,
                                                          .task = m->runs[k].task,
                                                          .attempt = m->runs[k].attempt,
                                                          .state = m->runs[k].state};
                leases[n_leases].n_attempts++;
            }
        n_leases++;
    }
    m->is_gone = false;
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&h->w, m->name)};
    in.u.worker_hello = (struct in_worker_hello){.node = m->name,
                                                 .cores = "0-3",
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = 2000,
                                                 .heartbeat = ++m->heartbeat,
                                                 .leases = leases,
                                                 .n_leases = n_leases};
    in.u.worker_hello.incarnation.bytes[0] = m->incarnation;
    in.u.worker_hello.boot_id.bytes[0] = m->boot;
    step(h, &in);
}

/* Starts what is first in its lease; ends what runs. */
static void work(struct history *h, struct machine *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct run *r = &m->runs[i];
        bool is_first = true;
        for (size_t k = 0; k < i; k++)
            is_first = is_first && (m->runs[k].lease != r->lease || m->runs[k].state == ENDED);
        if (r->state == ENDED || !is_first || roll(&h->dice, 3) == 0)
            continue;
        if (r->state != RUNNING && r->kill) {
            r->state = ENDED;
            r->verdict = VERDICT_KILLED;
        } else if (r->state != RUNNING) {
            r->state = RUNNING;
            note_start(h, r);
        } else {
            static const enum verdict often[] = {VERDICT_PASS, VERDICT_PASS,    VERDICT_PASS,
                                                 VERDICT_FAIL, VERDICT_TIMEOUT, VERDICT_OOM};
            r->state = ENDED;
            r->verdict = r->kill ? VERDICT_KILLED : often[roll(&h->dice, 6)];
        }
    }
}

static void move_events(struct history *h, struct machine *m)
{
    static struct in_attempt_start starts[HELD_MAX];
    static struct in_attempt_end ends[HELD_MAX];
    size_t n_starts = 0, n_ends = 0;
    work(h, m);
    if (m->is_gone || roll(&h->dice, 5) == 0)
        return;
    for (size_t i = 0; i < m->n; i++) {
        const struct run *r = &m->runs[i];
        const struct in_attempt at = {r->lease, r->epoch, r->job, r->task, r->attempt};
        if (r->state == RUNNING)
            starts[n_starts++] = (struct in_attempt_start){.at = at, .start_us = h->w.now.wall_us};
        if (r->state == ENDED)
            ends[n_ends++] = (struct in_attempt_end){.at = at,
                                                     .verdict = r->verdict,
                                                     .run_us = 1 + roll(&h->dice, 100000),
                                                     .peak_mem_kib = 1024 + r->job * 97,
                                                     .limit = "",
                                                     .summary = roll(&h->dice, 4) ? "" : "s",
                                                     .signature = "",
                                                     .result = "",
                                                     .cause = ""};
    }
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&h->w, m->name)};
    in.u.events.starts = starts;
    in.u.events.n_starts = n_starts;
    in.u.events.ends = ends;
    in.u.events.n_ends = n_ends;
    bool loses_answer = roll(&h->dice, 8) == 0;
    m->is_gone = loses_answer;
    step(h, &in);
    if (loses_answer)
        send_hello(h, m);
}

static void move_heartbeat(struct history *h, struct machine *m)
{
    if (m->is_gone)
        return;
    struct input in = {.type = INPUT_WORKER_HEARTBEAT,
                       .principal = world_principal(&h->w, m->name)};
    in.u.heartbeat.heartbeat = ++m->heartbeat;
    step(h, &in);
}

static void move_drain(struct history *h, struct machine *m)
{
    struct input in = {.type = INPUT_NODE_DRAIN};
    in.u.node_drain.name = m->name;
    in.u.node_drain.drain = roll(&h->dice, 3) == 0;
    step(h, &in);
}

static void move_bye(struct history *h, struct machine *m)
{
    if (m->is_gone)
        return;
    struct input in = {.type = INPUT_WORKER_BYE, .principal = world_principal(&h->w, m->name)};
    step(h, &in);
    m->is_gone = true;
}

/* Refuses a lease of which nothing was started; or sends a refusal that makes no sense. */
static void move_refuse(struct history *h, struct machine *m)
{
    if (m->n == 0 || m->is_gone)
        return;
    uint64_t lease = m->runs[roll(&h->dice, m->n)].lease;
    bool started = false;
    for (size_t i = 0; i < m->n; i++)
        started = started || (m->runs[i].lease == lease && m->runs[i].state != QUEUED);
    struct input in = {.type = INPUT_LEASE_REFUSE, .principal = world_principal(&h->w, m->name)};
    in.u.refuse.lease = lease;
    in.u.refuse.epoch = core_epoch(h->w.core) - roll(&h->dice, 2);
    in.u.refuse.text = "no";
    bool counts = !started && in.u.refuse.epoch == core_epoch(h->w.core);
    if (started && roll(&h->dice, 2))
        return;
    if (counts)
        drop_runs(m, lease, false);
    else if (started)
        in.u.refuse.epoch = 0;
    step(h, &in);
    if (!counts && !started)
        send_hello(h, m);
}

static void serve_timers(struct history *h, int64_t to)
{
    int64_t wake;
    while ((wake = core_wake_at_us(h->w.core)) <= to) {
        if (wake > h->w.now.mono_us)
            h->w.now = (struct now){wake, h->w.now.wall_us + wake - h->w.now.mono_us};
        struct input in = {.type = INPUT_TIMER};
        step(h, &in);
    }
    h->w.now = (struct now){to, h->w.now.wall_us + to - h->w.now.mono_us};
}

/* A worker that is silent for so long has killed all it had when its leases ran out. */
static void move_silence(struct history *h, struct machine *m)
{
    m->is_gone = true;
    for (size_t i = 0; i < WORKERS; i++)
        if (&h->machines[i] != m)
            move_heartbeat(h, &h->machines[i]);
    serve_timers(h, h->w.now.mono_us + 40 * US_PER_S);
    for (size_t i = 0; i < WORKERS; i++)
        if (&h->machines[i] != m)
            move_heartbeat(h, &h->machines[i]);
    m->n = 0;
    serve_timers(h, h->w.now.mono_us + 40 * US_PER_S);
}

static void move_restart(struct history *h)
{
    for (size_t i = 0; i < WORKERS; i++)
        h->machines[i].is_gone = true;
    struct core *next = core_from_rows(&h->w);
    core_free(h->w.core);
    h->w.core = next;
    core_load_done(next, h->w.now, &h->w.fx);
    core_plan(next, h->w.now, &h->w.fx);
    seal(&h->w);
    check_books(h);
}

static void move_machine(struct history *h, struct machine *m)
{
    switch (roll(&h->dice, 8)) {
    case 0: /* the agent restarts; its shepherds go on */
        m->incarnation++;
        send_hello(h, m);
        return;
    case 1: /* the machine restarts */
        m->incarnation++;
        m->boot++;
        m->n = 0;
        send_hello(h, m);
        return;
    case 2:
        if (roll(&h->dice, 3) == 0)
            move_silence(h, m);
        return;
    case 3: /* the agent lost one lease */
        if (m->n > 0)
            drop_runs(m, m->runs[0].lease, false);
        send_hello(h, m);
        return;
    default:
        if (m->is_gone)
            send_hello(h, m);
        else
            move_heartbeat(h, m);
    }
}

/* Submits over it are refused; what was sent before counts from then on only. */
static void move_rate(struct history *h)
{
    char rate[16];
    (void)snprintf(rate, sizeof rate, "%" PRIu64, roll(&h->dice, 60));
    const struct in_config_row row = {CONFIG_SET, "enterprise", "acme", "max-submit-rate",
                                      roll(&h->dice, 2) ? rate : ""};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){&row, 1, false};
    step(h, &in);
}

static void move(struct history *h)
{
    struct machine *m = &h->machines[roll(&h->dice, WORKERS)];
    uint64_t kind = roll(&h->dice, 100);
    serve_timers(h, h->w.now.mono_us + (int64_t)roll(&h->dice, 100000));
    if (kind < 15)
        move_submit(h);
    else if (kind < 22)
        move_action(h);
    else if (kind < 75)
        move_events(h, m);
    else if (kind < 78)
        move_drain(h, m);
    else if (kind < 80)
        move_bye(h, m);
    else if (kind < 83)
        move_refuse(h, m);
    else if (kind < 96)
        move_machine(h, m);
    else if (kind < 97)
        move_rate(h);
    else
        move_restart(h);
}

static bool is_pass(const struct record *r)
{
    return r->type == RECORD_ATTEMPT_END && r->u.attempt_end_rec.verdict == VERDICT_PASS;
}

/* No task passes twice, and nothing of it is granted after it passed. */
static void check_passes(const struct history *h)
{
    for (size_t i = 0; i < h->w.n_journal; i++) {
        const struct record *r = h->w.journal[i];
        const struct attempt_end_rec *e = &r->u.attempt_end_rec;
        for (size_t k = i + 1; is_pass(r) && k < h->w.n_journal; k++) {
            const struct record *later = h->w.journal[k];
            if (is_pass(later) && later->u.attempt_end_rec.job == e->job
                && later->u.attempt_end_rec.task == e->task)
                fail_seed(h, "a task passed twice");
            if (later->type == RECORD_ATTEMPT_ASSIGN && later->u.attempt_assign.job == e->job
                && later->u.attempt_assign.task == e->task)
                fail_seed(h, "a task was granted after it had passed");
        }
    }
}

/* Everything heals: all waiting work is let go and must end; then the books are empty. */
static void settle_all(struct history *h)
{
    for (size_t i = 0; i < WORKERS; i++) {
        struct input in = {.type = INPUT_NODE_DRAIN};
        in.u.node_drain.name = h->machines[i].name;
        step(h, &in);
    }
    for (size_t round = 0; round < 4000; round++) {
        struct counts n;
        core_counts(h->w.core, (struct enterprise_id){0}, &n);
        if (n.tasks_waiting == 0 && n.tasks_running == 0)
            break;
        for (size_t i = 0; i < WORKERS; i++) {
            if (h->machines[i].is_gone)
                send_hello(h, &h->machines[i]);
            move_events(h, &h->machines[i]);
            move_heartbeat(h, &h->machines[i]);
        }
        struct input in = {.type = INPUT_ACTION, .principal = world_principal(&h->w, "ann")};
        struct principal_view who;
        static const char *const users[] = {"ann", "eve"};
        (void)core_view_principal(h->w.core, world_principal(&h->w, users[round % 2]), &who);
        in.u.action.enterprise = who.enterprise;
        in.u.action.number = 1 + round / 2 % 200;
        in.u.action.action = round / 400 % 2 ? ACTION_REQUEUE : ACTION_RELEASE;
        in.u.action.tasks = "";
        if (round / 400 % 2 == 0 || round > 1200)
            step(h, &in);
        serve_timers(h, h->w.now.mono_us + 1000);
    }
    struct counts n;
    core_counts(h->w.core, (struct enterprise_id){0}, &n);
    if (n.tasks_waiting || n.tasks_running || n.cores_used || n.jobs_waiting || n.jobs_running)
        fail_seed(h, "work is left that never ends");
    for (size_t i = 0; i < h->w.n_rows; i++)
        if (h->w.rows[i].type == RECORD_JOB_SNAPSHOT || h->w.rows[i].type == RECORD_LEASE_SNAPSHOT)
            fail_seed(h, "the store keeps a job or lease that is over");
}

static void set_up(struct history *h, const struct dice *dice)
{
    *h = (struct history){.seed = dice->state, .dice = *dice};
    const struct core_config config = {.lease_us = 60 * US_PER_S, .grace_us = 5 * US_PER_S};
    world_init(&h->w, &config);
    h->w.is_quiet = true;
    world_add_enterprise(&h->w, "acme");
    world_add_enterprise(&h->w, "rival");
    world_add_user(&h->w, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&h->w, "acme", "bob", ROLE_DESIGNER);
    world_add_user(&h->w, "rival", "eve", ROLE_DESIGNER);
    for (size_t i = 0; i < WORKERS; i++) {
        (void)snprintf(h->machines[i].name, sizeof h->machines[i].name, "w%zu", i + 1);
        h->machines[i].incarnation = h->machines[i].boot = 1;
        world_add_user(&h->w, "", h->machines[i].name, ROLE_WORKER);
        send_hello(h, &h->machines[i]);
    }
}

#ifdef CHIPQ_ORACLE
static void on_fault(void *arg, const char *what)
{
    fail_seed(arg, what);
}
#endif

/* At most so many steps: dice that a fuzzer throws end it when they are over. */
static void run_history(const struct dice *dice, size_t steps)
{
    struct history *h = CQ_NEW(struct history);
#ifdef CHIPQ_ORACLE
    oracle_on_fault(on_fault, h);
#endif
    set_up(h, dice);
    bool is_fuzzed = h->dice.n_bytes > 0;
    for (size_t i = 0; i < steps && !(is_fuzzed && dice_are_over(&h->dice)); i++) {
        move(h);
        if (i % 40 == 39)
            check_rebuilds(h);
    }
    check_rebuilds(h);
    settle_all(h);
    check_passes(h);
    world_fini(&h->w);
    for (size_t i = 0; i < WORKERS; i++)
        free(h->machines[i].runs);
    free(h->started);
    free(h);
}

#endif
