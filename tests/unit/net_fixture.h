/* A server with ZAP on a loop, for the tests of common/net: echoes, counts, or does what `handle`
 * says. Keys: `server`, `ann` (known as acme/ann) and `eve` (unknown). */
#ifndef TEST_NET_FIXTURE_H
#define TEST_NET_FIXTURE_H

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/net/zap.h"
#include "common/net/zsock.h"

#include <criterion/criterion.h>
#include <unistd.h>

struct net_fixture {
    struct loop *loop;
    struct zap *zap;
    struct zsock *server;
    struct curve_key server_key, ann, eve;
    char dir[64], endpoint[128];
    size_t received, failed; /* no assertions in callbacks: Criterion reports each, slowly */
    struct zpeer last_peer;
    char last_user[64];
    struct cq_str last;
    bool echo;
    void (*handle)(struct net_fixture *f, const struct zpeer *peer, const void *data, size_t bytes);
    void *handle_arg;
};

static inline bool fixture_check(void *arg, const char *domain, const uint8_t key[CURVE_KEY_BYTES],
                                 char *user_id)
{
    struct net_fixture *f = arg;
    uint8_t ann[CURVE_KEY_BYTES];
    if (!curve_z85_decode(f->ann.public_key, ann) || memcmp(ann, key, sizeof ann) != 0
        || strcmp(domain, "clients") != 0)
        return false;
    return cq_copy_text(user_id, ZAP_USER_ID_BYTES, "acme/ann");
}

static inline void fixture_message(void *arg, const struct zpeer *peer, const char *user_id,
                                   const void *data, size_t bytes)
{
    struct net_fixture *f = arg;
    f->received++;
    f->last_peer = *peer;
    (void)cq_copy_text(f->last_user, sizeof f->last_user, user_id);
    cq_str_clear(&f->last);
    cq_str_append(&f->last, data, bytes);
    if (f->handle)
        f->handle(f, peer, data, bytes);
    else if (f->echo)
        f->failed += zsock_send(f->server, peer, data, bytes) != ZSOCK_SENT;
}

static inline void fixture_serve(struct net_fixture *f, int send_hwm)
{
    struct cq_err err = {0};
    struct zsock_server_options o = {.key = &f->server_key,
                                     .zap_domain = "clients",
                                     .on_message = fixture_message,
                                     .arg = f,
                                     .send_hwm = send_hwm,
                                     .receive_hwm = send_hwm};
    f->server = zsock_server_new(f->loop, &o, &err);
    cr_assert_not_null(f->server, "%s", err.text);
    cr_assert_eq(zsock_bind(f->server, f->endpoint, &err), 0, "%s", err.text);
}

static inline void fixture_init(struct net_fixture *f)
{
    struct cq_err err = {0};
    *f = (struct net_fixture){0};
    (void)cq_copy_text(f->dir, sizeof f->dir, "/tmp/chipq-test-net-XXXXXX");
    cr_assert_not_null(mkdtemp(f->dir));
    (void)snprintf(f->endpoint, sizeof f->endpoint, "ipc://%s/sock", f->dir);
    cr_assert_eq(curve_key_generate(&f->server_key, &err), 0, "%s", err.text);
    cr_assert_eq(curve_key_generate(&f->ann, &err), 0);
    cr_assert_eq(curve_key_generate(&f->eve, &err), 0);
    struct curve_key *clients[] = {&f->ann, &f->eve};
    for (size_t i = 0; i < 2; i++) {
        memcpy(clients[i]->servers[0], f->server_key.public_key, CURVE_Z85_CHARS + 1);
        clients[i]->n_servers = 1;
        (void)cq_copy_text(clients[i]->endpoint, CURVE_ENDPOINT_BYTES, f->endpoint);
    }
    f->loop = loop_new(&err);
    cr_assert_not_null(f->loop, "%s", err.text);
    f->zap = zap_new(f->loop, fixture_check, f, &err);
    cr_assert_not_null(f->zap, "%s", err.text);
}

static inline void fixture_fini(struct net_fixture *f)
{
    zsock_close(f->server);
    zap_close(f->zap);
    loop_free(f->loop);
    cq_str_fini(&f->last);
    cr_assert_eq(dir_remove(f->dir, NULL), 0);
}

/* A client on the same loop that counts. */
struct net_peer {
    struct zsock *zsock;
    size_t received;
    unsigned states[8]; /* how often each zsock_state came */
    struct cq_str last;
};

static inline void peer_message(void *arg, const struct zpeer *peer, const char *user_id,
                                const void *data, size_t bytes)
{
    struct net_peer *p = arg;
    p->received += peer == NULL && user_id == NULL;
    cq_str_clear(&p->last);
    cq_str_append(&p->last, data, bytes);
}

static inline void peer_state(void *arg, enum zsock_state state)
{
    ((struct net_peer *)arg)->states[state]++;
}

static inline void peer_init(struct net_peer *p, struct loop *l, const struct curve_key *key)
{
    struct cq_err err = {0};
    struct zsock_client_options o = {
        .key = key, .on_message = peer_message, .on_state = peer_state, .arg = p};
    *p = (struct net_peer){0};
    p->zsock = zsock_client_new(l, &o, &err);
    cr_assert_not_null(p->zsock, "%s", err.text);
}

static inline void peer_fini(struct net_peer *p)
{
    zsock_close(p->zsock);
    cq_str_fini(&p->last);
}

/* Turns until `condition` holds; fails after 10 s. */
#define TURN_UNTIL(l, condition)                                 \
    do {                                                         \
        int64_t until_ = clock_mono_us() + 10 * US_PER_S;        \
        while (!(condition) && clock_mono_us() < until_)         \
            loop_turn(l, until_);                                \
        cr_assert(condition, "waited 10 s for: %s", #condition); \
    } while (0)

#endif
