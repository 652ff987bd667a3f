/* Licence features and instruments: their records, what is free of them, the word of the licence
 * server. */
#include "scheduler/core/licence.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/config.h"
#include "scheduler/core/core_state.h"

#define USED_MAX    INT64_C(1000000)
#define CHECKOUT_US (120 * US_PER_S) /* after a start the tool has its token by then */
enum { SAMPLES_MAX = 10000, FEED_ID = 1 };

void features_fini(struct features *f)
{
    for (size_t i = 0; i < f->n; i++) {
        holders_fini(&f->items[i]->holders);
        free(f->items[i]->name);
        free(f->items[i]);
    }
    free(f->items);
    free(f->feed_command);
    free(f->feed_error);
    *f = (struct features){0};
}

struct feature *feature_find(const struct core *c, uint64_t id)
{
    for (size_t i = 0; i < c->features.n; i++)
        if (c->features.items[i]->id == id)
            return c->features.items[i];
    return NULL;
}

struct feature *feature_named(const struct core *c, const char *name)
{
    for (size_t i = 0; i < c->features.n; i++) {
        struct feature *f = c->features.items[i];
        if (!f->is_removed && strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

bool feature_is_visible(const struct feature *f, const struct enterprise *to)
{
    return f->owner == NULL || f->owner == to;
}

/* ---- tokens ---- */

static uint64_t gone(const struct feature *f)
{
    uint64_t since = f->used > f->used_then ? f->used - f->used_then : 0;
    return f->external + since > f->used ? f->external + since : f->used;
}

int64_t feature_left(const struct feature *f)
{
    return f->is_removed ? 0 : (int64_t)f->count - (int64_t)gone(f);
}

uint64_t feature_free(const struct feature *f)
{
    int64_t left = feature_left(f);
    return left > 0 ? (uint64_t)left : 0;
}

uint64_t feature_ours(const struct feature *f)
{
    uint64_t strangers = f->external > f->used_then ? f->external - f->used_then : 0;
    return f->is_removed || strangers > f->count ? 0 : f->count - strangers;
}

bool licence_is_exceeded(const struct tokens *held)
{
    for (size_t i = 0; i < held->n; i++)
        if (held->items[i].feature->is_removed
            || gone(held->items[i].feature) > held->items[i].feature->count)
            return true;
    return false;
}

struct feature *licence_blocks(const struct tokens *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (feature_free(t->items[i].feature) < t->items[i].count)
            return t->items[i].feature;
    return NULL;
}

/* Holds count tokens of a lease as free from its end on: what a server still shows, or shows before
 * we take it, is told apart. */
static void use(struct core *c, struct feature *f, int64_t count)
{
    int64_t before = feature_left(f);
    f->used += (uint64_t)count;
    holds_change_free(c, f, feature_left(f) - before + count);
}

void licence_take(struct core *c, const struct tokens *t)
{
    for (size_t i = 0; i < t->n; i++)
        use(c, t->items[i].feature, (int64_t)t->items[i].count);
}

void licence_give_back(struct core *c, const struct tokens *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct feature *f = t->items[i].feature;
        assert(f->used >= t->items[i].count);
        use(c, f, -(int64_t)t->items[i].count);
    }
    for (size_t i = 0; i < t->n; i++)
        queue_wake_licence(c, t->items[i].feature);
}

static bool names_feature(const char *bundle, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = bundle; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, name, len) == 0 && (p[len] == ':' || p[len] == ',' || p[len] == '\0'))
            return true;
    }
    return false;
}

/* A count: the order of the map does not show in it. */
uint64_t licence_asked(const struct core *c, const struct feature *f, const struct enterprise *but)
{
    void *item;
    uint64_t n = 0;
    for (size_t i = 0; map_next(&c->jobs.by_id, &i, &item);) {
        const struct job *job = item;
        const char *bundle = job->asked->licences;
        n += bundle && job->enterprise != but && !job_state_is_terminal(job->state)
             && names_feature(bundle, f->name);
    }
    return n;
}

/* ---- the door ---- */

