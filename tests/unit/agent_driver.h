/* Plays the scheduler for one worker: a real chipq-execd with its agent and shepherds on one side,
 * a ROUTER that says what the test wants on the other. */
#ifndef CHIPQ_TEST_AGENT_DRIVER_H
#define CHIPQ_TEST_AGENT_DRIVER_H

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/net/zap.h"
#include "common/net/zsock.h"
#include "common/wire/message.h"
#include "common/wire/run_spec.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MASTER_WAIT_US = 20 * 1000 * 1000, MASTER_KEPT = 4096 };

struct master {
    struct loop *loop;
    struct zap *zap;
    struct zsock *server;
    struct curve_key server_key, worker_key;
    char dir[64], endpoint[128];
    pid_t execd;
    struct zpeer peer;
    struct msg kept[MASTER_KEPT]; /* received and not yet asked for, oldest first */
    size_t n_kept;
    uint64_t heartbeat, epoch;
    bool acks_heartbeats;
};

static inline bool master_check(void *arg, const char *domain, const uint8_t key[CURVE_KEY_BYTES],
                                char *user_id)
{
    struct master *m = arg;
    uint8_t known[CURVE_KEY_BYTES];
    return strcmp(domain, "workers") == 0 && curve_z85_decode(m->worker_key.public_key, known)
           && memcmp(known, key, sizeof known) == 0
           && cq_copy_text(user_id, ZAP_USER_ID_BYTES, "worker");
}

static inline enum zsock_sent master_try_send(struct master *m, const struct msg *msg)
{
    struct cq_str frame = {0};
    struct cq_err err;
    cr_assert_eq(msg_encode(msg, &frame, &err), 0, "%s", err.text);
    enum zsock_sent sent = zsock_send(m->server, &m->peer, frame.data, frame.len);
    cq_str_fini(&frame);
    return sent;
}

static inline void master_send(struct master *m, const struct msg *msg)
{
    cr_assert_eq(master_try_send(m, msg), ZSOCK_SENT);
}

static inline void master_message(void *arg, const struct zpeer *peer, const char *user_id,
                                  const void *data, size_t bytes)
{
    struct master *m = arg;
    struct msg msg = {0};
    struct cq_err err;
    (void)user_id;
    if (msg_decode(data, bytes, &msg, &err) != 0 || m->n_kept == MASTER_KEPT)
        abort();
    m->peer = *peer;
    if (msg.code == MSG_HEARTBEAT) {
        m->heartbeat = msg.u.heartbeat.heartbeat;
        struct msg ack = {.code = MSG_HEARTBEAT_ACK,
                          .u.heartbeat_ack = {.heartbeat = m->heartbeat, .epoch = m->epoch}};
        if (m->acks_heartbeats)
            (void)master_try_send(m, &ack); /* an agent that leaves does not wait for it */
        msg_fini(&msg);
        return;
    }
    m->kept[m->n_kept++] = msg;
}

static inline void master_listen(struct master *m)
{
    struct cq_err err = {0};
    struct zsock_server_options o = {
        .key = &m->server_key, .zap_domain = "workers", .on_message = master_message, .arg = m};
    m->server = zsock_server_new(m->loop, &o, &err);
    cr_assert_not_null(m->server, "%s", err.text);
    cr_assert_eq(zsock_bind(m->server, m->endpoint, &err), 0, "%s", err.text);
}

static inline void master_drop_kept(struct master *m)
{
    for (size_t i = 0; i < m->n_kept; i++)
        msg_fini(&m->kept[i]);
    m->n_kept = 0;
}

static inline char *master_program(const char *name)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    *strrchr(path, '/') = '\0';
    return path_format("%s/../bin/%s", path, name);
}

static inline void master_start_worker(struct master *m)
{
    CQ_CLEANUP(cq_free_ptr) char *program = master_program("chipq-execd");
    CQ_CLEANUP(cq_free_ptr) char *plugins = path_format("%s/plugins", m->dir);
    char *argv[] = {program,      (char *)"--dir",     m->dir,  (char *)"--",    (char *)"--node",
                    (char *)"n1", (char *)"--plugins", plugins, (char *)"--mem", (char *)"4G",
                    NULL};
    cr_assert_eq(posix_spawn(&m->execd, program, NULL, NULL, argv, environ), 0);
}

