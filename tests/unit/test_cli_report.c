// LINK: cq_cli
/* The report of a flow and the live line, from answers of the scheduler. */
#include "cli/follow.h"
#include "cli/run_attach.h"
#include "cli/run_report.h"
#include "cli/run_view.h"
#include "cli/job_action.h"
#include "common/wire/message.h"

#include <criterion/criterion.h>

static json_t *row(const char *state, const char *verdict, int passed, int failed, int running,
                   int total)
{
    return json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:b}", "state", state, "verdict", verdict,
                     "tasks_passed", passed, "tasks_failed", failed, "tasks_running", running,
                     "tasks", total, "is_array", 1);
}

Test(cli_report, bar_counts)
{
    struct cq_str out = {0};
    json_t *r = row("running", "", 48, 2, 2, 100);
    run_view_bar(r, &out);
    cr_expect_str_eq(cq_str_text(&out),
                     "[==========>         ] 50/100  48 pass  2 fail  2 running");
    cq_str_clear(&out);
    json_decref(r);
    r = row("done", "pass", 3, 0, 0, 3);
    run_view_bar(r, &out);
    cr_expect_str_eq(cq_str_text(&out), "[====================] 3/3  3 pass");
    json_decref(r);
    cq_str_fini(&out);
}

Test(cli_report, outcomes)
{
    static const struct {
        const char *state, *verdict, *outcome;
        bool has_ended, has_passed;
    } cases[] = {
        {"pending", "", "pending", false, false}, {"running", "fail", "running", false, false},
        {"done", "pass", "pass", true, true},     {"failed", "timeout", "timeout", true, false},
        {"killed", "", "killed", true, false},    {"expired", "", "skipped", true, false},
        {"lost", "lost", "lost", true, false},
    };
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        json_t *r = row(cases[i].state, cases[i].verdict, 0, 0, 0, 1);
        cr_expect_str_eq(job_outcome(r), cases[i].outcome);
        cr_expect_eq(job_has_ended(r), cases[i].has_ended);
        cr_expect_eq(job_has_passed(r), cases[i].has_passed);
        json_decref(r);
    }
}

static struct task_row task(uint64_t number, const char *verdict, const char *signature,
                            const char *result)
{
    return (struct task_row){.task = number,
                             .attempt = 1,
                             .state = "done",
                             .verdict = verdict,
                             .node = "",
                             .cores = "",
                             .limit = "",
                             .summary = *signature ? "tb.sv:57: it went wrong" : "",
                             .signature = signature,
                             .result = result,
                             .log_path = "/log/x",
                             .output_dir = "",
                             .cause = ""};
}

Test(cli_report, failures_are_bucketed_and_metrics_merged)
{
    static const char one[] =
        "{\"metrics\":{\"sim__tests__passed\":1,\"sim__coverage__line__pct\":80},"
        "\"gates\":[{\"metric\":\"x\",\"rule\":\">= 0\",\"value\":1,\"ok\":true}]}";
    static const char two[] =
        "{\"metrics\":{\"sim__tests__passed\":1,\"sim__coverage__line__pct\":90},"
        "\"gates\":[{\"metric\":\"x\",\"rule\":\">= 0\",\"value\":-1,\"ok\":false}]}";
    struct task_row tasks[] = {task(1, "pass", "", one), task(2, "pass", "", two),
                               task(3, "fail", "boom", ""), task(4, "fail", "boom", ""),
                               task(5, "error", "crash", "not json")};
    struct job_row job = {.number = 7,
                          .name = "sim",
                          .state = "failed",
                          .verdict = "fail",
                          .is_array = true,
                          .tasks = 5,
                          .enterprise = "",
                          .user = "",
                          .project = "",
                          .reason = "",
                          .metrics = ""};
    struct msg_job m = {.job = &job, .n_job = 1, .tasks = tasks, .n_tasks = CQ_COUNT(tasks)};
    json_t *report = run_report_job(&m, false);
    const json_t *failures = json_object_get(report, "failures"),
                 *metrics = json_object_get(report, "metrics");
    cr_assert_eq(json_array_size(failures), 2);
    cr_expect_str_eq(row_text(json_array_get(failures, 0), "signature"), "boom");
    cr_expect_eq(row_number(json_array_get(failures, 0), "count"), 2);
    cr_expect_float_eq(json_number_value(json_object_get(metrics, "sim__tests__passed")), 2, 1e-9);
    cr_expect_float_eq(json_number_value(json_object_get(metrics, "sim__coverage__line__pct")), 90,
                       1e-9);
    const json_t *gates = json_object_get(report, "gates");
    cr_assert_eq(json_array_size(gates), 1);
    cr_expect(json_is_false(json_object_get(json_array_get(gates, 0), "ok")),
              "the missed gate is what counts");
    cr_expect_str_eq(row_text(report, "verdict"), "fail");
    struct cq_str text = {0};
    run_report_failures(report, &text);
    cr_expect_str_eq(cq_str_text(&text),
                     "  sim: 2 x tb.sv:57: it went wrong  (tasks 3,4)\n    /log/x\n"
                     "  sim: 1 x tb.sv:57: it went wrong  (task 5)\n    /log/x\n",
                     "people read what a task said, with its numbers");
    cq_str_fini(&text);
    json_decref(report);
}

