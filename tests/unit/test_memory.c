// LINK: cq_core
/* Sizes of memory that jobs leave to chipq: learned from their own history, grown after an OOM. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/learn.h"
#include "tests/trace/world.h"

static struct world w;

static void hello(const char *name, uint64_t mem_mib)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&w, name)};
    in.u.worker_hello = (struct in_worker_hello){.node = name,
                                                 .cores = "0-3",
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = mem_mib,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = (uint8_t)name[1];
    (void)world_step(&w, &in);
}

static void set_up(void)
{
    const struct core_config config = {.lease_us = 60 * US_PER_S, .grace_us = 5 * US_PER_S};
    world_init(&w, &config);
    w.is_quiet = true;
    world_add_enterprise(&w, "acme");
    world_add_enterprise(&w, "rival");
    world_add_user(&w, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&w, "rival", "eve", ROLE_DESIGNER);
    world_add_user(&w, "", "w1", ROLE_WORKER);
    world_add_user(&w, "", "w2", ROLE_WORKER);
    hello("w1", 16384);
}

static void tear_down(void)
{
    world_fini(&w);
}

TestSuite(memory, .init = set_up, .fini = tear_down);

/* ---- moves ---- */

/* What is on record of how the newest attempt ended. */
static void expect_cause(const char *cause)
{
    const struct attempt_end_rec *e = NULL;
    for (size_t i = w.n_journal; e == NULL && i-- > 0;)
        if (w.journal[i]->type == RECORD_ATTEMPT_END)
            e = &w.journal[i]->u.attempt_end_rec;
    cr_assert_not_null(e);
    cr_expect_str_eq(e->cause ? e->cause : "", cause);
}

/* The record of the newest job. */
static const struct job_submit *newest(void)
{
    for (size_t i = w.n_journal; i-- > 0;)
        if (w.journal[i]->type == RECORD_JOB_SUBMIT)
            return &w.journal[i]->u.job_submit;
    abort();
}

static const struct job_submit *submit_as(const char *user, struct in_job job)
{
    static uint64_t n_submits;
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&w, user)};
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = &job, .n_jobs = 1};
    n_submits++;
    memcpy(in.u.submit.key.bytes, &n_submits, sizeof n_submits);
    (void)world_step(&w, &in);
    return newest();
}

static struct in_job named(const char *name)
{
    struct in_job job = IN_JOB_PLAIN;
    job.name = name;
    job.mem_mib = 0;
    return job;
}

static const struct job_submit *submit(const char *name)
{
    return submit_as("ann", named(name));
}

static const struct task *running(uint64_t job_id)
{
    const struct job *job = job_find(w.core, job_id);
    void *task;
    for (size_t i = 0; job && map_next(&job->tasks, &i, &task);)
        if (((struct task *)task)->lease)
            return task;
    return NULL;
}

static void end_with_cause(uint64_t job_id, const struct task *t, enum verdict verdict,
                           uint64_t peak_mib, const char *cause)
{
    const struct in_attempt_end e = {
        .at = {t->lease->id, t->lease->epoch, job_id, t->number, t->attempt},
        .verdict = verdict,
        .start_us = 1,
        .run_us = US_PER_S,
        .peak_mem_kib = peak_mib * 1024,
        .limit = "",
        .summary = "",
        .signature = "",
        .result = "",
        .cause = cause};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = {t->lease->worker->principal}};
    in.u.events.ends = &e;
    in.u.events.n_ends = 1;
    (void)world_step(&w, &in);
}

static void end_attempt(uint64_t job_id, const struct task *t, enum verdict verdict,
                        uint64_t peak_mib)
{
    end_with_cause(job_id, t, verdict, peak_mib, "");
}

/* One attempt of the job ends; false: none runs. */
static bool end(uint64_t job_id, enum verdict verdict, uint64_t peak_mib)
{
    const struct task *t = running(job_id);
    if (t)
        end_attempt(job_id, t, verdict, peak_mib);
    return t != NULL;
}

static void run(const char *user, const char *name, uint64_t peak_mib)
{
    uint64_t id = submit_as(user, named(name))->id;
    cr_assert(end(id, VERDICT_PASS, peak_mib));
}

