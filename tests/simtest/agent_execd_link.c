/* The agent's link to execd, with a way to exchange what it keeps in variables of its file: in the
 * simulation several agents live in one program. */
#include "worker/agent/execd_link.c"

#include "tests/simtest/agent.h"

void execd_link_take(struct held_leases *mine)
{
    held = mine->leases;
    n_held = mine->n;
    held_cap = mine->cap;
}

void execd_link_keep(struct held_leases *mine)
{
    *mine = (struct held_leases){held, n_held, held_cap};
}
