// LINK: cq_agent cq_lease cq_base_sys
/* Cores keep their numbers. A machine of two packages of two cores of two threads, numbered as
 * Linux does (core N has processors N and N + 4), told as hwloc tells it with some processors
 * offline: it leaves them out of all but the machine's complete set. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "worker/agent/topology.h"

enum { CORES = 4, ALL = 0xff };

static char dir[64], *machine, *numbers;

static void start(void)
{
    snprintf(dir, sizeof dir, "/tmp/cq-numbers-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    machine = path_format("%s/machine.xml", dir);
    numbers = path_format("%s/cores", dir);
}

static void end(void)
{
    struct cq_err err;
    cr_expect_eq(dir_remove(dir, &err), 0);
    free(machine);
    free(numbers);
}

TestSuite(numbers, .init = start, .fini = end);

static void add_object(struct cq_str *out, const char *type, unsigned index, unsigned cpus,
                       unsigned complete, const char *more)
{
    cq_str_printf(out,
                  "<object type=\"%s\" os_index=\"%u\" cpuset=\"0x%x\" complete_cpuset=\"0x%x\" "
                  "allowed_cpuset=\"0x%x\" nodeset=\"0x1\" complete_nodeset=\"0x1\" "
                  "allowed_nodeset=\"0x1\"%s>\n",
                  type, index, cpus, complete, cpus, more);
}

static void add_core(struct cq_str *out, unsigned core, unsigned cpus)
{
    if (cpus == 0)
        return;
    add_object(out, "Core", core % 2, cpus, cpus, "");
    for (unsigned cpu = 0; cpu < 2 * CORES; cpu++)
        if (cpus & 1u << cpu) {
            add_object(out, "PU", cpu, 1u << cpu, 1u << cpu, "");
            cq_str_add(out, "</object>");
        }
    cq_str_add(out, "</object>");
}

/* The machine with these processors online, of all those that it is to have. */
static void write_machine(unsigned online, unsigned complete)
{
    struct cq_str out = {0};
    struct cq_err err;
    cq_str_add(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM "
                     "\"hwloc2.dtd\">\n<topology version=\"2.0\">\n");
    add_object(&out, "Machine", 0, online, complete, "");
    add_object(&out, "NUMANode", 0, online, online, " local_memory=\"8589934592\"");
    cq_str_add(&out, "</object>");
    for (unsigned package = 0; package < 2; package++) {
        unsigned own = online & (package ? 0xcc : 0x33);
        if (own == 0)
            continue;
        add_object(&out, "Package", package, own, own, "");
        for (unsigned core = 2 * package; core < 2 * package + 2; core++)
            add_core(&out, core, own & 0x11u << core);
        cq_str_add(&out, "</object>");
    }
    cq_str_add(&out, "</object></topology>\n");
    cr_assert_eq(file_write_atomic(machine, out.data, out.len, 0600, &err), 0, "%s", err.text);
    cq_str_fini(&out);
}

static struct topology_options options(uint64_t cores_max)
{
    return (struct topology_options){
        .source = machine, .cores_max = cores_max, .numbers_path = numbers};
}

static void load(unsigned online, uint64_t cores_max, struct topology *t)
{
    const struct topology_options o = options(cores_max);
    struct cq_err err = {0};
    write_machine(online, ALL);
    cr_assert_eq(topology_load(&o, t, &err), 0, "%s", err.text);
    t->is_real = true; /* processors are told, nothing is bound here */
}

static void renew(unsigned online, uint64_t cores_max, struct topology *t)
{
    const struct topology_options o = options(cores_max);
    struct cq_err err = {0};
    write_machine(online, ALL);
    cr_assert_eq(topology_renew(&o, t, &err), 0, "%s", err.text);
}

static void expect(const struct topology *t, const char *cores, const char *text)
{
    struct cq_str got = {0};
    bitset_format(&t->cores, &got);
    cr_expect_str_eq(cq_str_text(&got), cores, "offered: %s, not %s", cq_str_text(&got), cores);
    cr_expect_str_eq(t->text, text, "told: %s, not %s", t->text, text);
    cq_str_fini(&got);
}

