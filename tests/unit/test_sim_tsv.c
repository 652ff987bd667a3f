// LINK: cq_sim
/* Workloads as text: what is written is read again, and broken lines are named. Rows of
 * configuration likewise. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <unistd.h>

#include "common/base/pure/mem.h"
#include "scheduler/sim/config_rows.h"
#include "scheduler/sim/eda.h"
#include "scheduler/sim/tsv.h"

#define HEAD                                                          \
    "# {\"cores\": 8, \"mem_mb\": 4096, \"features\": {\"sim\": 3}, " \
    "\"tenants\": [{\"name\": \"a\", \"weight\": 2.5}, {\"name\": \"b\", \"weight\": 1}]}\n"

static int with_file(const char *text, int (*read)(const char *, void *, struct cq_err *), void *to,
                     struct cq_err *err)
{
    char path[] = "/tmp/chipq-tsv-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int rc = read(path, to, err);
    unlink(path);
    return rc;
}

static int read_tsv(const char *path, void *w, struct cq_err *err)
{
    return tsv_read(path, w, err);
}

static int read_rows(const char *path, void *rows, struct cq_err *err)
{
    return config_rows_read(path, rows, err);
}

Test(sim_tsv, one_task_is_read)
{
    struct workload w = {0};
    struct cq_err err = {0};
    cr_assert_eq(with_file(HEAD "4\t10\t2.5\t60\t2\t512\tsim:2,dc:1\tb\tb.p\tb.u\tdebug\t7\tfail\n",
                           read_tsv, &w, &err),
                 0, "%s", err.text);
    cr_expect_eq(w.cores, 8);
    cr_expect_eq(w.mem_mib, 4096);
    cr_expect_eq(workload_find_feature(&w, "sim", 3)->count, 3);
    cr_expect(w.weights[0] > 2.4 && w.weights[0] < 2.6);
    cr_assert_eq(w.n_rows, 1);
    const struct sim_row *r = &w.rows[0];
    cr_expect_eq(r->number, 4);
    cr_expect_eq(r->submit_us, 10 * US_PER_S);
    cr_expect_eq(r->run_us, 2500000);
    cr_expect_eq(r->limit_us, 60 * US_PER_S);
    cr_expect_eq(r->cores, 2);
    cr_expect_eq(r->mem_mib, 512);
    cr_expect_str_eq(w.licences.items[r->licence], "sim:2,dc:1");
    cr_expect_str_eq(w.enterprises.items[w.leaves[r->leaf].enterprise], "b");
    cr_expect_eq(r->array, 7);
    cr_expect_eq(r->outcome, SIM_FAIL);
    workload_fini(&w);
}

struct bad_text {
    char text[400], says[80];
};

ParameterizedTestParameters(sim_tsv, broken_lines_are_named)
{
    static struct bad_text cases[] = {
        {"", "the file is empty"},
        {"1\t2\n", ":1: the first line must be '#' and JSON"},
        {"# nonsense\n", ":1: the header is no JSON object"},
        {"# {\"cores\": 8}\n", ":1: \"mem_mb\" must be a number"},
        {"# {\"cores\": 0, \"mem_mb\": 1}\n", ":1: \"cores\" must be a number"},
        {"# {\"cores\": 1, \"mem_mb\": 1, \"tenants\": [{\"name\": \"a\", \"weight\": 0}]}\n",
         "needs a weight above 0"},
        {"# {\"cores\": 1, \"mem_mb\": 1, \"features\": {\"x y\": 1}}\n", "feature 'x y'"},
        {HEAD "1\t0\t5\t60\t1\t10\t-\ta\tp\tu\tdebug\t0\n", ":2: 12 fields"},
        {HEAD "1\t0\t5\t60\t1\t10\t-\ta\tp\tu\tdebug\t0\tok\tmore\n", ":2: more than 13"},
        {HEAD "1\t0\tx\t60\t1\t10\t-\ta\tp\tu\tdebug\t0\tok\n", ":2: run"},
        {HEAD "1\t0\t61\t60\t1\t10\t-\ta\tp\tu\tdebug\t0\tok\n", ":2: the limit is shorter"},
        {HEAD "1\t0\t-1\t60\t1\t10\t-\ta\tp\tu\tdebug\t0\tok\n", ":2: run"},
        {HEAD "1\t0\t5\t60\t0\t10\t-\ta\tp\tu\tdebug\t0\tok\n", ":2: 0 cores"},
        {HEAD "1\t0\t5\t60\t1\t0\t-\ta\tp\tu\tdebug\t0\tok\n", ":2: the memory"},
        {HEAD "1\t0\t5\t60\t1\t10\tsim:0\ta\tp\tu\tdebug\t0\tok\n",
         ":2: licences: tokens of 'sim'"},
        {HEAD "1\t0\t5\t60\t1\t10\tsim:1,\ta\tp\tu\tdebug\t0\tok\n", ":2: licences"},
        {HEAD "1\t0\t5\t60\t1\t10\t-\ta b\tp\tu\tdebug\t0\tok\n", ":2: enterprise"},
        {HEAD "1\t0\t5\t60\t1\t10\t-\ta\tp\tu\tdebug\t0\tlost\n", ":2: outcome"},
    };
    return cr_make_param_array(struct bad_text, cases, CQ_COUNT(cases));
}

ParameterizedTest(struct bad_text *c, sim_tsv, broken_lines_are_named)
{
    struct workload w = {0};
    struct cq_err err = {0};
    cr_assert_eq(with_file(c->text, read_tsv, &w, &err), -1, "%s", c->text);
    cr_expect(strstr(err.text, c->says), "'%s' does not say '%s'", err.text, c->says);
    workload_fini(&w);
}

static void expect_same(const struct workload *a, const struct workload *b)
{
    cr_assert_eq(a->n_rows, b->n_rows);
    cr_expect_eq(a->cores, b->cores);
    cr_expect_eq(a->mem_mib, b->mem_mib);
    cr_expect_eq(a->n_features, b->n_features);
    cr_assert_eq(a->enterprises.n, b->enterprises.n);
    for (size_t i = 0; i < a->n_rows; i++) {
        const struct sim_row *x = &a->rows[i], *y = &b->rows[i];
        cr_assert_eq(x->number, y->number);
        cr_assert_eq(x->submit_us, y->submit_us);
        cr_assert_eq(x->run_us, y->run_us);
        cr_assert_eq(x->limit_us, y->limit_us);
        cr_assert_eq(x->cores, y->cores);
        cr_assert_eq(x->mem_mib, y->mem_mib);
        cr_assert_eq(x->array, y->array);
        cr_assert_eq(x->outcome, y->outcome);
        cr_assert_str_eq(a->licences.items[x->licence], b->licences.items[y->licence]);
        cr_assert_str_eq(a->users.items[a->leaves[x->leaf].user],
                         b->users.items[b->leaves[y->leaf].user]);
        cr_assert_str_eq(a->classes.items[x->klass], b->classes.items[y->klass]);
    }
}

static void check_round_trip(const char *ending)
{
    struct workload made = {0}, again = {0};
    struct cq_err err = {0};
    const struct eda e = {.seed = 3, .enterprises = 4, .days = 1, .load = 0.8};
    char dir[] = "/tmp/chipq-tsv-XXXXXX", path[64];
    cr_assert(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/w%s", dir, ending);
    cr_assert_eq(eda_make(&e, &made, &err), 0, "%s", err.text);
    cr_assert_eq(tsv_write(path, &made, &err), 0, "%s", err.text);
    cr_assert_eq(tsv_read(path, &again, &err), 0, "%s", err.text);
    expect_same(&made, &again);
    for (size_t i = 0; i < made.n_weights; i++)
        cr_expect_float_eq(made.weights[i], again.weights[i], 1e-9);
    unlink(path);
    rmdir(dir);
    workload_fini(&made);
    workload_fini(&again);
}

Test(sim_tsv, what_is_written_is_read_again)
{
    check_round_trip(".tsv");
    check_round_trip(".tsv.gz");
}

Test(sim_tsv, a_file_that_cannot_be_written_is_said)
{
    struct workload w = {.cores = 1, .mem_mib = 1};
    struct cq_err err = {0};
    cr_assert_eq(tsv_write("/nowhere/at/all.tsv", &w, &err), -1);
    cr_expect(strstr(err.text, "/nowhere/at/all.tsv"), "%s", err.text);
    workload_fini(&w);
}

/* ---- rows of configuration ---- */

