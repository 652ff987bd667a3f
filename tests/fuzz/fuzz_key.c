/* The key file parser: whatever is a key can be written and read again. */
#include "common/net/curve.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct curve_key first, second;
    struct cq_str text = {0};
    struct cq_err err = {0};
    if (curve_key_parse((const char *)data, bytes, &first, &err) != 0)
        return 0;
    curve_key_format(&first, &text);
    FUZZ_CHECK(curve_key_parse(text.data, text.len, &second, &err) == 0);
    FUZZ_CHECK(memcmp(&first, &second, sizeof first) == 0);
    cq_str_fini(&text);
    return 0;
}
