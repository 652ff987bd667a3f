/* One random history: a world, its machines, and what its checks remember. */
#ifndef CHIPQ_TEST_POLICY_PLAY_H
#define CHIPQ_TEST_POLICY_PLAY_H

#include <stdio.h>

#include "tests/trace/policy_pool.h"

enum { ENTERPRISES_MAX = 6, JOBS_MAX = 4096, NODES_MAX = 64, USERS_MAX = 16, HELD_MAX = 512 };
enum { BOOKINGS_MAX = 32, FEATURES = 4, DEPS_MAX = 4 };
static const char *const feature_names[FEATURES] = {"vcs", "dc", "pt", "emu"};

struct user_note {
    char name[16];
    uint64_t projects;
};

struct node_note {
    const char *kind;
    char path[64];
};

struct promise { /* of a hold that its job has had ever since */
    uint64_t job;
    int64_t made_us, first_us, promised_us; /* policy time; the hold's first, and as it was then */
};

struct waiting { /* a node within its guarantee whose job has no room though somebody could give */
    uint64_t node;
    int64_t since_us;
};

struct booking_note { /* what was booked, and where its clock is: policy_bookings.h */
    uint64_t id, node;
    char name[16], enterprise[16];
    uint64_t cores[MACHINES_MAX], mem_mib[MACHINES_MAX], tokens[FEATURES];
    bool is_whole[MACHINES_MAX];  /* cores: those that are online */
    int64_t length_us, period_us; /* wall; period 0: once */
    bool is_flex, has_pieces;
    enum { NOTE_AHEAD, NOTE_BEGUN, NOTE_GIVEN_BACK } state; /* as RESERVATION_EDGE numbers them */
    int64_t start_us; /* wall: of the present occurrence, or the next */
    int64_t made_us;  /* policy time */
};

struct book {
    struct booking_note items[BOOKINGS_MAX];
    size_t n;
};

struct dep_note {
    size_t on; /* index in notes */
    enum dep_when when;
};

struct job_note { /* what it depends on, and how it ended: policy_deps.h */
    uint64_t number, enterprise;
    struct dep_note deps[DEPS_MAX];
    size_t n_deps;
    const char *array; /* a literal */
    bool is_over, is_ok;
    uint64_t n_tasks;
    struct ranges passed; /* when over */
};

struct play {
    uint64_t seed;
    struct dice dice;
    struct world w;
    struct pool_model pool;
    struct node_note nodes[NODES_MAX];
    size_t n_nodes;
    struct user_note users[USERS_MAX];
    size_t n_users;
    uint64_t jobs[JOBS_MAX]; /* ids */
    struct job_note notes[JOBS_MAX];
    size_t n_jobs;
    const struct in_job *asked; /* by the submit that is being played */
    struct book book;
    int64_t jumped_us; /* policy time of the last jump of the wall clock against it */
    struct promise promises[HOLDS_MAX];
    size_t n_promises;
    struct waiting waits[NODES_MAX];
    size_t n_waits;
    int64_t disturbed_us;       /* policy time of the last thing that may delay what was promised */
    uint64_t n_submits, number; /* number: of the job accepted last, 0 = refused */
    enum cq_code code;          /* of the last change of configuration */
};

static void check_step(struct play *p); /* policy_checks.h */
static void check_victims(struct play *p);
static void keep_promises(struct play *p);
static void note_job(struct play *p, const struct job_submit *r); /* policy_deps.h */
static void check_deps(struct play *p);
static void check_bookings(struct play *p); /* policy_bookings.h */
static void check_memory(struct play *p);   /* policy_memory.h */

static void play_fail(const struct play *p, const char *what)
{
    (void)fprintf(stderr,
                  "seed %" PRIu64 " at %" PRId64 " s: %s; replay: CHIPQ_SEED=%" PRIu64
                  " build/debug/tests/test_policy_random\n",
                  p->seed, p->w.now.mono_us / US_PER_S, what, p->seed);
    abort();
}

static void play_fini(struct play *p)
{
    for (size_t i = 0; i < p->pool.n; i++)
        machine_fini(&p->pool.machines[i]);
    world_fini(&p->w);
    for (size_t i = 0; i < p->n_jobs; i++)
        ranges_fini(&p->notes[i].passed);
}

static void play_disturb(struct play *p)
{
    p->disturbed_us = p->w.core->policy_us;
}

static bool is_below(const struct share_node *n, const struct share_node *above)
{
    while (n && n != above)
        n = n->parent;
    return n != NULL;
}

/* ---- steps ---- */

