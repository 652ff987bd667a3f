// LINK: cq_core
/* Random pools, trees, limits, licences and histories, each from its seed, through the real core in
 * virtual time. Checked at every step: nothing is granted twice, no victim falls under its own
 * guarantee, who is within a guarantee gets it in time, a place that was promised is there in time;
 * now and then: a rebuilt core decides the same, and advice that is taken lets the job start. In
 * the end everything that can start has started. The oracle looks on in debug builds.
 *
 * A failing seed prints how to replay it. CHIPQ_SEED is the first seed, CHIPQ_ROUNDS how many. */
#include <criterion/criterion.h>

#include "scheduler/core/oracle.h"
#include "tests/trace/policy_checks.h"

enum { STEPS = 150, SETTLE_STEPS = 6000 };

/* ---- making a pool ---- */

static void add_node_settings(struct play *p, const char *kind, const char *path)
{
    char value[48];
    (void)snprintf(value, sizeof value, "%" PRIu64, 1 + roll(&p->dice, 8));
    play_set(p, kind, path, "weight", value);
    for (uint64_t i = roll(&p->dice, 4); i-- > 0;)
        play_random_setting(p, kind, path);
}

static void add_enterprise(struct play *p, size_t e)
{
    char name[16], path[64], user[16];
    (void)snprintf(name, sizeof name, "e%zu", e);
    world_add_enterprise(&p->w, name);
    add_node_settings(p, "enterprise", name);
    uint64_t projects = 1 + roll(&p->dice, 2), users = 1 + roll(&p->dice, 2);
    for (uint64_t i = 0; i < projects; i++) {
        (void)snprintf(path, sizeof path, "%s/p%" PRIu64, name, i);
        play_config(p, CONFIG_ADD, "project", path, "", "");
        play_note_node(p, "project", path);
        if (roll(&p->dice, 2))
            add_node_settings(p, "project", path);
    }
    for (uint64_t i = 0; i < users; i++) {
        (void)snprintf(user, sizeof user, "%su%" PRIu64, name, i);
        world_add_user(&p->w, name, user, ROLE_DESIGNER);
        play_note_user(p, user, projects);
        (void)snprintf(path, sizeof path, "%s/p0/%s", name, user);
        if (roll(&p->dice, 3) == 0)
            add_node_settings(p, "user", path);
    }
    play_note_node(p, "enterprise", name);
}

static void add_features(struct play *p)
{
    static const char *const names[] = {"vcs", "dc", "pt"};
    char count[16];
    for (size_t i = 0; i < CQ_COUNT(names); i++) {
        (void)snprintf(count, sizeof count, "%" PRIu64, 1 + roll(&p->dice, 6));
        play_config(p, CONFIG_ADD, "licence", names[i], "", "");
        play_set(p, "licence", names[i], "count", count);
    }
    if (roll(&p->dice, 2))
        play_set(p, "licence", "pt", "owner", "e0");
}

static void add_machines(struct play *p)
{
    static const char *const features[] = {"", "gpu", "gpu\ntool=5"};
    p->pool.n = 1 + roll(&p->dice, MACHINES_MAX);
    p->pool.dice = &p->dice;
    for (size_t i = 0; i < p->pool.n; i++) {
        struct machine *m = &p->pool.machines[i];
        (void)snprintf(m->name, sizeof m->name, "n%zu", i);
        m->incarnation = m->boot = 1;
        m->features = features[roll(&p->dice, 3)];
        m->cores = 1 + roll(&p->dice, 16);
        m->mem_mib = 1000 * (1 + roll(&p->dice, 16));
        world_add_user(&p->w, "", m->name, ROLE_WORKER);
        play_hello(p, m);
    }
}

static void make_pool(struct play *p, uint64_t seed)
{
    *p = (struct play){.seed = seed, .dice = {seed}};
    const struct core_config config = {.lease_us = INT64_C(400) * 86400 * US_PER_S,
                                       .suspect_us = INT64_C(400) * 86400 * US_PER_S,
                                       .replan_us = REPLAN_US,
                                       .starve_us = roll(&p->dice, 4) == 0 ? 3600 * US_PER_S : 0,
                                       .array_step_us = roll(&p->dice, 3) == 0 ? -1 : 0};
    world_init(&p->w, &config);
    p->w.is_quiet = true;
    if (roll(&p->dice, 8) == 0)
        p->w.now.wall_us = INT64_C(1767571200) * US_PER_S; /* it was 1970 until now */
    add_machines(p);
    add_features(p);
    uint64_t n = 2 + roll(&p->dice, ENTERPRISES_MAX - 1);
    for (size_t e = 0; e < n; e++)
        add_enterprise(p, e);
}

/* ---- moves ---- */