static inline void master_write(struct master *m, const char *name, mode_t mode, const char *text)
{
    struct cq_err err;
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/%s", m->dir, name);
    CQ_CLEANUP(cq_free_ptr) char *parent = cq_strdup(path);
    *strrchr(parent, '/') = '\0';
    cr_assert_eq(dir_make(parent, 0700, &err), 0, "%s", err.text);
    cr_assert_eq(file_write_atomic(path, text, strlen(text), mode, &err), 0, "%s", err.text);
}

static inline void master_start(struct master *m)
{
    struct cq_err err = {0};
    memset(m, 0, sizeof *m);
    m->epoch = 1;
    m->acks_heartbeats = true;
    snprintf(m->dir, sizeof m->dir, "/tmp/cq-agent-XXXXXX");
    cr_assert_not_null(mkdtemp(m->dir));
    snprintf(m->endpoint, sizeof m->endpoint, "ipc://%s/worker.sock", m->dir);
    cr_assert_eq(curve_key_generate(&m->server_key, &err), 0);
    cr_assert_eq(curve_key_generate(&m->worker_key, &err), 0);
    memcpy(m->worker_key.servers[0], m->server_key.public_key, CURVE_Z85_CHARS + 1);
    m->worker_key.n_servers = 1;
    (void)cq_copy_text(m->worker_key.endpoint, CURVE_ENDPOINT_BYTES, m->endpoint);
    (void)cq_copy_text(m->worker_key.role, sizeof m->worker_key.role, "worker");
    CQ_CLEANUP(cq_free_ptr) char *keys = path_format("%s/keys", m->dir);
    CQ_CLEANUP(cq_free_ptr) char *key = path_format("%s/worker.key", keys);
    cr_assert_eq(dir_make(keys, 0700, &err), 0);
    cr_assert_eq(curve_key_write(key, &m->worker_key, &err), 0, "%s", err.text);
    m->loop = loop_new(&err);
    m->zap = zap_new(m->loop, master_check, m, &err);
    cr_assert_not_null(m->zap);
    master_listen(m);
}

static inline void master_end(struct master *m)
{
    if (m->execd > 0) {
        kill(m->execd, SIGTERM);
        cr_expect_eq(waitpid(m->execd, NULL, 0), m->execd);
    }
    master_drop_kept(m);
    zsock_close(m->server);
    zap_close(m->zap);
    loop_free(m->loop);
    struct cq_err err = {0};
    cr_expect_eq(dir_remove(m->dir, &err), 0, "%s", err.text);
}

/* The next message of this kind, taken out; other kinds stay. Caller calls msg_fini. */
static inline struct msg master_next(struct master *m, enum msg_code code)
{
    for (int64_t until = clock_mono_us() + MASTER_WAIT_US;;) {
        for (size_t i = 0; i < m->n_kept; i++)
            if (m->kept[i].code == code) {
                struct msg msg = m->kept[i];
                m->n_kept--;
                memmove(&m->kept[i], &m->kept[i + 1], (m->n_kept - i) * sizeof msg);
                return msg;
            }
        cr_assert_lt(clock_mono_us(), until, "no %s came", msg_code_name(code));
        loop_turn(m->loop, until);
    }
}

static inline struct msg master_welcome(struct master *m, int64_t lease_us, int64_t heartbeat_us,
                                        uint64_t drop)
{
    struct msg hello = master_next(m, MSG_WORKER_HELLO);
    m->heartbeat = hello.u.worker_hello.heartbeat;
    struct msg welcome = {.code = MSG_WORKER_WELCOME, .request = hello.request};
    welcome.u.worker_welcome = (struct msg_worker_welcome){.version = 1,
                                                           .epoch = m->epoch,
                                                           .heartbeat_us = (uint64_t)heartbeat_us,
                                                           .lease_us = (uint64_t)lease_us,
                                                           .heartbeat = m->heartbeat,
                                                           .drop = &drop,
                                                           .n_drop = drop ? 1 : 0};
    master_send(m, &welcome);
    return hello;
}

