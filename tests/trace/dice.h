/* What happens in a random history is thrown with dice: from a seed, so that it repeats, or from
 * bytes that a fuzzer chooses. */
#ifndef CHIPQ_TEST_DICE_H
#define CHIPQ_TEST_DICE_H

#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
    const uint8_t *bytes; /* NULL: none; what is left is thrown from the state */
    size_t n_bytes, at;
};

static inline uint64_t dice_next(struct dice *d) /* splitmix64 */
{
    uint64_t z = (d->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* As few bytes as can say it, so that a changed byte changes one thing. */
static inline uint64_t roll(struct dice *d, uint64_t below)
{
    uint64_t most = below - 1, value = 0;
    if (d->at >= d->n_bytes)
        return dice_next(d) % below;
    for (; most > 0 && d->at < d->n_bytes; most >>= 8)
        value = value << 8 | d->bytes[d->at++];
    return value % below;
}

static inline bool dice_are_over(const struct dice *d)
{
    return d->at >= d->n_bytes;
}

#endif
