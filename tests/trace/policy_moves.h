/* What happens in a random history. */
#ifndef CHIPQ_TEST_POLICY_MOVES_H
#define CHIPQ_TEST_POLICY_MOVES_H

#include "tests/trace/policy_checks.h"
#include "tests/trace/policy_memory.h"
#include "tests/trace/policy_rebuilt.h"

enum { SUBMIT_MAX = 5 };

/* ---- jobs ---- */

static void random_licences(struct play *p, char text[32])
{
    const char *name = feature_names[roll(&p->dice, FEATURES)];
    const char *other = feature_names[roll(&p->dice, FEATURES)];
    if (roll(&p->dice, 4) || name == other)
        (void)snprintf(text, 32, "%s:%" PRIu64, name, 1 + roll(&p->dice, 3));
    else
        (void)snprintf(text, 32, "%s:1,%s:%" PRIu64, name, other, 1 + roll(&p->dice, 2));
}

/* In a booking of its enterprise, short enough, often with the tokens that are booked. */
static void random_inside(struct play *p, const char *enterprise, struct in_job *job,
                          char licences[32])
{
    const struct booking_note *b = &p->book.items[roll(&p->dice, p->book.n)];
    if (strcmp(b->enterprise, enterprise) != 0)
        return;
    job->reservation = b->name;
    job->cores = roll(&p->dice, 3) ? 1 + roll(&p->dice, 4) : job->cores;
    while (job->time_us > (uint64_t)b->length_us / (1 + roll(&p->dice, 3)))
        job->time_us = job->time_us / 2 + 1;
    for (size_t f = 0; f < FEATURES && roll(&p->dice, 2); f++)
        if (b->tokens[f] > 0) {
            (void)snprintf(licences, 32, "%s:%" PRIu64, feature_names[f],
                           1 + roll(&p->dice, b->tokens[f]));
            job->licences = licences;
        }
}

static void random_job(struct play *p, struct in_job *job, char licences[32])
{
    static const int64_t minutes[] = {1, 2, 5, 10, 15, 30, 60, 240, 1440};
    static const char *const arrays[] = {"1-4", "1-12", "1-60", "1-20"};
    *job = (struct in_job)IN_JOB_PLAIN;
    uint64_t kind = roll(&p->dice, 10);
    job->cores = kind < 6 ? 1 + roll(&p->dice, 2) : 1 + roll(&p->dice, 12);
    job->mem_mib = 100 * (1 + roll(&p->dice, kind < 8 ? 8 : 60));
    job->time_us = (uint64_t)(minutes[roll(&p->dice, CQ_COUNT(minutes))] * 60 * US_PER_S);
    job->priority = roll(&p->dice, 4) == 0 ? (int64_t)roll(&p->dice, 21) - 10 : 0;
    job->is_preemptible = roll(&p->dice, 3) == 0;
    job->exclusive = roll(&p->dice, 15) == 0;
    static const char *const topos[] = {"", "spread",   "any",     "pack:numa!",
                                        "", "pack:l3!", "spread!", "pack:socket!"};
    job->topo = topos[job->mem_mib / 100 % CQ_COUNT(topos)];
    job->membind = (unsigned)(job->mem_mib / 100 % MEMBIND_COUNT);
    static const char *const names[] = {"sim7", "sim12", "", "synth"};
    job->name = names[job->mem_mib / 200 % CQ_COUNT(names)];
    job->mem_mib = job->mem_mib / 100 % 3 != 1 ? job->mem_mib : 0; /* left to chipq */
    job->node_has = roll(&p->dice, 8) == 0 ? "gpu" : "";
    job->hold = roll(&p->dice, 20) == 0;
    job->max_own_failures = roll(&p->dice, 3);
    if (roll(&p->dice, 4) == 0) {
        job->array = arrays[roll(&p->dice, CQ_COUNT(arrays))];
        job->array_max_running = roll(&p->dice, 3) == 0 ? 3 : 0;
    }
    if (roll(&p->dice, 4) == 0) {
        random_licences(p, licences);
        job->licences = licences;
    }
}

/* ---- what jobs wait for ---- */

