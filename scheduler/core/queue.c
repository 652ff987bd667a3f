/* Classes and shapes: what may start, in order, and what is shut. */
#include "scheduler/core/queue.h"

#include <assert.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/carry.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/machine.h"
#include "scheduler/core/policy.h"

const char *wait_reason_name(enum wait_reason why)
{
    static const char *const names[] = {
#define REASON(name, text) "WAIT_" #name,
#include "scheduler/core/reasons.def"
#undef REASON
    };
    return (unsigned)why < WAIT_REASON_COUNT ? names[why] : "?";
}

const char *core_reason_text(const char *code)
{
    static const char *const texts[] = {
#define REASON(name, text) text,
#include "scheduler/core/reasons.def"
#undef REASON
    };
    for (unsigned i = 0; i < WAIT_REASON_COUNT; i++)
        if (strcmp(wait_reason_name((enum wait_reason)i), code) == 0)
            return texts[i];
    return "";
}

bool queue_job_before(const struct job *a, const struct job *b)
{
    return a->rank_us != b->rank_us ? a->rank_us < b->rank_us : a->id < b->id;
}

static bool job_less(const void *a, const void *b)
{
    return queue_job_before(a, b);
}

static void job_set_index(void *item, size_t index)
{
    ((struct job *)item)->queue_index = (uint32_t)index;
}

static bool older(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    return x->waiting_us != y->waiting_us ? x->waiting_us < y->waiting_us : x->id < y->id;
}

static void job_set_age_index(void *item, size_t index)
{
    ((struct job *)item)->age_index = (uint32_t)index;
}

struct job *queue_class_head(const struct class *k)
{
    return heap_top(&k->jobs);
}

bool queue_is_senior(const struct core *c, const struct job *job)
{
    return !c->config.is_easy && c->policy_us - job->waiting_us >= c->config.starve_us;
}

static bool key_less(const void *a, const void *b)
{
    const struct shape_key *x = &((const struct shape *)a)->key;
    const struct shape_key *y = &((const struct shape *)b)->key;
    if (x->guaranteed != y->guaranteed)
        return x->guaranteed;
    return x->value != y->value ? x->value < y->value : x->id < y->id;
}

static void shape_set_order_index(void *item, size_t index)
{
    ((struct shape *)item)->order_index = index;
}

void queue_init(struct core *c)
{
    c->queue.order_us = -1;
    heap_init(&c->queue.open.order, key_less, shape_set_order_index);
    heap_init(&c->queue.shut.order, key_less, shape_set_order_index);
    heap_init(&c->queue.by_age, older, job_set_age_index);
}

void queue_fini(struct core *c)
{
    struct queue *q = &c->queue;
    heap_fini(&q->by_age);
    heap_fini(&q->open.order);
    heap_fini(&q->shut.order);
    free(q->open.items);
    free(q->shut.items);
    map_fini(&q->by_shape);
    map_fini(&q->by_class);
}

/* ---- shapes ---- */

static const char *text(const char *t)
{
    return t ? t : "";
}

uint64_t shape_core_us(const struct shape *s)
{
    return machine_core_us(s->least_cores, s->time_us);
}

bool shape_waits_for_room(const struct shape *s)
{
    return s->why == WAIT_CAPACITY || s->why == WAIT_LICENCE || s->why == WAIT_RESERVED;
}

static bool shape_equals(const struct shape *s, const struct job_submit *r, uint64_t mem_mib,
                         const struct tokens *tokens)
{
    bool same_tokens = s->tokens.n == tokens->n;
    for (size_t i = 0; same_tokens && i < tokens->n; i++)
        same_tokens = s->tokens.items[i].feature == tokens->items[i].feature
                      && s->tokens.items[i].count == tokens->items[i].count;
    return same_tokens && s->cores == r->cores && s->mem_mib == mem_mib && s->time_us == r->time_us
           && s->exclusive_of == r->exclusive && s->membind == r->membind && s->smt == r->smt
           && s->is_preemptible == (r->preemptible != 0) && strcmp(s->topo, text(r->topo)) == 0
           && strcmp(s->node_has, text(r->node_has)) == 0
           && strcmp(s->reservation, text(r->reservation)) == 0;
}

