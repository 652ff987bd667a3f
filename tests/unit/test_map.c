/* The id map against a plain array, with keys that collide. */
#include "common/base/pure/map.h"

#include <criterion/criterion.h>

enum { KEYS = 500 };

static uint64_t state = 88172645463325252ULL;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int values[KEYS];

/* Some dense, some far apart, some that differ only in high bits. */
static uint64_t key_of(size_t i)
{
    return i % 3 == 0 ? i + 1 : i % 3 == 1 ? (uint64_t)(i + 1) << 40 : (i + 1) * 4096;
}

Test(map, behaves_like_a_table_under_random_changes)
{
    struct map m = {0};
    bool in[KEYS] = {false}, good = true;
    size_t n = 0;
    for (int step = 0; step < 200000 && good; step++) {
        size_t i = (size_t)(draw() % KEYS);
        if (draw() % 2) {
            map_put(&m, key_of(i), &values[i]);
            n += !in[i];
            in[i] = true;
        } else {
            good = map_remove(&m, key_of(i)) == (in[i] ? &values[i] : NULL);
            n -= in[i];
            in[i] = false;
        }
        size_t probe = (size_t)(draw() % KEYS);
        good =
            good && m.n == n && map_find(&m, key_of(probe)) == (in[probe] ? &values[probe] : NULL);
    }
    cr_assert(good);
    size_t at = 0, seen = 0;
    void *value;
    while (map_next(&m, &at, &value))
        seen += in[(int *)value - values];
    cr_assert_eq(seen, n);
    map_fini(&m);
}

Test(map, empty_and_absent)
{
    struct map m = {0};
    int a, b;
    size_t at = 0;
    void *value;
    cr_assert_null(map_find(&m, 1));
    cr_assert_null(map_find(&m, 0));
    cr_assert_null(map_remove(&m, 1));
    cr_assert(!map_next(&m, &at, &value));
    map_put(&m, UINT64_MAX, &a);
    map_put(&m, UINT64_MAX, &b);
    cr_assert_eq(map_find(&m, UINT64_MAX), &b);
    cr_assert_eq(m.n, 1);
    map_fini(&m);
    map_fini(&m);
}
