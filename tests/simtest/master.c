/* chipqd in the simulation: its own serve.c, turn, sessions and outbox, on a simulated disk, loop
 * and network. It may be killed at any failpoint. */
#include "scheduler/daemon/serve.c"

#include "tests/simtest/breaks.h"
#include "tests/simtest/disk.h"
#include "tests/simtest/loop.h"
#include "tests/simtest/network.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/rules.h"

struct proc *master;
struct settings settings;
struct clock head_clock;

/* Any 40 characters of the alphabet are a key here; these tell whose. */
void key_of(const char *name, const char *role, struct curve_key *key)
{
    *key = (struct curve_key){0};
    (void)cq_copy_text(key->role, sizeof key->role, role);
    memset(key->public_key, '0', CURVE_Z85_CHARS);
    memcpy(key->public_key, name, strlen(name));
}

int sim_curve_key_read(const char *path, struct curve_key *key, struct cq_err *err)
{
    (void)path;
    (void)err;
    const struct machine *m = sim.current->machine;
    key_of(m ? m->name : "head", m ? "worker" : "server", key);
    return 0;
}

static const struct daemon_options *options_of_run(void)
{
    static struct daemon_options o;
    static char dir[] = "/sim";
    o = (struct daemon_options){.dir = dir,
                                .heartbeat_us = settings.heartbeat_us,
                                .lease_us = settings.lease_us,
                                .grace_us = settings.grace_us,
                                .suspect_us = settings.suspect_us,
                                .reclaim_grace_us = 10 * SECONDS,
                                .default_time_us = 600 * SECONDS,
                                .default_mem_mib = 256,
                                .ready_fd = -1};
    return &o;
}

static void boot(struct proc *p)
{
    struct daemon *d = CQ_NEW(struct daemon);
    struct cq_err err = {0};
    d->options = options_of_run();
    rules_restart();
    if (set_up(d, &err) != 0)
        sim_fail("start", "chipqd does not start: %s", err.text);
    loop_on_turn(d->loop, turn_end, d);
    loop_again(d->loop);
    p->self = d;
    note("chipqd.start", core_epoch(d->core), 0, 0, 0);
}

static void turn(struct proc *p)
{
    struct daemon *d = p->self;
    if (d == NULL) {
        boot(p);
        return;
    }
    loop_run_turn(d->loop);
    rules_books(d->core, loop_now(d->loop));
}

void master_start(void)
{
    master = proc_new(PROC_CHIPQD, NULL, &head_clock, "chipqd");
    master->turn = turn;
    master->failpoint_ppm = sim.is_healed ? 0 : 300;
    proc_wake_soon(master);
}

const struct core *master_core(void)
{
    const struct daemon *d = master && master->is_alive ? master->self : NULL;
    return d ? d->core : NULL;
}

/* ---- the first database ---- */

static void feed_core(struct core *c, struct effects *e, const struct input *in)
{
    struct cq_err err = {0};
    if (core_step(c, in, (struct now){1, 1}, e, &err) != 0)
        sim_fail("init", "%s", err.text);
}

static void add_user(struct core *c, struct effects *e, const char *enterprise, const char *name,
                     enum role role)
{
    struct curve_key key;
    struct input in = {.type = INPUT_USER_ADD, .request = 1};
    key_of(name, "", &key);
    in.u.user_add.enterprise = enterprise;
    in.u.user_add.name = name;
    in.u.user_add.public_key = key.public_key;
    in.u.user_add.role = role;
    feed_core(c, e, &in);
}

static void fill(struct core *c, struct effects *e)
{
    core_load_done(c, (struct now){1, 1}, e);
    for (size_t i = 0; i < 2; i++) {
        struct input in = {.type = INPUT_ENTERPRISE_ADD, .request = 1};
        in.u.enterprise_add.name = i ? "bolt" : "acme";
        feed_core(c, e, &in);
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        add_user(c, e, i < 2 ? "acme" : "bolt", people_names[i], ROLE_ENTERPRISE_ADMIN);
    add_user(c, e, "acme", people_names[OPERATOR], ROLE_PLATFORM_ADMIN);
    for (size_t i = 0; i < MACHINES_MAX; i++)
        add_user(c, e, "", machines[i].name, ROLE_WORKER);
}

void master_make_disk(void)
{
    disk_make(fill);
}
