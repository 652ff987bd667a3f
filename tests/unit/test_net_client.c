// LINK: cq_client
/* The blocking client against a small server in a thread of its own. */
#include "common/client/net_client.h"
#include "tests/unit/net_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

static struct net_fixture f;
static pthread_t server_thread;
static int stop_fd;
static bool is_mute;     /* answers HELLO, nothing else */
static bool is_deaf;     /* answers nothing */
static unsigned forget;  /* requests to lose before one is answered */
static bool drop_server; /* close and reopen the socket instead of answering, once */

static void send_msg(const struct zpeer *peer, const struct msg *m)
{
    struct cq_str out = {0};
    f.failed += msg_encode(m, &out, NULL) != 0
                || zsock_send(f.server, peer, out.data, out.len) != ZSOCK_SENT;
    cq_str_fini(&out);
}

static void answer_job_query(const struct zpeer *peer, const struct msg *m)
{
    struct msg error = {.code = MSG_ERROR, .request = m->request};
    error.u.error = (struct msg_error){.code = CQ_E_NOT_FOUND, .text = "no job 7"};
    send_msg(peer, &error);
}

static void answer_watch(const struct zpeer *peer, const struct msg *m)
{
    struct msg jobs = {.code = MSG_JOBS, .request = m->request};
    struct msg event = {.code = MSG_JOB_EVENT, .request = m->request};
    send_msg(peer, &jobs);
    for (event.u.job_event.seq = 1; event.u.job_event.seq <= 3; event.u.job_event.seq++)
        send_msg(peer, &event);
}

static void answer(const struct zpeer *peer, const struct msg *m)
{
    struct msg reply = {.code = MSG_OK, .request = m->request};
    if (m->code == MSG_HELLO) {
        reply.code = MSG_WELCOME;
        reply.u.welcome = (struct msg_welcome){
            .version = 1, .enterprise = "acme", .user = "ann", .role = "designer"};
        send_msg(peer, &reply);
    } else if (is_mute) {
        return;
    } else if (forget > 0) {
        forget--;
    } else if (drop_server) {
        drop_server = false;
        zsock_close(f.server);
        loop_stop(f.loop); /* the thread reopens it */
    } else if (m->code == MSG_JOB_QUERY) {
        answer_job_query(peer, m);
    } else if (m->code == MSG_WATCH) {
        answer_watch(peer, m);
    } else {
        send_msg(peer, &reply);
    }
}

static void handle(CQ_UNUSED struct net_fixture *unused, const struct zpeer *peer, const void *data,
                   size_t bytes)
{
    struct msg m;
    if (is_deaf)
        return;
    if (msg_decode(data, bytes, &m, NULL) != 0) {
        f.failed++;
        return;
    }
    answer(peer, &m);
    msg_fini(&m);
}

static bool stopped;

static void on_stop(CQ_UNUSED void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    stopped = true;
    loop_stop(f.loop);
}

static void *serve(CQ_UNUSED void *arg)
{
    while (!stopped) {
        loop_run(f.loop);
        if (!stopped)
            fixture_serve(&f, 0);
    }
    return NULL;
}

static void set_up(void)
{
    sigset_t all;
    fixture_init(&f);
    f.handle = handle;
    fixture_serve(&f, 0);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    (void)loop_fd_new(f.loop, stop_fd, LOOP_READ, on_stop, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    cr_assert_eq(pthread_create(&server_thread, NULL, serve, NULL), 0);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}

static void tear_down(void)
{
    uint64_t one = 1;
    cr_assert_eq(write(stop_fd, &one, sizeof one), (ssize_t)sizeof one);
    pthread_join(server_thread, NULL);
    fixture_fini(&f);
    close(stop_fd);
}

TestSuite(net_client, .init = set_up, .fini = tear_down, .timeout = 60);

static struct net_client *connect_as(const struct curve_key *key)
{
    struct cq_err err = {0};
    struct net_client_options o = {.key = key, .program = "test"};
    struct net_client *c = net_client_connect(&o, &err);
    cr_assert_not_null(c, "%s", err.text);
    return c;
}

static void connect_fails(const struct net_client_options *o, enum cq_code code, const char *words)
{
    struct cq_err err = {0};
    cr_assert_null(net_client_connect(o, &err));
    cr_assert_eq(err.code, code, "%s", err.text);
    cr_assert(strstr(err.text, words) != NULL, "'%s' has no '%s'", err.text, words);
}

Test(net_client, says_hello_asks_and_is_answered)
{
    struct net_client *c = connect_as(&f.ann);
    struct msg ask = {.code = MSG_STATUS_QUERY}, reply;
    struct cq_err err = {0};
    cr_assert_str_eq(net_client_welcome(c)->user, "ann");
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(net_client_call(c, &ask, &reply, 0, &err), 0, "%s", err.text);
        cr_assert_eq(reply.code, MSG_OK);
        msg_fini(&reply);
    }
    ask = (struct msg){.code = MSG_JOB_QUERY, .u.job_query = {.number = 7}};
    cr_assert_eq(net_client_call(c, &ask, &reply, 0, &err), -1);
    cr_assert_eq(err.code, CQ_E_NOT_FOUND);
    cr_assert_str_eq(err.text, "no job 7");
    net_client_close(c);
}

