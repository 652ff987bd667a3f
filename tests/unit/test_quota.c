// LINK: cq_core
/* Limits of the share tree at work: what starts, what waits, and what wakes it. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_plan.h"
#include "tests/trace/world.h"

#define MINUTE (60 * US_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* ---- a pool and two tenants ---- */

static struct world world;
static uint64_t n_keys;

static void hello(const char *node, const char *cores)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&world, node)};
    in.u.worker_hello = (struct in_worker_hello){.node = node,
                                                 .cores = cores,
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = 100000,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = 1;
    (void)world_step(&world, &in);
}

static void set(const char *kind, const char *path, const char *key, const char *value)
{
    const struct in_config_row rows[] = {{CONFIG_PUT, kind, path, "", ""},
                                         {CONFIG_SET, kind, path, key, value}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, CQ_COUNT(rows), false};
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    cr_assert(strstr(cq_str_text(&world.log), "config OK"), "%s", cq_str_text(&world.log));
}

static void drain(const char *node)
{
    struct input in = {.type = INPUT_NODE_DRAIN};
    in.u.node_drain.name = node;
    in.u.node_drain.drain = true;
    (void)world_step(&world, &in);
}

static void set_up(void)
{
    /* Leases and silence last longer than any test. */
    const struct core_config config = {.lease_us = 1000 * DAY, .suspect_us = 1000 * DAY};
    world = (struct world){.config = config, .now = {.wall_us = 20000 * DAY}};
    world.core = core_new(&config);
    world_start(&world);
    world_add_enterprise(&world, "acme");
    world_add_enterprise(&world, "brix");
    world_add_user(&world, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&world, "brix", "bob", ROLE_DESIGNER);
    world_add_user(&world, "", "n1", ROLE_WORKER);
    world_add_user(&world, "", "n2", ROLE_WORKER);
}

static void tear_down(void)
{
    world_fini(&world);
}

TestSuite(quota, .init = set_up, .fini = tear_down);

struct ask {
    const char *user, *project;
    uint64_t cores, time_us, mem_mib;
    const char *licences, *node_has;
    bool is_preemptible, exclusive;
};

/* Its number in its enterprise. */
static uint64_t submit(struct ask a)
{
    struct in_job job = IN_JOB_PLAIN;
    job.cores = a.cores ? a.cores : 1;
    job.mem_mib = a.mem_mib ? a.mem_mib : 100;
    job.time_us = a.time_us ? a.time_us : (uint64_t)HOUR;
    job.licences = a.licences;
    job.is_preemptible = a.is_preemptible;
    job.exclusive = a.exclusive;
    job.node_has = a.node_has ? a.node_has : "";
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&world, a.user)};
    in.u.submit = (struct in_submit){
        .flow = "", .project = a.project ? a.project : "", .jobs = &job, .n_jobs = 1};
    uint64_t key = ++n_keys;
    memcpy(in.u.submit.key.bytes, &key, sizeof key);
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    const char *accepted = strstr(cq_str_text(&world.log), "accepted ");
    return accepted ? strtoull(accepted + strlen("accepted "), NULL, 10) : 0;
}
#define SUBMIT(...) submit((struct ask){__VA_ARGS__})

static const struct job *job_of(const char *enterprise, uint64_t number)
{
    struct enterprise_id e = {0};
    cr_assert(core_find_enterprise(world.core, enterprise, &e));
    const struct job *job = job_find_number(world.core, e, number);
    cr_assert(job, "%s/%" PRIu64 " is over", enterprise, number);
    return job;
}

static bool runs(const char *enterprise, uint64_t number)
{
    return job_of(enterprise, number)->n_running > 0;
}

static const struct share_node *enterprise_node(const char *name)
{
    return people_enterprise_named(world.core, name)->share;
}

static void end_after(const char *enterprise, uint64_t number, uint64_t run_us)
{
    const struct job *job = job_of(enterprise, number);
    const struct task *t = job_task(job, 0);
    cr_assert(t && t->lease, "%s/%" PRIu64 " does not run", enterprise, number);
    struct in_attempt_end end = {
        .at = {t->lease->id, core_epoch(world.core), job->id, 0, t->attempt},
        .verdict = VERDICT_PASS,
        .run_us = run_us,
        .start_us = world.now.wall_us - (int64_t)run_us,
        .end_us = world.now.wall_us,
        .limit = "",
        .summary = "",
        .signature = "",
        .result = "",
        .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS,
                       .principal = world_principal(&world, t->lease->worker->name)};
    in.u.events.ends = &end;
    in.u.events.n_ends = 1;
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
}

