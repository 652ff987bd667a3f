/* The kinetic tournament: a full binary tree over the slots, each inner vertex with its winner and
 * how long that is certain.
 *
 * `until` of a vertex is the largest A up to which no match at or below it can turn out otherwise.
 * It is never too large, only too small: it accounts for every rounding of the two values that are
 * compared and of its own computation. Where two lines are so close that rounding decides, it is
 * the present A: asking again at the same A costs nothing, asking at a larger one repeats the
 * match. So each call looks at a vertex once at most, whatever the lines are. */
#include "scheduler/core/tournament.h"

#include "common/base/pure/mem.h"

#include <assert.h>

#define NO_SLOT   SIZE_MAX
#define FIRST_CAP 4

/* Relative bound of all roundings of one certificate: computing both values takes 2 units of 2^-53
 * each of |m*A| and 1 of |b|, the certificate itself 1 more of each; the rest is margin. */
#define ROUNDING 0x1p-49

#define SMALLEST_NORMAL 0x1p-1022 /* covers products too small to be rounded relatively */
#define FOREVER         0x1.fffffffffffffp+1023 /* the largest A there is */

struct tournament_line {
    void *item;
    uint64_t id;
    double m, b;
};

struct tournament_vertex {
    size_t winner; /* slot, or NO_SLOT when nobody is below */
    double until;
};

static double value_at(const struct tournament_line *l, double a)
{
    return l->m * a + l->b;
}

static bool beats(const struct tournament_line *x, const struct tournament_line *y, double a)
{
    double vx = value_at(x, a), vy = value_at(y, a);
    return vx < vy || (!(vy < vx) && x->id < y->id);
}

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* True when the computed values can never change their order: products and sums of rounded numbers
 * keep the order of what goes in (<=), so only ties are left, which the id decides. */
static bool is_settled(const struct tournament_line *winner, const struct tournament_line *loser)
{
    if (winner->m == 0.0 && loser->m == 0.0)
        return true; /* both values are just b */
    if (winner->m == loser->m && winner->b == loser->b)
        return true; /* one line: the id decides for ever */
    return winner->m <= loser->m && winner->b <= loser->b && winner->id < loser->id;
}

/* The largest A for which `winner` is certain to win, at least `a` (where it does). With D(A) the
 * true difference loser - winner: certain while D(A) exceeds the rounding bound, which is linear in
 * A like D, so that the condition is gap > slope * A. */
static double certain_until(const struct tournament_line *winner,
                            const struct tournament_line *loser, double a)
{
    if (is_settled(winner, loser))
        return FOREVER;
    double gap = loser->b - winner->b - ROUNDING * (magnitude(loser->b) + magnitude(winner->b))
                 - SMALLEST_NORMAL;
    double slope = winner->m - loser->m + ROUNDING * (magnitude(winner->m) + magnitude(loser->m));
    if (!(gap > slope * a))
        return a; /* too close to tell the future */
    if (slope <= 0.0)
        return FOREVER;
    double until = gap / slope * (1.0 - ROUNDING);
    return until > a ? until : a;
}

static double smaller(double x, double y)
{
    return x < y ? x : y;
}

static void recompute(struct tournament *t, size_t v)
{
    const struct tournament_vertex *l = &t->vertices[2 * v], *r = &t->vertices[2 * v + 1];
    struct tournament_vertex *top = &t->vertices[v];
    t->n_recomputed++;
    if (l->winner == NO_SLOT || r->winner == NO_SLOT) {
        *top = l->winner == NO_SLOT ? *r : *l;
        return;
    }
    const struct tournament_line *x = &t->lines[l->winner], *y = &t->lines[r->winner];
    bool left_wins = beats(x, y, t->latest_a);
    top->winner = left_wins ? l->winner : r->winner;
    top->until = smaller(l->until, r->until);
    top->until = smaller(top->until, left_wins ? certain_until(x, y, t->latest_a)
                                               : certain_until(y, x, t->latest_a));
}

