/* chipqd's life: lock, load, listen, prove that strangers are refused, serve, drain. */
#include "scheduler/daemon/serve.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "common/net/doors.h"
#include "scheduler/daemon/load.h"
#include "scheduler/daemon/requests.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SELF_TEST_US = 10 * 1000000,
    CROWD_OVER_US = 10 * 1000000,
    CLIENT_BYTES_MAX = WIRE_FRAME_MAX,
    CLIENT_RECEIVE_HWM = 32, /* frames of up to 1 MiB that one connection may have us keep unread */
    WORKER_BEAT_US = 60 * 1000000,
    CLIENT_SEND_HWM = 128, /* behind it the outbox keeps a bounded number of bytes */
};

char *daemon_database_path(const struct daemon_options *o)
{
    return path_format("%s/db/chipq.db", o->dir);
}

static void on_fatal(const char *text)
{
    log_error("store.fatal error=\"%s\"", text);
    _exit(70);
}

static int open_store(struct daemon *d, struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = daemon_database_path(d->options);
    char id[STORE_ID_CHARS + 1];
    if (instance_read(d->options, id, err) != 0)
        return -1;
    struct store_options so = {.path = path,
                               .id = id[0] ? id : NULL,
                               .loads = true,
                               .low_water_bytes = d->options->low_water_mib << 20,
                               .fatal = on_fatal};
    struct cq_err why = {0};
    d->store = store_open(&so, &why);
    if (d->store == NULL)
        return why.code == CQ_E_NOT_FOUND ? daemon_no_database(d->options, err)
                                          : cq_fail(err, why.code, "%s", why.text);
    if (store_dropped_bytes(d->store) > 0)
        log_warn("store.dropped bytes=%" PRIu64
                 " why=\"the last transaction is not complete, as after a crash or a loss of "
                 "power\"",
                 store_dropped_bytes(d->store));
    return id[0] ? 0 : instance_write(d->options, d->store, err);
}

/* Its pages are as they were written; what they say cannot be. The way out comes first: a text has
 * an end. */
static int refuse_state(const struct daemon *d, struct cq_err *err)
{
    char *db CQ_CLEANUP(cq_free_ptr) = daemon_database_path(d->options);
    if (err->code != CQ_E_INTERNAL)
        return -1;
    log_error("start.misfit error=\"%s\"", err->text);
    return cq_wrap(err,
                   "%s does not fit together (restore a backup: chipqd --restore FILE; without "
                   "one: chipqd --repair)",
                   db);
}

static int load(struct daemon *d, struct cq_err *err)
{
    struct core_config config = load_config(d->options);
    d->core = core_new(&config);
    if (load_all(d->store, d->core, err) != 0)
        return refuse_state(d, err);
    d->filling = store_batch_new(d->store);
    core_load_done(d->core, clock_now(), &d->effects);
    d->must_plan = true;
    turn_take_effects(d);
    return 0;
}

static struct zsock *new_port(struct daemon *d, enum port port, const struct curve_key *key,
                              struct cq_err *err)
{
    struct zsock_server_options so = {.key = key,
                                      .zap_domain = port == PORT_WORKER ? "worker" : "client",
                                      .on_message = port == PORT_WORKER ? worker_on_message
                                                                        : client_on_message,
                                      .arg = d,
                                      .max_bytes = CLIENT_BYTES_MAX};
    /* Workers send heartbeats of their own. libzmq's only find connections whose other end is gone
     * without a word, and each costs a walk through the timers of all connections. */
    so.heartbeat_us = port == PORT_WORKER ? WORKER_BEAT_US : 0;
    if (port == PORT_CLIENT) {
        so.receive_hwm = CLIENT_RECEIVE_HWM;
        so.send_hwm = CLIENT_SEND_HWM;
    }
    return zsock_server_new(d->loop, &so, err);
}

static int bind_all(struct daemon *d, enum port port, const char *socket_name, char *const *more,
                    size_t n_more, struct cq_err *err)
{
    char *ipc CQ_CLEANUP(cq_free_ptr) =
        path_format("ipc://%s/run/%s", d->options->dir, socket_name);
    if (zsock_bind(d->ports[port], ipc, err) != 0)
        return -1;
    for (size_t i = 0; i < n_more; i++) {
        if (zsock_bind(d->ports[port], more[i], err) != 0)
            return -1;
        log_info("listen port=%s endpoint=%s", port == PORT_WORKER ? "worker" : "client",
                 zsock_last_endpoint(d->ports[port]));
    }
    return 0;
}

/* A server that lets a stranger in must not run: CURVE alone, without ZAP, would. */
static int self_test(struct daemon *d, const struct curve_key *key, struct cq_err *err)
{
    static const char *const sockets[] = {"client.sock", "worker.sock"};
    for (size_t i = 0; i < CQ_COUNT(sockets); i++) {
        char *ipc CQ_CLEANUP(cq_free_ptr) =
            path_format("ipc://%s/run/%s", d->options->dir, sockets[i]);
        if (zap_self_test(d->loop, ipc, key->public_key, SELF_TEST_US, err) != 0)
            return cq_wrap(err, "start-up self-test of %s", sockets[i]);
    }
    return 0;
}

