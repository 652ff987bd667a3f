/* What is kept for whom, and since when guarantees wait, as bytes: what PLANS carries. A restart
 * that has them keeps what was promised. */
#include <inttypes.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/apply_check.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/holds_internal.h"
#include "scheduler/core/holds_plan.h"

enum { PLANS_VERSION = 1, EMPTY_BYTES = 3 /* the version, two counts */ };
enum { IS_DRAINING = 1, IS_RECLAIM = 2, IS_DUE = 4, IS_SENIOR = 8 };

/* ---- telling ---- */

static uint64_t flags_of(const struct hold *h)
{
    return (h->is_draining ? IS_DRAINING : 0u) | (h->is_reclaim ? IS_RECLAIM : 0u)
           | (h->is_due ? IS_DUE : 0u) | (h->is_senior ? IS_SENIOR : 0u);
}

static void put_hold(struct cq_str *out, const struct hold *h)
{
    flat_put_u64(out, h->job->id);
    flat_put_u64(out, h->worker->id);
    flat_put_i64(out, h->at_us);
    flat_put_i64(out, h->promised_us);
    flat_put_i64(out, h->planned_us);
    flat_put_i64(out, h->counted_us);
    flat_put_u64(out, h->key);
    flat_put_u64(out, flags_of(h));
    flat_put_bytes(out, h->kept.words, h->kept.n * sizeof h->kept.words[0]);
    flat_put_bytes(out, h->kept.mem_mib, h->kept.n_mem * sizeof h->kept.mem_mib[0]);
}

static void put_claims(struct cq_str *out, const struct share *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_guaranteed; i++)
        n += s->guaranteed[i]->reclaim_since_us != 0;
    flat_put_u64(out, n);
    for (size_t i = 0; i < s->n_guaranteed; i++)
        if (s->guaranteed[i]->reclaim_since_us != 0) {
            flat_put_u64(out, s->guaranteed[i]->id);
            flat_put_i64(out, s->guaranteed[i]->reclaim_since_us);
        }
}

static struct record_bytes encode(const struct core *c)
{
    struct cq_str out = {0};
    flat_put_u64(&out, PLANS_VERSION);
    flat_put_u64(&out, c->holds.n);
    for (size_t i = 0; i < c->holds.n; i++)
        put_hold(&out, &c->holds.items[i]);
    put_claims(&out, &c->share);
    size_t len = out.len;
    return (struct record_bytes){(uint8_t *)cq_str_take(&out), len};
}

