/* clang-format off */
/* A client of the system tests that says what no decent client says.
 *
 *   raw-client KEYFILE ENDPOINT garbage       hostile frames, then a good one; prints every answer
 *   raw-client KEYFILE ENDPOINT stranger      a fresh key: prints "refused" or "let in"
 *   raw-client KEYFILE ENDPOINT routing-id    claims routing ids that the server would give next
 *   raw-client KEYFILE ENDPOINT flood N       N good requests at once; prints how many were
 *                                             answered
 *   raw-client KEYFILE ENDPOINT watch JOB N   N watches: prints how many began, and ended
 *   raw-client KEYFILE ENDPOINT duel JOB N    the same, again after somebody took a place
 *   raw-client KEYFILE ENDPOINT again JOB N   one watch, sent N times: prints how many answers came
 *                                             to it, and how many ends
 *   raw-client KEYFILE ENDPOINT behind N      questions until one is refused; prints why
 *   raw-client KEYFILE ENDPOINT deaf JOB N    100 watches, N questions, and never reads an answer;
 *                                             prints "deaf", stays until standard input ends
 *   raw-client KEYFILE ENDPOINT pour N        N submits at once; prints "begun" with the first
 *                                             answer, and how many came until standard input ended
 *   raw-client KEYFILE ENDPOINT fill N JOBS BYTES [ARRAY]
 *                                             N submits at once, each of JOBS held jobs with BYTES
 *                                             random bytes, again when they are to be tried again;
 *                                             prints the numbers that were accepted, then how many
 *                                             submits were not, and why; 20 refusals are enough
 *   raw-client KEYFILE ENDPOINT submit KEY NAME [SCRIPT]
 *                                             one job with that submit key; a script's has a
 *                                             directory to itself, and outputs
 *
 * ENDPOINT "-" is the key file's. Exit status 0 when the server still answers at the end. */
/* clang-format on */
#include "common/net/curve.h"
#include "common/net/loop.h"
#include "common/client/net_client.h"
#include "common/net/zsock.h"
#include "common/wire/message.h"
#include "common/wire/run_spec.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <inttypes.h>
#include <sodium.h>
#include <unistd.h>
#include <zmq.h>

#define PATIENCE_US  (20 * US_PER_S)
#define LAST_REQUEST 7777
#define WATCHES_MAX  1024

struct client {
    struct loop *loop;
    struct zsock *zsock;
    uint64_t answers;
    bool is_last_answered, is_refused, is_connected, is_quiet, is_counting;
    uint64_t jobs, errors, accepted, later; /* while counting; later: errors for now only */
    bool is_telling, is_lost;               /* the numbers of what is accepted */
    uint64_t n_watches, n_told; /* asked for; of these, that had an answer, be it that they ended */
    bool is_told[WATCHES_MAX];  /* by request id */
    int receive_hwm;            /* 0 = 100,000 */
    char error[128];            /* the newest */
};

static void on_message(void *arg, const struct zpeer *peer, const char *user_id, const void *data,
                       size_t bytes)
{
    struct client *c = arg;
    struct msg m = {0};
    struct cq_err err = {0};
    (void)peer;
    (void)user_id;
    c->answers++;
    if (msg_decode(data, bytes, &m, &err) != 0) {
        printf("undecodable answer: %s\n", err.text);
        return;
    }
    if (m.request > 0 && m.request <= c->n_watches && !c->is_told[m.request - 1]) {
        c->is_told[m.request - 1] = true;
        c->n_told++;
    }
    if (c->is_counting) {
        c->jobs += m.code == MSG_JOBS;
        c->accepted += m.code == MSG_ACCEPTED;
        c->errors += m.code == MSG_ERROR;
        c->later += m.code == MSG_ERROR && strstr(m.u.error.text, "try again") != NULL;
        if (m.code == MSG_ERROR)
            (void)cq_copy_text(c->error, sizeof c->error, m.u.error.text);
    }
    for (size_t i = 0; c->is_telling && m.code == MSG_ACCEPTED && i < m.u.accepted.n_numbers; i++)
        printf("%" PRIu64 "\n", m.u.accepted.numbers[i]);
    if (!c->is_quiet)
        printf("%s %" PRIu64 " %s\n", msg_code_name(m.code), m.request,
               m.code == MSG_ERROR ? m.u.error.text : "");
    if (m.request == LAST_REQUEST)
        c->is_last_answered = true;
    msg_fini(&m);
}

