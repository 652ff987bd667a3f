// LINK: cq_agent cq_net cq_wire cq_lease cq_base_sys
/* The worker as the scheduler sees it: real execd, agent and shepherds, a scripted scheduler. */
#include "tests/unit/agent_driver.h"
#include "worker/agent/verdict.h"
#include "worker/lease/group.h"
#include "worker/lease/journal.h"

enum { HOUR_US = 2000 * 1000000, QUICK_US = 100 * 1000 };

static struct master m;

static void start(void)
{
    master_start(&m);
    master_write(&m, "plugins/chipq-tool-demo", 0700,
                 "#!/bin/sh\n"
                 "if [ \"$1\" = describe ]; then\n"
                 "  echo '{\"chipq_plugin\":1,\"name\":\"demo\",\"tasks\":[],"
                 "\"tool\":{\"found\":true,\"version\":\"5.006\"}}'; exit; fi\n"
                 ". \"$CHIPQ_SRC/run.sh\"\n");
    master_write(&m, "plugins/chipq-tool-broken", 0700, "#!/bin/sh\necho nonsense\n");
}

static void end(void)
{
    master_end(&m);
}

static void up(void)
{
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0);
    msg_fini(&hello);
}

TestSuite(agent, .init = start, .fini = end, .timeout = 90);

Test(agent, says_what_the_machine_and_its_tools_are)
{
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0);
    const struct msg_worker_hello *h = &hello.u.worker_hello;
    bool has_tool = false, has_keeper = false;
    cr_assert_str_eq(h->node, "n1");
    cr_assert_eq(h->mem_mib, 4096);
    cr_assert_eq(h->cores[0], '0');
    cr_assert_not_null(strstr(h->topology, "numa0:"));
    cr_assert_eq(h->n_tools, 1);
    cr_assert_str_eq(h->tools[0].name, "demo");
    for (size_t i = 0; i < h->n_features; i++) {
        has_tool |= strcmp(h->features[i], "tool=demo=5.006") == 0;
        has_keeper |= cq_str_starts(h->features[i], "keeper=");
    }
    cr_assert(has_tool && has_keeper);
    cr_assert_eq(h->n_leases, 0);
    msg_fini(&hello);
}

Test(agent, runs_a_command_and_forgets_it_when_acknowledged)
{
    up();
    master_grant(&m, (struct work){.task = 3,
                                   .script = "echo $CHIPQ_JOB $CHIPQ_TASK $CHIPQ_CORES "
                                             "$CHIPQ_CORE_LIST $CHIPQ_ENTERPRISE $CHIPQ_USER "
                                             "$CHIPQ_MEM_MIB $CHIPQ_TIME_S $CHIPQ_DEP_sim_build; "
                                             "exit 3"});
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_FAIL);
    cr_assert_eq(e.exit_code, 3);
    cr_assert_str_eq(e.summary, "exit status 3");
    cr_assert_eq(e.epoch, 1);
    struct cq_str text = {0};
    CQ_CLEANUP(cq_free_ptr) char *log = path_format("%s/output/acme/1207/3.1.log", m.dir);
    CQ_CLEANUP(cq_free_ptr)
    char *want =
        path_format("1207 3 1 0 acme ann 100 3600 %s/work/acme/3/0/attempt-2/out\n", m.dir);
    cr_assert_eq(file_read(log, 4096, &text, NULL), 0);
    cr_assert_str_eq(text.data, want);
    cq_str_fini(&text);
    master_ack(&m, &e, true);
    msg_fini(&holder);
    struct msg close_it = {.code = MSG_LEASE_CLOSE, .u.lease_close = {.epoch = 1, .lease = 7}};
    master_send(&m, &close_it);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
}

static struct attempt_end run_tool(const char *script, struct msg *holder)
{
    master_write(&m, "run.sh", 0600, script);
    up();
    master_grant(&m, (struct work){.tool = "demo", .task = 0});
    return master_end_of(&m, holder);
}

