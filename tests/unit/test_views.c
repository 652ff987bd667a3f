// LINK: cq_daemon
/* Rows: what goes into the wire's fields, what is cut, what a stranger does not see. */
#include "common/wire/run_spec.h"
#include "scheduler/daemon/views.h"

#include <criterion/criterion.h>

static char *metrics_of(const char *result, bool is_array)
{
    struct task_view task = {.verdict = VERDICT_PASS, .result = result};
    struct job_view v = {.is_array = is_array, .tasks_changed = &task, .n_tasks_changed = 1};
    return view_metrics(&v);
}

Test(views, metrics_are_the_object_inside_the_result)
{
    char *text = metrics_of("{\"version\":1,\"metrics\":{\"drc__errors\":3,\"area\":1.5}}", false);
    cr_assert_str_eq(text, "{\"drc__errors\":3,\"area\":1.5}");
    free(text);
}

Test(views, what_is_no_object_of_metrics_is_left_out)
{
    cr_assert_null(metrics_of("{\"metrics\":[1]}", false));
    cr_assert_null(metrics_of("{\"metrics\":{}}", false));
    cr_assert_null(metrics_of("not json", false));
    cr_assert_null(metrics_of("", false));
    cr_assert_null(metrics_of("{\"metrics\":{\"a\":1}}", true)); /* of an array's task: its row's */
}

Test(views, a_command_can_be_pasted_into_a_shell)
{
    char *argv[] = {"echo", "it's", "a b", "", "plain-1.0/x", NULL};
    struct run_spec s = {.argv = argv, .n_argv = 5};
    struct cq_str bytes = {0}, text = {0};
    run_spec_encode(&s, &bytes);
    view_argv(bytes.data, bytes.len, &text);
    cr_assert_str_eq(cq_str_text(&text), "echo 'it'\\''s' 'a b' '' plain-1.0/x");
    cq_str_fini(&bytes);
    cq_str_fini(&text);
}

Test(views, a_huge_or_binary_command_stays_valid_and_bounded)
{
    static char big[200000];
    memset(big, 'x', sizeof big - 1);
    char *argv[] = {"sh", "\xff\xfe", big, NULL};
    struct run_spec s = {.argv = argv, .n_argv = 3};
    struct cq_str bytes = {0}, text = {0};
    run_spec_encode(&s, &bytes);
    view_argv(bytes.data, bytes.len, &text);
    cr_assert_leq(text.len, 65536);
    cr_assert(cq_is_utf8(cq_str_text(&text), text.len));
    cq_str_fini(&bytes);
    cq_str_fini(&text);
}

Test(views, the_shape_of_a_job_tells_what_it_waits_for_in_general)
{
    struct job_row row = {.reason = "job 12 'secret' has not passed",
                          .reason_code = "WAIT_DEPENDENCY"};
    view_job_row_shape_only(&row);
    cr_expect_str_eq(row.reason, "a job that it depends on has not ended as it must");
    row.reason_code = "no such code";
    view_job_row_shape_only(&row);
    cr_expect_str_empty(row.reason);
}

Test(views, the_shape_of_a_job_tells_no_names)
{
    struct stored_job j = {.number = 7,
                           .user_name = "ann",
                           .project_name = "secret",
                           .name = "secret",
                           .flow = "secret",
                           .tool = "secret",
                           .end_cause = "secret",
                           .metrics = "secret",
                           .stage_of = "secret",
                           .failed_ranges = "1-3",
                           .state = JOB_FAILED,
                           .verdict = VERDICT_FAIL,
                           .cores = 2,
                           .failed = 3};
    struct job_row row = view_job_row(&j, "acme");
    cr_assert_str_eq(row.project, "secret");
    view_job_row_shape_only(&row);
    const char *hidden[] = {row.user,   row.project, row.name,     row.flow,         row.tool,
                            row.reason, row.metrics, row.stage_of, row.failed_tasks, row.progress};
    for (size_t i = 0; i < CQ_COUNT(hidden); i++)
        cr_assert_str_empty(hidden[i]);
    cr_assert_eq(row.number, 7);
    cr_assert_eq(row.cores, 2);
    cr_assert_str_eq(row.state, "failed");
}
