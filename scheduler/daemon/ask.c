/* Questions to the store. A question waits for the filling batch, so that the asker sees what it
 * wrote before; how many each principal may have open is bounded. */
#include "scheduler/daemon/daemon.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

enum { ASKS_MAX = 8192, ASKS_OF_ONE_MAX = 2048, STORE_US_MAX = 5000 };

struct open_ask { /* what the store's query carries */
    struct ask ask;
    void (*free_data)(void *data);
};

size_t ask_count(const struct daemon *d, struct principal_id p)
{
    const size_t *n = map_find(&d->asks_of, p.v);
    return n ? *n : 0;
}

static void count_ask(struct daemon *d, struct principal_id p)
{
    size_t *n = map_find(&d->asks_of, p.v);
    if (n == NULL) {
        n = CQ_NEW(size_t);
        map_put(&d->asks_of, p.v, n);
    }
    d->n_asks++;
    if (++*n >= QUESTIONS_WITH_STORE)
        askers_stop(&d->askers, p.v);
}

static void uncount_ask(struct daemon *d, struct principal_id p)
{
    size_t *n = map_find(&d->asks_of, p.v);
    d->n_asks--;
    if (--*n < QUESTIONS_WITH_STORE)
        askers_go_on(&d->askers, p.v);
    if (*n == 0)
        free(map_remove(&d->asks_of, p.v));
}

static void enqueue(struct daemon *d, struct store_query *q)
{
    if (d->n_dirty == 0 && store_batch_is_empty(d->filling)) {
        store_ask(d->store, q);
        return;
    }
    q->next = NULL;
    if (d->held == NULL)
        d->held_last = &d->held;
    *d->held_last = q;
    d->held_last = &q->next;
}

void ask_release_held(struct daemon *d)
{
    struct store_query *q = d->held;
    d->held = NULL;
    while (q != NULL) {
        struct store_query *next = q->next;
        store_ask(d->store, q);
        q = next;
    }
}

bool ask_has_room(const struct daemon *d, const struct asker *a)
{
    return d->n_asks < ASKS_MAX && ask_count(d, a->who.id) < ASKS_OF_ONE_MAX;
}

bool ask_store(struct daemon *d, const struct asker *a, struct store_query *q, ask_done_fn done,
               bool shape_only, void *data, void (*free_data)(void *data))
{
    if (!ask_has_room(d, a)) {
        struct cq_err err = {0};
        (void)cq_fail(&err, CQ_E_FULL, "too many questions at once; try again");
        reply_error(d, a, &err);
        store_query_free(q);
        if (free_data != NULL)
            free_data(data);
        return false;
    }
    struct open_ask *o = CQ_NEW(struct open_ask);
    o->ask = (struct ask){.asker = *a, .done = done, .shape_only = shape_only, .data = data};
    o->free_data = free_data;
    q->owner = o;
    count_ask(d, a->who.id);
    enqueue(d, q);
    return true;
}

/* What belongs to a submit, or makes a backup, is no question; a long report is read in pieces
 * between batches, and counts as one of them. */
static int64_t cost_of(const struct store_query *q, int64_t here_us)
{
    if (q->kind == QUERY_KEY || q->kind == QUERY_BACKUP)
        return 0;
    return here_us + (q->took_us < STORE_US_MAX ? q->took_us : STORE_US_MAX);
}

void ask_answered(struct daemon *d, struct store_query *q)
{
    struct open_ask *o = q->owner;
    struct principal_id who = o->ask.asker.who.id;
    int64_t from_us = clock_thread_us();
    uncount_ask(d, o->ask.asker.who.id);
    struct principal_view now;
    if (core_view_principal(d->core, o->ask.asker.who.id, &now) && !now.revoked) {
        o->ask.asker.who = now;
        o->ask.done(d, &o->ask, q);
    } else if (o->free_data != NULL) {
        o->free_data(o->ask.data); /* a revoked key gets nothing, not even an error */
    }
    askers_charge(&d->askers, who.v, cost_of(q, clock_thread_us() - from_us));
    store_query_free(q);
    free(o);
}
