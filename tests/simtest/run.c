/* One run: a pool is made, has its faults, heals, and must come to rest. */
#include "tests/simtest/run.h"

#include "tests/simtest/chaos.h"
#include "tests/simtest/disk.h"
#include "tests/simtest/jobs.h"
#include "tests/simtest/network.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/rules.h"

#include <inttypes.h>

enum { REST_EVERY_S = 30, BOUND_HOURS = 8 };

static void draw_settings(void)
{
    settings.heartbeat_us = dice_between(1, 5) * SECONDS;
    settings.lease_us = dice_between(10, 60) * SECONDS;
    settings.grace_us = dice_between(3, 15) * SECONDS;
    settings.suspect_us = dice_between(6, 30) * SECONDS;
    settings.n_machines = 1 + dice_roll(MACHINES_MAX);
    settings.n_clients = 1 + dice_roll(CLIENTS_MAX);
}

static struct clock draw_clock(void)
{
    return (struct clock){.offset_us = dice_between(1, 1000 * SECONDS),
                          .ppm = dice_between(-10000, 10000),
                          .wall_us = dice_between(1700000000, 1800000000) * SECONDS};
}

static void make_pool(void)
{
    head_clock = draw_clock();
    memset(machines, 0, sizeof machines);
    for (size_t i = 0; i < MACHINES_MAX; i++) {
        struct machine *m = &machines[i];
        m->index = i;
        (void)snprintf(m->name, sizeof m->name, "w%zu", i + 1);
        m->clock = draw_clock();
        m->cores = 2 + dice_roll(5);
        m->mem_mib = 500 + 100 * dice_roll(20);
    }
    master_make_disk();
    master_start();
    for (size_t i = 0; i < settings.n_machines; i++)
        machine_boot(&machines[i]);
    clients_start();
}

static void begin(uint64_t seed, const struct run_options *o)
{
    memset(&sim, 0, sizeof sim);
    sim.seed = seed;
    sim.dice = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    sim.hash = seed;
    sim.broken = o->broken;
    sim.is_verbose = o->is_verbose;
    sim.is_loud = o->is_loud;
    heap_open(&sim.world);
    (void)heap_enter(&sim.world);
    note_clear();
    kernel_reset();
    network_reset();
    disk_reset();
    jobs_reset();
    rules_reset();
    master = NULL;
}

static void play(int64_t until_us, const struct run_options *o)
{
    while (!sim.is_failed && sim.n_events < o->max_events && event_step(until_us))
        ;
    if (!sim.is_failed && sim.n_events < o->max_events && sim.now_us < until_us)
        sim.now_us = until_us;
}

static void end(struct run_result *r)
{
    *r = (struct run_result){.hash = sim.hash,
                             .n_events = sim.n_events,
                             .end_us = sim.now_us,
                             .n_jobs = rules.n_jobs,
                             .n_starts = truths.n,
                             .n_restarts = rules.n_restarts,
                             .n_submits = rules.n_submits,
                             .n_accepted = rules.n_accepted,
                             .n_cancels = rules.n_cancels,
                             .is_failed = sim.is_failed};
    (void)cq_copy_text(r->rule, sizeof r->rule, sim.failed_rule);
    (void)cq_copy_text(r->text, sizeof r->text, sim.failed_text);
    for (struct proc *p = sim.procs; p; p = p->next)
        heap_free_all(&p->heap);
    heap_free_all(&sim.world);
}

/* Healed, it comes to rest: every job ends and nothing of any is left. */
static void rest(const struct run_options *o)
{
    int64_t bound_us = sim.now_us + BOUND_HOURS * 3600 * SECONDS;
    while (!sim.is_failed && sim.n_events < o->max_events && !rules_is_quiet()
           && sim.now_us < bound_us)
        play(sim.now_us + REST_EVERY_S * SECONDS, o);
    if (!sim.is_failed && sim.n_events < o->max_events)
        rules_final();
}

void run_seed(uint64_t seed, const struct run_options *o, struct run_result *result)
{
    begin(seed, o);
    draw_settings();
    make_pool();
    int64_t faults_us = dice_between(60, 400) * SECONDS;
    chaos_start(faults_us);
    play(faults_us, o);
    chaos_heal();
    clients_retire();
    rest(o);
    end(result);
}