struct ask { /* one submit, with room for all that it points to */
    struct in_job jobs[SUBMIT_MAX];
    struct in_dep deps[SUBMIT_MAX][DEPS_MAX];
    char licences[SUBMIT_MAX][32], passed[SUBMIT_MAX][DEPS_MAX][256];
    size_t n;
    uint64_t enterprise;
};

/* On another job of the same submit; cycles are refused. */
static void dep_inside(struct play *p, struct ask *a, size_t i, struct in_dep *d)
{
    size_t on = (size_t)roll(&p->dice, i > 0 && roll(&p->dice, 10) ? i : a->n);
    d->index = on + 1;
    if (on != i && roll(&p->dice, 3) == 0) {
        if (*a->jobs[on].array == '\0')
            a->jobs[on].array = "1-4";
        a->jobs[i].array = a->jobs[on].array;
        d->when = DEP_AFTERCORR;
    }
}

/* On an earlier job; of one that is over the store tells what chipqd would look up. */
static bool dep_earlier(struct play *p, struct ask *a, size_t i, struct in_dep *d, char *passed)
{
    if (p->n_jobs == 0)
        return false;
    size_t back = (size_t)roll(&p->dice, p->n_jobs < 40 ? p->n_jobs : 40);
    const struct job_note *n = &p->notes[p->n_jobs - 1 - back];
    if (n->enterprise != a->enterprise)
        return false;
    if (*n->array && *a->jobs[i].array == '\0' && a->jobs[i].n_deps == 0 && roll(&p->dice, 2)) {
        a->jobs[i].array = n->array;
        d->when = DEP_AFTERCORR;
    }
    d->number = n->number;
    d->outcome = !n->is_over ? OUTCOME_LIVE : n->is_ok ? OUTCOME_OK : OUTCOME_NOTOK;
    d->is_array = *n->array != '\0';
    d->tasks = n->n_tasks;
    struct cq_str text = {0};
    ranges_format(&n->passed, &text);
    (void)snprintf(passed, 256, "%s", cq_str_text(&text));
    d->passed = passed;
    cq_str_fini(&text);
    return true;
}

static void random_deps(struct play *p, struct ask *a, size_t i)
{
    struct in_job *job = &a->jobs[i];
    job->deps = a->deps[i];
    for (uint64_t wanted = roll(&p->dice, 2) ? 1 + roll(&p->dice, 3) : 0; wanted > 0; wanted--) {
        struct in_dep *d = &a->deps[i][job->n_deps];
        static const enum dep_when whens[] = {DEP_OK, DEP_OK, DEP_ANY, DEP_ANY, DEP_NOTOK};
        *d = (struct in_dep){.when = whens[roll(&p->dice, CQ_COUNT(whens))], .name = "x"};
        bool inside = a->n > 1 && roll(&p->dice, 2);
        if (inside)
            dep_inside(p, a, i, d);
        job->n_deps += inside || dep_earlier(p, a, i, d, a->passed[i][job->n_deps]);
    }
}

/* Rather one of whom something is booked for. */
static const struct user_note *random_user(struct play *p)
{
    const struct user_note *u = &p->users[roll(&p->dice, p->n_users)];
    const struct booking_note *b = NULL;
    if (p->book.n > 0 && roll(&p->dice, 2))
        b = &p->book.items[roll(&p->dice, p->book.n)];
    for (size_t i = 0; b && i < 8 && strncmp(b->enterprise, u->name, 2) != 0; i++)
        u = &p->users[roll(&p->dice, p->n_users)];
    return u;
}

static void move_submit(struct play *p)
{
    struct ask a;
    char project[16], enterprise[16];
    const struct user_note *u = random_user(p);
    struct principal_id who = world_principal(&p->w, u->name);
    a.enterprise = people_principal(p->w.core, who.v)->enterprise->id;
    (void)snprintf(enterprise, sizeof enterprise, "%.2s", u->name);
    a.n = 1 + roll(&p->dice, roll(&p->dice, 4) ? 3 : SUBMIT_MAX);
    for (size_t i = 0; i < a.n; i++) {
        random_job(p, &a.jobs[i], a.licences[i]);
        if (p->book.n > 0 && roll(&p->dice, 2))
            random_inside(p, enterprise, &a.jobs[i], a.licences[i]);
    }
    for (size_t i = 0; i < a.n; i++)
        random_deps(p, &a, i);
    (void)snprintf(project, sizeof project, "p%" PRIu64, roll(&p->dice, u->projects));
    (void)play_submit(p, who, project, a.jobs, a.n);
}

