/* Backlogged enterprises with a deep queue each. */
#include "scheduler/sim/saturate.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/sim/dice.h"

enum { DEPTH = 3, ENTERPRISES_MAX = 10000 };

static int read_weights(const char *text, struct workload *w, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *copy = cq_strdup(text);
    for (char *rest = copy, *part; (part = strsep(&rest, ","));) {
        char name[16];
        double weight = 0;
        if (parse_double(part, &weight, err) != 0)
            return cq_wrap(err, "weights");
        if (!(weight > 0) || weight > 1e6)
            return cq_fail(err, CQ_E_INVALID, "weights: '%.20s' is not above 0", part);
        if (w->enterprises.n >= ENTERPRISES_MAX)
            return cq_fail(err, CQ_E_LIMIT, "more than %d weights", ENTERPRISES_MAX);
        (void)snprintf(name, sizeof name, "e%03zu", w->enterprises.n);
        (void)workload_enterprise(w, name, weight);
    }
    return 0;
}

static void choose_weights(uint64_t n, struct workload *w)
{
    static const double in_turn[] = {1, 2, 4, 8};
    for (uint64_t i = 0; i < n; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "e%03" PRIu64, i);
        (void)workload_enterprise(w, name, in_turn[i % CQ_COUNT(in_turn)]);
    }
}

static int add_backlog(const struct saturation *s, struct workload *w, uint32_t enterprise,
                       uint64_t n, struct cq_err *err)
{
    struct dice dice = dice_branch(s->seed, enterprise);
    struct sim_row row = {.leaf =
                              workload_leaf(w, w->enterprises.items[enterprise], "default", "u"),
                          .licence = workload_licence(w, ""),
                          .klass = names_id(&w->classes, "small"),
                          .array = enterprise + 1u,
                          .cores = 1,
                          .mem_mib = 1,
                          .limit_us = 2 * s->run_us};
    for (uint64_t i = 0; i < n; i++) {
        double factor = 1 + s->jitter * dice_between(&dice, -1, 1);
        row.run_us = (int64_t)((double)s->run_us * factor);
        row.run_us = row.run_us > 0 ? row.run_us : 1;
        row.number = w->n_rows + 1;
        if (workload_add(w, &row, err) != 0)
            return -1;
    }
    return 0;
}

int saturation_make(const struct saturation *s, struct workload *w, struct cq_err *err)
{
    double total = 0;
    if (s->weights && read_weights(s->weights, w, err) != 0)
        return -1;
    if (s->weights == NULL)
        choose_weights(s->enterprises, w);
    for (size_t i = 0; i < w->n_weights; i++)
        total += w->weights[i];
    double runs = (double)s->slots * (double)s->hours * 3600e6 / (double)s->run_us;
    if (runs * DEPTH > WORKLOAD_ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT,
                       "that is %.0f jobs; take fewer slots or hours, or longer jobs", runs);
    for (uint32_t i = 0; i < w->enterprises.n; i++) {
        double due = runs * w->weights[i] / total;
        uint64_t n = (uint64_t)(due * DEPTH) + s->slots + 100;
        if (add_backlog(s, w, i, n, err) != 0)
            return -1;
    }
    w->cores = s->slots;
    w->mem_mib = s->slots * 1024;
    return 0;
}