static void run_many(const char *user, const char *name, uint64_t peak_mib, size_t n)
{
    for (size_t i = 0; i < n; i++)
        run(user, name, peak_mib);
}

static uint64_t asked_now(uint64_t job_id)
{
    const struct task *t = running(job_id);
    return t ? t->lease->mem_mib : 0;
}

static enum job_state state_of(uint64_t job_id) /* of one that is over: JOB_NONE */
{
    const struct job *job = job_find(w.core, job_id);
    return job ? job->state : JOB_NONE;
}

/* A replay and a restart know the same and go on the same. */
static void rebuild(void)
{
    struct core *replayed = core_from_journal(&w);
    core_free(replayed);
    world_restart(&w);
}

static void set_limit(const char *kind, const char *path, const char *key, const char *value)
{
    const struct in_config_row row = {CONFIG_SET, kind, path, key, value};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){&row, 1, false};
    (void)world_step(&w, &in);
}

/* ---- learning ---- */

Test(memory, few_runs_tell_nothing)
{
    run_many("ann", "sim", 3000, LEARN_RUNS_MIN - 1);
    cr_expect_eq(submit("sim")->mem_mib, 1024);
    cr_expect_eq(newest()->mem_source, MEM_DEFAULT);
    cr_expect_eq(newest()->mem_runs, LEARN_RUNS_MIN - 1);
}

Test(memory, the_95th_of_100_and_a_fifth_more)
{
    run_many("ann", "sim", 100, 60);
    run_many("ann", "sim", 2000, 4);
    cr_expect_eq(submit("sim")->mem_p95_mib, 2000);
    run("ann", "sim", 100); /* of the newest 64 now three took more */
    cr_expect_eq(submit("sim")->mem_p95_mib, 2000, "the oldest leave first");
    run_many("ann", "sim", 100, 61);
    cr_expect_eq(submit("sim")->mem_p95_mib, 100);
    cr_expect_eq(newest()->mem_mib, 120);
    cr_expect_eq(newest()->mem_source, MEM_LEARNED);
}

Test(memory, sizes_are_rounded_up_and_have_a_floor)
{
    cr_expect_eq(learn_request_mib(1), 64);
    cr_expect_eq(learn_request_mib(54), 72);
    cr_expect_eq(learn_request_mib(100), 120);
    cr_expect_eq(learn_request_mib(3174), 3840);
    for (uint64_t peak = 1; peak < 300000; peak += 7) {
        uint64_t mib = learn_request_mib(peak);
        cr_assert_geq(mib * 5, peak * 6);
        cr_assert(mib == 64 || mib * 100 < peak * 136);
    }
}

Test(memory, a_cache_that_fills_all_there_is_asks_for_no_more)
{
    for (size_t i = 0; i < 40; i++) {
        const struct job_submit *s = submit("sim");
        cr_assert_eq(s->mem_mib, 1024);
        cr_assert(end(s->id, VERDICT_PASS, s->mem_mib));
    }
}

Test(memory, never_from_another_enterprise)
{
    run_many("eve", "sim", 9000, 20);
    cr_expect_eq(submit("sim")->mem_mib, 1024);
    cr_expect_eq(newest()->mem_runs, 0);
    run_many("ann", "sim", 100, LEARN_RUNS_MIN);
    cr_expect_eq(submit("sim")->mem_p95_mib, 100);
    cr_expect_eq(submit_as("eve", named("sim"))->mem_p95_mib, 9000);
}

Test(memory, kinds_are_tool_or_name_and_cores)
{
    struct in_job job = named("seed-17");
    run_many("ann", "seed-3", 200, 3);
    run_many("ann", "seed-12", 200, 3);
    cr_expect_eq(submit_as("ann", job)->mem_runs, 6);
    job.cores = 2;
    cr_expect_eq(submit_as("ann", job)->mem_runs, 0);
    job.tool = "verilator.sim";
    job.cores = 1;
    cr_expect_eq(submit_as("ann", job)->mem_runs, 0);
}

