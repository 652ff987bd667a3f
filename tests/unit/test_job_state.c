// LINK: cq_core
/* The state tables: every state is reachable, terminal ones are left by nothing. */
#include <criterion/criterion.h>

#include "scheduler/core/job_state.h"

static bool job_has_way_out(enum job_state s)
{
    for (unsigned e = 0; e < JOB_EVENT_COUNT; e++)
        if (job_state_next(s, (enum job_event)e) != JOB_NONE)
            return true;
    return false;
}

static bool job_is_entered(enum job_state s)
{
    for (unsigned from = 0; from < JOB_STATE_COUNT; from++)
        for (unsigned e = 0; e < JOB_EVENT_COUNT; e++)
            if (job_state_next((enum job_state)from, (enum job_event)e) == s)
                return true;
    return false;
}

Test(job_state, jobs_leave_every_state_but_the_terminal_ones)
{
    for (unsigned s = JOB_NONE; s < JOB_STATE_COUNT; s++)
        cr_expect_eq(job_has_way_out((enum job_state)s), !job_state_is_terminal((enum job_state)s),
                     "%s", job_state_name((enum job_state)s));
}

Test(job_state, every_state_of_a_job_is_entered_by_some_event)
{
    for (unsigned s = JOB_PENDING; s < JOB_STATE_COUNT; s++)
        cr_expect(job_is_entered((enum job_state)s), "%s", job_state_name((enum job_state)s));
}

static bool task_has_way_out(enum task_state s)
{
    for (unsigned e = 0; e < TASK_EVENT_COUNT; e++)
        if (task_state_next(s, (enum task_event)e) != TASK_NONE)
            return true;
    return false;
}

static bool task_is_entered(enum task_state s)
{
    for (unsigned from = 0; from < TASK_STATE_COUNT; from++)
        for (unsigned e = 0; e < TASK_EVENT_COUNT; e++)
            if (task_state_next((enum task_state)from, (enum task_event)e) == s)
                return true;
    return false;
}

Test(job_state, tasks_leave_every_state_but_the_terminal_ones)
{
    for (unsigned s = TASK_WAITING; s < TASK_STATE_COUNT; s++) {
        cr_expect_eq(task_has_way_out((enum task_state)s),
                     !task_state_is_terminal((enum task_state)s), "%s",
                     task_state_name((enum task_state)s));
        cr_expect(task_is_entered((enum task_state)s), "%s", task_state_name((enum task_state)s));
    }
}

Test(job_state, a_task_runs_at_most_once_in_an_attempt)
{
    cr_expect_eq(task_state_next(TASK_RUNNING, TASK_EV_START), TASK_NONE);
    cr_expect_eq(task_state_next(TASK_RUNNING, TASK_EV_ASSIGN), TASK_NONE);
    cr_expect_eq(task_state_next(TASK_ASSIGNED, TASK_EV_ASSIGN), TASK_NONE);
    cr_expect_eq(task_state_next(TASK_WAITING, TASK_EV_START), TASK_NONE);
    cr_expect_eq(task_state_next(TASK_WAITING, TASK_EV_PASS), TASK_NONE);
}

Test(job_state, names_of_roles_read_back)
{
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        enum role back = ROLE_COUNT;
        cr_expect(role_from_name(role_name((enum role)r), &back));
        cr_expect_eq(back, (enum role)r);
    }
    enum role none = ROLE_WORKER;
    cr_expect_not(role_from_name("root", &none));
    cr_expect_eq(none, ROLE_WORKER);
}

Test(job_state, a_failure_is_worse_than_a_loss_and_a_loss_than_a_kill)
{
    cr_expect_lt(verdict_severity(VERDICT_NONE), verdict_severity(VERDICT_PASS));
    cr_expect_lt(verdict_severity(VERDICT_PASS), verdict_severity(VERDICT_KILLED));
    cr_expect_lt(verdict_severity(VERDICT_KILLED), verdict_severity(VERDICT_LOST));
    cr_expect_lt(verdict_severity(VERDICT_LOST), verdict_severity(VERDICT_FAIL));
    cr_expect_str_eq(verdict_name((enum verdict)99), "?");
    cr_expect_str_eq(job_state_name((enum job_state)99), "?");
}