static void move_action(struct play *p)
{
    const struct job *job = play_random_job(p);
    if (job == NULL)
        return;
    struct input in = {.type = INPUT_ACTION, .principal = {job->principal->id}};
    static const enum job_action often[] = {ACTION_CANCEL,  ACTION_HOLD,    ACTION_RELEASE,
                                            ACTION_RELEASE, ACTION_REQUEUE, ACTION_CANCEL};
    in.u.action.action = often[roll(&p->dice, CQ_COUNT(often))];
    in.u.action.enterprise = (struct enterprise_id){job->enterprise->id};
    in.u.action.number = job->number;
    in.u.action.tasks = job->is_array && roll(&p->dice, 2) ? "2-3" : "";
    play_disturb(p);
    play_step(p, &in);
}

/* ---- bookings ---- */

static void random_place(struct play *p, char path[64])
{
    const struct user_note *u = &p->users[roll(&p->dice, p->n_users)];
    const struct node_note *n = &p->nodes[roll(&p->dice, p->n_nodes)];
    if (roll(&p->dice, 3) == 0)
        (void)snprintf(path, 64, "%.2s/p0/%s", u->name, u->name);
    else
        (void)snprintf(path, 64, "%s", n->path);
}

static void random_amounts(struct play *p, struct in_reservation *r, char nodes[32],
                           char licences[32])
{
    uint64_t kind = roll(&p->dice, 6), i = roll(&p->dice, p->pool.n);
    if (kind < 2 && i > 0 && roll(&p->dice, 3) == 0)
        (void)snprintf(nodes, 32, "n0,n%" PRIu64, i);
    else if (kind < 2)
        (void)snprintf(nodes, 32, "n%" PRIu64, i);
    else if (kind < 5)
        r->cores = 1 + roll(&p->dice, 16);
    if (r->cores > 0 && roll(&p->dice, 2))
        r->mem_mib = 500 * (1 + roll(&p->dice, 16));
    if (kind == 5 || roll(&p->dice, 3) == 0)
        random_licences(p, licences);
}

/* Refused ones (there is another, or too little is left) are no harm. */
static void move_book(struct play *p)
{
    static const uint64_t periods[] = {0, 0, 0, 1, 1, 7};
    char name[8], path[64], nodes[32] = "", licences[32] = "";
    int64_t ahead = (int64_t)roll(&p->dice, roll(&p->dice, 2) ? 10 : 40) - 2;
    int64_t start_us = p->w.now.wall_us + ahead * 300 * US_PER_S;
    int64_t length_us =
        (int64_t)(1 + roll(&p->dice, roll(&p->dice, 2) ? 12 : 100)) * 300 * US_PER_S;
    if (p->book.n == BOOKINGS_MAX)
        return;
    (void)snprintf(name, sizeof name, "b%" PRIu64, roll(&p->dice, 4));
    random_place(p, path);
    struct in_reservation r = {.name = name,
                               .path = path,
                               .start_us = start_us,
                               .end_us = start_us + length_us,
                               .every_days = periods[roll(&p->dice, CQ_COUNT(periods))],
                               .nodes = nodes,
                               .licences = licences,
                               .is_flex = roll(&p->dice, 2)};
    random_amounts(p, &r, nodes, licences);
    struct input in = {.type = INPUT_RESERVATION_ADD, .principal = world_principal(&p->w, "root")};
    in.u.reservation_add = r;
    play_disturb(p);
    play_step(p, &in);
}

static void play_remove_booking(struct play *p, const struct booking_note *b)
{
    char name[40];
    struct input in = {.type = INPUT_RESERVATION_REMOVE,
                       .principal = world_principal(&p->w, "root")};
    (void)snprintf(name, sizeof name, "%s/%s", b->enterprise, b->name);
    in.u.reservation_remove.name = name;
    play_disturb(p);
    play_step(p, &in);
}

