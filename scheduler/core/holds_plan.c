/* The supply of a machine over time, and the first moment at which a request fits into it. */
#include "scheduler/core/holds_plan.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

/* ---- the place of a hold ---- */

uint64_t plan_cores_wanted(const struct shape *s, const struct worker *w)
{
    return s->exclusive ? w->n_cores : s->cores;
}

int64_t plan_over_us(int64_t at_us, const struct shape *s)
{
    return at_us + (s->time_us < INT64_MAX / 4 ? (int64_t)s->time_us : INT64_MAX / 4);
}

/* Its job runs then, if it begins at its time; victims of a reclaim may go any moment before. */
static bool is_there(const struct hold *h, int64_t at_us)
{
    int64_t from_us = h->is_reclaim ? h->planned_us : h->at_us;
    return from_us <= at_us && at_us < plan_over_us(h->at_us, h->job->class->shape);
}

/* One that is there from `at_us` until `until_us`. */
struct stay {
    const struct shape *shape;
    const struct worker *worker;
    int64_t at_us, until_us;
};

/* What keeps exact cores keeps them from all that are still there at its time, for whom only a sum
 * is counted. */
static bool takes_from(const struct hold *h, const struct stay *s)
{
    if (h->worker != s->worker)
        return false;
    bool meets = h->at_us > s->at_us && h->at_us < s->until_us;
    return is_there(h, s->at_us) || (h->kept.n > 0 && meets && !kept_is_exact(s->shape, s->worker));
}

static int64_t cores_at(const struct hold *h, const struct stay *s)
{
    return takes_from(h, s) ? (int64_t)plan_cores_wanted(h->job->class->shape, s->worker) : 0;
}

static int64_t mem_at(const struct hold *h, const struct stay *s)
{
    return takes_from(h, s) ? (int64_t)h->job->class->shape->mem_mib : 0;
}

static struct stay stay_of(const struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    return (struct stay){s, h->worker, h->at_us, plan_over_us(h->at_us, s)};
}

static int64_t tokens_at(const struct hold *h, const struct feature *f, int64_t at_us)
{
    return is_there(h, at_us) ? (int64_t)tokens_of(&h->job->class->shape->tokens, f) : 0;
}

int64_t plan_cores_taken(const struct hold *h, const struct hold *other)
{
    const struct stay s = stay_of(h);
    return cores_at(other, &s);
}

int64_t plan_mem_taken(const struct hold *h, const struct hold *other)
{
    const struct stay s = stay_of(h);
    return mem_at(other, &s);
}

int64_t plan_tokens_taken(const struct hold *h, const struct hold *other, const struct feature *f)
{
    return tokens_at(other, f, h->at_us);
}

/* ---- endings ---- */

static int by_end(const void *a, const void *b)
{
    int64_t x = ((const struct plan_ending *)a)->end_us;
    int64_t y = ((const struct plan_ending *)b)->end_us;
    return (x > y) - (x < y);
}

/* One with nothing to run closes in this pass; one that is late may end any moment. */
int64_t plan_end_of(const struct core *c, const struct lease *l)
{
    if (l->n == 0)
        return c->policy_us;
    return l->end_us > c->policy_us ? l->end_us : c->policy_us + 1;
}

static void add(struct plan_endings *e, struct plan_ending ending)
{
    cq_grow(&e->items, &e->cap, e->n);
    e->items[e->n++] = ending;
}

/* In order, each with what ended before it. */
static void sum_up(struct plan_endings *e)
{
    if (e->n > 0)
        qsort(e->items, e->n, sizeof *e->items, by_end);
    for (size_t i = 1; i < e->n; i++) {
        e->items[i].cores += e->items[i - 1].cores;
        e->items[i].mem_mib += e->items[i - 1].mem_mib;
        for (size_t k = 0; k < TOKENS_MAX; k++)
            e->items[i].tokens[k] += e->items[i - 1].tokens[k];
    }
}

static void machine_endings(const struct core *c, const struct worker *w, lease_end_fn end,
                            struct plan_endings *out)
{
    for (size_t i = 0; i < w->n_leases; i++) {
        const struct lease *l = w->leases[i];
        add(out, (struct plan_ending){end(c, l), l->n_usable, l->mem_mib, {0}});
    }
    sum_up(out);
}

static void add_token_ending(const struct core *c, const struct shape *s, const struct lease *l,
                             struct plan_endings *out)
{
    struct plan_ending e = {.end_us = plan_end_of(c, l)};
    bool has = false;
    for (size_t i = 0; i < s->tokens.n; i++) {
        e.tokens[i] = tokens_of(&l->tokens, s->tokens.items[i].feature);
        has = has || e.tokens[i] > 0;
    }
    if (has)
        add(out, e);
}

