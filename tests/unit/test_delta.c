/* Differences: made again to the byte, whatever the two are; small where they are alike. */
#include "common/base/pure/delta.h"

#include "common/base/pure/mem.h"

#include <criterion/criterion.h>

static uint32_t seed = 7;

static uint32_t draw(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

static size_t differ(const void *base, size_t base_bytes, const void *data, size_t bytes)
{
    struct delta_index *x = delta_index_new(base, base_bytes);
    struct cq_str d = {0};
    delta_put(x, data, bytes, &d);
    uint8_t *back = cq_malloc(bytes);
    cr_assert(delta_get(base, base_bytes, d.data, d.len, back, bytes));
    cr_assert_eq(memcmp(back, data, bytes), 0);
    free(back);
    size_t n = d.len;
    cq_str_fini(&d);
    delta_index_free(x);
    return n;
}

Test(delta, a_word_that_differs_costs_a_few_bytes)
{
    static const char one[] = "simulate --seed=1 --out=/proj/a/1 PATH=/usr/bin HOME=/home/ann "
                              "LICENCE=27000@host cwd=/proj/a";
    static const char two[] = "simulate --seed=23 --out=/proj/a/23 PATH=/usr/bin HOME=/home/ann "
                              "LICENCE=27000@host cwd=/proj/a";
    cr_expect_leq(differ(one, sizeof one, one, sizeof one), 5);
    cr_expect_leq(differ(one, sizeof one, two, sizeof two), 32);
}

Test(delta, nothing_and_strangers_are_no_trouble)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz", other[] = "0123456789012345678901234";
    cr_expect_eq(differ(text, sizeof text, "", 0), 0);
    cr_expect_leq(differ("", 0, text, sizeof text), sizeof text + 2);
    cr_expect_leq(differ(text, sizeof text, other, sizeof other), sizeof other + 2);
    cr_expect_leq(differ(text, sizeof text, "abc", 3), 4);
}

/* Pieces of the base in any order, with new bytes between, of bases up to what no index covers. */
Test(delta, whatever_it_is_made_of_comes_back)
{
    for (int round = 0; round < 300; round++) {
        size_t base_bytes = draw(round % 10 == 0 ? 200000 : 900), bytes = 0;
        uint8_t *base = cq_malloc(base_bytes), *data = cq_malloc(10 * (base_bytes + 40));
        for (size_t i = 0; i < base_bytes; i++)
            base[i] = (uint8_t)draw(round % 3 == 0 ? 2 : 256);
        for (uint32_t piece = draw(10); piece > 0; piece--) {
            for (uint32_t n = draw(40); n > 0; n--)
                data[bytes++] = (uint8_t)draw(256);
            size_t from = base_bytes ? draw((uint32_t)base_bytes) : 0;
            size_t n = base_bytes ? draw((uint32_t)(base_bytes - from)) : 0;
            memcpy(data + bytes, base + from, n);
            bytes += n;
        }
        (void)differ(base, base_bytes, data, bytes);
        free(base);
        free(data);
    }
}

/* Ours are never damaged; reading one that is stays within its bounds (the sanitizers look on). */
Test(delta, what_does_not_fit_is_said)
{
    static const char base[] = "abcdefghijklmnop", same[] = "abcdefghijklmnop";
    struct delta_index *x = delta_index_new(base, sizeof base);
    struct cq_str d = {0};
    char out[64];
    delta_put(x, same, sizeof same, &d);
    cr_expect(delta_get(base, sizeof base, d.data, d.len, out, sizeof same));
    cr_expect_not(delta_get(base, sizeof base - 1, d.data, d.len, out, sizeof same));
    cr_expect_not(delta_get(base, sizeof base, d.data, d.len - 1, out, sizeof same));
    cr_expect_not(delta_get(base, sizeof base, d.data, d.len, out, sizeof same + 1));
    for (int round = 0; round < 2000; round++) {
        char bad[8];
        for (size_t i = 0; i < sizeof bad; i++)
            bad[i] = (char)draw(256);
        (void)delta_get(base, sizeof base, bad, draw(sizeof bad + 1), out, draw(sizeof out));
    }
    cq_str_fini(&d);
    delta_index_free(x);
}