static void expect_cpus(const struct topology *t, size_t core, const char *cpus)
{
    struct bitset one = {0};
    struct cq_str got = {0};
    bitset_set(&one, core);
    topology_cpus(t, &one, 0, &got);
    cr_expect_str_eq(cq_str_text(&got), cpus, "core %zu has %s, not %s", core, cq_str_text(&got),
                     cpus);
    bitset_fini(&one);
    cq_str_fini(&got);
}

static const char whole[] = "numa0:8192(pkg0(0 1) pkg1(2 3))";

Test(numbers, stay_when_a_core_goes_offline_and_comes_back)
{
    struct topology t;
    load(ALL, 0, &t);
    expect(&t, "0-3", whole);
    renew(ALL & ~0x22u, 0, &t);
    expect(&t, "0,2-3", whole);
    expect_cpus(&t, 1, "");
    expect_cpus(&t, 2, "2,6");
    renew(ALL, 0, &t);
    expect(&t, "0-3", whole);
    expect_cpus(&t, 1, "1,5");
    topology_fini(&t);
}

Test(numbers, stay_over_a_restart)
{
    struct topology t;
    load(ALL, 0, &t);
    topology_fini(&t);
    load(ALL & ~0x33u, 0, &t); /* a whole package is offline */
    expect(&t, "2-3", whole);
    expect_cpus(&t, 2, "2,6");
    topology_fini(&t);
}

/* One of the system's keeps its number and its place, online or not, and is never offered. */
Test(numbers, cores_of_the_system_are_told_and_never_offered)
{
    struct topology t;
    struct topology_options o = options(0);
    struct cq_err err = {0};
    static const char told[] = "numa0:8192(pkg0(sys0 1) pkg1(2 3))";
    cr_assert_eq(bitset_parse("0", &o.system, NULL), 0);
    write_machine(ALL, ALL);
    cr_assert_eq(topology_load(&o, &t, &err), 0, "%s", err.text);
    expect(&t, "1-3", told);
    write_machine(ALL & ~0x11u, ALL);
    cr_assert_eq(topology_renew(&o, &t, &err), 0, "%s", err.text);
    expect(&t, "1-3", told);
    write_machine(ALL, ALL);
    cr_assert_eq(topology_renew(&o, &t, &err), 0, "%s", err.text);
    expect(&t, "1-3", told);
    topology_fini(&t);
    o.cores_max = 2; /* of the others */
    cr_assert_eq(topology_load(&o, &t, &err), 0, "%s", err.text);
    expect(&t, "1-2", "numa0:8192(pkg0(sys0 1) pkg1(2))");
    topology_fini(&t);
    bitset_fini(&o.system);
}

Test(numbers, cores_of_the_system_that_are_not_there_or_all_there_are_are_refused)
{
    struct topology t;
    struct topology_options o = options(0);
    struct cq_err err = {0};
    write_machine(ALL, ALL);
    cr_assert_eq(bitset_parse("1,7", &o.system, NULL), 0);
    cr_expect_eq(topology_load(&o, &t, &err), -1);
    cr_expect_str_eq(err.text, "--system-cores names core 7; this machine has 0 to 3 (chipq nodes "
                               "--topology shows them)");
    cr_assert_eq(bitset_parse("0-3", &o.system, NULL), 0);
    cr_expect_eq(topology_load(&o, &t, &err), -1);
    cr_expect_str_eq(err.text,
                     "--system-cores leaves no core for jobs; this worker may use no other");
    bitset_fini(&o.system);
    o.system_mem_mib = 8192;
    cr_expect_eq(topology_load(&o, &t, &err), -1);
    cr_expect_str_eq(err.text, "--system-mem leaves no memory for jobs");
    o.system_mem_mib = 1000;
    cr_assert_eq(topology_load(&o, &t, &err), 0, "%s", err.text);
    cr_expect_eq(t.mem_mib, 7192u);
    topology_fini(&t);
}

Test(numbers, second_threads_are_no_cores)
{
    struct topology t;
    load(0x0f, 0, &t); /* SMT is off */
    expect(&t, "0-3", whole);
    expect_cpus(&t, 3, "3");
    renew(ALL, 0, &t);
    expect(&t, "0-3", whole);
    expect_cpus(&t, 3, "3,7");
    renew(ALL & ~0x08u, 0, &t); /* the first thread of one */
    expect(&t, "0-3", whole);
    expect_cpus(&t, 3, "7");
    topology_fini(&t);
}

