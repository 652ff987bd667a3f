// LINK: cq_core
/* Accounting: what attempts cost and tasks waited, by leaf and hour, once, whatever else happens.
 */
#include <criterion/criterion.h>

#include "tests/trace/world.h"

#define HOUR_US (INT64_C(3600) * US_PER_S)

enum { ROWS_MAX = 32 };

struct taken {
    struct usage_view rows[ROWS_MAX];
    struct cq_str licences[ROWS_MAX];
    uint32_t buckets[ROWS_MAX][USAGE_WAIT_BUCKETS];
    size_t n;
};

static struct world w;
static struct taken got;
static struct in_job request;

static void note_row(void *arg, const struct usage_view *u)
{
    struct taken *t = arg;
    cr_assert_lt(t->n, (size_t)ROWS_MAX);
    t->rows[t->n] = *u;
    memcpy(t->buckets[t->n], u->wait_buckets, sizeof t->buckets[0]);
    for (size_t i = 0; i < u->n_licences; i++)
        cq_str_printf(&t->licences[t->n], "%s=%" PRIu64 " ", u->licences[i].feature,
                      u->licences[i].token_us);
    t->n++;
}

static void take(void)
{
    for (size_t i = 0; i < got.n; i++)
        cq_str_fini(&got.licences[i]);
    got.n = 0;
    core_take_usage(w.core, note_row, &got);
}

static void set_up(void)
{
    const struct core_config config = {.lease_us = 60 * US_PER_S, .grace_us = 5 * US_PER_S};
    world_init(&w, &config);
    w.is_quiet = true;
    w.now.wall_us = 1000 * HOUR_US;
    world_add_enterprise(&w, "acme");
    world_add_user(&w, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&w, "", "w1", ROLE_WORKER);
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&w, "w1")};
    in.u.worker_hello = (struct in_worker_hello){.node = "w1",
                                                 .cores = "0-3",
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = 4096,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = 1;
    (void)world_step(&w, &in);
    request = (struct in_job)IN_JOB_PLAIN;
    request.cores = 2;
    request.mem_mib = 100;
    request.time_us = 10 * (uint64_t)HOUR_US;
}

static void tear_down(void)
{
    take();
    take();
    world_fini(&w);
}

TestSuite(usage, .init = set_up, .fini = tear_down, .timeout = 60);

static void submit(const struct in_job *jobs, size_t n)
{
    static uint8_t key;
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&w, "ann")};
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = jobs, .n_jobs = n};
    in.u.submit.key.bytes[0] = ++key;
    cr_assert_eq(world_step(&w, &in), 0);
}

static void action(enum job_action what)
{
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(&w, "ann")};
    in.u.action.action = what;
    cr_assert(core_find_enterprise(w.core, "acme", &in.u.action.enterprise));
    in.u.action.number = 1;
    in.u.action.tasks = "";
    (void)world_step(&w, &in);
}

/* The newest attempt that was assigned. */
static struct in_attempt newest(void)
{
    for (size_t i = w.n_journal; i > 0; i--)
        if (w.journal[i - 1]->type == RECORD_ATTEMPT_ASSIGN) {
            const struct attempt_assign *a = &w.journal[i - 1]->u.attempt_assign;
            return (struct in_attempt){a->lease, core_epoch(w.core), a->job, a->task, a->attempt};
        }
    cr_assert_fail("nothing was assigned");
    return (struct in_attempt){0};
}

static void pass_us(int64_t us)
{
    w.now.wall_us += us;
}

static void start(void)
{
    const struct in_attempt_start s = {.at = newest(), .start_us = w.now.wall_us};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&w, "w1")};
    in.u.events.starts = &s;
    in.u.events.n_starts = 1;
    (void)world_step(&w, &in);
}

static void end(enum verdict verdict, int64_t start_us, int64_t end_us, int64_t run_us)
{
    const struct in_attempt_end e = {.at = newest(),
                                     .verdict = verdict,
                                     .start_us = start_us,
                                     .end_us = end_us,
                                     .run_us = (uint64_t)run_us,
                                     .limit = "",
                                     .summary = "",
                                     .signature = "",
                                     .result = "",
                                     .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&w, "w1")};
    in.u.events.ends = &e;
    in.u.events.n_ends = 1;
    (void)world_step(&w, &in);
}

static void run_for(int64_t us)
{
    start();
    pass_us(us);
    end(VERDICT_PASS, w.now.wall_us - us, w.now.wall_us, us);
}

Test(usage, buckets_are_eight_to_an_octave_and_come_back)
{
    cr_expect_eq(usage_wait_bucket(0), 0);
    cr_expect_eq(usage_wait_bucket(999), 0);
    cr_expect_eq(usage_wait_bucket(1000), 1);
    cr_expect_eq(usage_wait_bucket(1124), 1);
    cr_expect_eq(usage_wait_bucket(1125), 2);
    cr_expect_eq(usage_wait_bucket(1999), 8);
    cr_expect_eq(usage_wait_bucket(2000), 9);
    cr_expect_eq(usage_wait_bucket(UINT64_MAX), USAGE_WAIT_BUCKETS - 1);
    for (unsigned b = 0; b + 1 < USAGE_WAIT_BUCKETS; b++) {
        cr_expect_eq(usage_wait_bucket(usage_wait_of_bucket(b)), b, "%u", b);
        cr_expect_eq(usage_wait_bucket(usage_wait_of_bucket(b) + 1), b + 1, "%u", b);
    }
}