/* ---- sizes ---- */

Test(quota, a_limit_of_ages_is_refused)
{
    hello("n1", "0-15");
    cr_expect_eq(SUBMIT("ann", .time_us = INT64_MAX / 4), 0);
    cr_expect(strstr(cq_str_text(&world.log), "at most 3650d"), "%s", cq_str_text(&world.log));
}

/* What their attempts hold together is more than a number can say. */
Test(quota, a_budget_that_is_not_there_is_never_full)
{
    enum { MACHINES = 17 };
    for (unsigned i = 0; i < MACHINES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "big%u", i);
        world_add_user(&world, "", name, ROLE_WORKER);
        hello(name, "0-4095");
    }
    for (unsigned i = 0; i + 1 < MACHINES; i++)
        cr_assert(runs("acme", SUBMIT("ann", .cores = 4096, .time_us = 3650 * (uint64_t)DAY)));
    cr_expect(runs("brix", SUBMIT("bob", .cores = 4096)));
}

/* ---- whole machines ---- */

Test(quota, a_whole_machine_counts_whole_against_a_cap)
{
    set("enterprise", "acme", "max-cores", "8");
    hello("n1", "0-15");
    uint64_t whole = SUBMIT("ann", .exclusive = true);
    cr_expect_not(runs("acme", whole));
    cr_expect_leq(enterprise_node("acme")->cores, 8);
    hello("n2", "0-7");
    cr_expect(runs("acme", whole));
}

Test(quota, a_whole_machine_pays_its_budget_whole)
{
    set("enterprise", "acme", "budget", "32core-hours/month");
    hello("n1", "0-15");
    uint64_t first = SUBMIT("ann", .exclusive = true);
    cr_assert(runs("acme", first));
    cr_expect_eq(enterprise_node("acme")->budget.held_core_us, 16 * (uint64_t)HOUR);
    world_restart(&world);
    cr_expect_eq(enterprise_node("acme")->budget.held_core_us, 16 * (uint64_t)HOUR);
    cr_expect_not(runs("acme", SUBMIT("ann", .cores = 1, .time_us = 17 * (uint64_t)HOUR)));
}

/* Its smallest machine is taken by another; the free one is too large, for this tenant only. */
Test(quota, a_whole_machine_waits_for_one_that_its_cap_covers)
{
    set("enterprise", "acme", "max-cores", "8");
    hello("n2", "0-7");
    uint64_t small = SUBMIT("bob", .cores = 8);
    hello("n1", "0-15");
    uint64_t whole = SUBMIT("ann", .exclusive = true);
    cr_expect_not(runs("acme", whole));
    cr_expect(runs("brix", SUBMIT("bob", .exclusive = true)));
    end_after("brix", small, MINUTE);
    cr_expect(runs("acme", whole));
    cr_expect_eq(enterprise_node("acme")->cores, 8);
}

/* ---- guarantees ---- */

/* What ends on a machine that takes no more work brings its tenant back under its guarantee. */
Test(quota, who_is_under_its_guarantee_again_is_not_kept_out)
{
    hello("n1", "0-7");
    uint64_t first = SUBMIT("ann", .cores = 4);
    hello("n2", "0-7");
    set("enterprise", "acme", "min-cores", "4");
    set("enterprise", "brix", "min-cores", "10");
    drain("n1");
    uint64_t second = SUBMIT("ann", .cores = 4);
    cr_expect_not(runs("acme", second));
    end_after("acme", first, MINUTE);
    cr_expect(runs("acme", second));
}

