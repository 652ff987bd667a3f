/* The tree of moments and amounts: sums and the next moment against a plain scan. */
#include "common/base/pure/sumtree.h"

#include <criterion/criterion.h>

enum { NODES = 300, STEPS = 20000, KEYS = 200 };

static struct sumtree_node nodes[NODES];
static bool is_in[NODES];
static uint64_t state = 88172645463325252ULL;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t scan_above(int64_t key)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < NODES; i++)
        sum += is_in[i] && nodes[i].key > key ? nodes[i].amount : 0;
    return sum;
}

static int64_t scan_next(int64_t after)
{
    int64_t best = INT64_MAX;
    for (size_t i = 0; i < NODES; i++)
        if (is_in[i] && nodes[i].key > after && nodes[i].key < best)
            best = nodes[i].key;
    return best;
}

static int64_t scan_last(void)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < NODES; i++)
        if (is_in[i] && nodes[i].key > last)
            last = nodes[i].key;
    return last;
}

static size_t depth_of(const struct sumtree_node *n)
{
    size_t depth = 0;
    for (; n; n = n->parent)
        depth++;
    return depth;
}

static void check(const struct sumtree *t)
{
    int64_t key = (int64_t)(draw() % (KEYS + 2)) - 1, next = INT64_MAX, last = INT64_MIN;
    cr_assert_eq(sumtree_above(t, key), scan_above(key));
    cr_assert_eq(sumtree_all(t), scan_above(INT64_MIN));
    cr_assert_eq(sumtree_next(t, key, &next), scan_next(key) != INT64_MAX);
    cr_assert_eq(next, scan_next(key));
    cr_assert_eq(sumtree_last(t, &last), scan_last() != INT64_MIN);
    cr_assert_eq(last, scan_last());
}

Test(sumtree, answers_as_a_scan_does)
{
    struct sumtree t = {0};
    check(&t);
    for (size_t i = 0; i < STEPS; i++) {
        size_t at = draw() % NODES;
        if (is_in[at])
            sumtree_remove(&t, &nodes[at]);
        else {
            nodes[at].key = (int64_t)(draw() % KEYS);
            nodes[at].id = at + 1;
            nodes[at].amount = draw() % 5;
            sumtree_put(&t, &nodes[at]);
        }
        is_in[at] = !is_in[at];
        check(&t);
    }
}

Test(sumtree, is_not_deep_even_when_filled_in_order)
{
    static struct sumtree_node many[10000];
    struct sumtree t = {0};
    size_t deepest = 0;
    for (size_t i = 0; i < 10000; i++) {
        many[i] = (struct sumtree_node){.key = (int64_t)i, .id = i + 1, .amount = 1};
        sumtree_put(&t, &many[i]);
    }
    for (size_t i = 0; i < 10000; i++)
        deepest = depth_of(&many[i]) > deepest ? depth_of(&many[i]) : deepest;
    cr_expect_lt(deepest, 60, "%zu", deepest);
}
