/* Authentication of every CURVE connection (ZeroMQ RFC 27), in the loop. Without it libzmq lets any
 * key in; so zsock_server_new refuses to make a server on a loop that has no zap yet. */
#ifndef CHIPQ_ZAP_H
#define CHIPQ_ZAP_H

#include "common/net/curve.h"
#include "common/net/loop.h"

struct zap;

enum { ZAP_USER_ID_BYTES = 200 };

/* Asked once a connection. Returns true and fills `user_id` (a C string, not empty, no more than
 * ZAP_USER_ID_BYTES with its NUL) to let the key in; false refuses. `domain` is the server's
 * zap_domain, so that a worker's key can be kept off the clients' socket. A key that is revoked
 * later keeps its connection: every message's user_id must be looked up again (security.md). */
typedef bool (*zap_check_fn)(void *arg, const char *domain,
                             const uint8_t public_key[CURVE_KEY_BYTES], char *user_id);

/* CQ_E_CONFLICT when the loop has one already. */
struct zap *zap_new(struct loop *l, zap_check_fn check, void *arg,
                    struct cq_err *err) CQ_MUST_CHECK;
void zap_close(struct zap *z); /* accepts NULL; from now on every new connection is refused */

uint64_t zap_refused(const struct zap *z); /* connections refused so far */

/* Connects to `endpoint` with a fresh key and returns 0 only if that key was refused, within
 * timeout_us: a server that lets it in must not run. Runs turns of the loop, so it is called before
 * loop_run and loop_on_turn. `server_public` is Z85. */
int zap_self_test(struct loop *l, const char *endpoint, const char *server_public,
                  int64_t timeout_us, struct cq_err *err) CQ_MUST_CHECK;

#endif
