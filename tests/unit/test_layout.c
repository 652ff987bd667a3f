// LINK: cq_core
/* The inside of a machine: how it is read, and which cores suit a request best. CHIPQ_SEED is the
 * first seed of the random jobs; a failing seed prints how to replay it. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/layout.h"

/* Two sockets of two NUMA nodes of two L3 groups of four cores. */
static const char two_sockets[] =
    "pkg0(numa0:8192(l3(0 1 2 3) l3(4 5 6 7)) numa1:8192(l3(8 9 10 11) l3(12 13 14 15))) "
    "pkg1(numa2:8192(l3(16 17 18 19) l3(20 21 22 23)) numa3:8192(l3(24 25 26 27) l3(28 29 30 31)))";

struct machine {
    struct layout layout;
    struct bitset cores, free;
    uint64_t mem_free[LAYOUT_UNITS_MAX];
};

static void machine_make(struct machine *m, const char *text, const char *cores, uint64_t mem_mib)
{
    struct cq_err err = {0};
    *m = (struct machine){0};
    cr_assert_eq(bitset_parse(cores, &m->cores, &err), 0);
    cr_assert_eq(layout_parse(text, &m->cores, mem_mib, &m->layout, &err), 0, "%s", err.text);
    bitset_copy(&m->free, &m->cores);
    for (size_t i = 0; i < m->layout.n[LEVEL_NUMA]; i++)
        m->mem_free[i] = m->layout.units[LEVEL_NUMA][i].mem_mib;
}

static void machine_fini(struct machine *m)
{
    layout_fini(&m->layout);
    bitset_fini(&m->cores);
    bitset_fini(&m->free);
}

static void use(struct machine *m, const char *cores)
{
    struct bitset b = {0};
    cr_assert_eq(bitset_parse(cores, &b, NULL), 0);
    bitset_and_not(&m->free, &b);
    bitset_fini(&b);
}

/* "8-11", with "/split" when it is; "none". */
static const char *place(const struct machine *m, const char *topo, uint64_t cores,
                         uint64_t mem_mib)
{
    static char text[256];
    struct layout_wish wish = {.cores = cores, .mem_mib = mem_mib};
    struct layout_rank rank;
    struct bitset got = {0};
    uint64_t taken[LAYOUT_UNITS_MAX];
    cr_assert(layout_read_wish(topo, &wish), "%s", topo);
    if (!layout_choose(&m->layout, &m->free, m->mem_free, &wish, &rank, &got, taken))
        return "none";
    struct cq_str out = {0};
    bitset_format(&got, &out);
    (void)snprintf(text, sizeof text, "%s%s", cq_str_text(&out), rank.is_split ? "/split" : "");
    cq_str_fini(&out);
    bitset_fini(&got);
    return text;
}

#define EXPECT_PLACE(m, topo, cores, mem, want) cr_expect_str_eq(place(m, topo, cores, mem), want)

Test(layout, wishes_are_three_words_with_a_domain)
{
    static const char *const good[] = {"",       "pack",          "spread:l3", "any!",
                                       "pack!",  "pack:core",     "any:node",  "pack:numa!",
                                       "spread", "spread:socket!"};
    static const char *const bad[] = {"pck", "pack:", "pack:pod", "!", "pack:numa!!", ":numa"};
    struct layout_wish wish = {0};
    for (size_t i = 0; i < CQ_COUNT(good); i++)
        cr_expect(layout_read_wish(good[i], &wish), "%s", good[i]);
    for (size_t i = 0; i < CQ_COUNT(bad); i++)
        cr_expect_not(layout_read_wish(bad[i], &wish), "%s", bad[i]);
    cr_assert(layout_read_wish("spread:l3!", &wish));
    cr_expect(wish.way == WAY_SPREAD && wish.level == LEVEL_L3 && wish.is_strict);
    cr_assert(layout_read_wish("", &wish));
    cr_expect(wish.way == WAY_PACK && wish.level == LEVEL_NUMA && !wish.is_strict);
}