static void expect_words(enum job_action action, uint64_t running, const char *tasks,
                         const json_t *row, const char *expected)
{
    const struct action_result r = {.number = 40, .running = running, .sent = running / 2};
    struct cq_str out = {0};
    job_action_words(action, &r, tasks, row, &out);
    cr_expect_str_eq(cq_str_text(&out), expected);
    cq_str_fini(&out);
}

/* Of how many tasks ran, and half as many were on their way. */
Test(cli_report, actions_say_what_they_did)
{
    json_t *live = row("running", "", 1, 0, 2, 10), *over = row("failed", "fail", 0, 1, 0, 1);
    expect_words(JOB_ACTION_REQUEUE, 2, "", live,
                 "job 40: 2 running tasks called back, they start again");
    expect_words(JOB_ACTION_REQUEUE, 1, "", live,
                 "job 40: 1 running task called back, it starts again");
    expect_words(JOB_ACTION_REQUEUE, 0, "3", live, "job 40[3]: queued again");
    expect_words(JOB_ACTION_CANCEL, 2, "", live, "job 40: cancelled; 2 running tasks are stopped");
    expect_words(JOB_ACTION_CANCEL, 1, "3-9", live,
                 "job 40[3-9]: cancelled; 1 running task is stopped");
    expect_words(JOB_ACTION_CANCEL, 0, "", live, "job 40: cancelled");
    expect_words(JOB_ACTION_CANCEL, 0, "", over, "job 40: it was over already (fail)");
    expect_words(JOB_ACTION_HOLD, 1, "", live, "job 40: held; 1 running task goes on");
    expect_words(JOB_ACTION_HOLD, 2, "", live,
                 "job 40: held; 2 running tasks go on; 1 about to start was sent already");
    expect_words(JOB_ACTION_RELEASE, 0, "", NULL, "job 40: released");
    json_decref(live);
    json_decref(over);
}

Test(cli_report, what_is_over_is_submitted_again)
{
    struct cq_str out = {0};
    json_t *r = json_pack("{s:s,s:i,s:i,s:I,s:b,s:s,s:i,s:s}", "project", "chips", "cores", 2,
                          "mem_mib", 512, "time_us", (json_int_t)90000000, "is_array", 1,
                          "failed_tasks", "7,57", "tasks", 200, "flow", "");
    job_action_again(r, "sh -c 'exit 3'", &out);
    cr_expect_str_eq(cq_str_text(&out),
                     "submit it again: chipq submit --cores 2 --mem 512M --time 90s --project "
                     "chips --array 7,57 -- sh -c 'exit 3'");
    cq_str_clear(&out);
    json_object_set_new(r, "flow", json_string("nightly"));
    job_action_again(r, "", &out);
    cr_expect_str_eq(cq_str_text(&out), "run its flow 'nightly' again: chipq run FILE.yaml");
    json_decref(r);
    cq_str_fini(&out);
}

Test(cli_report, lines_are_cut_with_dots)
{
    struct cq_str out = {0};
    run_view_cut("short", 10, &out);
    cr_expect_str_eq(cq_str_text(&out), "short");
    cq_str_clear(&out);
    run_view_cut("\033[31mfailed\033[0m because of much", 12, &out);
    cr_expect_str_eq(cq_str_text(&out), "\033[31mfailed\033[0m be...");
    cq_str_fini(&out);
}

Test(cli_report, attach_takes_what_was_submitted_together)
{
    json_t *rows = json_pack("[{s:i,s:i},{s:i,s:i},{s:i,s:i}]", "number", 9, "submit_us", 200,
                             "number", 8, "submit_us", 200, "number", 3, "submit_us", 100);
    json_t *newest = run_attach_choose(rows, 0), *older = run_attach_choose(rows, 3),
           *none = run_attach_choose(rows, 4);
    cr_assert_eq(json_array_size(newest), 2);
    cr_expect_eq(row_number(json_array_get(newest, 0), "number"), 8);
    cr_assert_eq(json_array_size(older), 1);
    cr_expect_eq(row_number(json_array_get(older, 0), "number"), 3);
    cr_expect_eq(json_array_size(none), 0);
    json_decref(newest);
    json_decref(older);
    json_decref(none);
    json_decref(rows);
}