static void on_state(void *arg, enum zsock_state state)
{
    struct client *c = arg;
    c->is_refused |= state == ZSOCK_REFUSED;
    c->is_connected |= state == ZSOCK_CONNECTED;
    c->is_lost |= c->is_connected && state != ZSOCK_CONNECTED;
}

static int client_open(struct client *c, const struct curve_key *key, const char *endpoint)
{
    struct cq_err err = {0};
    struct zsock_client_options o = {.key = key,
                                     .endpoint = endpoint,
                                     .on_message = on_message,
                                     .on_state = on_state,
                                     .arg = c,
                                     .max_bytes = 4 * 1024 * 1024,
                                     .send_hwm = 100000,
                                     .receive_hwm = c->receive_hwm ? c->receive_hwm : 100000};
    c->loop = loop_new(&err);
    c->zsock = c->loop ? zsock_client_new(c->loop, &o, &err) : NULL;
    if (c->zsock == NULL)
        fprintf(stderr, "raw-client: %s\n", err.text);
    return c->zsock ? 0 : -1;
}

static void client_close(struct client *c)
{
    zsock_close(c->zsock);
    loop_free(c->loop);
}

static void send_raw(struct client *c, const void *data, size_t bytes)
{
    if (zsock_send(c->zsock, NULL, data, bytes) != ZSOCK_SENT)
        fprintf(stderr, "raw-client: a frame was not sent\n");
}

/* A message that each port answers: STATUS_QUERY, or a HEARTBEAT without a session. */
static void make_good(struct cq_str *out, uint64_t request, bool is_worker)
{
    struct msg m = {.code = is_worker ? MSG_HEARTBEAT : MSG_STATUS_QUERY, .request = request};
    if (is_worker)
        m.u.heartbeat.heartbeat = 1;
    if (msg_encode(&m, out, NULL) != 0)
        abort(); /* small and well-formed */
}

static void wait_last(struct client *c)
{
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!c->is_last_answered && !c->is_refused && clock_mono_us() < until_us)
        loop_turn(c->loop, until_us);
}

static void send_hostile(struct client *c)
{
    static const struct {
        const char *data;
        size_t bytes;
    } frames[] = {
#define FRAME(text) {text, sizeof(text) - 1}
        FRAME(""),
        FRAME("GET / HTTP/1.1\r\n\r\n"),
        FRAME("\xdd\xff\xff\xff\xff"),         /* an array of 2^32-1 elements in five bytes */
        FRAME("\x93\x01\xdb\xff\xff\xff\xff"), /* a text of 4 GiB */
        FRAME("\x94\x01\x0a\xcd\x03\xe9"),     /* HELLO, request 1001, cut off */
        FRAME("\x95\xcc\xc8\x0a\xcd\x03\xea\x01\x01"), /* wire version 200, request 1002 */
        FRAME("\x93\x01\x7f\xcd\x03\xeb"),             /* code 127, request 1003 */
        FRAME("\x93\x01\x0c\xcd\x03\xec"),             /* SUBMIT without its fields, request 1004 */
        FRAME("\x95\x01\x0a\xcd\x03\xed\xa1x\xa1y"),   /* HELLO with texts for numbers, 1005 */
        FRAME("\x93\x01\xcd\xff\xff\x00"),
        FRAME("\xc1\xc1\xc1\xc1"),
        FRAME("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
#undef FRAME
    };
    for (size_t i = 0; i < CQ_COUNT(frames); i++)
        send_raw(c, frames[i].data, frames[i].bytes);
}

/* Every prefix of a good frame, then every single bit of it turned. */
static void send_mutants(struct client *c, bool is_worker)
{
    struct cq_str good = {0};
    struct msg hello = {.code = MSG_HELLO, .request = 1};
    hello.u.hello = (struct msg_hello){.version_min = 1, .version_max = 1, .program = "raw"};
    struct msg jobs = {.code = MSG_JOBS_QUERY, .request = 2};
    if (msg_encode(is_worker ? &hello : &jobs, &good, NULL) != 0)
        abort();
    for (size_t n = 0; n < good.len; n++)
        send_raw(c, good.data, n);
    for (size_t bit = 0; bit < good.len * 8; bit++) {
        good.data[bit / 8] = (char)(good.data[bit / 8] ^ (1 << (bit % 8)));
        send_raw(c, good.data, good.len);
        good.data[bit / 8] = (char)(good.data[bit / 8] ^ (1 << (bit % 8)));
    }
    cq_str_fini(&good);
}

static int finish(struct client *c, bool is_worker)
{
    struct cq_str good = {0};
    make_good(&good, LAST_REQUEST, is_worker);
    send_raw(c, good.data, good.len);
    cq_str_fini(&good);
    wait_last(c);
    bool is_alive = c->is_last_answered;
    client_close(c);
    return is_alive ? 0 : 1;
}

static int play_garbage(const struct curve_key *key, const char *endpoint, bool is_worker)
{
    struct client big = {.is_quiet = true}, c = {0};
    static char block[2 * 1024 * 1024];
    if (client_open(&big, key, endpoint) != 0 || client_open(&c, key, endpoint) != 0)
        return 2;
    send_raw(&big, block, sizeof block); /* over MAXMSGSIZE: this connection is cut */
    send_hostile(&c);
    c.is_quiet = false;
    int rc = finish(&c, is_worker);
    struct client mutant = {.is_quiet = true};
    if (client_open(&mutant, key, endpoint) != 0)
        return 2;
    send_mutants(&mutant, is_worker);
    rc |= finish(&mutant, is_worker);
    client_close(&big);
    return rc;
}

static int play_stranger(const struct curve_key *key, const char *endpoint)
{
    struct curve_key fresh = *key;
    struct cq_err err = {0};
    struct client c = {0};
    if (curve_key_generate(&fresh, &err) != 0 || client_open(&c, &fresh, endpoint) != 0)
        return 2;
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!c.is_refused && !c.is_connected && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    printf("%s\n", c.is_connected ? "let in" : c.is_refused ? "refused" : "no answer");
    client_close(&c);
    return c.is_connected || !c.is_refused;
}

static void *claim(void *context, const struct curve_key *key, const char *endpoint,
                   uint32_t number)
{
    uint8_t id[5] = {0, (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                     (uint8_t)number};
    void *s = zmq_socket(context, ZMQ_DEALER);
    int linger = 0;
    (void)zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, key->servers[0], 40);
    (void)zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->public_key, 40);
    (void)zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->secret_key, 40);
    (void)zmq_setsockopt(s, ZMQ_ROUTING_ID, id, sizeof id);
    (void)zmq_connect(s, endpoint);
    (void)zmq_send(s, "x", 1, 0);
    return s;
}

