/* chipq-shepherd's file-local state, which every shepherd of the simulation needs fresh. */
#ifndef SIMTEST_SHEPHERD_H
#define SIMTEST_SHEPHERD_H

void lease_link_reset(void);

#endif
