// LINK: cq_base_pure
/* The compact form as a list of cores. */
#include "common/base/pure/places.h"

#include <criterion/criterion.h>

static const char two[] = "pkg0(numa0:100(l3(0 1) l3(2 3))) pkg1(numa3:100(l3(4 5)) numa4:9() 7)";

static void expect_place(const struct place *p, struct place wanted)
{
    cr_expect_eq(p->core, wanted.core);
    cr_expect_eq(p->package, wanted.package, "core %u", p->core);
    cr_expect_eq(p->numa, wanted.numa, "core %u", p->core);
    cr_expect_eq(p->l3, wanted.l3, "core %u", p->core);
    cr_expect_eq(p->numa_at, wanted.numa_at, "core %u", p->core);
}

Test(places, tell_where_each_core_is)
{
    struct places p;
    cr_assert(places_read(two, &p));
    cr_assert_eq(p.n, 7);
    cr_expect_eq(p.n_numa, 2, "one without cores does not count");
    expect_place(&p.items[0], (struct place){.core = 0, .package = 0, .numa = 0, .l3 = 0});
    expect_place(&p.items[2], (struct place){.core = 2, .package = 0, .numa = 0, .l3 = 1});
    expect_place(&p.items[4],
                 (struct place){.core = 4, .package = 1, .numa = 3, .l3 = 2, .numa_at = 1});
    expect_place(&p.items[6],
                 (struct place){
                     .core = 7, .package = 1, .numa = PLACE_NONE, .l3 = PLACE_NONE, .numa_at = 2});
    places_fini(&p);
}

/* A NUMA node of which jobs have no core is not counted: the scheduler does not either. */
Test(places, of_the_system_are_where_they_are)
{
    struct places p;
    cr_assert(places_read("pkg0(numa0:9(sys0 sys1) numa1:9(l3(sys2 3) 4)) sys5", &p));
    cr_assert_eq(p.n, 6);
    cr_expect_eq(p.n_numa, 1);
    cr_expect(p.items[0].is_system && !p.items[3].is_system);
    cr_expect_eq(p.items[0].numa_at, PLACE_NONE);
    cr_expect_eq(p.items[2].numa_at, 0);
    cr_expect_eq(p.items[3].numa_at, 0);
    places_fini(&p);
    cr_expect_not(places_read("sys", &p));
    cr_expect_not(places_read("sysx", &p));
}

static void expect_numa(const struct places *p, const char *cores, const char *wanted)
{
    struct bitset set = {0};
    struct cq_str text = {0};
    cr_assert_eq(bitset_parse(cores, &set, NULL), 0);
    places_numa(p, &set, &text);
    cr_expect_str_eq(cq_str_text(&text), wanted, "cores %s", cores);
    cq_str_fini(&text);
    bitset_fini(&set);
}

Test(places, numa_nodes_of_cores)
{
    struct places p;
    cr_assert(places_read(two, &p));
    expect_numa(&p, "1-2", "0");
    expect_numa(&p, "3-4", "0,3");
    expect_numa(&p, "7", "");
    expect_numa(&p, "", "");
    places_fini(&p);
}

Test(places, of_a_machine_without_groups)
{
    struct places p;
    cr_assert(places_read("0 1 2", &p));
    cr_expect_eq(p.n, 3);
    cr_expect_eq(p.n_numa, 0);
    expect_numa(&p, "0-2", "");
    places_fini(&p);
    cr_assert(places_read("", &p));
    cr_expect_eq(p.n, 0);
    places_fini(&p);
}

Test(places, gpus_and_what_they_are_near)
{
    struct places p;
    cr_assert(places_read("pkg0(numa2:100(0 gpu0:amd:1@0:1 1)) gpu1 gpu7:x", &p));
    cr_assert_eq(p.n, 2);
    cr_assert_eq(p.n_gpus, 3);
    cr_expect_str_eq(p.gpus[0].name, "amd:1@0:1");
    cr_expect_eq(p.gpus[0].near.numa, 2);
    cr_expect_eq(p.gpus[0].near.package, 0);
    cr_expect_eq(p.gpus[1].gpu, 1);
    cr_expect_str_eq(p.gpus[1].name, "");
    cr_expect_eq(p.gpus[1].near.numa, PLACE_NONE);
    cr_expect_eq(p.gpus[2].gpu, 7);
    places_fini(&p);
}

Test(places, refuses_what_is_no_topology)
{
    static const char *const bad[] = {
        ")",           "pkg0(0",
        "pkg0(0))",    "numa0(1)",
        "numa0:1 1",   "l3 1",
        "hello",       "4096",
        "99999999999", "-1",
        "gpu0(1)",     "gpu0:123456789012345678901234567890123456789012345678901234567890abcd",
        "gpu 0",       "gpunuma:1(0 0)",
        "gpu0:x(0)",   "gpu0numa0:1(0)",
        "pkg0((1))",   "l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(l3(1)))))))))))))))))",
    };
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct places p;
        cr_expect_not(places_read(bad[i], &p), "%s", bad[i]);
    }
}
