/* Sets of small numbers. */
#include "common/base/pure/bitset.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/ranges.h"

#include <assert.h>

void bitset_fini(struct bitset *b)
{
    free(b->words);
    *b = (struct bitset){0};
}

static void grow(struct bitset *b, size_t words)
{
    if (words <= b->n)
        return;
    b->words = cq_realloc(b->words, words, sizeof *b->words);
    memset(b->words + b->n, 0, (words - b->n) * sizeof *b->words);
    b->n = words;
}

void bitset_set(struct bitset *b, size_t bit)
{
    assert(bit < BITSET_MAX);
    grow(b, bit / 64 + 1);
    b->words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

void bitset_clear(struct bitset *b, size_t bit)
{
    if (bit / 64 < b->n)
        b->words[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

bool bitset_has(const struct bitset *b, size_t bit)
{
    return bit / 64 < b->n && (b->words[bit / 64] >> (bit % 64) & 1);
}

size_t bitset_count(const struct bitset *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->n; i++)
        count += (size_t)__builtin_popcountll(b->words[i]);
    return count;
}

size_t bitset_next(const struct bitset *b, size_t from)
{
    for (size_t i = from / 64; i < b->n; i++) {
        uint64_t word = b->words[i];
        if (i == from / 64)
            word &= UINT64_MAX << (from % 64);
        if (word)
            return i * 64 + (size_t)__builtin_ctzll(word);
    }
    return SIZE_MAX;
}

void bitset_copy(struct bitset *to, const struct bitset *from)
{
    if (to == from)
        return;
    bitset_fini(to);
    bitset_or(to, from);
}

void bitset_or(struct bitset *to, const struct bitset *from)
{
    grow(to, from->n);
    for (size_t i = 0; i < from->n; i++)
        to->words[i] |= from->words[i];
}

void bitset_and(struct bitset *to, const struct bitset *from)
{
    for (size_t i = 0; i < to->n; i++)
        to->words[i] &= i < from->n ? from->words[i] : 0;
}

void bitset_and_not(struct bitset *to, const struct bitset *from)
{
    for (size_t i = 0; i < to->n && i < from->n; i++)
        to->words[i] &= ~from->words[i];
}

bool bitset_intersects(const struct bitset *a, const struct bitset *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (a->words[i] & b->words[i])
            return true;
    return false;
}

size_t bitset_count_common(const struct bitset *a, const struct bitset *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->n && i < b->n; i++)
        count += (size_t)__builtin_popcountll(a->words[i] & b->words[i]);
    return count;
}

bool bitset_equal(const struct bitset *a, const struct bitset *b)
{
    size_t n = a->n > b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++)
        if ((i < a->n ? a->words[i] : 0) != (i < b->n ? b->words[i] : 0))
            return false;
    return true;
}

void bitset_format(const struct bitset *b, struct cq_str *out)
{
    struct ranges r = {0};
    for (size_t bit = bitset_next(b, 0); bit != SIZE_MAX; bit = bitset_next(b, bit + 1))
        ranges_add(&r, (uint32_t)bit, (uint32_t)bit);
    ranges_format(&r, out);
    ranges_fini(&r);
}

int bitset_parse(const char *text, struct bitset *out, struct cq_err *err)
{
    struct ranges r = {0};
    if (*text && ranges_parse(text, BITSET_MAX - 1, BITSET_MAX, &r, err) != 0)
        return -1;
    bitset_fini(out);
    for (size_t i = 0; i < r.n; i++)
        for (uint32_t bit = ranges_items(&r)[i].first; bit <= ranges_items(&r)[i].last; bit++)
            bitset_set(out, bit);
    ranges_fini(&r);
    return 0;
}
