/* The wire codec: whatever decodes must encode, and come back the same. */
#include "common/wire/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct msg first, second;
    struct cq_str one = {0}, two = {0};
    struct cq_err err = {0};
    uint64_t request = msg_request_of(data, bytes);
    if (msg_decode(data, bytes, &first, &err) != 0) {
        FUZZ_CHECK(err.code == CQ_E_PROTOCOL || err.code == CQ_E_VERSION);
        return 0;
    }
    /* Fields that the sender left out are written, so a frame near its bound may not fit again. */
    if (msg_encode(&first, &one, &err) == 0) {
        FUZZ_CHECK(msg_decode(one.data, one.len, &second, &err) == 0);
        FUZZ_CHECK(first.request == request);
        FUZZ_CHECK(second.code == first.code && second.request == first.request);
        FUZZ_CHECK(msg_encode(&second, &two, &err) == 0);
        FUZZ_CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
        msg_fini(&second);
    } else {
        FUZZ_CHECK(err.code == CQ_E_LIMIT);
    }
    msg_fini(&first);
    cq_str_fini(&one);
    cq_str_fini(&two);
    return 0;
}
