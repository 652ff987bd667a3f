/* A task's row in the database: whatever decodes must encode, and come back the same. */
#include "scheduler/store/stored.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct stored_task first, second;
    struct cq_str one = {0}, two = {0};
    if (stored_task_decode(data, bytes, &first, NULL) != 0)
        return 0;
    stored_task_encode(&first, &one);
    FUZZ_CHECK(stored_task_decode(one.data, one.len, &second, NULL) == 0);
    stored_task_encode(&second, &two);
    FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    stored_task_fini(&first);
    stored_task_fini(&second);
    cq_str_fini(&one);
    cq_str_fini(&two);
    return 0;
}