static bool is_expired(const struct tournament *t, size_t v)
{
    return t->vertices[v].until < t->latest_a;
}

/* Recomputes the vertices whose certificates do not reach to `a`, each after those below it.
 * Above an expired vertex all are expired, so the walk goes down along them and comes back up. */
static void advance(struct tournament *t, double a)
{
    assert(a >= t->latest_a);
    t->latest_a = a;
    if (t->cap == 0 || !is_expired(t, 1))
        return;
    for (size_t v = 1; v != 0;) {
        if (is_expired(t, 2 * v)) {
            v = 2 * v;
        } else if (is_expired(t, 2 * v + 1)) {
            v = 2 * v + 1;
        } else {
            recompute(t, v);
            v /= 2;
        }
    }
}

static void set_leaf(struct tournament *t, size_t slot)
{
    t->vertices[t->cap + slot] =
        (struct tournament_vertex){.winner = slot < t->n ? slot : NO_SLOT, .until = FOREVER};
}

static void renew_path(struct tournament *t, size_t slot)
{
    set_leaf(t, slot);
    for (size_t v = (t->cap + slot) / 2; v != 0; v /= 2)
        recompute(t, v);
}

static void grow(struct tournament *t)
{
    t->cap = t->cap ? 2 * t->cap : FIRST_CAP;
    t->lines = cq_realloc(t->lines, t->cap, sizeof *t->lines);
    t->vertices = cq_realloc(t->vertices, 2 * t->cap, sizeof *t->vertices);
    t->vertices[0] = (struct tournament_vertex){.winner = NO_SLOT};
    for (size_t slot = 0; slot < t->cap; slot++)
        set_leaf(t, slot);
    for (size_t v = t->cap - 1; v != 0; v--)
        recompute(t, v);
}

void tournament_init(struct tournament *t, tournament_set_slot_fn set_slot)
{
    *t = (struct tournament){.set_slot = set_slot};
}

void tournament_fini(struct tournament *t)
{
    free(t->lines);
    free(t->vertices);
    *t = (struct tournament){.set_slot = t->set_slot};
}

void tournament_clear(struct tournament *t)
{
    for (size_t slot = 0; slot < t->n; slot++)
        t->set_slot(t->lines[slot].item, TOURNAMENT_NOWHERE);
    tournament_fini(t);
}

void tournament_add(struct tournament *t, void *item, uint64_t id, double m, double b, double a)
{
    advance(t, a);
    if (t->n == t->cap)
        grow(t);
    size_t slot = t->n++;
    t->lines[slot] = (struct tournament_line){.item = item, .id = id, .m = m, .b = b};
    renew_path(t, slot);
    t->set_slot(item, slot);
}

void tournament_change(struct tournament *t, size_t slot, double m, double b, double a)
{
    assert(slot < t->n);
    advance(t, a);
    t->lines[slot].m = m;
    t->lines[slot].b = b;
    renew_path(t, slot);
}

void tournament_remove(struct tournament *t, size_t slot, double a)
{
    assert(slot < t->n);
    advance(t, a);
    size_t last = --t->n;
    t->set_slot(t->lines[slot].item, TOURNAMENT_NOWHERE);
    if (slot != last) {
        t->lines[slot] = t->lines[last];
        t->set_slot(t->lines[slot].item, slot);
    }
    renew_path(t, last); /* now empty; before the other, whose path may share its upper part */
    if (slot != last)
        renew_path(t, slot);
}

void *tournament_top(struct tournament *t, double a)
{
    advance(t, a);
    return t->n ? t->lines[t->vertices[1].winner].item : NULL;
}

size_t tournament_count(const struct tournament *t)
{
    return t->n;
}

void *tournament_item(const struct tournament *t, size_t slot)
{
    assert(slot < t->n);
    return t->lines[slot].item;
}