/* With CHIPQ_TRACE set: what each step recorded, and what is held for whom. */
static void trace(const struct play *p)
{
    struct cq_str out = {0};
    const struct core *c = p->w.core;
    for (size_t i = 0; i < p->w.fx.n_records; i++) {
        cq_str_printf(&out, "[%" PRId64 "] ", p->w.now.mono_us / US_PER_S);
        record_format_json(p->w.fx.records[i], &out);
        cq_str_add_char(&out, '\n');
    }
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *h = &c->holds.items[i];
        const struct shape *s = h->job->class->shape;
        cq_str_printf(&out,
                      "  hold for job %" PRIu64 " (%" PRIu64 " cores, %" PRIu64
                      " MiB, %s%s) on %s (%" PRIu64 " free) at %" PRId64 " (in %" PRId64
                      " us, for %" PRIu64 " s), spare %" PRId64 " cores %" PRId64 " MiB%s%s%s\n",
                      h->job->id, s->cores, s->mem_mib,
                      s->is_shut ? wait_reason_name(s->why) : "open",
                      queue_is_parked(h->job->class) ? ", parked" : "", h->worker->name,
                      h->worker->n_free, (h->at_us - c->policy_us + p->w.now.mono_us) / US_PER_S,
                      h->at_us - c->policy_us, s->time_us / (uint64_t)US_PER_S, h->spare_cores,
                      h->spare_mem_mib, h->is_draining ? " draining" : "",
                      h->is_reclaim ? " reclaim" : "", h->is_senior ? " senior" : "");
        for (size_t k = 0; h->at_us <= c->policy_us + 1 && k < h->worker->n_leases; k++) {
            const struct lease *l = h->worker->leases[k];
            cq_str_printf(&out,
                          "    lease %" PRIu64 ": %" PRIu64 " cores, ends in %" PRId64
                          " us, %zu queued%s\n",
                          l->id, l->n_cores, l->end_us - c->policy_us, l->n,
                          l->is_recalled ? ", called back" : "");
        }
    }
    (void)fputs(cq_str_text(&out), stderr);
    cq_str_fini(&out);
}

static void take_effects(struct play *p)
{
    struct effects *fx = &p->w.fx;
    for (size_t i = 0; i < fx->n_records; i++)
        if (fx->records[i]->type == RECORD_JOB_SUBMIT)
            note_job(p, &fx->records[i]->u.job_submit);
    for (size_t i = 0; i < fx->n_outs; i++) {
        const struct out *o = &fx->outs[i];
        if (o->type == OUT_ACCEPTED && o->n_numbers > 0)
            p->number = o->numbers[0];
        if (o->type == OUT_CONFIG_DONE)
            p->code = o->code;
        pool_take(&p->pool, &p->w, o);
    }
    if (p->pool.fault)
        play_fail(p, p->pool.fault);
}

static void step_once(struct play *p, struct input *in)
{
    struct world *w = &p->w;
    struct cq_err err;
    in->request = ++w->request;
    if (core_step(w->core, in, w->now, &w->fx, &err) != 0)
        play_fail(p, err.text);
    core_plan(w->core, w->now, &w->fx);
    take_effects(p);
    if (getenv("CHIPQ_TRACE"))
        trace(p);
    check_victims(p);
    keep_promises(p);
    check_bookings(p);
    check_deps(p);
    check_memory(p);
    seal(w);
    check_step(p);
}

/* Tells the starts that follow from a step, until there are none. */
static void tell_starts(struct play *p)
{
    static struct in_attempt_start starts[HELD_MAX];
    for (size_t i = 0; i < p->pool.n; i++) {
        struct machine *m = &p->pool.machines[i];
        struct input in = {.type = INPUT_WORKER_EVENTS,
                           .principal = world_principal(&p->w, m->name)};
        in.u.events.starts = starts;
        in.u.events.n_starts = machine_begin(m, p->w.now, starts);
        if (in.u.events.n_starts > 0)
            step_once(p, &in);
    }
}

static void play_step(struct play *p, struct input *in)
{
    step_once(p, in);
    tell_starts(p);
}

static void play_hello(struct play *p, struct machine *m)
{
    static struct in_held_lease leases[HELD_MAX];
    static struct in_held_attempt attempts[HELD_MAX];
    struct input in = machine_hello(m, &p->w, leases, attempts);
    m->is_gone = false;
    play_step(p, &in);
}

static void tell_ends(struct play *p, struct machine *m)
{
    static struct in_attempt_end ends[HELD_MAX];
    if (machine_next_end_us(m) > p->w.now.mono_us)
        return;
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&p->w, m->name)};
    in.u.events.ends = ends;
    in.u.events.n_ends = machine_end(m, p->w.now, ends);
    play_step(p, &in);
}

/* Time goes on; what is due on the way happens. */
static void play_advance(struct play *p, int64_t to_us)
{
    for (;;) {
        int64_t wake_us = core_wake_at_us(p->w.core), next_us = wake_us;
        for (size_t i = 0; i < p->pool.n; i++) {
            int64_t end_us = machine_next_end_us(&p->pool.machines[i]);
            next_us = end_us < next_us ? end_us : next_us;
        }
        int64_t at_us = next_us < to_us ? next_us : to_us;
        if (at_us > p->w.now.mono_us) {
            p->w.now.wall_us += at_us - p->w.now.mono_us;
            p->w.now.mono_us = at_us;
        }
        if (next_us > to_us)
            return;
        for (size_t i = 0; i < p->pool.n; i++)
            tell_ends(p, &p->pool.machines[i]);
        struct input timer = {.type = INPUT_TIMER};
        if (wake_us <= p->w.now.mono_us)
            play_step(p, &timer);
    }
}

