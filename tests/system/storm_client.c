/* Many workers that only are there, for tests of what happens when all come back at once.
 *
 *   storm-client ADMINKEY ENDPOINT N
 *
 * Makes N worker keys, storm-1 and so on, and one connection to the workers' port for each: HELLO
 * at every connect, heartbeats, nothing else. Each offers one core and 1 MiB, where no job fits.
 * Says "there" when all have keys, and goes on until it is killed or standard input ends. */
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/client/net_client.h"
#include "common/net/curve.h"
#include "common/net/loop.h"
#include "common/net/zsock.h"
#include "common/wire/message.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

enum { EACH = 125 /* workers of a process: libzmq has 1,023 sockets */, ROLE_WORKER = 3 };

struct one {
    struct zsock *zsock;
    char node[32];
    uint8_t incarnation[16];
    uint64_t heartbeat;
    bool is_welcome;
};

static void send_msg(struct one *w, const struct msg *m)
{
    struct cq_str frame CQ_CLEANUP(cq_str_fini) = {0};
    if (msg_encode(m, &frame, NULL) != 0)
        abort(); /* small and well-formed */
    (void)!zsock_send(w->zsock, NULL, frame.data, frame.len);
}

static void say_hello(struct one *w)
{
    struct msg m = {.code = MSG_WORKER_HELLO, .request = 1};
    m.u.worker_hello = (struct msg_worker_hello){.version_min = WIRE_VERSION_MIN,
                                                 .version_max = WIRE_VERSION,
                                                 .incarnation = {w->incarnation, 16},
                                                 .boot_id = {w->incarnation, 16},
                                                 .node = w->node,
                                                 .heartbeat = ++w->heartbeat,
                                                 .mem_mib = 1,
                                                 .cores = "0",
                                                 .topology = "pkg0(numa0:1(0))"};
    w->is_welcome = false;
    send_msg(w, &m);
}

static void on_state(void *arg, enum zsock_state state)
{
    if (state == ZSOCK_CONNECTED)
        say_hello(arg);
}

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       const void *data, size_t bytes)
{
    struct one *w = arg;
    struct msg m = {0};
    if (msg_decode(data, bytes, &m, NULL) != 0)
        return;
    if (m.code == MSG_WORKER_WELCOME)
        w->is_welcome = true;
    else if (m.code == MSG_ERROR && m.u.error.code == CQ_E_STALE)
        say_hello(w);
    msg_fini(&m);
}

static CQ_NORETURN void be_workers(const struct curve_key *keys, const char *endpoint, size_t first,
                                   size_t n)
{
    struct one workers[EACH] = {0};
    struct cq_err err = {0};
    struct loop *loop = loop_new(&err);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; loop != NULL && i < n; i++) {
        struct one *w = &workers[i];
        const struct zsock_client_options o = {.key = &keys[first + i],
                                               .endpoint = endpoint,
                                               .on_message = on_message,
                                               .on_state = on_state,
                                               .arg = w};
        (void)snprintf(w->node, sizeof w->node, "storm-%zu", first + i + 1);
        if (getrandom(w->incarnation, 16, 0) != 16
            || (w->zsock = zsock_client_new(loop, &o, &err)) == NULL)
            break;
    }
    if (err.code != CQ_OK)
        fprintf(stderr, "storm-client: %s\n", err.text);
    while (err.code == CQ_OK) {
        int64_t next_us = clock_mono_us() + US_PER_S;
        while (clock_mono_us() < next_us)
            loop_turn(loop, next_us);
        for (size_t i = 0; i < n; i++) {
            struct msg m = {.code = MSG_HEARTBEAT};
            m.u.heartbeat.heartbeat = ++workers[i].heartbeat;
            if (workers[i].is_welcome)
                send_msg(&workers[i], &m);
        }
    }
    _exit(1);
}

static int enrol(const struct curve_key *admin, struct curve_key *keys, size_t n,
                 struct cq_err *err)
{
    const struct net_client_options o = {.key = admin, .is_own = true};
    struct net_client *c = net_client_connect(&o, err);
    int rc = c ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char name[32];
        struct msg m = {.code = MSG_USER_ADD}, reply = {0};
        (void)snprintf(name, sizeof name, "storm-%zu", i + 1);
        rc = curve_key_generate(&keys[i], err);
        (void)cq_copy_text(keys[i].servers[0], sizeof keys[i].servers[0], admin->servers[0]);
        m.u.user_add = (struct msg_user_add){
            .enterprise = "", .user = name, .role = ROLE_WORKER, .public_key = keys[i].public_key};
        if (rc == 0)
            rc = net_client_call(c, &m, &reply, 0, err);
        msg_fini(&reply);
    }
    net_client_close(c);
    return rc;
}

int main(int argc, char **argv)
{
    struct curve_key admin;
    struct cq_err err = {0};
    size_t n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    struct curve_key *keys = cq_calloc(n + 1, sizeof *keys);
    if (n == 0 || curve_key_read(argv[1], &admin, &err) != 0 || enrol(&admin, keys, n, &err) != 0) {
        fprintf(stderr, "storm-client: %s\n", n == 0 ? "usage" : err.text);
        return 2;
    }
    for (size_t first = 0; first < n; first += EACH)
        if (fork() == 0)
            be_workers(keys, argv[2], first, n - first < EACH ? n - first : EACH);
    printf("there\n");
    (void)fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
