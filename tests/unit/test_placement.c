// LINK: cq_core
/* Jobs on a machine with memory domains: where they start, what is refused, what is kept and taken
 * back for those that insist on their place. */
#include "scheduler/core/holds_plan.h"
#include "tests/unit/calendar_fixture.h"

/* n1 again, as two NUMA nodes of eight cores and 8 GiB. */
#define TOPOLOGY "pkg0(numa0:8192(0 1 2 3 4 5 6 7) numa1:8192(8 9 10 11 12 13 14 15))"

static void hello_as(const char *cores, const char *topology, uint64_t mem_mib)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&world, "n1")};
    in.u.worker_hello = (struct in_worker_hello){.node = "n1",
                                                 .cores = cores,
                                                 .topology = topology,
                                                 .features = "",
                                                 .mem_mib = mem_mib,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = 1;
    (void)world_step(&world, &in);
}

static void hello_with(const char *cores)
{
    hello_as(cores, TOPOLOGY, 16384);
}

static void hello_numa(void)
{
    hello_with("0-15");
}

static void bye(const char *node)
{
    struct input in = {.type = INPUT_WORKER_BYE, .principal = world_principal(&world, node)};
    (void)world_step(&world, &in);
}

static void begin(void)
{
    set_up();
    bye("n2");
    hello_numa();
}

TestSuite(placement, .init = begin, .fini = tear_down);

struct want {
    const char *user, *topo;
    uint64_t cores, mem_mib;
    int64_t time_us;
    unsigned exclusive, membind;
    bool is_preemptible;
};

/* Its number; 0: refused. */
static uint64_t ask_for(struct want a)
{
    struct in_job job = IN_JOB_PLAIN;
    job.cores = a.cores;
    job.mem_mib = a.mem_mib ? a.mem_mib : 100;
    job.time_us = (uint64_t)(a.time_us ? a.time_us : HOUR);
    job.topo = a.topo ? a.topo : "";
    job.exclusive = a.exclusive;
    job.membind = a.membind;
    job.is_preemptible = a.is_preemptible;
    struct input in = {.type = INPUT_SUBMIT,
                       .principal = world_principal(&world, a.user ? a.user : "ann")};
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = &job, .n_jobs = 1};
    uint64_t key = ++n_keys;
    memcpy(in.u.submit.key.bytes, &key, sizeof key);
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    const char *accepted = strstr(cq_str_text(&world.log), "accepted ");
    return accepted ? strtoull(accepted + strlen("accepted "), NULL, 10) : 0;
}
#define ASK(...) ask_for((struct want){__VA_ARGS__})

static const struct lease *lease_of(const char *enterprise, uint64_t number)
{
    struct found f = find(enterprise, number);
    return f.n > 0 ? map_find(&world.core->leases.by_id, f.lease.id.v) : NULL;
}

#define EXPECT_CORES(enterprise, number, want)                          \
    do {                                                                \
        const struct lease *l_ = lease_of(enterprise, number);          \
        cr_assert(l_, "job %lu does not run", (unsigned long)(number)); \
        cr_expect_str_eq(l_->cores_text, want, "%s", l_->cores_text);   \
    } while (0)
#define EXPECT_SAID(text) \
    cr_expect(strstr(cq_str_text(&world.log), text), "%s", cq_str_text(&world.log))

Test(placement, small_jobs_fill_one_domain_before_they_touch_another)
{
    uint64_t a = ASK(.cores = 3), b = ASK(.cores = 6), c = ASK(.cores = 5);
    EXPECT_CORES("acme", a, "0-2");
    EXPECT_CORES("acme", b, "8-13");
    EXPECT_CORES("acme", c, "3-7");
}

