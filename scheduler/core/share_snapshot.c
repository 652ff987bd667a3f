/* Usage, carry, budget and submits of share nodes as bytes: what SHARE_STATE carries. Doubles go
 * bit by bit, so that a restart changes no later decision. */
#include <inttypes.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/apply_check.h"
#include "scheduler/core/carry.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

enum {
    STATE_VERSION = 3
}; /* 1: a budget had one period, and nodes told policy time; 2: submits
    * were not told */

static void put_double(struct cq_str *out, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    flat_put_bytes(out, &bits, sizeof bits);
}

static double get_double(struct flat_reader *in)
{
    uint64_t bits = 0;
    size_t bytes;
    double x;
    const void *data = flat_get_bytes(in, sizeof bits, &bytes);
    if (bytes == sizeof bits)
        memcpy(&bits, data, sizeof bits);
    else
        in->failed = true;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The same list for both ways: what is a double, and what is an integer. */
#define DOUBLES(n)                                                                              \
    {                                                                                           \
        &(n)->c, &(n)->carry.deficit, &(n)->carry.rate, &(n)->carry.step, &(n)->carry.level_at, \
            &(n)->carry.inverse_e, &(n)->carry.weight, &(n)->group.c, &(n)->group.weight,       \
            &(n)->group.level, &(n)->group.inverse_e                                            \
    }
#define INTEGERS(n)                                                                                \
    {                                                                                              \
        &(n)->rate, &(n)->carry.at_us, &(n)->group.rate, &(n)->group.usual_rate, &(n)->group.at_us \
    }

void share_state_encode(const struct share_node *n, struct cq_str *out)
{
    const double *const doubles[] = DOUBLES(n);
    const int64_t *const integers[] = INTEGERS(n);
    flat_put_u64(out, STATE_VERSION);
    for (size_t i = 0; i < CQ_COUNT(doubles); i++)
        put_double(out, *doubles[i]);
    for (size_t i = 0; i < CQ_COUNT(integers); i++)
        flat_put_i64(out, *integers[i]);
    flat_put_u64(out, n->carry.is_in);
    flat_put_u64(out, n->group.next);
    flat_put_u64(out, n->budget.is_counted);
    for (size_t i = 0; i < BUDGET_PERIODS; i++)
        flat_put_u64(out, n->budget.spent_core_us[i]);
    flat_put_i64(out, n->submits_paid_us);
}

/* Version 1 had what is in COUNTERS now; 0: of a node that nothing was charged to yet. */
static void get_old_head(struct core *c, struct flat_reader *in)
{
    core_saw_time(c, flat_get_i64(in));
    share_saw_landmark(c, flat_get_i64(in));
}

/* As version 1 had it: what follows the integers. */
static void get_old_tail(struct core *c, struct share_node *n, struct flat_reader *in)
{
    int64_t start_us = flat_get_i64(in);
    bool has_period = flat_get_i64(in) != 0; /* its end */
    n->carry.is_in = flat_get_u64(in) != 0;
    uint64_t kind = flat_get_u64(in), spent = flat_get_u64(in);
    n->group.next = flat_get_u64(in);
    n->budget.is_counted |= has_period;
    if (has_period && kind < BUDGET_PERIODS)
        budget_set_old(c, n, (enum budget_period)kind, start_us, spent);
}

static void get_tail(struct share_node *n, struct flat_reader *in, uint64_t version)
{
    n->carry.is_in = flat_get_u64(in) != 0;
    n->group.next = flat_get_u64(in);
    n->budget.is_counted = flat_get_u64(in) != 0;
    for (size_t i = 0; i < BUDGET_PERIODS; i++)
        n->budget.spent_core_us[i] = flat_get_u64(in);
    n->submits_paid_us = version < 3 ? 0 : flat_get_i64(in);
}

#define USAGE_MOST   1e30 /* pool-seconds, grown since the landmark */
#define LEVEL_MOST   1e60
#define PART_MOST    1e9  /* of the pool; a weight; seconds owed */
#define WEIGHT_LEAST 1e-9 /* what is less is nothing: carry.c */
enum { LEASES_MOST = 256 };

static bool is_weight(double x)
{
    return x == 0 || (x >= WEIGHT_LEAST && x <= PART_MOST);
}

/* No sum that is made of them is infinite, or no number. */
static bool is_sound(const struct share_node *n)
{
    const struct carry *k = &n->carry;
    const struct carry_group *g = &n->group;
    bool is_usage = check_number(n->c, USAGE_MOST) && check_number(g->c, USAGE_MOST)
                    && check_number(k->level_at, LEVEL_MOST) && check_number(g->level, LEVEL_MOST);
    bool is_carry = check_number(k->deficit, PART_MOST * 3600) && check_number(k->rate, PART_MOST)
                    && check_number(k->step, PART_MOST) && k->step >= 0 && is_weight(k->weight)
                    && is_weight(g->weight) && check_number(k->inverse_e, 2)
                    && check_number(g->inverse_e, 2);
    bool is_rate = check_rate(n->rate, LEASES_MOST) && check_rate(g->rate, LEASES_MOST)
                   && check_rate(g->usual_rate, LEASES_MOST);
    return is_usage && is_carry && is_rate && check_time(k->at_us) && check_time(g->at_us)
           && check_time(n->submits_paid_us);
}

int share_state_apply(struct core *c, struct share_node *n, const struct record_bytes *state,
                      struct cq_err *err)
{
    struct flat_reader in = flat_reader_of(state->data, state->len);
    double *const doubles[] = DOUBLES(n);
    int64_t *const integers[] = INTEGERS(n);
    uint64_t version = flat_get_u64(&in);
    if (version == 1)
        get_old_head(c, &in);
    for (size_t i = 0; i < CQ_COUNT(doubles); i++)
        *doubles[i] = get_double(&in);
    for (size_t i = 0; i < CQ_COUNT(integers); i++)
        *integers[i] = flat_get_i64(&in);
    if (version == 1)
        get_old_tail(c, n, &in);
    else
        get_tail(n, &in, version);
    if (version < 1 || version > STATE_VERSION || !flat_at_end(&in) || !is_sound(n))
        return cq_fail(err, CQ_E_INTERNAL, "the state of share node %" PRIu64 " is damaged", n->id);
    c->share.is_restored = true;
    return 0;
}

void share_load_done(struct core *c)
{
    struct share *s = &c->share;
    s->is_restored = false;
    (void)share_now(c);
    for (size_t i = 0; i < s->n_all; i++)
        queue_node_changed(c, s->all[i]);
}

static void give_state(struct share_node *n, entity_view_fn fn, void *arg)
{
    struct cq_str bytes = {0};
    share_state_encode(n, &bytes);
    struct record *r = record_new(RECORD_SHARE_STATE);
    r->u.share_state.id = n->id;
    r->u.share_state.state.len = bytes.len;
    r->u.share_state.state.data = (uint8_t *)cq_str_take(&bytes);
    struct entity_view e = {.type = r->type, .id = n->id, .record = r};
    fn(arg, &e);
    record_free(r);
    n->is_changed = false;
}

void share_view_entities(struct core *c, entity_view_fn fn, void *arg)
{
    struct share *s = &c->share;
    for (size_t i = 0; i < s->n_changed; i++)
        give_state(s->changed[i], fn, arg);
    s->n_changed = 0;
}
