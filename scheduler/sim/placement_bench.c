/* Placement rules against each other on the same jobs. */
#include "scheduler/sim/placement_bench.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

enum { WIDE_CORES = 16 };

static const struct {
    const char *name, *topo;
    bool one_machine;
} rules[PLACEMENT_RULES] = {
    [PLACE_PACK] = {"pack:numa, the default", "pack:numa", false},
    [PLACE_ANY] = {"any, lowest number first", "any", false},
    [PLACE_ONE_MACHINE] = {"one machine without NUMA nodes", "any", true},
};

int placement_bench_loads(const char *text, struct placement_bench *b, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *copy = cq_strdup(text);
    double loads[PLACEMENT_LOADS_MAX];
    size_t n = 0;
    for (char *rest = copy, *part; (part = strsep(&rest, ","));) {
        if (n == PLACEMENT_LOADS_MAX)
            return cq_fail(err, CQ_E_LIMIT, "more than %d loads", PLACEMENT_LOADS_MAX);
        if (parse_double(part, &loads[n], err) != 0)
            return -1;
        if (!(loads[n] >= 0.05 && loads[n] <= 5))
            return cq_fail(err, CQ_E_INVALID, "'%.40s': a load is 0.05 to 5", part);
        n++;
    }
    memcpy(b->loads, loads, n * sizeof *loads);
    b->n_loads = n;
    return 0;
}

/* ---- one run ---- */

static void measure(const struct workload *w, uint64_t domain_cores, struct placement_row *row)
{
    *row = (struct placement_row){0};
    for (size_t i = 0; i < w->n_tasks; i++) {
        const struct sim_task *t = &w->tasks[i];
        double wait_s = (double)(t->start_us - t->row->submit_us) / 1e6;
        if (t->row->cores <= domain_cores) {
            row->n_small++;
            row->n_split += t->domains > 1;
            row->small_wait_s += wait_s;
        } else if (t->row->cores >= WIDE_CORES) {
            row->n_wide++;
            row->wide_wait_s += wait_s;
        }
    }
    row->small_wait_s /= row->n_small ? (double)row->n_small : 1;
    row->wide_wait_s /= row->n_wide ? (double)row->n_wide : 1;
}

static int run_built(const struct placement_bench *b, const struct run_options *run,
                     struct workload *w, struct placement_row *row, struct cq_err *err)
{
    struct run_result r = {0};
    if (workload_build(w, err) != 0 || run_workload(w, run, &r, err) != 0)
        return -1;
    uint64_t n_lost = r.metrics.n_unfinished + r.metrics.n_refused;
    int rc = n_lost
                 ? cq_fail(err, CQ_E_INTERNAL, "%" PRIu64 " jobs did not end; %s", n_lost, r.stuck)
                 : 0;
    if (rc == 0)
        measure(w, b->mixed.domain_cores, row);
    run_result_fini(&r);
    return rc;
}

int placement_bench_one(const struct placement_bench *b, const struct run_options *run, double load,
                        enum placement_rule rule, struct placement_row *row, struct cq_err *err)
{
    struct workload w = {0};
    struct mixed m = b->mixed;
    m.load = load;
    int rc = mixed_make(&m, &w, err);
    w.topo = rules[rule].topo;
    if (rules[rule].one_machine) {
        w.n_nodes = 1;
        cq_free_ptr(&w.topology);
        w.topology = NULL;
    }
    if (rc == 0)
        rc = run_built(b, run, &w, row, err);
    workload_fini(&w);
    return rc;
}

/* ---- output ---- */

static double split_share(const struct placement_row *row)
{
    return row->n_small ? (double)row->n_split / (double)row->n_small : 0;
}

static void print_row(double load, enum placement_rule rule, const struct placement_row *row)
{
    printf("%5.2f  %-31s", load, rules[rule].name);
    if (rules[rule].one_machine)
        printf("%10s", "");
    else
        printf("%8.2f %%", 100 * split_share(row));
    printf(" %12.0f %12.0f\n", row->small_wait_s, row->wide_wait_s);
    (void)fflush(stdout);
}

static json_t *row_json(double load, enum placement_rule rule, const struct placement_row *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "load", json_real(load));
    json_object_set_new(o, "topo", json_string(rules[rule].topo));
    json_object_set_new(o, "one_machine", json_boolean(rules[rule].one_machine));
    json_object_set_new(o, "small_jobs", json_integer((json_int_t)row->n_small));
    json_object_set_new(o, "small_split", json_integer((json_int_t)row->n_split));
    json_object_set_new(o, "small_split_share", json_real(split_share(row)));
    json_object_set_new(o, "small_mean_wait_seconds", json_real(row->small_wait_s));
    json_object_set_new(o, "wide_jobs", json_integer((json_int_t)row->n_wide));
    json_object_set_new(o, "wide_mean_wait_seconds", json_real(row->wide_wait_s));
    return o;
}

static void print_head(const struct mixed *m)
{
    printf("%" PRIu64 " jobs on %" PRIu64 " machines of %" PRIu64 " NUMA nodes of %" PRIu64
           " cores, seed %" PRIu64 "\n\n",
           m->jobs, m->nodes, m->domains, m->domain_cores, m->seed);
    printf("%5s  %-31s%10s %12s %12s\n", "load", "rule", "split", "wait, small", "wait, wide");
}

static void print_json(const struct mixed *m, json_t *rows)
{
    json_t *o = json_object();
    json_object_set_new(o, "seed", json_integer((json_int_t)m->seed));
    json_object_set_new(o, "jobs", json_integer((json_int_t)m->jobs));
    json_object_set_new(o, "nodes", json_integer((json_int_t)m->nodes));
    json_object_set_new(o, "sockets", json_integer((json_int_t)m->sockets));
    json_object_set_new(o, "domains", json_integer((json_int_t)m->domains));
    json_object_set_new(o, "domain_cores", json_integer((json_int_t)m->domain_cores));
    json_object_set(o, "rows", rows);
    (void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    (void)fputc('\n', stdout);
    json_decref(o);
}

int placement_bench_run(const struct placement_bench *b, const struct run_options *run,
                        struct cq_err *err)
{
    json_t *rows = json_array();
    int rc = 0;
    if (!b->as_json)
        print_head(&b->mixed);
    for (size_t i = 0; i < b->n_loads; i++)
        for (enum placement_rule rule = PLACE_PACK; rule < PLACEMENT_RULES && rc == 0; rule++) {
            struct placement_row row;
            rc = placement_bench_one(b, run, b->loads[i], rule, &row, err);
            if (rc == 0 && b->as_json)
                json_array_append_new(rows, row_json(b->loads[i], rule, &row));
            else if (rc == 0)
                print_row(b->loads[i], rule, &row);
        }
    if (rc == 0 && b->as_json)
        print_json(&b->mixed, rows);
    json_decref(rows);
    return rc;
}
