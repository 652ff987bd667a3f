/* The sizes of a job's tasks: who waits with how much, and what comes after an OOM. */
#include "scheduler/core/grow.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/learn.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"

void laters_free(struct laters *l)
{
    for (size_t i = 0; l && i < l->n; i++)
        ranges_fini(&l->items[i].tasks);
    if (l)
        free(l->items);
    free(l);
}

uint64_t laters_count(const struct laters *l)
{
    uint64_t n = 0;
    for (size_t i = 0; l && i < l->n; i++)
        n += l->items[i].tasks.count;
    return n;
}

uint64_t grow_mem_mib(const struct job *job)
{
    return job->class->shape->mem_mib;
}

static struct later *later_of(struct laters *l, uint64_t mem_mib)
{
    size_t i = 0;
    while (i < l->n && l->items[i].mem_mib < mem_mib)
        i++;
    if (i < l->n && l->items[i].mem_mib == mem_mib)
        return &l->items[i];
    cq_grow(&l->items, &l->cap, l->n);
    memmove(l->items + i + 1, l->items + i, (l->n - i) * sizeof *l->items);
    l->n++;
    l->items[i] = (struct later){.mem_mib = mem_mib};
    return &l->items[i];
}

static struct ranges *waiting_with(struct job *job, uint64_t mem_mib)
{
    if (mem_mib == grow_mem_mib(job))
        return &job->waiting;
    if (job->later == NULL)
        job->later = CQ_NEW(struct laters);
    return &later_of(job->later, mem_mib)->tasks;
}

void grow_wait(struct job *job, uint32_t number, uint64_t mem_mib)
{
    ranges_add(waiting_with(job, mem_mib), number, number);
}

void grow_wait_all(struct job *job, const struct ranges *tasks, uint64_t mem_mib)
{
    ranges_add_all(waiting_with(job, mem_mib), tasks);
}

static void drop_later(struct laters *l, size_t i)
{
    ranges_fini(&l->items[i].tasks);
    memmove(l->items + i, l->items + i + 1, (l->n - i - 1) * sizeof *l->items);
    l->n--;
}

void grow_forget(struct job *job, uint32_t number)
{
    if (ranges_remove(&job->waiting, number))
        return;
    struct laters *l = job->later;
    for (size_t i = 0; l && i < l->n; i++)
        if (ranges_remove(&l->items[i].tasks, number)) {
            if (ranges_is_empty(&l->items[i].tasks))
                drop_later(l, i);
            return;
        }
}

bool grow_place(const struct job *job, uint32_t number, struct grow_place *out)
{
    const struct laters *l = job->later;
    uint64_t before = job->waiting.count;
    if (ranges_has(&job->waiting, number)) {
        *out = (struct grow_place){ranges_below(&job->waiting, number), grow_mem_mib(job), false};
        return true;
    }
    for (size_t i = 0; l && i < l->n; i++) {
        const struct ranges *tasks = &l->items[i].tasks;
        if (ranges_has(tasks, number)) {
            *out = (struct grow_place){before + ranges_below(tasks, number), l->items[i].mem_mib,
                                       true};
            return true;
        }
        before += tasks->count;
    }
    return false;
}

/* ---- classes ---- */

void grow_enter(struct core *c, struct job *job, uint64_t mem_mib)
{
    struct ranges waiting = job->waiting;
    struct class *old = job->class;
    if (mem_mib == grow_mem_mib(job))
        return;
    job->waiting = (struct ranges){0};
    queue_update(c, job); /* leaves its class */
    job->waiting = waiting;
    job->class = queue_class_ref(c, job, mem_mib);
    queue_class_unref(c, old);
}

void grow_settle(struct core *c, struct job *job)
{
    struct laters *l = job->later;
    if (l == NULL || l->n == 0 || !ranges_is_empty(&job->waiting))
        return;
    grow_enter(c, job, l->items[0].mem_mib);
    ranges_fini(&job->waiting);
    job->waiting = l->items[0].tasks;
    l->items[0].tasks = (struct ranges){0};
    drop_later(l, 0);
}

/* ---- what tasks begin with ---- */

uint64_t grow_least_mib(const struct job *job, uint64_t mem_mib)
{
    return mem_mib > job->first.mem_mib ? mem_mib : job->first.mem_mib;
}

/* All that wait with less, but for those that are blocked. */
static struct ranges take_smaller(struct job *job, uint64_t mem_mib)
{
    struct ranges all = {0};
    if (grow_mem_mib(job) < mem_mib) {
        all = job->waiting;
        job->waiting = (struct ranges){0};
    }
    while (job->later && job->later->n > 0 && job->later->items[0].mem_mib < mem_mib) {
        ranges_add_all(&all, &job->later->items[0].tasks);
        drop_later(job->later, 0);
    }
    return all;
}

