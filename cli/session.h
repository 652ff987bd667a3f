/* A connection of a command to the scheduler, with the key of whoever acts. */
#ifndef SESSION_H
#define SESSION_H

#include "cli/cli.h"
#include "common/client/net_client.h"

#define SESSION_CALL_US (30 * INT64_C(1000000))

/* Who acts when no --key is given. */
#define AS_USER  "user"
#define AS_ADMIN "admin"

/* Connects with --key, CHIPQ_KEY or DIR/keys/`who`.key. CQ_E_NO_SCHEDULER names `chipq up` when the
 * instance does not run or does not exist. NULL on errors; the caller closes with net_client_close.
 */
struct net_client *session_open(struct cli *c, const char *who, struct cq_err *err) CQ_MUST_CHECK;

/* For what is asked of `enterprise`: with the user's key, and where that is of another enterprise
 * and no key is given, with the instance's admin key if there is one. NULL or "": one's own. */
struct net_client *session_open_of(struct cli *c, const char *enterprise,
                                   struct cq_err *err) CQ_MUST_CHECK;

/* As net_client_call, for SESSION_CALL_US or timeout_us, and CQ_E_PROTOCOL when the answer is not
 * `expected`. */
int session_call(struct net_client *s, const struct msg *ask, enum msg_code expected,
                 struct msg *reply, struct cq_err *err) CQ_MUST_CHECK;
int session_call_for(struct net_client *s, const struct msg *ask, enum msg_code expected,
                     int64_t timeout_us, struct msg *reply, struct cq_err *err) CQ_MUST_CHECK;

/* Ctrl-C from now on ends waits of `s` with CQ_E_TIMEOUT instead of this program; net_client_caught
 * then tells. */
void session_catch_interrupts(struct net_client *s);

#endif