Test(placement, memory_is_of_the_domain_of_the_cores_as_far_as_it_goes)
{
    const struct lease *l = lease_of("acme", ASK(.cores = 2, .mem_mib = 9000));
    cr_assert(l && l->numa_mem.n == 2);
    cr_expect_eq(l->numa_mem.mib[0], 8192u);
    cr_expect_eq(l->numa_mem.mib[1], 808u);
    l = lease_of("acme", ASK(.cores = 2, .mem_mib = 4000));
    cr_assert(l);
    cr_expect_str_eq(l->cores_text, "8-9");
    l = lease_of("acme", ASK(.cores = 2, .mem_mib = 3000, .membind = MEMBIND_INTERLEAVE));
    cr_assert(l);
    cr_expect_eq(l->numa_mem.mib[0], 0u, "there is none left");
    cr_expect_eq(l->numa_mem.mib[1], 3000u);
}

Test(placement, what_no_machine_can_place_so_strictly_is_refused_with_what_could)
{
    cr_expect_eq(ASK(.cores = 4, .mem_mib = 10000, .topo = "pack:numa!"), 0u);
    EXPECT_SAID("no machine can ever place 4 cores with 10000M as strictly as 'pack:numa!'");
    EXPECT_SAID("(the largest NUMA node has 8 cores and 8192M)");
    EXPECT_SAID("write --topo pack:socket! or the same without '!'");
    cr_expect_neq(ASK(.cores = 4, .mem_mib = 10000, .topo = "pack:socket!"), 0u);
    cr_expect_eq(ASK(.cores = 20, .exclusive = EXCLUSIVE_NUMA), 0u);
    EXPECT_SAID("no machine has whole NUMA nodes for 20 cores");
}

/* Two sockets of two NUMA nodes of one cache of four cores and 4 GiB. */
static void hello_sockets(void)
{
    hello_as("0-15",
             "pkg0(numa0:4096(l3(0 1 2 3)) numa1:4096(l3(4 5 6 7))) "
             "pkg1(numa2:4096(l3(8 9 10 11)) numa3:4096(l3(12 13 14 15)))",
             16384);
}

static bool is_refused(const char *topo, uint64_t cores, uint64_t mem_mib)
{
    return ASK(.topo = topo, .cores = cores, .mem_mib = mem_mib) == 0;
}

/* Memory that a unit has not is no reason to have it from elsewhere, on no level. */
Test(placement, who_insists_has_its_memory_in_its_units)
{
    hello_sockets();
    cr_expect(is_refused("pack:socket!", 2, 9000));
    EXPECT_SAID("(the largest socket has 8 cores and 8192M); write the same without '!'");
    cr_expect(is_refused("pack:l3!", 2, 5000));
    EXPECT_SAID("(the largest L3 cache has 4 cores, and the memory beside it is 4096M); "
                "write --topo pack:socket! or the same without '!'");
    const struct lease *l =
        lease_of("acme", ASK(.topo = "pack:socket!", .cores = 2, .mem_mib = 8000));
    cr_assert(l);
    cr_expect_eq(l->numa_mem.mib[0] + l->numa_mem.mib[1], 8000u);
    l = lease_of("acme", ASK(.topo = "pack:l3!", .cores = 1, .mem_mib = 1000));
    cr_assert(l);
    cr_expect_str_eq(l->cores_text, "8", "not beside the first, where there is no memory");
    cr_expect_neq(ASK(.topo = "pack:socket!", .cores = 2, .mem_mib = 9000, .membind = MEMBIND_NONE),
                  0u, "it may come from anywhere");
}

/* The first two domains have the cores, the others the memory. */
Test(placement, who_insists_and_is_wide_goes_where_the_memory_is)
{
    hello_as("0-15",
             "pkg0(numa0:1024(0 1 2 3) numa1:1024(4 5 6 7)) "
             "pkg1(numa2:8192(8 9 10 11) numa3:6144(12 13 14 15))",
             16384);
    EXPECT_CORES("acme", ASK(.topo = "pack:numa!", .cores = 7, .mem_mib = 14000), "8-14");
}