Test(memory, a_stage_is_no_run_of_its_tool)
{
    struct in_job seeds = named("sim"), build = named("sim.build");
    seeds.tool = build.tool = "verilator.sim";
    build.stage_of = "sim";
    for (size_t i = 0; i < LEARN_RUNS_MIN; i++) {
        cr_assert(end(submit_as("ann", seeds)->id, VERDICT_PASS, 10));
        cr_assert(end(submit_as("ann", build)->id, VERDICT_PASS, 800));
    }
    cr_expect_eq(submit_as("ann", seeds)->mem_p95_mib, 10);
    cr_expect_eq(submit_as("ann", build)->mem_p95_mib, 800);
}

Test(memory, not_above_the_largest_worker_nor_the_limits)
{
    run_many("ann", "big", 15000, LEARN_RUNS_MIN);
    cr_expect_eq(submit("big")->mem_mib, 16384);
    set_limit("project", "acme/uart", "max-mem", "12G");
    cr_expect_eq(submit("big")->mem_mib, 12 * 1024);
    cr_expect_eq(newest()->mem_p95_mib, 15000);
}

Test(memory, the_default_is_not_above_them_either)
{
    cr_expect_eq(submit("first")->mem_mib, 1024); /* which makes the project */
    set_limit("project", "acme/uart", "max-mem", "600M");
    cr_expect_eq(submit("new")->mem_mib, 600);
    cr_expect_eq(newest()->mem_source, MEM_DEFAULT);
}

Test(memory, losses_and_kills_tell_nothing)
{
    for (size_t i = 0; i < LEARN_RUNS_MIN; i++) {
        uint64_t id = submit("sim")->id;
        cr_assert(end(id, VERDICT_ERROR, 10));
    }
    run_many("ann", "sim", 0, LEARN_RUNS_MIN); /* no peak was measured */
    cr_expect_eq(submit("sim")->mem_runs, 0);
}

Test(memory, what_was_learned_outlives_a_restart)
{
    char name[] = "a-";
    for (char c = 'a'; c < 'a' + 26; c++) {
        name[1] = c;
        run_many("ann", name, 100u + (unsigned)c, LEARN_RUNS_MIN);
    }
    rebuild();
    hello("w1", 16384);
    cr_expect_eq(submit("aq")->mem_p95_mib, 100 + 'q');
    run("ann", "aq", 900);
    rebuild();
    hello("w1", 16384);
    cr_expect_eq(submit("aq")->mem_p95_mib, 900);
}

Test(memory, the_oldest_kind_leaves)
{
    char name[3] = "";
    for (size_t i = 0; i < LEARN_KINDS_MAX + 1; i++) {
        name[0] = (char)('A' + i / 26);
        name[1] = (char)('a' + i % 26);
        run_many("ann", name, 100, LEARN_RUNS_MIN);
        if (i == LEARN_KINDS_MAX - 1)
            run("ann", "Aa", 100);
    }
    cr_expect_eq(submit("Aa")->mem_source, MEM_LEARNED);
    cr_expect_eq(submit("Ab")->mem_source, MEM_DEFAULT);
    rebuild();
    hello("w1", 16384);
    cr_expect_eq(submit("Aa")->mem_source, MEM_LEARNED);
    cr_expect_eq(submit("Ab")->mem_source, MEM_DEFAULT);
}

Test(memory, it_is_told_why)
{
    struct cq_str out CQ_CLEANUP(cq_str_fini) = {0};
    run_many("ann", "sim", 3174, LEARN_RUNS_MIN);
    core_explain_mem(submit("sim"), "acme", "uart", &out);
    cr_expect_str_eq(cq_str_text(&out), "p95 of 5 runs of sim in acme/uart: 3.1G + 20 %");
    cq_str_truncate(&out, 0);
    core_explain_mem(submit("new"), "acme", "uart", &out);
    cr_expect_str_eq(cq_str_text(&out),
                     "the default: 0 runs of new in acme/uart known, 5 are needed");
    cq_str_truncate(&out, 0);
    struct in_job job = named("sim");
    job.mem_mib = 300;
    core_explain_mem(submit_as("ann", job), "acme", "uart", &out);
    cr_expect_str_empty(cq_str_text(&out));
}

