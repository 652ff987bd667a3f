/* The journal's record codec: the first byte chooses the type, the second the version, the rest is
 * the payload. Whatever decodes must encode, and come back the same. */
#include "scheduler/core/record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct record *first = NULL, *second = NULL;
    struct cq_str one = {0}, two = {0};
    struct cq_err err = {0};
    if (bytes < 2)
        return 0;
    enum record_type type = (enum record_type)data[0];
    uint64_t version = record_type_version(type);
    if (record_decode(type, data[1], data + 2, bytes - 2, &first, &err) != 0) {
        FUZZ_CHECK(err.code != CQ_OK);
        return 0;
    }
    record_encode(first, &one);
    FUZZ_CHECK(record_decode(type, version, one.data, one.len, &second, &err) == 0);
    record_encode(second, &two);
    FUZZ_CHECK(one.len == two.len && (one.len == 0 || memcmp(one.data, two.data, one.len) == 0));
    record_format_json(first, &two);
    record_free(first);
    record_free(second);
    cq_str_fini(&one);
    cq_str_fini(&two);
    return 0;
}