Test(placement, who_insists_and_is_wider_than_a_unit_has_whole_ones_and_a_rest)
{
    hello_sockets();
    EXPECT_CORES("acme", ASK(.topo = "pack:l3!", .cores = 5), "0-4");
    uint64_t next = ASK(.topo = "pack:l3!", .cores = 12);
    cr_expect_neq(next, 0u);
    cr_expect_null(lease_of("acme", next), "two whole ones and a whole one are not there");
}

Test(placement, who_insists_on_being_spread_is_spread_or_waits)
{
    cr_expect(is_refused("spread!", 9, 100));
    EXPECT_SAID("jobs that are spread have at most half of a machine; the largest has 16 cores");
    cr_expect(is_refused("spread:socket!", 4, 100));
    EXPECT_SAID("(the machine with the largest socket has only that one); "
                "write --topo spread:numa! or the same without '!'");
    EXPECT_CORES("acme", ASK(.topo = "spread!", .cores = 3), "0-1,8");
    uint64_t blocks = ASK(.cores = 8, .topo = "pack:numa!");
    cr_expect_null(lease_of("acme", blocks));
    uint64_t most = ASK(.cores = 6), spread = ASK(.topo = "spread!", .cores = 4);
    EXPECT_CORES("acme", most, "2-7");
    cr_expect_null(lease_of("acme", spread), "no core of the first domain is left");
    EXPECT_CORES("acme", ASK(.topo = "spread", .cores = 4), "9-12");
}

Test(placement, who_insists_on_being_spread_waits_for_its_half)
{
    EXPECT_CORES("acme", ASK(.topo = "spread", .cores = 6), "0-2,8-10");
    uint64_t job = ASK(.topo = "spread!", .cores = 4);
    cr_expect_null(lease_of("acme", job));
    static struct reason r[4];
    struct enterprise_id e = {0};
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    size_t n = core_explain(world.core, core_find_job(world.core, e, job), world.now, r, 4);
    cr_assert(n > 0);
    cr_expect(strstr(r[0].text, "spread jobs have at most half of a machine together"), "%s",
              r[0].text);
    EXPECT_CORES("acme", ASK(.topo = "spread!", .cores = 2), "3,11");
}

/* The machine was another one when the job came. */
Test(placement, a_place_that_is_no_more_is_the_reason)
{
    static const char halves[] = "numa0:1(0 1 2 3 4 5 6 7) numa1:1(8 9 10 11 12 13 14 15)";
    static struct reason r[4];
    struct enterprise_id e = {0};
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    hello_as("0-15", halves, 80000);
    EXPECT_CORES("acme", ASK(.cores = 16), "0-15");
    uint64_t job = ASK(.topo = "pack:numa!", .cores = 4, .mem_mib = 39936);
    cr_assert_neq(job, 0u);
    hello_as("0-15", halves, 60000);
    size_t n = core_explain(world.core, core_find_job(world.core, e, job), world.now, r, 4);
    cr_assert(n > 0);
    cr_expect(strstr(r[0].text, "asks 4 cores and 39G as strictly as --topo pack:numa!; no worker "
                                "has such a place"),
              "%s: %s", r[0].code, r[0].text);
}

Test(placement, whole_units_without_memory_enough_are_refused_with_what_has_it)
{
    hello_sockets();
    cr_expect_eq(ASK(.cores = 4, .mem_mib = 6000, .exclusive = EXCLUSIVE_NUMA), 0u);
    EXPECT_SAID("no machine has whole NUMA nodes for 4 cores with 6000M (the largest has 4 cores "
                "and 4096M); write --cores 8, or --exclusive socket, or --exclusive node");
    cr_expect_eq(ASK(.cores = 4, .mem_mib = 12000, .exclusive = EXCLUSIVE_SOCKET), 0u);
    EXPECT_SAID("(the largest has 8 cores and 8192M); write --cores 16, or --exclusive node");
    cr_expect_eq(ASK(.cores = 4, .mem_mib = 17000, .exclusive = EXCLUSIVE_NUMA), 0u);
    EXPECT_SAID("(the largest has 4 cores and 4096M); ask for less");
    EXPECT_CORES("acme", ASK(.cores = 8, .mem_mib = 6000, .exclusive = EXCLUSIVE_NUMA), "0-7");
}

