/* Lines of questions, one for each asker, and the credit of all. */
#include "scheduler/daemon/askers.h"

#include "common/base/pure/mem.h"

struct asker_line {
    uint64_t id, taken; /* taken: the number of its last question that was */
    int64_t used_us;    /* by its answers, since somebody waits */
    struct question *first, **last;
    size_t n, bytes;
    bool is_stopped;
    struct asker_line *next_waiting;
};

static bool is_before(const struct asker_line *x, const struct asker_line *y)
{
    if (x->used_us != y->used_us)
        return x->used_us < y->used_us;
    return x->taken != y->taken ? x->taken < y->taken : x->id < y->id;
}

void askers_init(struct askers *a)
{
    *a = (struct askers){.busy_us = INT64_MIN / 2, .credit_us = ASKERS_CREDIT_US};
}

/* While nobody waits there is nothing to be fair about. */
static void forget_lines(struct askers *a)
{
    void *line;
    for (size_t at = 0; map_next(&a->by_id, &at, &line);)
        free(line);
    map_fini(&a->by_id);
    a->floor_us = 0;
}

void askers_fini(struct askers *a)
{
    void *item;
    for (size_t at = 0; map_next(&a->by_id, &at, &item);) {
        struct question *q = ((struct asker_line *)item)->first, *next;
        for (; q != NULL; q = next) {
            next = q->next;
            free(q);
        }
    }
    forget_lines(a);
}

/* ---- credit ---- */

static bool is_busy(const struct askers *a, int64_t now_us)
{
    return now_us - a->busy_us < ASKERS_BUSY_US;
}

static void earn(struct askers *a, int64_t now_us)
{
    int64_t earned_us = (now_us - a->at_us) / ASKERS_PART;
    if (!is_busy(a, now_us)) {
        a->credit_us = ASKERS_CREDIT_US;
        a->at_us = now_us;
        return;
    }
    a->at_us += earned_us * ASKERS_PART; /* what is left of it counts later */
    a->credit_us += earned_us;
    if (a->credit_us > ASKERS_CREDIT_US)
        a->credit_us = ASKERS_CREDIT_US;
}

void askers_note_work(struct askers *a, int64_t now_us)
{
    earn(a, now_us); /* the time before it was what it was */
    a->busy_us = now_us;
}

bool askers_are_free(struct askers *a, int64_t now_us)
{
    earn(a, now_us);
    return a->waiting == NULL && a->credit_us > 0;
}

int64_t askers_next_us(struct askers *a, int64_t now_us)
{
    if (a->waiting == NULL)
        return INT64_MAX;
    earn(a, now_us);
    if (a->credit_us > 0)
        return now_us;
    int64_t earned_us = a->at_us + (1 - a->credit_us) * ASKERS_PART;
    int64_t idle_us = a->busy_us + ASKERS_BUSY_US;
    return earned_us < idle_us ? earned_us : idle_us;
}

/* ---- lines ---- */

static struct asker_line *line_of(struct askers *a, uint64_t id)
{
    struct asker_line *l = map_find(&a->by_id, id);
    if (l == NULL) {
        l = CQ_NEW(struct asker_line);
        l->id = id;
        map_put(&a->by_id, id, l);
    }
    return l;
}

/* Who did not ask for a while has saved nothing up. */
static void enter(struct askers *a, struct asker_line *l)
{
    l->used_us = l->used_us > a->floor_us ? l->used_us : a->floor_us;
    l->next_waiting = a->waiting;
    a->waiting = l;
}

static void leave(struct askers *a, const struct asker_line *l)
{
    struct asker_line **at = &a->waiting;
    while (*at != NULL && *at != l)
        at = &(*at)->next_waiting;
    if (*at != NULL)
        *at = l->next_waiting;
}

/* They are as many as people ask at once. */
static struct asker_line *next_line(const struct askers *a)
{
    struct asker_line *best = a->waiting;
    for (struct asker_line *l = best; l != NULL; l = l->next_waiting)
        if (is_before(l, best))
            best = l;
    return best;
}

bool askers_put(struct askers *a, struct question *q)
{
    struct asker_line *l = line_of(a, q->asker);
    bool is_full = l->n >= ASKERS_OF_ONE || l->bytes + q->bytes > ASKERS_BYTES_OF_ONE
                   || a->bytes + q->bytes > ASKERS_BYTES;
    if (is_full)
        return false;
    if (l->first == NULL)
        l->last = &l->first;
    q->next = NULL;
    *l->last = q;
    l->last = &q->next;
    l->bytes += q->bytes;
    a->bytes += q->bytes;
    a->n++;
    if (l->n++ == 0 && !l->is_stopped)
        enter(a, l);
    return true;
}

struct question *askers_take_any(struct askers *a)
{
    struct asker_line *l = next_line(a);
    if (l == NULL)
        return NULL;
    struct question *q = l->first;
    l->first = q->next;
    l->bytes -= q->bytes;
    a->bytes -= q->bytes;
    a->n--;
    l->taken = ++a->n_taken;
    a->floor_us = l->used_us;
    if (--l->n == 0)
        leave(a, l);
    if (a->n == 0)
        forget_lines(a);
    return q;
}

struct question *askers_take(struct askers *a, int64_t now_us)
{
    earn(a, now_us);
    return a->credit_us > 0 ? askers_take_any(a) : NULL;
}

void askers_charge(struct askers *a, uint64_t asker, int64_t took_us)
{
    struct asker_line *l = map_find(&a->by_id, asker);
    a->credit_us -= took_us;
    if (a->credit_us < -ASKERS_DEBT_US)
        a->credit_us = -ASKERS_DEBT_US;
    if (l != NULL)
        l->used_us += took_us;
}

void askers_stop(struct askers *a, uint64_t asker)
{
    struct asker_line *l = map_find(&a->by_id, asker);
    if (l == NULL)
        return;
    l->is_stopped = true;
    leave(a, l);
}

void askers_go_on(struct askers *a, uint64_t asker)
{
    struct asker_line *l = map_find(&a->by_id, asker);
    if (l == NULL || !l->is_stopped)
        return;
    l->is_stopped = false;
    if (l->n > 0)
        enter(a, l);
}