/* A drained machine has nothing that could be given to whoever the guarantee is of. */
/* One core of two is left of it. */
Test(quota, what_is_beyond_a_guarantee_does_not_go_first_for_what_is_within)
{
    hello("n1", "0-3");
    cr_assert(runs("acme", SUBMIT(.user = "ann")));
    cr_assert(runs("brix", SUBMIT(.user = "bob", .cores = 3)));
    set("enterprise", "brix", "weight", "100");
    set("enterprise", "acme", "min-cores", "2");
    uint64_t beyond = SUBMIT(.user = "ann", .cores = 2), within = SUBMIT(.user = "ann");
    uint64_t other = SUBMIT(.user = "bob");
    hello("n2", "0-1");
    cr_expect(runs("acme", within));
    cr_expect(runs("brix", other));
    cr_expect_not(runs("acme", beyond));
}

Test(quota, what_is_kept_for_a_guarantee_is_on_machines_that_take_work)
{
    hello("n1", "0-7");
    hello("n2", "0-7");
    set("enterprise", "brix", "min-cores", "4");
    drain("n1");
    cr_expect(runs("acme", SUBMIT("ann", .cores = 4)));
    cr_expect_not(runs("acme", SUBMIT("ann", .cores = 4)));
    cr_expect(runs("brix", SUBMIT("bob", .cores = 4)));
}

/* ---- clocks ---- */

/* A wall clock that is set back by a day makes nobody old: the share decides who is next. */
Test(quota, a_clock_that_is_set_back_makes_no_seniors)
{
    hello("n1", "0");
    uint64_t first = SUBMIT("ann", .cores = 1);
    world.now.wall_us -= DAY;
    uint64_t second = SUBMIT("ann", .cores = 1), other = SUBMIT("bob", .cores = 1);
    world.now.mono_us += HOUR;
    world.now.wall_us += HOUR;
    end_after("acme", first, (uint64_t)HOUR);
    cr_expect_not(runs("acme", second));
    cr_expect(runs("brix", other));
}

/* ---- claims ---- */

static void go_on(int64_t us)
{
    cq_str_clear(&world.log);
    world_advance(&world, world.now.mono_us + us);
}

/* brix has all of n1, preemptible. */
static void fill_by_brix(void)
{
    hello("n1", "0-7");
    for (unsigned i = 0; i < 8; i++)
        cr_assert(runs("brix", SUBMIT("bob", .cores = 1, .is_preemptible = true)));
}

static bool was_called_back(void)
{
    return strstr(cq_str_text(&world.log), "(called back") != NULL;
}

Test(quota, a_claim_is_served_where_all_holds_are_taken)
{
    set("enterprise", "acme", "min-cores", "4");
    world_add_enterprise(&world, "core");
    world_add_user(&world, "core", "cat", ROLE_DESIGNER);
    fill_by_brix();
    struct holds *all = &world.core->holds;
    for (unsigned i = 0; i < HOLDS_ORDINARY_MAX; i++) {
        uint64_t number = SUBMIT("cat", .cores = 1 + i % 8, .is_preemptible = true);
        struct job *job = (struct job *)job_of("core", number);
        if (holds_of(world.core, job) == NULL)
            all->items[all->n++] = (struct hold){.job = job,
                                                 .worker = worker_named(world.core, "n1"),
                                                 .at_us = world.core->policy_us + HOUR,
                                                 .promised_us = world.core->policy_us + HOUR,
                                                 .planned_us = world.core->policy_us};
        for (size_t k = 0; k < all->n; k++)
            plan_fill_spare(world.core, &all->items[k]);
    }
    cr_assert_eq(all->n, (size_t)HOLDS_ORDINARY_MAX);
    (void)SUBMIT("ann", .cores = 2);
    go_on(2 * MINUTE);
    cr_expect(was_called_back(), "%s", cq_str_text(&world.log));
}

/* Room would not let it start. */
Test(quota, nobody_is_called_back_for_who_may_not_start)
{
    set("enterprise", "acme", "min-cores", "4");
    fill_by_brix();
    uint64_t claim = SUBMIT("ann", .cores = 2);
    set("project", "acme/default", "max-cores", "1");
    go_on(5 * MINUTE);
    cr_expect_not(was_called_back(), "%s", cq_str_text(&world.log));
    set("project", "acme/default", "max-cores", "2");
    go_on(2 * MINUTE);
    cr_expect(was_called_back());
    cr_expect_not(runs("acme", claim));
}