Test(agent, publishes_the_outputs_of_an_accepted_tool_task)
{
    struct msg holder;
    struct attempt_end e =
        run_tool("grep -q 'sim.build.*/work/acme/3/0/attempt-2/out' task.json || exit 2\n"
                 "echo gds > $CHIPQ_OUT/top.gds\n"
                 "echo '{\"chipq_result\":1,\"verdict\":\"pass\",\"metrics\":{\"drc__errors\":0},"
                 "\"summary\":\"clean\"}' > result.json\n",
                 &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_PASS, "%s", e.summary);
    cr_assert_str_eq(e.summary, "clean");
    cr_assert_not_null(strstr(e.result, "drc__errors"));
    cr_assert(e.has_outputs);
    CQ_CLEANUP(cq_free_ptr) char *link = path_format("%s/results/acme/1207/0/top.gds", m.dir);
    cr_assert_neq(access(link, F_OK), 0);
    master_ack(&m, &e, true);
    master_wait_file(&m, "results/acme/1207/0/top.gds", true);
    msg_fini(&holder);
}

Test(agent, a_tool_without_a_result_is_an_error)
{
    struct msg holder;
    struct attempt_end e = run_tool("exit 0\n", &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_ERROR);
    cr_assert_not_null(strstr(e.summary, "the plugin wrote no result"));
    msg_fini(&holder);
}

Test(agent, tells_progress_of_tools)
{
    master_write(&m, "run.sh", 0600, "echo 'chipq-progress: 42% routing'; sleep 100\n");
    up();
    master_grant(&m, (struct work){.tool = "demo"});
    struct msg got = master_next(&m, MSG_PROGRESS);
    cr_assert_str_eq(got.u.progress.text, "42% routing");
    msg_fini(&got);
}

Test(agent, an_unknown_tool_ends_with_the_reason)
{
    up();
    master_grant(&m, (struct work){.tool = "nothere"});
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_ERROR);
    cr_assert_str_eq(e.summary, "this worker has no plugin chipq-tool-nothere");
    msg_fini(&holder);
}

Test(agent, its_own_death_costs_no_job)
{
    up();
    master_grant(&m, (struct work){.script = "while ! test -e go; do sleep 0.01; done; exit 42"});
    master_wait_start(&m);
    cr_assert_eq(kill(master_pid(&m, "worker"), SIGKILL), 0);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0);
    const struct msg_worker_hello *h = &hello.u.worker_hello;
    cr_assert_eq(h->n_leases, 1);
    cr_assert_eq(h->leases[0].lease, 7);
    cr_assert_eq(h->leases[0].n_attempts, 1);
    cr_assert_eq(h->leases[0].attempts[0].state, 2);
    msg_fini(&hello);
    master_write(&m, "go", 0600, "");
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.exit_code, 42);
    cr_assert_eq(e.verdict, WORKER_VERDICT_FAIL);
    msg_fini(&holder);
}

Test(agent, an_end_is_told_again_until_it_is_acknowledged)
{
    up();
    master_grant(&m, (struct work){.script = "exit 0"});
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    msg_fini(&holder);
    cr_assert_eq(kill(master_pid(&m, "worker"), SIGKILL), 0);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0);
    cr_assert_eq(hello.u.worker_hello.leases[0].attempts[0].state, 3);
    msg_fini(&hello);
    e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_PASS);
    msg_fini(&holder);
}

/* execd notes it once it has started it, which a quick job may be ahead of. */
static pid_t shepherd_of_lease_7(void)
{
    struct lease_header h = {.keeper_pid = 0};
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/run/leases/lease-7.journal", m.dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (int64_t until = clock_mono_us() + MASTER_WAIT_US; h.keeper_pid == 0;) {
        cr_assert_lt(clock_mono_us(), until);
        cr_assert_eq(journal_read_header(fd, &h, NULL), 0);
    }
    close(fd);
    return (pid_t)h.keeper_pid;
}

Test(agent, a_killed_shepherd_loses_its_attempt)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    cr_assert_eq(kill(shepherd_of_lease_7(), SIGKILL), 0);
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_LOST);
    cr_assert_str_eq(e.cause, "its shepherd was ended by signal 9");
    cr_assert_gt(e.start_us, 0);
    master_ack(&m, &e, true);
    msg_fini(&holder);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
}

Test(agent, what_a_power_loss_left_of_a_lease_is_removed)
{
    master_write(&m, "run/leases/lease-9.journal", 0600, "");
    master_write(&m, "run/leases/lease-9.sock", 0600, "");
    up();
    master_wait_file(&m, "run/leases/lease-9.journal", false);
    master_wait_file(&m, "run/leases/lease-9.sock", false);
}

Test(agent, agent_and_shepherd_may_die_together)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    pid_t shepherd = shepherd_of_lease_7();
    cr_assert_eq(kill(master_pid(&m, "worker"), SIGKILL), 0);
    cr_assert_eq(kill(shepherd, SIGKILL), 0);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    msg_fini(&hello);
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_LOST);
    msg_fini(&holder);
}

