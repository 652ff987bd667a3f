// LINK: cq_store cq_core cq_base_sys
/* The flat row of a task's attempt: figures are there, and rows from before them are read. */
#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/store/stored.h"

#include <criterion/criterion.h>

static void encode_sample(struct cq_str *out)
{
    struct task_view v = {.task = 3,
                          .attempt = 2,
                          .state = "failed",
                          .cause = "memory limit 64M reached (peak 64M)",
                          .peak_mem_kib = 65536,
                          .max_rss_kib = 60000,
                          .io_read_bytes = 1,
                          .io_write_bytes = 2,
                          .switches = 4,
                          .switches_forced = 5,
                          .mem_mib = 64,
                          .outputs = OUTPUTS_PUBLISHED};
    struct stored_task t;
    stored_task_of_view(&v, &t);
    stored_task_encode(&t, out);
    stored_task_fini(&t);
}

Test(stored, figures_of_an_attempt_are_kept)
{
    struct cq_str row = {0};
    struct stored_task t;
    encode_sample(&row);
    cr_assert_eq(stored_task_decode(row.data, row.len, &t, NULL), 0);
    cr_assert_eq(t.max_rss_kib, 60000);
    cr_assert_eq(t.io_write_bytes, 2);
    cr_assert_eq(t.switches_forced, 5);
    cr_assert_eq(t.mem_mib, 64);
    cr_assert_eq(t.outputs, OUTPUTS_PUBLISHED);
    stored_task_fini(&t);
    cq_str_fini(&row);
}

Test(stored, a_row_from_before_the_figures_is_read)
{
    static const uint64_t figures[] = {
        60000, 1, 2, 4, 5, 64, OUTPUTS_PUBLISHED}; /* and the size asked, and what it left */
    struct cq_str row = {0}, tail = {0};
    struct stored_task t;
    encode_sample(&row);
    for (size_t i = 0; i < CQ_COUNT(figures); i++)
        flat_put_u64(&tail, figures[i]);
    row.data[0] = 1;
    cq_str_truncate(&row, row.len - tail.len);
    cr_assert_eq(stored_task_decode(row.data, row.len, &t, NULL), 0);
    cr_assert_eq(t.peak_mem_kib, 65536);
    cr_assert_eq(t.max_rss_kib, 0);
    cr_assert_str_eq(t.cause, "memory limit 64M reached (peak 64M)");
    cr_assert_eq(t.outputs, OUTPUTS_UNKNOWN);
    stored_task_fini(&t);
    cr_assert_neq(stored_task_decode(row.data, row.len - 1, &t, NULL), 0);
    cq_str_fini(&row);
    cq_str_fini(&tail);
}
