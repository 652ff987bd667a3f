// LINK: cq_core
/* Random pools, trees, limits, licences, bookings and histories, each from its seed, through the
 * real core in virtual time. Cores go offline and come back. Checked at every step: nothing is
 * granted twice or offline, no victim falls under its own guarantee, who is within a guarantee gets
 * it in time, a place that was promised is there in time, bookings keep their place, nothing starts
 * before what it depends on; now and then: a rebuilt core decides the same, and advice that is
 * taken lets the job start. In the end everything that can start has started. The oracle looks on
 * in debug builds.
 *
 * A failing seed prints how to replay it. CHIPQ_SEED is the first seed, CHIPQ_ROUNDS how many;
 * without them the first fifty, and those that once failed. promises: P10 */
#include <criterion/criterion.h>

#include "tests/trace/policy_round.h"

enum { STEPS = 150 };

static void play_seed(uint64_t seed)
{
    play_round(&(struct dice){.state = seed}, STEPS);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Seeds that found what was wrong, and was mended. */
static const uint64_t found[] = {282,  580,  1720, 2054, 2744, 3130, 5027,
                                 5070, 5840, 5867, 7273, 1017, 9080, 9007};

Test(policy_random, histories_keep_the_promises_of_the_policy, .timeout = 3000)
{
    bool one = getenv("CHIPQ_SEED") != NULL;
    uint64_t first = number_from("CHIPQ_SEED", 1);
    uint64_t rounds = number_from("CHIPQ_ROUNDS", one ? 1 : 50);
    cr_assert_gt(rounds, 0, "CHIPQ_ROUNDS is no number of histories");
    for (uint64_t i = 0; i < rounds; i++)
        play_seed(first + i);
    for (size_t i = 0; i < CQ_COUNT(found) && !one; i++)
        play_seed(found[i]);
}
