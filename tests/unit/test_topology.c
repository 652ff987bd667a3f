// LINK: cq_agent cq_lease cq_base_sys
/* Shapes of real machines (examples/topologies/) as the worker tells them. */
#include <criterion/criterion.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "worker/agent/topology.h"

static void load(const char *file, uint64_t cores_max, struct topology *t)
{
    CQ_CLEANUP(cq_free_ptr)
    char *path = path_format(CHIPQ_SOURCE_DIR "/examples/topologies/%s", file);
    const struct topology_options o = {.source = path, .cores_max = cores_max};
    struct cq_err err = {0};
    cr_assert_eq(topology_load(&o, t, &err), 0, "%s", err.text);
    cr_expect_not(t->is_real);
}

static void add_cores(struct cq_str *out, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        cq_str_printf(out, "%s%u", i ? " " : "", first + i);
}

Test(shapes, two_sockets)
{
    struct topology t;
    struct cq_str wanted = {0};
    load("two-sockets.xml", 0, &t);
    cq_str_add(&wanted, "pkg0(numa0:131072(l3(");
    add_cores(&wanted, 0, 24);
    cq_str_add(&wanted, "))) pkg1(numa1:131072(l3(");
    add_cores(&wanted, 24, 24);
    cq_str_add(&wanted, ")))");
    cr_expect_str_eq(t.text, cq_str_text(&wanted));
    cr_expect_eq(bitset_count(&t.cores), 48, "cores, not threads");
    cr_expect_null(t.kinds);
    cq_str_fini(&wanted);
    topology_fini(&t);
}

Test(shapes, many_shared_caches)
{
    struct topology t;
    struct cq_str wanted = {0};
    load("many-l3.xml", 0, &t);
    for (unsigned node = 0; node < 8; node++) {
        cq_str_add(&wanted, node == 0 ? "pkg0(" : node == 4 ? ") pkg1(" : " ");
        cq_str_printf(&wanted, "numa%u:65536(l3(", node);
        add_cores(&wanted, node * 8, 4);
        cq_str_add(&wanted, ") l3(");
        add_cores(&wanted, node * 8 + 4, 4);
        cq_str_add(&wanted, "))");
    }
    cq_str_add(&wanted, ")");
    cr_expect_str_eq(t.text, cq_str_text(&wanted));
    cr_expect_eq(t.mem_mib, UINT64_C(8) * 65536 * 95 / 100 + 1, "less a reserve");
    cq_str_fini(&wanted);
    topology_fini(&t);
}

Test(shapes, a_cache_above_two_numa_nodes)
{
    struct topology t;
    load("snc.xml", 0, &t);
    cr_expect_str_eq(t.text, "pkg0(l3(numa0:16384(0 1 2 3) numa1:16384(4 5 6 7)))");
    topology_fini(&t);
    load("snc.xml", 5, &t);
    cr_expect_str_eq(t.text, "pkg0(l3(numa0:16384(0 1 2 3) numa1:16384(4)))");
    topology_fini(&t);
}

Test(shapes, two_kinds_of_cores)
{
    struct topology t;
    load("hybrid.xml", 0, &t);
    cr_expect_str_eq(t.text, "pkg0(numa0:32768(l3(0 1 2 3 4 5 6 7 8 9 10 11 12 13)))");
    cr_expect_str_eq(t.kinds, "performance:6,efficiency:8");
    cr_expect_str_eq(t.kind_cores, "performance-cores=0-5\nefficiency-cores=6-13");
    topology_fini(&t);
    load("hybrid.xml", 8, &t);
    cr_expect_str_eq(t.kinds, "performance:6,efficiency:2", "of what is offered");
    topology_fini(&t);
}

/* Two on the first socket, one on the second; the graphics of its management controller are none.
 */
Test(shapes, gpus_where_they_are_near)
{
    struct topology t;
    load("gpus.xml", 0, &t);
    cr_expect_str_eq(t.text,
                     "pkg0(numa0:65536(l3(0 1 2 3 4 5 6 7) gpu0:nvidia:20b0@0000:3b:00.0 "
                     "gpu1:nvidia:20b0@0000:3c:00.0)) "
                     "pkg1(numa1:65536(l3(8 9 10 11 12 13 14 15) gpu2:amd:740f@0000:8a:00.0))");
    cr_expect_str_eq(t.gpus, "gpu=3\ngpu-nvidia=2\ngpu-amd=1");
    topology_fini(&t);
    load("gpus.xml", 2, &t);
    cr_expect_str_eq(t.text,
                     "pkg0(numa0:65536(l3(0 1) gpu0:nvidia:20b0@0000:3b:00.0 "
                     "gpu1:nvidia:20b0@0000:3c:00.0)) gpu2:amd:740f@0000:8a:00.0",
                     "one that is near no core that is offered is there all the same");
    topology_fini(&t);
    load("snc.xml", 0, &t);
    cr_expect_null(t.gpus);
    topology_fini(&t);
}

/* In a process with one thread, as the agent is then: 0 when it offers just that core. */
static int offers_one(uint32_t cpu, size_t core)
{
    const struct topology_options o = {.source = NULL};
    struct topology t;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0 || topology_load(&o, &t, NULL) != 0)
        return 2;
    int rc = bitset_count(&t.cores) == 1 && bitset_has(&t.cores, core)
             && bitset_next(&t.places[core].cpus, 0) == cpu;
    topology_fini(&t);
    return rc ? 0 : 1;
}

/* As taskset and cpusets do; a core's number does not depend on it. */
Test(shapes, offers_only_what_this_process_may_use)
{
    const struct topology_options o = {.source = NULL};
    struct topology all;
    size_t last = 0;
    int status = 0;
    cr_assert_eq(topology_load(&o, &all, NULL), 0);
    for (size_t i = bitset_next(&all.cores, 0); i != SIZE_MAX; i = bitset_next(&all.cores, i + 1))
        last = i;
    pid_t child = fork();
    if (child == 0)
        _exit(offers_one((uint32_t)bitset_next(&all.places[last].cpus, 0), last));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
    topology_fini(&all);
}
