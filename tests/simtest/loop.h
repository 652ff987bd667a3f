/* What the simulated loop (loop.c, in place of common/net/loop.c) and the simulated sockets
 * (network.c, in place of common/net/zsock.c) have in common. */
#ifndef SIMTEST_LOOP_H
#define SIMTEST_LOOP_H

#include "common/net/loop.h"
#include "tests/simtest/sim.h"

/* One turn of the process that runs, at this moment; then it sleeps until something happens. */
void loop_run_turn(struct loop *l);
bool loop_is_stopped(const struct loop *l);

/* A socket takes part in every turn. */
struct loop_part;
typedef bool (*loop_part_fn)(void *arg); /* true: there is more */
struct loop_part *loop_part_new(struct loop *l, loop_part_fn fn, void *arg);
void loop_part_close(struct loop_part *p);
struct proc *loop_proc(const struct loop *l);

/* Set while a coroutine runs (client.c): how loop_turn gives the processor back. */
extern void (*loop_yield)(void);

#endif
