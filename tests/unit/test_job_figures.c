// LINK: cq_cli
/* Figures of an attempt as people and programs see them: what nobody measured is no zero. */
#include "cli/follow.h"
#include "cli/job_figures.h"
#include "cli/to_json.h"

#include <criterion/criterion.h>

static struct task_row measured(void)
{
    return (struct task_row){.attempt = 1,
                             .state = "done",
                             .verdict = "pass",
                             .node = "n1",
                             .cores = "0-3",
                             .numa = "0",
                             .start_us = 1000,
                             .end_us = 5001000,
                             .cpu_user_us = 3583,
                             .cpu_system_us = 39235,
                             .peak_mem_kib = 10024,
                             .max_rss_kib = 1564,
                             .io_read_bytes = 57344,
                             .io_write_bytes = 20004864,
                             .switches = 31,
                             .switches_forced = 2311,
                             .mem_mib = 1024,
                             .outputs = 2};
}

/* Caller owns. */
static json_t *words_of(const struct task_row *t)
{
    json_t *row = json_of_task_row(t), *job = json_object();
    json_object_set_new(row, "run_us", json_integer(t->end_us ? t->end_us - t->start_us : 0));
    job_figures_add(row, t);
    json_object_set_new(job, "mem_mib", json_integer(1024));
    job_figures_add_words(job, row);
    json_object_set_new(job, "row", row);
    return job;
}

Test(job_figures, what_was_measured_is_told_in_units_that_show_it)
{
    struct task_row t = measured();
    json_t *job = words_of(&t), *row = json_object_get(job, "row");
    cr_expect_str_eq(row_text(job, "where"), "n1: cores 0-3 (numa 0)");
    cr_expect_str_eq(row_text(job, "cpu_words"), "42 ms (3.6 ms user, 39 ms system)");
    cr_expect_str_eq(row_text(job, "peak_words"), "10M of 1G (largest process 2M)");
    cr_expect_str_eq(row_text(job, "io_words"), "56K read, 20M written");
    cr_expect_str_eq(row_text(job, "switch_words"), "31 voluntary, 2311 forced");
    cr_expect_eq(row_number(job, "cpu_us"), 42818);
    cr_expect_eq(row_number(row, "peak_mem_mib"), 10);
    cr_expect_str_eq(row_text(row, "outputs"), "published");
    json_decref(job);
}

Test(job_figures, nothing_read_or_written_is_nothing_and_known)
{
    struct task_row t = measured();
    t.io_read_bytes = t.io_write_bytes = t.cpu_user_us = 0;
    json_t *job = words_of(&t), *row = json_object_get(job, "row");
    cr_expect_str_eq(row_text(job, "io_words"), "0 read, 0 written");
    cr_expect(json_is_integer(json_object_get(row, "io_read_bytes")));
    cr_expect(json_is_integer(json_object_get(row, "cpu_user_us")));
    json_decref(job);
}

Test(job_figures, an_attempt_whose_keeper_was_lost_tells_no_zeros)
{
    static const char *const keys[] = {"peak_mem_kib",  "peak_mem_mib",    "cpu_user_us",
                                       "cpu_system_us", "max_rss_kib",     "io_read_bytes",
                                       "switches",      "switches_forced", "io_write_bytes"};
    struct task_row t = {.node = "n1",
                         .cores = "0",
                         .state = "lost",
                         .verdict = "lost",
                         .start_us = 1000,
                         .end_us = 2000,
                         .mem_mib = 512,
                         .outputs = 1};
    json_t *job = words_of(&t), *row = json_object_get(job, "row");
    for (size_t i = 0; i < CQ_COUNT(keys); i++)
        cr_expect(json_is_null(json_object_get(row, keys[i])), "%s", keys[i]);
    cr_expect(json_is_null(json_object_get(job, "cpu_us")));
    cr_expect_str_eq(row_text(job, "cpu_words"), "-");
    cr_expect_str_eq(row_text(job, "peak_words"), "- of 512M");
    cr_expect_str_eq(row_text(job, "io_words"), "");
    cr_expect_str_eq(row_text(row, "outputs"), "none");
    json_decref(job);
}

Test(job_figures, an_attempt_of_an_old_record_tells_what_was_measured_then)
{
    struct task_row t = measured();
    t.max_rss_kib = t.io_read_bytes = t.io_write_bytes = t.switches = t.switches_forced = 0;
    t.mem_mib = t.outputs = 0;
    json_t *job = words_of(&t), *row = json_object_get(job, "row");
    cr_expect_eq(row_number(row, "peak_mem_kib"), 10024);
    cr_expect(json_is_null(json_object_get(row, "switches")));
    cr_expect(json_is_null(json_object_get(row, "mem_mib")));
    cr_expect_str_eq(row_text(job, "io_words"), "");
    cr_expect_str_eq(row_text(job, "peak_words"), "10M of 1G");
    cr_expect_str_eq(row_text(row, "outputs"), "");
    json_decref(job);
}

Test(job_figures, what_waits_to_run_again_is_nowhere)
{
    struct task_row t = {.node = "n1", .state = "pending", .start_us = 1000};
    json_t *job = words_of(&t);
    cr_expect_str_eq(row_text(job, "where"), "");
    cr_expect_str_eq(row_text(job, "cpu_words"), "");
    cr_expect_str_eq(row_text(job, "peak_words"), "");
    json_decref(job);
}
