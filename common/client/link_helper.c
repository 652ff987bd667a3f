/* A connection through chipq-helper. The one that is shared is asked first; when there is none, one
 * is started, which serves us over a socket pair and then listens for those who follow. A session
 * of our own is served by a helper that ends with us. */
#include "common/client/link.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/client/local.h"
#include "common/wire/message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    AGAIN_US = 100 * 1000,
    SILENCE_US = 1000 * 1000, /* of a helper that was there: it may be stopped */
    ENVIRONMENT_MAX = 10,     /* of what a helper that we start gets, with the NULL at its end */
};

struct link {
    struct link_options options;
    struct curve_key key; /* wiped at the end */
    int fd;               /* -1: there is no helper at the moment */
    bool is_heard;        /* it has said something */
    bool is_told;         /* CONNECTED was the last state that we passed on */
    bool is_started;      /* by us; else it was there */
    bool was_leaving;     /* the one that was there: it is not asked again */
    int64_t again_us;     /* when to start one again */
    int64_t heard_by_us;  /* when to give up one that was there and is silent */
    struct cq_str in, out;
    void (*on_signal)(void *arg, int signal_number);
    void *signal_arg;
};

/* ---- which helper ---- */

/* CHIPQ_HELPER=off: none that outlives us. */
static bool may_share(const struct link *l)
{
    const char *word = getenv("CHIPQ_HELPER");
    return !l->options.is_own && (word == NULL || strcmp(word, "off") != 0);
}

static int connect_shared(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !cq_copy_text(a.sun_path, sizeof a.sun_path, path))
        return fd;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static char *helper_program(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    return path_format("%.*s/chipq-helper", slash ? (int)(slash - path) : 0, path);
}

/* What it may want of our environment; the rest may be secrets, and it goes on after us. */
static size_t fill_environment(char *to[ENVIRONMENT_MAX], struct cq_str texts[ENVIRONMENT_MAX])
{
    static const char *const names[ENVIRONMENT_MAX - 1] = {
        "CHIPQ_HELPER_IDLE", "LD_LIBRARY_PATH",   "ASAN_OPTIONS",
        "LSAN_OPTIONS",      "UBSAN_OPTIONS",     "TSAN_OPTIONS",
#ifdef CQ_FAILPOINTS
        "CQ_FAILPOINTS",     "CQ_FAILPOINTS_LOG", "CQ_FAILPOINTS_SEED",
#endif
    };
    size_t n = 0;
    for (size_t i = 0; i < CQ_COUNT(names); i++) {
        const char *value = names[i] ? getenv(names[i]) : NULL;
        if (value == NULL)
            continue;
        cq_str_printf(&texts[n], "%s=%s", names[i], value);
        to[n] = texts[n].data;
        n++;
    }
    to[n] = NULL;
    return n;
}

/* Nothing of ours is left to it but its end of the pair: who reads our output sees its end. */
static int spawn_helper(int its_fd, const char *listen_at, struct cq_err *err)
{
    char *program CQ_CLEANUP(cq_free_ptr) = helper_program();
    char *argv[] = {program, (char *)listen_at, NULL}, *environment[ENVIRONMENT_MAX];
    struct cq_str texts[ENVIRONMENT_MAX] = {0};
    size_t n = fill_environment(environment, texts);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    posix_spawn_file_actions_adddup2(&actions, its_fd, LOCAL_FD);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &none);
    int rc = posix_spawn(&pid, program, &actions, &attr, argv, environment);
    for (size_t i = 0; i < n; i++)
        cq_str_fini(&texts[i]);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? 0
                   : cq_fail_errno(err, CQ_E_IO, rc, "cannot start %s, which belongs beside chipq",
                                   program);
}

static int start_helper(struct link *l, const char *listen_at, struct cq_err *err)
{
    struct cq_str key CQ_CLEANUP(cq_str_fini) = {0};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make a socket");
    int rc = spawn_helper(fds[1], listen_at, err);
    close(fds[1]);
    if (rc != 0) {
        close(fds[0]);
        return -1;
    }
    l->fd = fds[0];
    curve_key_format(&l->key, &key);
    local_add(&l->out, LOCAL_KEY, key.data, key.len);
    explicit_bzero(key.data, key.len);
    return 0;
}

static int open_helper(struct link *l, struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = may_share(l) ? local_path(&l->key) : NULL;
    cq_str_clear(&l->in);
    cq_str_clear(&l->out);
    l->is_heard = l->is_told = false;
    l->fd = path && !l->was_leaving ? connect_shared(path) : -1;
    l->was_leaving = false;
    l->is_started = l->fd < 0;
    l->heard_by_us = clock_mono_us() + SILENCE_US;
    /* In a job it would end with the job, under the feet of all others. */
    if (l->is_started && start_helper(l, getenv("CHIPQ_JOB") ? NULL : path, err) != 0)
        return -1;
    return fcntl(l->fd, F_SETFL, O_NONBLOCK) == 0
               ? 0
               : cq_fail_errno(err, CQ_E_IO, errno, "cannot use a socket");
}

