/* Differences: runs of new bytes, each followed by a stretch of the base, in flat encoding. */
#include "common/base/pure/delta.h"

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

enum {
    WINDOW = 8, /* bytes that must be alike for a stretch to be noticed */
    STRIDE = 4, /* of a small base every fourth place is known: stretches of 11 are found */
    HURRY = 32, /* new bytes in a row after which every second place is looked at, and so on */
    PLACES_MAX = 4096, /* of a large one fewer, so that an index is never over 32 KiB */
};

struct delta_index {
    const uint8_t *base;
    size_t bytes;
    unsigned shift;  /* of a hash, to a place in the table */
    uint32_t from[]; /* place in the base + 1; 0 = none */
};

static uint64_t window_at(const uint8_t *p)
{
    uint64_t window;
    memcpy(&window, p, sizeof window);
    return window;
}

static size_t slot_of(const struct delta_index *x, uint64_t window)
{
    return (size_t)((window * UINT64_C(0x9e3779b97f4a7c15)) >> x->shift);
}

struct delta_index *delta_index_new(const void *base, size_t bytes)
{
    size_t stride = STRIDE;
    while (bytes / stride > PLACES_MAX)
        stride *= 2;
    unsigned bits = 4;
    while (((size_t)1 << bits) < 2 * bytes / stride)
        bits++;
    struct delta_index *x = cq_calloc(1, sizeof *x + ((size_t)1 << bits) * sizeof x->from[0]);
    x->base = base;
    x->bytes = bytes;
    x->shift = 64 - bits;
    for (size_t i = 0; i + WINDOW <= bytes; i += stride)
        x->from[slot_of(x, window_at(x->base + i))] = (uint32_t)i + 1;
    return x;
}

void delta_index_free(struct delta_index *x)
{
    free(x);
}

/* What is alike around data[at] and a place of the base, with nothing before `low`. */
struct stretch {
    size_t at, from, n;
};

/* How many bytes they begin with that are the same. */
static size_t alike(const uint8_t *a, const uint8_t *b, size_t most)
{
    size_t n = 0;
    while (n + WINDOW <= most && window_at(a + n) == window_at(b + n))
        n += WINDOW;
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

static bool find(const struct delta_index *x, const uint8_t *data, size_t bytes, size_t low,
                 struct stretch *s)
{
    uint64_t window = window_at(data + s->at);
    uint32_t place = x->from[slot_of(x, window)];
    if (place == 0 || window_at(x->base + place - 1) != window)
        return false;
    s->from = place - 1;
    s->n = WINDOW;
    while (s->at > low && s->from > 0 && data[s->at - 1] == x->base[s->from - 1]) {
        s->at--;
        s->from--;
        s->n++;
    }
    size_t most = bytes - s->at < x->bytes - s->from ? bytes - s->at : x->bytes - s->from;
    s->n += alike(data + s->at + s->n, x->base + s->from + s->n, most - s->n);
    return true;
}

void delta_put(const struct delta_index *x, const void *data, size_t bytes, struct cq_str *out)
{
    const uint8_t *p = data;
    size_t low = 0;
    for (size_t i = 0; i + WINDOW <= bytes;) {
        struct stretch s = {.at = i};
        if (!find(x, p, bytes, low, &s)) {
            i += 1 + (i - low) / HURRY; /* a stretch is found from its middle, too */
            continue;
        }
        flat_put_bytes(out, p + low, s.at - low);
        flat_put_u64(out, s.n);
        flat_put_u64(out, s.from);
        i = low = s.at + s.n;
    }
    if (low < bytes)
        flat_put_bytes(out, p + low, bytes - low);
}

bool delta_get(const void *base, size_t base_bytes, const void *delta, size_t delta_bytes, void *to,
               size_t bytes)
{
    struct flat_reader in = flat_reader_of(delta, delta_bytes);
    uint8_t *out = to;
    for (size_t at = 0; at < bytes;) {
        size_t n;
        const void *new = flat_get_bytes(&in, bytes - at, &n);
        memcpy(out + at, new, n);
        at += n;
        if (at == bytes)
            break;
        uint64_t copied = flat_get_u64(&in), from = flat_get_u64(&in);
        if (in.failed || copied > bytes - at || from > base_bytes || copied > base_bytes - from)
            return false;
        memcpy(out + at, (const uint8_t *)base + from, (size_t)copied);
        at += (size_t)copied;
    }
    return flat_at_end(&in);
}