static void raise_first(struct job *job, uint64_t mem_mib)
{
    struct ranges all = take_smaller(job, mem_mib);
    void *item;
    job->first = (struct first_size){.mem_mib = mem_mib};
    for (size_t i = 0; map_next(&job->tasks, &i, &item);) {
        struct task *t = item;
        if (t->state == TASK_WAITING)
            t->mem_mib = grow_least_mib(job, t->mem_mib);
    }
    if (!ranges_is_empty(&all))
        ranges_add_all(waiting_with(job, mem_mib), &all);
    ranges_fini(&all);
}

/* Of those that run with it nobody knows yet. */
static uint32_t running_with_first(const struct job *job)
{
    uint32_t n = 0;
    void *item;
    for (size_t i = 0; map_next(&job->tasks, &i, &item);) {
        const struct task *t = item;
        n += task_state_is_live(t->state) && t->mem_mib == job->first.mem_mib;
    }
    return n;
}

/* Looks at what runs only after an OOM, when so many had too little. */
static bool is_first_too_little(const struct job *job)
{
    const struct first_size *f = &job->first;
    return f->n_too_little >= TOO_LITTLE_MIN && f->n_too_little > f->n_enough
           && f->n_too_little > f->n_enough + running_with_first(job) - 1; /* but what ends now */
}

void grow_note_end(struct job *job, const struct attempt_end_rec *end)
{
    struct first_size *f = &job->first;
    bool has_enough = end->verdict == VERDICT_PASS || end->verdict == VERDICT_FAIL
                      || end->verdict == VERDICT_TIMEOUT;
    if (!job->is_array || end->mem_mib != f->mem_mib)
        return;
    f->n_enough += has_enough;
    f->n_too_little += end->next_mem_mib > 0;
    if (end->next_mem_mib > 0 && is_first_too_little(job))
        raise_first(job, end->next_mem_mib);
}

/* ---- after an OOM ---- */

/* The most, up to `want`, with which some worker that is up could run it. */
static uint64_t most_that_fits(const struct core *c, const struct lease *l, uint64_t want)
{
    struct shape s = *l->class->shape;
    uint64_t best = 0;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        s.mem_mib = want < w->mem_mib ? want : w->mem_mib;
        if (w->is_up && s.mem_mib > best && placement_could_fit(&s, w))
            best = s.mem_mib;
    }
    return best;
}

static bool has_grown_enough(const struct lease *l, const struct job *job, const struct task *t)
{
    return t->growths >= GROWTHS_MAX
           || l->class->shape->mem_mib >= job->asked->mem_mib << GROWTHS_MAX;
}

static bool has_asked(const struct job *job)
{
    return job->asked->mem_source == MEM_ASKED;
}

static bool is_left_to_us(const struct job *job, const struct task *t)
{
    return !has_asked(job) && !t->is_killing && !t->is_requeued;
}

uint64_t grow_next_mib(const struct core *c, const struct lease *l, const struct job *job,
                       const struct task *t)
{
    if (!is_left_to_us(job, t) || job->asked->restart != 0 || has_grown_enough(l, job, t))
        return 0;
    uint64_t cap = quota_most_mem_mib(l->leaf), want = 2 * l->mem_mib;
    uint64_t next = most_that_fits(c, l, want < cap ? want : cap);
    return next > l->mem_mib ? next : 0;
}

void grow_explain_end(const struct lease *l, const struct job *job, const struct task *t,
                      uint64_t next_mib, struct cq_str *out)
{
    char size[32];
    uint64_t cap = quota_most_mem_mib(l->leaf);
    if (t->is_killing || t->is_requeued)
        return;
    if (has_asked(job))
        cq_str_add(out, "it named its --mem, so it is not tried with more");
    else if (next_mib > 0)
        cq_str_printf(out, "it runs again with %s", format_size_mib(next_mib, size, sizeof size));
    else if (job->asked->restart != 0)
        cq_str_add(out, "it may start once only");
    else if (t->growths >= GROWTHS_MAX)
        cq_str_printf(out, "it had more %d times, and gets no more", GROWTHS_MAX);
    else if (has_grown_enough(l, job, t))
        cq_str_printf(out, "it had %d times its first size, and gets no more", 1 << GROWTHS_MAX);
    else if (cap <= l->mem_mib)
        cq_str_printf(out, "its limits allow no more than %s",
                      format_size_mib(cap, size, sizeof size));
    else
        cq_str_add(out, "no worker that is up could give it more");
}
