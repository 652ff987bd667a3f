/* A treap with sums: rotations keep its form, each mends two sums. */
#include "common/base/pure/sumtree.h"

/* Well mixed, so that the tree is about as deep as the logarithm of its size. */
static uint64_t priority(const struct sumtree_node *n)
{
    uint64_t x = n->id * UINT64_C(0x9e3779b97f4a7c15);
    return (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
}

static bool is_before(const struct sumtree_node *a, const struct sumtree_node *b)
{
    return a->key != b->key ? a->key < b->key : a->id < b->id;
}

static uint64_t sum_of(const struct sumtree_node *n)
{
    return n ? n->sum : 0;
}

/* The pointer that points to it. */
static struct sumtree_node **link_to(struct sumtree *t, const struct sumtree_node *n)
{
    if (n->parent == NULL)
        return &t->root;
    return n->parent->left == n ? &n->parent->left : &n->parent->right;
}

/* `n` takes the place of its parent, which goes below it. */
static void rotate_up(struct sumtree *t, struct sumtree_node *n)
{
    struct sumtree_node *p = n->parent;
    bool is_left = p->left == n;
    struct sumtree_node **between = is_left ? &n->right : &n->left;
    struct sumtree_node *moved = *between;
    *link_to(t, p) = n;
    n->parent = p->parent;
    *between = p;
    p->parent = n;
    *(is_left ? &p->left : &p->right) = moved;
    if (moved)
        moved->parent = p;
    n->sum = p->sum;
    p->sum = p->amount + sum_of(p->left) + sum_of(p->right);
}

void sumtree_put(struct sumtree *t, struct sumtree_node *n)
{
    struct sumtree_node **at = &t->root, *parent = NULL;
    while (*at) {
        parent = *at;
        parent->sum += n->amount;
        at = is_before(n, parent) ? &parent->left : &parent->right;
    }
    *at = n;
    n->parent = parent;
    n->left = n->right = NULL;
    n->sum = n->amount;
    while (n->parent && priority(n) > priority(n->parent))
        rotate_up(t, n);
}

static struct sumtree_node *higher_child(const struct sumtree_node *n)
{
    if (n->left == NULL || n->right == NULL)
        return n->left ? n->left : n->right;
    return priority(n->left) > priority(n->right) ? n->left : n->right;
}

void sumtree_remove(struct sumtree *t, struct sumtree_node *n)
{
    for (struct sumtree_node *child; (child = higher_child(n));)
        rotate_up(t, child);
    *link_to(t, n) = NULL;
    for (struct sumtree_node *p = n->parent; p; p = p->parent)
        p->sum -= n->amount;
}

uint64_t sumtree_all(const struct sumtree *t)
{
    return sum_of(t->root);
}

uint64_t sumtree_above(const struct sumtree *t, int64_t key)
{
    uint64_t sum = 0;
    for (const struct sumtree_node *n = t->root; n;) {
        if (n->key > key)
            sum += n->amount + sum_of(n->right);
        n = n->key > key ? n->left : n->right;
    }
    return sum;
}

bool sumtree_next(const struct sumtree *t, int64_t after, int64_t *key)
{
    const struct sumtree_node *best = NULL;
    for (const struct sumtree_node *n = t->root; n;) {
        if (n->key > after)
            best = n;
        n = n->key > after ? n->left : n->right;
    }
    if (best)
        *key = best->key;
    return best != NULL;
}

bool sumtree_last(const struct sumtree *t, int64_t *key)
{
    const struct sumtree_node *n = t->root;
    while (n && n->right)
        n = n->right;
    if (n)
        *key = n->key;
    return n != NULL;
}
