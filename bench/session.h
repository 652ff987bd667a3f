/* The load generator's connection: one session with chipqd, on which many requests are under way at
 * once. The command line's client (common/client/net_client.h) asks one thing at a time; a load
 * generator must not. Everything goes over the public wire. Nothing is sent again: a lost
 * connection ends the measurement. */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "common/net/curve.h"
#include "common/wire/message.h"

struct session;

/* Connects with the key in `key_path` and says HELLO. Errors as net_client_connect. Caller closes.
 */
struct session *session_open(const char *key_path, struct cq_err *err) CQ_MUST_CHECK;
/* The same with a key that is in memory: its secret, its server, its endpoint. */
struct session *session_open_key(const struct curve_key *key, struct cq_err *err) CQ_MUST_CHECK;
void session_close(struct session *s); /* accepts NULL */

int64_t session_server_pid(const struct session *s);

/* One request, one answer. An ERROR answer becomes `err`. Caller releases `reply`. Blocks, at most
 * 60 s. */
int session_call(struct session *s, const struct msg *req, struct msg *reply,
                 struct cq_err *err) CQ_MUST_CHECK;

/* `n` requests with at most `window` unanswered. `make` fills request i (its texts must live until
 * it returns to be called again or the call ends); `take` gets its answer, never an ERROR: that
 * ends the call with `err`. Answers may come in any order. Blocks until the last one. */
struct session_pipeline {
    size_t n, window;
    void (*make)(void *arg, size_t i, struct msg *req);
    void (*take)(void *arg, size_t i, const struct msg *reply);
    void *arg;
};
int session_run(struct session *s, const struct session_pipeline *p,
                struct cq_err *err) CQ_MUST_CHECK;

/* Blocks until all these jobs (1..1000) have ended; learns it from WATCH's events. */
int session_wait(struct session *s, const uint64_t *numbers, size_t n,
                 struct cq_err *err) CQ_MUST_CHECK;

#endif