static struct feature *add_feature(struct core *c, const struct feature_set *r)
{
    struct features *all = &c->features;
    struct feature *f = CQ_NEW(struct feature);
    *f = (struct feature){.id = r->id, .index = all->n};
    cq_grow(&all->items, &all->cap, all->n);
    all->items[all->n++] = f;
    core_saw_id(c, f->id);
    return f;
}

/* Holds count with what is free. */
static void free_changed(struct core *c, struct feature *f, int64_t before)
{
    int64_t now = feature_left(f);
    holds_change_free(c, f, now - before);
    if (now > before)
        queue_wake_licence(c, f);
}

static int apply_set(struct core *c, const struct feature_set *r, struct cq_err *err)
{
    struct enterprise *owner = r->owner ? people_enterprise(c, r->owner) : NULL;
    const char *name = r->name ? r->name : "";
    const struct feature *same = feature_named(c, name);
    if (r->id == 0 || r->kind > FEATURE_INSTRUMENT || (r->owner && owner == NULL)
        || (same && same->id != r->id && !r->removed))
        return cq_fail(err, CQ_E_INTERNAL, "feature %" PRIu64 " does not fit", r->id);
    struct feature *f = feature_find(c, r->id);
    if (f == NULL)
        f = add_feature(c, r);
    int64_t free_before = feature_left(f);
    free(f->name);
    f->name = cq_strdup(name);
    f->kind = (enum feature_kind)r->kind;
    f->owner = owner;
    f->count = r->count;
    f->is_removed = r->removed != 0;
    f->is_changed = true;
    free_changed(c, f, free_before);
    return 0;
}

static int apply_external(struct core *c, const struct feature_external *r, struct cq_err *err)
{
    struct feature *f = feature_find(c, r->id);
    if (f == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "use of feature %" PRIu64 ", which is not there", r->id);
    int64_t free_before = feature_left(f);
    f->external = r->used;
    f->used_then = r->held;
    f->fed_wall_us = r->at_us;
    f->is_external_changed = true;
    free_changed(c, f, free_before);
    return 0;
}

/* Without a feed nobody would ever say that a stranger's token is back. */
static void forget_external(struct core *c)
{
    for (size_t i = 0; i < c->features.n; i++) {
        struct feature *f = c->features.items[i];
        if (f->fed_wall_us == 0)
            continue;
        int64_t free_before = feature_left(f);
        f->external = f->used_then = 0;
        f->fed_wall_us = 0;
        f->is_external_changed = true;
        free_changed(c, f, free_before);
    }
}

static void apply_feed(struct core *c, const struct feed_set *r)
{
    struct features *all = &c->features;
    free(all->feed_command);
    free(all->feed_error);
    all->feed_command = r->command && *r->command ? cq_strdup(r->command) : NULL;
    all->feed_error = NULL;
    all->feed_every_us = r->every_us;
    all->is_feed_changed = true;
    if (all->feed_command == NULL && r->at_us != 0)
        forget_external(c); /* a snapshot has no time, and its samples are the newest */
}

int licence_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (r->type == RECORD_FEATURE_SET)
        return apply_set(c, &r->u.feature_set, err);
    if (r->type == RECORD_FEATURE_EXTERNAL)
        return apply_external(c, &r->u.feature_external, err);
    apply_feed(c, &r->u.feed_set);
    return 0;
}

/* ---- the licence server's word ---- */

/* Takes `text`. */
static void set_error(struct features *all, char *text)
{
    free(all->feed_error);
    all->feed_error = text;
}

static void fail_run(struct features *all, const char *why)
{
    struct cq_str text = {0};
    cq_str_add_printable(&text, why, strlen(why));
    if (text.len > CQ_ERR_TEXT_BYTES - 1)
        cq_str_truncate(&text, CQ_ERR_TEXT_BYTES - 1);
    set_error(all, cq_str_take(&text));
}

static int compare_samples(const void *a, const void *b)
{
    const struct in_licence_sample *x = *(const struct in_licence_sample *const *)a;
    const struct in_licence_sample *y = *(const struct in_licence_sample *const *)b;
    return strcmp(x->feature, y->feature);
}