Test(layout, a_machine_is_read_as_its_units)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-31", 30000);
    cr_expect_eq(m.layout.n[LEVEL_SOCKET], 2u);
    cr_expect_eq(m.layout.n[LEVEL_NUMA], 4u);
    cr_expect_eq(m.layout.n[LEVEL_L3], 8u);
    cr_expect_eq(m.layout.units[LEVEL_NUMA][3].mem_mib, 7500u);
    cr_expect_eq(m.layout.units[LEVEL_NUMA][3].socket, 1u);
    cr_expect_not(layout_is_flat(&m.layout));
    machine_fini(&m);
}

/* Groups without a core that is offered are left out, but for NUMA nodes: they have memory. */
Test(layout, what_is_not_offered_is_left_out_and_what_is_not_told_is_one_unit)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-3,16-19,40-41", 30000);
    cr_expect_eq(m.layout.n[LEVEL_L3], 3u);
    cr_expect_eq(m.layout.n[LEVEL_NUMA], 5u);
    cr_expect_eq(m.layout.units[LEVEL_NUMA][1].n_cores, 0u);
    cr_expect_eq(m.layout.units[LEVEL_NUMA][4].n_cores, 2u);
    machine_fini(&m);
    machine_make(&m, "numa0:100(sys0 sys1) numa1:100(sys2 3 4)", "3-4", 100);
    cr_expect_eq(m.layout.n[LEVEL_NUMA], 1u, "one that the system has alone");
    cr_expect_eq(m.layout.units[LEVEL_NUMA][0].n_cores, 2u);
    machine_fini(&m);
    machine_make(&m, "", "0-7", 1000);
    cr_expect(layout_is_flat(&m.layout));
    cr_expect_eq(m.layout.units[LEVEL_NUMA][0].mem_mib, 1000u);
    machine_fini(&m);
}

Test(layout, a_broken_text_says_what_and_where)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"pkg0(0 1", "expected ')'"},    {"0 1)", "')' without '('"},
               {"numa0(0)", "expected ':'"},    {"0 0", "there twice"},
               {"core0(1)", "expected a core"}, {"9999", "no such core"},
               {"l3 0", "expected '('"},        {"sys", "after sys"},
               {"0 sys0", "another core"},      {"pkg0(numa0:5x(1))", "expected '('"}};
    struct bitset cores = {0};
    bitset_set(&cores, 0);
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct layout l;
        struct cq_err err = {0};
        cr_expect_neq(layout_parse(bad[i].text, &cores, 1, &l, &err), 0, "%s", bad[i].text);
        cr_expect(strstr(err.text, bad[i].says), "%s: %s", bad[i].text, err.text);
        cr_expect(strstr(err.text, "character "), "%s", err.text);
    }
    bitset_fini(&cores);
}

Test(layout, the_unit_that_fits_most_tightly_is_taken)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-31", 32768);
    EXPECT_PLACE(&m, "", 2, 100, "0-1");
    use(&m, "0-2,8-12"); /* free: 5 of numa0, 3 of numa1 */
    EXPECT_PLACE(&m, "", 2, 100, "13-14");
    EXPECT_PLACE(&m, "", 4, 100, "4-7");
    EXPECT_PLACE(&m, "", 5, 100, "3-7");
    EXPECT_PLACE(&m, "", 6, 100, "16-21");
    EXPECT_PLACE(&m, "pack:l3", 4, 100, "4-7");
    machine_fini(&m);
}

Test(layout, what_is_wide_has_whole_units_of_one_socket)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-31", 32768);
    use(&m, "0");
    EXPECT_PLACE(&m, "", 16, 100, "16-31");
    EXPECT_PLACE(&m, "", 12, 100, "4-15");
    machine_fini(&m);
}

