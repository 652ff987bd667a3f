// LINK: cq_agent cq_lease cq_base_sys
/* Verdicts, plugin results and topologies: the parts of the agent that only compute. */
#include "worker/agent/memory.h"
#include "worker/agent/topology.h"
#include "worker/agent/verdict.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct meaning decide(struct lease_record r, const char *result, const char *why)
{
    struct meaning m;
    struct tool_result t = {0};
    if (result)
        cr_assert_eq(tool_result_parse(result, strlen(result), &t, NULL), 0);
    verdict_decide(&r, &t, why, &m);
    cq_str_fini(&t.text);
    return m;
}

static const char passed[] = "{\"chipq_result\":1,\"verdict\":\"pass\",\"summary\":\"ok\"}";

Test(verdict, a_command_passes_by_exit_0_only)
{
    cr_assert_eq(decide((struct lease_record){0}, NULL, NULL).verdict, WORKER_VERDICT_PASS);
    cr_assert_eq(decide((struct lease_record){.exit_code = 1}, NULL, NULL).verdict,
                 WORKER_VERDICT_FAIL);
    struct meaning m =
        decide((struct lease_record){.exit_code = -1, .signal = SIGSEGV}, NULL, NULL);
    cr_assert_eq(m.verdict, WORKER_VERDICT_FAIL);
    cr_assert_str_eq(m.summary, "ended by signal 11 (Segmentation fault)");
}

Test(verdict, the_shepherd_comes_before_the_result)
{
    struct lease_record r = {.flags = LEASE_F_TOOL, .limit = LIMIT_WALL};
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_TIMEOUT);
    r.limit = LIMIT_MEMORY;
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_OOM);
    r.limit = LIMIT_LEASE;
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_LOST);
    r.limit = LIMIT_OUTPUT;
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_ERROR);
    r.flags |= LEASE_F_KILLED;
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_KILLED);
}

Test(verdict, a_tool_is_judged_by_its_result_which_its_exit_must_not_contradict)
{
    struct lease_record r = {.flags = LEASE_F_TOOL, .exit_code = 1};
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_ERROR);
    r.exit_code = 0;
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_PASS);
    r.signal = SIGSEGV;
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_ERROR);
    r.signal = 0;
    cr_assert_eq(decide(r, NULL, NULL).verdict, WORKER_VERDICT_ERROR);
    cr_assert_eq(decide(r, NULL, "broken").verdict, WORKER_VERDICT_ERROR);
}

Test(verdict, memory_that_ran_out_explains_what_is_no_pass)
{
    struct lease_record r = {.flags = LEASE_F_OOM,
                             .exit_code = 1,
                             .mem_limit_kib = 512 << 10,
                             .peak_mem_kib = (512 << 10) - 4};
    struct meaning m = decide(r, NULL, NULL);
    cr_assert_eq(m.verdict, WORKER_VERDICT_OOM);
    cr_assert_eq(m.limit, LIMIT_MEMORY);
    cr_assert_str_eq(m.cause, "memory limit 512M reached (peak 512M); a process of it was killed");
    r.exit_code = -1;
    r.signal = SIGKILL;
    cr_assert_str_eq(decide(r, NULL, NULL).cause,
                     "memory limit 512M reached (peak 512M); it was killed");
    r = (struct lease_record){.exit_code = -1, .signal = SIGKILL};
    cr_assert_eq(decide(r, NULL, NULL).verdict, WORKER_VERDICT_FAIL, "signal 9 alone says nothing");
}

Test(verdict, a_pass_stays_a_pass_and_says_what_happened)
{
    struct lease_record r = {.flags = LEASE_F_OOM | LEASE_F_TOOL, .mem_limit_kib = 64 << 10};
    struct meaning m = decide(r, passed, NULL);
    cr_assert_eq(m.verdict, WORKER_VERDICT_PASS);
    cr_assert_eq(m.limit, LIMIT_NONE);
    cr_assert_not_null(strstr(m.cause, "memory limit 64M reached"));
    r.exit_code = 1; /* it said pass and then failed */
    cr_assert_eq(decide(r, passed, NULL).verdict, WORKER_VERDICT_OOM);
    cr_assert_eq(decide(r, NULL, NULL).verdict, WORKER_VERDICT_OOM, "no result");
}

