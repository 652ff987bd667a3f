/* The generator: sizes by chance, durations lognormal, arrivals of a Poisson process that is
 * stretched until the demand is exactly the load. */
#include "scheduler/sim/mixed.h"

#include <inttypes.h>
#include <math.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "scheduler/sim/dice.h"

enum { CORE_MEM_MIB = 4096, JOB_CORE_MEM_MIB = 2048 }; /* memory is never what is missing */
enum { RUN_MAX_S = 12 * 3600 };

struct size {
    uint32_t cores;
    double share; /* of all jobs */
};
static const struct size sizes[] = {
    {1, 0.75}, {2, 0.11}, {4, 0.055}, {8, 0.03}, {16, 0.03}, {32, 0.02}, {64, 0.005},
};
static const double run_median_s = 660, run_sigma = 1.2;

static uint32_t draw_cores(struct dice *d)
{
    double x = dice_unit(d);
    size_t i = 0;
    while (i + 1 < CQ_COUNT(sizes) && x >= sizes[i].share)
        x -= sizes[i++].share;
    return sizes[i].cores;
}

static int64_t draw_run_s(struct dice *d)
{
    return (int64_t)fmin(fmax(1, round(dice_lognormal(d, run_median_s, run_sigma))), RUN_MAX_S);
}

/* What people ask for: twice to ten times as much, in usual values. */
static int64_t draw_limit_s(struct dice *d, int64_t run_s)
{
    static const int64_t usual_s[] = {900, 3600, 14400, 43200, 172800}; /* 15 min to 2 days */
    double wanted_s = (double)run_s * exp(dice_between(d, log(2), log(10)));
    size_t i = 0;
    while (i + 1 < CQ_COUNT(usual_s) && (double)usual_s[i] < wanted_s)
        i++;
    return usual_s[i];
}

/* ---- machines ---- */

char *mixed_topology(const struct mixed *m)
{
    struct cq_str out = {0};
    uint64_t per_socket = m->domains / m->sockets, core = 0;
    for (uint64_t d = 0; d < m->domains; d++) {
        if (d % per_socket == 0)
            cq_str_printf(&out, "%spkg%" PRIu64 "(", d ? ") " : "", d / per_socket);
        cq_str_printf(&out, "%snuma%" PRIu64 ":%" PRIu64 "(", d % per_socket ? " " : "", d,
                      m->domain_cores * CORE_MEM_MIB);
        for (uint64_t i = 0; i < m->domain_cores; i++)
            cq_str_printf(&out, "%s%" PRIu64, i ? " " : "", core++);
        cq_str_add_char(&out, ')');
    }
    cq_str_add_char(&out, ')');
    return cq_str_take(&out);
}

static int check(const struct mixed *m, struct cq_err *err)
{
    uint64_t cores = m->domains * m->domain_cores;
    if (m->domains % m->sockets != 0)
        return cq_fail(err, CQ_E_INVALID,
                       "%" PRIu64 " NUMA nodes cannot be shared among %" PRIu64 " sockets",
                       m->domains, m->sockets);
    if (cores < MIXED_CORES_MAX || cores > NODE_CORES_MAX)
        return cq_fail(err, CQ_E_INVALID, "a machine of %" PRIu64 " cores; the jobs need %d to %d",
                       cores, MIXED_CORES_MAX, NODE_CORES_MAX);
    return 0;
}

/* ---- jobs ---- */

/* So that demand over cores is the load while jobs come. */
static void stretch(struct workload *w, double load)
{
    double core_us = 0;
    int64_t last_us = w->rows[w->n_rows - 1].submit_us;
    for (size_t i = 0; i < w->n_rows; i++)
        core_us += (double)w->rows[i].run_us * w->rows[i].cores;
    double factor = core_us / (load * (double)w->cores) / (double)last_us;
    for (size_t i = 0; i < w->n_rows; i++)
        w->rows[i].submit_us = (int64_t)((double)w->rows[i].submit_us * factor);
}

int mixed_make(const struct mixed *m, struct workload *w, struct cq_err *err)
{
    struct dice dice = dice_branch(m->seed, 1);
    double at_s = 0;
    if (check(m, err) != 0)
        return -1;
    struct sim_row row = {.leaf = workload_leaf(w, "e", "default", "u"),
                          .licence = workload_licence(w, ""),
                          .klass = names_id(&w->classes, "mixed")};
    for (uint64_t i = 0; i < m->jobs; i++) {
        at_s += dice_exponential(&dice, 1);
        int64_t run_s = draw_run_s(&dice);
        row.number = i + 1;
        row.submit_us = (int64_t)(at_s * 1e6);
        row.run_us = run_s * US_PER_S;
        row.limit_us = draw_limit_s(&dice, run_s) * US_PER_S;
        row.cores = draw_cores(&dice);
        row.mem_mib = (uint64_t)row.cores * JOB_CORE_MEM_MIB;
        if (workload_add(w, &row, err) != 0)
            return -1;
    }
    w->n_nodes = m->nodes;
    w->cores = m->nodes * m->domains * m->domain_cores;
    w->mem_mib = w->cores * CORE_MEM_MIB;
    w->topology = mixed_topology(m);
    stretch(w, m->load);
    return 0;
}
