/* Histories of workers that answer late, twice or never (tests/trace/core_history.h), with dice
 * that the fuzzer throws. Whatever those check after each step is checked here. */
#include "tests/fuzz/fuzz.h"

#include "tests/trace/core_history.h"

enum { STEPS = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > 0)
        run_history(&(struct dice){.bytes = data, .n_bytes = bytes}, STEPS);
    return 0;
}
