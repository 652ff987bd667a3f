// LINK: cq_cli_parts
/* A machine as people see it. */
#include "cli/machine_draw.h"

#include <criterion/criterion.h>

static void expect_drawing(const struct node_row *node, const char *wanted)
{
    struct cq_str out = {0};
    machine_draw(node, &out);
    cr_expect_str_eq(cq_str_text(&out), wanted, "got:\n%s\nexpected:\n%s", cq_str_text(&out),
                     wanted);
    cq_str_fini(&out);
}

static const char *const busy[] = {"acme/12[0] 0-1", "busy 2,6", "acme/13[4] 5"};
static const uint64_t mib[] = {8192, 4096}, used_mib[] = {1024, 512};
static const struct node_row small = {
    .name = "n1",
    .state = "up",
    .cores = 8,
    .cores_used = 5,
    .mem_mib = 12288,
    .mem_used_mib = 1536,
    .topology = "pkg0(numa0:8192(l3(0 1) l3(2 3))) pkg1(numa1:4096(l3(4 5) l3(6 8)))",
    .busy = busy,
    .n_busy = 3,
    .numa_mib = mib,
    .n_numa_mib = 2,
    .numa_used_mib = used_mib,
    .n_numa_used_mib = 2};

Test(machine_draw, shows_who_is_where)
{
    expect_drawing(&small, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                           "package 0\n"
                           "  numa 0   1G/8G            0    12   12 | busy    .\n"
                           "package 1\n"
                           "  numa 1   512M/4G          4     .   13 | busy\n"
                           "                            8     .\n"
                           "acme/12: cores 0-1 (numa 0)\n"
                           "acme/13[4]: core 5 (numa 1)\n");
}

Test(machine_draw, cores_of_the_system_stand_in_their_place)
{
    struct node_row node = small;
    node.topology = "pkg0(numa0:8192(l3(sys0 1) l3(2 3))) pkg1(numa1:4096(sys4 sys5))";
    node.n_busy = 0;
    node.n_numa_mib = node.n_numa_used_mib = 1;
    expect_drawing(&node, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                          "package 0\n"
                          "  numa 0   1G/8G            0   sys    . |    .    .\n"
                          "package 1\n"
                          "  numa 1                    4   sys  sys\n");
    json_t *o = machine_json(&node);
    const json_t *first = json_array_get(json_object_get(o, "places"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(first, "use")), "system");
    json_decref(o);
}

Test(machine_draw, kinds_of_cores_stand_behind_their_rows)
{
    static const char *const features[] = {"tool=x=1", "performance-cores=0-1",
                                           "efficiency-cores=2-5"};
    struct node_row node = small;
    node.topology = "pkg0(numa0:8192(l3(0 1 2 3 4 5)))";
    node.features = features;
    node.n_features = 3;
    expect_drawing(&node, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                          "package 0\n"
                          "  numa 0   1G/8G            0    12   12  performance\n"
                          "                            2  busy    .    .   13  efficiency\n"
                          "acme/12: cores 0-1 (numa 0)\n"
                          "acme/13[4]: core 5 (numa 0)\n");
    json_t *o = machine_json(&node);
    const json_t *last = json_array_get(json_object_get(o, "places"), 5);
    cr_expect_str_eq(json_string_value(json_object_get(last, "kind")), "efficiency");
    json_decref(o);
}

Test(machine_draw, of_a_machine_that_tells_less)
{
    struct node_row node = small;
    node.topology = "0 1 2";
    node.n_busy = node.n_numa_mib = 0;
    expect_drawing(&node, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                          "                            0     .    .    .\n");
    node.topology = "";
    expect_drawing(&node, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                          "  it has not said where its cores lie\n");
}

/* One on which a job is, and an idle one. */
Test(machine_draw, a_core_that_is_offline_is_off)
{
    struct node_row node = small;
    node.cores = 6;
    node.cores_used = 4;
    node.offline = "1,8";
    expect_drawing(&node, "n1: up, 4 of 6 cores and 1.5G of 12G used, 1,8 offline\n"
                          "package 0\n"
                          "  numa 0   1G/8G            0    12  off | busy    .\n"
                          "package 1\n"
                          "  numa 1   512M/4G          4     .   13 | busy\n"
                          "                            8   off\n"
                          "acme/12: cores 0-1 (numa 0)\n"
                          "acme/13[4]: core 5 (numa 1)\n");
    json_t *o = machine_json(&node), *places = json_object_get(o, "places");
    cr_expect_str_eq(json_string_value(json_object_get(o, "offline")), "1,8");
    for (size_t i = 0; i < 8; i++) {
        json_t *place = json_array_get(places, i);
        json_int_t core = json_integer_value(json_object_get(place, "core"));
        cr_expect_eq(json_is_true(json_object_get(place, "offline")), core == 1 || core == 8);
    }
    json_decref(o);
}

