/* What a licence feed printed: accepted samples are named, counted and told apart. */
#include "common/base/pure/parse.h"
#include "scheduler/daemon/feed_text.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed_samples s = {0};
    char *text = cq_memdup(data, bytes);
    int rc = feed_text_parse(text ? text : "", bytes, &s, NULL);
    FUZZ_CHECK((rc == 0) == (s.n > 0) && s.n <= FEED_FEATURES_MAX);
    for (size_t i = 0; i < s.n; i++) {
        const struct in_licence_sample *item = &s.items[i];
        FUZZ_CHECK(is_name(item->feature) && item->used >= 0 && item->used <= FEED_USED_MAX);
        FUZZ_CHECK(i == 0 || strcmp(item->feature, s.items[i - 1].feature) != 0);
    }
    feed_samples_fini(&s);
    free(text);
    return 0;
}
