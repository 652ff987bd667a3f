/* The start-up test that the server refuses strangers. */
#include "common/base/sys/clock.h"
#include "common/net/zap.h"
#include "common/net/zsock.h"

struct probe {
    bool refused, let_in;
};

static void on_state(void *arg, enum zsock_state state)
{
    struct probe *p = arg;
    p->refused |= state == ZSOCK_REFUSED;
    p->let_in |= state == ZSOCK_CONNECTED;
}

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       CQ_UNUSED const void *data, CQ_UNUSED size_t bytes)
{
    struct probe *p = arg;
    p->let_in = true;
}

int zap_self_test(struct loop *l, const char *endpoint, const char *server_public,
                  int64_t timeout_us, struct cq_err *err)
{
    struct curve_key stranger = {0};
    struct probe probe = {0};
    if (curve_key_generate(&stranger, err) != 0)
        return -1;
    struct zsock_client_options o = {.key = &stranger,
                                     .server = server_public,
                                     .endpoint = endpoint,
                                     .on_message = on_message,
                                     .on_state = on_state,
                                     .arg = &probe};
    struct zsock *z = zsock_client_new(l, &o, err);
    curve_key_wipe(&stranger);
    if (z == NULL)
        return -1;
    int64_t until_us = clock_mono_us() + timeout_us;
    while (!probe.refused && !probe.let_in && clock_mono_us() < until_us)
        loop_turn(l, until_us);
    zsock_close(z);
    loop_turn(l, 0);
    if (probe.let_in)
        return cq_fail(err, CQ_E_INTERNAL, "%s lets a key in that nobody knows", endpoint);
    if (!probe.refused)
        return cq_fail(err, CQ_E_TIMEOUT, "%s did not answer its own test", endpoint);
    return 0;
}
