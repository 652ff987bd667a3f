/* What every fuzz target shares. A target feeds the bytes to one decoder and checks with FUZZ_CHECK
 * what must hold for whatever was accepted; sanitizers watch the rest. */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include "common/base/pure/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Always on, and a crash for libFuzzer. */
#define FUZZ_CHECK(condition)                                                              \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* A terminated copy of exactly the input, so that the sanitizer sees one byte too many. Caller
 * frees. */
static inline char *fuzz_text(const uint8_t *data, size_t bytes)
{
    char *text = cq_malloc(bytes + 1);
    if (bytes)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    return text;
}

#endif
