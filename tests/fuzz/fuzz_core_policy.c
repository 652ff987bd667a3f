/* Histories of the policy (tests/trace/policy_round.h) with dice that the fuzzer throws: honest
 * workers, random pools, shares, limits, licences, bookings and dependencies. Whatever those check
 * after each step is checked here. */
#include "tests/fuzz/fuzz.h"

#include "tests/trace/policy_round.h"

enum { STEPS = 40 }; /* each costs: there is a lot to check */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > 0)
        play_round(&(struct dice){.bytes = data, .n_bytes = bytes}, STEPS);
    return 0;
}