void plan_token_endings(const struct core *c, const struct shape *s, struct plan_endings *out)
{
    *out = (struct plan_endings){0};
    for (size_t i = 0; i < c->pool.n && s->tokens.n > 0; i++)
        for (size_t k = 0; k < c->pool.workers[i]->n_leases; k++)
            add_token_ending(c, s, c->pool.workers[i]->leases[k], out);
    sum_up(out);
}

/* How many of them are over by then. */
static size_t over_by(const struct plan_endings *e, int64_t at_us)
{
    size_t low = 0, high = e->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (e->items[mid].end_us <= at_us)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct plan_ending given_back(const struct plan_endings *e, int64_t at_us)
{
    size_t n = over_by(e, at_us);
    return n > 0 ? e->items[n - 1] : (struct plan_ending){0};
}

/* ---- the first moment ---- */

struct plan {
    const struct core *core;
    const struct shape *shape;
    const struct worker *worker;
    const struct hold *own;
    struct plan_endings machine;
    const struct plan_endings *tokens;
};

static int64_t free_mem(const struct worker *w)
{
    return (int64_t)w->mem_mib - (int64_t)w->mem_used_mib;
}

static bool has_tokens(const struct plan *p, int64_t at_us)
{
    const struct tokens *need = &p->shape->tokens;
    const struct plan_ending back =
        need->n > 0 ? given_back(p->tokens, at_us) : (struct plan_ending){0};
    for (size_t i = 0; i < need->n; i++) {
        const struct feature *f = need->items[i].feature;
        int64_t left = feature_left(f) + (int64_t)back.tokens[i];
        for (size_t k = 0; k < p->core->holds.n; k++)
            if (&p->core->holds.items[k] != p->own)
                left -= tokens_at(&p->core->holds.items[k], f, at_us);
        if (left < (int64_t)need->items[i].count)
            return false;
    }
    return true;
}

static bool has_room(const struct plan *p, int64_t at_us, int64_t until_us)
{
    const struct worker *w = p->worker;
    const struct stay stay = {p->shape, w, at_us, until_us};
    const struct plan_ending back = given_back(&p->machine, at_us);
    if (p->shape->exclusive && over_by(&p->machine, at_us) < p->machine.n)
        return false; /* one may run on cores that are offline, which no sum has */
    int64_t cores = (int64_t)(w->n_free + back.cores), mem = free_mem(w) + (int64_t)back.mem_mib;
    for (size_t i = 0; i < p->core->holds.n; i++) {
        const struct hold *h = &p->core->holds.items[i];
        cores -= h != p->own ? cores_at(h, &stay) : 0;
        mem -= h != p->own ? mem_at(h, &stay) : 0;
    }
    return cores >= (int64_t)plan_cores_wanted(p->shape, w) && mem >= (int64_t)p->shape->mem_mib
           && has_tokens(p, at_us);
}

/* What `h` leaves at its time covers it too, also where an exact place within its stay takes from
 * what it leaves. */
static bool is_left_by(const struct plan *p, const struct hold *h)
{
    return h->worker != p->worker || h->kept.n > 0
           || (h->spare_cores >= (int64_t)plan_cores_wanted(p->shape, p->worker)
               && h->spare_mem_mib >= (int64_t)p->shape->mem_mib);
}

static bool keeps_exact_place(const struct core *c, const struct worker *w)
{
    for (size_t i = 0; i < c->holds.n; i++)
        if (c->holds.items[i].worker == w && c->holds.items[i].kept.n > 0)
            return true;
    return false;
}

/* By then it is where it is, so exact places that are kept for later no longer count. */
static bool is_in_way_of(const struct plan *p, const struct hold *h, int64_t at_us, int64_t end_us)
{
    bool is_met = at_us <= h->at_us && h->at_us < end_us;
    return is_met
           && !(has_room(p, h->at_us, h->at_us)
                && (!keeps_exact_place(p->core, p->worker) || is_left_by(p, h)));
}

/* It begins then, and others have their places too. Else *after_us: no earlier start than after it
 * will do. */
static bool fits_from(const struct plan *p, int64_t at_us, int64_t *after_us)
{
    int64_t end_us = plan_over_us(at_us, p->shape);
    *after_us = at_us;
    if (!has_room(p, at_us, end_us)
        || !kept_fits_at(p->core, p->shape, p->worker, p->own, at_us, NULL))
        return false;
    for (size_t i = 0; i < p->core->holds.n; i++) {
        const struct hold *h = &p->core->holds.items[i];
        *after_us = h->at_us;
        if (h != p->own && is_in_way_of(p, h, at_us, end_us))
            return false;
    }
    return true;
}

static int64_t next_ending(const struct plan_endings *e, int64_t after_us)
{
    size_t n = over_by(e, after_us);
    return n < e->n ? e->items[n].end_us : INT64_MAX;
}

static int64_t earlier(int64_t at_us, int64_t other_us, int64_t after_us)
{
    return other_us > after_us && other_us < at_us ? other_us : at_us;
}

/* The next moment at which there is more than before: what has begun is where it is. */
static int64_t next_moment(const struct plan *p, int64_t after_us)
{
    int64_t at_us = next_ending(&p->machine, after_us);
    int64_t token_us = p->shape->tokens.n > 0 ? next_ending(p->tokens, after_us) : INT64_MAX;
    at_us = token_us < at_us ? token_us : at_us;
    for (size_t i = 0; i < p->core->holds.n; i++) {
        const struct hold *h = &p->core->holds.items[i];
        if (h == p->own)
            continue;
        at_us = earlier(at_us, h->at_us + 1, after_us);
        at_us = earlier(at_us, plan_over_us(h->at_us, h->job->class->shape), after_us);
    }
    return at_us;
}

static int64_t first_room(const struct plan *p, int64_t at_us)
{
    int64_t after_us;
    while (at_us < INT64_MAX && !fits_from(p, at_us, &after_us))
        at_us = next_moment(p, after_us);
    return at_us;
}

int64_t plan_earliest(const struct core *c, const struct shape *s, const struct worker *w,
                      const struct hold *own, const struct plan_endings *tokens)
{
    struct plan p = {.core = c, .shape = s, .worker = w, .own = own, .tokens = tokens};
    int64_t at_us = c->policy_us, open_us;
    machine_endings(c, w, plan_end_of, &p.machine);
    for (;;) {
        at_us = first_room(&p, at_us);
        open_us = calendar_earliest(c, s, w, own, at_us);
        if (open_us <= at_us || open_us == INT64_MAX)
            break;
        at_us = open_us;
    }
    free(p.machine.items);
    return open_us;
}

int64_t plan_room(const struct core *c, const struct shape *s, const struct worker *w,
                  lease_end_fn end)
{
    uint64_t want = plan_cores_wanted(s, w);
    int64_t at_us = INT64_MAX;
    struct plan_endings e = {0};
    if (w->n_free >= want && free_mem(w) >= (int64_t)s->mem_mib
        && !(s->exclusive && w->n_leases > 0))
        return c->policy_us;
    machine_endings(c, w, end, &e);
    for (size_t i = 0; i < e.n && at_us == INT64_MAX; i++)
        if (w->n_free + e.items[i].cores >= want
            && free_mem(w) + (int64_t)e.items[i].mem_mib >= (int64_t)s->mem_mib
            && (!s->exclusive || i + 1 == e.n))
            at_us = e.items[i].end_us;
    free(e.items);
    return at_us;
}

/* ---- what is left ---- */

bool plan_is_over(const struct hold *h, const struct lease *l)
{
    int64_t end_us = l->end_us > h->counted_us ? l->end_us : h->counted_us + 1;
    return l->end_us == LEASE_UNCOUNTED || end_us <= h->at_us;
}

/* Tokens of leases that are over when `h` begins, as plan_is_over says of each. */
static int64_t tokens_over(const struct hold *h, const struct feature *f)
{
    return (int64_t)holders_until(f, h->at_us > h->counted_us ? h->at_us : LEASE_UNCOUNTED);
}

static void fill_spare_tokens(const struct core *c, struct hold *h)
{
    const struct tokens *need = &h->job->class->shape->tokens;
    for (size_t i = 0; i < need->n; i++) {
        const struct feature *f = need->items[i].feature;
        h->spare_tokens[i] = feature_left(f) + tokens_over(h, f) - (int64_t)need->items[i].count;
        for (size_t k = 0; k < c->holds.n; k++)
            if (c->holds.items[k].job != h->job)
                h->spare_tokens[i] -= plan_tokens_taken(h, &c->holds.items[k], f);
    }
}

void plan_count_spare(const struct core *c, struct hold *h)
{
    const struct shape *s = h->job->class->shape;
    const struct worker *w = h->worker;
    h->spare_cores = (int64_t)w->n_free - (int64_t)plan_cores_wanted(s, w);
    h->spare_mem_mib = free_mem(w) - (int64_t)s->mem_mib;
    for (size_t i = 0; i < w->n_leases; i++) {
        bool is_over = plan_is_over(h, w->leases[i]);
        h->spare_cores += is_over ? (int64_t)w->leases[i]->n_usable : 0;
        h->spare_mem_mib += is_over ? (int64_t)w->leases[i]->mem_mib : 0;
    }
    for (size_t i = 0; i < c->holds.n; i++) {
        const struct hold *other = &c->holds.items[i];
        h->spare_cores -= other->job != h->job ? plan_cores_taken(h, other) : 0;
        h->spare_mem_mib -= other->job != h->job ? plan_mem_taken(h, other) : 0;
    }
    fill_spare_tokens(c, h);
}

void plan_fill_spare(const struct core *c, struct hold *h)
{
    h->counted_us = c->policy_us;
    plan_count_spare(c, h);
}
