/* When a client's request is heard: at once, when its enterprise has its part of a batch again, or
 * not at all. intake.c decides. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "scheduler/daemon/intake.h"

#include <inttypes.h>

enum { /* reading what is refused costs, too: so much is read, for so long its sender waits */
       REFUSED_BYTES_PER_US = 500,
       REFUSED_US = 20,
       PAUSE_US = 100, /* shorter ones are not worth it */
       REFUSALS_MAX = 16384,
       /* who is told asks again, and is read again: told after so long, and no faster than this */
       REFUSAL_US = 1000000,
       REFUSAL_BYTES_PER_US = 2,
       REFUSAL_MAX_US = 20000000, /* a client's patience is half as much again */
};

struct kept {                /* a request whose turn it is not yet */
    struct intake_item item; /* first */
    struct zpeer peer;
    char user_id[24]; /* a number: see session_on_connect */
    size_t bytes;
    char data[];
};

struct refusal { /* not told yet */
    struct refusal *next;
    int64_t at_us;
    struct zpeer peer;
    uint64_t request;
};

struct hearing {
    struct intake *intake;
    struct loop_timer *paid, *deaf, *refuse;
    int64_t deaf_until_us; /* no client is read before */
    struct refusal *first, **last;
    int64_t refusal_us; /* when the last of them will be told */
    size_t n_refusals;
};

/* ---- refused ---- */

static void tell_refusal(struct daemon *d, const struct zpeer *peer, uint64_t request)
{
    struct msg m = {.code = MSG_ERROR, .request = request};
    m.u.error.code = CQ_E_FULL;
    m.u.error.text = "too much that your enterprise asked for waits; try again";
    send_now(d, PORT_CLIENT, peer, &m);
}

static void pop_refusal(struct hearing *h)
{
    struct refusal *r = h->first;
    h->first = r->next;
    if (h->first == NULL)
        h->last = &h->first;
    h->n_refusals--;
    free(r);
}

static void on_refuse(void *daemon)
{
    struct daemon *d = daemon;
    struct hearing *h = d->hearing;
    for (; h->first != NULL && h->first->at_us <= loop_now(d->loop).mono_us; pop_refusal(h))
        tell_refusal(d, &h->first->peer, h->first->request);
    if (h->first != NULL)
        loop_timer_set(h->refuse, h->first->at_us);
}

static int64_t refusal_us(struct hearing *h, int64_t now_us, size_t bytes)
{
    int64_t at_us = h->refusal_us + (int64_t)(bytes / REFUSAL_BYTES_PER_US);
    if (at_us < now_us + REFUSAL_US)
        at_us = now_us + REFUSAL_US;
    if (at_us > now_us + REFUSAL_MAX_US)
        at_us = now_us + REFUSAL_MAX_US;
    h->refusal_us = at_us;
    return at_us;
}

static void refuse(struct daemon *d, const struct zpeer *peer, const void *data, size_t bytes)
{
    struct hearing *h = d->hearing;
    int64_t now_us = loop_now(d->loop).mono_us;
    uint64_t request = msg_request_of(data, bytes);
    if (h->deaf_until_us < now_us)
        h->deaf_until_us = now_us;
    h->deaf_until_us += (int64_t)(bytes / REFUSED_BYTES_PER_US) + REFUSED_US;
    if (request == 0)
        return;
    if (h->n_refusals >= REFUSALS_MAX) {
        tell_refusal(d, peer, request);
        return;
    }
    struct refusal *r = CQ_NEW(struct refusal);
    *r = (struct refusal){.at_us = refusal_us(h, now_us, bytes), .peer = *peer, .request = request};
    if (h->first == NULL)
        loop_timer_set(h->refuse, r->at_us);
    *h->last = r;
    h->last = &r->next;
    h->n_refusals++;
}

/* ---- kept ---- */

static void keep(struct daemon *d, const struct principal_view *who, const struct zpeer *peer,
                 const void *data, size_t bytes)
{
    struct kept *k = cq_malloc(sizeof *k + bytes);
    *k = (struct kept){.item = {.bytes = sizeof *k + bytes}, .peer = *peer, .bytes = bytes};
    (void)snprintf(k->user_id, sizeof k->user_id, "%" PRIu64, who->id.v);
    memcpy(k->data, data, bytes);
    intake_park(d->hearing->intake, who->enterprise.v, &k->item);
}

