/* One child process in the loop: its output through a pipe, its end through a pidfd. */
#include "scheduler/daemon/feed_run.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct feed_run {
    struct loop *loop;
    size_t bytes_max;
    feed_run_done_fn done;
    feed_run_gone_fn gone;
    void *arg;
    struct loop_timer *timer;
    int64_t timeout_us;
    pid_t pid; /* 0 = none; our child, not waited for yet, so the number is its own */
    int pid_fd, out_fd;
    struct loop_fd *pid_watch, *out_watch; /* out_*: -1 and NULL after the end of the output */
    struct cq_str text;
    bool is_told; /* `done` was called, or must not be */
};

/* The program is executed by env, not by us: posix_spawn returns when the new program is loaded,
 * and a path on a file server that does not answer would hold up the loop. */
static char env_path[] = "/usr/bin/env";

/* The words of a command, cut out of a copy of it, behind env. */
struct words {
    char *copy;
    char *argv[FEED_WORDS_MAX + 2];
};

/* env would take NAME=VALUE and -x for itself. */
static int check_program(const char *name, struct cq_err *err)
{
    if (name[0] == '-' || strchr(name, '=') != NULL)
        return cq_fail(err, CQ_E_INVALID,
                       "'%.80s' cannot be run: no - in front of a program and no = in it", name);
    if (name[0] != '/' && strchr(name, '/') != NULL)
        return cq_fail(err, CQ_E_INVALID, "'%.80s' is no full path; begin it with /", name);
    return 0;
}

static int split(struct words *w, const char *command, struct cq_err *err)
{
    size_t n = 0;
    if (strlen(command) > FEED_COMMAND_BYTES_MAX)
        return cq_fail(err, CQ_E_INVALID, "the command is longer than %d bytes",
                       FEED_COMMAND_BYTES_MAX);
    char *rest = w->copy = cq_strdup(command);
    w->argv[n++] = env_path;
    for (char *word; (word = strsep(&rest, " \t")) != NULL;) {
        if (word[0] == '\0')
            continue;
        if (n > FEED_WORDS_MAX)
            return cq_fail(err, CQ_E_INVALID, "the command has more than %d words", FEED_WORDS_MAX);
        w->argv[n++] = word;
    }
    if (n == 1)
        return cq_fail(err, CQ_E_INVALID, "the command is empty; name a program");
    return check_program(w->argv[1], err);
}

/* What the loop ignores or blocks must not be inherited: a program that cannot be told to stop. */
static void set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGKILL);
    (void)sigdelset(&all, SIGSTOP);
    (void)posix_spawnattr_setsigmask(attr, &none);
    (void)posix_spawnattr_setsigdefault(attr, &all);
    (void)posix_spawnattr_setpgroup(attr, 0);
    (void)posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF
                                             | POSIX_SPAWN_SETSIGMASK);
}

