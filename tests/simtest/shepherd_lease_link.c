/* The shepherd's link to the agent. The packet that it fills is a variable of its file: in the
 * simulation the next shepherd must not send what one that was killed had begun. */
#include "worker/shepherd/lease_link.c"

#include "tests/simtest/shepherd.h"

void lease_link_reset(void)
{
    outgoing.n = 0;
}
