/* What the network (network.c) and the sockets on it (zsock.c) share. All but the sockets lives in
 * the world's heap. */
#ifndef SIMTEST_NETWORK_INTERNAL_H
#define SIMTEST_NETWORK_INTERNAL_H

#include "common/net/zap.h"
#include "tests/simtest/network.h"

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
    bool is_closed, is_paused;
};

struct zap {
    struct loop *loop;
    zap_check_fn check;
    void *arg;
};

struct net {
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
};
extern struct net net;

/* The sockets of clients, by a number that is used once. */
struct net_clients {
    struct zsock **list;
    size_t n, cap;
    uint64_t last_generation;
};
extern struct net_clients net_clients;

struct item *item_new(struct conn *c, enum item_kind kind, const void *data, size_t bytes);
void item_send(struct item *i, bool is_up); /* it arrives later, or never */
void items_push(struct items *q, struct item *i);
struct item *items_pop(struct items *q);
void items_drop(struct items *q);
void conn_break(struct conn *c, bool is_silent);
void connect_later(struct zsock *z, int64_t delay_us);
void network_forget(struct zsock *z); /* it is closed: so are its connections */

#endif