Test(layout, strict_is_strict_and_the_others_have_the_fewest_pieces)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-31", 32768);
    use(&m, "0-3,8-11,16-19,24-28"); /* free: 4, 4, 4, 3 */
    EXPECT_PLACE(&m, "pack:numa!", 5, 100, "none");
    EXPECT_PLACE(&m, "pack:numa!", 4, 100, "4-7");
    EXPECT_PLACE(&m, "", 7, 100, "4-7,29-31/split");
    EXPECT_PLACE(&m, "pack:socket!", 8, 100, "4-7,12-15");
    EXPECT_PLACE(&m, "", 16, 100, "none");
    machine_fini(&m);
}

Test(layout, spread_goes_round_the_domains_and_any_takes_the_lowest)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-31", 32768);
    use(&m, "0-5");
    EXPECT_PLACE(&m, "spread", 6, 100, "8,12,16,20,24,28");
    EXPECT_PLACE(&m, "spread:socket", 3, 100, "16,20,24");
    EXPECT_PLACE(&m, "any", 3, 100, "6-8");
    machine_fini(&m);
}

Test(layout, who_insists_on_being_spread_has_as_many_of_each_as_its_size_allows)
{
    struct machine m;
    machine_make(&m, "numa0:100(0 1) numa1:100(2 3 4 5 6 7) numa2:100(8 9 10 11)", "0-11", 300);
    EXPECT_PLACE(&m, "spread!", 9, 0, "0-5,8-10");
    use(&m, "2-3");
    EXPECT_PLACE(&m, "spread!", 9, 0, "0-1,4-10");
    EXPECT_PLACE(&m, "spread!", 5, 0, "0,4-5,8-9");
    use(&m, "4-6");
    EXPECT_PLACE(&m, "spread", 5, 0, "0-1,8-10");
    EXPECT_PLACE(&m, "spread!", 5, 0, "0-1,7-9");
    EXPECT_PLACE(&m, "spread!", 6, 0, "none");
    EXPECT_PLACE(&m, "spread:socket!", 2, 0, "none"); /* there is one */
    EXPECT_PLACE(&m, "spread:socket!", 1, 0, "8");
    machine_fini(&m);
}

Test(layout, memory_comes_from_the_nodes_of_the_cores_first)
{
    struct machine m;
    struct layout_wish wish = {.cores = 4, .mem_mib = 10000};
    struct layout_rank rank;
    uint64_t taken[LAYOUT_UNITS_MAX];
    machine_make(&m, two_sockets, "0-31", 32768);
    m.mem_free[0] = 1000; /* there are the cores, but not the memory */
    cr_assert(layout_choose(&m.layout, &m.free, m.mem_free, &wish, &rank, NULL, taken));
    cr_expect(taken[0] == 1000 && taken[1] + taken[2] + taken[3] == 9000);
    EXPECT_PLACE(&m, "pack:numa!", 4, 10000, "none");
    EXPECT_PLACE(&m, "pack:numa!", 4, 8000, "8-11");
    machine_fini(&m);
}

/* ---- random jobs ---- */

enum { JOBS_MAX = 256 };

struct running {
    struct bitset cores;
    uint64_t mem[LAYOUT_UNITS_MAX];
};

struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *d, uint64_t n)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (d->state >> 33) % n;
}

#define MUST(ok)                                                                                \
    cr_assert(ok,                                                                               \
              "seed %" PRIu64 "; replay: CHIPQ_SEED=%" PRIu64 " build/debug/tests/test_layout", \
              seed, seed)

static uint64_t free_of(const struct machine *m, enum layout_level level, size_t i)
{
    struct bitset b = {0};
    bitset_copy(&b, &m->layout.units[level][i].cores);
    struct bitset used = {0};
    bitset_copy(&used, &m->cores);
    bitset_and_not(&used, &m->free);
    bitset_and_not(&b, &used);
    uint64_t n = bitset_count(&b);
    bitset_fini(&b);
    bitset_fini(&used);
    return n;
}

static size_t units_touched(const struct machine *m, enum layout_level level,
                            const struct bitset *b)
{
    size_t n = 0;
    for (size_t i = 0; i < m->layout.n[level]; i++)
        n += bitset_intersects(&m->layout.units[level][i].cores, b);
    return n;
}