struct link *link_open(const struct link_options *o, struct cq_err *err)
{
    struct link *l = CQ_NEW(struct link);
    l->options = *o;
    l->options.key = NULL;
    l->key = *o->key;
    l->fd = -1;
    if (o->endpoint)
        (void)cq_copy_text(l->key.endpoint, sizeof l->key.endpoint, o->endpoint);
    if (l->key.endpoint[0] == '\0' || l->key.n_servers == 0)
        cq_fail(err, CQ_E_INVALID, "the key file names no %s",
                l->key.n_servers == 0 ? "server" : "endpoint");
    else if (open_helper(l, err) == 0)
        return l;
    link_close(l);
    return NULL;
}

void link_close(struct link *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    cq_str_fini(&l->in);
    cq_str_fini(&l->out);
    curve_key_wipe(&l->key);
    free(l);
}

/* ---- to and from it ---- */

static void tell(struct link *l, enum zsock_state state)
{
    l->is_told = state == ZSOCK_CONNECTED;
    l->options.on_state(l->options.arg, state);
}

/* A helper that was there and said nothing was about to leave, or is stopped: another one, at once.
 */
static void lose(struct link *l)
{
    bool was_told = l->is_told;
    l->was_leaving = !l->is_started && !l->is_heard;
    close(l->fd);
    l->fd = -1;
    l->again_us = clock_mono_us() + (l->was_leaving ? 0 : AGAIN_US);
    if (!l->was_leaving)
        tell(l, was_told ? ZSOCK_DISCONNECTED : ZSOCK_RETRYING);
}

static void take(struct link *l, const struct local_piece *p)
{
    l->is_heard = true;
    if (p->type == LOCAL_STATE && p->bytes == 1)
        tell(l, (enum zsock_state)(uint8_t)p->data[0]);
    else if (p->type == LOCAL_MESSAGE)
        l->options.on_message(l->options.arg, p->data, p->bytes);
}

static void read_some(struct link *l)
{
    char bytes[READ_BYTES];
    struct local_piece p;
    size_t at = 0;
    int is_next;
    ssize_t n = read(l->fd, bytes, sizeof bytes);
    if (n > 0)
        cq_str_append(&l->in, bytes, (size_t)n);
    while ((is_next = local_next(&l->in, &at, &p)) == 1)
        take(l, &p);
    local_drop(&l->in, at);
    if (n == 0 || is_next < 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        lose(l);
}

static void write_some(struct link *l)
{
    ssize_t n = send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL);
    if (n > 0)
        local_drop(&l->out, (size_t)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        lose(l);
}

void link_send(struct link *l, const void *data, size_t bytes)
{
    if (l->fd >= 0 && l->is_told)
        local_add(&l->out, LOCAL_MESSAGE, data, bytes);
}

/* ---- turns ---- */

/* A signal's handler knows no link: the number waits here, and the descriptor ends the sleep. */
static int signal_fd = -1;
static volatile sig_atomic_t signal_caught;

static void note_signal(int signal_number)
{
    const uint64_t one = 1;
    signal_caught = signal_number;
    (void)!write(signal_fd, &one, sizeof one);
}

static void take_signal(struct link *l)
{
    uint64_t times;
    int caught = signal_caught;
    (void)!read(signal_fd, &times, sizeof times);
    signal_caught = 0;
    if (caught && l->on_signal)
        l->on_signal(l->signal_arg, caught);
}

static bool may_be_stopped(const struct link *l)
{
    return l->fd >= 0 && !l->is_started && !l->is_heard;
}

static int wait_ms(const struct link *l, int64_t until_us)
{
    if (l->fd < 0 && l->again_us < until_us)
        until_us = l->again_us;
    if (may_be_stopped(l) && l->heard_by_us < until_us)
        until_us = l->heard_by_us;
    int64_t us = until_us - clock_mono_us();
    if (until_us == INT64_MAX)
        return -1;
    return us <= 0 ? 0 : us / 1000 >= INT_MAX ? INT_MAX : (int)((us + 999) / 1000);
}

static void try_again(struct link *l)
{
    if (open_helper(l, NULL) == 0)
        return;
    l->again_us = clock_mono_us() + AGAIN_US;
    tell(l, ZSOCK_RETRYING);
}

void link_turn(struct link *l, int64_t until_mono_us)
{
    if (l->fd >= 0 && l->out.len)
        write_some(l);
    struct pollfd fds[2] = {
        {.fd = l->fd, .events = (short)(POLLIN | (l->out.len ? POLLOUT : 0))},
        {.fd = signal_fd, .events = POLLIN},
    };
    (void)poll(fds, 2, wait_ms(l, until_mono_us));
    if (fds[1].revents)
        take_signal(l);
    if (l->fd >= 0 && fds[0].revents & (POLLIN | POLLHUP | POLLERR))
        read_some(l);
    if (may_be_stopped(l) && clock_mono_us() >= l->heard_by_us)
        lose(l);
    if (l->fd < 0 && clock_mono_us() >= l->again_us)
        try_again(l);
}

void link_catch(struct link *l, int signal_number, void (*on_signal)(void *arg, int signal_number),
                void *arg)
{
    l->on_signal = on_signal;
    l->signal_arg = arg;
    const struct sigaction action = {.sa_handler = note_signal};
    if (signal_fd < 0)
        signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signal_fd >= 0)
        (void)sigaction(signal_number, &action, NULL);
}
