/* What the core counts as it goes, counted anew. */
#ifndef TEST_FUZZ_CORE_COUNTS_H
#define TEST_FUZZ_CORE_COUNTS_H

#include "scheduler/core/core_state.h"
#include "tests/fuzz/fuzz.h"

/* What is counted as it changes is what there is. */
static void check_counts(const struct core *c)
{
    struct counts all, now = {0};
    void *item;
    for (size_t i = 0; map_next(&c->jobs.by_id, &i, &item);) {
        const struct job *job = item;
        now.jobs_waiting += job->state == JOB_PENDING || job->state == JOB_HELD;
        now.jobs_running += job->state == JOB_RUNNING;
        now.tasks_waiting += job_state_is_terminal(job->state) ? 0 : job_waiting(job);
        now.tasks_running += job_state_is_terminal(job->state) ? 0 : job->n_running;
        FUZZ_CHECK(job->passed.count + job->failed.count + job->killed.count + job->lost.count
                   <= job->n_tasks);
    }
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);)
        now.cores_used += ((const struct lease *)item)->n_cores;
    core_counts(c, (struct enterprise_id){0}, &all);
    FUZZ_CHECK(all.jobs_waiting == now.jobs_waiting && all.jobs_running == now.jobs_running);
    FUZZ_CHECK(all.tasks_waiting == now.tasks_waiting && all.tasks_running == now.tasks_running);
    FUZZ_CHECK(all.cores_used == now.cores_used);
}

#endif