Test(agent, a_stopped_shepherd_is_dead_before_the_scheduler_hears_of_it)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    pid_t shepherd = shepherd_of_lease_7();
    cr_assert_eq(kill(shepherd, SIGSTOP), 0);
    cr_assert_eq(kill(master_pid(&m, "worker"), SIGKILL), 0);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    cr_assert_eq(hello.u.worker_hello.n_leases, 1);
    cr_assert_eq(hello.u.worker_hello.leases[0].attempts[0].state, 3); /* ended */
    cr_assert_eq(kill(shepherd, 0), -1, "the scheduler gives its work to others from now on");
    msg_fini(&hello);
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_LOST);
    msg_fini(&holder);
}

Test(agent, a_new_execd_finds_the_shepherds_of_the_old_one)
{
    up();
    master_grant(&m, (struct work){.script = "while ! test -e go; do sleep 0.01; done; exit 8"});
    master_wait_start(&m);
    kill(m.execd, SIGKILL);
    waitpid(m.execd, NULL, 0);
    for (int64_t until = clock_mono_us() + MASTER_WAIT_US;
         master_pid(&m, "worker") && clock_mono_us() < until;)
        loop_turn(m.loop, clock_mono_us() + 5000); /* the agent leaves with its execd */
    master_drop_kept(&m);
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    cr_assert_eq(hello.u.worker_hello.n_leases, 1);
    msg_fini(&hello);
    master_write(&m, "go", 0600, "");
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.exit_code, 8);
    msg_fini(&holder);
}

Test(agent, the_end_of_a_shepherd_that_cannot_be_reached_is_seen)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    pid_t shepherd = shepherd_of_lease_7();
    kill(m.execd, SIGKILL);
    waitpid(m.execd, NULL, 0);
    for (int64_t until = clock_mono_us() + MASTER_WAIT_US;
         master_pid(&m, "worker") && clock_mono_us() < until;)
        loop_turn(m.loop, clock_mono_us() + 5000); /* the agent leaves with its execd */
    master_drop_kept(&m);
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/run/leases/lease-7.sock", m.dir);
    cr_assert_eq(unlink(path), 0);
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    cr_assert_eq(hello.u.worker_hello.n_leases, 1);
    msg_fini(&hello);
    cr_assert_eq(kill(shepherd, SIGKILL), 0);
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_LOST);
    msg_fini(&holder);
}

Test(agent, says_hello_again_when_the_scheduler_was_away)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 0.2; exit 0"});
    master_wait_start(&m);
    zsock_close(m.server);
    loop_turn(m.loop, clock_mono_us() + 300 * 1000);
    m.epoch = 2;
    master_listen(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    cr_assert_eq(hello.u.worker_hello.n_leases, 1);
    msg_fini(&hello);
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_PASS);
    msg_fini(&holder);
}

static void expect_refusal(const char *part)
{
    struct msg got = master_next(&m, MSG_LEASE_REFUSE);
    cr_assert_not_null(strstr(got.u.lease_refuse.text, part), "%s", got.u.lease_refuse.text);
    msg_fini(&got);
}

Test(agent, refuses_what_it_cannot_honour)
{
    up();
    master_grant(&m, (struct work){.script = "exit 0", .heartbeat = 99999});
    expect_refusal("a heartbeat that was not sent");
    master_grant(&m, (struct work){.script = "exit 0", .cores = "4000"});
    expect_refusal("cores that this worker does not have");
    master_grant(&m, (struct work){.lease = 8, .script = "sleep 100"});
    master_wait_start(&m);
    master_grant(&m, (struct work){.lease = 9, .job = 101, .script = "exit 0"});
    expect_refusal("cores that are in use");
    master_grant(&m, (struct work){.lease = 9, .script = "exit 0", .cores = "1", .mem_mib = 4097});
    expect_refusal("more memory than this worker has");
    master_grant(&m, (struct work){.lease = 9, .script = "exit 0", .cores = "1", .mem_mib = 3997});
    expect_refusal("memory that is in use"); /* 100 MiB of 4096 are */
    m.epoch = 0;
    master_grant(&m, (struct work){.lease = 10, .script = "exit 0"});
    expect_refusal("an older reign");
    m.epoch = 1;
}

