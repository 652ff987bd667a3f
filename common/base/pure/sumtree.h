/* An ordered tree of borrowed nodes, each a moment (or any number) with an amount: how much lies
 * above a moment, and which moment is next, in O(log n). A treap whose priorities come from the
 * nodes' ids; what it answers does not depend on its form. Zeroed memory is the empty tree. */
#ifndef CQ_SUMTREE_H
#define CQ_SUMTREE_H

#include "common/base/pure/compiler.h"

/* Set before it is put: key, id (no two of a tree have both alike) and amount. */
struct sumtree_node {
    int64_t key;
    uint64_t id, amount;
    uint64_t sum; /* of it and all below */
    struct sumtree_node *parent, *left, *right;
};

struct sumtree {
    struct sumtree_node *root;
};

void sumtree_put(struct sumtree *t, struct sumtree_node *n);
void sumtree_remove(struct sumtree *t, struct sumtree_node *n); /* it is in there */

uint64_t sumtree_all(const struct sumtree *t);
uint64_t sumtree_above(const struct sumtree *t, int64_t key);            /* keys > key */
bool sumtree_next(const struct sumtree *t, int64_t after, int64_t *key); /* the least key > after */
bool sumtree_last(const struct sumtree *t, int64_t *key);                /* the greatest */

#endif
