/* The simulated network: lines, connections, and what is on its way. */
#include "tests/simtest/network_internal.h"

#include "common/base/pure/mem.h"
#include "tests/simtest/loop.h"

enum {
    LATENCY_US = 400,
    RETRY_MIN_US = 100 * 1000,
    RETRY_MAX_US = 5 * 1000 * 1000,
    NOTICE_MIN_US = 10 * 1000 * 1000, /* ZeroMQ's heartbeat finds that the other side is silent */
    NOTICE_MAX_US = 20 * 1000 * 1000,
    HANDSHAKE_US = 30 * 1000 * 1000,
    LATE_US = 3 * 1000 * 1000,
};

struct net net;
struct net_clients net_clients;

void network_reset(void)
{
    memset(&net, 0, sizeof net);
    memset(&net_clients, 0, sizeof net_clients);
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

void items_push(struct items *q, struct item *i)
{
    if (q->first == NULL)
        q->last = &q->first;
    i->next = NULL;
    *q->last = i;
    q->last = &i->next;
}

struct item *items_pop(struct items *q)
{
    struct item *i = q->first;
    if (i)
        q->first = i->next;
    return i;
}

void items_drop(struct items *q)
{
    for (struct item *i; (i = items_pop(q)) != NULL;)
        free(i);
}

struct item *item_new(struct conn *c, enum item_kind kind, const void *data, size_t bytes)
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
    items_push(&z->inbox, i);
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
        items_push(i->is_up ? &c->held_up : &c->held_down, i);
        return;
    }
    struct zsock *z = i->is_up ? server_of(c) : c->client;
    if (z == NULL || z->is_closed || (!i->is_up && z->conn != c && !i->is_late)) {
        free(i);
        return;
    }
    put_in(z, i);
}

void item_send(struct item *i, bool is_up)
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

void connect_later(struct zsock *z, int64_t delay_us)
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
    connect_later(z, dice_between(RETRY_MIN_US / 2, RETRY_MIN_US * 2));
}

static void notice_server(void *arg, uint64_t n)
{
    (void)n;
    ((struct conn *)arg)->server_knows = true;
}

void conn_break(struct conn *c, bool is_silent)
{
    if (c->is_broken)
        return;
    note("conn.break", c->id, c->line, is_silent, 0);
    c->is_broken = true;
    c->is_lossy = dice_chance(700);
    items_drop(&c->held_up);
    items_drop(&c->held_down);
    int64_t least = is_silent ? NOTICE_MIN_US : 0, most = is_silent ? NOTICE_MAX_US : 200 * MS;
    event_in(dice_between(least, most), notice_client, c, 0);
    event_in(dice_between(least, most), notice_server, c, 0);
}

static void on_handshake_late(void *arg, uint64_t n)
{
    struct conn *c = arg;
    (void)n;
    if (!c->is_open && !c->is_broken)
        conn_break(c, false);
}

static struct zsock *find_client(uint64_t generation)
{
    for (size_t i = 0; i < net_clients.n; i++)
        if (net_clients.list[i]->generation == generation)
            return net_clients.list[i];
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
        z->retry_us = z->retry_us < RETRY_MIN_US ? RETRY_MIN_US : z->retry_us;
        connect_later(z, z->retry_us / 2 + dice_between(0, z->retry_us / 2));
        return;
    }
    z->conn = c;
    item_send(item_new(c, ITEM_CONNECT, NULL, 0), true);
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
        for (struct item *i; (i = items_pop(&c->held_up)) != NULL;)
            item_send(i, true);
        for (struct item *i; (i = items_pop(&c->held_down)) != NULL;)
            item_send(i, false);
    }
}

static void on_cut_noticed(void *arg, uint64_t n)
{
    struct conn *c = arg;
    (void)n;
    if (net.cut[c->line].up || net.cut[c->line].down)
        conn_break(c, false);
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
            conn_break(net.conns[k], is_silent);
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
        conn_break(net.conns[k], is_silent);
        net.conns[k]->is_lossy = true;
        net.conns[k]->server_knows = true;
    }
}

void network_forget(struct zsock *z)
{
    for (size_t i = 0; i < net_clients.n; i++)
        if (net_clients.list[i] == z)
            net_clients.list[i--] = net_clients.list[--net_clients.n];
    for (size_t k = 0; k < net.n; k++)
        if (net.conns[k]->client == z) {
            net.conns[k]->client = NULL;
            conn_break(net.conns[k], false);
        }
}

void network_client_died(struct proc *p)
{
    for (size_t i = 0; i < net_clients.n; i++)
        if (net_clients.list[i]->proc == p) {
            items_drop(&net_clients.list[i]->inbox);
            network_forget(net_clients.list[i]);
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
