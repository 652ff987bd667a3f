/* The run specification: whatever decodes must encode, and come back the same. */
#include "common/wire/run_spec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct run_spec first, second;
    struct cq_str one = {0}, two = {0};
    struct cq_err err = {0};
    if (run_spec_decode(data, bytes, &first, &err) != 0)
        return 0;
    FUZZ_CHECK(first.argv[first.n_argv] == NULL && first.env[first.n_env] == NULL);
    run_spec_encode(&first, &one);
    FUZZ_CHECK(run_spec_decode(one.data, one.len, &second, &err) == 0);
    run_spec_encode(&second, &two);
    FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    run_spec_fini(&first);
    run_spec_fini(&second);
    cq_str_fini(&one);
    cq_str_fini(&two);
    return 0;
}
