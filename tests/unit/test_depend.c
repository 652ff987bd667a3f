// LINK: cq_core
/* Dependencies at their limits: long chains, whole arrays, all of it in one step. */
#include <criterion/criterion.h>

#include "tests/trace/world.h"

enum { CHAIN = 1000 };

static void set_up(struct world *w)
{
    const struct core_config config = {0};
    world_init(w, &config);
    w->is_quiet = true;
    world_add_enterprise(w, "acme");
    world_add_user(w, "acme", "ann", ROLE_DESIGNER);
}

static void submit(struct world *w, const struct in_job *jobs, size_t n)
{
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(w, "ann")};
    in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = jobs, .n_jobs = n};
    in.u.submit.key.bytes[0] = (uint8_t)w->request;
    cr_assert_eq(world_step(w, &in), 0);
}

static void cancel(struct world *w, uint64_t number, const char *tasks)
{
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(w, "ann")};
    cr_assert(core_find_enterprise(w->core, "acme", &in.u.action.enterprise));
    in.u.action.action = ACTION_CANCEL;
    in.u.action.number = number;
    in.u.action.tasks = tasks;
    cr_assert_eq(world_step(w, &in), 0);
}

static size_t journal_count(const struct world *w, enum record_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_journal; i++)
        n += w->journal[i]->type == type;
    return n;
}

/* The jobs name each other backwards, so that every dependency points at a later job. */
Test(depend, a_chain_of_a_thousand_ends_with_its_first_job)
{
    static struct in_job jobs[CHAIN];
    static struct in_dep deps[CHAIN];
    struct world w;
    set_up(&w);
    for (size_t i = 0; i < CHAIN; i++) {
        jobs[i] = (struct in_job)IN_JOB_PLAIN;
        deps[i] = (struct in_dep){.when = DEP_OK, .index = i + 2, .name = ""};
        jobs[i].deps = &deps[i];
        jobs[i].n_deps = i + 1 < CHAIN;
    }
    submit(&w, jobs, CHAIN);
    struct counts n;
    core_counts(w.core, (struct enterprise_id){0}, &n);
    cr_expect_eq(n.jobs_waiting, (uint64_t)CHAIN);
    cancel(&w, CHAIN, "");
    core_counts(w.core, (struct enterprise_id){0}, &n);
    cr_expect_eq(n.jobs_waiting, 0u);
    cr_expect_eq(journal_count(&w, RECORD_JOB_CANCEL), (size_t)CHAIN);
    world_fini(&w);
}

Test(depend, a_circle_through_a_thousand_jobs_is_found_and_nothing_is_kept)
{
    static struct in_job jobs[CHAIN];
    static struct in_dep deps[CHAIN];
    struct world w;
    set_up(&w);
    for (size_t i = 0; i < CHAIN; i++) {
        jobs[i] = (struct in_job)IN_JOB_PLAIN;
        deps[i] = (struct in_dep){.when = DEP_ANY, .index = (i + 1) % CHAIN + 1, .name = ""};
        jobs[i].deps = &deps[i];
        jobs[i].n_deps = 1;
    }
    submit(&w, jobs, CHAIN);
    cr_expect_eq(journal_count(&w, RECORD_JOB_SUBMIT), 0u);
    cr_expect_eq(journal_count(&w, RECORD_PROJECT_ADD), 0u);
    world_fini(&w);
}

Test(depend, arrays_of_a_hundred_thousand_cost_a_record_not_a_task)
{
    struct world w;
    set_up(&w);
    struct in_job jobs[2] = {IN_JOB_PLAIN, IN_JOB_PLAIN};
    const struct in_dep dep = {.when = DEP_AFTERCORR, .index = 1, .name = ""};
    jobs[0].array = jobs[1].array = "1-100000";
    jobs[1].deps = &dep;
    jobs[1].n_deps = 1;
    submit(&w, jobs, 2);
    cancel(&w, 1, "10-20");
    cr_expect_eq(journal_count(&w, RECORD_JOB_CANCEL), 2u);
    struct counts n;
    core_counts(w.core, (struct enterprise_id){0}, &n);
    cr_expect_eq(n.tasks_waiting, 2u * (100000 - 11));
    cancel(&w, 1, "");
    core_counts(w.core, (struct enterprise_id){0}, &n);
    cr_expect_eq(n.tasks_waiting, 0u);
    cr_expect_eq(journal_count(&w, RECORD_JOB_CANCEL), 4u);
    world_fini(&w);
}

Test(depend, more_tasks_than_an_array_may_have_are_refused)
{
    struct world w;
    set_up(&w);
    struct in_job job = IN_JOB_PLAIN;
    job.array = "1-100001";
    submit(&w, &job, 1);
    job.array = "5-1";
    submit(&w, &job, 1);
    cr_expect_eq(journal_count(&w, RECORD_JOB_SUBMIT), 0u);
    world_fini(&w);
}