Test(sim_tsv, configuration_rows)
{
    struct config_rows r = {0};
    struct cq_err err = {0};
    cr_assert_eq(with_file("# comment\n\nset\tenterprise\tacme\tweight\t2\nput\tlicence\tvcs\n",
                           read_rows, &r, &err),
                 0, "%s", err.text);
    cr_assert_eq(r.n, 2);
    cr_expect_eq(r.items[0].op, CONFIG_SET);
    cr_expect_str_eq(r.items[0].kind, "enterprise");
    cr_expect_str_eq(r.items[0].path, "acme");
    cr_expect_str_eq(r.items[0].key, "weight");
    cr_expect_str_eq(r.items[0].value, "2");
    cr_expect_eq(r.items[1].op, CONFIG_PUT);
    cr_expect_str_eq(r.items[1].value, "");
    config_rows_fini(&r);
}

ParameterizedTestParameters(sim_tsv, broken_rows_are_named)
{
    static struct bad_text cases[] = {
        {"set\tenterprise\ta\tweight\t2\tpool.yaml:1:2\tmore\n", ":1: more than 6"},
        {"# x\nsat\tenterprise\ta\n", ":2: 'sat' is not add"},
        {"set\tenterprise\n", ":1: the row has no kind or no path"},
    };
    return cr_make_param_array(struct bad_text, cases, CQ_COUNT(cases));
}

ParameterizedTest(struct bad_text *c, sim_tsv, broken_rows_are_named)
{
    struct config_rows r = {0};
    struct cq_err err = {0};
    cr_assert_eq(with_file(c->text, read_rows, &r, &err), -1, "%s", c->text);
    cr_expect(strstr(err.text, c->says), "'%s' does not say '%s'", err.text, c->says);
    config_rows_fini(&r);
}
