/* The simulated network: every peer of chipqd has a line to it. A connection keeps its order, as
 * TCP does, and loses what is on its way when it breaks; what was on its way to chipqd may still
 * come later, after the words of the next connection. A line can be cut in each direction. */
#ifndef SIMTEST_NETWORK_H
#define SIMTEST_NETWORK_H

#include "common/net/zsock.h"
#include "tests/simtest/sim.h"

enum { LINES_MAX = 16 };

void network_reset(void);
void network_set_line(struct proc *p, size_t line); /* the host that a process speaks from */
void network_cut(size_t line, bool up, bool down, int64_t until_us);
/* All connections of a line break. Silent: nobody is told, until somebody notices. */
void network_break(size_t line, bool is_silent);
void network_lose(size_t line); /* as network_break, silent, and nothing arrives late */
void network_server_died(bool is_silent);
void network_client_died(struct proc *p);
void network_heal(void);

#endif
