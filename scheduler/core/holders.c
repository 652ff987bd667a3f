/* Leases in the order of their ends, for each feature of which they hold tokens. */
#include "scheduler/core/holders.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/lease.h"
#include "scheduler/core/licence.h"

void holders_fini(struct holders *h)
{
    free(h->groups);
    *h = (struct holders){0};
}

static size_t place_of(const struct holders *h, uint64_t booking)
{
    size_t low = 0, high = h->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (h->groups[mid].booking < booking)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_at(const struct holders *h, size_t at, uint64_t booking)
{
    return at < h->n && h->groups[at].booking == booking;
}

const struct holders_group *holders_in(const struct feature *f, uint64_t booking)
{
    size_t at = place_of(&f->holders, booking);
    return is_at(&f->holders, at, booking) ? &f->holders.groups[at] : NULL;
}

static void add_group(struct holders *h, size_t at, uint64_t booking)
{
    cq_grow(&h->groups, &h->cap, h->n);
    memmove(h->groups + at + 1, h->groups + at, (h->n - at) * sizeof *h->groups);
    h->groups[at] = (struct holders_group){.booking = booking};
    h->n++;
}

static void put(struct holders *h, uint64_t booking, struct sumtree_node *node)
{
    size_t at = place_of(h, booking);
    if (!is_at(h, at, booking))
        add_group(h, at, booking);
    sumtree_put(&h->groups[at].ends, node);
}

static void take_out(struct holders *h, uint64_t booking, struct sumtree_node *node)
{
    size_t at = place_of(h, booking);
    sumtree_remove(&h->groups[at].ends, node);
    if (h->groups[at].ends.root)
        return;
    h->n--;
    memmove(h->groups + at, h->groups + at + 1, (h->n - at) * sizeof *h->groups);
}

static struct holders *holders_of(const struct lease *l, size_t i)
{
    return &l->tokens.items[i].feature->holders;
}

void holders_enter(struct lease *l)
{
    l->held = l->tokens.n > 0 ? cq_calloc(l->tokens.n, sizeof *l->held) : NULL;
    for (size_t i = 0; i < l->tokens.n; i++) {
        l->held[i] = (struct sumtree_node){
            .key = l->end_us, .id = l->id, .amount = l->tokens.items[i].count};
        put(holders_of(l, i), l->booking, &l->held[i]);
    }
}

void holders_set_end(struct lease *l)
{
    for (size_t i = 0; i < l->tokens.n && l->held[i].key != l->end_us; i++) {
        take_out(holders_of(l, i), l->booking, &l->held[i]);
        l->held[i].key = l->end_us;
        put(holders_of(l, i), l->booking, &l->held[i]);
    }
}

void holders_leave(struct lease *l)
{
    for (size_t i = 0; i < l->tokens.n; i++)
        take_out(holders_of(l, i), l->booking, &l->held[i]);
}

uint64_t holders_all(const struct holders_group *g)
{
    return sumtree_all(&g->ends);
}

uint64_t holders_after(const struct holders_group *g, int64_t at_us)
{
    return sumtree_above(&g->ends, at_us);
}

uint64_t holders_until(const struct feature *f, int64_t at_us)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->holders.n; i++)
        sum += holders_all(&f->holders.groups[i]) - holders_after(&f->holders.groups[i], at_us);
    return sum;
}

int64_t holders_last_us(const struct feature *f)
{
    int64_t last_us = INT64_MIN, end_us;
    for (size_t i = 0; i < f->holders.n; i++)
        if (sumtree_last(&f->holders.groups[i].ends, &end_us) && end_us > last_us)
            last_us = end_us;
    return last_us;
}
