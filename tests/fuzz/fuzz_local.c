/* Between a command and chipq-helper: the same frames come out however the stream was cut, and no
 * frame reaches beyond what came. The first byte says where it is cut. */
#include "common/client/local.h"
#include "common/wire/message.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    size_t n, bytes;
    int end;
};

static void look(struct cq_str *in, struct seen *s)
{
    struct local_piece p;
    size_t at = 0;
    int next;
    while ((next = local_next(in, &at, &p)) == 1) {
        FUZZ_CHECK(p.bytes == 0 || (p.data >= in->data && p.data + p.bytes <= in->data + in->len));
        FUZZ_CHECK(at <= in->len);
        if (p.type == LOCAL_MESSAGE)
            (void)msg_request_of(p.data, p.bytes);
        s->n++;
        s->bytes += p.bytes;
    }
    s->end = next;
    local_drop(in, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct cq_str whole = {0}, parts = {0};
    struct seen one = {0}, two = {0};
    if (bytes == 0)
        return 0;
    size_t cut = data[0] < bytes ? data[0] : bytes - 1;
    cq_str_append(&whole, data + 1, bytes - 1);
    look(&whole, &one);
    cq_str_append(&parts, data + 1, cut);
    look(&parts, &two);
    if (two.end == 0) {
        cq_str_append(&parts, data + 1 + cut, bytes - 1 - cut);
        look(&parts, &two);
    }
    FUZZ_CHECK(one.end == two.end && one.n == two.n && one.bytes == two.bytes);
    cq_str_fini(&whole);
    cq_str_fini(&parts);
    return 0;
}
