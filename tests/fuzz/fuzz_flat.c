/* The flat reader: the input's first bytes choose what is read from the rest; no read may go past
 * the end, and a failure stays. */
#include "common/base/pure/flat.h"
#include "tests/fuzz/fuzz.h"

static void read_one(struct flat_reader *r, uint8_t what)
{
    size_t n = 0;
    bool had_failed = r->failed;
    const uint8_t *at;
    char *text;
    switch (what % 5) {
    case 0:
        FUZZ_CHECK(flat_get_u64(r) == 0 || !r->failed);
        break;
    case 1:
        FUZZ_CHECK(flat_get_i64(r) == 0 || !r->failed);
        break;
    case 2:
        at = flat_get_bytes(r, what, &n);
        FUZZ_CHECK(n <= what && (r->failed ? n == 0 : at + n == r->data + r->pos));
        break;
    case 3:
        text = flat_get_text(r, what);
        FUZZ_CHECK(strlen(text) <= what);
        free(text);
        break;
    default:
        FUZZ_CHECK(flat_get_count(r, what) <= r->len - r->pos);
        break;
    }
    FUZZ_CHECK(r->failed || !had_failed);
    FUZZ_CHECK(r->pos <= r->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t script = bytes < 16 ? bytes / 2 : 8;
    struct flat_reader r = flat_reader_of(data + script, bytes - script);
    for (size_t i = 0; i < script; i++)
        read_one(&r, data[i]);
    struct flat_reader number = flat_reader_of(data, bytes);
    uint64_t value = flat_get_u64(&number);
    if (!number.failed) {
        struct cq_str out = {0};
        flat_put_u64(&out, value);
        struct flat_reader again = flat_reader_of(out.data, out.len);
        FUZZ_CHECK(flat_get_u64(&again) == value && flat_at_end(&again));
        cq_str_fini(&out);
    }
    return 0;
}
