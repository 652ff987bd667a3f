/* The store thread: takes the batch, of which there is one at most, before all queries (but not
 * without end: whoever hands over the next one before we look again would shut them out), and these
 * in order; tells through an eventfd what is done, a batch first. What a session asks must not
 * delay what all wait for; a query that was asked before the batch sees it, too, which is only
 * newer. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
    QUERY_BUDGET_US = 5000,       /* then the next in the queue has its turn */
    CHECKPOINT_IDLE_PAGES = 4096, /* 16 MiB: when nobody waits */
    CHECKPOINT_PAGES = 32768,     /* 128 MiB: at once */
    CHECKPOINT_LOW_PAGES = 256,   /* 1 MiB: when nobody waits and the disk is nearly full */
    LOOK_US = 1000000,            /* the disk fills and empties without us */
    BATCHES_IN_A_ROW = 8,         /* then a query that waits has its budget */
};

static void push(struct work_queue *q, struct work *w)
{
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
}

static void push_first(struct work_queue *q, struct work *w)
{
    w->next = q->first;
    if (q->first == NULL)
        q->last = &w->next;
    q->first = w;
}

static struct work *pop(struct work_queue *q)
{
    struct work *w = q->first;
    if (w == NULL)
        return NULL;
    q->first = w->next;
    if (q->first == NULL)
        q->last = &q->first;
    return w;
}

static struct work *pop_second(struct work_queue *q)
{
    struct work *first = pop(q), *w = pop(q);
    push_first(q, first);
    return w;
}

static struct work *take_next(struct store *s)
{
    const struct work *first = s->todo.first;
    bool is_batch = first != NULL && first->batch != NULL;
    bool is_enough = is_batch && first->next != NULL && s->batches_in_a_row >= BATCHES_IN_A_ROW;
    s->batches_in_a_row = is_batch && !is_enough ? s->batches_in_a_row + 1 : 0;
    return is_enough ? pop_second(&s->todo) : pop(&s->todo);
}

static void die(struct store *s, const struct cq_err *err)
{
    if (s->fatal != NULL)
        s->fatal(err->text);
    _exit(70); /* no retry on this connection: the restart loads what is true */
}

static struct timespec in_us(int64_t us)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + (us > 0 ? us : 0) * 1000;
    return (struct timespec){.tv_sec = t.tv_sec + ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* With room enough nothing is looked at in idle times. */
static void sleep_until(struct store *s, int64_t look_us)
{
    struct timespec until = in_us(look_us - clock_mono_us());
    if (store_is_low(s))
        (void)pthread_cond_timedwait(&s->wake, &s->lock, &until);
    else
        (void)pthread_cond_wait(&s->wake, &s->lock);
}

static bool is_time_to_look(const struct store *s, int64_t look_us)
{
    return s->must_look || (store_is_low(s) && clock_mono_us() >= look_us);
}

/* The next thing to do; *w NULL: it is time to look at the disk. False when the store is being
 * closed and nothing is left. */
static bool wait_for_work(struct store *s, int64_t look_us, struct work **w)
{
    (void)pthread_mutex_lock(&s->lock);
    while (s->todo.first == NULL && !s->is_stopping && !is_time_to_look(s, look_us))
        sleep_until(s, look_us);
    *w = s->is_stopping || !is_time_to_look(s, look_us) ? take_next(s) : NULL;
    s->must_look = false;
    bool goes_on = *w != NULL || !s->is_stopping;
    (void)pthread_mutex_unlock(&s->lock);
    return goes_on;
}

static void put_back(struct store *s, struct work *w)
{
    (void)pthread_mutex_lock(&s->lock);
    push(&s->todo, w);
    (void)pthread_mutex_unlock(&s->lock);
}

void store_wake_caller(struct store *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->event_fd, &one, sizeof one);
    (void)n; /* only a full counter fails, and then it is readable already */
}

void store_finish(struct store *s, struct work *w)
{
    (void)pthread_mutex_lock(&s->lock);
    (w->batch != NULL ? push_first : push)(&s->done, w);
    (void)pthread_mutex_unlock(&s->lock);
    store_wake_caller(s);
}

static bool is_idle(struct store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool idle = s->todo.first == NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return idle;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct store *)arg)->wal_pages = (unsigned)pages;
    return SQLITE_OK;
}

static bool checkpoint_is_due(struct store *s)
{
    unsigned idle_pages = store_is_low(s) ? CHECKPOINT_LOW_PAGES : CHECKPOINT_IDLE_PAGES;
    return s->wal_pages >= CHECKPOINT_PAGES || (s->wal_pages >= idle_pages && is_idle(s));
}

/* Between transactions only. A WAL that was given the ballast stays as large as it is: it is
 * written from its beginning again. 1 = there is no room for it: the WAL is still all there. */
static int checkpoint(struct store *s, struct cq_err *err)
{
    (void)CQ_FP("chipqd.checkpoint.before");
    int mode = s->space.is_given ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_TRUNCATE;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, NULL, NULL);
    if (rc == SQLITE_FULL)
        return 1;
    if (rc != SQLITE_OK)
        return sql_fail(s, rc, "checkpoint", err);
    s->wal_pages = 0;
    (void)CQ_FP("chipqd.checkpoint.after");
    return 0;
}

