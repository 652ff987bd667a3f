/* Starts, finds and stops the daemons of a local instance. */
#include "cli/instance.h"

#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGV_MAX = 64, LOG_TAIL_BYTES = 2048 };

static int make_tree(const char *dir, struct cq_err *err)
{
    static const char *const parts[] = {"", "/log", "/run"};
    for (size_t i = 0; i < CQ_COUNT(parts); i++) {
        CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s%s", dir, parts[i]);
        if (dir_make(path, 0700, err) != 0)
            return -1;
    }
    return 0;
}

int instance_check_dir(const char *dir, bool makes, struct cq_err *err)
{
    struct stat st;
    if (strlen(dir) > INSTANCE_DIR_MAX)
        return cq_fail(
            err, CQ_E_LIMIT,
            "the path of the instance is %zu bytes; its sockets allow at most %d: choose a shorter "
            "one with --dir or CHIPQ_DIR (%s)",
            strlen(dir), INSTANCE_DIR_MAX, dir);
    if (makes && make_tree(dir, err) != 0)
        return -1;
    if (stat(dir, &st) != 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno, "%s", dir);
    if (!S_ISDIR(st.st_mode))
        return cq_fail(err, CQ_E_INVALID, "%s is not a directory", dir);
    if (st.st_uid != geteuid())
        return cq_fail(err, CQ_E_DENIED, "%s belongs to another account", dir);
    if (st.st_mode & 077)
        return cq_fail(err, CQ_E_DENIED, "%s is open to other accounts; run: chmod 700 %s", dir,
                       dir);
    if (makes && access(dir, W_OK) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write in %s", dir);
    return 0;
}

int instance_lock(const char *dir)
{
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/run/up.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0)
        if (errno != EINTR)
            break;
    return fd;
}

char *instance_bin_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    return cq_strndup(path, slash ? (size_t)(slash - path) : 0);
}

pid_t instance_pid(const char *dir, const char *role)
{
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/run/%s.pid", dir, role);
    return file_lock_holder(path);
}

/* ---- starting ---- */

/* The last that names an error, else the last. Cuts the text behind it. */
static const char *telling_line(char *text)
{
    char *error = NULL;
    for (char *at = text; (at = strstr(at, "error=\"")) != NULL; at++)
        error = at;
    if (error)
        error[strcspn(error, "\n")] = '\0';
    char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* The line of a log that tells most, from `from` on; caller frees. */
static char *last_line(const char *path, off_t from)
{
    char buf[LOG_TAIL_BYTES + 1];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= from) {
        if (fd >= 0)
            close(fd);
        return cq_strdup("it said nothing");
    }
    off_t at = st.st_size - from > LOG_TAIL_BYTES ? st.st_size - LOG_TAIL_BYTES : from;
    ssize_t n = pread(fd, buf, LOG_TAIL_BYTES, at);
    close(fd);
    while (n > 0 && buf[n - 1] == '\n')
        n--;
    buf[n > 0 ? n : 0] = '\0';
    return cq_strdup(telling_line(buf));
}

/* `kept_fd` (-1: none) is the only one beside the standard ones that the program inherits. */
static CQ_NORETURN void become(char *const *argv, int log_fd, int kept_fd)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (null_fd >= 0)
        dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (kept_fd >= 0)
        (void)fcntl(kept_fd, F_SETFD, 0);
    if (argv[0])
        execv(argv[0], argv);
    dprintf(STDERR_FILENO, "cannot start it: %s\n", strerror(errno));
    _exit(127);
}

enum readiness { IS_READY, HAS_ENDED, IS_LATE, LACKS_OTHER };

/* Waits for "ready" on `fd`, while the process of `other_fd` (-1: none) lives. */
static enum readiness wait_ready(int fd, int other_fd, int64_t timeout_us)
{
    int64_t deadline_us = clock_mono_us() + timeout_us;
    for (;;) {
        char buf[16];
        int64_t left_us = deadline_us - clock_mono_us();
        struct pollfd p[] = {{fd, POLLIN, 0}, {other_fd, POLLIN, 0}};
        if (left_us <= 0)
            return IS_LATE;
        int n = poll(p, CQ_COUNT(p), (int)(left_us / 1000 + 1));
        if (n < 0 && errno != EINTR)
            return IS_LATE;
        if (n > 0 && p[0].revents)
            return read(fd, buf, sizeof buf) > 0 ? IS_READY : HAS_ENDED;
        if (n > 0)
            return LACKS_OTHER;
    }
}

static pid_t spawn(char *const *argv, size_t n_fixed, int log_fd, int ready_fd)
{
    char *words[ARGV_MAX + 1], number[16];
    size_t n = 0;
    (void)snprintf(number, sizeof number, "%d", ready_fd);
    for (size_t i = 0; argv[i] && n < ARGV_MAX - 3; i++) {
        if (i == n_fixed) {
            words[n++] = (char *)"--ready-fd";
            words[n++] = number;
        }
        words[n++] = argv[i];
    }
    if (argv[n_fixed] == NULL) {
        words[n++] = (char *)"--ready-fd";
        words[n++] = number;
    }
    words[n] = NULL;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(words, log_fd, ready_fd);
    return pid;
}

