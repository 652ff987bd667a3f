// LINK: cq_sim
/* Reading SWF traces, and the rules of EASY and FCFS on a slice of one with known waits. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <unistd.h>

#include "scheduler/sim/lines.h"
#include "scheduler/sim/swf.h"
#include "tests/unit/sim_reference.h"

#define SLICE CHIPQ_SOURCE_DIR "/tests/data/kth_easy_1131.swf.gz"

static const struct swf_options one_leaf = {.one_leaf = true};

/* A file that is gone with the test. */
struct temporary {
    char path[64];
};

static struct temporary write_file(const char *text)
{
    struct temporary t = {.path = "/tmp/chipq-swf-XXXXXX"};
    int fd = mkstemp(t.path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return t;
}

static int read_text(const char *text, const struct swf_options *o, struct workload *w,
                     struct cq_err *err)
{
    struct temporary t = write_file(text);
    int rc = swf_read(t.path, o, w, err);
    unlink(t.path);
    return rc;
}

Test(sim_swf, one_job_is_read_by_the_rules)
{
    struct workload w = {0};
    struct cq_err err = {0};
    cr_assert_eq(read_text("; MaxProcs: 64\n"
                           "7 100 -1 50 4 -1 -1 8 60 -1 1 3 -1 -1 -1 -1 -1 -1\n"
                           "8 101 -1 90 4 -1 -1 -1 60 -1 1 4 -1 -1 -1 -1 -1 -1\n"
                           "9 102 -1 0 2 -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1\n",
                           &(struct swf_options){0}, &w, &err),
                 0, "%s", err.text);
    cr_assert_eq(w.n_rows, 3);
    cr_assert_eq(w.cores, 64);
    cr_expect_eq(w.rows[0].number, 7);
    cr_expect_eq(w.rows[0].cores, 8, "asked for goes before used");
    cr_expect_eq(w.rows[0].submit_us, 100 * US_PER_S);
    cr_expect_eq(w.rows[0].run_us, 50 * US_PER_S);
    cr_expect_eq(w.rows[0].limit_us, 60 * US_PER_S);
    cr_expect_eq(w.rows[1].cores, 4, "used when nothing is asked for");
    cr_expect_eq(w.rows[1].run_us, 60 * US_PER_S, "a run ends at its limit");
    cr_expect_eq(w.rows[2].run_us, US_PER_S, "a run lasts one second at least");
    cr_expect_eq(w.rows[2].limit_us, US_PER_S, "without a limit it is the run time");
    cr_expect_str_eq(w.users.items[w.leaves[w.rows[0].leaf].user], "u3");
    cr_expect_str_eq(w.users.items[w.leaves[w.rows[1].leaf].user], "u4");
    workload_fini(&w);
}

Test(sim_swf, jobs_without_size_or_time_are_counted)
{
    struct workload w = {.cores = 4};
    struct cq_err err = {0};
    cr_assert_eq(read_text("1 0 -1 -1 4 -1 -1 4 60 -1 1 3 -1 -1 -1 -1 -1 -1\n"
                           "2 0 -1 10 -1 -1 -1 -1 60 -1 1 3 -1 -1 -1 -1 -1 -1\n"
                           "\n3 0 -1 10 1 1.5 -1 1 60 -1 1 3 -1 -1 -1 -1 -1 -1",
                           &one_leaf, &w, &err),
                 0, "%s", err.text);
    cr_expect_eq(w.n_rows, 1);
    cr_expect_eq(w.n_skipped, 2);
    cr_expect_eq(w.cores, 4, "what the caller says stays");
    workload_fini(&w);
}

struct bad_line {
    char text[160], says[80];
};

ParameterizedTestParameters(sim_swf, broken_lines_are_named)
{
    static struct bad_line cases[] = {
        {"; MaxProcs: 4\n1 0 -1 5 1 -1 -1 1 60 -1 1 3 -1 -1 -1 -1 -1\n", ":2: 17 fields"},
        {"; MaxProcs: 4\n1 0 -1 5 1 -1 -1 1 60 -1 1 3 -1 -1 -1 -1 -1 -1 9\n",
         ":2: more than 18 fields"},
        {"1 0 -1 5 x -1 -1 1 60 -1 1 3 -1 -1 -1 -1 -1 -1\n", ":1: field 5"},
        {"1 0 -1 5 1 -1 oops 1 60 -1 1 3 -1 -1 -1 -1 -1 -1\n", ":1: field 7"},
        {"1 -1 -1 5 1 -1 -1 1 60 -1 1 3 -1 -1 -1 -1 -1 -1\n", "no time of submission"},
        {"1 0 -1 5 1 -1 -1 1 99999999999999 -1 1 3 -1 -1 -1 -1 -1 -1\n", ":1: field 9"},
        {"1 0 -1 5 1 -1 -1 99999999 60 -1 1 3 -1 -1 -1 -1 -1 -1\n", "cores"},
        {"1 0 -1 5.5 1 -1 -1 1 60 -1 1 3 -1 -1 -1 -1 -1 -1\n", ":1: field 4"},
        {"1 0 -1 5 1 -1 -1 1 60 -1 1 3 -1 -1 -1 -1 -1 -1\n", "--cores N"},
    };
    return cr_make_param_array(struct bad_line, cases, CQ_COUNT(cases));
}

ParameterizedTest(struct bad_line *c, sim_swf, broken_lines_are_named)
{
    struct workload w = {0};
    struct cq_err err = {0};
    cr_assert_eq(read_text(c->text, &one_leaf, &w, &err), -1, "%s", c->text);
    cr_expect(strstr(err.text, c->says), "'%s' does not say '%s'", err.text, c->says);
    workload_fini(&w);
}

Test(sim_swf, what_is_no_text_is_refused)
{
    struct workload w = {0};
    struct cq_err err = {0};
    cr_assert_eq(swf_read("/nowhere/at/all.swf", &one_leaf, &w, &err), -1);
    cr_expect_eq(err.code, CQ_E_NOT_FOUND);
    struct temporary t = {.path = "/tmp/chipq-swf-XXXXXX"};
    int fd = mkstemp(t.path);
    cr_assert_eq(write(fd, "; a\n1 0\0 2\n", 12), 12);
    close(fd);
    cr_assert_eq(swf_read(t.path, &one_leaf, &w, &err), -1);
    cr_expect(strstr(err.text, ":2: the line has a zero byte"), "%s", err.text);
    char *line = cq_malloc(70001);
    memset(line, ';', 70000);
    line[70000] = '\0';
    unlink(t.path);
    cr_assert_eq(read_text(line, &one_leaf, &w, &err), -1);
    cr_expect(strstr(err.text, "longer than"), "%s", err.text);
    free(line);
    workload_fini(&w);
}

Test(sim_swf, a_cut_gzip_file_is_an_error)
{
    char bytes[4096];
    struct workload w = {0};
    struct cq_err err = {0};
    FILE *from = fopen(SLICE, "re");
    cr_assert(from);
    size_t n = fread(bytes, 1, sizeof bytes, from);
    (void)fclose(from);
    struct temporary t = {.path = "/tmp/chipq-swf-XXXXXX"};
    int fd = mkstemp(t.path);
    cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
    int rc = swf_read(t.path, &one_leaf, &w, &err);
    unlink(t.path);
    cr_assert_eq(rc, -1);
    cr_expect(strstr(err.text, "cannot read on"), "%s", err.text);
    workload_fini(&w);
}

/* ---- the slice ---- */

static void load_slice(struct workload *w, bool exact)
{
    struct cq_err err = {0};
    const struct swf_options o = {.one_leaf = true, .exact_limits = exact};
    *w = (struct workload){0};
    cr_assert_eq(swf_read(SLICE, &o, w, &err), 0, "%s", err.text);
    cr_assert_eq(w->cores, 100);
}

/* Field 3 of job `number`. */
static int64_t published_wait_s(uint64_t number)
{
    struct lines *l = lines_open(SLICE, NULL);
    char *line;
    int64_t wait_s = -1;
    while (lines_next(l, &line, NULL) > 0) {
        unsigned long id, submit;
        long wait;
        if (sscanf(line, "%lu %lu %ld", &id, &submit, &wait) == 3 && id == number)
            wait_s = wait;
    }
    lines_close(l);
    return wait_s;
}

Test(sim_swf, easy_by_the_reading_rules_is_the_published_schedule)
{
    struct workload w;
    size_t n_waited = 0;
    load_slice(&w, false);
    cr_assert_eq(workload_build(&w, NULL), 0);
    cr_assert_eq(w.n_tasks, 1131);
    int64_t *start_us = reference_run(&w, true);
    for (size_t i = 0; i < w.n_tasks; i += 7) {
        const struct sim_row *r = w.tasks[i].row;
        int64_t wait_s = (start_us[i] - r->submit_us) / US_PER_S;
        cr_expect_eq(wait_s, published_wait_s(r->number), "job %lu", (unsigned long)r->number);
        n_waited += wait_s > 0;
    }
    cr_expect(n_waited > 40, "the slice has jobs that wait: %zu", n_waited);
    free(start_us);
    workload_fini(&w);
}

Test(sim_swf, a_window_begins_at_zero)
{
    struct workload w;
    struct cq_err err = {0};
    load_slice(&w, false);
    cr_assert_eq(workload_cut(&w, 100, 50, &err), 0);
    cr_assert_eq(workload_build(&w, &err), 0);
    cr_expect_eq(w.n_tasks, 50);
    cr_expect_eq(w.tasks[0].row->submit_us, 0);
    for (size_t i = 1; i < w.n_tasks; i++)
        cr_expect(w.tasks[i].row->submit_us >= w.tasks[i - 1].row->submit_us);
    cr_expect_eq(workload_cut(&w, 40, 11, &err), -1);
    cr_expect(strstr(err.text, "there are 50"), "%s", err.text);
    workload_fini(&w);
}
