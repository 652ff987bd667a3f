/* A machine: its execd, a model that keeps to worker/lease/execd_proto.h; power, and none. */
#include "tests/simtest/kernel.h"
#include "tests/simtest/network.h"
#include "tests/simtest/nodes.h"

#include "common/base/pure/mem.h"
#include "tests/simtest/jobs.h"
#include "worker/lease/execd_proto.h"
#include "worker/lease/group.h"
#include "worker/lease/journal.h"
#include "worker/lease/proto.h"

#include <errno.h>

struct machine machines[MACHINES_MAX];

struct child {
    struct proc *proc;
    uint64_t lease;
    bool is_dead;
};

struct execd {
    int agent_fd;
    int64_t agent_at_us; /* the run's time; NEVER_US: one lives */
    struct child *children;
    size_t n, cap;
};

static void say(struct execd *x, uint32_t type, uint64_t lease, int64_t pid, int32_t error)
{
    struct execd_event e = {.version = EXECD_PROTO_VERSION,
                            .type = type,
                            .lease = lease,
                            .pid = pid,
                            .error = error,
                            .status = SIGKILL,
                            .keeper = KEEPER_PID_NAMESPACE};
    (void)cq_copy_text(e.limits, sizeof e.limits, "none");
    (void)sim_send(x->agent_fd, &e, sizeof e, 0);
}

/* Of a machine; NULL: none runs, or it has not come to do anything yet. */
static struct execd *execd_of(const struct machine *m)
{
    return m->execd && m->execd->is_alive ? m->execd->self : NULL;
}

static void agent_died(struct proc *p)
{
    struct execd *x = execd_of(p->machine);
    network_client_died(p);
    p->machine->agent = NULL;
    if (x == NULL)
        return;
    x->agent_at_us = sim.now_us + dice_between(50 * MS, 500 * MS);
    proc_wake(p->machine->execd, x->agent_at_us);
}

static void start_agent(struct proc *p, struct execd *x)
{
    int pair[2];
    if (x->agent_fd >= 0)
        (void)sim_close(x->agent_fd);
    (void)sim_socketpair(0, 0, 0, pair);
    x->agent_fd = pair[0];
    x->agent_at_us = NEVER_US;
    p->machine->agent = agent_start(p->machine, pair[1]);
    p->machine->agent->died = agent_died;
    network_set_line(p->machine->agent, p->machine->index);
    (void)sim_close(pair[1]);
    for (size_t i = 0; i < x->n; i++)
        if (!x->children[i].is_dead)
            say(x, EXECD_HELD, x->children[i].lease, (int64_t)x->children[i].proc->pid, 0);
    say(x, EXECD_HELLO, 0, 0, 0);
}

/* The namespace goes with its first process; then execd hears of it. */
static void shepherd_died(struct proc *p)
{
    jobs_parent_died(p);
    kernel_process_ended(p);
    struct execd *x = execd_of(p->machine);
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->n; i++)
        if (x->children[i].proc == p)
            x->children[i].is_dead = true;
    proc_wake_soon(p->machine->execd);
}

static bool has_lease(const struct execd *x, uint64_t lease)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->children[i].lease == lease)
            return true;
    return false;
}

static void start_shepherd(struct proc *p, struct execd *x, uint64_t lease, const int fds[3])
{
    if (has_lease(x, lease) || (!sim.is_healed && dice_chance(5))) {
        say(x, EXECD_FAILED, lease, -1, has_lease(x, lease) ? EEXIST : EAGAIN);
        return;
    }
    struct proc *child = shepherd_start(p->machine, lease, fds, shepherd_died);
    cq_grow(&x->children, &x->cap, x->n);
    x->children[x->n++] = (struct child){.proc = child, .lease = lease};
    journal_set_keeper(fds[2], (int64_t)child->pid, UINT32_MAX);
    say(x, EXECD_STARTED, lease, (int64_t)child->pid, 0);
}

static void kill_shepherd(struct execd *x, uint64_t lease)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->children[i].lease == lease && !x->children[i].is_dead)
            proc_kill(x->children[i].proc);
}

