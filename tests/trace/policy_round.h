/* One history of the policy, from its pool to the day when all that can start has started. */
#ifndef CHIPQ_TEST_POLICY_ROUND_H
#define CHIPQ_TEST_POLICY_ROUND_H

#include "scheduler/core/oracle.h"
#include "tests/trace/policy_moves.h"

enum { SETTLE_STEPS = 6000, QUIET_STEPS = 8 };

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
    play_config(p, CONFIG_ADD, "instrument", "emu", "", "");
    play_set(p, "instrument", "emu", "count", roll(&p->dice, 2) ? "2" : "1");
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

static void make_pool(struct play *p, const struct dice *dice)
{
    *p = (struct play){.seed = dice->state, .dice = *dice};
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
    world_add_user(&p->w, "e0", "root", ROLE_PLATFORM_ADMIN);
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

/* Those that come again, or late, or all: the others pass by themselves. */
static void remove_bookings(struct play *p, bool all)
{
    int64_t late_us = p->w.now.wall_us + 12 * 3600 * US_PER_S;
    for (size_t i = p->book.n; i-- > 0;)
        if (all || p->book.items[i].period_us > 0 || p->book.items[i].start_us > late_us)
            play_remove_booking(p, &p->book.items[i]);
}

/* All machines work, nobody holds anything back, nothing is booked: what waits at the end could not
 * start on an empty pool. */
static void settle(struct play *p)
{
    play_disturb(p);
    for (size_t i = 0; i < p->pool.n; i++) {
        struct input in = {.type = INPUT_NODE_DRAIN};
        in.u.node_drain.name = p->pool.machines[i].name;
        play_step(p, &in);
        if (p->pool.machines[i].is_gone)
            play_hello(p, &p->pool.machines[i]);
        while (bitset_count(&p->pool.machines[i].offline) > 0)
            move_core(p, &p->pool.machines[i]);
    }
    release_all(p);
    pool_hurry(&p->pool, p->w.now.mono_us);
    remove_bookings(p, roll(&p->dice, 2));
    /* Places that were planned far ahead are planned anew after a 32nd of the time. */
    size_t quiet_steps = 0;
    for (size_t i = 0; i < SETTLE_STEPS && quiet_steps < QUIET_STEPS; i++) {
        play_advance(p, p->w.now.mono_us + 1800 * US_PER_S);
        bool is_still = p->w.core->leases.by_id.n == 0 && p->book.n == 0;
        quiet_steps = is_still ? quiet_steps + 1 : 0;
    }
    if (p->book.n > 0)
        play_fail(p, "a booking is never over");
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

/* At most so many steps: dice that a fuzzer throws end it when they are over. */
CQ_UNUSED static void play_round(const struct dice *dice, size_t steps)
{
    struct play *p = CQ_NEW(struct play);
#ifdef CHIPQ_ORACLE
    oracle_on_fault(on_fault, p);
#endif
    make_pool(p, dice);
    bool is_fuzzed = p->dice.n_bytes > 0;
    for (size_t i = 0; i < steps && !(is_fuzzed && dice_are_over(&p->dice)); i++)
        move(p);
    settle(p);
    play_fini(p);
    free(p);
}

#endif
