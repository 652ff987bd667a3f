/* How many connections may come in: descriptors are kept free for what this process opens itself,
 * and some of them for connections by Unix sockets, so that a crowd at a TCP port shuts nobody out
 * who is on this machine. A connection over the bound is closed unread; its peer tries again. */
#ifndef CHIPQ_DOORS_H
#define CHIPQ_DOORS_H

#include <stdint.h>

/* `limit` is how many descriptors this process may have; at most 64 of them are kept free. Before
 * this call there is no bound. Holds for every accept4 of the process, libzmq's too. */
void doors_set_limit(int limit);

uint64_t doors_turned_away(void); /* so far; may be read from any thread */

#endif
