/* Processes: woken, paused and killed; each with a heap and a clock of its own. */
#include "tests/simtest/kernel.h"
#include "tests/simtest/sim.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

enum { LATENCY_US = 150 };

/* ---- clocks: a rate that is a little wrong, and a wall time that somebody may set ---- */

static int64_t local_at(const struct clock *c, int64_t us)
{
    return c->offset_us + us + us * c->ppm / 1000000;
}

int64_t clock_local_us(const struct clock *c)
{
    return local_at(c, sim.now_us);
}

int64_t clock_when(const struct clock *c, int64_t local_us)
{
    if (local_us == NEVER_US)
        return NEVER_US;
    int64_t us = (local_us - c->offset_us) * 1000000 / (1000000 + c->ppm) - 2;
    us = us < 0 ? 0 : us;
    while (local_at(c, us) < local_us)
        us += local_us - local_at(c, us) > 4 ? (local_us - local_at(c, us)) / 2 : 1;
    return us;
}

/* ---- life ---- */

struct proc *proc_new(enum proc_kind kind, struct machine *m, struct clock *clock, const char *name)
{
    static uint64_t last_pid;
    struct heap *old = heap_enter(&sim.world);
    struct proc *p = CQ_NEW(struct proc);
    heap_leave(old);
    if (sim.procs == NULL)
        last_pid = 0;
    p->kind = kind;
    p->machine = m;
    p->clock = clock;
    p->pid = 1000 + ++last_pid;
    p->is_alive = true;
    p->wake_at_us = NEVER_US;
    if (m && m->frozen_until_us > sim.now_us)
        p->paused_until_us = m->frozen_until_us;
    (void)cq_copy_text(p->name, sizeof p->name, name);
    heap_open(&p->heap);
    p->next = sim.procs;
    sim.procs = p;
    return p;
}

void proc_enter(struct proc *p, void (*fn)(struct proc *p))
{
    jmp_buf here;
    jmp_buf *volatile outer = sim.crash_jump;
    struct proc *volatile before = sim.current;
    struct heap *volatile old = heap_enter(&p->heap);
    sim.current = p;
    sim.crash_jump = &here;
    if (setjmp(here) == 0)
        fn(p);
    sim.crash_jump = outer;
    sim.current = before;
    heap_leave(old);
    if (!p->is_alive)
        heap_free_all(&p->heap);
}

static void on_wake(void *arg, uint64_t n)
{
    struct proc *p = arg;
    (void)n;
    if (!p->is_alive || p->wake_at_us != sim.now_us)
        return; /* another event has been asked for since */
    if (p->paused_until_us > sim.now_us) {
        p->wake_at_us = NEVER_US;
        proc_wake(p, p->paused_until_us);
        return;
    }
    p->wake_at_us = NEVER_US;
    proc_enter(p, p->turn);
}

void proc_wake(struct proc *p, int64_t at_us)
{
    if (at_us < sim.now_us)
        at_us = sim.now_us;
    if (!p->is_alive || at_us >= p->wake_at_us)
        return;
    p->wake_at_us = at_us;
    event_at(at_us, on_wake, p, 0);
}

void proc_wake_local(struct proc *p, int64_t local_us)
{
    if (local_us != NEVER_US)
        proc_wake(p, clock_when(p->clock, local_us));
}

void proc_wake_soon(struct proc *p)
{
    proc_wake(p, sim.now_us + dice_between(1, LATENCY_US));
}

void proc_pause(struct proc *p, int64_t until_us)
{
    if (!p->is_alive || until_us <= p->paused_until_us)
        return;
    int64_t begin_us = p->paused_until_us > sim.now_us ? p->paused_until_us : sim.now_us;
    note("pause", p->kind, p->pid, (uint64_t)(until_us - begin_us), 0);
    p->paused_until_us = until_us;
    if (until_us - sim.now_us > p->longest_pause_us)
        p->longest_pause_us = until_us - sim.now_us;
}

void proc_kill(struct proc *p)
{
    if (!p->is_alive)
        return;
    note("kill", p->kind, p->pid, 0, 0);
    p->is_alive = false;
    kernel_close_all(p);
    if (p->died)
        p->died(p);
    if (p == sim.current)
        longjmp(*sim.crash_jump, 1);
    heap_free_all(&p->heap);
}