/* Returns an error number. */
static int spawn(const struct words *w, int out_fd, pid_t *pid)
{
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C",
                home[] = "HOME=/";
    char *const environment[] = {path, locale, home, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc == 0) {
        set_attributes(&attr);
        rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (rc == 0)
            rc = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
        if (rc == 0)
            rc = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
        if (rc == 0)
            rc = posix_spawn(pid, env_path, &actions, &attr, w->argv, environment);
        (void)posix_spawnattr_destroy(&attr);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void close_output(struct feed_run *r)
{
    if (r->out_fd < 0)
        return;
    loop_fd_close(cq_steal(&r->out_watch));
    (void)close(r->out_fd);
    r->out_fd = -1;
}

static void tell(struct feed_run *r, const struct cq_err *why)
{
    loop_timer_cancel(r->timer);
    close_output(r);
    if (r->is_told)
        return;
    r->is_told = true;
    r->done(r->arg, cq_str_text(&r->text), r->text.len, why);
}

/* The child is ours and not waited for: its number, and so the group's, cannot be anybody else's.
 */
static void kill_group(const struct feed_run *r)
{
    (void)kill(-r->pid, SIGKILL);
}

static void fail(struct feed_run *r, const struct cq_err *why)
{
    kill_group(r);
    tell(r, why);
}

/* Reads what is there. Returns false when the run is over because of it. */
static bool read_output(struct feed_run *r)
{
    char buf[16 << 10];
    struct cq_err why;
    while (r->out_fd >= 0) {
        ssize_t n = read(r->out_fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            close_output(r);
            return true;
        }
        if (r->text.len + (size_t)n > r->bytes_max) {
            (void)cq_fail(&why, CQ_E_LIMIT, "it printed more than %zu KiB", r->bytes_max >> 10);
            fail(r, &why);
            return false;
        }
        cq_str_append(&r->text, buf, (size_t)n);
    }
    return true;
}

static void on_output(void *arg, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    (void)read_output(arg);
}

static void on_timeout(void *arg)
{
    struct feed_run *r = arg;
    struct cq_err why;
    char limit[32];
    (void)cq_fail(&why, CQ_E_TIMEOUT, "it did not end within %s and was killed",
                  format_time_us(r->timeout_us, limit, sizeof limit));
    fail(r, &why);
}

static const char *explain_status(int status)
{
    switch (status) {
    case 126:
        return "it may not be executed";
    case 127:
        return "there is no such program";
    default:
        return "chipqd's log has what it said";
    }
}

static void tell_status(struct feed_run *r, int status)
{
    struct cq_err why;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        tell(r, NULL);
        return;
    }
    if (WIFEXITED(status))
        (void)cq_fail(&why, CQ_E_IO, "it ended with status %d: %s", WEXITSTATUS(status),
                      explain_status(WEXITSTATUS(status)));
    else
        (void)cq_fail(&why, CQ_E_IO, "it was ended by signal %d", WTERMSIG(status));
    tell(r, &why);
}

/* The program itself is over. What it has printed is in the pipe, though its children may still
 * hold the other end; they are killed while the unreaped child still keeps the group's number. */
static void on_end(void *arg, int fd, unsigned events)
{
    struct feed_run *r = arg;
    int status = 0;
    (void)fd;
    (void)events;
    kill_group(r);
    bool is_whole = read_output(r);
    pid_t ended = waitpid(r->pid, &status, WNOHANG);
    if (ended == 0)
        return; /* not yet: the descriptor stays readable */
    if (ended < 0)
        status = SIGKILL; /* somebody else has waited for it: never take that for a success */
    r->pid = 0;
    loop_fd_close(cq_steal(&r->pid_watch));
    (void)close(r->pid_fd);
    if (is_whole)
        tell_status(r, status);
    r->gone(r->arg);
}

static int start(struct feed_run *r, const struct words *w, struct cq_err *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make a pipe");
    int rc = fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) != 0 ? errno : spawn(w, pipe_fds[1], &r->pid);
    (void)close(pipe_fds[1]);
    if (rc != 0) {
        (void)close(pipe_fds[0]);
        r->pid = 0;
        return cq_fail_errno(err, CQ_E_IO, rc, "cannot start %s", env_path);
    }
    r->out_fd = pipe_fds[0];
    r->pid_fd = (int)syscall(SYS_pidfd_open, r->pid, 0U);
    if (r->pid_fd >= 0)
        return 0;
    rc = errno; /* out of descriptors: its end could not be seen, so end it here */
    kill_group(r);
    (void)waitpid(r->pid, NULL, 0); /* it is just being born: this takes no time */
    r->pid = 0;
    close_output(r);
    return cq_fail_errno(err, CQ_E_IO, rc, "cannot watch a process");
}

int feed_run_start(struct feed_run *r, const char *command, int64_t timeout_us, struct cq_err *err)
{
    struct words w = {0};
    if (r->pid != 0)
        return cq_fail(err, CQ_E_CONFLICT, "process %d of the run before does not end",
                       (int)r->pid);
    int rc = split(&w, command, err);
    if (rc == 0)
        rc = start(r, &w, err);
    free(w.copy);
    if (rc != 0)
        return -1;
    cq_str_clear(&r->text);
    r->is_told = false;
    r->timeout_us = timeout_us;
    r->out_watch = loop_fd_new(r->loop, r->out_fd, LOOP_READ, on_output, r);
    r->pid_watch = loop_fd_new(r->loop, r->pid_fd, LOOP_READ, on_end, r);
    loop_timer_set(r->timer, loop_now(r->loop).mono_us + timeout_us);
    return 0;
}

void feed_run_cancel(struct feed_run *r)
{
    if (r->pid == 0)
        return;
    r->is_told = true;
    fail(r, NULL);
}

bool feed_run_is_busy(const struct feed_run *r)
{
    return r->pid != 0;
}

struct feed_run *feed_run_new(struct loop *l, size_t bytes_max, feed_run_done_fn done,
                              feed_run_gone_fn gone, void *arg)
{
    struct feed_run *r = CQ_NEW(struct feed_run);
    r->loop = l;
    r->bytes_max = bytes_max;
    r->done = done;
    r->gone = gone;
    r->arg = arg;
    r->out_fd = -1;
    r->timer = loop_timer_new(l, on_timeout, r);
    return r;
}

void feed_run_free(struct feed_run *r)
{
    if (r == NULL)
        return;
    if (r->pid != 0) {
        feed_run_cancel(r);
        loop_fd_close(r->pid_watch);
        (void)close(r->pid_fd);
        (void)waitpid(r->pid, NULL, WNOHANG);
    }
    loop_timer_close(r->timer);
    cq_str_fini(&r->text);
    free(r);
}