/* ---- growing ---- */

Test(memory, an_oom_doubles_three_times_at_most)
{
    uint64_t id = submit("sim")->id;
    hello("w2", 65536);
    for (uint64_t mib = 1024; mib <= 8192; mib *= 2) {
        cr_expect_eq(asked_now(id), mib);
        rebuild();
        cr_assert_eq(asked_now(id), mib);
        hello("w1", 16384);
        hello("w2", 65536);
        while (asked_now(id) == 0) /* the machines had forgotten it: a loss, not a growth */
            world_advance(&w, w.now.mono_us + 10 * US_PER_S);
        cr_assert(end(id, VERDICT_OOM, mib));
        if (mib == 1024)
            expect_cause("it runs again with 2G");
    }
    expect_cause("it had more 3 times, and gets no more");
    cr_expect_eq(state_of(id), JOB_NONE);
}

Test(memory, never_above_the_largest_worker)
{
    uint64_t id = submit("sim")->id;
    hello("w1", 3000);
    for (uint64_t mib = 1024; mib <= 3000; mib = mib == 2048 ? 3000 : mib * 2) {
        cr_expect_eq(asked_now(id), mib);
        cr_assert(end(id, VERDICT_OOM, mib));
        if (mib == 3000)
            break;
    }
    expect_cause("no worker that is up could give it more");
    cr_expect_eq(state_of(id), JOB_NONE);
}

Test(memory, never_above_a_limit_of_the_path)
{
    uint64_t id = submit("sim")->id;
    set_limit("enterprise", "acme", "max-mem", "1500M");
    cr_assert(end(id, VERDICT_OOM, 1024));
    cr_expect_eq(asked_now(id), 1500);
    expect_cause("it runs again with 1.5G");
    cr_assert(end(id, VERDICT_OOM, 1500));
    expect_cause("its limits allow no more than 1.5G");
    cr_expect_eq(state_of(id), JOB_NONE);
}

Test(memory, who_named_it_ends_there)
{
    struct in_job job = named("sim");
    job.mem_mib = 1024;
    uint64_t id = submit_as("ann", job)->id;
    cr_assert(end(id, VERDICT_OOM, 1024));
    expect_cause("it named its --mem, so it is not tried with more");
    cr_expect_eq(state_of(id), JOB_NONE);
}

Test(memory, what_may_run_once_only_ends_there)
{
    struct in_job job = named("sim");
    job.restart = 1;
    uint64_t id = submit_as("ann", job)->id;
    cr_assert(end(id, VERDICT_OOM, 1024));
    expect_cause("it may start once only");
    cr_expect_eq(state_of(id), JOB_NONE);
}

Test(memory, a_word_of_what_follows_stands_behind_the_workers_own)
{
    char cause[251];
    uint64_t id = submit("sim")->id;
    const struct task *t = running(id);
    end_with_cause(id, t, VERDICT_OOM, 1024, "memory limit 1G reached");
    expect_cause("memory limit 1G reached; it runs again with 2G");
    memset(cause, 'x', sizeof cause - 1);
    cause[sizeof cause - 1] = '\0';
    end_with_cause(id, running(id), VERDICT_OOM, 2048, cause);
    expect_cause(cause); /* no room */
}

Test(memory, growing_is_no_failure_of_its_own)
{
    struct in_job job = named("sim");
    job.max_own_failures = 2;
    uint64_t id = submit_as("ann", job)->id;
    cr_assert(end(id, VERDICT_OOM, 1024));
    cr_assert(end(id, VERDICT_FAIL, 1500));
    cr_expect_eq(asked_now(id), 2048, "the second failure is still allowed, with what it has");
    cr_assert(end(id, VERDICT_FAIL, 1500));
    cr_expect_eq(state_of(id), JOB_NONE);
}

/* Only what ran out of memory gets more, and after the others; the array is one entry all along. */
static void check_array(const struct job *job, uint64_t waiting, uint64_t apart, uint64_t mem_mib)
{
    cr_expect_eq(job->waiting.count, waiting);
    cr_expect_eq(laters_count(job->later), apart);
    cr_expect_eq(grow_mem_mib(job), mem_mib);
    cr_expect_eq(job->class->jobs.n, waiting > 0);
    cr_expect_eq(job->class->shape->ready, waiting);
}

