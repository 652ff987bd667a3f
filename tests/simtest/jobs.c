/* Processes of attempts. They take their time, end well or badly, ignore signals, leave others
 * behind; only the kernel and time end them. */
#include "tests/simtest/jobs.h"

#include "common/base/pure/mem.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/kernel.h"
#include "tests/simtest/rules.h"

#include <errno.h>

struct job_proc {
    struct proc *parent; /* NULL: nobody reaps it any more */
    struct machine *machine;
    struct truth *truth;
    uint64_t pid;
    bool is_main, is_alive, ignores_term;
    int status;
    uint64_t generation; /* of its end, which a signal may bring forward */
    struct job_proc *next;
};

struct truth_list truths;
static struct job_proc *procs;
static uint64_t last_pid;

void jobs_reset(void)
{
    truths = (struct truth_list){0};
    procs = NULL;
    last_pid = 100000;
}

static void end_truth(struct truth *t)
{
    for (const struct job_proc *p = procs; p; p = p->next)
        if (p->truth == t && p->is_alive)
            return;
    t->is_alive = false;
    t->end_us = sim.now_us;
    note("job.over", t->job, t->task, t->attempt, (uint64_t)t->status);
}

static void end_proc(struct job_proc *p, int status)
{
    if (!p->is_alive)
        return;
    p->is_alive = false;
    p->status = status;
    p->generation++;
    if (p->is_main)
        p->truth->status = status;
    end_truth(p->truth);
    if (p->parent)
        kernel_child_ended(p->parent);
}

static void on_end(void *arg, uint64_t n)
{
    struct job_proc *p = arg;
    if (!p->is_alive || p->generation != n >> 16)
        return;
    if (p->machine->frozen_until_us > sim.now_us)
        event_at(p->machine->frozen_until_us + dice_between(1, MS), on_end, p, n);
    else
        end_proc(p, (int)(n & 0xffff));
}

static void end_in(struct job_proc *p, int64_t us, int status)
{
    event_in(us, on_end, p, ++p->generation << 16 | (uint64_t)status);
}

static struct job_proc *proc_add(struct truth *t, bool is_main)
{
    struct heap *old = heap_enter(&sim.world);
    struct job_proc *p = CQ_NEW(struct job_proc);
    heap_leave(old);
    p->parent = sim.current;
    p->machine = sim.current->machine;
    p->truth = t;
    p->pid = ++last_pid;
    p->is_main = is_main;
    p->is_alive = true;
    p->ignores_term = dice_chance(150);
    p->next = procs;
    procs = p;
    return p;
}

static int64_t draw_time(void)
{
    static const int64_t typical_us[] = {20 * MS,      300 * MS,     3 * SECONDS,
                                         20 * SECONDS, 90 * SECONDS, 90 * SECONDS};
    return dice_span(typical_us[dice_roll(CQ_COUNT(typical_us))]);
}

static int draw_status(void)
{
    return dice_chance(850) ? 0 : dice_chance(700) ? (int)(1 + dice_roll(3)) << 8 : SIGSEGV;
}

pid_t jobs_start(const struct truth *t)
{
    struct heap *old = heap_enter(&sim.world);
    struct truth *mine = CQ_NEW(struct truth);
    *mine = *t;
    mine->begin_us = sim.now_us;
    mine->is_alive = true;
    mine->status = -1;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&truths.all, &truths.cap, truths.n);
    truths.all[truths.n++] = mine;
    heap_leave(old);
    note("job.start", t->job, t->task, t->attempt, t->machine);
    struct job_proc *p = proc_add(mine, true);
    end_in(p, draw_time(), draw_status());
    if (dice_chance(100))
        end_in(proc_add(mine, false), draw_time() * 10, 0); /* goes on in the background */
    rules_started(mine);
    return (pid_t)p->pid;
}

int jobs_signal(struct proc *parent, uint64_t pid, int signal_number)
{
    for (struct job_proc *p = procs; p; p = p->next)
        if (p->pid == pid && p->parent == parent && p->is_alive) {
            if (signal_number == SIGKILL)
                end_in(p, dice_between(1, 2 * MS), SIGKILL);
            else if (signal_number == SIGTERM && !p->ignores_term)
                end_in(p, dice_between(1, 500 * MS), dice_chance(800) ? SIGTERM : 3 << 8);
            return 0;
        }
    errno = ESRCH;
    return -1;
}

void jobs_kill_all_of(struct proc *parent)
{
    for (struct job_proc *p = procs; p; p = p->next)
        if (p->parent == parent && p->is_alive)
            end_in(p, dice_between(1, 2 * MS), SIGKILL);
}

pid_t jobs_reap(struct proc *parent, int *status)
{
    bool has_any = false;
    for (struct job_proc **at = &procs; *at; at = &(*at)->next) {
        struct job_proc *p = *at;
        if (p->parent != parent)
            continue;
        has_any = true;
        if (p->is_alive)
            continue;
        pid_t pid = (pid_t)p->pid;
        *status = p->status;
        if (breaks(BREAK_FALSE_END) && p->is_main)
            *status = p->status ? 0 : 1 << 8;
        p->parent = NULL; /* reaped; its end may still be in the heap of events */
        return pid;
    }
    errno = ECHILD;
    return has_any ? 0 : -1;
}

/* Its process id was 1 in its namespace: the kernel kills all that is in it. */
void jobs_parent_died(struct proc *parent)
{
    for (struct job_proc *p = procs; p; p = p->next)
        if (p->parent == parent) {
            p->parent = NULL;
            if (!breaks(BREAK_ORPHANS))
                end_proc(p, SIGKILL);
        }
}

void jobs_machine_died(const struct machine *m)
{
    for (struct job_proc *p = procs; p; p = p->next)
        if (p->machine == m) {
            p->parent = NULL;
            end_proc(p, SIGKILL);
        }
}

size_t jobs_alive(void)
{
    size_t n = 0;
    for (const struct job_proc *p = procs; p; p = p->next)
        n += p->is_alive;
    return n;
}
