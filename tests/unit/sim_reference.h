/* EASY backfill and first come, first served on one pool of cores, as plain as can be: at each
 * event the whole queue is looked at. The oracle for what the simulator and the core make of a
 * trace. Within a second submissions come before ends, each with a pass of its own; but the cores
 * of what reaches its limit in this second are free from the beginning of it. */
#ifndef CHIPQ_TEST_SIM_REFERENCE_H
#define CHIPQ_TEST_SIM_REFERENCE_H

#include "common/base/pure/mem.h"
#include "scheduler/sim/workload.h"

struct reference {
    const struct workload *w;
    bool backfills;
    int64_t *start_us;       /* by task; -1 = it waits or is not there yet */
    bool *is_over, *is_free; /* is_free: its cores are */
    size_t *started;         /* tasks in order of their start */
    size_t n_started;
    size_t *queue; /* tasks in order of arrival */
    size_t n_queue;
    int64_t now_us;
    uint64_t n_free;
};

static void reference_start(struct reference *r, size_t at)
{
    size_t task = r->queue[at];
    r->start_us[task] = r->now_us;
    r->started[r->n_started++] = task;
    r->n_free -= r->w->tasks[task].row->cores;
    r->n_queue--;
    memmove(r->queue + at, r->queue + at + 1, (r->n_queue - at) * sizeof *r->queue);
}

/* When the queue's first job can begin if everything uses its limit, and how many cores are free
 * then beside it. */
static int64_t reference_shadow(const struct reference *r, uint64_t *extra)
{
    uint64_t wanted = r->w->tasks[r->queue[0]].row->cores;
    int64_t best_us = INT64_MAX;
    for (size_t i = 0; i < r->n_started; i++) {
        const struct sim_row *row = r->w->tasks[r->started[i]].row;
        int64_t at_us = r->start_us[r->started[i]] + row->limit_us;
        uint64_t n = r->n_free;
        if (r->is_free[r->started[i]] || at_us >= best_us)
            continue;
        for (size_t k = 0; k < r->n_started; k++) {
            const struct sim_row *other = r->w->tasks[r->started[k]].row;
            if (!r->is_free[r->started[k]] && r->start_us[r->started[k]] + other->limit_us <= at_us)
                n += other->cores;
        }
        if (n >= wanted) {
            best_us = at_us;
            *extra = n - wanted;
        }
    }
    return best_us;
}

static void reference_backfill(struct reference *r)
{
    uint64_t extra = 0;
    int64_t shadow_us = reference_shadow(r, &extra);
    for (size_t at = 1; at < r->n_queue;) {
        const struct sim_row *row = r->w->tasks[r->queue[at]].row;
        bool is_short = r->now_us + row->limit_us <= shadow_us;
        if (row->cores > r->n_free || (!is_short && row->cores > extra)) {
            at++;
            continue;
        }
        extra -= is_short ? 0 : row->cores;
        reference_start(r, at);
    }
}

static void reference_pass(struct reference *r)
{
    while (r->n_queue > 0 && r->w->tasks[r->queue[0]].row->cores <= r->n_free)
        reference_start(r, 0);
    if (r->backfills && r->n_queue > 1)
        reference_backfill(r);
}

static void reference_give_back(struct reference *r, size_t task)
{
    if (r->is_free[task])
        return;
    r->is_free[task] = true;
    r->n_free += r->w->tasks[task].row->cores;
}

static void reference_meet_limits(struct reference *r)
{
    for (size_t i = 0; i < r->n_started; i++) {
        size_t task = r->started[i];
        if (r->start_us[task] + r->w->tasks[task].row->limit_us <= r->now_us)
            reference_give_back(r, task);
    }
}

/* Takes the over ones out of `started` now and then, so that it stays short. */
static void reference_tidy(struct reference *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_started; i++)
        if (!r->is_over[r->started[i]])
            r->started[n++] = r->started[i];
    r->n_started = n;
}

/* The running task that ends next, the one first that started first. */
static size_t reference_next_end(const struct reference *r, int64_t *end_us)
{
    size_t best = SIZE_MAX;
    *end_us = INT64_MAX;
    for (size_t i = 0; i < r->n_started; i++) {
        size_t task = r->started[i];
        int64_t at_us = r->start_us[task] + r->w->tasks[task].row->run_us;
        if (!r->is_over[task] && at_us < *end_us) {
            *end_us = at_us;
            best = task;
        }
    }
    return best;
}

/* Starts of all tasks of a built workload without arrays; caller frees. */
static int64_t *reference_run(const struct workload *w, bool backfills)
{
    struct reference r = {.w = w, .backfills = backfills, .n_free = w->cores};
    size_t next = 0;
    r.start_us = cq_calloc(w->n_tasks, sizeof *r.start_us);
    r.is_over = cq_calloc(w->n_tasks, sizeof *r.is_over);
    r.is_free = cq_calloc(w->n_tasks, sizeof *r.is_free);
    r.started = cq_calloc(w->n_tasks, sizeof *r.started);
    r.queue = cq_calloc(w->n_tasks, sizeof *r.queue);
    for (;;) {
        int64_t end_us;
        size_t ending = reference_next_end(&r, &end_us);
        int64_t submit_us = next < w->n_tasks ? w->tasks[next].row->submit_us : INT64_MAX;
        if (submit_us == INT64_MAX && ending == SIZE_MAX)
            break;
        r.now_us = submit_us <= end_us ? submit_us : end_us;
        reference_meet_limits(&r);
        if (submit_us <= end_us) {
            r.queue[r.n_queue++] = next++;
        } else {
            r.is_over[ending] = true;
            reference_give_back(&r, ending);
            reference_tidy(&r);
        }
        reference_pass(&r);
    }
    free(r.is_over);
    free(r.is_free);
    free(r.started);
    free(r.queue);
    return r.start_us;
}

#endif