Test(net_client, nobody_there_is_told_at_once_with_what_to_do)
{
    struct net_client_options o = {.key = &f.ann, .endpoint = "ipc:///tmp/chipq-no-such-socket"};
    int64_t start_us = clock_mono_us();
    connect_fails(&o, CQ_E_NO_SCHEDULER, "chipq up");
    cr_assert_lt(clock_mono_us() - start_us, US_PER_S);
    o.patience_us = 300000;
    start_us = clock_mono_us();
    connect_fails(&o, CQ_E_NO_SCHEDULER, "chipq up");
    cr_assert_geq(clock_mono_us() - start_us, 300000);
}

Test(net_client, keys_that_do_not_fit_are_told_apart)
{
    struct net_client_options o = {.key = &f.eve};
    connect_fails(&o, CQ_E_DENIED, "does not accept this key");
    struct curve_key other = f.ann;
    memcpy(other.servers[0], f.eve.public_key, CURVE_Z85_CHARS + 1);
    o.key = &other;
    connect_fails(&o, CQ_E_DENIED, "does not have the scheduler's key");
}

Test(net_client, a_server_that_says_nothing_is_no_scheduler)
{
    is_deaf = true;
    struct net_client_options o = {.key = &f.ann, .timeout_us = 200000};
    connect_fails(&o, CQ_E_NO_SCHEDULER, "does not answer");
}

Test(net_client, a_call_ends_in_time)
{
    is_mute = true;
    struct net_client *c = connect_as(&f.ann);
    struct msg ask = {.code = MSG_STATUS_QUERY}, reply;
    struct cq_err err = {0};
    cr_assert_eq(net_client_call(c, &ask, &reply, 100000, &err), -1);
    cr_assert_eq(err.code, CQ_E_TIMEOUT);
    net_client_close(c);
}

Test(net_client, a_request_is_sent_again_when_the_server_comes_back)
{
    struct net_client *c = connect_as(&f.ann);
    struct msg ask = {.code = MSG_STATUS_QUERY}, reply;
    struct cq_err err = {0};
    drop_server = true;
    cr_assert_eq(net_client_call(c, &ask, &reply, 20 * US_PER_S, &err), 0, "%s", err.text);
    cr_assert_eq(reply.code, MSG_OK);
    msg_fini(&reply);
    net_client_close(c);
}

Test(net_client, events_follow_a_watch_in_order)
{
    struct net_client *c = connect_as(&f.ann);
    uint64_t number = 7;
    struct msg ask = {.code = MSG_WATCH, .u.watch = {.numbers = &number, .n_numbers = 1}}, got;
    struct cq_err err = {0};
    cr_assert_eq(net_client_call(c, &ask, &got, 0, &err), 0, "%s", err.text);
    cr_assert_eq(got.code, MSG_JOBS);
    msg_fini(&got);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        cr_assert_eq(net_client_next(c, &got, 5 * US_PER_S, &err), 0, "%s", err.text);
        cr_assert_eq(got.u.job_event.seq, seq);
        msg_fini(&got);
    }
    cr_assert_eq(net_client_next(c, &got, 0, &err), -1);
    cr_assert_eq(err.code, CQ_E_TIMEOUT);
    drop_server = true;
    ask = (struct msg){.code = MSG_STATUS_QUERY};
    cr_assert_eq(net_client_call(c, &ask, &got, 20 * US_PER_S, &err), 0, "%s", err.text);
    msg_fini(&got);
    cr_assert_eq(net_client_next(c, &got, 5 * US_PER_S, &err), -1);
    cr_assert_eq(err.code, CQ_E_STALE, "%s", err.text);
    net_client_close(c);
}

Test(net_client, a_caught_signal_ends_the_wait_once)
{
    is_mute = true;
    struct net_client *c = connect_as(&f.ann);
    struct msg got;
    struct cq_err err = {0};
    net_client_catch(c, SIGINT);
    cr_assert_eq(raise(SIGINT), 0);
    cr_assert_eq(net_client_next(c, &got, 20 * US_PER_S, &err), -1);
    cr_assert_str_eq(err.text, "interrupted");
    cr_assert_eq(net_client_caught(c), SIGINT);
    cr_assert_eq(net_client_caught(c), 0);
    net_client_close(c);
}
