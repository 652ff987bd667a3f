// LINK: cq_core
/* What a waiting job keeps of its request: shared and packed, and the same to the byte. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "tests/trace/world.h"

static struct world w;

static void set_up(void)
{
    const struct core_config config = {.lease_us = 60 * US_PER_S, .grace_us = 5 * US_PER_S};
    world_init(&w, &config);
    w.is_quiet = true;
    world_add_enterprise(&w, "acme");
    world_add_user(&w, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&w, "acme", "bob", ROLE_DESIGNER);
}

static void tear_down(void)
{
    world_fini(&w);
}

TestSuite(request, .init = set_up, .fini = tear_down);

static uint64_t n_submits;

static const struct job *submit(const char *who, const struct in_job *job)
{
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(&w, who)};
    in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = job, .n_jobs = 1};
    n_submits++;
    memcpy(in.u.submit.key.bytes, &n_submits, sizeof n_submits);
    cr_assert_eq(world_step(&w, &in), 0);
    const struct job *last = NULL;
    for (size_t i = 0; i < w.n_journal; i++)
        if (w.journal[i]->type == RECORD_JOB_SUBMIT)
            last = job_find(w.core, w.journal[i]->u.job_submit.id);
    cr_assert_not_null(last);
    return last;
}

static void expect_run(const struct job *job, const void *run, size_t bytes)
{
    struct order_view v = {0};
    core_view_order(w.core, (struct job_id){job->id}, &v);
    core_view_run(w.core, &v);
    cr_expect_eq(v.run_bytes, bytes);
    cr_expect(v.run_bytes == bytes && memcmp(v.run, run, bytes) == 0, "job %llu",
              (unsigned long long)job->id);
    order_view_fini(&v);
}

static void fill(char *run, size_t bytes, unsigned from)
{
    for (size_t i = 0; i < bytes; i++) {
        from = from * 1103515245u + 12345u;
        run[i] = (char)(from >> 16);
    }
}

Test(request, who_asks_the_same_shares_it_and_who_does_not_does_not)
{
    struct in_job j = IN_JOB_PLAIN;
    j.tool = "yosys";
    j.name = "one";
    const struct job *a = submit("ann", &j);
    j.name = "two";
    const struct job *b = submit("ann", &j);
    j.tool = "yosyt";
    const struct job *c = submit("ann", &j);
    j.tool = "";
    j.stage_of = "yosys";
    const struct job *d = submit("ann", &j);
    j.stage_of = "";
    j.cores = 2;
    const struct job *e = submit("ann", &j);
    const struct job *f = submit("bob", &j);
    cr_expect_eq(a->asked, b->asked);
    const struct job *all[] = {b, c, d, e, f};
    for (size_t i = 0; i < CQ_COUNT(all); i++)
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(all[i]->asked, all[k]->asked, "%zu and %zu", i, k);
    cr_expect_str_eq(own_part_name(a->own), "one");
    cr_expect_str_eq(own_part_name(b->own), "two");
    cr_expect_eq(a->asked->id, 0);
    cr_expect_eq(w.core->requests.by_hash.n, 5);
}

Test(request, specifications_come_back_to_the_byte)
{
    enum { BYTES = 600, JOBS = 40 };
    static char runs[JOBS][BYTES];
    const struct job *jobs[JOBS];
    struct in_job j = IN_JOB_PLAIN;
    for (unsigned i = 0; i < JOBS;
         i++) { /* a word each; from 20 on, everything; then as at first */
        fill(runs[i], BYTES, i < 20 || i >= 30 ? 1 : i);
        (void)snprintf(runs[i] + 300, 16, "seed=%u", i);
        j.run = runs[i];
        j.run_bytes = BYTES - i;
        jobs[i] = submit("ann", &j);
    }
    for (unsigned i = 0; i < JOBS; i++)
        expect_run(jobs[i], runs[i], BYTES - i);
    cr_expect_eq(jobs[0]->own->stem, jobs[19]->own->stem);
    cr_expect_lt(jobs[19]->own->packed_bytes, 64);
    j.run = "short";
    j.run_bytes = 5;
    expect_run(submit("bob", &j), "short", 5);
}

/* What others were told apart from stays as long as they do. */
Test(request, a_stem_outlives_its_job)
{
    enum { BYTES = 600 };
    char run[BYTES];
    fill(run, BYTES, 3);
    struct in_job j = IN_JOB_PLAIN;
    j.run = run;
    j.run_bytes = BYTES;
    const struct job *first = submit("ann", &j);
    run[10] ^= 1;
    const struct job *second = submit("ann", &j);
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(&w, "ann")};
    in.u.action = (struct in_action){.action = ACTION_CANCEL,
                                     .enterprise = {first->enterprise->id},
                                     .number = first->number,
                                     .tasks = ""};
    cr_assert_eq(world_step(&w, &in), 0);
    cr_assert_eq(job_find(w.core, second->id), second);
    expect_run(second, run, BYTES);
}
