/* common/net/zsock.h on a simulated network. */
#include "tests/simtest/network.h"

#include "common/base/pure/mem.h"
#include "common/net/zap.h"
#include "common/wire/message.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/loop.h"
#include "tests/simtest/rules.h"

enum {
    LATENCY_US = 400,
    RETRY_MIN_US = 100 * 1000,
    RETRY_MAX_US = 5 * 1000 * 1000,
    NOTICE_MIN_US = 10 * 1000 * 1000, /* ZeroMQ's heartbeat finds that the other side is silent */
    NOTICE_MAX_US = 20 * 1000 * 1000,
    HANDSHAKE_US = 30 * 1000 * 1000,
    LATE_US = 3 * 1000 * 1000,
};

enum item_kind { ITEM_CONNECT, ITEM_STATE, ITEM_DATA };

struct item { /* waits in a socket's inbox, is on its way, or is held by a cut */
    struct item *next;
    struct conn *conn;
    enum item_kind kind;
    enum zsock_state state;
    bool is_up, is_late;
    size_t bytes;
    char data[];
};

struct items {
    struct item *first, **last;
};

struct conn {
    uint64_t id;
    size_t line;
    struct zsock *client; /* NULL: closed */
    struct proc *client_proc;
    const char *domain;
    char user_id[ZAP_USER_ID_BYTES];
    bool is_open, is_broken, is_lossy, server_knows;
    int64_t last_up_us, last_down_us;
    struct items held_up, held_down;
};

struct zsock {
    struct loop *loop;
    struct loop_part *part;
    struct proc *proc;
    struct items inbox; /* in the world's heap */
    zsock_message_fn on_message;
    zsock_state_fn on_state;
    void *arg;
    bool is_server;
    const char *domain;
    struct curve_key key;
    struct conn *conn;
    int64_t retry_us, retry_at_us;
    uint64_t generation;
    bool is_closed;
};

struct zap {
    struct loop *loop;
    zap_check_fn check;
    void *arg;
};

static struct {
    struct conn **conns;
    size_t n, cap;
    struct zsock *servers[2];
    struct zap *zap;
    struct {
        bool up, down;
        int64_t until_us;
    } cut[LINES_MAX];
    struct {
        struct proc *proc;
        size_t line;
    } * hosts;
    size_t n_hosts, cap_hosts;
} net;

/* The sockets of clients, by a number that is used once. */
static struct {
    struct zsock **list;
    size_t n, cap;
    uint64_t last_generation;
} clients;

void network_reset(void)
{
    memset(&net, 0, sizeof net);
    memset(&clients, 0, sizeof clients);
}

static void *world_new(size_t bytes)
{
    struct heap *old = heap_enter(&sim.world);
    void *p = cq_calloc(1, bytes);
    heap_leave(old);
    return p;
}

void network_set_line(struct proc *p, size_t line)
{
    struct heap *old = heap_enter(&sim.world);
    cq_grow(&net.hosts, &net.cap_hosts, net.n_hosts);
    heap_leave(old);
    net.hosts[net.n_hosts].proc = p;
    net.hosts[net.n_hosts++].line = line;
}

static size_t line_of(const struct proc *p)
{
    for (size_t i = 0; i < net.n_hosts; i++)
        if (net.hosts[i].proc == p)
            return net.hosts[i].line;
    abort();
}

/* ---- queues ---- */

static void push(struct items *q, struct item *i)
{
    if (q->first == NULL)
        q->last = &q->first;
    i->next = NULL;
    *q->last = i;
    q->last = &i->next;
}

static struct item *pop(struct items *q)
{
    struct item *i = q->first;
    if (i)
        q->first = i->next;
    return i;
}

static void drop_all(struct items *q)
{
    for (struct item *i; (i = pop(q)) != NULL;)
        free(i);
}

static struct item *item_new(struct conn *c, enum item_kind kind, const void *data, size_t bytes)
{
    struct item *i = world_new(sizeof *i + bytes);
    i->conn = c;
    i->kind = kind;
    i->bytes = bytes;
    if (bytes)
        memcpy(i->data, data, bytes);
    return i;
}

/* ---- on the way ---- */

static struct zsock *server_of(const struct conn *c)
{
    return net.servers[strcmp(c->domain, "worker") == 0];
}

static void arrive(void *arg, uint64_t n);

static void put_in(struct zsock *z, struct item *i)
{
    push(&z->inbox, i);
    proc_wake_soon(z->proc);
}

/* What was on its way when the connection broke is lost, or comes late. */
static bool is_lost(struct item *i)
{
    struct conn *c = i->conn;
    if (!c->is_broken || i->kind != ITEM_DATA || i->is_late)
        return false;
    if (c->is_lossy || dice_chance(500))
        return true;
    i->is_late = true;
    int64_t delay_us = i->is_up ? dice_between(1, LATE_US) : dice_between(1, 5 * MS);
    int64_t *last_us = i->is_up ? &c->last_up_us : &c->last_down_us;
    if (sim.now_us + delay_us > *last_us)
        *last_us = sim.now_us + delay_us;
    event_at(*last_us, arrive, i, 0);
    return false;
}