/* A job for a grant: a shell script in the instance's directory, or a tool. */
struct work {
    uint64_t lease, job, task, attempt;
    const char *script, *tool, *cores;
    uint64_t heartbeat, time_us, smt, membind, mem_mib;
};

static inline void master_grant(struct master *m, struct work w)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)w.script, NULL};
    char *env[] = {(char *)"PATH=/usr/bin:/bin", NULL};
    struct run_spec spec = {.argv = argv,
                            .n_argv = w.tool ? 0 : 3,
                            .env = env,
                            .n_env = 1,
                            .cwd = w.tool ? (char *)"" : m->dir,
                            .src_dir = m->dir,
                            .tool = (char *)(uintptr_t)(w.tool ? w.tool : ""),
                            .task_json = w.tool ? (char *)"{\"chipq_task\":1}" : (char *)""};
    struct cq_str run = {0};
    run_spec_encode(&spec, &run);
    struct dep_dir dep = {.name = "sim.build", .number = 3, .attempt = 2};
    struct run_order order = {.job = w.job ? w.job : 100,
                              .enterprise = "acme",
                              .number = 1207,
                              .name = "job",
                              .user = "ann",
                              .time_us = w.time_us ? w.time_us : 3600 * 1000000ULL,
                              .deps = &dep,
                              .n_deps = 1,
                              .run = {run.data, run.len}};
    struct attempt_ref ref = {
        .job = order.job, .task = w.task, .attempt = w.attempt ? w.attempt : 1};
    struct msg grant = {.code = MSG_LEASE_GRANT};
    grant.u.lease_grant =
        (struct msg_lease_grant){.epoch = m->epoch,
                                 .lease = w.lease ? w.lease : 7,
                                 .heartbeat = w.heartbeat ? w.heartbeat : m->heartbeat,
                                 .cores = w.cores ? w.cores : "0",
                                 .mem_mib = w.mem_mib ? w.mem_mib : 100,
                                 .smt = w.smt,
                                 .membind = w.membind,
                                 .orders = &order,
                                 .n_orders = 1,
                                 .attempts = &ref,
                                 .n_attempts = 1};
    master_send(m, &grant);
    cq_str_fini(&run);
}

/* The next end; `m` keeps what it points to until msg_fini(holder). */
static inline struct attempt_end master_end_of(struct master *m, struct msg *holder)
{
    for (;;) {
        *holder = master_next(m, MSG_ATTEMPT_EVENTS);
        if (holder->u.attempt_events.n_ends)
            return holder->u.attempt_events.ends[0];
        msg_fini(holder);
    }
}

static inline void master_wait_start(struct master *m)
{
    for (;;) {
        struct msg got = master_next(m, MSG_ATTEMPT_EVENTS);
        size_t n = got.u.attempt_events.n_starts;
        msg_fini(&got);
        if (n)
            return;
    }
}

static inline void master_ack(struct master *m, const struct attempt_end *e, bool is_accepted)
{
    struct attempt_ref ref = {.job = e->job, .task = e->task, .attempt = e->attempt};
    struct msg ack = {.code = MSG_ATTEMPT_ACK};
    ack.u.attempt_ack = (struct msg_attempt_ack){
        .accepted = &ref, .n_accepted = is_accepted, .stale = &ref, .n_stale = !is_accepted};
    master_send(m, &ack);
}

/* Turns the loop until the file is there (or gone), or fails. */
static inline void master_wait_file(struct master *m, const char *name, bool is_there)
{
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/%s", m->dir, name);
    int64_t until = clock_mono_us() + MASTER_WAIT_US;
    while ((access(path, F_OK) == 0) != is_there) {
        cr_assert_lt(clock_mono_us(), until, "%s", path);
        loop_turn(m->loop, clock_mono_us() + 5000);
    }
}

static inline pid_t master_pid(struct master *m, const char *name)
{
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/run/%s.pid", m->dir, name);
    return file_lock_holder(path);
}

#endif
