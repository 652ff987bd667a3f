/* Advice that holds: each change is tried on the functions that decide before it is given. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"

#define SAY(field, ...) (void)snprintf((field), sizeof(field), __VA_ARGS__)
#define MINUTE_US       (60 * US_PER_S)

/* A request like the job's, but for what is changed, would start now; also a minute from now, as
 * it has to be typed. */
static bool would_start(const struct core *c, const struct job *job, const struct shape *asked)
{
    struct shape changed = *asked;
    const struct shape *s = &changed;
    struct quota_block block;
    enum wait_reason why;
    struct placement p = {0};
    if (!changed.exclusive) {
        changed.least_cores = changed.cores;
        changed.least_mem_mib = changed.mem_mib;
    }
    if (job->is_held || job->n_unmet > 0 || quota_blocks(job->class->leaf, s, &block)
        || quota_is_withheld(c, job->class->leaf, s) || licence_blocks(&s->tokens))
        return false;
    changed.time_us += changed.time_us < UINT64_MAX - MINUTE_US ? MINUTE_US : 0;
    if (calendar_lacks(c, s) || !calendar_is_open(c, s))
        return false;
    bool yes = placement_choose(c, s, NULL, &p, &why) && !holds_may_drain(c, p.worker)
               && !quota_blocks_machine(c, job->class->leaf, s, p.worker, &block);
    placement_fini(&p);
    return yes;
}

static void set_change(struct reason *r, enum change_kind kind, uint64_t value)
{
    r->change = kind;
    r->change_value = value;
}

/* What is kept for guarantees may be lent to those who can be called back. */
static bool try_preemptible(const struct core *c, const struct job *job, struct reason *r)
{
    struct shape s = *job->class->shape;
    if (s.is_preemptible || !quota_is_withheld(c, job->class->leaf, &s))
        return false;
    s.is_preemptible = true;
    if (!would_start(c, job, &s))
        return false;
    SAY(r->advice, "with --preemptible it would start now");
    set_change(r, CHANGE_PREEMPTIBLE, 1);
    return true;
}

/* Halves until it fits, so that a small answer is found among billions of limits; then whole
 * minutes. */
static bool try_time(const struct core *c, const struct job *job, struct reason *r)
{
    struct shape s = *job->class->shape;
    for (uint64_t us = s.time_us / 2; us >= (uint64_t)MINUTE_US; us /= 2) {
        s.time_us = us / (uint64_t)MINUTE_US * (uint64_t)MINUTE_US;
        if (!would_start(c, job, &s))
            continue;
        struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
        settings_format_time((int64_t)s.time_us, &text); /* as --time reads it */
        SAY(r->advice, "with --time %s it would start now", cq_str_text(&text));
        set_change(r, CHANGE_TIME, s.time_us);
        return true;
    }
    return false;
}

static uint64_t most_free(const struct core *c, const struct shape *s)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->pool.n_fit; i++)
        if (placement_has_features(c->pool.fit[i]->features, s->node_has)
            && c->pool.fit[i]->n_free > most)
            most = c->pool.fit[i]->n_free;
    return most;
}

/* The largest number that passes: what passes with n passes with fewer. */
static bool try_cores(const struct core *c, const struct job *job, struct reason *r)
{
    struct shape s = *job->class->shape;
    uint64_t low = 0, high = most_free(c, &s);
    if (s.exclusive_of != EXCLUSIVE_NONE)
        return false; /* it has whole units, however few cores it asks */
    high = high < s.cores - 1 ? high : s.cores - 1;
    while (low < high) {
        s.cores = low + (high - low + 1) / 2;
        if (would_start(c, job, &s))
            low = s.cores;
        else
            high = s.cores - 1;
    }
    if (low == 0)
        return false;
    SAY(r->advice, "with --cores %" PRIu64 " it would start now", low);
    set_change(r, CHANGE_CORES, low);
    return true;
}

static bool try_mem(const struct core *c, const struct job *job, struct reason *r)
{
    struct shape s = *job->class->shape;
    for (uint64_t mib = s.mem_mib / 2; mib >= 64; mib /= 2) {
        s.mem_mib = mib;
        if (!would_start(c, job, &s))
            continue;
        SAY(r->advice, "with --mem %" PRIu64 "%s it would start now", mib % 1024 ? mib : mib / 1024,
            mib % 1024 ? "M" : "G"); /* exact: rounded up it might not fit */
        set_change(r, CHANGE_MEM, mib);
        return true;
    }
    return false;
}

static uint64_t *limit_of(struct settings *s, enum setting which)
{
    if (which == SETTING_MAX_CORES)
        return &s->max_cores;
    if (which == SETTING_BORROW_CORES)
        return &s->borrow_cores;
    return which == SETTING_MAX_RUNNING ? &s->max_running : NULL;
}

/* A class that waits at `t` and comes before the job's. */
static bool has_better(struct core *c, struct seat *t, const struct job *job)
{
    const struct class *k = queue_best_below(c, t);
    return k && k != job->class && queue_class_before(c, k, job->class);
}

/* What a higher limit of `node` lets through goes to this job, and to none that waits beside it:
 * at the limit, or for a whole machine that the limit is too low for. */
static bool is_first_parked(const struct core *c, const struct job *job,
                            const struct share_node *node)
{
    struct core *m = (struct core *)c; /* looking moves only what the choice remembers */
    for (struct seat *t = node->parked; t; t = t->next_parked)
        if (has_better(m, t, job))
            return false;
    for (struct seat *t = c->queue.withheld; t; t = t->next_parked)
        if (t->class && share_is_below(t->node, node) && has_better(m, t, job))
            return false;
    return queue_class_head(job->class) == job;
}

/* Raises the limit that decides for the time of the question. */
static bool try_limit(const struct core *c, const struct job *job, const struct quota_block *b,
                      struct reason *r)
{
    struct settings *settings = &((struct share_node *)b->node)->settings;
    uint64_t *limit = limit_of(settings, b->which), old = limit ? *limit : 0;
    if (limit == NULL)
        return false;
    uint64_t enough =
        b->used + b->need - (limit == &settings->borrow_cores ? settings->min_cores : 0);
    *limit = enough;
    bool yes = would_start(c, job, job->class->shape);
    *limit = old;
    if (!yes || !is_first_parked(c, job, b->node))
        return false;
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
    share_path(b->node, &path);
    SAY(r->advice, "with %s of %.100s at %" PRIu64 " it would start now", setting_key(b->which),
        cq_str_text(&path), enough);
    set_change(r, CHANGE_LIMIT, enough);
    r->change_key = setting_key(b->which);
    r->change_node = b->node->id;
    return true;
}

void advise(const struct core *c, const struct job *job, const struct quota_block *block,
            struct reason *r)
{
    if (try_preemptible(c, job, r) || try_time(c, job, r) || try_cores(c, job, r)
        || try_mem(c, job, r))
        return;
    if (block)
        (void)try_limit(c, job, block, r);
}