Test(verdict, the_machines_memory_is_not_the_jobs_limit)
{
    struct lease_record r = {.flags = LEASE_F_OOM | LEASE_F_OOM_MACHINE,
                             .exit_code = 1,
                             .mem_limit_kib = 512 << 10,
                             .peak_mem_kib = 100 << 10};
    cr_assert_str_eq(decide(r, NULL, NULL).cause,
                     "the machine's memory was used up (its own peak: 100M of 512M); a process of "
                     "it was killed");
}

Test(verdict, what_the_keeper_did_comes_first_and_mentions_the_limit)
{
    struct lease_record r = {
        .flags = LEASE_F_OOM, .limit = LIMIT_WALL, .mem_limit_kib = 64 << 10, .exit_code = 1};
    snprintf(r.cause, sizeof r.cause, "time limit 2h reached");
    struct meaning m = decide(r, NULL, NULL);
    cr_assert_eq(m.verdict, WORKER_VERDICT_TIMEOUT);
    cr_assert_eq(m.limit, LIMIT_WALL);
    cr_assert_not_null(strstr(m.cause, "time limit 2h reached; memory limit 64M reached"));
}

Test(verdict, too_many_processes_are_an_error)
{
    struct lease_record r = {.flags = LEASE_F_PIDS, .exit_code = 2, .pids_limit = 4096};
    struct meaning m = decide(r, NULL, NULL);
    cr_assert_eq(m.verdict, WORKER_VERDICT_ERROR);
    cr_assert_eq(m.limit, LIMIT_PIDS);
    cr_assert_str_eq(m.cause, "limit of 4096 processes and threads reached");
    r.exit_code = 0;
    cr_assert_eq(decide(r, NULL, NULL).verdict, WORKER_VERDICT_PASS);
}

Test(verdict, what_never_ran_is_lost_and_what_could_not_run_is_an_error)
{
    struct lease_record r = {.flags = LEASE_F_NO_START};
    cr_assert_eq(decide(r, NULL, NULL).verdict, WORKER_VERDICT_LOST);
    r.flags |= LEASE_F_BROKEN;
    cr_assert_eq(decide(r, NULL, NULL).verdict, WORKER_VERDICT_ERROR);
}

Test(verdict, results_are_read_strictly)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"chipq_result\":2,\"verdict\":\"pass\"}",
        "{\"chipq_result\":1,\"verdict\":\"good\"}",
        "{\"chipq_result\":1,\"verdict\":\"pass\",\"verdict\":\"fail\"}",
        "{\"chipq_result\":1,\"verdict\":\"pass\",\"summary\":7}",
        "{\"chipq_result\":1,\"verdict\":\"pass\",\"metrics\":[]}",
        "{\"chipq_result\":1,\"verdict\":\"pass\"} x",
    };
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct tool_result t = {0};
        cr_assert_neq(tool_result_parse(bad[i], strlen(bad[i]), &t, NULL), 0, "%s", bad[i]);
        cr_assert_not(t.is_there);
    }
}

Test(topology, of_a_machine_that_does_not_exist)
{
    struct topology t;
    struct topology_options o = {
        .source = "synthetic:package:2 [numa(memory=16GB)] l3:2 core:2 pu:2", .cores_max = 6};
    struct cq_err err = {0};
    struct cq_str text = {0};
    cr_assert_eq(topology_load(&o, &t, &err), 0, "%s", err.text);
    bitset_format(&t.cores, &text);
    cr_assert_str_eq(text.data, "0-5");
    cr_assert_str_eq(t.text, "pkg0(numa0:15258(l3(0 1) l3(2 3))) pkg1(numa1:15258(l3(4 5)))");
    cq_str_fini(&text);
    topology_cpus(&t, &t.cores, 0, &text);
    cr_assert_str_eq(cq_str_text(&text), "", "bindings of another machine are not done");
    topology_fini(&t);
}

