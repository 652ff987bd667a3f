/* Faults: crashes of chipqd, of agents, shepherds and machines; pauses; cut lines, broken
 * connections; clocks that are set. Failpoints are places where a process may die as well. */
#include "tests/simtest/chaos.h"

#include "tests/simtest/disk.h"
#include "tests/simtest/jobs.h"
#include "tests/simtest/network.h"
#include "tests/simtest/nodes.h"

static int64_t until_us;
static uint64_t weights[11]; /* of a run: how much of each kind */

/* ---- chipqd ---- */

static bool is_power_loss;

static void on_master_due(void *arg, uint64_t n);

static void master_died(struct proc *p)
{
    (void)p;
    disk_crash(is_power_loss);
    network_server_died(is_power_loss);
    int64_t away_us = dice_chance(700) ? dice_between(100 * MS, 4 * SECONDS)
                                       : dice_between(SECONDS, 2 * settings.lease_us);
    if (sim.is_healed)
        away_us = SECONDS;
    event_in(away_us, on_master_due, NULL, 0);
    is_power_loss = false;
}

static void on_master_due(void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    if (master == NULL || !master->is_alive)
        master_start();
    master->died = master_died;
}

static void crash_master(void)
{
    if (master == NULL || !master->is_alive)
        return;
    is_power_loss = dice_chance(400);
    proc_kill(master);
}

/* ---- workers ---- */

static struct machine *any_machine(void)
{
    return &machines[dice_roll(settings.n_machines)];
}

static int64_t draw_pause(void)
{
    return dice_chance(600) ? dice_span(SECONDS) : dice_between(SECONDS, 3 * settings.lease_us);
}

static void on_boot_due(void *arg, uint64_t n)
{
    struct machine *m = arg;
    (void)n;
    if (!m->is_on)
        machine_boot(m);
}

static void power_cycle(struct machine *m)
{
    if (!m->is_on)
        return;
    network_lose(m->index);
    machine_lose_power(m);
    event_in(dice_between(SECONDS, 2 * settings.lease_us), on_boot_due, m, 0);
}

static void hit_shepherd(struct machine *m)
{
    size_t n = machine_n_shepherds(m);
    if (n == 0)
        return;
    struct proc *p = machine_shepherd(m, dice_roll(n));
    if (dice_chance(500)) {
        proc_kill(p);
        return;
    }
    proc_pause(p, sim.now_us + draw_pause());
    if (p->longest_pause_us <= frozen_us())
        return;
    for (size_t i = 0; i < truths.n; i++)
        if (truths.all[i]->is_alive && truths.all[i]->machine == m->index)
            truths.all[i]->was_frozen = true;
}

static void hit_agent(struct machine *m)
{
    if (m->agent == NULL)
        return;
    if (dice_chance(400))
        proc_kill(m->agent);
    else if (dice_chance(300))
        agent_stop(m);
    else
        proc_pause(m->agent, sim.now_us + draw_pause());
}

static void set_clock(void)
{
    struct clock *c = dice_chance(500) ? &head_clock : &any_machine()->clock;
    c->wall_us += dice_between(-3600 * SECONDS, 3600 * SECONDS);
    note("clock.set", 0, 0, 0, (uint64_t)c->wall_us);
}

/* ---- the line ---- */

static void cut_some(void)
{
    size_t line = dice_chance(700) ? dice_roll(settings.n_machines)
                                   : MACHINES_MAX + dice_roll(settings.n_clients);
    uint64_t way = dice_roll(3);
    int64_t us = dice_chance(500) ? dice_span(5 * SECONDS)
                                  : dice_between(settings.lease_us, 4 * settings.lease_us);
    network_cut(line, way != 1, way != 0, sim.now_us + us);
}

static void break_some(void)
{
    size_t line = dice_chance(700) ? dice_roll(settings.n_machines)
                                   : MACHINES_MAX + dice_roll(settings.n_clients);
    network_break(line, dice_chance(300));
}

/* ---- */

static void hit(uint64_t kind)
{
    switch (kind) {
    case 0:
        crash_master();
        break;
    case 1:
        if (master && master->is_alive)
            proc_pause(master, sim.now_us + draw_pause());
        break;
    case 2:
        hit_agent(any_machine());
        break;
    case 3:
        hit_shepherd(any_machine());
        break;
    case 4:
        power_cycle(any_machine());
        break;
    case 5:
        machine_freeze(any_machine(), sim.now_us + draw_pause());
        break;
    case 6:
        cut_some();
        break;
    case 7:
        break_some();
        break;
    case 8:
        machine_kill_execd(any_machine());
        break;
    case 9:
        clients_kill(dice_roll(settings.n_clients));
        break;
    default:
        set_clock();
        break;
    }
}

static void on_fault(void *arg, uint64_t n)
{
    uint64_t sum = 0, kind = 0;
    (void)arg;
    (void)n;
    if (sim.now_us >= until_us)
        return;
    for (size_t i = 0; i < CQ_COUNT(weights); i++)
        sum += weights[i];
    for (uint64_t at = dice_roll(sum); at >= weights[kind]; kind++)
        at -= weights[kind];
    note("fault", kind, 0, 0, 0);
    hit(kind);
    event_in(dice_span(5 * SECONDS), on_fault, NULL, 0);
}

void chaos_start(int64_t end_us)
{
    until_us = end_us;
    is_power_loss = false;
    for (size_t i = 0; i < CQ_COUNT(weights); i++)
        weights[i] = dice_chance(350) ? 0 : 1 + dice_roll(6); /* runs differ in what they have */
    weights[CQ_COUNT(weights) - 1] = 1;
    on_master_due(NULL, 0);
    event_in(dice_span(5 * SECONDS), on_fault, NULL, 0);
}

void chaos_heal(void)
{
    sim.is_healed = true;
    note("heal", 0, 0, 0, 0);
    network_heal();
    for (struct proc *p = sim.procs; p; p = p->next) {
        p->failpoint_ppm = 0;
        if (p->paused_until_us > sim.now_us) {
            p->paused_until_us = sim.now_us;
            p->wake_at_us = NEVER_US;
            proc_wake_soon(p);
        }
    }
    for (size_t i = 0; i < settings.n_machines; i++) {
        machines[i].frozen_until_us = sim.now_us;
        on_boot_due(&machines[i], 0);
        machine_start_execd(&machines[i]);
    }
    on_master_due(NULL, 0);
}
