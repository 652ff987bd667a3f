// LINK: cq_agent cq_net cq_wire cq_lease cq_base_sys
/* What a grant says about processors and memory, as the kernel shows it from inside a job. */
#include "tests/unit/agent_driver.h"

enum { HOUR_US = 2000 * 1000000, HEARTBEAT_US = 100 * 1000 };

static struct master m;

static void start(void)
{
    master_start(&m);
}

static void end(void)
{
    master_end(&m);
}

TestSuite(agent_bind, .init = start, .fini = end, .timeout = 90);

/* What the kernel says about the policy of a process that the job started. */
Test(agent_bind, memory_is_bound_as_the_grant_says)
{
    static const char *const policies[] = {"prefer (many):0", "interleave:0", "default", "bind:0"};
    if (access("/proc/self/numa_maps", R_OK) != 0)
        cr_skip_test("a kernel without NUMA");
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, HEARTBEAT_US, 0);
    msg_fini(&hello);
    for (uint64_t i = 0; i < CQ_COUNT(policies); i++) {
        char script[160];
        struct msg holder;
        snprintf(script, sizeof script, "sh -c 'grep -qF \"%s\" /proc/self/numa_maps'",
                 policies[i]);
        master_grant(&m, (struct work){.script = script, .lease = 20 + i, .task = i, .membind = i});
        cr_assert_eq(master_end_of(&m, &holder).exit_code, 0, "%s", policies[i]);
        msg_fini(&holder);
        struct msg close_it = {.code = MSG_LEASE_CLOSE,
                               .u.lease_close = {.epoch = 1, .lease = 20 + i}};
        master_send(&m, &close_it);
    }
}