static void arrive(void *arg, uint64_t n)
{
    struct item *i = arg;
    struct conn *c = i->conn;
    bool was_late = i->is_late;
    (void)n;
    if (is_lost(i)) {
        free(i);
        return;
    }
    if (i->is_late && !was_late)
        return; /* it comes again */
    if (!c->is_broken && (i->is_up ? net.cut[c->line].up : net.cut[c->line].down)) {
        push(i->is_up ? &c->held_up : &c->held_down, i);
        return;
    }
    struct zsock *z = i->is_up ? server_of(c) : c->client;
    if (z == NULL || z->is_closed || (!i->is_up && z->conn != c && !i->is_late)) {
        free(i);
        return;
    }
    put_in(z, i);
}

static void send_item(struct item *i, bool is_up)
{
    int64_t *last_us = is_up ? &i->conn->last_up_us : &i->conn->last_down_us;
    int64_t at_us = sim.now_us + dice_span(LATENCY_US);
    i->is_up = is_up;
    *last_us = at_us > *last_us ? at_us : *last_us; /* nothing overtakes */
    event_at(*last_us, arrive, i, 0);
}

/* ---- connections ---- */

static struct conn *conn_new(struct zsock *z)
{
    struct conn *c = world_new(sizeof *c);
    struct heap *old = heap_enter(&sim.world);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&net.conns, &net.cap, net.n);
    heap_leave(old);
    net.conns[net.n++] = c;
    c->id = net.n;
    c->client = z;
    c->client_proc = z->proc;
    c->line = line_of(z->proc);
    c->domain = z->domain;
    return c;
}

static void tell_state(struct conn *c, enum zsock_state state)
{
    struct item *i = item_new(c, ITEM_STATE, NULL, 0);
    i->state = state;
    if (c->client && !c->client->is_closed)
        put_in(c->client, i);
    else
        free(i);
}

static void try_connect(void *arg, uint64_t n);

static void retry_later(struct zsock *z, int64_t delay_us)
{
    z->retry_at_us = sim.now_us + delay_us;
    event_at(z->retry_at_us, try_connect, NULL, z->generation);
}

static void notice_client(void *arg, uint64_t n)
{
    struct conn *c = arg;
    (void)n;
    struct zsock *z = c->client;
    if (z == NULL || z->is_closed || z->conn != c)
        return;
    z->conn = NULL;
    if (c->is_open)
        tell_state(c, ZSOCK_DISCONNECTED);
    z->retry_us = RETRY_MIN_US;
    retry_later(z, dice_between(RETRY_MIN_US / 2, RETRY_MIN_US * 2));
}

static void notice_server(void *arg, uint64_t n)
{
    (void)n;
    ((struct conn *)arg)->server_knows = true;
}

static void break_conn(struct conn *c, bool is_silent)
{
    if (c->is_broken)
        return;
    note("conn.break", c->id, c->line, is_silent, 0);
    c->is_broken = true;
    c->is_lossy = dice_chance(700);
    drop_all(&c->held_up);
    drop_all(&c->held_down);
    int64_t least = is_silent ? NOTICE_MIN_US : 0, most = is_silent ? NOTICE_MAX_US : 200 * MS;
    event_in(dice_between(least, most), notice_client, c, 0);
    event_in(dice_between(least, most), notice_server, c, 0);
}

static void on_handshake_late(void *arg, uint64_t n)
{
    struct conn *c = arg;
    (void)n;
    if (!c->is_open && !c->is_broken)
        break_conn(c, false);
}

static struct zsock *find_client(uint64_t generation)
{
    for (size_t i = 0; i < clients.n; i++)
        if (clients.list[i]->generation == generation)
            return clients.list[i];
    return NULL;
}

static void try_connect(void *arg, uint64_t n)
{
    struct zsock *z = find_client(n);
    (void)arg;
    if (z == NULL || z->is_closed || z->conn || z->retry_at_us != sim.now_us)
        return;
    size_t line = line_of(z->proc);
    bool is_cut = net.cut[line].up || net.cut[line].down;
    struct conn *c = conn_new(z);
    if (is_cut || server_of(c) == NULL) {
        c->is_broken = true;
        if (!is_cut)
            tell_state(c, ZSOCK_RETRYING);
        z->retry_us = z->retry_us * 2 > RETRY_MAX_US ? RETRY_MAX_US : z->retry_us * 2;
        retry_later(z, z->retry_us / 2 + dice_between(0, z->retry_us / 2));
        return;
    }
    z->conn = c;
    send_item(item_new(c, ITEM_CONNECT, NULL, 0), true);
    event_in(HANDSHAKE_US, on_handshake_late, c, 0);
}