/* The ROUTER's counter starts where rand() does, which nobody seeded would know: claim the ids that
 * follow, then connect without one. libzmq 4.3.4 aborts when the claim was right. */
static int play_routing_id(const struct curve_key *key, const char *endpoint, bool is_worker)
{
    enum { GUESSES = 64, VISITORS = 8 };
    void *context = zmq_ctx_new(), *attackers[GUESSES];
    srand(1);
    uint32_t low = (uint32_t)rand(), high = (uint32_t)rand();
    for (uint32_t i = 0; i < GUESSES; i++)
        attackers[i] = claim(context, key, endpoint, (low | high << 31) + i);
    int rc = 0;
    for (int i = 0; i < VISITORS; i++) {
        struct client c = {.is_quiet = true};
        rc |= client_open(&c, key, endpoint) == 0 ? finish(&c, is_worker) : 2;
    }
    for (uint32_t i = 0; i < GUESSES; i++)
        (void)zmq_close(attackers[i]);
    (void)zmq_ctx_term(context);
    return rc;
}

static int play_flood(const struct curve_key *key, const char *endpoint, bool is_worker,
                      const char *count)
{
    struct client c = {.is_quiet = true};
    uint64_t n = strtoull(count, NULL, 10);
    if (client_open(&c, key, endpoint) != 0)
        return 2;
    for (uint64_t i = 1; i <= n; i++) {
        struct cq_str good = {0};
        make_good(&good, LAST_REQUEST + i, is_worker);
        send_raw(&c, good.data, good.len);
        cq_str_fini(&good);
        loop_turn(c.loop, 0);
    }
    int rc = finish(&c, is_worker);
    printf("%" PRIu64 "\n", c.answers);
    return rc;
}

static void send_msg(struct client *c, const struct msg *m)
{
    struct cq_str frame = {0};
    if (msg_encode(m, &frame, NULL) != 0)
        abort(); /* small and well-formed */
    send_raw(c, frame.data, frame.len);
    cq_str_fini(&frame);
}

/* Returns when so many more answers have come. One that lost its place before its turn is told so
 * at once, and hears nothing of the job. */
