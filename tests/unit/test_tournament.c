// LINK: cq_core
/* The kinetic tournament against a scan of all lines, at every step of long random histories. */
#include "scheduler/core/tournament.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>

enum { ITEMS_MAX = 2048 };

struct item {
    uint64_t id;
    double m, b;
    size_t slot;
};

/* How the lines of a history look, and how A grows in it. */
enum lines {
    LINES_RANDOM,
    LINES_FEW_SLOPES,
    LINES_THROUGH_ONE_POINT,
    LINES_ALL_EQUAL,
    LINES_KINDS
};
enum growth { GROWS_BY_ULP, GROWS_LITTLE, GROWS_MUCH, GROWS_ANYHOW, GROWTHS };

struct history {
    size_t n;
    unsigned steps;
};

struct world {
    struct tournament t;
    struct item items[ITEMS_MAX];
    size_t in[ITEMS_MAX], n_in; /* numbers of the items that are in */
    double a, meeting_a;
    enum lines lines;
    enum growth growth;
    uint64_t random;
};

static struct world world;

static uint64_t draw(struct world *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static double fraction(struct world *w)
{
    return (double)(draw(w) >> 11) / 9007199254740992.0;
}

static void set_slot(void *item, size_t slot)
{
    ((struct item *)item)->slot = slot;
}

static double step_of(struct world *w)
{
    switch (w->growth) {
    case GROWS_BY_ULP:
        return nextafter(w->a, INFINITY) - w->a;
    case GROWS_LITTLE:
        return w->a * 1e-6 * fraction(w);
    case GROWS_MUCH:
        return w->a * 0.05 * fraction(w);
    case GROWS_ANYHOW:
    case GROWTHS:
        break;
    }
    return draw(w) % 4 ? w->a * pow(10.0, -16.0 * fraction(w)) : 0.0;
}

static void draw_line(struct world *w, struct item *it)
{
    double weight = (double)(1 + draw(w) % 8);
    switch (w->lines) {
    case LINES_FEW_SLOPES: /* equal slopes, and sums that differ in their last bits */
        it->m = (double)(draw(w) % 4) / weight;
        it->b = -1.0 / weight + (double)(draw(w) % 3) * 0x1p-50;
        return;
    case LINES_THROUGH_ONE_POINT: /* all orders turn over at once, with rounding all around */
        it->m = fraction(w);
        it->b = 1.0 - it->m * w->meeting_a;
        return;
    case LINES_ALL_EQUAL:
        it->m = 0.1;
        it->b = -0.3;
        return;
    case LINES_RANDOM:
    case LINES_KINDS:
        break;
    }
    it->m = draw(w) % 5 ? fraction(w) / weight : 0.0;
    it->b = (fraction(w) - 0.7) * w->a / weight;
}

static const struct item *scan(const struct world *w)
{
    const struct item *best = NULL;
    double best_value = 0;
    for (size_t i = 0; i < w->n_in; i++) {
        const struct item *it = &w->items[w->in[i]];
        double value = it->m * w->a + it->b;
        if (best == NULL || value < best_value || (value == best_value && it->id < best->id)) {
            best = it;
            best_value = value;
        }
    }
    return best;
}

static void add_one(struct world *w)
{
    size_t number = draw(w) % ITEMS_MAX;
    while (w->items[number].slot != TOURNAMENT_NOWHERE)
        number = (number + 1) % ITEMS_MAX;
    struct item *it = &w->items[number];
    draw_line(w, it);
    tournament_add(&w->t, it, it->id, it->m, it->b, w->a);
    w->in[w->n_in++] = number;
}

static void remove_one(struct world *w)
{
    size_t i = draw(w) % w->n_in;
    struct item *it = &w->items[w->in[i]];
    tournament_remove(&w->t, it->slot, w->a);
    cr_assert_eq(it->slot, TOURNAMENT_NOWHERE);
    w->in[i] = w->in[--w->n_in];
}

static void change_one(struct world *w)
{
    struct item *it = &w->items[w->in[draw(w) % w->n_in]];
    draw_line(w, it);
    tournament_change(&w->t, it->slot, it->m, it->b, w->a);
}

/* Most steps change a line; n wanders a little around what was asked for. */
static void one_step(struct world *w, size_t n)
{
    uint64_t what = draw(w) % 8;
    if (w->n_in == 0 || (what == 0 && w->n_in < n + n / 8))
        add_one(w);
    else if (what == 1 && w->n_in > n - n / 8)
        remove_one(w);
    else if (what < 6)
        change_one(w);
    w->a += step_of(w);
}

static bool slots_are_sound(const struct world *w)
{
    for (size_t slot = 0; slot < tournament_count(&w->t); slot++)
        if (((const struct item *)tournament_item(&w->t, slot))->slot != slot)
            return false;
    return tournament_count(&w->t) == w->n_in;
}

static void begin(struct world *w, enum lines lines, enum growth growth, size_t n)
{
    *w = (struct world){
        .a = 100.0, .lines = lines, .growth = growth, .random = 88172645463325252ULL};
    w->meeting_a = growth == GROWS_BY_ULP ? 100.0 + 1e-13 : 100.01;
    tournament_init(&w->t, set_slot);
    cr_assert_null(tournament_top(&w->t, 0.0));
    for (size_t i = 0; i < ITEMS_MAX; i++)
        w->items[i] = (struct item){.id = draw(w), .slot = TOURNAMENT_NOWHERE};
    while (w->n_in < n)
        add_one(w);
}

static void run(enum lines lines, enum growth growth, const struct history *h)
{
    struct world *w = &world;
    begin(w, lines, growth, h->n);
    for (unsigned i = 0; i < h->steps; i++) {
        one_step(w, h->n);
        const struct item *got = tournament_top(&w->t, w->a), *want = scan(w);
        cr_assert_eq(got, want, "lines %d growth %d step %u at %a", lines, growth, i, w->a);
        if (w->a > 1e12) { /* a new landmark */
            tournament_clear(&w->t);
            w->a = 100.0;
            for (size_t k = 0; k < w->n_in; k++) {
                struct item *it = &w->items[w->in[k]];
                draw_line(w, it);
                tournament_add(&w->t, it, it->id, it->m, it->b, w->a);
            }
        }
    }
    cr_assert(slots_are_sound(w));
    while (w->n_in > 0) {
        remove_one(w);
        cr_assert_eq((const struct item *)tournament_top(&w->t, w->a), scan(w));
    }
    tournament_fini(&w->t);
}

static struct history histories[] = {{1, 20000}, {2, 20000},  {3, 20000},
                                     {7, 20000}, {200, 8000}, {1024, 2500}};

/* All kinds of lines with all kinds of growth: some 1.4 million tops in all. */
ParameterizedTestParameters(tournament, agrees_with_a_scan)
{
    return cr_make_param_array(struct history, histories, CQ_COUNT(histories));
}

ParameterizedTest(struct history *h, tournament, agrees_with_a_scan)
{
    for (enum lines lines = 0; lines < LINES_KINDS; lines++)
        for (enum growth growth = 0; growth < GROWTHS; growth++)
            run(lines, growth, h);
}

/* Vertices per change and question, with A growing by `relative` at each. */
static double cost(size_t n, double relative)
{
    enum { STEPS = 20000 };
    struct world *w = &world;
    begin(w, LINES_RANDOM, GROWS_MUCH, n);
    uint64_t before = w->t.n_recomputed;
    for (int i = 0; i < STEPS; i++) {
        w->a += 100.0 * relative;
        struct item *it = &w->items[w->in[draw(w) % n]];
        it->m = fraction(w);
        it->b = (fraction(w) - 0.5) * 100.0;
        tournament_change(&w->t, it->slot, it->m, it->b, w->a);
        cr_assert_not_null(tournament_top(&w->t, w->a));
    }
    double mean = (double)(w->t.n_recomputed - before) / STEPS;
    tournament_fini(&w->t);
    return mean;
}

Test(tournament, costs_about_the_logarithm_of_the_lines)
{
    double small = cost(200, 0.001), large = cost(1024, 0.001);
    cr_assert(small >= 8 && small < 11, "%g of 200", small); /* the path alone is 8 */
    cr_assert(large >= 10 && large < 13, "%g of 1024", large);
}

Test(tournament, asks_nothing_again_while_a_stands_still)
{
    struct world *w = &world;
    begin(w, LINES_THROUGH_ONE_POINT, GROWS_BY_ULP, 200);
    w->a = w->meeting_a;
    (void)tournament_top(&w->t, w->a);
    uint64_t before = w->t.n_recomputed;
    for (int i = 0; i < 100; i++)
        (void)tournament_top(&w->t, w->a);
    cr_assert_eq(w->t.n_recomputed, before);
    tournament_fini(&w->t);
}

Test(tournament, equal_lines_are_settled_by_their_ids_for_ever)
{
    struct world *w = &world;
    begin(w, LINES_ALL_EQUAL, GROWS_MUCH, 200);
    const struct item *first = scan(w);
    cr_assert_eq((const struct item *)tournament_top(&w->t, w->a), first);
    uint64_t before = w->t.n_recomputed;
    for (; w->a < 1e9; w->a *= 1.1)
        cr_assert_eq((const struct item *)tournament_top(&w->t, w->a), first);
    cr_assert_eq(w->t.n_recomputed, before);
    tournament_fini(&w->t);
}
