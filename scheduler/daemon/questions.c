/* Questions of clients, answered behind the work: those that find no credit wait here as they came,
 * and are looked at again at the ends of turns. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

struct held_frame {
    struct question question; /* of the principal */
    struct zpeer peer;
    size_t bytes;
    char data[];
};

void questions_answer(struct daemon *d, const struct asker *a, client_handler handler,
                      struct msg *m)
{
    int64_t from_us = clock_thread_us();
    uint64_t who = a->who.id.v;
    handler(d, a, m);
    askers_charge(&d->askers, who, clock_thread_us() - from_us);
}

bool questions_are_free(struct daemon *d, const struct asker *a)
{
    return ask_count(d, a->who.id) < QUESTIONS_WITH_STORE
           && askers_are_free(&d->askers, loop_now(d->loop).mono_us);
}

void questions_hold(struct daemon *d, const struct asker *a, const void *data, size_t bytes)
{
    struct held_frame *f = cq_malloc(sizeof *f + bytes);
    *f = (struct held_frame){.question = {.asker = a->who.id.v, .bytes = sizeof *f + bytes},
                             .peer = a->peer};
    f->bytes = bytes;
    memcpy(f->data, data, bytes);
    if (askers_put(&d->askers, &f->question))
        return;
    free(f);
    reply_behind(d, a);
}

static struct question *next(struct daemon *d)
{
    return d->is_stopping ? askers_take_any(&d->askers) : askers_take(&d->askers, clock_mono_us());
}

void questions_serve(struct daemon *d)
{
    struct question *q;
    while ((q = next(d)) != NULL) {
        struct held_frame *f = (struct held_frame *)q;
        client_on_held(d, &f->peer, (struct principal_id){q->asker}, f->data, f->bytes);
        free(f);
    }
    loop_timer_set(d->question_timer, askers_next_us(&d->askers, clock_mono_us()));
}

/* Its turn's end does the work. */
void questions_on_timer(void *daemon)
{
    (void)daemon;
}
