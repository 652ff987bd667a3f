/* Runs one program and follows its output. */
#include "plugins/sdk/proc.h"

#include "common/base/sys/files.h"
#include "plugins/sdk/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { FD_STOP, FD_PID, FD_TIMER, FD_OUT, FD_ERR, FD_COUNT };

struct proc {
    const struct proc_spec *spec;
    pid_t pid;
    struct pollfd fds[FD_COUNT];
    struct lines out_lines, err_lines;
    bool tee_broken; /* our standard output takes no more: keep reading all the same */
    bool term_sent;
    struct proc_end end;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void proc_fini(struct proc *p)
{
    for (int i = FD_PID; i < FD_COUNT; i++)
        close_fd(&p->fds[i].fd);
}

static void ignore_line(void *context, const char *line)
{
    (void)context;
    (void)line;
}

/* One pipe: the read end stays with us, the write end goes to the child. */
static int open_pipe(int *read_end, int *write_end, struct cq_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return cq_fail_errno(err, CQ_E_IO, errno, "pipe");
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *read_end = fds[0];
    *write_end = fds[1];
    return 0;
}

static int spawn(struct proc *p, int out_fd, int err_fd, struct cq_err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t defaults;
    stop_default_signals(&defaults);
    int rc = posix_spawn_file_actions_init(&actions);
    rc = rc ? rc : posix_spawnattr_init(&attr);
    if (rc)
        return cq_fail_errno(err, CQ_E_IO, rc, "posix_spawn");
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK
                                              | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setsigmask(&attr, stop_old_mask());
    (void)posix_spawnattr_setsigdefault(&attr, &defaults);
    char **argv = p->spec->args->items;
    rc = posix_spawnp(&p->pid, argv[0], &actions, &attr, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    if (rc)
        return cq_fail_errno(err, rc == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, rc, "cannot start '%s'",
                             argv[0]);
    return 0;
}

static void arm_timer(struct proc *p, int ms)
{
    const struct itimerspec when = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};
    (void)timerfd_settime(p->fds[FD_TIMER].fd, 0, &when, NULL);
}

/* Opens the pipes and starts the child; the write ends are closed again in any case. */
static int proc_start(struct proc *p, struct cq_err *err)
{
    int out_fd = -1, err_fd = -1;
    int rc = open_pipe(&p->fds[FD_OUT].fd, &out_fd, err);
    if (rc == 0 && p->spec->on_error_line)
        rc = open_pipe(&p->fds[FD_ERR].fd, &err_fd, err);
    if (rc == 0)
        rc = spawn(p, out_fd, err_fd >= 0 ? err_fd : out_fd, err);
    close_fd(&out_fd);
    close_fd(&err_fd);
    if (rc)
        return -1;
    p->fds[FD_PID].fd = pidfd_open(p->pid, 0);
    p->fds[FD_TIMER].fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->fds[FD_PID].fd < 0 || p->fds[FD_TIMER].fd < 0) {
        int errnum = errno;
        (void)kill(-p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
        return cq_fail_errno(err, CQ_E_IO, errnum, "pidfd or timerfd");
    }
    if (p->spec->limit_ms > 0)
        arm_timer(p, p->spec->limit_ms);
    return 0;
}

/* Reads what one pipe holds now, at most `rounds` buffers of it; closes it at its end. */
static void read_pipe(struct proc *p, int which, struct lines *lines, int rounds)
{
    char buf[65536];
    int *fd = &p->fds[which].fd;
    for (int i = 0; *fd >= 0 && i < rounds; i++) {
        ssize_t n = read(*fd, buf, sizeof buf);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            close_fd(fd);
            return;
        }
        if (!p->spec->quiet && !p->tee_broken)
            p->tee_broken = write_all(STDOUT_FILENO, buf, (size_t)n) != 0;
        lines_feed(lines, buf, (size_t)n);
    }
}

static void ask_to_stop(struct proc *p)
{
    if (p->term_sent)
        return;
    p->term_sent = true;
    (void)kill(-p->pid, SIGTERM);
    arm_timer(p, p->spec->grace_ms > 0 ? p->spec->grace_ms : PROC_GRACE_MS);
}

static void on_timer(struct proc *p)
{
    uint64_t ticks;
    if (read(p->fds[FD_TIMER].fd, &ticks, sizeof ticks) != (ssize_t)sizeof ticks)
        return;
    if (p->term_sent) {
        (void)kill(-p->pid, SIGKILL);
        return;
    }
    p->end.timed_out = true;
    ask_to_stop(p);
}

/* Until the program itself has ended; its descriptor becomes readable then. */
static void follow(struct proc *p)
{
    for (;;) {
        if (poll(p->fds, FD_COUNT, -1) < 0)
            continue;
        if (p->fds[FD_STOP].revents && stop_take()) {
            p->end.stopped = true;
            ask_to_stop(p);
        }
        if (p->fds[FD_TIMER].revents)
            on_timer(p);
        if (p->fds[FD_OUT].revents)
            read_pipe(p, FD_OUT, &p->out_lines, 4);
        if (p->fds[FD_ERR].revents)
            read_pipe(p, FD_ERR, &p->err_lines, 4);
        if (p->fds[FD_PID].revents)
            return;
    }
}

/* The dead leader is not reaped yet, so its number still names its group and no other. */
static void collect(struct proc *p)
{
    (void)kill(-p->pid, SIGKILL);
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    read_pipe(p, FD_OUT, &p->out_lines, 64);
    read_pipe(p, FD_ERR, &p->err_lines, 64);
    lines_finish(&p->out_lines);
    lines_finish(&p->err_lines);
    p->end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    p->end.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    p->end.cut_lines = p->out_lines.cut_count + p->err_lines.cut_count;
}

int proc_run(const struct proc_spec *spec, struct proc_end *end, struct cq_err *err)
{
    if (stop_take() || stop_signal())
        return cq_fail(err, CQ_E_TIMEOUT, "stopped by %s", stop_name(stop_signal()));
    struct proc p = {.spec = spec};
    for (int i = 0; i < FD_COUNT; i++)
        p.fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    p.fds[FD_STOP].fd = stop_fd();
    lines_init(&p.out_lines, spec->on_line ? spec->on_line : ignore_line, spec->context);
    lines_init(&p.err_lines, spec->on_error_line ? spec->on_error_line : ignore_line,
               spec->context);
    if (proc_start(&p, err)) {
        proc_fini(&p);
        return -1;
    }
    follow(&p);
    collect(&p);
    proc_fini(&p);
    *end = p.end;
    return 0;
}

const char *proc_describe(const struct proc_end *end, char *buf, size_t size)
{
    if (end->signal)
        (void)snprintf(buf, size, "was killed by %s", stop_name(end->signal));
    else
        (void)snprintf(buf, size, "ended with status %d", end->exit_status);
    return buf;
}