/* A batch waits for room on the disk, and everybody is told so at once. */
static bool hears_all(const struct daemon *d)
{
    return space_is_none(d);
}

/* Reads on, or not: then what comes stays in the network. */
static void listen_or_not(struct daemon *d)
{
    struct hearing *h = d->hearing;
    bool is_deaf = h->deaf_until_us - loop_now(d->loop).mono_us > PAUSE_US;
    if (is_deaf)
        loop_timer_set(h->deaf, h->deaf_until_us);
    if (d->ports[PORT_CLIENT] != NULL)
        zsock_pause(d->ports[PORT_CLIENT], is_deaf || intake_is_full(h->intake));
}

static void on_deaf(void *daemon)
{
    listen_or_not(daemon);
}

/* May those who wait be heard now, or do they wait for others to begin a batch? */
static bool may_hear(struct daemon *d)
{
    return !store_batch_is_empty(d->filling) || hears_all(d)
           || intake_opens_us(d->hearing->intake) <= loop_now(d->loop).mono_us;
}

void hearing_go_on(struct daemon *d)
{
    struct kept *k;
    while (intake_waits(d->hearing->intake) && may_hear(d)
           && (k = (struct kept *)intake_next(d->hearing->intake, hears_all(d))) != NULL) {
        client_hear(d, &k->peer, k->user_id, k->data, k->bytes);
        free(k);
    }
    listen_or_not(d);
}

void client_on_message(void *daemon, const struct zpeer *peer, const char *user_id,
                       const void *data, size_t bytes)
{
    struct daemon *d = daemon;
    struct principal_view who;
    enum intake_way way = INTAKE_NOW; /* of a stranger: he is told so */
    if (session_find(d, user_id, PORT_CLIENT, &who) && !hears_all(d))
        way = intake_way(d->hearing->intake, who.enterprise.v);
    if (way == INTAKE_NOW) {
        client_hear(d, peer, user_id, data, bytes);
        return;
    }
    if (way == INTAKE_LATER)
        keep(d, &who, peer, data, bytes);
    else
        refuse(d, peer, data, bytes);
    listen_or_not(d);
}

/* ---- batches ---- */

/* Questions add nothing to a batch, and platform admins are no enterprise: they are always heard.
 */
void hearing_charge(struct daemon *d, uint64_t enterprise, uint64_t records, size_t bytes)
{
    if (records > 0 && enterprise != 0)
        intake_charge(d->hearing->intake, enterprise, records * INTAKE_RECORD + bytes,
                      loop_now(d->loop).mono_us);
}

static void on_paid(void *daemon)
{
    (void)daemon; /* the turn's end hears who waits */
}

static void come_again(struct daemon *d, int64_t at_us)
{
    if (at_us <= loop_now(d->loop).mono_us)
        loop_again(d->loop);
    else
        loop_timer_set(d->hearing->paid, at_us);
}

void hearing_new_batch(struct daemon *d)
{
    int64_t now_us = loop_now(d->loop).mono_us;
    intake_new_batch(d->hearing->intake, now_us);
    if (intake_waits(d->hearing->intake) && intake_opens_us(d->hearing->intake) <= now_us)
        come_again(d, now_us);
}

void hearing_batch_ended(struct daemon *d)
{
    intake_batch_ended(d->hearing->intake, loop_now(d->loop).mono_us);
}

void hearing_idle(struct daemon *d)
{
    int64_t paid_us = intake_pay(d->hearing->intake, loop_now(d->loop).mono_us);
    int64_t opens_us = intake_opens_us(d->hearing->intake);
    come_again(d, paid_us > opens_us ? paid_us : opens_us);
}

/* ---- life ---- */

struct hearing *hearing_new(struct daemon *d)
{
    struct hearing *h = CQ_NEW(struct hearing);
    h->intake = intake_new();
    h->last = &h->first;
    h->paid = loop_timer_new(d->loop, on_paid, d);
    h->deaf = loop_timer_new(d->loop, on_deaf, d);
    h->refuse = loop_timer_new(d->loop, on_refuse, d);
    return h;
}

static void free_item(struct intake_item *item)
{
    free(item);
}

void hearing_free(struct hearing *h)
{
    if (h == NULL)
        return;
    while (h->first != NULL)
        pop_refusal(h);
    intake_free(h->intake, free_item);
    loop_timer_close(h->paid);
    loop_timer_close(h->deaf);
    loop_timer_close(h->refuse);
    free(h);
}