/* A write found no room. First the ballast goes; after that a checkpoint lets the WAL begin anew in
 * the bytes that it has. */
static int write_in_little_room(struct store *s, const struct store_batch *b, struct cq_err *err)
{
    bool is_full = true;
    if (space_give_ballast(s)) {
        *err = (struct cq_err){0};
        if (batch_write(s, b, err) == 0)
            return 0;
        is_full = err->code == CQ_E_FULL;
    }
    if (!is_full)
        return -1;
    int rc = checkpoint(s, err);
    return rc != 0 ? -1 : batch_write(s, b, err);
}

static void do_batch(struct store *s, struct work *w)
{
    struct cq_err err = {0};
    int rc = batch_write(s, w->batch, &err);
    if (rc != 0 && err.code == CQ_E_FULL)
        rc = write_in_little_room(s, w->batch, &err);
    if (rc != 0 && err.code != CQ_E_FULL)
        die(s, &err);
    s->waiting = rc != 0 ? w : NULL;
    space_check(s);
    if (rc != 0) {
        store_wake_caller(s);
        return;
    }
    store_finish(s, w);
    (void)CQ_FP("store.batch.told");
    if (checkpoint_is_due(s) && checkpoint(s, &err) < 0)
        die(s, &err);
}

static void do_query(struct store *s, struct work *w)
{
    struct cq_err err = {0};
    int64_t from_us = clock_thread_us();
    int rc = query_step(s, w->query, QUERY_BUDGET_US, &err);
    w->query->took_us += clock_thread_us() - from_us;
    if (rc < 0 && err.code == CQ_E_FULL && space_give_ballast(s))
        rc = batch_undo(s, &err); /* it is asked again, and now knows that it may not write */
    if (rc < 0)
        die(s, &err);
    (void)CQ_FP("chipqd.query.after_read");
    if (rc == 0)
        put_back(s, w);
    else if (rc == QUERY_ELSEWHERE)
        backup_go_on_elsewhere(s, w);
    else
        store_finish(s, w);
}

static void look_at_disk(struct store *s)
{
    enum store_room before = store_space(s).room;
    if (s->waiting != NULL)
        do_batch(s, s->waiting);
    else
        space_check(s);
    if (store_space(s).room != before)
        store_wake_caller(s);
}

static void *run(void *arg)
{
    struct store *s = arg;
    struct work *w;
    int64_t look_us = clock_mono_us() + LOOK_US;
    while (wait_for_work(s, look_us, &w)) {
        if (w == NULL) {
            look_at_disk(s);
            look_us = clock_mono_us() + LOOK_US;
        } else if (w->batch != NULL) {
            do_batch(s, w);
        } else {
            do_query(s, w);
        }
    }
    return NULL;
}

void store_start(struct store *s)
{
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the main thread's */
    (void)sqlite3_wal_hook(s->db, on_wal, s);
    if (pthread_create(&s->thread, NULL, run, s) != 0)
        abort(); /* as out of memory */
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    s->is_started = true;
}

/* ---- the caller's side ---- */

static void hand_over(struct store *s, struct store_batch *b, struct store_query *q)
{
    struct work *w = CQ_NEW(struct work);
    w->batch = b;
    w->query = q;
    (void)pthread_mutex_lock(&s->lock);
    if (b != NULL)
        push_first(&s->todo, w);
    else
        push(&s->todo, w);
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

static void number_batch(struct store *s, struct store_batch *b)
{
    b->first_seq = s->next_seq;
    s->next_seq += b->n_records;
}

void store_commit(struct store *s, struct store_batch *b)
{
    number_batch(s, b);
    s->is_busy = true;
    s->flying_seq = s->next_seq - 1;
    hand_over(s, b, NULL);
}

int store_write(struct store *s, struct store_batch *b, struct cq_err *err)
{
    number_batch(s, b);
    int rc = batch_write(s, b, err);
    if (rc == 0)
        s->durable_seq = s->flying_seq = s->next_seq - 1;
    store_batch_free(b);
    return rc;
}

void store_ask(struct store *s, struct store_query *q)
{
    hand_over(s, NULL, q);
}

struct store_query *store_collect(struct store *s)
{
    for (;;) {
        (void)pthread_mutex_lock(&s->lock);
        struct work *w = pop(&s->done);
        (void)pthread_mutex_unlock(&s->lock);
        if (w == NULL) {
            uint64_t count;
            ssize_t n = read(s->event_fd, &count, sizeof count);
            if (n > 0)
                continue; /* what was finished before this read is in the list now */
            return NULL;
        }
        struct store_query *q = w->query;
        if (w->batch != NULL) {
            s->is_busy = false;
            s->durable_seq = s->flying_seq;
            store_batch_free(w->batch);
        }
        free(w);
        if (q != NULL)
            return q;
    }
}

bool store_is_busy(const struct store *s)
{
    return s->is_busy;
}

uint64_t store_next_seq(const struct store *s)
{
    return s->next_seq;
}

uint64_t store_durable_seq(const struct store *s)
{
    return s->durable_seq;
}

uint64_t store_epoch(const struct store *s)
{
    return s->loaded_epoch;
}

int store_fd(const struct store *s)
{
    return s->event_fd;
}

bool store_key_is_new(const struct store *s, const struct cq_uuid *key)
{
    return !bloom_has(&s->keys, key64_of(key));
}
