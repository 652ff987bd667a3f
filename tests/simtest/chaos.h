/* What goes wrong in a run, drawn from its seed. */
#ifndef SIMTEST_CHAOS_H
#define SIMTEST_CHAOS_H

#include "tests/simtest/sim.h"

void chaos_start(int64_t until_us); /* faults until then */
void chaos_heal(void);              /* everything runs, and nothing is in its way */

#endif