Test(memory, total_as_the_kernel_says)
{
    cr_assert_eq(memory_total_in("MemFree: 1 kB\nMemTotal:       24684096 kB\nX: 2\n"),
                 UINT64_C(24684096) * 1024);
    cr_assert_eq(memory_total_in("MemFree: 1 kB\n"), 0);
    cr_assert_gt(memory_total_bytes(), 0);
}

Test(memory, offer_leaves_a_reserve_and_keeps_to_the_group)
{
    const uint64_t gib = UINT64_C(1) << 30;
    cr_assert_eq(memory_offer_mib(24 * gib, MEMORY_NO_LIMIT), 24576 - 1228);
    cr_assert_eq(memory_offer_mib(8 * gib, MEMORY_NO_LIMIT), 8192 - 1024);
    cr_assert_eq(memory_offer_mib(gib, MEMORY_NO_LIMIT), 512, "at most half is kept back");
    cr_assert_eq(memory_offer_mib(24 * gib, 4 * gib), 4096 - 204);
    cr_assert_eq(memory_offer_mib(2 * gib, INT64_MAX), 1024, "v1's word for no limit");
}

Test(topology, counts_the_memory_that_the_kernel_has)
{
    struct topology t;
    struct topology_options o = {.cores_max = 1};
    cr_assert_eq(topology_load(&o, &t, NULL), 0);
    cr_assert_eq(t.mem_mib, memory_offer_mib(memory_total_bytes(), memory_group_limit_bytes()));
    topology_fini(&t);
}

Test(topology, refuses_nonsense)
{
    struct topology t;
    struct topology_options o = {.source = "synthetic:hello"};
    struct cq_err err = {0};
    cr_assert_neq(topology_load(&o, &t, &err), 0);
    cr_assert_not_null(strstr(err.text, "synthetic:hello"));
}

Test(topology, of_this_machine_can_be_bound)
{
    struct topology t;
    struct topology_options o = {.cores_max = 1};
    struct cq_err err = {0};
    struct cq_str text = {0};
    cr_assert_eq(topology_load(&o, &t, &err), 0, "%s", err.text);
    cr_assert_eq(bitset_count(&t.cores), 1);
    cr_assert_gt(t.mem_mib, 0);
    topology_cpus(&t, &t.cores, 0, &text);
    cr_assert_neq(text.len, 0);
    cq_str_fini(&text);
    topology_fini(&t);
}

/* Two cores of two threads, numbered as Linux does: the second threads after all the first. */
Test(topology, all_threads_of_a_core_or_the_first_of_them)
{
    struct core_place places[2] = {{{0}, {0}}};
    struct topology t = {.places = places, .n_places = 2, .is_real = true};
    struct cq_str text = {0};
    for (size_t i = 0; i < 2; i++) {
        bitset_set(&places[i].cpus, i);
        bitset_set(&places[i].cpus, i + 2);
        bitset_set(&places[i].nodes, i);
        bitset_set(&t.cores, i);
    }
    topology_cpus(&t, &t.cores, 0, &text);
    cr_assert_str_eq(text.data, "0-3");
    cq_str_clear(&text);
    topology_cpus(&t, &t.cores, 1, &text);
    cr_assert_str_eq(text.data, "0-1");
    cq_str_clear(&text);
    bitset_clear(&t.cores, 0);
    topology_cpus(&t, &t.cores, 0, &text);
    cr_assert_str_eq(text.data, "1,3");
    cq_str_clear(&text);
    topology_mems(&t, &t.cores, &text);
    cr_assert_str_eq(text.data, "1");
    cq_str_fini(&text);
    bitset_fini(&t.cores);
    for (size_t i = 0; i < 2; i++) {
        bitset_fini(&places[i].cpus);
        bitset_fini(&places[i].nodes);
    }
}
