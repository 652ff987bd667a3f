/* The state as a whole, when all of it has been loaded: what no record alone can show. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/calendar_state.h"

/* Going on would run the task twice. */
static int check_tasks(const struct core *c, struct cq_err *err)
{
    void *item, *task;
    for (size_t i = 0; map_next(&c->jobs.by_id, &i, &item);) {
        const struct job *job = item;
        for (size_t k = 0; map_next(&job->tasks, &k, &task);) {
            const struct task *t = task;
            if (task_state_is_live(t->state) && t->lease == NULL)
                return cq_fail(err, CQ_E_INTERNAL,
                               "task %" PRIu32 " of job id %" PRIu64
                               " runs, and the lease that it runs in is missing",
                               t->number, job->id);
        }
    }
    return 0;
}

/* A worker that holds it could never take it up again. */
static int check_leases(const struct core *c, struct cq_err *err)
{
    void *item;
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        if (l->epoch > c->epoch)
            return cq_fail(err, CQ_E_INTERNAL,
                           "lease id %" PRIu64 " is of epoch %" PRIu64
                           ", and the newest is %" PRIu64,
                           l->id, l->epoch, c->epoch);
    }
    return 0;
}

/* ---- charges ---- */

struct node_sums {
    struct map places; /* node id + 1 -> its rate */
    int64_t *rates;    /* the root's, then those of all */
};

static int64_t *sum_of(const struct node_sums *s, const struct share_node *n)
{
    return map_find(&s->places, n->id + 1);
}

static void add_charge(const struct node_sums *s, const struct share_node *node, int64_t rate,
                       int64_t inner)
{
    for (const struct share_node *n = node; n; n = n->parent)
        *sum_of(s, n) += n->level > SHARE_ENTERPRISE ? inner : rate;
}

static int check_node(const struct node_sums *s, const struct share_node *n, struct cq_err *err)
{
    if (n->rate == *sum_of(s, n))
        return 0;
    return cq_fail(err, CQ_E_INTERNAL,
                   "share node id %" PRIu64 " is charged %" PRId64
                   ", its leases and bookings come to %" PRId64,
                   n->id, n->rate, *sum_of(s, n));
}

/* What is charged to a node is what its leases and bookings say: else it would be for ever. */
static int check_charges(const struct core *c, struct cq_err *err)
{
    const struct share *share = &c->share;
    struct node_sums s = {.rates = cq_calloc(share->n_all + 1, sizeof *s.rates)};
    void *item;
    map_put(&s.places, share->root.id + 1, s.rates);
    for (size_t i = 0; i < share->n_all; i++)
        map_put(&s.places, share->all[i]->id + 1, s.rates + i + 1);
    for (size_t i = 0; map_next(&c->leases.by_id, &i, &item);) {
        const struct lease *l = item;
        add_charge(&s, l->leaf, l->rate, l->inner_rate);
    }
    for (size_t i = 0; i < c->calendar.n; i++) {
        const struct booking *b = c->calendar.items[i];
        add_charge(&s, b->node, b->rate, b->inner_rate);
    }
    int rc = check_node(&s, &share->root, err);
    for (size_t i = 0; rc == 0 && i < share->n_all; i++)
        rc = check_node(&s, share->all[i], err);
    map_fini(&s.places);
    free(s.rates);
    return rc;
}

int core_check_load(const struct core *c, struct cq_err *err)
{
    return check_tasks(c, err) == 0 && check_leases(c, err) == 0 && check_charges(c, err) == 0 ? 0
                                                                                               : -1;
}