/* Nobody can say whether an offline processor is a core, nor where, before it has been online. */
Test(numbers, a_core_that_is_new_takes_the_next_one)
{
    struct topology t;
    load(ALL & ~0x22u, 0, &t);
    expect(&t, "0-2", "numa0:8192(pkg0(0) pkg1(1 2))");
    renew(ALL, 0, &t);
    expect(&t, "0-3", "numa0:8192(pkg0(0 3) pkg1(1 2))");
    expect_cpus(&t, 3, "1,5");
    renew(ALL & ~0x22u & ~0x11u, 0, &t);
    expect(&t, "1-2", "numa0:8192(pkg0(0 3) pkg1(1 2))");
    topology_fini(&t);
}

Test(numbers, one_that_was_away_when_another_came_stands_behind_all)
{
    struct topology t;
    load(ALL & ~0x22u, 0, &t);
    renew(ALL & ~0x44u, 0, &t); /* number 1 goes, another one comes */
    expect(&t, "0,2-3", "numa0:8192(pkg0(0 3) pkg1(2)) 1");
    renew(ALL, 0, &t);
    expect(&t, "0-3", "numa0:8192(pkg0(0 3) pkg1(1 2))");
    topology_fini(&t);
}

Test(numbers, what_is_offline_counts_among_the_lowest)
{
    struct topology t;
    load(ALL, 2, &t);
    topology_fini(&t);
    load(ALL & ~0x22u, 2, &t);
    expect(&t, "0", "numa0:8192(pkg0(0 1))");
    renew(ALL, 2, &t);
    expect(&t, "0-1", "numa0:8192(pkg0(0 1))");
    topology_fini(&t);
}

/* What is not there at all any more is not waited for by an agent that starts. */
Test(numbers, a_processor_that_was_taken_out_is_forgotten)
{
    const struct topology_options o = options(0);
    struct topology t;
    load(ALL, 0, &t);
    topology_fini(&t);
    write_machine(ALL & ~0x88u, ALL & ~0x88u);
    cr_assert_eq(topology_load(&o, &t, NULL), 0);
    expect(&t, "0-2", "numa0:8192(pkg0(0 1) pkg1(2))");
    topology_fini(&t);
}

static void spoil(const char *text)
{
    struct cq_err err;
    cr_assert_eq(file_write_atomic(numbers, text, strlen(text), 0600, &err), 0);
}

Test(numbers, of_another_boot_or_nonsense_are_not_taken)
{
    static const char *const bad[] = {
        "", "{", "[]", "{\"boot\": 1}",
        "{\"boot\": \"00\", \"topology\": \"0\", \"cores\": [\"3\", \"2\", \"1\", \"0\"]}"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct topology t;
        spoil(bad[i]);
        load(ALL, 0, &t);
        expect(&t, "0-3", whole);
        expect_cpus(&t, 0, "0,4");
        topology_fini(&t);
    }
}

Test(numbers, a_form_with_cores_that_have_no_number_is_not_taken)
{
    struct core_numbers n = {0}, again;
    struct bitset cpus = {0};
    bitset_set(&cpus, 0);
    cr_assert_eq(numbers_of(&n, &cpus), 0);
    numbers_place(&n, cq_strdup("0 1"), &cpus);
    cr_assert_eq(numbers_write(&n, numbers, NULL), 0);
    cr_expect_not(numbers_read(&again, numbers));
    numbers_place(&n, cq_strdup("sys0"), &cpus);
    cr_assert_eq(numbers_write(&n, numbers, NULL), 0);
    cr_expect_not(numbers_read(&again, numbers));
    numbers_place(&n, cq_strdup("pkg0(0)"), &cpus);
    cr_assert_eq(numbers_write(&n, numbers, NULL), 0);
    cr_assert(numbers_read(&again, numbers));
    cr_expect_str_eq(again.text, "pkg0(0)");
    numbers_fini(&again);
    numbers_fini(&n);
    bitset_fini(&cpus);
}
