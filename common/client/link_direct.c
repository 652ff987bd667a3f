/* A connection of our own: a loop with one ZeroMQ socket. */
#include "common/client/link.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/net/loop.h"
#include "common/wire/message.h"

struct link {
    struct loop *loop;
    struct zsock *zsock;
    struct link_options options;
    struct loop_signal *signals[4];
    size_t n_signals;
};

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       const void *data, size_t bytes)
{
    struct link *l = arg;
    l->options.on_message(l->options.arg, data, bytes);
}

static void on_state(void *arg, enum zsock_state state)
{
    struct link *l = arg;
    l->options.on_state(l->options.arg, state);
}

struct link *link_open(const struct link_options *o, struct cq_err *err)
{
    struct link *l = CQ_NEW(struct link);
    struct zsock_client_options z = {.key = o->key,
                                     .endpoint = o->endpoint,
                                     .on_message = on_message,
                                     .on_state = on_state,
                                     .arg = l,
                                     .drop_unconnected = true};
    l->options = *o;
    l->options.key = NULL;
    l->loop = loop_new(err);
    if (l->loop)
        l->zsock = zsock_client_new(l->loop, &z, err);
    if (l->zsock)
        return l;
    link_close(l);
    return NULL;
}

void link_close(struct link *l)
{
    if (l == NULL)
        return;
    zsock_close(l->zsock);
    loop_free(l->loop);
    free(l);
}

void link_send(struct link *l, const void *data, size_t bytes)
{
    /* A full queue or a lost connection: the next connect sends it again. */
    int fault = CQ_FP_OF("client.send", msg_code_name(msg_code_of(data, bytes)));
    (void)!zsock_send_by(fault, l->zsock, NULL, data, bytes);
}

void link_turn(struct link *l, int64_t until_mono_us)
{
    loop_turn(l->loop, until_mono_us);
}

void link_catch(struct link *l, int signal_number, void (*on_signal)(void *arg, int signal_number),
                void *arg)
{
    if (l->n_signals < CQ_COUNT(l->signals))
        l->signals[l->n_signals++] = loop_signal_new(l->loop, signal_number, on_signal, arg);
}