Test(machine_draw, gpus_beside_the_cores)
{
    struct node_row node = small;
    node.topology = "numa3:8192(0 1 gpu0:nvidia:20b0@0000:3b:00.0) gpu1:mali0";
    node.n_busy = node.n_numa_mib = 0;
    expect_drawing(&node, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                          "  numa 3                    0     .    .\n"
                          "gpu 0  nvidia:20b0@0000:3b:00.0 (numa 3)\n"
                          "gpu 1  mali0\n");
    json_t *o = machine_json(&node), *texts = machine_gpus(node.topology);
    json_t *wanted = json_pack("[{s:i,s:s,s:n,s:i},{s:i,s:s,s:n,s:n}]", "gpu", 0, "name",
                               "nvidia:20b0@0000:3b:00.0", "package", "numa", 3, "gpu", 1, "name",
                               "mali0", "package", "numa");
    cr_expect(json_equal(json_object_get(o, "gpus"), wanted));
    cr_expect_eq(json_array_size(texts), 2);
    cr_expect_str_eq(json_string_value(json_array_get(texts, 0)),
                     "nvidia:20b0@0000:3b:00.0 (numa 3)");
    json_decref(wanted);
    json_decref(texts);
    json_decref(o);
}

/* Two sockets of 32 cores, caches of two: the widest that there is. */
static char *wide_topology(void)
{
    struct cq_str t = {0};
    for (unsigned i = 0; i < 64; i++) {
        if (i % 32 == 0)
            cq_str_printf(&t, "%spkg%u(numa%u:131072(", i ? ")) " : "", i / 32, i / 32);
        cq_str_printf(&t, i % 2 ? " %u)" : "l3(%u", i);
    }
    cq_str_add(&t, "))");
    return cq_str_take(&t);
}

static size_t widest_line(const char *text)
{
    size_t widest = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t n = strcspn(line, "\n");
        widest = n > widest ? n : widest;
    }
    return widest;
}

Test(machine_draw, fits_into_80_columns)
{
    static const char *const jobs[] = {"acme/12345[0] 0-31"};
    static const uint64_t much[] = {131072, 131072}, some[] = {130999, 1};
    char *topology = wide_topology();
    struct node_row node = {.name = "n1",
                            .state = "up",
                            .topology = topology,
                            .busy = jobs,
                            .n_busy = 1,
                            .numa_mib = much,
                            .n_numa_mib = 2,
                            .numa_used_mib = some,
                            .n_numa_used_mib = 2};
    struct cq_str out = {0};
    machine_draw(&node, &out);
    cr_expect_leq(widest_line(cq_str_text(&out)), 80, "%s", cq_str_text(&out));
    cr_expect_not_null(strstr(cq_str_text(&out), " 12345"));
    cq_str_fini(&out);
    free(topology);
}

Test(machine_draw, data)
{
    json_t *o = machine_json(&small), *places = json_object_get(o, "places");
    cr_assert_eq(json_array_size(places), 8);
    json_t *wanted =
        json_pack("{s:i,s:i,s:i,s:i,s:b,s:s,s:s,s:i,s:i}", "core", 5, "package", 1, "numa", 1, "l3",
                  2, "offline", 0, "use", "job", "enterprise", "acme", "job", 13, "task", 4);
    cr_expect(json_equal(json_array_get(places, 5), wanted));
    json_t *busy_one = json_array_get(places, 2);
    cr_expect_str_eq(json_string_value(json_object_get(busy_one, "use")), "busy");
    cr_expect_null(json_object_get(busy_one, "job"));
    json_t *numa = json_pack("[{s:i,s:i,s:i},{s:i,s:i,s:i}]", "numa", 0, "mem_mib", 8192,
                             "mem_used_mib", 1024, "numa", 1, "mem_mib", 4096, "mem_used_mib", 512);
    cr_expect(json_equal(json_object_get(o, "numa"), numa));
    json_decref(numa);
    json_decref(wanted);
    json_decref(o);
}

Test(machine_draw, lines_it_does_not_know_are_busy)
{
    static const char *const odd[] = {"acme/x[1] 0", "nobody", "/3[0] 1", "busy 99999"};
    struct node_row node = small;
    node.busy = odd;
    node.n_busy = 4;
    expect_drawing(&node, "n1: up, 5 of 8 cores and 1.5G of 12G used\n"
                          "package 0\n"
                          "  numa 0   1G/8G            0  busy busy |    .    .\n"
                          "package 1\n"
                          "  numa 1   512M/4G          4     .    . |    .\n"
                          "                            8     .\n");
}