static int open_pid(const char *dir, const char *role)
{
    pid_t pid = role ? instance_pid(dir, role) : 0;
    return pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* It was not ready: ends it, and says why. */
static int give_up(const struct instance_program *i, pid_t pid, enum readiness how, const char *log,
                   off_t from, struct cq_err *err)
{
    int status = 0;
    kill(pid, how == IS_LATE ? SIGTERM : SIGKILL); /* a process that ended is not hurt */
    waitpid(pid, &status, 0);
    if (how == LACKS_OTHER)
        return cq_fail(err, CQ_E_INTERNAL, "%s ended while %s was started; %s/log/%s.log says why",
                       i->needs, i->role, i->dir, i->needs);
    bool is_refused = WIFEXITED(status) && WEXITSTATUS(status) == cq_code_exit_status(CQ_E_INVALID);
    CQ_CLEANUP(cq_free_ptr) char *last = last_line(log, from);
    return cq_fail(err,
                   is_refused         ? CQ_E_INVALID
                   : how == HAS_ENDED ? CQ_E_INTERNAL
                                      : CQ_E_TIMEOUT,
                   "%s did not get ready: %s (log: %s)", i->role, last, log);
}

pid_t instance_start(const struct instance_program *i, int64_t timeout_us, struct cq_err *err)
{
    int ready[2];
    CQ_CLEANUP(cq_free_ptr) char *log = path_format("%s/log/%s.log", i->dir, i->role);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot write %s", log);
    off_t before = lseek(log_fd, 0, SEEK_END);
    if (pipe2(ready, O_CLOEXEC) != 0) {
        close(log_fd);
        return cq_fail_errno(err, CQ_E_IO, errno, "pipe");
    }
    int other_fd = open_pid(i->dir, i->needs);
    pid_t pid = spawn(i->argv, i->n_fixed, log_fd, ready[1]);
    int why = errno;
    close(log_fd);
    close(ready[1]);
    enum readiness how = pid < 0 ? HAS_ENDED : wait_ready(ready[0], other_fd, timeout_us);
    close(ready[0]);
    if (other_fd >= 0)
        close(other_fd);
    if (pid < 0)
        return cq_fail_errno(err, CQ_E_IO, why, "fork");
    return how == IS_READY ? pid : give_up(i, pid, how, log, before, err);
}

/* ---- running to the end ---- */

static int collect(int fd, size_t max_bytes, int64_t deadline_us, struct cq_str *out)
{
    char buf[4096];
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        struct pollfd p = {fd, POLLIN, 0};
        if (left_us <= 0 || out->len > max_bytes)
            return -1;
        if (poll(&p, 1, (int)(left_us / 1000 + 1)) <= 0)
            continue;
        ssize_t n = read(fd, buf, sizeof buf);
        if (n <= 0)
            return (int)n;
        cq_str_append(out, buf, (size_t)n);
    }
}

int instance_capture(char *const *argv, size_t max_bytes, int64_t timeout_us, struct cq_str *out,
                     struct cq_err *err)
{
    int fds[2], status = 0;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "pipe");
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(argv, fds[1], -1);
    close(fds[1]);
    int rc = pid < 0 ? -1 : collect(fds[0], max_bytes, clock_mono_us() + timeout_us, out);
    close(fds[0]);
    if (pid < 0)
        return cq_fail(err, CQ_E_IO, "cannot start %s", argv[0]);
    if (rc != 0)
        kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (rc != 0)
        return cq_fail(err, CQ_E_TIMEOUT, "%s did not end in time, or said too much", argv[0]);
    return WIFEXITED(status)
               ? WEXITSTATUS(status)
               : cq_fail(err, CQ_E_INTERNAL, "%s died of signal %d", argv[0], WTERMSIG(status));
}

/* ---- stopping ---- */

static bool wait_gone(int pid_fd, int64_t timeout_us)
{
    struct pollfd p = {pid_fd, POLLIN, 0};
    int64_t deadline_us = clock_mono_us() + timeout_us;
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        int n = poll(&p, 1, left_us > 0 ? (int)(left_us / 1000 + 1) : 0);
        if (n > 0)
            return true;
        if (left_us <= 0 || (n < 0 && errno != EINTR))
            return false;
    }
}

bool instance_has_gone(const char *dir, const char *role, int64_t timeout_us)
{
    int pid_fd = open_pid(dir, role);
    if (pid_fd >= 0) {
        (void)wait_gone(pid_fd, timeout_us);
        close(pid_fd);
    }
    return instance_pid(dir, role) == 0;
}

int instance_stop(const char *dir, const char *role, int64_t timeout_us, enum instance_stopped *how,
                  struct cq_err *err)
{
    pid_t pid = instance_pid(dir, role);
    *how = INSTANCE_NOT_RUNNING;
    if (pid == 0)
        return 0;
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pid_fd < 0 || instance_pid(dir, role) != pid) { /* it ended meanwhile */
        if (pid_fd >= 0)
            close(pid_fd);
        return 0;
    }
    int rc = 0;
    *how = INSTANCE_ENDED;
    if (syscall(SYS_pidfd_send_signal, pid_fd, SIGTERM, NULL, 0) != 0 && errno != ESRCH)
        rc = cq_fail_errno(err, CQ_E_DENIED, errno, "cannot stop %s (pid %ld)", role, (long)pid);
    else if (!wait_gone(pid_fd, timeout_us)) {
        *how = INSTANCE_KILLED;
        (void)syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0);
        if (!wait_gone(pid_fd, timeout_us))
            rc = cq_fail(err, CQ_E_TIMEOUT, "%s (pid %ld) does not end", role, (long)pid);
    }
    close(pid_fd);
    return rc;
}
