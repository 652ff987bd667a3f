/* common/net/zsock.h and zap.h on the simulated network. */
#include "tests/simtest/network_internal.h"

#include "common/base/pure/mem.h"
#include "common/wire/message.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/loop.h"
#include "tests/simtest/rules.h"

bool zpeer_equal(const struct zpeer *a, const struct zpeer *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint64_t zpeer_hash(const struct zpeer *p)
{
    uint64_t id;
    memcpy(&id, p->bytes, sizeof id);
    return id;
}

static struct zpeer peer_of(const struct conn *c)
{
    struct zpeer p = {.len = sizeof c->id};
    memcpy(p.bytes, &c->id, sizeof c->id);
    return p;
}

static void on_early_break(void *arg, uint64_t n)
{
    (void)n;
    conn_break(arg, false);
}

static void take_connect(struct conn *c)
{
    uint8_t key[CURVE_KEY_BYTES];
    struct item *i = item_new(c, ITEM_STATE, NULL, 0);
    bool is_known = net.zap && c->client && curve_z85_decode(c->client->key.public_key, key)
                    && net.zap->check(net.zap->arg, c->domain, key, c->user_id);
    i->state = is_known ? ZSOCK_CONNECTED : ZSOCK_REFUSED;
    c->is_open = is_known;
    item_send(i, false);
    if (!sim.is_healed && dice_chance(20)) /* just when the first words are on their way */
        event_in(dice_between(1, 4 * MS), on_early_break, c, 0);
}

/* Third byte of a frame, after the array's head and the version. Heartbeats would fill the ring. */
static void note_message(const struct item *i)
{
    enum msg_code code = i->bytes > 2 ? (enum msg_code)(unsigned char)i->data[2] : MSG_NONE;
    note_bytes(i->data, i->bytes);
    if (code != MSG_HEARTBEAT && code != MSG_HEARTBEAT_ACK)
        note(msg_code_name(code), i->conn->line, i->conn->id, i->bytes, i->is_late);
    struct msg m = {0};
    if (code != MSG_ATTEMPT_ACK || msg_decode(i->data, i->bytes, &m, NULL) != 0)
        return;
    rules_acknowledged(&m.u.attempt_ack);
    msg_fini(&m);
}

static void take_data(struct zsock *z, struct item *i)
{
    struct zpeer peer = peer_of(i->conn);
    struct cq_str changed = {0};
    note_message(i);
    enum wire_break what = breaks_wire(i->data, i->bytes, &changed);
    const char *data = what == WIRE_CHANGED ? changed.data : i->data;
    size_t bytes = what == WIRE_CHANGED ? changed.len : i->bytes;
    if (what != WIRE_LOST)
        z->on_message(z->arg, z->is_server ? &peer : NULL, z->is_server ? i->conn->user_id : NULL,
                      data, bytes);
    cq_str_fini(&changed);
}

static void take(struct zsock *z, struct item *i)
{
    if (i->kind == ITEM_CONNECT) {
        if (!i->conn->is_broken)
            take_connect(i->conn);
    } else if (i->kind == ITEM_DATA)
        take_data(z, i);
    else if (z->on_state && (i->state != ZSOCK_CONNECTED || z->conn == i->conn))
        z->on_state(z->arg, i->state);
}

static bool on_part(void *arg)
{
    struct zsock *z = arg;
    for (int n = 0; n < LOOP_BATCH && !z->is_closed && !z->is_paused; n++) {
        struct item *i = items_pop(&z->inbox);
        if (i == NULL)
            return false;
        take(z, i);
        free(i);
    }
    return z->inbox.first != NULL && !z->is_closed && !z->is_paused;
}

static struct zsock *zsock_open(struct loop *l, zsock_message_fn fn, void *arg)
{
    struct zsock *z = CQ_NEW(struct zsock);
    z->loop = l;
    z->proc = loop_proc(l);
    z->on_message = fn;
    z->arg = arg;
    z->part = loop_part_new(l, on_part, z);
    return z;
}

struct zsock *zsock_server_new(struct loop *l, const struct zsock_server_options *o,
                               struct cq_err *err)
{
    (void)err;
    struct zsock *z = zsock_open(l, o->on_message, o->arg);
    z->is_server = true;
    z->domain = o->zap_domain;
    return z;
}

int zsock_bind(struct zsock *z, const char *endpoint, struct cq_err *err)
{
    (void)endpoint;
    (void)err;
    net.servers[strcmp(z->domain, "worker") == 0] = z;
    return 0;
}

const char *zsock_last_endpoint(const struct zsock *z)
{
    (void)z;
    return "";
}

static void add_client(struct zsock *z)
{
    struct heap *old = heap_enter(&sim.world);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&net_clients.list, &net_clients.cap, net_clients.n);
    heap_leave(old);
    z->generation = ++net_clients.last_generation;
    net_clients.list[net_clients.n++] = z;
}

