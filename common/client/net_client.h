/* A blocking client of chipqd for programs that ask and wait (the command line, tests, load
 * generators). One connection; calls are answered in order; not for use inside another loop. */
#ifndef CHIPQ_NET_CLIENT_H
#define CHIPQ_NET_CLIENT_H

#include "common/net/curve.h"
#include "common/wire/message.h"

struct net_client;

struct net_client_options {
    const struct curve_key *key; /* borrowed for the call */
    const char *endpoint;        /* NULL = the key's */
    const char *program;         /* told in HELLO, "chipq 0.1.0"; NULL = "chipq VERSION" */
    int64_t timeout_us;          /* for connection and WELCOME; 0 = 10 s */
    bool is_own;         /* a session that nobody else uses: for WATCH, which is one a session */
    int64_t patience_us; /* how long to wait for a listener when there is none; 0 = fail at once */
    /* A call has lost the scheduler and waits for it (true), and has its answer now (false). */
    void (*on_away)(void *arg, bool is_away); /* NULL: nobody wants to know */
    void *arg;
};

/* Connects, says HELLO, waits for WELCOME. Errors: CQ_E_NO_SCHEDULER (nobody listens or answers;
 * the text says `chipq up`), CQ_E_DENIED (this key is not accepted), CQ_E_VERSION, and what the
 * server's ERROR says. Caller closes. */
struct net_client *net_client_connect(const struct net_client_options *o,
                                      struct cq_err *err) CQ_MUST_CHECK;
void net_client_close(struct net_client *c); /* accepts NULL */

const struct msg_welcome *net_client_welcome(const struct net_client *c); /* lives as long as `c` */

/* Sends `req` (its request id is chosen here) and waits for the answer with that id, at most
 * timeout_us (0 = 30 s, -1 = for ever). An ERROR answer becomes `err` with the server's code and
 * text. When the connection is lost meanwhile, it waits for the scheduler to come back, says HELLO
 * and sends the same frame again: requests are made for that (SUBMIT carries a key). `reply` is
 * released by the caller with msg_fini; it is set only on success.
 * Errors: CQ_E_TIMEOUT; CQ_E_NO_SCHEDULER when the time ran out with the connection lost. */
int net_client_call(struct net_client *c, const struct msg *req, struct msg *reply,
                    int64_t timeout_us, struct cq_err *err) CQ_MUST_CHECK;

/* The next message that is no answer to a call: JOB_EVENTs after a WATCH, BACKUP_STATEs
 * after a BACKUP, or the ERROR that ends them (CQ_E_DENIED: the key was revoked). Waits as
 * net_client_call (0 = do not wait). Errors: CQ_E_TIMEOUT nothing came; CQ_E_STALE the connection
 * was lost and is back (send WATCH again); CQ_E_NO_SCHEDULER it is lost and the time is over. */
int net_client_next(struct net_client *c, struct msg *out, int64_t timeout_us,
                    struct cq_err *err) CQ_MUST_CHECK;

/* From now on this signal ends waits early, with CQ_E_TIMEOUT, instead of killing the process,
 * until net_client_caught has told its number (0 = none) and forgotten it. For ^C in `chipq wait`.
 */
void net_client_catch(struct net_client *c, int signal_number);
int net_client_caught(struct net_client *c);

#endif