/* A project's claim on others than its own enterprise is that of the enterprise. */
Test(quota, a_project_of_who_borrows_takes_nothing_from_others)
{
    set("enterprise", "acme", "min-cores", "2");
    hello("n1", "0-7");
    uint64_t long_us = (uint64_t)HOUR;
    cr_assert(runs("acme", SUBMIT("ann", .cores = 4, .time_us = long_us)));
    for (unsigned i = 0; i < 4; i++)
        cr_assert(runs("brix", SUBMIT("bob", .cores = 1, .is_preemptible = true)));
    set("project", "acme/late", "min-cores", "2");
    (void)SUBMIT("ann", .cores = 2, .project = "late");
    go_on(5 * MINUTE);
    cr_expect_not(was_called_back(), "%s", cq_str_text(&world.log));
}

/* ---- tokens that a hold keeps ---- */

/* One bundle waits for all tokens; another may have what comes beside it. */
Test(quota, new_tokens_wake_who_a_hold_kept_out)
{
    set("licence", "vcs", "count", "3");
    hello("n1", "0-7");
    uint64_t first = SUBMIT("ann", .licences = "vcs:2", .time_us = 10 * (uint64_t)HOUR);
    cr_assert(runs("acme", first));
    uint64_t all = SUBMIT("ann", .licences = "vcs:3");
    cr_assert(holds_of(world.core, job_of("acme", all)));
    uint64_t one = SUBMIT("bob", .licences = "vcs:1", .time_us = 24 * (uint64_t)HOUR);
    cr_assert_not(runs("brix", one));
    set("licence", "vcs", "count", "4");
    cr_expect(runs("brix", one));
}

/* ---- very many shapes ---- */

/* Jobs that differ in nothing but their time limits. */
static void submit_many(const char *licences)
{
    enum { MANY = 1000, SUBMITS = 4 };
    static struct in_job jobs[MANY];
    for (unsigned i = 0; i < SUBMITS * MANY; i++) {
        const struct in_job plain = IN_JOB_PLAIN;
        jobs[i % MANY] = plain;
        jobs[i % MANY].licences = licences;
        jobs[i % MANY].time_us = (uint64_t)HOUR + i * (uint64_t)US_PER_S;
        if (i % MANY != MANY - 1)
            continue;
        struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&world, "ann")};
        in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = jobs, .n_jobs = MANY};
        uint64_t key = ++n_keys;
        memcpy(in.u.submit.key.bytes, &key, sizeof key);
        (void)world_step(&world, &in);
    }
}

static void end_the_oldest(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        end_after("acme", worker_named(world.core, "n1")->leases[0]->queue[0].job->number,
                  (uint64_t)MINUTE);
}

/* An end that lets all of them look again costs a look at each, not one for every pair. */
Test(quota, many_shapes_that_wait_for_tokens_cost_little, .timeout = 60)
{
    set("licence", "vcs", "count", "4");
    hello("n1", "0-15");
    world.is_quiet = true;
    submit_many("vcs:1");
    end_the_oldest(20);
    cr_expect_eq(feature_named(world.core, "vcs")->used, 4);
}

Test(quota, many_shapes_that_wait_below_a_limit_cost_little, .timeout = 60)
{
    set("enterprise", "acme", "max-cores", "4");
    hello("n1", "0-15");
    world.is_quiet = true;
    submit_many(NULL);
    end_the_oldest(20);
    cr_expect_eq(enterprise_node("acme")->cores, 4);
}

/* ---- submits ---- */

static uint64_t submit_jobs(size_t n)
{
    struct in_job jobs[16];
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct in_job)IN_JOB_PLAIN;
        jobs[i].cores = 1;
    }
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&world, "ann")};
    in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = jobs, .n_jobs = n};
    uint64_t key = ++n_keys;
    memcpy(in.u.submit.key.bytes, &key, sizeof key);
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    return strstr(cq_str_text(&world.log), "accepted ") != NULL;
}

Test(quota, a_submit_larger_than_a_burst_is_paid_back_not_refused_for_ever)
{
    set("enterprise", "acme", "max-submit-rate", "1");
    cr_expect(submit_jobs(7)); /* the burst is 5 and full */
    cr_expect(!submit_jobs(1));
    world.now.mono_us += 2 * US_PER_S;
    world.now.wall_us += 2 * US_PER_S;
    cr_expect(!submit_jobs(1));
    world.now.mono_us += 1 * US_PER_S;
    world.now.wall_us += 1 * US_PER_S;
    cr_expect(submit_jobs(1));
    cr_expect(!submit_jobs(7));
}