struct zsock *zsock_client_new(struct loop *l, const struct zsock_client_options *o,
                               struct cq_err *err)
{
    (void)err;
    struct zsock *z = zsock_open(l, o->on_message, o->arg);
    z->on_state = o->on_state;
    z->key = *o->key;
    z->domain = strcmp(o->key->role, "worker") == 0 ? "worker" : "client";
    add_client(z);
    connect_later(z, dice_between(1, 2 * MS));
    return z;
}

void zsock_reconnect(struct zsock *z)
{
    if (z->conn)
        conn_break(z->conn, false);
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->client == z)
            net.conns[k]->client = NULL;
    items_drop(&z->inbox);
    z->conn = NULL;
    z->retry_us = 0;
    connect_later(z, dice_between(1, 2 * MS));
}

enum zsock_sent zsock_send(struct zsock *z, const struct zpeer *peer, const void *data,
                           size_t bytes)
{
    struct conn *c = z->conn;
    if (z->is_server) {
        uint64_t id = zpeer_hash(peer);
        c = id > 0 && id <= net.n ? net.conns[id - 1] : NULL;
        if (c == NULL || c->server_knows)
            return ZSOCK_GONE;
    }
    if (c == NULL || !c->is_open || dice_chance(5))
        return ZSOCK_WOULD_BLOCK;
    if (c->is_broken)
        return ZSOCK_SENT; /* into nowhere */
    item_send(item_new(c, ITEM_DATA, data, bytes), !z->is_server);
    return ZSOCK_SENT;
}

void zsock_pause(struct zsock *z, bool is_paused)
{
    if (z->is_paused && !is_paused)
        loop_again(z->loop);
    z->is_paused = is_paused;
}

uint64_t zsock_dropped(const struct zsock *z)
{
    (void)z;
    return 0;
}

static void free_zsock(void *arg)
{
    free(arg);
}

void zsock_close(struct zsock *z)
{
    if (z == NULL)
        return;
    z->is_closed = true;
    items_drop(&z->inbox);
    loop_part_close(z->part);
    if (z->is_server)
        net.servers[strcmp(z->domain, "worker") == 0] = NULL;
    else
        network_forget(z);
    loop_defer(z->loop, free_zsock, z);
}

/* ---- zap.h ---- */

struct zap *zap_new(struct loop *l, zap_check_fn check, void *arg, struct cq_err *err)
{
    (void)err;
    struct zap *z = CQ_NEW(struct zap);
    *z = (struct zap){.loop = l, .check = check, .arg = arg};
    net.zap = z;
    return z;
}

void zap_close(struct zap *z)
{
    if (z && net.zap == z)
        net.zap = NULL;
    free(z);
}

int zap_self_test(struct loop *l, const char *endpoint, const char *server_public,
                  int64_t timeout_us, struct cq_err *err)
{
    (void)l;
    (void)endpoint;
    (void)server_public;
    (void)timeout_us;
    (void)err;
    return 0;
}