static int check_twice(const struct in_licence_feed *in, struct cq_err *err)
{
    int rc = 0;
    const struct in_licence_sample **sorted = cq_calloc(in->n_samples, sizeof *sorted);
    for (size_t i = 0; i < in->n_samples; i++)
        sorted[i] = &in->samples[i];
    if (in->n_samples > 0)
        qsort(sorted, in->n_samples, sizeof(*sorted), compare_samples);
    for (size_t i = 1; rc == 0 && i < in->n_samples; i++)
        if (compare_samples(&sorted[i - 1], &sorted[i]) == 0)
            rc = cq_fail(err, CQ_E_INVALID, "the feed names '%.63s' twice", sorted[i]->feature);
    free(sorted);
    return rc;
}

/* One bad number, and nothing of the run is believed. */
static int check_samples(const struct in_licence_feed *in, struct cq_err *err)
{
    if (in->n_samples > SAMPLES_MAX)
        return cq_fail(err, CQ_E_INVALID, "the feed names %zu features; at most %d are read",
                       in->n_samples, SAMPLES_MAX);
    for (size_t i = 0; i < in->n_samples; i++) {
        const struct in_licence_sample *s = &in->samples[i];
        if (s->used < 0 || s->used > USED_MAX)
            return cq_fail(err, CQ_E_INVALID,
                           "the feed says that %" PRId64 " of '%.63s' are used; 0 to %" PRId64
                           " can be",
                           s->used, s->feature, USED_MAX);
    }
    return check_twice(in, err);
}

static uint64_t taken_lately(const struct core *c, const struct feature *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->pool.n; i++)
        for (size_t k = 0; k < c->pool.workers[i]->n_leases; k++) {
            const struct lease *l = c->pool.workers[i]->leases[k];
            if (c->policy_us - l->opened_us < CHECKOUT_US)
                n += tokens_of(&l->tokens, f);
        }
    return n;
}

/* Tokens of ours that the server has not shown yet. What it shows more than last time is taken to
 * be ours first. */
static uint64_t not_shown(const struct core *c, const struct feature *f, uint64_t used)
{
    uint64_t rise = f->fed_wall_us != 0 && used > f->external ? used - f->external : 0;
    uint64_t since = f->used > f->used_then ? f->used - f->used_then : 0;
    uint64_t lately = since > rise ? taken_lately(c, f) : 0;
    uint64_t hidden = since > rise ? since - rise : 0;
    return hidden < lately ? hidden : lately;
}

static void take_sample(struct core *c, struct feature *f, uint64_t used, struct now now,
                        struct effects *out)
{
    uint64_t held = f->used - not_shown(c, f, used);
    if (f->fed_wall_us != 0 && f->external == used && f->used_then == held) {
        f->fed_wall_us = now.wall_us;
        return;
    }
    struct record *r = record_new(RECORD_FEATURE_EXTERNAL);
    r->u.feature_external =
        (struct feature_external){.id = f->id, .used = used, .at_us = now.wall_us, .held = held};
    core_emit(c, out, r);
}

static void note_unknown(struct features *all, const char *name, size_t n)
{
    char text[160];
    if (n == 1)
        (void)snprintf(text, sizeof text, "the feed names '%.63s', which is not configured", name);
    else
        (void)snprintf(text, sizeof text,
                       "the feed names '%.63s' and %zu more that are not configured", name, n - 1);
    fail_run(all, text);
}

void licence_feed_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    const struct in_licence_feed *feed = &in->u.licence_feed;
    struct cq_err err;
    const char *unknown = NULL;
    size_t n_unknown = 0;
    if (feed->error) {
        fail_run(&c->features, feed->error);
        return;
    }
    if (check_samples(feed, &err) != 0) {
        fail_run(&c->features, err.text);
        return;
    }
    set_error(&c->features, NULL);
    for (size_t i = 0; i < feed->n_samples; i++) {
        const struct in_licence_sample *s = &feed->samples[i];
        struct feature *f = feature_named(c, s->feature);
        if (f)
            take_sample(c, f, (uint64_t)s->used, now, out);
        else if (n_unknown++ == 0)
            unknown = s->feature;
    }
    if (unknown)
        note_unknown(&c->features, unknown, n_unknown);
}

