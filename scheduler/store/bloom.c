/* A Bloom filter over client keys: "no submit with this key" without a look-up. Fixed size: with a
 * million keys one look-up in 200 is in vain, beyond that it grows useless but never wrong. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"

enum { BLOOM_BITS = 1 << 24, BLOOM_PROBES = 4 }; /* 2 MiB */

void bloom_init(struct bloom *b)
{
    b->words = cq_calloc(BLOOM_BITS / 64, sizeof *b->words);
}

void bloom_fini(struct bloom *b)
{
    free(b->words);
    b->words = NULL;
}

/* Keys are random already, unless a client is odd; mixing costs nothing (splitmix64's finaliser).
 */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t probe_bit(uint64_t hash, unsigned i)
{
    uint64_t step = (hash >> 32) | 1;
    return (hash + i * step) % BLOOM_BITS;
}

void bloom_add(struct bloom *b, uint64_t key64)
{
    uint64_t hash = mix(key64);
    for (unsigned i = 0; i < BLOOM_PROBES; i++) {
        uint64_t bit = probe_bit(hash, i);
        b->words[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

bool bloom_has(const struct bloom *b, uint64_t key64)
{
    uint64_t hash = mix(key64);
    for (unsigned i = 0; i < BLOOM_PROBES; i++) {
        uint64_t bit = probe_bit(hash, i);
        if (!(b->words[bit / 64] >> (bit % 64) & 1))
            return false;
    }
    return true;
}

uint64_t key64_of(const struct cq_uuid *key)
{
    uint64_t half;
    memcpy(&half, key->bytes, sizeof half);
    return half;
}
