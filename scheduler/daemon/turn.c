/* The turn: inputs into the core, its records and rows into batches, batches to the store thread.
 */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "scheduler/daemon/views.h"

#include <inttypes.h>
#include <malloc.h>
#include <poll.h>

enum {
    CONGESTED_RECORDS = 20000, /* in the filling batch: the disk is seconds behind */
    DRAIN_US = 10 * 1000000,
    ANSWERS_US = 2000, /* of one turn, for what the store has read */
    TIGHT_WAKE_US = 100000,
    TRIM_AFTER_RECORDS = 20000,
    TRIM_RECORDS_OF_JOB =
        64, /* a pool is idle with that many records behind it for each live job */
};

uint64_t turn_tag(const struct daemon *d)
{
    return store_next_seq(d->store) - 1 + store_batch_records(d->filling);
}

bool turn_is_congested(const struct daemon *d)
{
    return store_batch_records(d->filling) > CONGESTED_RECORDS;
}

static void mark_dirty(struct daemon *d, struct job_id id)
{
    if (map_find(&d->is_dirty, id.v) != NULL)
        return;
    map_put(&d->is_dirty, id.v, d);
    cq_grow(&d->dirty, &d->cap_dirty, d->n_dirty);
    d->dirty[d->n_dirty++] = id;
}

/* Records first: the tags of the messages behind them count them. */
void turn_take_effects(struct daemon *d)
{
    struct effects *e = &d->effects;
    int64_t wall_us = loop_now(d->loop).wall_us;
    for (size_t i = 0; i < e->n_records; i++) {
        points_note(&d->points, e->records[i]);
        store_batch_add_record(d->filling, e->records[i], wall_us);
    }
    d->n_since_trim += e->n_records;
    if (e->n_records > 0)
        askers_note_work(&d->askers, loop_now(d->loop).mono_us);
    e->n_records = 0;
    for (size_t i = 0; i < e->n_dirty_jobs; i++)
        mark_dirty(d, e->dirty_jobs[i]);
    outs_send(d, e);
    effects_clear(e);
}

int turn_step(struct daemon *d, const struct input *in, struct cq_err *err)
{
    int rc = core_step(d->core, in, loop_now(d->loop), &d->effects, err);
    d->must_plan = true;
    turn_take_effects(d);
    return rc;
}

void turn_on_timer(void *daemon)
{
    struct input in = {.type = INPUT_TIMER};
    struct cq_err err = {0};
    if (turn_step(daemon, &in, &err) != 0)
        abort(); /* a timer has no contract to break */
}

void turn_on_feed(void *daemon, const struct in_licence_feed *result)
{
    struct input in = {.type = INPUT_LICENCE_FEED, .u.licence_feed = *result};
    struct cq_err err = {0};
    if (turn_step(daemon, &in, &err) != 0)
        abort(); /* nor has this */
}

/* The feed's command is part of the configuration, which any input may have changed. */
static void follow_feed(struct daemon *d)
{
    int64_t every_us = 0;
    const char *command = core_feed_command(d->core, &every_us);
    feed_set(d->feed, command, every_us);
}

static void add_view(struct daemon *d, struct job_id id)
{
    struct job_view v = {0};
    core_view_job(d->core, id, &v);
    char *metrics CQ_CLEANUP(cq_free_ptr) = view_metrics(&v);
    store_batch_add_job(d->filling, &v, metrics);
    watches_note(d, &v, metrics);
    bool is_over = job_state_is_terminal(v.state);
    job_view_fini(&v);
    if (is_over) {
        core_forget(d->core, id);
        free(map_remove(&d->progress, id.v));
    }
}

static void add_entity(void *arg, const struct entity_view *e)
{
    store_batch_add_entity(arg, e);
}

static void add_usage(void *arg, const struct usage_view *u)
{
    store_batch_add_usage(arg, u);
}

/* Closes the filling batch: rows of what changed since the last one, then off to the thread. The
 * rows show the core as it is now, which is exactly what all records up to here say. */