static int listen_all(struct daemon *d, struct cq_err *err)
{
    const struct daemon_options *o = d->options;
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/server.key", o->dir);
    struct curve_key key;
    if (curve_key_read(path, &key, err) != 0)
        return -1;
    d->zap = zap_new(d->loop, session_on_connect, d, err);
    if (d->zap != NULL) {
        d->ports[PORT_CLIENT] = new_port(d, PORT_CLIENT, &key, err);
        if (d->ports[PORT_CLIENT] != NULL)
            d->ports[PORT_WORKER] = new_port(d, PORT_WORKER, &key, err);
    }
    (void)CQ_FP("chipqd.start.before_bind");
    int rc = -1;
    if (d->zap != NULL && d->ports[PORT_CLIENT] != NULL && d->ports[PORT_WORKER] != NULL
        && bind_all(d, PORT_CLIENT, "client.sock", o->listen_client, o->n_listen_client, err) == 0
        && bind_all(d, PORT_WORKER, "worker.sock", o->listen_worker, o->n_listen_worker, err) == 0)
        rc = self_test(d, &key, err);
    (void)CQ_FP("chipqd.start.after_bind");
    curve_key_wipe(&key);
    return rc;
}

static void on_signal(void *daemon, int signal_number)
{
    struct daemon *d = daemon;
    log_info("stop signal=%d", signal_number);
    d->is_stopping = true;
    loop_stop(d->loop);
}

static int tell_ready(const struct daemon_options *o, struct cq_err *err)
{
    if (o->ready_fd < 0)
        return 0;
    if (write_all(o->ready_fd, "ready\n", 6) != 0)
        return cq_fail(err, CQ_E_IO, "cannot write to --ready-fd %d", o->ready_fd);
    (void)close(o->ready_fd);
    return 0;
}

static int set_up(struct daemon *d, struct cq_err *err)
{
    d->loop = loop_new(err);
    if (d->loop == NULL)
        return -1;
    d->timer = loop_timer_new(d->loop, turn_on_timer, d);
    d->question_timer = loop_timer_new(d->loop, questions_on_timer, d);
    askers_init(&d->askers);
    d->feed = feed_new(d->loop, turn_on_feed, d);
    d->outbox = outbox_new(d);
    d->hearing = hearing_new(d);
    d->watches = watches_new();
    d->logs = logs_new();
    d->start_mono_us = clock_mono_us();
    memory_init(d);
    if (open_store(d, err) != 0 || load(d, err) != 0)
        return -1;
    store_start(d->store);
    d->store_watch = loop_fd_new(d->loop, store_fd(d->store), LOOP_READ, turn_on_store, d);
    return listen_all(d, err);
}

static void free_values(struct map *m)
{
    size_t at = 0;
    void *value;
    while (map_next(m, &at, &value))
        free(value);
    map_fini(m);
}

static void tear_down(struct daemon *d)
{
    for (size_t i = 0; i < CQ_COUNT(d->ports); i++)
        zsock_close(d->ports[i]);
    zap_close(d->zap);
    loop_fd_close(d->store_watch);
    loop_timer_close(d->timer);
    loop_timer_close(d->question_timer);
    askers_fini(&d->askers);
    feed_free(d->feed);
    outbox_free(d->outbox);
    hearing_free(d->hearing);
    store_batch_free(d->filling);
    store_close(d->store);
    effects_fini(&d->effects);
    core_free(d->core);
    watches_free(d->watches);
    logs_free(d->logs);
    worker_sessions_free(d);
    free_values(&d->replies);
    free_values(&d->progress);
    map_fini(&d->is_dirty);
    free_values(&d->asks_of);
    free(d->dirty);
    free(d->backup);
    loop_free(d->loop);
}

/* Once for each crowd: it is over when nobody has been turned away for a while. */
static void look_at_doors(struct daemon *d)
{
    int64_t now_us = loop_now(d->loop).mono_us;
    if (doors_turned_away() != d->turned_away) {
        if (d->crowded_us == 0)
            log_error("net.crowded error=\"too many connections for the descriptors there are; new "
                      "ones are turned away: see docs/LIMITS.md, or raise LimitNOFILE=\"");
        d->turned_away = doors_turned_away();
        d->crowded_us = now_us;
    } else if (d->crowded_us != 0 && now_us - d->crowded_us > CROWD_OVER_US) {
        log_info("net.crowd_over turned_away=%" PRIu64, d->turned_away);
        d->crowded_us = 0;
    }
}

static void on_turn(void *daemon)
{
    look_at_doors(daemon);
    turn_end(daemon);
}

static int serve(struct daemon *d, struct cq_err *err)
{
    struct loop_signal *term = loop_signal_new(d->loop, SIGTERM, on_signal, d);
    struct loop_signal *intr = loop_signal_new(d->loop, SIGINT, on_signal, d);
    loop_on_turn(d->loop, on_turn, d);
    loop_again(d->loop); /* the epoch's record is waiting */
    int rc = tell_ready(d->options, err);
    if (rc == 0) {
        log_info("start epoch=%" PRIu64 " dir=%s pid=%d", core_epoch(d->core), d->options->dir,
                 (int)getpid());
        loop_run(d->loop);
        turn_drain(d);
        log_info("stopped");
    }
    loop_signal_close(term);
    loop_signal_close(intr);
    return rc;
}

int daemon_serve(const struct daemon_options *o, struct cq_err *err)
{
    char *pid_path CQ_CLEANUP(cq_free_ptr) = path_format("%s/run/chipqd.pid", o->dir);
    char *run_dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/run", o->dir);
    char *db CQ_CLEANUP(cq_free_ptr) = daemon_database_path(o);
    struct stat st;
    if (stat(db, &st) != 0) /* before anything is made there */
        return daemon_no_database(o, err);
    if (dir_make(run_dir, 0700, err) != 0)
        return -1;
    int lock = file_lock_pid(pid_path, err);
    if (lock < 0)
        return -1;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD,
                 SIG_DFL); /* ignored, as some parents leave it, it would hide how the feed ended */
    descriptors_raise();
    struct daemon d = {.options = o};
    int rc = set_up(&d, err);
    if (rc == 0)
        rc = serve(&d, err);
    tear_down(&d);
    (void)close(lock);
    return rc;
}