Test(usage, an_attempt_costs_cores_memory_and_tokens_in_its_leaf)
{
    request.licences = "";
    submit(&request, 1);
    run_for(600 * US_PER_S);
    take();
    cr_assert_eq(got.n, 1);
    const struct usage_view *u = &got.rows[0];
    cr_expect_str_eq(u->enterprise_name, "acme");
    cr_expect_str_eq(u->project_name, "uart");
    cr_expect_str_eq(u->user_name, "ann");
    cr_expect_eq(u->hour_us, 1000 * HOUR_US);
    cr_expect_eq(u->attempts, 1);
    cr_expect_eq(u->core_us, 2 * 600 * (uint64_t)US_PER_S);
    cr_expect_eq(u->mem_mib_us, 100 * 600 * (uint64_t)US_PER_S);
    take();
    cr_expect_eq(got.n, 0, "taken twice");
}

Test(usage, a_run_is_split_at_the_hours_it_crosses)
{
    pass_us(HOUR_US - 10 * US_PER_S);
    submit(&request, 1);
    run_for(2 * HOUR_US);
    take();
    uint64_t want[] = {10 * US_PER_S, HOUR_US, HOUR_US - 10 * US_PER_S}, attempts = 0;
    cr_assert_eq(got.n, 3);
    for (size_t i = 0; i < got.n; i++) {
        size_t hour = (size_t)(got.rows[i].hour_us / HOUR_US - 1000);
        cr_assert_lt(hour, 3);
        cr_expect_eq(got.rows[i].core_us, 2 * want[hour], "hour %zu", hour);
        attempts += got.rows[i].attempts;
    }
    cr_expect_eq(attempts, 1);
}

static uint64_t sum_core_us(void)
{
    uint64_t sum = 0;
    take();
    for (size_t i = 0; i < got.n; i++)
        sum += got.rows[i].core_us;
    return sum;
}

Test(usage, a_worker_cannot_charge_more_than_the_limit_allows)
{
    request.time_us = 60 * (uint64_t)US_PER_S;
    submit(&request, 1);
    start();
    end(VERDICT_PASS, 1, INT64_MAX, INT64_MAX);
    cr_expect_eq(sum_core_us(), 2 * (60 * (uint64_t)US_PER_S + (uint64_t)HOUR_US));
}

Test(usage, a_clock_that_ran_back_costs_nothing)
{
    submit(&request, 1);
    start();
    end(VERDICT_PASS, w.now.wall_us, w.now.wall_us - HOUR_US, 0);
    cr_expect_eq(sum_core_us(), 0);
}

Test(usage, what_chipqd_declares_lost_is_free_and_the_next_attempt_is_not)
{
    submit(&request, 1);
    start();
    world_advance(&w, 200 * US_PER_S); /* the worker is silent */
    cr_expect_eq(sum_core_us(), 0);
    size_t n_ends = 0;
    for (size_t i = 0; i < w.n_journal; i++)
        n_ends += w.journal[i]->type == RECORD_ATTEMPT_END;
    cr_expect_eq(n_ends, 1, "it was not declared lost");
}

static uint64_t waits(uint64_t *wait_us)
{
    uint64_t n = 0, in_buckets = 0;
    *wait_us = 0;
    take();
    for (size_t i = 0; i < got.n; i++) {
        n += got.rows[i].waits;
        *wait_us += got.rows[i].wait_us;
        for (unsigned b = 0; b < USAGE_WAIT_BUCKETS; b++)
            in_buckets += got.buckets[i][b];
    }
    cr_expect_eq(in_buckets, n);
    return n;
}

Test(usage, a_wait_counts_from_the_submit_and_once)
{
    uint64_t us;
    request.max_own_failures = 2;
    submit(&request, 1);
    pass_us(7 * US_PER_S);
    start();
    cr_expect_eq(waits(&us), 1);
    cr_expect_eq(us, 7 * (uint64_t)US_PER_S);
    pass_us(US_PER_S);
    end(VERDICT_FAIL, w.now.wall_us - US_PER_S, w.now.wall_us, US_PER_S); /* it runs again */
    pass_us(US_PER_S);
    start();
    cr_expect_eq(waits(&us), 0);
}