static void random_job(struct play *p, struct in_job *job, char licences[32])
{
    static const int64_t minutes[] = {1, 2, 5, 10, 15, 30, 60, 240, 1440};
    static const char *const arrays[] = {"1-4", "1-12", "1-60", "1-20%3"};
    static const char *const names[] = {"vcs", "dc", "pt"};
    *job = (struct in_job)IN_JOB_PLAIN;
    uint64_t kind = roll(&p->dice, 10);
    job->cores = kind < 6 ? 1 + roll(&p->dice, 2) : 1 + roll(&p->dice, 12);
    job->mem_mib = 100 * (1 + roll(&p->dice, kind < 8 ? 8 : 60));
    job->time_us = (uint64_t)(minutes[roll(&p->dice, CQ_COUNT(minutes))] * 60 * US_PER_S);
    job->priority = roll(&p->dice, 4) == 0 ? (int64_t)roll(&p->dice, 21) - 10 : 0;
    job->is_preemptible = roll(&p->dice, 3) == 0;
    job->exclusive = roll(&p->dice, 15) == 0;
    job->node_has = roll(&p->dice, 8) == 0 ? "gpu" : "";
    job->hold = roll(&p->dice, 20) == 0;
    if (roll(&p->dice, 4) == 0)
        job->array = arrays[roll(&p->dice, CQ_COUNT(arrays))];
    if (roll(&p->dice, 4) == 0) {
        (void)snprintf(licences, 32, "%s:%" PRIu64, names[roll(&p->dice, 3)],
                       1 + roll(&p->dice, 3));
        job->licences = licences;
    }
}

static void move_submit(struct play *p)
{
    struct in_job jobs[3];
    char licences[3][32], project[16];
    const struct user_note *u = &p->users[roll(&p->dice, p->n_users)];
    size_t n = 1 + roll(&p->dice, 3);
    for (size_t i = 0; i < n; i++)
        random_job(p, &jobs[i], licences[i]);
    (void)snprintf(project, sizeof project, "p%" PRIu64, roll(&p->dice, u->projects));
    (void)play_submit(p, world_principal(&p->w, u->name), project, jobs, n);
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
    in.u.action.tasks = "";
    play_disturb(p);
    play_step(p, &in);
}

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

static void move_machine(struct play *p)
{
    struct machine *m = &p->pool.machines[roll(&p->dice, p->pool.n)];
    struct input in = {.type = INPUT_NODE_DRAIN};
    play_disturb(p);
    switch (roll(&p->dice, 4)) {
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
    default:
        if (m->is_gone)
            play_hello(p, m);
    }
}

static void move(struct play *p)
{
    uint64_t kind = roll(&p->dice, 100);
    play_advance(p, p->w.now.mono_us + (int64_t)roll(&p->dice, 900) * US_PER_S);
    if (kind < 60) {
        move_submit(p);
    } else if (kind < 68) {
        move_action(p);
    } else if (kind < 74) {
        play_disturb(p);
        play_random_config(p);
    } else if (kind < 78) {
        move_feed(p);
    } else if (kind < 83) {
        move_machine(p);
    } else if (kind < 85) {
        p->w.now.wall_us += ((int64_t)roll(&p->dice, 13) - 6) * 3600 * US_PER_S;
    } else if (kind < 87) {
        play_restart(p);
    } else if (kind < 89) {
        check_rebuilt(p);
    } else {
        check_advice(p);
    }
}

/* ---- the end ---- */

static void release_all(struct play *p)
{
    for (size_t i = 0; i < p->n_jobs; i++) {
        const struct job *job = job_find(p->w.core, p->jobs[i]);
        if (job == NULL || !job->is_held)
            continue;
        struct input in = {.type = INPUT_ACTION, .principal = {job->principal->id}};
        in.u.action.action = ACTION_RELEASE;
        in.u.action.enterprise = (struct enterprise_id){job->enterprise->id};
        in.u.action.number = job->number;
        in.u.action.tasks = "";
        play_step(p, &in);
    }
}

/* All machines work, nobody holds anything back: what waits at the end could not start on an empty
 * pool. */
static void settle(struct play *p)
{
    play_disturb(p);
    for (size_t i = 0; i < p->pool.n; i++) {
        struct input in = {.type = INPUT_NODE_DRAIN};
        in.u.node_drain.name = p->pool.machines[i].name;
        play_step(p, &in);
        if (p->pool.machines[i].is_gone)
            play_hello(p, &p->pool.machines[i]);
    }
    release_all(p);
    for (size_t i = 0; i < SETTLE_STEPS && p->w.core->leases.by_id.n > 0; i++)
        play_advance(p, p->w.now.mono_us + 1800 * US_PER_S);
    if (p->w.core->leases.by_id.n > 0)
        play_fail(p, "what runs never ends");
    check_nothing_left(p);
}

#ifdef CHIPQ_ORACLE
static void on_fault(void *arg, const char *what)
{
    play_fail(arg, what);
}
#endif

static void play_round(uint64_t seed)
{
    struct play *p = CQ_NEW(struct play);
#ifdef CHIPQ_ORACLE
    oracle_on_fault(on_fault, p);
#endif
    make_pool(p, seed);
    for (size_t i = 0; i < STEPS; i++)
        move(p);
    settle(p);
    play_fini(p);
    free(p);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

Test(policy_random, histories_keep_the_promises_of_the_policy, .timeout = 3000)
{
    bool one = getenv("CHIPQ_SEED") != NULL;
    uint64_t first = number_from("CHIPQ_SEED", 1);
    uint64_t rounds = number_from("CHIPQ_ROUNDS", one ? 1 : 2);
    for (uint64_t i = 0; i < rounds; i++)
        play_round(first + i);
}