/* By brute force: the least that is left in a node that has room for cores and memory. */
static uint64_t least_left(const struct machine *m, const struct layout_wish *w)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < m->layout.n[LEVEL_NUMA]; i++) {
        uint64_t n = free_of(m, LEVEL_NUMA, i);
        if (n >= w->cores && m->mem_free[i] >= w->mem_mib && n - w->cores < least)
            least = n - w->cores;
    }
    return least;
}

/* Of the nodes of a unit, by brute force. */
static uint64_t memory_in(const struct machine *m, enum layout_level level, size_t i)
{
    const struct layout_unit *nodes = m->layout.units[LEVEL_NUMA];
    uint64_t sum = 0;
    for (size_t k = 0; k < m->layout.n[LEVEL_NUMA]; k++)
        if (bitset_intersects(&nodes[k].cores, &m->layout.units[level][i].cores))
            sum += m->mem_free[k];
    return sum;
}

/* One unit could hold what insists on its place. */
static bool has_place(const struct machine *m, const struct layout_wish *w)
{
    for (size_t i = 0; w->way == WAY_PACK && i < m->layout.n[w->level]; i++)
        if (free_of(m, w->level, i) >= w->cores && memory_in(m, w->level, i) >= w->mem_mib)
            return true;
    return false;
}

/* It has the fewest units and only their memory; or is spread evenly. */
static void check_strict(uint64_t seed, const struct machine *m, const struct layout_wish *w,
                         const struct running *r)
{
    const struct layout_unit *units = m->layout.units[w->level];
    uint64_t size = units[0].n_cores, least = UINT64_MAX, most = 0, mem = 0;
    for (size_t i = 0; i < m->layout.n[w->level]; i++) {
        uint64_t n = bitset_count_common(&units[i].cores, &r->cores);
        least = n < least ? n : least;
        most = n > most ? n : most;
        for (size_t k = 0; n > 0 && k < m->layout.n[LEVEL_NUMA]; k++)
            if (bitset_intersects(&units[i].cores, &m->layout.units[LEVEL_NUMA][k].cores))
                mem += w->level != LEVEL_L3 ? r->mem[k] : 0;
    }
    if (w->way == WAY_SPREAD)
        MUST(most - least <= 1);
    else
        MUST(units_touched(m, w->level, &r->cores) == (w->cores + size - 1) / size);
    MUST(w->level == LEVEL_L3 || mem == w->mem_mib);
    for (size_t k = 0; w->level == LEVEL_L3 && k < m->layout.n[LEVEL_NUMA]; k++)
        MUST(r->mem[k] == 0 || bitset_intersects(&m->layout.units[LEVEL_NUMA][k].cores, &r->cores));
}

static void check_choice(uint64_t seed, const struct machine *m, const struct layout_wish *w,
                         const struct layout_rank *rank, const struct running *r)
{
    uint64_t sum = 0, least = least_left(m, w), per_unit = 8;
    struct bitset beyond = {0};
    bitset_copy(&beyond, &r->cores);
    bitset_and_not(&beyond, &m->free);
    MUST(bitset_count(&beyond) == 0 && bitset_count(&r->cores) == w->cores);
    bitset_fini(&beyond);
    for (size_t i = 0; i < m->layout.n[LEVEL_NUMA]; i++) {
        MUST(r->mem[i] <= m->mem_free[i]);
        sum += r->mem[i];
    }
    MUST(sum == w->mem_mib);
    if (w->is_strict)
        check_strict(seed, m, w, r);
    if (w->way != WAY_PACK || w->level != LEVEL_NUMA)
        return;
    size_t pieces = units_touched(m, LEVEL_NUMA, &r->cores);
    MUST(rank->is_split || pieces == (w->cores + per_unit - 1) / per_unit);
    if (w->cores <= per_unit && least != UINT64_MAX)
        MUST(!rank->is_split && rank->left_over == least);
    if (w->is_strict)
        MUST(!rank->is_split);
}