Test(usage, a_wait_counts_once_across_a_restart)
{
    uint64_t us;
    request.hold = true;
    submit(&request, 1);
    pass_us(100 * US_PER_S);
    action(ACTION_RELEASE);
    pass_us(3 * US_PER_S);
    world_restart(&w);
    struct core *c = w.core;
    cr_assert_eq(waits(&us), 0);
    const struct attempt_assign *a = NULL;
    for (size_t i = 0; i < w.n_journal; i++)
        if (w.journal[i]->type == RECORD_ATTEMPT_ASSIGN)
            a = &w.journal[i]->u.attempt_assign;
    cr_assert_not_null(a);
    struct record *r =
        record_new(RECORD_ATTEMPT_START); /* as the worker will say after its HELLO */
    r->u.attempt_start_rec = (struct attempt_start_rec){.lease = a->lease,
                                                        .job = a->job,
                                                        .task = a->task,
                                                        .attempt = a->attempt,
                                                        .start_us = w.now.wall_us};
    cr_assert_eq(core_apply(c, r, NULL), 0);
    record_free(r);
    cr_expect_eq(waits(&us), 1);
    cr_expect_eq(us, 3 * (uint64_t)US_PER_S, "from its release, not from its submit");
}

Test(usage, a_wait_counts_from_the_end_of_what_the_job_depended_on)
{
    uint64_t us;
    struct in_job jobs[2] = {request, request};
    struct in_dep dep = {.index = 1, .when = DEP_OK, .outcome = OUTCOME_LIVE, .name = ""};
    jobs[1].deps = &dep;
    jobs[1].n_deps = 1;
    submit(jobs, 2);
    run_for(1000 * US_PER_S);
    cr_expect_eq(waits(&us), 1);
    cr_expect_eq(us, 0);
    pass_us(5 * US_PER_S);
    run_for(US_PER_S);
    cr_expect_eq(waits(&us), 1);
    cr_expect_eq(us, 5 * (uint64_t)US_PER_S);
}

Test(usage, a_task_that_was_cancelled_before_it_ran_is_not_in_the_account)
{
    submit(&request, 1);
    action(ACTION_CANCEL);
    end(VERDICT_KILLED, 0, w.now.wall_us, 0);
    take();
    cr_expect_eq(got.n, 0);
}

Test(usage, tokens_are_counted_per_feature)
{
    struct record *submitted = NULL;
    request.hold = true;
    submit(&request, 1);
    for (size_t i = 0; i < w.n_journal; i++)
        if (w.journal[i]->type == RECORD_JOB_SUBMIT)
            submitted = record_ref(w.journal[i]);
    /* The same job with a bundle, in a core of its own: what the policy makes of licences is not
     * the matter here. */
    struct core *c = core_new(&w.config);
    for (size_t i = 0; i < w.n_journal && w.journal[i]->type != RECORD_JOB_SUBMIT; i++)
        cr_assert_eq(core_apply(c, w.journal[i], NULL), 0);
    static const char *const features[] = {"vcs", "dc", "lone"};
    for (size_t i = 0; i < CQ_COUNT(features); i++) {
        struct record *f = record_new(RECORD_FEATURE_SET);
        f->u.feature_set =
            (struct feature_set){.id = 900 + i, .name = cq_strdup(features[i]), .count = 10};
        cr_assert_eq(core_apply(c, f, NULL), 0);
        record_free(f);
    }
    free(submitted->u.job_submit.licences);
    submitted->u.job_submit.licences = cq_strdup("vcs:2,dc:1,lone");
    cr_assert_eq(core_apply(c, submitted, NULL), 0);
    uint64_t job = submitted->u.job_submit.id, lease = core_epoch(c) + 1000;
    struct record *r = record_new(RECORD_LEASE_OPEN);
    r->u.lease_open = (struct lease_open){.lease = lease,
                                          .worker = core_find_worker(c, "w1").v,
                                          .epoch = 1,
                                          .cores = cq_strdup("0-1"),
                                          .mem_mib = 100,
                                          .enterprise = submitted->u.job_submit.enterprise,
                                          .project = submitted->u.job_submit.project,
                                          .principal = submitted->u.job_submit.principal};
    cr_assert_eq(core_apply(c, r, NULL), 0);
    record_free(r);
    r = record_new(RECORD_ATTEMPT_ASSIGN);
    r->u.attempt_assign = (struct attempt_assign){.lease = lease, .job = job, .attempt = 1};
    cr_assert_eq(core_apply(c, r, NULL), 0);
    record_free(r);
    r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec = (struct attempt_end_rec){.lease = lease,
                                                    .job = job,
                                                    .attempt = 1,
                                                    .verdict = VERDICT_PASS,
                                                    .start_us = w.now.wall_us,
                                                    .end_us = w.now.wall_us + 10,
                                                    .run_us = 10,
                                                    .at_us = w.now.wall_us + 10,
                                                    .worker = core_find_worker(c, "w1").v};
    cr_assert_eq(core_apply(c, r, NULL), 0);
    record_free(r);
    take();
    core_take_usage(c, note_row, &got);
    cr_assert_eq(got.n, 1);
    cr_expect_str_eq(cq_str_text(&got.licences[0]), "vcs=20 dc=10 lone=10 ");
    record_free(submitted);
    core_free(c);
}
