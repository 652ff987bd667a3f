// LINK: cq_core
/* Random histories of a small pool, each from its seed: submits, ends, losses, cancels, restarts of
 * chipqd, of agents and of machines. A model of the workers answers the core's messages, late,
 * twice or never. After each step the books are checked against the model; now and then the state
 * is rebuilt from the journal and from the views, and must be the same and decide the same.
 *
 * A failing seed prints itself; CHIPQ_SEED=N CHIPQ_ROUNDS=1 replays it.
 * promises: P4 P5 P6 P8 P10 */
#include <criterion/criterion.h>

#include "tests/trace/core_history.h"

enum { STEPS = 220 };

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

Test(core_random, histories_keep_their_promises, .timeout = 300)
{
    uint64_t first = number_from("CHIPQ_SEED", 1), rounds = number_from("CHIPQ_ROUNDS", 150);
    cr_assert_gt(rounds, 0, "CHIPQ_ROUNDS is no number of histories");
    for (uint64_t i = 0; i < rounds; i++)
        run_history(&(struct dice){.state = first + i}, STEPS);
}
