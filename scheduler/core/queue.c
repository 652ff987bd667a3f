/* Classes and shapes: what may start, in order, and what is parked. */
#include "scheduler/core/queue.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
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

bool queue_job_before(const struct job *a, const struct job *b)
{
    return policy_job_before(a, b);
}

static bool job_less(const void *a, const void *b)
{
    return queue_job_before(a, b);
}

static void job_set_index(void *item, size_t index)
{
    ((struct job *)item)->queue_index = index;
}

static bool class_less(const void *a, const void *b)
{
    return queue_job_before(queue_class_head(a), queue_class_head(b));
}

static void class_set_index(void *item, size_t index)
{
    ((struct class *)item)->index = index;
}

static bool shape_less(const void *a, const void *b)
{
    return queue_job_before(queue_shape_head(a), queue_shape_head(b));
}

static void shape_set_index(void *item, size_t index)
{
    ((struct shape *)item)->ready_index = index;
}

struct job *queue_class_head(const struct class *class)
{
    return heap_top(&class->jobs);
}

struct job *queue_shape_head(const struct shape *shape)
{
    const struct class *class = heap_top(&shape->classes);
    return class ? queue_class_head(class) : NULL;
}

void queue_init(struct queue *q)
{
    heap_init(&q->ready, shape_less, shape_set_index);
}

void queue_fini(struct queue *q)
{
    heap_fini(&q->ready);
    free(q->parked);
    map_fini(&q->shapes);
    map_fini(&q->classes);
}

/* ---- shapes ---- */

static bool shape_equals(const struct shape *s, const struct job_submit *r)
{
    return s->cores == r->cores && s->mem_mib == r->mem_mib && s->exclusive == (r->exclusive != 0)
           && strcmp(s->topo, r->topo ? r->topo : "") == 0
           && strcmp(s->node_has, r->node_has ? r->node_has : "") == 0;
}

static struct shape *shape_ref(struct queue *q, const struct job_submit *r)
{
    const char *topo = r->topo ? r->topo : "", *has = r->node_has ? r->node_has : "";
    const uint64_t numbers[] = {r->cores, r->mem_mib, r->exclusive != 0};
    uint64_t hash = core_hash(CORE_HASH_SEED, numbers, sizeof numbers);
    hash = core_hash(hash, topo, strlen(topo) + 1);
    hash = core_hash(hash, has, strlen(has));
    struct shape *first = map_find(&q->shapes, hash), *s = first;
    while (s && !shape_equals(s, r))
        s = s->next_same_hash;
    if (s == NULL) {
        s = CQ_NEW(struct shape);
        *s = (struct shape){.cores = r->cores,
                            .mem_mib = r->mem_mib,
                            .exclusive = r->exclusive != 0,
                            .topo = cq_strdup(topo),
                            .node_has = cq_strdup(has),
                            .ready_index = HEAP_NOWHERE,
                            .parked_index = SIZE_MAX,
                            .hash = hash,
                            .next_same_hash = first};
        heap_init(&s->classes, class_less, class_set_index);
        map_put(&q->shapes, hash, s);
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
    UNCHAIN(&q->shapes, shape, s);
    heap_fini(&s->classes);
    free(s->topo);
    free(s->node_has);
    free(s);
}

/* ---- classes ---- */

static bool class_is_of(const struct class *k, const struct job *job)
{
    return k->enterprise == job->enterprise->id && k->project == job->project->id
           && k->principal == job->principal->id;
}

struct class *queue_class_ref(struct core *c, const struct job *job)
{
    struct queue *q = &c->queue;
    struct shape *shape = shape_ref(q, &job->submit->u.job_submit);
    const uint64_t leaf[] = {job->project->id, job->principal->id};
    uint64_t hash = core_hash(shape->hash, leaf, sizeof leaf);
    struct class *first = map_find(&q->classes, hash), *k = first;
    while (k && !(k->shape == shape && class_is_of(k, job)))
        k = k->next_same_hash;
    if (k) {
        shape_unref(q, shape);
    } else {
        k = CQ_NEW(struct class);
        *k = (struct class){.enterprise = job->enterprise->id,
                            .project = job->project->id,
                            .principal = job->principal->id,
                            .shape = shape,
                            .index = HEAP_NOWHERE,
                            .hash = hash,
                            .next_same_hash = first};
        heap_init(&k->jobs, job_less, job_set_index);
        map_put(&q->classes, hash, k);
    }
    k->refs++;
    return k;
}

void queue_class_unref(struct core *c, struct class *k)
{
    if (k == NULL || --k->refs > 0)
        return;
    UNCHAIN(&c->queue.classes, class, k);
    heap_fini(&k->jobs);
    shape_unref(&c->queue, k->shape);
    free(k);
}

/* ---- moves ---- */

static void remove_parked(struct queue *q, struct shape *s)
{
    struct shape *last = q->parked[--q->n_parked];
    q->parked[s->parked_index] = last;
    last->parked_index = s->parked_index;
    s->parked_index = SIZE_MAX;
}

/* After its classes changed: empty shapes are nowhere, parked ones stay, the rest are in the heap.
 */
static void shape_update(struct core *c, struct shape *s)
{
    struct queue *q = &c->queue;
    bool is_parked = s->parked_index != SIZE_MAX;
    if (s->classes.n == 0) {
        if (is_parked)
            remove_parked(q, s);
        if (s->ready_index != HEAP_NOWHERE)
            heap_remove(&q->ready, s->ready_index);
        if (q->owed == s)
            queue_settle_debt(c);
    } else if (is_parked) {
        return;
    } else if (s->ready_index == HEAP_NOWHERE) {
        heap_push(&q->ready, s);
    } else {
        heap_fix(&q->ready, s->ready_index);
    }
}

void queue_park(struct core *c, struct shape *s, enum wait_reason why)
{
    struct queue *q = &c->queue;
    heap_remove(&q->ready, s->ready_index);
    cq_grow(&q->parked, &q->cap_parked, q->n_parked);
    s->parked_index = q->n_parked;
    q->parked[q->n_parked++] = s;
    s->why = why;
}

void queue_unpark(struct core *c, struct shape *s)
{
    remove_parked(&c->queue, s);
    s->why = WAIT_NONE;
    shape_update(c, s);
}

void queue_owe(struct core *c, struct shape *s, struct worker *worker)
{
    c->queue.owed = s;
    c->queue.owed_by = worker;
}

void queue_settle_debt(struct core *c)
{
    struct worker *w = c->queue.owed_by;
    c->queue.owed = NULL;
    c->queue.owed_by = NULL;
    if (w)
        workers_mark_grown(c, w);
}

static void class_update(struct core *c, struct class *k)
{
    struct shape *s = k->shape;
    if (k->jobs.n == 0) {
        if (k->index == HEAP_NOWHERE)
            return;
        heap_remove(&s->classes, k->index);
    } else if (k->index == HEAP_NOWHERE) {
        heap_push(&s->classes, k);
    } else {
        heap_fix(&s->classes, k->index);
    }
    shape_update(c, s);
}

void queue_update(struct core *c, struct job *job)
{
    struct class *k = job->class;
    uint64_t ready = job_ready_tasks(job);
    if (ready == job->ready)
        return;
    bool was_in = job->ready > 0;
    k->ready = k->ready - job->ready + ready;
    job->ready = ready;
    if (was_in == (ready > 0))
        return;
    if (was_in) {
        heap_remove(&k->jobs, job->queue_index);
    } else {
        job->ready_since_us = c->now_mono_us;
        heap_push(&k->jobs, job);
    }
    class_update(c, k);
}