/* ---- reasons ---- */

Test(quota, why_names_the_limit_that_a_free_machine_is_too_large_for)
{
    struct reason why[4];
    set("enterprise", "acme", "max-cores", "4");
    hello("n1", "0-3");
    hello("n2", "0-7");
    drain("n2");
    cr_assert(runs("brix", SUBMIT("bob", .cores = 1))); /* on n1 */
    struct input in = {.type = INPUT_NODE_DRAIN};
    in.u.node_drain.name = "n2";
    (void)world_step(&world, &in);
    const struct job *job = job_of("acme", SUBMIT("ann", .cores = 1, .exclusive = true));
    cr_assert_eq(job->n_running, (uint64_t)0);
    memset(why, 0xff, sizeof why);
    cr_assert_gt(core_explain(world.core, (struct job_id){job->id}, world.now, why, 4), (size_t)0);
    cr_expect_str_eq(why[0].code, "WAIT_LIMIT");
    cr_expect(strstr(why[0].text, "max-cores of acme is 4; 0 in use, it needs 8"), "%s",
              why[0].text);
}

/* ---- leases that go on below a limit ---- */

/* Who is parked at the limit that a lease fills has a claim to what it gives back. */
static void share_below(const char *key, const char *value)
{
    uint64_t ann[6], cat;
    world_add_user(&world, "acme", "cat", ROLE_DESIGNER);
    set("enterprise", "acme", key, value);
    hello("n1", "0-7");
    for (unsigned i = 0; i < 6; i++)
        ann[i] = SUBMIT("ann", .cores = 1, .licences = "vcs:1", .time_us = MINUTE * 10);
    cat = SUBMIT("cat", .cores = 1, .licences = "vcs:1", .time_us = MINUTE * 20);
    cr_assert(runs("acme", ann[0]));
    cr_assert_not(runs("acme", cat), "%s", value);
    go_on(5 * MINUTE);
    end_after("acme", ann[0], 5 * MINUTE);
    cr_expect(runs("acme", cat), "%s: %s", key, cq_str_text(&world.log));
}

static void add_vcs(void)
{
    const struct in_config_row rows[] = {{CONFIG_ADD, "licence", "vcs", "", ""},
                                         {CONFIG_SET, "licence", "vcs", "count", "9"}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, CQ_COUNT(rows), false};
    (void)world_step(&world, &in);
}

Test(quota, a_lease_that_fills_max_cores_makes_way_below_it)
{
    add_vcs();
    share_below("max-cores", "1");
}

Test(quota, a_lease_that_fills_max_running_makes_way_below_it)
{
    add_vcs();
    share_below("max-running", "1");
}

Test(quota, a_lease_that_fills_max_licence_makes_way_below_it)
{
    add_vcs();
    share_below("max-licence", "vcs:1");
}

/* What comes free would go to who runs: it is within the guarantee, the other is not. */
Test(quota, a_lease_within_its_guarantee_does_not_make_way_for_what_is_beyond)
{
    uint64_t ann[6];
    world_add_user(&world, "acme", "cat", ROLE_DESIGNER);
    hello("n1", "0-1");
    cr_assert(runs("brix", SUBMIT(.user = "bob")));
    set("enterprise", "acme", "min-mem", "1000M");
    for (unsigned i = 0; i < 6; i++)
        ann[i] = SUBMIT(.user = "ann", .time_us = 10 * MINUTE);
    uint64_t beyond = SUBMIT(.user = "cat", .mem_mib = 5000);
    uint64_t lease = job_task(job_of("acme", ann[0]), 0)->lease->id;
    for (unsigned i = 0; i + 1 < 6; i++) {
        go_on(5 * MINUTE);
        end_after("acme", ann[i], 5 * MINUTE);
        cr_assert(runs("acme", ann[i + 1]));
        cr_expect_eq(job_task(job_of("acme", ann[i + 1]), 0)->lease->id, lease);
    }
    cr_expect_not(runs("acme", beyond));
    uint64_t within = SUBMIT(.user = "cat", .mem_mib = 800);
    end_after("acme", ann[5], MINUTE);
    cr_expect(runs("acme", within));
}