Test(agent, drops_leases_that_the_scheduler_does_not_know)
{
    up();
    master_grant(&m, (struct work){.script = "until test -e go; do sleep 0.02; done; "
                                             "touch survived"});
    master_wait_start(&m);
    cr_assert_eq(kill(master_pid(&m, "worker"), SIGKILL), 0);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 7);
    msg_fini(&hello);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
    master_write(&m, "go", 0600, "");
    CQ_CLEANUP(cq_free_ptr) char *survived = path_format("%s/survived", m.dir);
    for (int64_t until = clock_mono_us() + 300 * 1000; clock_mono_us() < until;)
        loop_turn(m.loop, until);
    cr_assert_neq(access(survived, F_OK), 0);
}

/* A shepherd that does not get to end, as on a machine that swaps, holds nothing that is needed. */
Test(agent, a_dropped_lease_without_work_frees_its_cores_at_once)
{
    struct msg holder;
    up();
    master_grant(&m, (struct work){.script = "exit 0"});
    struct attempt_end e = master_end_of(&m, &holder);
    master_ack(&m, &e, true);
    msg_fini(&holder);
    pid_t shepherd = shepherd_of_lease_7();
    cr_assert_eq(kill(shepherd, SIGSTOP), 0);
    zsock_close(m.server);
    loop_turn(m.loop, clock_mono_us() + 300 * 1000);
    m.epoch = 2;
    master_listen(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 7);
    msg_fini(&hello);
    master_grant(&m, (struct work){.lease = 8, .job = 101, .script = "exit 0"});
    e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_PASS);
    msg_fini(&holder);
    cr_assert_eq(kill(shepherd, SIGCONT), 0);
}

Test(agent, tells_the_ends_of_a_dropped_lease)
{
    up();
    master_grant(&m, (struct work){.script = "test $CHIPQ_TASK = 0 || exec sleep 100"});
    struct attempt_ref next = {.job = 100, .task = 1, .attempt = 1};
    struct msg more = {.code = MSG_LEASE_EXTEND}, holder;
    more.u.lease_extend =
        (struct msg_lease_extend){.epoch = m.epoch, .lease = 7, .attempts = &next, .n_attempts = 1};
    master_send(&m, &more);
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.task, 0);
    msg_fini(&holder);
    cr_assert_eq(kill(master_pid(&m, "worker"), SIGKILL), 0);
    master_drop_kept(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 7);
    msg_fini(&hello);
    e = master_end_of(&m, &holder);
    cr_assert_eq(e.task, 0);
    cr_assert_eq(e.verdict, WORKER_VERDICT_PASS);
    master_ack(&m, &e, true);
    msg_fini(&holder);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
}

Test(agent, ignores_a_grant_from_before_its_hello)
{
    up();
    uint64_t before = m.heartbeat;
    zsock_close(m.server); /* the agent comes back with a newer HELLO */
    master_listen(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0);
    msg_fini(&hello);
    cr_assert_gt(m.heartbeat, before);
    master_grant(&m, (struct work){.script = "touch ran", .lease = 8, .heartbeat = before});
    master_grant(&m, (struct work){.script = "exit 0", .lease = 9});
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.lease, 9);
    msg_fini(&holder);
    for (size_t i = 0; i < m.n_kept; i++)
        cr_assert_neq(m.kept[i].code, MSG_LEASE_REFUSE);
    CQ_CLEANUP(cq_free_ptr) char *ran = path_format("%s/ran", m.dir);
    cr_assert_neq(access(ran, F_OK), 0);
}

Test(agent, kills_when_the_lease_ends_and_says_lost)
{
    master_start_worker(&m);
    /* four heartbeats are far longer than the lease: the connection is not given up before it ends
     */
    struct msg hello = master_welcome(&m, 1000 * 1000, 9 * QUICK_US, 0), holder;
    msg_fini(&hello);
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    m.acks_heartbeats = false;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_LOST);
    cr_assert_str_eq(e.limit, "lease");
    msg_fini(&holder);
}

Test(agent, kills_an_attempt_on_request)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    struct msg kill_it = {
        .code = MSG_ATTEMPT_KILL,
        .u.attempt_kill = {
            .epoch = 1, .lease = 7, .job = 100, .attempt = 1, .cause = "cancelled by ann"}};
    master_send(&m, &kill_it);
    struct msg holder;
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_eq(e.verdict, WORKER_VERDICT_KILLED);
    cr_assert_str_eq(e.cause, "cancelled by ann");
    msg_fini(&holder);
}

