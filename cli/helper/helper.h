/* chipq-helper: commands on one side, one session with chipqd on the other. It forwards messages
 * and understands none but HELLO and its answer: request ids say whose an answer is. */
#ifndef CHIPQ_HELPER_H
#define CHIPQ_HELPER_H

#include "common/base/pure/map.h"
#include "common/client/local.h"
#include "common/net/loop.h"
#include "common/net/zsock.h"
#include "common/wire/message.h"

struct client;

struct helper {
    struct loop *loop;
    /* clients.c */
    struct client *first; /* doubly linked */
    size_t n_clients;
    struct map by_half; /* upper half of the request ids -> struct client */
    struct loop_timer *idle;
    int64_t idle_us;
    /* listening, when it is shared */
    const char *path;
    int lock_fd, listen_fd;
    struct loop_fd *listener;
    /* upstream.c */
    struct zsock *zsock;
    struct curve_key key;
    struct msg answer;      /* to our HELLO: WELCOME or ERROR; code 0: not yet */
    enum zsock_state state; /* as clients were told last */
    bool is_told;
};

/* A command, served from now on; `fd` is ours. NULL (and closed) when there are too many. */
struct client *client_add(struct helper *h, int fd);
void clients_tell(struct helper *h, enum zsock_state state); /* all of them */
void clients_forward(struct helper *h, uint64_t request, const void *data, size_t bytes);
void clients_listen(struct helper *h); /* at h->path, unless another helper does */
void clients_close(struct helper *h);  /* with the listener */

/* Connects with h->key. */
int upstream_open(struct helper *h, struct cq_err *err) CQ_MUST_CHECK;
/* One message of a client. HELLO is answered from what chipqd answered to ours. */
void upstream_send(struct helper *h, struct client *from, const void *data, size_t bytes);
void client_answer(struct client *to, const struct msg *m);

#endif