static void move_booking(struct play *p)
{
    if (p->book.n > 0 && (roll(&p->dice, 4) == 0 || p->book.n > 12))
        play_remove_booking(p, &p->book.items[roll(&p->dice, p->book.n)]);
    for (size_t n = p->book.n, tries = 0; tries < 3 && p->book.n == n; tries++)
        move_book(p);
}

/* Hours, seldom days, back and forth; sometimes nobody notices at once. */
static void move_wall(struct play *p)
{
    int64_t hours = (int64_t)roll(&p->dice, 13) - 6;
    struct input timer = {.type = INPUT_TIMER};
    if (roll(&p->dice, 6) == 0)
        hours = 24 * ((int64_t)roll(&p->dice, 10) - 2);
    p->w.now.wall_us += hours * 3600 * US_PER_S;
    p->jumped_us = p->w.core->policy_us + (p->w.now.mono_us - p->w.core->now_mono_us);
    play_disturb(p);
    if (roll(&p->dice, 2))
        play_step(p, &timer);
}

/* ---- the pool ---- */

static void move_feed(struct play *p)
{
    const struct in_licence_sample samples[] = {
        {"vcs", (int64_t)roll(&p->dice, 8)}, {"dc", (int64_t)roll(&p->dice, 4)}, {"nobody", 1}};
    struct input in = {.type = INPUT_LICENCE_FEED};
    in.u.licence_feed = (struct in_licence_feed){samples, roll(&p->dice, 4),
                                                 roll(&p->dice, 4) == 0 ? "it hangs" : NULL};
    play_disturb(p);
    play_step(p, &in);
}

/* A core goes offline, never the last; or all come back. */
static void move_core(struct play *p, struct machine *m)
{
    struct input in = {.type = INPUT_WORKER_HEARTBEAT,
                       .principal = world_principal(&p->w, m->name)};
    if (m->is_gone)
        return;
    if (roll(&p->dice, 3) == 0 || machine_n_cores(m) == 1)
        bitset_fini(&m->offline);
    else
        bitset_set(&m->offline, roll(&p->dice, m->cores));
    for (size_t i = 0; i < p->book.n; i++)
        if (p->book.items[i].is_whole[m - p->pool.machines])
            p->book.items[i].cores[m - p->pool.machines] = machine_n_cores(m);
    in.u.heartbeat.heartbeat = ++m->heartbeat;
    in.u.heartbeat.cores = machine_cores(m);
    in.u.heartbeat.topology = machine_topology(m);
    play_step(p, &in);
}

static void move_machine(struct play *p)
{
    struct machine *m = &p->pool.machines[roll(&p->dice, p->pool.n)];
    struct input in = {.type = INPUT_NODE_DRAIN};
    play_disturb(p);
    switch (roll(&p->dice, 6)) {
    case 0: /* the machine restarts */
        machine_reboot(m);
        play_hello(p, m);
        return;
    case 1: /* its agent goes and comes back another time */
        in = (struct input){.type = INPUT_WORKER_BYE, .principal = world_principal(&p->w, m->name)};
        if (!m->is_gone)
            play_step(p, &in);
        m->is_gone = true;
        return;
    case 2:
        in.u.node_drain.name = m->name;
        in.u.node_drain.drain = roll(&p->dice, 2);
        play_step(p, &in);
        return;
    case 3:
        if (m->is_gone)
            play_hello(p, m);
        return;
    default:
        move_core(p, m);
    }
}

/* ---- any ---- */

static void move(struct play *p)
{
    uint64_t kind = roll(&p->dice, 100);
    play_advance(p, p->w.now.mono_us + (int64_t)roll(&p->dice, 900) * US_PER_S);
    if (kind < 52) {
        move_submit(p);
    } else if (kind < 59) {
        move_action(p);
    } else if (kind < 68) {
        move_booking(p);
    } else if (kind < 74) {
        play_disturb(p);
        play_random_config(p);
    } else if (kind < 78) {
        move_feed(p);
    } else if (kind < 83) {
        move_machine(p);
    } else if (kind < 85) {
        move_wall(p);
    } else if (kind < 87) {
        play_restart(p);
    } else if (kind < 89) {
        check_rebuilt(p);
    } else {
        check_advice(p);
    }
}

#endif