Test(placement, an_exclusive_numa_node_is_whole)
{
    uint64_t small = ASK(.cores = 1), whole = ASK(.cores = 3, .exclusive = EXCLUSIVE_NUMA);
    EXPECT_CORES("acme", whole, "8-15");
    uint64_t next = ASK(.cores = 3, .exclusive = EXCLUSIVE_NUMA);
    cr_expect_null(lease_of("acme", next), "the other is in use");
    EXPECT_CORES("acme", small, "0");
}

Test(placement, jobs_that_are_spread_have_at_most_half_of_a_machine)
{
    uint64_t a = ASK(.cores = 4, .topo = "spread"), b = ASK(.cores = 4, .topo = "spread");
    EXPECT_CORES("acme", a, "0-1,8-9");
    EXPECT_CORES("acme", b, "2-3,10-11");
    EXPECT_CORES("acme", ASK(.cores = 4, .topo = "spread"), "4-7");
}

/* Four cores of the first domain are free at once, eight in four hours. */
Test(placement, the_exact_place_of_a_strict_job_is_kept)
{
    EXPECT_CORES("acme", ASK(.cores = 2, .time_us = 3 * HOUR), "0-1");
    EXPECT_CORES("acme", ASK(.cores = 2, .time_us = 4 * HOUR), "2-3");
    EXPECT_CORES("acme", ASK(.cores = 5, .time_us = 5 * HOUR), "8-12");
    EXPECT_CORES("acme", ASK(.cores = 3, .time_us = 6 * HOUR), "13-15");
    uint64_t strict = ASK(.user = "bob", .cores = 8, .topo = "pack:numa!");
    cr_expect_null(lease_of("brix", strict));
    cr_assert_eq(world.core->holds.n, 1u);
    cr_expect_eq(world.core->holds.items[0].at_us, world.core->policy_us + 4 * HOUR);
    cr_expect_eq(world.core->holds.items[0].kept.words[0], 0xffu);
    cr_expect_null(lease_of("acme", ASK(.cores = 2, .time_us = 9 * HOUR)),
                   "it would be in the way");
    EXPECT_CORES("acme", ASK(.cores = 2, .time_us = 2 * HOUR), "4-5");
}

static struct job *job_of(const char *enterprise, uint64_t number)
{
    uint64_t id = people_enterprise_named(world.core, enterprise)->id;
    return job_find_number(world.core, (struct enterprise_id){id}, number);
}

static int64_t begin_us; /* policy time of the first job */

static int64_t earliest_of(const struct job *job)
{
    const struct plan_endings none = {0};
    const struct worker *w = worker_named(world.core, "n1");
    return plan_earliest(world.core, job->class->shape, w, NULL, &none) - begin_us;
}

/* 14 cores in two hours for one, then an exact domain in three for three. */
static void hold_all(void)
{
    begin_us = world.core->policy_us;
    (void)ASK(.cores = 4, .time_us = 2 * HOUR);
    for (uint64_t cores = 5; cores >= 3; cores--)
        (void)ASK(.cores = cores, .time_us = HOUR);
    cr_expect_null(lease_of("brix", ASK(.user = "bob", .cores = 14, .time_us = HOUR)));
    uint64_t strict = ASK(.cores = 8, .time_us = 3 * HOUR, .topo = "pack:numa!");
    cr_expect_null(lease_of("acme", strict));
    world_advance(&world, world.now.mono_us + MINUTE);
    cr_assert_eq(world.core->holds.n, 2u);
    cr_expect_eq(world.core->holds.items[0].at_us - begin_us, 2 * HOUR);
    cr_expect_eq(world.core->holds.items[1].at_us - begin_us, 3 * HOUR);
}

Test(placement, an_exact_place_takes_nothing_from_who_is_over_before_it)
{
    hold_all();
    const struct job *days = job_of("acme", ASK(.cores = 2, .time_us = 90 * HOUR));
    cr_expect_eq(earliest_of(days), HOUR, "%" PRId64, earliest_of(days));
}