static struct layout_wish random_wish(struct dice *d)
{
    static const char *const topos[] = {"",         "pack:numa!",    "spread",  "any",
                                        "pack:l3",  "pack:socket!",  "spread!", "spread:l3!",
                                        "pack:l3!", "spread:socket!"};
    struct layout_wish w = {.cores = 1 + roll(d, roll(d, 4) ? 8 : 20), .mem_mib = roll(d, 4000)};
    (void)layout_read_wish(topos[roll(d, CQ_COUNT(topos))], &w);
    return w;
}

static void start(uint64_t seed, struct machine *m, const struct layout_wish *w, struct running *r)
{
    struct layout_rank rank;
    *r = (struct running){0};
    bool strict = w->is_strict;
    bool ok = layout_choose(&m->layout, &m->free, m->mem_free, w, &rank, &r->cores, r->mem);
    uint64_t mem = 0;
    for (size_t i = 0; i < m->layout.n[LEVEL_NUMA]; i++)
        mem += m->mem_free[i];
    if (!ok) {
        MUST(strict || bitset_count(&m->free) < w->cores || mem < w->mem_mib);
        MUST(!has_place(m, w));
        return;
    }
    check_choice(seed, m, w, &rank, r);
    bitset_and_not(&m->free, &r->cores);
    for (size_t i = 0; i < m->layout.n[LEVEL_NUMA]; i++)
        m->mem_free[i] -= r->mem[i];
}

static void end(struct machine *m, struct running *r)
{
    bitset_or(&m->free, &r->cores);
    for (size_t i = 0; i < m->layout.n[LEVEL_NUMA]; i++)
        m->mem_free[i] += r->mem[i];
    bitset_fini(&r->cores);
    *r = (struct running){0};
}

static void play(uint64_t seed)
{
    struct machine m;
    struct dice d = {seed * 7919 + 1};
    static struct running jobs[JOBS_MAX];
    memset(jobs, 0, sizeof jobs);
    machine_make(&m, two_sockets, "0-31", 32768);
    for (unsigned step = 0; step < 400; step++) {
        struct running *r = &jobs[roll(&d, 24)];
        struct layout_wish w = random_wish(&d);
        if (r->cores.n > 0)
            end(&m, r);
        else
            start(seed, &m, &w, r);
    }
    for (size_t i = 0; i < JOBS_MAX; i++)
        end(&m, &jobs[i]);
    MUST(bitset_equal(&m.free, &m.cores));
    machine_fini(&m);
}

Test(layout, random_jobs_never_share_a_core_and_fit_as_tightly_as_can_be)
{
    const char *seed = getenv("CHIPQ_SEED");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    for (uint64_t i = first; i < first + (seed ? 1 : 300); i++)
        play(i);
}

/* As when all its cores are taken offline: nobody can be there, and nothing else gets its memory.
 */
Test(layout, a_numa_node_whose_cores_are_offline_keeps_its_memory)
{
    struct machine m;
    machine_make(&m, two_sockets, "0-7,16-31", 32000);
    cr_expect_eq(m.layout.n[LEVEL_NUMA], 4);
    cr_expect_eq(m.layout.units[LEVEL_NUMA][1].mem_mib, 8000);
    cr_expect_eq(m.layout.units[LEVEL_NUMA][1].n_cores, 0);
    cr_expect_str_eq(place(&m, "pack:numa", 8, 8000), "0-7");
    use(&m, "0-7");
    cr_expect_str_eq(place(&m, "pack:numa", 4, 4000), "16-19");
    cr_expect_str_eq(place(&m, "pack:numa", 16, 4000), "16-31");
    cr_expect_str_eq(place(&m, "spread", 2, 4000), "16,24");
    machine_fini(&m);
}

Test(layout, gpus_are_no_place_for_jobs)
{
    struct machine m;
    machine_make(&m, "numa0:100(0 1 gpu0:nvidia:20b0@0000:3b:00.0) numa1:100(2 3) gpu1", "0-3",
                 1000);
    cr_expect_eq(m.layout.n[LEVEL_NUMA], 2);
    cr_expect_str_eq(place(&m, "pack:numa", 4, 100), "0-3");
    machine_fini(&m);
}