static struct msg read_log(uint64_t offset, uint64_t request)
{
    struct msg ask = {.code = MSG_LOG_READ, .request = request};
    ask.u.log_read = (struct msg_log_read){.enterprise = "acme",
                                           .number = 1207,
                                           .attempt = 1,
                                           .offset = offset,
                                           .max = 100,
                                           .follow = true};
    master_send(&m, &ask);
    struct msg got = master_next(&m, MSG_LOG_CHUNK);
    cr_assert_eq(got.request, request);
    return got;
}

Test(agent, follows_output)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 0.3; echo one; while ! test -e go; do "
                                             "sleep 0.01; done; echo two"});
    master_wait_start(&m);
    struct msg got = read_log(0, 5);
    cr_assert_eq(got.u.log_chunk.data.len, 4);
    cr_assert(memcmp(got.u.log_chunk.data.data, "one\n", 4) == 0);
    cr_assert_not(got.u.log_chunk.at_end);
    msg_fini(&got);
    master_write(&m, "go", 0600, "");
    got = read_log(4, 6);
    cr_assert(memcmp(got.u.log_chunk.data.data, "two\n", 4) == 0);
    bool was_end = got.u.log_chunk.at_end;
    msg_fini(&got);
    if (!was_end) {
        got = read_log(8, 7);
        cr_assert(got.u.log_chunk.at_end);
        cr_assert_eq(got.u.log_chunk.data.len, 0);
        msg_fini(&got);
    }
}

Test(agent, a_stopped_pool_leaves_no_process)
{
    up();
    master_grant(&m,
                 (struct work){.script = "touch born; (setsid sh -c 'sleep 1; touch survived' &); "
                                         "sleep 100"});
    master_wait_start(&m);
    master_wait_file(&m, "born", true);
    pid_t shepherd = shepherd_of_lease_7();
    m.acks_heartbeats = false; /* nobody is there to hear them */
    kill(m.execd, SIGTERM);
    int status = -1;
    cr_assert_eq(waitpid(m.execd, &status, 0), m.execd);
    m.execd = 0;
    cr_assert_eq(status, 0);
    cr_assert_eq(kill(shepherd, 0), -1);
    CQ_CLEANUP(cq_free_ptr) char *survived = path_format("%s/survived", m.dir);
    for (int64_t until = clock_mono_us() + 1200 * 1000; clock_mono_us() < until;)
        loop_turn(m.loop, until);
    cr_assert_neq(access(survived, F_OK), 0);
}

/* Lease 7 with task 0 running and task 1 behind it. */
/* The agent takes messages in their order: when it answers this one it has taken all before. */
static void settle(void)
{
    struct msg ask = {.code = MSG_LOG_READ, .request = 99};
    ask.u.log_read =
        (struct msg_log_read){.enterprise = "acme", .number = 1207, .attempt = 1, .max = 1};
    master_send(&m, &ask);
    struct msg got = master_next(&m, MSG_LOG_CHUNK);
    msg_fini(&got);
}

static void run_one_and_queue_one(void)
{
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    struct attempt_ref next = {.job = 100, .task = 1, .attempt = 1};
    struct msg more = {.code = MSG_LEASE_EXTEND};
    more.u.lease_extend =
        (struct msg_lease_extend){.epoch = m.epoch, .lease = 7, .attempts = &next, .n_attempts = 1};
    master_send(&m, &more);
    settle();
}

/* Both ends say that the pool was stopped; the one that never ran has no start. Acknowledged when
 * `acks`. */
static void expect_two_stopped(bool acks)
{
    for (size_t seen = 0; seen < 2;) {
        struct msg got = master_next(&m, MSG_ATTEMPT_EVENTS);
        for (size_t i = 0; i < got.u.attempt_events.n_ends; i++, seen++) {
            const struct attempt_end *e = &got.u.attempt_events.ends[i];
            cr_assert_eq(e->verdict, WORKER_VERDICT_LOST);
            cr_assert_str_eq(e->limit, "stop");
            cr_assert_str_eq(e->cause, "the pool was stopped");
            cr_assert_eq(e->start_us == 0, e->task == 1);
            if (acks)
                master_ack(&m, e, true);
        }
        msg_fini(&got);
    }
}

/* Serves the worker until its execd has ended. */
static void wait_execd_end(void)
{
    int status = -1;
    for (int64_t until = clock_mono_us() + MASTER_WAIT_US;
         waitpid(m.execd, &status, WNOHANG) == 0;) {
        cr_assert_lt(clock_mono_us(), until);
        loop_turn(m.loop, clock_mono_us() + 5000);
    }
    m.execd = 0;
    cr_assert_eq(status, 0);
}