Test(placement, who_must_stay_beside_an_exact_place_chooses_first)
{
    hold_all();
    struct core *c = world.core;
    struct job *days = job_of("acme", ASK(.cores = 2, .time_us = 90 * HOUR));
    const struct job *next = job_of("acme", ASK(.user = "amy", .cores = 7, .time_us = HOUR / 2));
    struct hold *h = &c->holds.items[c->holds.n++];
    *h = (struct hold){.job = days,
                       .worker = worker_named(c, "n1"),
                       .at_us = begin_us + HOUR,
                       .planned_us = c->policy_us};
    plan_fill_spare(c, h);
    cr_expect_eq(earliest_of(next), HOUR + 1, "%" PRId64, earliest_of(next));
    c->holds.n--;
}

static void set_minimum(const char *enterprise, const char *cores)
{
    const struct in_config_row row = {CONFIG_SET, "enterprise", enterprise, "min-cores", cores};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){&row, 1, false};
    (void)world_step(&world, &in);
}

Test(placement, a_claim_takes_back_a_whole_place)
{
    uint64_t jobs[4];
    set_minimum("acme", "8");
    for (size_t i = 0; i < 4; i++)
        jobs[i] = ASK(.user = "bob", .cores = 4, .time_us = 9 * HOUR, .is_preemptible = true);
    EXPECT_CORES("brix", jobs[3], "12-15");
    cr_assert(ASK(.cores = 8, .topo = "pack:numa!"));
    world_advance(&world, world.now.mono_us + 2 * MINUTE);
    bool first = lease_of("brix", jobs[0])->is_recalled,
         second = lease_of("brix", jobs[1])->is_recalled;
    bool third = lease_of("brix", jobs[2])->is_recalled,
         last = lease_of("brix", jobs[3])->is_recalled;
    cr_expect((first && second && !third && !last) || (!first && !second && third && last));
}

Test(placement, a_topology_that_cannot_be_read_is_refused_with_where)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&world, "n2")};
    in.u.worker_hello = (struct in_worker_hello){.node = "n2",
                                                 .cores = "0-7",
                                                 .topology = "pkg0(numa0(0))",
                                                 .features = "",
                                                 .mem_mib = 8192,
                                                 .heartbeat = 1};
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    EXPECT_SAID("node n2: topology, character ");
}

/* What it asks for is counted with them: else seven cores were wanted for ever, and no NUMA node
 * has seven when they are back. */
Test(placement, whole_places_are_counted_with_cores_that_are_offline)
{
    hello_with("0-6,8-14");
    uint64_t whole = ASK(.cores = 3, .exclusive = EXCLUSIVE_NUMA);
    cr_expect_neq(whole, 0);
    cr_expect_null(lease_of("acme", whole));
    hello_numa();
    EXPECT_CORES("acme", whole, "0-7");
}

/* It runs on, on no core that any sum has. */
Test(placement, a_whole_machine_waits_for_who_runs_on_a_core_that_is_offline)
{
    EXPECT_CORES("acme", ASK(.cores = 1, .time_us = 3 * HOUR), "0");
    begin_us = world.core->policy_us;
    struct input in = {.type = INPUT_WORKER_HEARTBEAT, .principal = world_principal(&world, "n1")};
    in.u.heartbeat.heartbeat = 2;
    in.u.heartbeat.cores = "1-15";
    in.u.heartbeat.topology = TOPOLOGY;
    (void)world_step(&world, &in);
    const struct worker *n1 = worker_named(world.core, "n1");
    cr_assert_eq(n1->n_free, 15u);
    cr_assert_eq(n1->n_leases, 1u);
    const struct job *whole = job_of("acme", ASK(.cores = 1, .exclusive = EXCLUSIVE_NODE));
    cr_expect_eq(whole->n_running, 0u);
    cr_expect_eq(earliest_of(whole), 3 * HOUR);
}