static uint64_t shape_hash(const struct job_submit *r, uint64_t mem_mib,
                           const struct tokens *tokens)
{
    const uint64_t numbers[] = {r->cores,   mem_mib, r->time_us, r->exclusive, r->preemptible != 0,
                                r->membind, r->smt};
    const char *texts[] = {text(r->topo), text(r->node_has), text(r->reservation)};
    uint64_t hash = core_hash(CORE_HASH_SEED, numbers, sizeof numbers);
    for (size_t i = 0; i < CQ_COUNT(texts); i++)
        hash = core_hash(hash, texts[i], strlen(texts[i]) + 1);
    for (size_t i = 0; i < tokens->n; i++) {
        const uint64_t token[] = {tokens->items[i].feature->id, tokens->items[i].count};
        hash = core_hash(hash, token, sizeof token);
    }
    return hash;
}

/* A booking's name means another one in every enterprise. */
static const struct enterprise *owner_of(const struct job *job)
{
    return *text(job->asked->reservation) ? job->enterprise : NULL;
}

static struct shape *shape_ref(struct core *c, const struct job *job, uint64_t mem_mib)
{
    struct queue *q = &c->queue;
    const struct job_submit *r = job->asked;
    struct tokens tokens = {0};
    int unknown = tokens_parse(c, job->enterprise, text(r->licences), &tokens, NULL);
    assert(!unknown); /* checked at submit; features stay known */
    (void)unknown;
    uint64_t hash = shape_hash(r, mem_mib, &tokens);
    struct shape *first = map_find(&q->by_shape, hash), *s = first;
    while (s && !(s->owner == owner_of(job) && shape_equals(s, r, mem_mib, &tokens)))
        s = s->next_same_hash;
    if (s == NULL) {
        s = CQ_NEW(struct shape);
        *s = (struct shape){.cores = r->cores,
                            .mem_mib = mem_mib,
                            .time_us = r->time_us,
                            .exclusive = r->exclusive == EXCLUSIVE_NODE,
                            .exclusive_of = (unsigned)r->exclusive,
                            .membind = (unsigned)r->membind,
                            .smt = (unsigned)r->smt,
                            .is_preemptible = r->preemptible != 0,
                            .topo = cq_strdup(text(r->topo)),
                            .node_has = cq_strdup(text(r->node_has)),
                            .reservation = cq_strdup(text(r->reservation)),
                            .owner = owner_of(job),
                            .tokens = tokens,
                            .index = SIZE_MAX,
                            .hash = hash,
                            .next_same_hash = first};
        s->wish = placement_wish(
            &(struct asked_place){s->topo, s->cores, s->mem_mib, r->exclusive, r->membind});
        machine_size_shape(c, s);
        map_put(&q->by_shape, hash, s);
    }
    s->refs++;
    return s;
}

/* Takes an element out of a chain of equal hashes in `m`. */
#define UNCHAIN(m, type, element)                                                \
    do {                                                                         \
        struct type *first_ = map_find((m), (element)->hash), **link_ = &first_; \
        while (*link_ != (element))                                              \
            link_ = &(*link_)->next_same_hash;                                   \
        *link_ = (element)->next_same_hash;                                      \
        if (first_)                                                              \
            map_put((m), (element)->hash, first_);                               \
        else                                                                     \
            map_remove((m), (element)->hash);                                    \
    } while (0)

static void shape_unref(struct queue *q, struct shape *s)
{
    if (--s->refs > 0)
        return;
    UNCHAIN(&q->by_shape, shape, s);
    free(s->topo);
    free(s->node_has);
    free(s->reservation);
    free(s);
}

void shapes_remove(struct shapes *list, struct shape *s)
{
    heap_remove(&list->order, s->order_index);
    list->items[s->index] = list->items[--list->n];
    list->items[s->index]->index = s->index;
}

void shapes_add(struct shapes *list, struct shape *s)
{
    heap_push(&list->order, s);
    cq_grow(&list->items, &list->cap, list->n);
    s->index = list->n;
    list->items[list->n++] = s;
}

void queue_shut(struct core *c, struct shape *s, enum wait_reason why, struct feature *f)
{
    s->why = why;
    s->why_feature = f;
    if (s->is_shut)
        return;
    shapes_remove(&c->queue.open, s);
    shapes_add(&c->queue.shut, s);
    s->is_shut = true;
}

void queue_open(struct core *c, struct shape *s)
{
    shapes_remove(&c->queue.shut, s);
    shapes_add(&c->queue.open, s);
    s->is_shut = false;
    s->why = WAIT_NONE;
}

/* ---- classes ---- */

/* An older database names no leaves: they are made as its jobs are loaded. */
static struct share_node *leaf_of(struct core *c, const struct job *job)
{
    struct share_node *leaf = share_leaf_of(c, job->project->id, job->principal->id);
    if (leaf)
        return leaf;
    leaf = share_add(c, job->project->share, core_new_id(c), SHARE_LEAF);
    leaf->principal = job->principal;
    core_saw_id(c, leaf->id);
    return leaf;
}