static void hand_over(struct daemon *d)
{
    struct job_id *dirty = d->dirty;
    size_t n = d->n_dirty;
    d->dirty = NULL;
    d->n_dirty = d->cap_dirty = 0;
    map_fini(&d->is_dirty);
    for (size_t i = 0; i < n; i++)
        add_view(d, dirty[i]);
    core_view_entities(d->core, add_entity, d->filling);
    core_take_usage(d->core, add_usage, d->filling);
    struct store_batch *b = d->filling;
    d->filling = store_batch_new(d->store);
    (void)CQ_FP("chipqd.dispatch.before_commit");
    points_hand_over(&d->points);
    store_commit(d->store, b);
    ask_release_held(d);
    for (size_t i = 0; i < n; i++)
        logs_note(d, dirty[i]);
    free(dirty);
    watches_flush(d);
}

static void seal(struct daemon *d)
{
    bool has_work = d->n_dirty > 0 || !store_batch_is_empty(d->filling);
    if (store_is_busy(d->store))
        return;
    if (has_work) {
        hand_over(d);
        hearing_new_batch(d);
    } else {
        hearing_idle(d);
    }
}

/* After much work has ended the allocator holds what the jobs took, in many small pieces: give it
 * back to the kernel once, when there is nothing else to do. */
static void trim_when_idle(struct daemon *d)
{
    struct counts c = {0};
    if (d->n_since_trim < TRIM_AFTER_RECORDS || d->n_dirty > 0 || store_is_busy(d->store)
        || !store_batch_is_empty(d->filling))
        return;
    core_counts(d->core, (struct enterprise_id){0}, &c);
    if (c.tasks_running > 0 || c.jobs_waiting > d->n_since_trim / TRIM_RECORDS_OF_JOB)
        return;
    log_info("memory.trim records=%" PRIu64, d->n_since_trim);
    d->n_since_trim = 0;
    (void)malloc_trim(0);
}

/* What little room is left belongs to the ends of what runs: nothing new starts. */
static void plan(struct daemon *d)
{
    int64_t wake_at_us, now_us = loop_now(d->loop).mono_us;
    if (d->room < ROOM_TIGHT) {
        core_plan(d->core, loop_now(d->loop), &d->effects);
        (void)CQ_FP("chipqd.dispatch.after_choose");
        turn_take_effects(d);
    }
    wake_at_us = core_wake_at_us(d->core);
    if (d->room >= ROOM_TIGHT && wake_at_us < now_us + TIGHT_WAKE_US)
        wake_at_us = now_us + TIGHT_WAKE_US; /* plans that are due stay due */
    loop_timer_set(d->timer, wake_at_us);
    follow_feed(d);
}

void turn_end(void *daemon)
{
    struct daemon *d = daemon;
    store_look_at_room(d->store);
    space_note(d);
    hearing_go_on(d);
    if (d->must_plan) {
        d->must_plan = false;
        plan(d);
    }
    seal(d);
    points_reply(&d->points, POINT_BEFORE_REPLY);
    outbox_flush(d);
    points_reply(&d->points, POINT_AFTER_REPLY);
    questions_serve(d);
    trim_when_idle(d);
}

void turn_on_store(void *daemon, int fd, unsigned events)
{
    struct daemon *d = daemon;
    (void)fd;
    (void)events;
    bool was_busy = store_is_busy(d->store);
    struct store_query *q;
    int64_t until_us = clock_mono_us() + ANSWERS_US;
    while ((q = store_collect(d->store)) != NULL) {
        ask_answered(d, q);
        if (clock_mono_us() >= until_us)
            break; /* the descriptor stays readable: the rest in the next turn */
    }
    backup_tell(d);
    if (was_busy && !store_is_busy(d->store)) {
        (void)CQ_FP("chipqd.dispatch.after_commit");
        points_durable(&d->points);
        hearing_batch_ended(d);
    }
}

/* Commits what is there and sends what became durable; the loop does not run any more. */
void turn_drain(struct daemon *d)
{
    int64_t until_us = clock_mono_us() + DRAIN_US;
    while (clock_mono_us() < until_us) {
        turn_end(d);
        if (!store_is_busy(d->store) && store_batch_is_empty(d->filling) && d->n_asks == 0
            && outbox_is_empty(d))
            return;
        struct pollfd p = {.fd = store_fd(d->store), .events = POLLIN};
        (void)poll(&p, 1, 100);
        turn_on_store(d, p.fd, 0);
    }
}