Test(memory, an_array_grows_task_by_task)
{
    struct in_job array = named("sim");
    array.array = "1-10";
    uint64_t id = submit_as("ann", array)->id;
    cr_assert(end(id, VERDICT_OOM, 1024)); /* four run at once */
    check_array(job_find(w.core, id), 5, 1, 1024);
    cr_assert(end(id, VERDICT_OOM, 1024));
    for (size_t i = 0; i < 4; i++)
        cr_assert(end(id, VERDICT_PASS, 500));
    check_array(job_find(w.core, id), 2, 0, 2048); /* the last of the first size run */
    rebuild();
    check_array(job_find(w.core, id), 2, 0, 2048);
    cr_expect_eq(asked_now(id), 1024);
    hello("w1", 16384);                            /* which has forgotten the four that ran */
    check_array(job_find(w.core, id), 2, 0, 1024); /* both large ones start, then the others */
    size_t n_large = 0;
    for (bool is_large = false; asked_now(id) > 0; n_large += is_large) {
        is_large = asked_now(id) == 2048;
        cr_assert(end(id, VERDICT_PASS, 700));
    }
    cr_expect_eq(n_large, 2);
    cr_expect_eq(state_of(id), JOB_NONE);
}

/* Most of what ran had too little: the others need not try. Four run at once; of those that run
 * nobody knows yet. */
Test(memory, an_array_learns_from_its_own_tasks)
{
    struct in_job array = named("sim");
    array.array = "1-20";
    uint64_t id = submit_as("ann", array)->id;
    cr_assert(end(id, VERDICT_PASS, 900));
    for (size_t i = 0; i < 4; i++)
        cr_assert(end(id, VERDICT_OOM, 1024));
    check_array(job_find(w.core, id), 11, 4, 1024);
    cr_assert(end(id, VERDICT_OOM, 1024));
    cr_expect_eq(job_find(w.core, id)->first.mem_mib, 2048);
    rebuild();
    cr_expect_eq(job_find(w.core, id)->first.mem_mib, 2048);
    hello("w1", 16384); /* which has forgotten those that ran */
    for (size_t i = 0; i < 19; i++) {
        cr_expect_eq(asked_now(id), 2048);
        cr_assert(end(id, VERDICT_PASS, 1500));
    }
    cr_expect_eq(state_of(id), JOB_NONE);
}

static void oom_of_task(uint64_t job_id, uint32_t number)
{
    const struct task *t = job_task(job_find(w.core, job_id), number);
    cr_assert(t && t->lease);
    end_attempt(job_id, t, VERDICT_OOM, t->lease->mem_mib);
}

static uint64_t size_of_task(uint64_t job_id, uint32_t number)
{
    const struct task *t = job_task(job_find(w.core, job_id), number);
    return t ? t->mem_mib : 0;
}

Test(memory, what_has_grown_already_is_not_made_smaller)
{
    struct in_job array = named("sim"), fill = named("fill");
    array.array = "1-4";
    fill.mem_mib = 16384 - 3 * 1024 - 100; /* all that is left without the first */
    uint64_t id = submit_as("ann", array)->id;
    oom_of_task(id, 1);
    uint64_t other = submit_as("eve", fill)->id;
    oom_of_task(id, 1);
    cr_assert_eq(asked_now(other), fill.mem_mib);
    cr_expect_eq(size_of_task(id, 1), 4096);
    oom_of_task(id, 2);
    oom_of_task(id, 3);
    cr_expect_eq(job_find(w.core, id)->first.mem_mib, 2048);
    cr_expect_eq(size_of_task(id, 1), 4096);
    cr_assert(end(other, VERDICT_PASS, 100));
    cr_expect_eq(size_of_task(id, 1), 4096);
    cr_expect(job_task(job_find(w.core, id), 1)->lease);
}