static void take_watches(struct client *c, uint64_t job, uint64_t n)
{
    uint64_t wanted = c->jobs + c->errors + n, before = c->n_watches;
    c->n_watches += n;
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    for (uint64_t i = 1; i <= n; i++) {
        struct msg m = {.code = MSG_WATCH, .request = before + i};
        m.u.watch = (struct msg_watch){.numbers = &job, .n_numbers = 1};
        send_msg(c, &m);
    }
    while (c->jobs + c->errors < wanted && clock_mono_us() < until_us)
        loop_turn(c->loop, until_us);
}

/* Leaves without a word, as a killed client does. `is_duel`: takes all places again after somebody
 * took one. */
static int play_watch(const struct curve_key *key, const char *endpoint, char **args, bool is_duel)
{
    struct client c = {.is_quiet = true, .is_counting = true};
    uint64_t job = strtoull(args[0], NULL, 10), n = strtoull(args[1], NULL, 10);
    if (n > WATCHES_MAX / 2 || client_open(&c, key, endpoint) != 0)
        return 2;
    take_watches(&c, job, n);
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (is_duel && c.errors == 0 && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    if (is_duel)
        take_watches(&c, job, n);
    while (c.n_told < c.n_watches && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us); /* ends of older ones came meanwhile, too */
    int rc = finish(&c, false);
    printf("%" PRIu64 " answered, %" PRIu64 " ended: %s\n", c.n_told, c.errors, c.error);
    return rc;
}

/* One watch, sent over and over with one request id. */
static int play_again(const struct curve_key *key, const char *endpoint, char **args)
{
    struct client c = {.is_quiet = true, .is_counting = true};
    uint64_t job = strtoull(args[0], NULL, 10), n = strtoull(args[1], NULL, 10);
    struct msg m = {.code = MSG_WATCH, .request = 1};
    m.u.watch = (struct msg_watch){.numbers = &job, .n_numbers = 1};
    if (client_open(&c, key, endpoint) != 0)
        return 2;
    for (uint64_t i = 0; i < n; i++)
        send_msg(&c, &m);
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (c.jobs + c.errors < n && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    int rc = finish(&c, false);
    printf("%" PRIu64 " answered, %" PRIu64 " ended: %s\n", c.jobs, c.errors, c.error);
    return rc;
}

/* The socket's thread reads a message or two for us, then the connection is full. */
static int play_deaf(const struct curve_key *key, const char *endpoint, char **args)
{
    struct client c = {.is_quiet = true, .receive_hwm = 1};
    uint64_t job = strtoull(args[0], NULL, 10), n = strtoull(args[1], NULL, 10);
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    if (client_open(&c, key, endpoint) != 0)
        return 2;
    while (!c.is_connected && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    for (uint64_t i = 1; i <= 100; i++) {
        struct msg m = {.code = MSG_WATCH, .request = i};
        m.u.watch = (struct msg_watch){.numbers = &job, .n_numbers = 1};
        send_msg(&c, &m);
    }
    for (uint64_t i = 1; i <= n; i++) {
        struct msg m = {.code = MSG_JOBS_QUERY, .request = 100 + i};
        send_msg(&c, &m);
    }
    printf("deaf\n");
    (void)fflush(stdout);
    while (getchar() != EOF)
        ;
    client_close(&c);
    return 0;
}

static int play_behind(const struct curve_key *key, const char *endpoint, const char *count)
{
    struct client c = {.is_quiet = true, .is_counting = true};
    uint64_t n = strtoull(count, NULL, 10), sent = 0;
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    if (client_open(&c, key, endpoint) != 0)
        return 2;
    while (!c.is_connected)
        loop_turn(c.loop, until_us);
    for (; c.errors == 0 && sent < n && clock_mono_us() < until_us; sent++) {
        struct cq_str frame = {0};
        make_good(&frame, LAST_REQUEST + 1 + sent, false);
        while (zsock_send(c.zsock, NULL, frame.data, frame.len) == ZSOCK_WOULD_BLOCK
               && clock_mono_us() < until_us)
            loop_turn(c.loop, clock_mono_us() + 1000);
        cq_str_fini(&frame);
        loop_turn(c.loop, 0);
    }
    while (c.errors == 0 && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    printf("%s\n", c.error);
    client_close(&c);
    return c.errors == 0;
}

static void pour(struct client *c, uint64_t n)
{
    char *argv[] = {"/bin/true", NULL};
    struct run_spec spec = {.argv = argv, .n_argv = 1, .cwd = "/"};
    struct cq_str run = {0};
    run_spec_encode(&spec, &run);
    struct job_spec job = {.name = "pour", .cores = 1, .hold = true, .run = {run.data, run.len}};
    for (uint64_t i = 1; i <= n; i++) {
        char key[16] = {0};
        memcpy(key, &i, sizeof i);
        struct msg m = {.code = MSG_SUBMIT, .request = i};
        m.u.submit = (struct msg_submit){.key = {key, sizeof key}, .jobs = &job, .n_jobs = 1};
        send_msg(c, &m);
    }
    cq_str_fini(&run);
}

static void on_input(void *arg, int fd, unsigned events)
{
    struct client *c = arg;
    (void)fd;
    (void)events;
    c->is_last_answered = true; /* enough */
}

static int play_pour(const struct curve_key *key, const char *endpoint, const char *count)
{
    struct client c = {.is_quiet = true, .is_counting = true};
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    if (client_open(&c, key, endpoint) != 0)
        return 2;
    while (!c.is_connected && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    pour(&c, strtoull(count, NULL, 10));
    while (c.accepted == 0 && c.errors == 0 && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    printf("begun\n");
    (void)fflush(stdout);
    (void)loop_fd_new(c.loop, STDIN_FILENO, LOOP_READ, on_input, &c);
    while (!c.is_last_answered)
        loop_turn(c.loop, INT64_MAX);
    printf("%" PRIu64 " accepted, %" PRIu64 " refused %s\n", c.accepted, c.errors, c.error);
    client_close(&c);
    return 0;
}

enum {
    FILL_WINDOW = 256,  /* submits without an answer */
    FILL_REFUSALS = 20, /* that are no "try again": enough */
    FILL_WORD = 30000,
    FILL_WORDS = 10
};

static bool fill_once(struct client *c, const struct job_spec *jobs, size_t n_jobs,
                      uint64_t request)
{
    char key[16];
    struct cq_str frame = {0};
    struct cq_err err = {0};
    randombytes_buf(key, sizeof key);
    struct msg m = {.code = MSG_SUBMIT, .request = request};
    m.u.submit = (struct msg_submit){.key = {key, sizeof key}, .jobs = jobs, .n_jobs = n_jobs};
    if (msg_encode(&m, &frame, &err) != 0) {
        fprintf(stderr, "raw-client: %s\n", err.text);
        exit(2);
    }
    bool is_sent = zsock_send(c->zsock, NULL, frame.data, frame.len) == ZSOCK_SENT;
    cq_str_fini(&frame);
    return is_sent;
}

/* Its random bytes are arguments, in letters. Caller frees run.data. */
static struct job_spec fill_job(size_t bytes, char *array)
{
    char *argv[FILL_WORDS + 1] = {"/bin/true"};
    struct run_spec spec = {.argv = argv, .n_argv = 1, .cwd = "/"};
    struct cq_str run = {0};
    for (; bytes > 0 && spec.n_argv <= FILL_WORDS; spec.n_argv++) {
        size_t n = bytes < FILL_WORD ? bytes : FILL_WORD;
        char *word = cq_malloc(n + 1);
        randombytes_buf(word, n);
        for (size_t i = 0; i < n; i++)
            word[i] = (char)('@' + (word[i] & 31));
        word[n] = '\0';
        argv[spec.n_argv] = word;
        bytes -= n;
    }
    run_spec_encode(&spec, &run);
    for (size_t i = 1; i < spec.n_argv; i++)
        free(argv[i]);
    return (struct job_spec){
        .name = "fill", .cores = 1, .hold = true, .array = array, .run = {run.data, run.len}};
}

static int play_fill(const struct curve_key *key, const char *endpoint, char **args)
{
    struct client c = {.is_quiet = true, .is_counting = true, .is_telling = true};
    uint64_t n = strtoull(args[0], NULL, 10), sent = 0;
    size_t n_jobs = strtoull(args[1], NULL, 10), bytes = strtoull(args[2], NULL, 10);
    int64_t until_us = clock_mono_us() + 2 * PATIENCE_US;
    struct job_spec *jobs = cq_calloc(n_jobs, sizeof *jobs);
    if (client_open(&c, key, endpoint) != 0)
        return 2;
    while (!c.is_connected && clock_mono_us() < until_us)
        loop_turn(c.loop, until_us);
    while (c.accepted + c.errors < n + c.later && c.errors - c.later < FILL_REFUSALS && !c.is_lost
           && clock_mono_us() < until_us) {
        bool has_room = sent < n + c.later && sent - c.accepted - c.errors < FILL_WINDOW;
        for (size_t i = 0; has_room && i < n_jobs; i++)
            jobs[i] = fill_job(bytes, args[3]);
        if (has_room && fill_once(&c, jobs, n_jobs, sent + 1))
            sent++;
        for (size_t i = 0; has_room && i < n_jobs; i++)
            free((void *)jobs[i].run.data);
        loop_turn(c.loop, has_room ? 0 : clock_mono_us() + 100000);
    }
    printf("%" PRIu64 " submits accepted, %" PRIu64 " refused, %" PRIu64 " not answered: %s\n",
           c.accepted, c.errors - c.later, sent - c.accepted - c.errors,
           c.is_lost ? "connection lost" : c.error);
    client_close(&c);
    free(jobs);
    return 0;
}

/* The same key, as after an answer that got lost: prints "12 new", "12 known", or the error. */
static int play_submit(const struct curve_key *key, const char *endpoint, char **args)
{
    const char *submit_key = args[0], *name = args[1];
    struct net_client_options o = {.key = key, .endpoint = endpoint};
    struct cq_err err = {0};
    struct cq_str run = {0};
    char *argv[] = {"/bin/true", NULL};
    char *script[] = {"/bin/sh", "-c", args[2], NULL};
    struct run_spec spec = {.argv = argv, .n_argv = 1, .cwd = "/"};
    if (args[2])
        spec = (struct run_spec){.argv = script, .n_argv = 3, .cwd = ""};
    run_spec_encode(&spec, &run);
    struct job_spec job = {.name = name, .cores = 1, .run = {run.data, run.len}};
    char bytes[16] = {0};
    (void)cq_copy_text(bytes, sizeof bytes, submit_key);
    struct msg m = {.code = MSG_SUBMIT}, answer;
    m.u.submit = (struct msg_submit){.key = {bytes, sizeof bytes}, .jobs = &job, .n_jobs = 1};
    struct net_client *c = net_client_connect(&o, &err);
    int rc = c == NULL || net_client_call(c, &m, &answer, 0, &err) != 0;
    if (rc == 0) {
        printf("%" PRIu64 " %s\n", answer.u.accepted.numbers[0],
               answer.u.accepted.was_known ? "known" : "new");
        msg_fini(&answer);
    } else {
        printf("%s: %s\n", cq_code_name(err.code), err.text);
    }
    net_client_close(c);
    cq_str_fini(&run);
    return rc;
}

int main(int argc, char **argv)
{
    struct curve_key key;
    struct cq_err err = {0};
    if (argc < 4 || curve_key_read(argv[1], &key, &err) != 0) {
        fprintf(stderr, "raw-client: %s\n", argc < 4 ? "usage" : err.text);
        return 2;
    }
    const char *endpoint = strcmp(argv[2], "-") == 0 ? key.endpoint : argv[2];
    bool is_worker = strcmp(key.role, "worker") == 0;
    if (strcmp(argv[3], "garbage") == 0)
        return play_garbage(&key, endpoint, is_worker);
    if (strcmp(argv[3], "stranger") == 0)
        return play_stranger(&key, endpoint);
    if (strcmp(argv[3], "routing-id") == 0)
        return play_routing_id(&key, endpoint, is_worker);
    if (strcmp(argv[3], "submit") == 0 && (argc == 6 || argc == 7))
        return play_submit(&key, endpoint, argv + 4);
    if (argc == 6 && (strcmp(argv[3], "watch") == 0 || strcmp(argv[3], "duel") == 0))
        return play_watch(&key, endpoint, argv + 4, *argv[3] == 'd');
    if (argc == 6 && strcmp(argv[3], "deaf") == 0)
        return play_deaf(&key, endpoint, argv + 4);
    if (strcmp(argv[3], "again") == 0 && argc == 6)
        return play_again(&key, endpoint, argv + 4);
    if (strcmp(argv[3], "behind") == 0 && argc == 5)
        return play_behind(&key, endpoint, argv[4]);
    if (strcmp(argv[3], "pour") == 0 && argc == 5)
        return play_pour(&key, endpoint, argv[4]);
    if (strcmp(argv[3], "fill") == 0 && (argc == 7 || argc == 8))
        return play_fill(&key, endpoint, argv + 4);
    if (strcmp(argv[3], "flood") == 0 && argc == 5)
        return play_flood(&key, endpoint, is_worker, argv[4]);
    return 2;
}
