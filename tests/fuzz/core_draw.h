/* Bytes into what chipqd would let through to the core: numbers of any size, ids that the core gave
 * out or not, texts that people write or that nobody would. Everything drawn lives until the next
 * draw_clear. */
#ifndef TEST_FUZZ_CORE_DRAW_H
#define TEST_FUZZ_CORE_DRAW_H

#include "tests/fuzz/fuzz.h"
#include "tests/trace/dice.h"

enum { DRAW_TEXTS = 256, DRAW_BYTES = 256 };

struct draw {
    struct dice dice;
    char texts[DRAW_TEXTS][DRAW_BYTES];
    size_t n_texts;
};

static void draw_clear(struct draw *d)
{
    d->n_texts = 0;
}

static uint64_t draw_below(struct draw *d, uint64_t below)
{
    return roll(&d->dice, below);
}

static bool draw_one_in(struct draw *d, uint64_t n)
{
    return roll(&d->dice, n) == n - 1; /* a byte of 0 is the plain thing */
}

/* Mostly small; else at the edges of what 64 bits hold. */
static uint64_t draw_number(struct draw *d)
{
    static const uint64_t edges[] = {
        0,         UINT64_MAX,     INT64_MAX,  (uint64_t)INT64_MAX + 1, UINT32_MAX, 1ULL << 32,
        INT32_MAX, UINT64_MAX / 2, 1ULL << 44, UINT64_MAX - 15,         1ULL << 53};
    if (!draw_one_in(d, 6))
        return draw_below(d, 256);
    return edges[draw_below(d, CQ_COUNT(edges))] - draw_below(d, 3);
}

static char *draw_buffer(struct draw *d)
{
    FUZZ_CHECK(d->n_texts < DRAW_TEXTS);
    return d->texts[d->n_texts++];
}

/* Text as it passes the wire: UTF-8 without NUL. */
static const char *draw_raw(struct draw *d, size_t most)
{
    char *text = draw_buffer(d);
    size_t n = (size_t)draw_below(d, most + 1);
    for (size_t i = 0; i < n; i++) {
        char c = (char)(draw_below(d, 256) & 0x7f);
        text[i] = c ? c : '0';
    }
    text[n] = '\0';
    return text;
}

/* A word of the list, sometimes with a tail that does not belong there, sometimes any text. */
static const char *draw_word(struct draw *d, const char *const *words, size_t n, size_t most)
{
    const char *word = words[draw_below(d, n)];
    if (!draw_one_in(d, 12))
        return word;
    const char *tail = draw_raw(d, 12 < most ? 12 : most);
    if (draw_one_in(d, 2))
        return tail;
    char *text = draw_buffer(d);
    (void)snprintf(text, most + 1 < DRAW_BYTES ? most + 1 : DRAW_BYTES, "%s%s", word, tail);
    return text;
}

#define DRAW_WORD(d, words, most) draw_word(d, words, CQ_COUNT(words), most)

#endif
