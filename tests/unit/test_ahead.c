// LINK: cq_core
/* What is queued ahead behind an attempt that turns out long waits again. */
#include "tests/unit/calendar_fixture.h"

#define MS (US_PER_S / 1000)

TestSuite(ahead, .init = set_up, .fini = tear_down);

static uint64_t submit_array(const char *array)
{
    struct in_job job = IN_JOB_PLAIN;
    job.cores = 8;
    job.mem_mib = 100;
    job.array = array;
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&world, "ann")};
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = &job, .n_jobs = 1};
    (void)world_step(&world, &in);
    return 1;
}

static struct lease *lease_on(const char *node)
{
    const struct worker *w = worker_named(world.core, node);
    return w->n_leases > 0 ? w->leases[0] : NULL;
}

static void end_head(const struct lease *l, enum verdict verdict, size_t i, uint64_t run_us)
{
    const struct lease_item *it = &l->queue[i];
    const struct in_attempt_end end = {
        .at = {l->id, core_epoch(world.core), it->job->id, it->task->number, it->attempt},
        .verdict = verdict,
        .run_us = run_us,
        .start_us = run_us ? world.now.wall_us - (int64_t)run_us : 0,
        .end_us = world.now.wall_us,
        .limit = "",
        .summary = "",
        .signature = "",
        .result = "",
        .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS,
                       .principal = world_principal(&world, l->worker->name)};
    in.u.events.ends = &end;
    in.u.events.n_ends = 1;
    (void)world_step(&world, &in);
}

static size_t n_records(enum record_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < world.n_journal; i++)
        n += world.journal[i]->type == type;
    return n;
}

static void advance(int64_t us)
{
    cq_str_clear(&world.log);
    world_advance(&world, world.now.mono_us + us);
}

/* The machine does as it is told: what never started ends as killed. */
static void obey(const struct lease *l)
{
    while (l->n > 1)
        end_head(l, VERDICT_KILLED, 1, 0);
}

Test(ahead, what_is_behind_a_long_one_goes_to_whoever_is_free)
{
    (void)submit_array("1-30");
    advance(2 * MS);
    struct lease *a = lease_on("n1"), *b = lease_on("n2");
    end_head(a, VERDICT_PASS, 0, 2 * MS);
    cr_assert_gt(a->n, 2u, "short ones are queued ahead");
    size_t behind = a->n - 1;
    advance(US_PER_S - 2 * MS);
    cr_expect_eq(n_records(RECORD_TASK_REQUEUE), 0u);
    advance(4 * MS);
    cr_expect_geq(n_records(RECORD_TASK_REQUEUE), behind);
    cr_expect(strstr(cq_str_text(&world.log), "what runs before it takes long"), "%s",
              cq_str_text(&world.log));
    obey(a);
    cr_expect_eq(a->n, 1u, "nothing is queued behind it again");
    obey(b);
    size_t before = b->n;
    end_head(b, VERDICT_PASS, 0, 2 * MS);
    cr_expect_geq(b->n, before, "the other has them");
}

Test(ahead, a_restart_calls_back_once_more_only_what_is_left)
{
    (void)submit_array("1-30");
    advance(2 * MS);
    end_head(lease_on("n1"), VERDICT_PASS, 0, 2 * MS);
    advance(2 * US_PER_S);
    size_t n = n_records(RECORD_TASK_REQUEUE);
    cr_assert_gt(n, 0u);
    world_restart(&world);
    hello_all();
    advance(2 * US_PER_S);
    cr_expect_eq(n_records(RECORD_TASK_REQUEUE), n);
}
