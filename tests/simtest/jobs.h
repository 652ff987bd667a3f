/* What shepherds run: the processes of attempts, and with them the ground truth of a run. */
#ifndef SIMTEST_JOBS_H
#define SIMTEST_JOBS_H

#include "tests/simtest/sim.h"

#include <sys/types.h>

struct truth { /* one start that happened */
    uint64_t job, task, attempt, lease;
    size_t machine;
    int64_t begin_us, end_us; /* the run's time; end: all its processes are dead */
    int status;               /* as of wait, of its first process; -1 while that runs */
    bool is_alive, is_never;
    bool was_frozen; /* its keeper could not act when it should have */
    uint64_t mem_mib;
    char cores[64];
};

struct truth_list {
    struct truth **all;
    size_t n, cap;
};
extern struct truth_list truths;

void jobs_reset(void);

/* Starts one for the shepherd that runs; `t` is copied. Returns its pid. */
pid_t jobs_start(const struct truth *t);

/* The kernel's part; `parent` is the shepherd. */
int jobs_signal(struct proc *parent, uint64_t pid, int signal_number);
void jobs_kill_all_of(struct proc *parent);
pid_t jobs_reap(struct proc *parent, int *status); /* 0: none has ended; -1: there is none */
void jobs_parent_died(struct proc *parent);
void jobs_machine_died(const struct machine *m);
size_t jobs_alive(void);

#endif