static bool read_request(struct proc *p, struct execd *x)
{
    struct execd_request r = {0};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(EXECD_START_FDS * sizeof(int))];
    struct iovec iov = {&r, sizeof r};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (x->agent_fd < 0 || sim_recvmsg(x->agent_fd, &m, 0) != (ssize_t)sizeof r)
        return false;
    if (r.type == EXECD_START && m.msg_controllen > 0) {
        int fds[EXECD_START_FDS];
        memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fds);
        start_shepherd(p, x, r.lease, fds);
        for (size_t i = 0; i < EXECD_START_FDS; i++)
            (void)sim_close(fds[i]);
    } else if (r.type == EXECD_KILL) {
        kill_shepherd(x, r.lease);
    }
    return true;
}

static void tell_ends(struct execd *x)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->children[i].is_dead) {
            say(x, EXECD_ENDED, x->children[i].lease, (int64_t)x->children[i].proc->pid, 0);
            x->children[i--] = x->children[--x->n];
        }
}

static void turn(struct proc *p)
{
    struct execd *x = p->self;
    if (x == NULL) {
        x = p->self = CQ_NEW(struct execd);
        x->agent_fd = -1;
        x->agent_at_us = sim.now_us;
    }
    while (read_request(p, x))
        ;
    tell_ends(x);
    if (x->agent_at_us <= sim.now_us && p->machine->agent != NULL)
        x->agent_at_us = sim.now_us + 200 * MS; /* an older one holds the instance's lock */
    else if (x->agent_at_us <= sim.now_us)
        start_agent(p, x);
    proc_wake(p, x->agent_at_us);
}

/* ---- power ---- */

void machine_start_execd(struct machine *m)
{
    char name[32];
    if (!m->is_on || m->execd != NULL)
        return;
    (void)snprintf(name, sizeof name, "%s/execd", m->name);
    m->execd = proc_new(PROC_EXECD, m, &m->clock, name);
    m->execd->turn = turn;
    proc_wake_soon(m->execd);
}

static void on_execd_due(void *arg, uint64_t n)
{
    (void)n;
    machine_start_execd(arg);
}

void machine_kill_execd(struct machine *m)
{
    struct proc *execd = m->execd;
    if (execd == NULL)
        return;
    m->execd = NULL;
    proc_kill(execd);
    event_in(dice_span(SECONDS), on_execd_due, m, 0);
}

void machine_boot(struct machine *m)
{
    sim_randombytes_buf(&m->boot_id, sizeof m->boot_id);
    m->clock.offset_us = dice_between(1, 100 * SECONDS) - sim.now_us; /* boot time starts anew */
    m->frozen_until_us = 0;
    note("machine.boot", m->index, 0, 0, 0);
    m->is_on = true;
    machine_start_execd(m);
}

void machine_lose_power(struct machine *m)
{
    note("machine.off", m->index, 0, 0, 0);
    jobs_machine_died(m);
    m->is_on = false;
    m->execd = NULL;
    for (struct proc *p = sim.procs; p; p = p->next)
        if (p->machine == m)
            proc_kill(p);
    m->agent = NULL;
    kernel_lose_power(m);
}

void machine_freeze(struct machine *m, int64_t until_us)
{
    if (!m->is_on)
        return;
    m->frozen_until_us = until_us;
    for (struct proc *p = sim.procs; p; p = p->next)
        if (p->machine == m)
            proc_pause(p, until_us);
    if (until_us - sim.now_us <= frozen_us())
        return;
    for (size_t i = 0; i < truths.n; i++)
        if (truths.all[i]->machine == m->index && truths.all[i]->is_alive)
            truths.all[i]->was_frozen = true;
}

struct proc *machine_shepherd(const struct machine *m, size_t nth)
{
    for (struct proc *p = sim.procs; p; p = p->next)
        if (p->machine == m && p->kind == PROC_SHEPHERD && p->is_alive && nth-- == 0)
            return p;
    return NULL;
}

size_t machine_n_shepherds(const struct machine *m)
{
    size_t n = 0;
    while (machine_shepherd(m, n))
        n++;
    return n;
}