struct class *queue_class_ref(struct core *c, const struct job *job, uint64_t mem_mib)
{
    struct queue *q = &c->queue;
    struct share_node *leaf = leaf_of(c, job);
    struct shape *shape = shape_ref(c, job, mem_mib);
    const uint64_t id = leaf->id;
    uint64_t hash = core_hash(shape->hash, &id, sizeof id);
    struct class *first = map_find(&q->by_class, hash), *k = first;
    while (k && !(k->shape == shape && k->leaf == leaf))
        k = k->next_same_hash;
    if (k) {
        shape_unref(q, shape);
    } else {
        k = CQ_NEW(struct class);
        *k = (struct class){.leaf = leaf, .shape = shape, .hash = hash, .next_same_hash = first};
        heap_init(&k->jobs, job_less, job_set_index);
        k->seat = seat_ref(c, shape, leaf);
        k->seat->class = k;
        map_put(&q->by_class, hash, k);
    }
    k->refs++;
    return k;
}

void queue_class_unref(struct core *c, struct class *k)
{
    if (k == NULL || --k->refs > 0)
        return;
    UNCHAIN(&c->queue.by_class, class, k);
    seat_unref(c, k->seat);
    heap_fini(&k->jobs);
    shape_unref(&c->queue, k->shape);
    free(k);
}

/* Counts leaves with something to start, on the whole path. */
static void count_ready(struct core *c, struct share_node *leaf, bool ready)
{
    for (struct share_node *n = leaf; n; n = n->parent) {
        bool was = n->n_ready > 0;
        n->n_ready += ready ? 1u : UINT32_MAX;
        if (was == (n->n_ready > 0))
            break;
        (void)share_now(c);
        carry_review(c, n);
        queue_node_changed(c, n);
    }
}

static void class_update(struct core *c, struct class *k, bool was_ready)
{
    bool ready = k->jobs.n > 0;
    if (ready == was_ready)
        return;
    c->queue.n_ready_classes += ready ? 1 : UINT64_MAX;
    for (struct seat *t = k->seat; t; t = t->parent)
        t->n_ready += ready ? 1u : UINT32_MAX;
    count_ready(c, k->leaf, ready);
    seat_update(c, k->seat);
}

/* ---- jobs ---- */

static int64_t rank_of(const struct core *c, const struct job *job)
{
    const struct job_submit *s = job->asked;
    if (c->config.is_easy)
        return 0; /* arrival alone */
    uint64_t gone =
        job->n_tasks - job->waiting.count - laters_count(job->later) - job->blocked.count;
    return job->submit_us + (int64_t)gone * c->config.array_step_us
           - s->priority * PRIORITY_STEP_US;
}

static void enter(struct core *c, struct job *job)
{
    heap_push(&job->class->jobs, job);
    heap_push(&c->queue.by_age, job);
}

void queue_update(struct core *c, struct job *job)
{
    struct class *k = job->class;
    uint64_t ready = job_ready_tasks(job);
    bool was_in = job->ready > 0, was_ready = k->jobs.n > 0;
    int64_t rank_us = rank_of(c, job);
    bool is_moved = rank_us != job->rank_us;
    k->ready += ready - job->ready;
    k->shape->ready += ready - job->ready;
    job->ready = (uint32_t)ready;
    job->rank_us = rank_us;
    if (was_in && ready > 0 && is_moved)
        heap_fix(&k->jobs, job->queue_index);
    if (was_in == (ready > 0))
        return;
    if (was_in) {
        heap_remove(&k->jobs, job->queue_index);
        heap_remove(&c->queue.by_age, job->age_index);
        holds_drop(c, job);
    } else {
        enter(c, job);
    }
    class_update(c, k, was_ready);
}

/* ---- parking ---- */

static struct seat *seat_at(const struct class *k, const struct share_node *node)
{
    struct seat *t = k->seat;
    while (t->node != node)
        t = t->parent;
    return t;
}

void queue_park(struct core *c, struct class *k, struct share_node *node)
{
    seat_park(c, seat_at(k, node), &node->parked);
}

void queue_withhold(struct core *c, struct class *k)
{
    seat_park(c, seat_at(k, k->leaf->parent->parent), &c->queue.withheld);
}

void queue_park_whole(struct core *c, struct class *k)
{
    seat_park(c, k->seat, &c->queue.withheld);
}

bool queue_is_parked(const struct class *k)
{
    for (const struct seat *t = k->seat; t; t = t->parent)
        if (t->place == SEAT_PARKED)
            return true;
    return false;
}