static bool is_same(const struct record_bytes *a, const struct record_bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

void holds_tell(struct core *c, struct effects *out)
{
    if (!c->holds.is_changed)
        return;
    c->holds.is_changed = false;
    struct record_bytes state = encode(c);
    bool is_first = c->holds.told.len == 0;
    if (is_first ? state.len == EMPTY_BYTES : is_same(&state, &c->holds.told)) {
        free(state.data);
        return;
    }
    struct record *r = record_new(RECORD_PLANS);
    r->u.plans = (struct plans){.state = state, .policy_us = c->policy_us};
    core_emit(c, out, r);
}

static struct record_bytes copy_of(const struct record_bytes *b)
{
    struct record_bytes copy = {cq_calloc(b->len, 1), b->len};
    if (b->len > 0)
        memcpy(copy.data, b->data, b->len);
    return copy;
}

void holds_apply(struct core *c, const struct plans *r)
{
    free(c->holds.told.data);
    c->holds.told = copy_of(&r->state);
    c->holds.is_told = false;
}

void holds_view_entity(struct core *c, entity_view_fn fn, void *arg)
{
    if (c->holds.is_told || c->holds.told.len == 0)
        return;
    c->holds.is_told = true;
    struct record *r = record_new(RECORD_PLANS);
    r->u.plans.state = copy_of(&c->holds.told);
    struct entity_view e = {.type = r->type, .id = 1, .record = r};
    fn(arg, &e);
    record_free(r);
}

/* ---- taking up again ---- */

static size_t get_words(struct flat_reader *in, uint64_t *to, size_t max_bytes)
{
    size_t bytes;
    const void *from = flat_get_bytes(in, max_bytes, &bytes);
    if (from)
        memcpy(to, from, bytes);
    return from ? bytes / sizeof *to : 0;
}

struct hold_told { /* by ids */
    uint64_t job, worker;
    struct hold hold;
};

static void read_hold(struct flat_reader *in, struct hold_told *to)
{
    struct hold *h = &to->hold;
    *to = (struct hold_told){.job = flat_get_u64(in)};
    to->worker = flat_get_u64(in);
    h->at_us = flat_get_i64(in);
    h->promised_us = flat_get_i64(in);
    h->planned_us = flat_get_i64(in);
    h->counted_us = flat_get_i64(in);
    h->key = (unsigned)flat_get_u64(in);
    uint64_t flags = flat_get_u64(in);
    h->kept.n = get_words(in, h->kept.words, sizeof h->kept.words);
    h->kept.n_mem = get_words(in, h->kept.mem_mib, sizeof h->kept.mem_mib);
    h->is_draining = flags & IS_DRAINING;
    h->is_reclaim = flags & IS_RECLAIM;
    h->is_due = flags & IS_DUE;
    h->is_senior = flags & IS_SENIOR;
}

static bool is_hold_sound(const struct hold *h)
{
    bool ok = check_time(h->at_us) && check_time(h->promised_us) && check_time(h->planned_us)
              && check_time(h->counted_us);
    for (size_t i = 0; i < h->kept.n_mem; i++)
        ok = ok && h->kept.mem_mib[i] <= MEM_MIB_MAX;
    return ok;
}

bool holds_are_sound(const struct record_bytes *state)
{
    struct flat_reader in = flat_reader_of(state->data, state->len);
    bool ok = true;
    if (flat_get_u64(&in) != PLANS_VERSION)
        return !in.failed; /* of another version: planned anew */
    for (size_t n = flat_get_count(&in, HOLDS_MAX); ok && n > 0; n--) {
        struct hold_told told;
        read_hold(&in, &told);
        ok = !in.failed && is_hold_sound(&told.hold);
    }
    for (size_t n = flat_get_count(&in, SIZE_MAX); ok && n > 0; n--) {
        (void)flat_get_u64(&in);
        ok = check_time(flat_get_i64(&in)) && !in.failed;
    }
    return ok && flat_at_end(&in);
}

/* Its job or machine may be gone since, or wait no more: then it is not taken up. */
static void get_hold(struct core *c, struct flat_reader *in)
{
    struct hold_told told;
    struct hold *h = &told.hold;
    read_hold(in, &told);
    h->job = job_find(c, told.job);
    h->worker = worker_find(c, told.worker);
    if (in->failed || h->job == NULL || h->worker == NULL || h->job->ready == 0
        || holds_of(c, h->job) || hold_is_full(c, h->is_senior) || !kept_is_of(h, h->worker))
        return;
    c->holds.items[c->holds.n++] = *h;
}

static void get_claim(const struct core *c, struct flat_reader *in)
{
    struct share_node *n = share_node_find(c, flat_get_u64(in));
    int64_t since_us = flat_get_i64(in);
    if (n && !in->failed)
        n->reclaim_since_us = since_us;
}

void holds_load_done(struct core *c)
{
    struct flat_reader in = flat_reader_of(c->holds.told.data, c->holds.told.len);
    if (c->holds.told.len == 0 || flat_get_u64(&in) != PLANS_VERSION)
        return; /* of another version: planned anew */
    for (size_t n = flat_get_count(&in, HOLDS_MAX); n > 0; n--)
        get_hold(c, &in);
    for (size_t n = flat_get_count(&in, c->share.n_all); n > 0; n--)
        get_claim(c, &in);
    for (size_t i = 0; i < c->holds.n; i++)
        plan_count_spare(c, &c->holds.items[i]);
}