/* ---- what is on loan ---- */

static void add_core_with_guarantee(const char *cores)
{
    world_add_enterprise(&world, "core");
    world_add_user(&world, "core", "cat", ROLE_DESIGNER);
    set("enterprise", "core", "min-cores", cores);
}

/* Short tasks of others have all that is guaranteed and idle: it can be had back, so whoever comes
 * next in turn need not wait until so much is free at once. */
Test(quota, a_long_job_does_not_wait_for_what_is_on_loan)
{
    uint64_t bob[20];
    add_core_with_guarantee("2");
    hello("n1", "0-7");
    for (unsigned i = 0; i < 20; i++)
        bob[i] = SUBMIT("bob", .cores = 1, .time_us = 10 * MINUTE);
    uint64_t ann = SUBMIT("ann", .cores = 1, .time_us = HOUR);
    cr_assert_not(runs("acme", ann));
    go_on(MINUTE);
    end_after("brix", bob[0], MINUTE);
    cr_expect(runs("acme", ann), "%s", cq_str_text(&world.log));
}

/* But what nobody could give back in time stays kept. */
Test(quota, a_long_job_leaves_what_is_kept)
{
    add_core_with_guarantee("2");
    hello("n1", "0-3");
    uint64_t bob = SUBMIT("bob", .cores = 1, .time_us = 10 * HOUR);
    uint64_t other = SUBMIT("bob", .cores = 1, .time_us = 10 * HOUR);
    uint64_t ann = SUBMIT("ann", .cores = 1, .time_us = HOUR);
    cr_expect(runs("brix", bob) && runs("brix", other));
    cr_expect_not(runs("acme", ann));
    uint64_t cat = SUBMIT("cat", .cores = 1, .time_us = 10 * HOUR);
    uint64_t last = SUBMIT("cat", .cores = 1, .time_us = 10 * HOUR);
    cr_expect(runs("core", cat) && runs("core", last));
}

/* A hold gives no right to what is kept for another. */
Test(quota, a_hold_gives_way_to_a_guarantee)
{
    uint64_t bob[8];
    world_add_enterprise(&world, "core");
    world_add_user(&world, "core", "cat", ROLE_DESIGNER);
    hello("n1", "0-7");
    for (unsigned i = 0; i < 8; i++)
        bob[i] = SUBMIT("bob", .cores = 1, .time_us = (i < 4 ? 1 : 5) * HOUR);
    uint64_t cat = SUBMIT("cat", .cores = 4, .time_us = 10 * HOUR);
    cr_assert(holds_of(world.core, job_of("core", cat)));
    set("enterprise", "acme", "min-cores", "4");
    uint64_t ann = SUBMIT("ann", .cores = 4, .time_us = 10 * HOUR);
    for (unsigned i = 0; i < 4; i++)
        end_after("brix", bob[i], MINUTE);
    cr_expect_not(runs("core", cat));
    cr_expect(runs("acme", ann));
}

/* ---- holds and licence servers ---- */

static void feed_vcs(int64_t used)
{
    const struct in_licence_sample sample = {"vcs", used};
    struct input in = {.type = INPUT_LICENCE_FEED};
    world.now.wall_us += US_PER_S;
    world.now.mono_us += US_PER_S;
    in.u.licence_feed = (struct in_licence_feed){&sample, 1, NULL};
    (void)world_step(&world, &in);
}

/* A token that is given back and then shown as free is one token more, not two. */
Test(quota, a_hold_counts_a_token_once)
{
    add_vcs();
    set("licence", "vcs", "count", "3");
    hello("n1", "0-7");
    (void)SUBMIT("ann", .licences = "vcs:1", .time_us = 10 * HOUR);
    uint64_t second = SUBMIT("ann", .licences = "vcs:1", .time_us = HOUR);
    feed_vcs(0);
    feed_vcs(2);
    uint64_t all = SUBMIT("ann", .licences = "vcs:3");
    uint64_t one = SUBMIT("bob", .licences = "vcs:1", .time_us = 24 * HOUR);
    cr_assert(holds_of(world.core, job_of("acme", all)));
    go_on(MINUTE);
    end_after("acme", second, MINUTE);
    feed_vcs(1);
    cr_expect_not(runs("brix", one));
}