/* Its lease has the whole machine, not what it asked. */
Test(memory, an_exclusive_job_grows_by_what_it_asked)
{
    struct in_job whole = named("sim");
    struct input bye = {.type = INPUT_WORKER_BYE, .principal = world_principal(&w, "w1")};
    whole.exclusive = EXCLUSIVE_NODE;
    (void)world_step(&w, &bye);
    hello("w2", 9000);
    uint64_t id = submit_as("ann", whole)->id;
    cr_assert_eq(asked_now(id), 9000);
    hello("w1", 16384);
    cr_assert(end(id, VERDICT_OOM, 9000));
    cr_expect_eq(asked_now(id), 16384);
}

/* It had less than it is to have at last: only its own size is judged. */
Test(memory, an_array_begins_with_eight_times_as_much_at_most)
{
    struct in_job array = named("sim");
    array.array = "1-400";
    uint64_t id = submit_as("ann", array)->id, most = 0;
    while (end(id, VERDICT_OOM, 1024))
        most = asked_now(id) > most ? asked_now(id) : most;
    cr_expect_eq(most, 8192);
    cr_expect_eq(state_of(id), JOB_NONE);
}

/* It has its own place behind all that wait with less, its own size and its own expected start. */
Test(memory, why_of_a_task_that_has_grown)
{
    struct in_job array = named("sim");
    struct reason r[4];
    struct start_estimate grown, last;
    array.array = "1-10";
    struct task_id id = {{submit_as("ann", array)->id}, 0};
    id.number = running(id.job.v)->number;
    cr_assert(end(id.job.v, VERDICT_OOM, 1024));
    cr_assert_eq(core_explain_task(w.core, id, w.now, r, CQ_COUNT(r)), (size_t)1);
    cr_expect_str_eq(r[0].code, "WAIT_TURN");
    cr_expect_str_eq(r[0].text, "5 tasks of its job start before it");
    cr_expect(strstr(r[0].advice, "2G of memory"), "%s", r[0].advice);
    cr_expect(core_expect_task_start(w.core, id, w.now, &grown));
    id.number = 10;
    cr_assert_eq(core_explain_task(w.core, id, w.now, r, CQ_COUNT(r)), (size_t)2);
    cr_expect_str_eq(r[0].code, "WAIT_CAPACITY");
    cr_expect_str_eq(r[1].text, "4 tasks of its job start before it");
    cr_expect(core_expect_task_start(w.core, id, w.now, &last));
    cr_expect(last.from_us < grown.from_us && last.to_us < grown.to_us);
}

static void act(const char *user, enum job_action action, uint64_t number, const char *tasks)
{
    struct principal_view who;
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(&w, user)};
    cr_assert(core_view_principal(w.core, in.principal, &who));
    in.u.action.action = action;
    in.u.action.enterprise = who.enterprise;
    in.u.action.number = number;
    in.u.action.tasks = tasks;
    (void)world_step(&w, &in);
}

Test(memory, what_waits_apart_can_be_cancelled)
{
    struct in_job array = named("sim");
    array.array = "1-10";
    const struct job_submit *s = submit_as("ann", array);
    uint64_t id = s->id, number = s->number;
    const struct task *first = running(id);
    char tasks[16];
    (void)snprintf(tasks, sizeof tasks, "%u", first->number);
    cr_assert(end(id, VERDICT_OOM, 1024));
    check_array(job_find(w.core, id), 5, 1, 1024);
    act("ann", ACTION_CANCEL, number, tasks);
    check_array(job_find(w.core, id), 5, 0, 1024);
    cr_expect_eq(job_find(w.core, id)->killed.count, 1);
    cr_assert(end(id, VERDICT_OOM, 1024));
    act("ann", ACTION_CANCEL, number, "");
    while (end(id, VERDICT_KILLED, 10))
        continue;
    cr_expect_eq(state_of(id), JOB_NONE);
}

Test(memory, an_oom_for_good_is_learned_from)
{
    struct in_job job = named("sim");
    job.mem_mib = 2000;
    for (size_t i = 0; i < LEARN_RUNS_MIN; i++)
        cr_assert(end(submit_as("ann", job)->id, VERDICT_OOM, 2000));
    cr_expect_eq(submit("sim")->mem_p95_mib, 2000);
}