/* ---- views ---- */

static uint64_t count_waiting(const struct core *c, const struct feature *f)
{
    const struct shapes *const lists[] = {&c->queue.open, &c->queue.shut};
    uint64_t n = 0;
    for (size_t k = 0; k < CQ_COUNT(lists); k++)
        for (size_t i = 0; i < lists[k]->n; i++)
            if (tokens_of(&lists[k]->items[i]->tokens, f) > 0)
                n += lists[k]->items[i]->ready;
    return n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct feature *const *)a)->name,
                  (*(const struct feature *const *)b)->name);
}

size_t features_by_name(const struct core *c, const struct feature ***sorted)
{
    size_t n = 0;
    const struct feature **list = cq_calloc(c->features.n + 1, sizeof *list);
    for (size_t i = 0; i < c->features.n; i++)
        if (!c->features.items[i]->is_removed)
            list[n++] = c->features.items[i];
    qsort(list, n, sizeof(*list), by_name);
    *sorted = list;
    return n;
}

void core_each_feature(const struct core *c, struct now now, feature_view_fn fn, void *arg)
{
    (void)now;
    const struct feature **sorted CQ_CLEANUP(cq_free_ptr);
    size_t n = features_by_name(c, &sorted);
    for (size_t i = 0; i < n; i++) {
        const struct feature *f = sorted[i];
        const struct feature_view v = {
            .kind = f->kind == FEATURE_INSTRUMENT ? "instrument" : "licence",
            .name = f->name,
            .owner = f->owner ? f->owner->name : "",
            .enterprise = {f->owner ? f->owner->id : 0},
            .count = f->count,
            .used = f->used,
            .external = f->external,
            .free = feature_free(f),
            .waiting = count_waiting(c, f),
            .fed_wall_us = f->fed_wall_us,
            .feed_error = c->features.feed_error ? c->features.feed_error : ""};
        fn(arg, &v);
    }
}

const char *core_feed_command(const struct core *c, int64_t *every_us)
{
    *every_us = c->features.feed_every_us ? c->features.feed_every_us : FEED_EVERY_US;
    return c->features.feed_command;
}

/* Takes r. */
static void give(entity_view_fn fn, void *arg, struct record *r, uint64_t id, bool gone)
{
    const struct entity_view e = {.type = r->type, .id = id, .record = r, .gone = gone};
    fn(arg, &e);
    record_free(r);
}

static void give_feature(struct feature *f, entity_view_fn fn, void *arg)
{
    if (f->is_changed) {
        struct record *r = record_new(RECORD_FEATURE_SET);
        r->u.feature_set = (struct feature_set){.id = f->id,
                                                .name = cq_strdup(f->name),
                                                .kind = f->kind,
                                                .owner = f->owner ? f->owner->id : 0,
                                                .count = f->count};
        give(fn, arg, r, f->id, f->is_removed);
    }
    if (f->is_external_changed || (f->fed_wall_us != 0 && f->is_changed && f->is_removed)) {
        struct record *r = record_new(RECORD_FEATURE_EXTERNAL);
        r->u.feature_external = (struct feature_external){
            .id = f->id, .used = f->external, .at_us = f->fed_wall_us, .held = f->used_then};
        give(fn, arg, r, f->id, f->is_removed || f->fed_wall_us == 0);
    }
    f->is_changed = f->is_external_changed = false;
}

void licence_view_entities(struct core *c, entity_view_fn fn, void *arg)
{
    struct features *all = &c->features;
    for (size_t i = 0; i < all->n; i++)
        give_feature(all->items[i], fn, arg);
    if (!all->is_feed_changed)
        return;
    struct record *r = record_new(RECORD_FEED_SET);
    r->u.feed_set =
        (struct feed_set){.command = cq_strdup(all->feed_command), .every_us = all->feed_every_us};
    give(fn, arg, r, FEED_ID, false);
    all->is_feed_changed = false;
}