/* chipqd restarts; all machines come back and tell what they hold. */
static void play_restart(struct play *p)
{
    world_restart(&p->w);
    play_disturb(p);
    p->jumped_us = p->w.core->policy_us; /* it goes on from the newest record */
    p->n_promises = p->n_waits = 0;
    for (size_t i = 0; i < p->pool.n; i++)
        if (!p->pool.machines[i].is_gone)
            play_hello(p, &p->pool.machines[i]);
}

/* ---- configuration ---- */

static void play_note_node(struct play *p, const char *kind, const char *path)
{
    struct node_note *n = &p->nodes[p->n_nodes++];
    n->kind = kind;
    (void)snprintf(n->path, sizeof n->path, "%s", path);
}

static void play_note_user(struct play *p, const char *name, uint64_t projects)
{
    struct user_note *u = &p->users[p->n_users++];
    (void)snprintf(u->name, sizeof u->name, "%s", name);
    u->projects = projects;
}

static void play_config(struct play *p, enum config_op op, const char *kind, const char *path,
                        const char *key, const char *value)
{
    const struct in_config_row rows[] = {
        {op == CONFIG_SET ? CONFIG_PUT : op, kind, path, "", ""},
        {op, kind, path, key, value},
    };
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){.rows = rows, .n_rows = op == CONFIG_SET ? 2 : 1};
    play_step(p, &in);
}

static void play_set(struct play *p, const char *kind, const char *path, const char *key,
                     const char *value)
{
    play_config(p, CONFIG_SET, kind, path, key, value);
}

/* Refused ones (guarantees above what there is) are no harm. */
static void play_random_setting(struct play *p, const char *kind, const char *path)
{
    static const char *const keys[] = {
        "weight",    "max-cores", "max-mem",      "max-running", "max-licence",    "min-cores",
        "min-cores", "min-cores", "borrow-cores", "lend-cores",  "lend-mem",       "budget",
        "min-mem",   "max-mem",   "max-pending",  "max-cores",   "max-submit-rate"};
    const char *key = keys[roll(&p->dice, CQ_COUNT(keys))];
    uint64_t amount = roll(&p->dice, 16);
    char value[48] = "";
    if (strcmp(key, "max-licence") == 0)
        (void)snprintf(value, sizeof value, "vcs:%" PRIu64, amount / 3);
    else if (strcmp(key, "budget") == 0)
        (void)snprintf(value, sizeof value, "%" PRIu64 "core-hours/day", 1 + amount * amount);
    else if (strstr(key, "mem"))
        (void)snprintf(value, sizeof value, "%" PRIu64 "M", 500 * (1 + amount));
    else if (strcmp(key, "max-pending") == 0)
        (void)snprintf(value, sizeof value, "%" PRIu64, 20 + 10 * amount);
    else if (strcmp(key, "weight") == 0 || roll(&p->dice, 5) > 0)
        (void)snprintf(value, sizeof value, "%" PRIu64, 1 + amount);
    play_set(p, kind, path, key, value);
}

static void play_random_config(struct play *p)
{
    static const char *const names[] = {"vcs", "dc", "pt"};
    char count[16];
    if (roll(&p->dice, 4) == 0) {
        (void)snprintf(count, sizeof count, "%" PRIu64, roll(&p->dice, 8));
        play_set(p, "licence", names[roll(&p->dice, 3)], "count", count);
        return;
    }
    const struct node_note *n = &p->nodes[roll(&p->dice, p->n_nodes)];
    play_random_setting(p, n->kind, n->path);
}

/* ---- jobs ---- */

/* The number of the first one, or 0. */
static uint64_t play_submit(struct play *p, struct principal_id who, const char *project,
                            const struct in_job *jobs, size_t n)
{
    struct input in = {.type = INPUT_SUBMIT, .principal = who};
    const char *flow = n > 1 ? "nightly" : "";
    in.u.submit = (struct in_submit){.flow = flow, .project = project, .jobs = jobs, .n_jobs = n};
    p->n_submits++;
    memcpy(in.u.submit.key.bytes, &p->n_submits, sizeof p->n_submits);
    p->number = 0;
    p->asked = jobs;
    play_step(p, &in);
    p->asked = NULL;
    return p->number;
}

static struct job *play_random_job(struct play *p)
{
    for (size_t i = 0; i < 20 && p->n_jobs > 0; i++) {
        size_t back = (size_t)roll(&p->dice, p->n_jobs < 60 ? p->n_jobs : 60);
        struct job *job = job_find(p->w.core, p->jobs[p->n_jobs - 1 - back]);
        if (job)
            return job;
    }
    return NULL;
}

#endif