Test(agent, a_stop_is_told_before_the_worker_goes)
{
    up();
    run_one_and_queue_one();
    kill(m.execd, SIGTERM);
    struct msg bye = master_next(&m, MSG_WORKER_BYE);
    cr_assert(bye.u.worker_bye.is_stopping);
    msg_fini(&bye);
    expect_two_stopped(true);
    wait_execd_end();
    bye = master_next(&m, MSG_WORKER_BYE);
    cr_assert(!bye.u.worker_bye.is_stopping);
    msg_fini(&bye);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
}

Test(agent, a_stop_that_nobody_acknowledged_is_told_by_the_next_agent)
{
    up();
    run_one_and_queue_one();
    kill(m.execd, SIGTERM);
    wait_execd_end();
    master_drop_kept(&m);
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0);
    cr_assert_eq(hello.u.worker_hello.n_leases, 1);
    cr_assert_eq(hello.u.worker_hello.leases[0].n_attempts, 2);
    msg_fini(&hello);
    expect_two_stopped(true);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
}

Test(agent, a_stop_with_a_dead_agent_is_found_in_the_journal)
{
    up();
    master_grant(&m, (struct work){.script = "sleep 100"});
    master_wait_start(&m);
    (void)shepherd_of_lease_7();
    pid_t agent = master_pid(&m, "worker");
    cr_assert_eq(kill(m.execd, SIGSTOP), 0);
    cr_assert_eq(kill(agent, SIGKILL), 0);
    cr_assert_eq(kill(m.execd, SIGTERM), 0);
    cr_assert_eq(kill(m.execd, SIGCONT), 0);
    wait_execd_end();
    master_drop_kept(&m);
    master_start_worker(&m);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    msg_fini(&hello);
    struct attempt_end e = master_end_of(&m, &holder);
    cr_assert_str_eq(e.limit, "stop");
    cr_assert_gt(e.start_us, 0);
    master_ack(&m, &e, true);
    msg_fini(&holder);
    master_wait_file(&m, "run/leases/lease-7.journal", false);
}

Test(agent, a_hangup_restarts_the_agent_alone)
{
    up();
    master_grant(&m, (struct work){.script = "while ! test -e go; do sleep 0.01; done; exit 0"});
    master_wait_start(&m);
    pid_t before = master_pid(&m, "worker");
    kill(m.execd, SIGHUP);
    struct msg bye = master_next(&m, MSG_WORKER_BYE);
    msg_fini(&bye);
    struct msg hello = master_welcome(&m, HOUR_US, QUICK_US, 0), holder;
    cr_assert_eq(hello.u.worker_hello.n_leases, 1);
    cr_assert_neq(master_pid(&m, "worker"), before);
    msg_fini(&hello);
    master_write(&m, "go", 0600, "");
    cr_assert_eq(master_end_of(&m, &holder).verdict, WORKER_VERDICT_PASS);
    msg_fini(&holder);
}

/* Without namespaces the kernel does not help: execd ends what a dead shepherd left. */
static void shepherd_dies_without_namespace(const char *keeper)
{
    cr_assert_eq(setenv("CHIPQ_KEEPER", keeper, 1), 0);
    up();
    master_grant(&m,
                 (struct work){.script = "(setsid sh -c 'touch born; sleep 1; touch survived' &); "
                                         "sleep 100"});
    master_wait_start(&m);
    master_wait_file(&m, "born", true);
    cr_assert_eq(kill(shepherd_of_lease_7(), SIGKILL), 0);
    struct msg holder;
    cr_assert_eq(master_end_of(&m, &holder).verdict, WORKER_VERDICT_LOST);
    msg_fini(&holder);
    CQ_CLEANUP(cq_free_ptr) char *survived = path_format("%s/survived", m.dir);
    for (int64_t until = clock_mono_us() + 1200 * 1000; clock_mono_us() < until;)
        loop_turn(m.loop, until);
    cr_assert_neq(access(survived, F_OK), 0);
}

Test(agent, orphans_die_without_a_namespace_by_walking_proc)
{
    shepherd_dies_without_namespace("subreaper");
}

Test(agent, orphans_die_without_a_namespace_by_control_group)
{
    struct group_root root;
    group_root_open(&root, "test", false);
    bool is_writable = group_root_has(&root, GROUP_TREE);
    group_root_close(&root);
    if (!is_writable)
        cr_skip_test("no control group can be made here");
    shepherd_dies_without_namespace("control-group");
}
