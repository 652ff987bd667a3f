/* chipq-shepherd in the simulation: its own main.c, queue, link and attempts, on the simulated
 * kernel. Only what an attempt's process is (spawn.c, output.c) is made up here. */
#define main shepherd_main
int shepherd_main(int argc, char **argv);
#include "worker/shepherd/main.c"
#undef main

#include "tests/simtest/breaks.h"
#include "tests/simtest/jobs.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/shepherd.h"

#include "common/base/pure/mem.h"

static void turn(struct proc *p)
{
    struct shepherd *s = p->self;
    lease_link_reset();
    if (s == NULL) {
        s = p->self = CQ_NEW(struct shepherd);
        set_up(s, false);
    } else {
        wait_and_read(s);
    }
    if (breaks(BREAK_IMMORTAL))
        s->until_us = INT64_MAX / 2;
    act(s, clock_mono_us());
    if (is_over(s)) {
        leave(s);
        proc_kill(p); /* it ends, and so does what is below it */
    }
    proc_wake_local(p, attempt_wake_at_us(s));
    proc_wake_local(p, s->flush_at_us);
    if (!s->is_expired)
        proc_wake_local(p, s->until_us);
    if (s->agent_fd >= 0 && kernel_is_ready(s->agent_fd, POLLIN))
        proc_wake_soon(p);
    if (s->is_link_full && s->agent_fd >= 0 && kernel_is_ready(s->agent_fd, POLLOUT))
        proc_wake_soon(p);
}

struct proc *shepherd_start(struct machine *m, uint64_t lease, const int fds[3],
                            void (*died)(struct proc *p))
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s/lease-%llu", m->name, (unsigned long long)lease);
    struct proc *p = proc_new(PROC_SHEPHERD, m, &m->clock, name);
    for (int i = 0; i < 3; i++)
        kernel_alias(p, SHEPHERD_FD_SPEC + i, kernel_give(p, fds[i]));
    p->turn = turn;
    p->died = died;
    p->failpoint_ppm = sim.is_healed ? 0 : 300;
    proc_wake_soon(p);
    return p;
}

/* ---- spawn.c, output.c, confine.c: the outer world of an attempt ---- */

int spawn_attempt(struct shepherd *s, struct running *r, struct cq_err *err)
{
    struct truth t = {.job = r->record.job,
                      .task = r->record.task,
                      .attempt = r->record.attempt,
                      .lease = s->spec.lease,
                      .machine = sim.current->machine->index,
                      .is_never = (r->record.flags & LEASE_F_NEVER) != 0,
                      .mem_mib = s->spec.mem_mib,
                      .was_frozen = sim.current->longest_pause_us > frozen_us()};
    (void)cq_copy_text(t.cores, sizeof t.cores, s->spec.cpus);
    if (dice_chance(10))
        return cq_fail(err, CQ_E_NOT_FOUND, "no such program: job");
    r->pid = jobs_start(&t);
    if (breaks(BREAK_DOUBLE_START) && dice_chance(100))
        (void)jobs_start(&t);
    return 0;
}

void spawn_clean(struct shepherd *s, struct running *r)
{
    (void)s;
    (void)r;
}

int output_open(struct running *r, const char *dir, struct cq_err *err)
{
    (void)dir;
    (void)err;
    r->log_bytes = r->dropped_bytes = 0;
    return 0;
}

void output_watch(struct shepherd *s, int64_t now_us)
{
    (void)now_us;
    s->now_running.check_at_us = INT64_MAX;
}

void output_on_event(struct shepherd *s, int64_t now_us)
{
    (void)s;
    (void)now_us;
}

bool output_finish(struct running *r)
{
    (void)r;
    return false;
}

void output_limit_text(const struct running *r, char *to, size_t size)
{
    (void)r;
    (void)cq_copy_text(to, size, "too much output");
}

void output_say(const struct running *r, const char *text)
{
    (void)r;
    (void)text;
}

void confine(struct shepherd *s)
{
    (void)s;
}

void confine_again(const struct shepherd *s)
{
    (void)s;
}

void limits_open(struct limits *l, const int dirs[GROUP_KIND_COUNT])
{
    (void)dirs;
    memset(l, 0, sizeof *l);
}

void limits_read(const struct limits *l, struct limits_reading *out)
{
    (void)l;
    memset(out, 0, sizeof *out);
}

void limits_reset_peak(struct limits *l)
{
    (void)l;
}

enum keeper tree_keeper(bool is_user_namespace, int group_fd)
{
    (void)is_user_namespace;
    (void)group_fd;
    return KEEPER_PID_NAMESPACE;
}

const char *keeper_text(uint32_t keeper)
{
    return keeper == KEEPER_PID_NAMESPACE ? "pid-namespace" : "?";
}