static void on_cut_over(void *arg, uint64_t line)
{
    (void)arg;
    if (net.cut[line].until_us > sim.now_us || !(net.cut[line].up || net.cut[line].down))
        return;
    note("cut.over", line, 0, 0, 0);
    net.cut[line].up = net.cut[line].down = false;
    for (size_t k = 0; k < net.n; k++) {
        struct conn *c = net.conns[k];
        if (c->line != line || c->is_broken)
            continue;
        for (struct item *i; (i = pop(&c->held_up)) != NULL;)
            send_item(i, true);
        for (struct item *i; (i = pop(&c->held_down)) != NULL;)
            send_item(i, false);
    }
}

static void on_cut_noticed(void *arg, uint64_t n)
{
    struct conn *c = arg;
    (void)n;
    if (net.cut[c->line].up || net.cut[c->line].down)
        break_conn(c, false);
}

void network_cut(size_t line, bool up, bool down, int64_t until_us)
{
    note("cut", line, up, down, (uint64_t)(until_us - sim.now_us));
    net.cut[line].up |= up;
    net.cut[line].down |= down;
    if (until_us > net.cut[line].until_us)
        net.cut[line].until_us = until_us;
    event_at(until_us, on_cut_over, NULL, line);
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->line == line && !net.conns[k]->is_broken)
            event_in(dice_between(NOTICE_MIN_US, NOTICE_MAX_US), on_cut_noticed, net.conns[k], 0);
}

void network_break(size_t line, bool is_silent)
{
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->line == line)
            break_conn(net.conns[k], is_silent);
}

void network_lose(size_t line)
{
    network_break(line, true);
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->line == line)
            net.conns[k]->is_lossy = true;
}

void network_server_died(bool is_silent)
{
    net.servers[0] = net.servers[1] = NULL;
    net.zap = NULL;
    for (size_t k = 0; k < net.n; k++) {
        break_conn(net.conns[k], is_silent);
        net.conns[k]->is_lossy = true;
        net.conns[k]->server_knows = true;
    }
}

static void forget_client(struct zsock *z)
{
    for (size_t i = 0; i < clients.n; i++)
        if (clients.list[i] == z)
            clients.list[i--] = clients.list[--clients.n];
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->client == z) {
            net.conns[k]->client = NULL;
            break_conn(net.conns[k], false);
        }
}

void network_client_died(struct proc *p)
{
    for (size_t i = 0; i < clients.n; i++)
        if (clients.list[i]->proc == p) {
            drop_all(&clients.list[i]->inbox);
            forget_client(clients.list[i]);
            i = (size_t)-1;
        }
}

void network_heal(void)
{
    for (size_t line = 0; line < LINES_MAX; line++) {
        net.cut[line].until_us = sim.now_us;
        on_cut_over(NULL, line);
    }
}

/* ---- zsock.h ---- */

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
    break_conn(arg, false);
}

static void take_connect(struct conn *c)
{
    uint8_t key[CURVE_KEY_BYTES];
    struct item *i = item_new(c, ITEM_STATE, NULL, 0);
    bool is_known = net.zap && c->client && curve_z85_decode(c->client->key.public_key, key)
                    && net.zap->check(net.zap->arg, c->domain, key, c->user_id);
    i->state = is_known ? ZSOCK_CONNECTED : ZSOCK_REFUSED;
    c->is_open = is_known;
    send_item(i, false);
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
    for (int n = 0; n < LOOP_BATCH && !z->is_closed; n++) {
        struct item *i = pop(&z->inbox);
        if (i == NULL)
            return false;
        take(z, i);
        free(i);
    }
    return z->inbox.first != NULL && !z->is_closed;
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
    cq_grow(&clients.list, &clients.cap, clients.n);
    heap_leave(old);
    z->generation = ++clients.last_generation;
    clients.list[clients.n++] = z;
}

struct zsock *zsock_client_new(struct loop *l, const struct zsock_client_options *o,
                               struct cq_err *err)
{
    (void)err;
    struct zsock *z = zsock_open(l, o->on_message, o->arg);
    z->on_state = o->on_state;
    z->key = *o->key;
    z->domain = strcmp(o->key->role, "worker") == 0 ? "worker" : "client";
    z->retry_us = RETRY_MIN_US;
    add_client(z);
    retry_later(z, dice_between(1, 2 * MS));
    return z;
}

void zsock_reconnect(struct zsock *z)
{
    if (z->conn)
        break_conn(z->conn, false);
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->client == z)
            net.conns[k]->client = NULL;
    drop_all(&z->inbox);
    z->conn = NULL;
    z->retry_us = RETRY_MIN_US;
    retry_later(z, dice_between(1, 2 * MS));
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
    send_item(item_new(c, ITEM_DATA, data, bytes), !z->is_server);
    return ZSOCK_SENT;
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
    drop_all(&z->inbox);
    loop_part_close(z->part);
    if (z->is_server)
        net.servers[strcmp(z->domain, "worker") == 0] = NULL;
    else
        forget_client(z);
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
