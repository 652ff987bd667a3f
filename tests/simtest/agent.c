/* chipq-worker in the simulation: its own main.c and all that it decides with, on the simulated
 * kernel, loop and network. Made up here: what it would read from hardware, and what it does for
 * people (logs, progress, outputs). */
#define main agent_main
int agent_main(int argc, char **argv);
#include "worker/agent/main.c"
#undef main

#include "tests/simtest/agent.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/loop.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/rules.h"

struct agent_self {
    struct agent agent;
    struct held_leases held;
};

static void finish(struct proc *p, struct agent *a)
{
    tear_down(a);
    proc_kill(p);
}

static void start(struct proc *p)
{
    struct agent_self *self = CQ_NEW(struct agent_self);
    struct cq_err err = {0};
    execd_link_take(&self->held);
    self->agent.options =
        (struct agent_options){.topology.source = "synthetic:", /* nothing is bound */
                               .dir = "/sim",
                               .plugins_dir = "/sim",
                               .node = p->machine->name,
                               .execd_fd = EXECD_AGENT_FD};
    if (set_up(&self->agent, &err) != 0)
        sim_fail("agent", "%s does not start: %s", p->name, err.text);
    scan_start(&self->agent);
    execd_link_keep(&self->held);
    p->self = self;
    loop_run_turn(self->agent.loop);
}

static void turn(struct proc *p)
{
    struct agent_self *self = p->self;
    if (self == NULL) {
        start(p);
        return;
    }
    execd_link_take(&self->held);
    loop_run_turn(self->agent.loop);
    if (loop_is_stopped(self->agent.loop))
        finish(p, &self->agent);
    execd_link_keep(&self->held);
}

struct proc *agent_start(struct machine *m, int execd_fd)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s/worker", m->name);
    struct proc *p = proc_new(PROC_AGENT, m, &m->clock, name);
    kernel_alias(p, EXECD_AGENT_FD, kernel_give(p, execd_fd));
    p->turn = turn;
    p->failpoint_ppm = sim.is_healed ? 0 : 200;
    proc_wake_soon(p);
    return p;
}

void agent_stop(struct machine *m)
{
    struct agent_self *self = m->agent ? m->agent->self : NULL;
    if (self == NULL)
        return;
    loop_stop(self->agent.loop);
    proc_wake_soon(m->agent);
}

/* ---- what it reads from hardware ---- */

int topology_load(const struct topology_options *o, struct topology *out, struct cq_err *err)
{
    (void)o;
    (void)err;
    const struct machine *m = sim.current->machine;
    size_t n = m->cores + (breaks(BREAK_GREEDY) ? 2 : 0);
    *out = (struct topology){.mem_mib = m->mem_mib, .text = cq_strdup("")};
    for (size_t i = 0; i < n; i++) {
        bitset_set(&out->cores, i);
        bitset_set(&out->chosen, i);
    }
    return 0;
}

int topology_renew(const struct topology_options *o, struct topology *t, struct cq_err *err)
{
    (void)o;
    (void)t;
    (void)err;
    return 0;
}

void topology_fini(struct topology *t)
{
    bitset_fini(&t->cores);
    bitset_fini(&t->chosen);
    free(t->text);
}

void topology_cpus(const struct topology *t, const struct bitset *cores, uint64_t smt,
                   struct cq_str *out)
{
    (void)t;
    (void)smt;
    bitset_format(cores, out);
}

void topology_mems(const struct topology *t, const struct bitset *cores, struct cq_str *out)
{
    (void)t;
    (void)cores;
    (void)out;
}

void tools_load(const char *dir, const char *cache, struct tools *out)
{
    (void)dir;
    (void)cache;
    memset(out, 0, sizeof *out);
}

void tools_fini(struct tools *t)
{
    (void)t;
}

/* ---- what it does for people ---- */

void publish_outputs(const struct agent *a, const struct attempt *t)
{
    (void)a;
    note("publish", t->job, t->task, t->attempt, 0);
    rules_published(t->job, t->task, t->attempt);
}

bool publish_has_outputs(const struct agent *a, const struct attempt *t)
{
    (void)a;
    return t->end.exit_code == 0;
}

void logs_read(struct agent *a, const struct msg_log_read *m, uint64_t request)
{
    (void)a;
    (void)m;
    (void)request;
}

void logs_attempt_changed(struct agent *a, const struct attempt *t)
{
    (void)a;
    (void)t;
}

void logs_forget_all(struct agent *a)
{
    (void)a;
}

void logwatch_init(struct agent *a)
{
    (void)a;
}

void logwatch_fini(struct agent *a)
{
    (void)a;
}

void progress_start(struct attempt *t)
{
    (void)t;
}

void progress_stop(struct attempt *t)
{
    (void)t;
}

int tool_result_read(const char *dir, struct tool_result *out, struct cq_err *err)
{
    (void)dir;
    (void)err;
    *out = (struct tool_result){0};
    return 0;
}
