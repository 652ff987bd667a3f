/* chipq-execd: starts and restarts the agent, starts shepherds for it, reaps both. It talks to no
 * network and reads nothing of a job; where isolation needs a privileged process, it is this one.
 */
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/execd/execd.h"
#include "worker/lease/tree.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AGENT_TELL_MS = 2000, AGENT_STOP_MS = 3000, MORE_MAX = 256 };

struct arguments {
    const char *dir, *key;
    long ready_fd;
    char *more[MORE_MAX + 1];
    size_t n_more;
};

static const struct argp_option option_list[] = {
    {"dir", 'd', "DIR", 0, "the instance's directory", 0},
    {"key", 'k', "FILE", 0, "the worker's key (default: DIR/keys/worker.key)", 0},
    {"ready-fd", 'r', "N", 0, "write 'ready' there when the scheduler has welcomed the worker", 0},
    {"list-failpoints", 'f', NULL, 0, "print the failpoints that are compiled in", 0},
    {"version", 'V', NULL, 0, "print the version", 0},
    {0}};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'd':
        a->dir = arg;
        return 0;
    case 'k':
        a->key = arg;
        return 0;
    case 'r':
        a->ready_fd = strtol(arg, NULL, 10);
        return 0;
    case 'f':
        failpoint_list(stdout);
        exit(0);
    case 'V':
        printf("chipq-execd %s\n", CHIPQ_VERSION);
        exit(0);
    case ARGP_KEY_ARG:
        if (a->n_more == MORE_MAX)
            argp_error(state, "too many options for chipq-worker");
        a->more[a->n_more++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int make_signals(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static char *own_directory(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return cq_strdup(path);
}

/* Control groups carry the instance's place in their names: two instances may share a machine. */
static void open_groups(struct execd *x)
{
    struct stat st;
    char tag[48] = "0";
    if (fstat(x->leases_fd, &st) == 0)
        snprintf(tag, sizeof tag, "%llx-%llx", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
    slots_open(&x->slots, x->dir, tag);
}

/* Every lease holds a descriptor for each of its groups. */
static void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int set_up(struct execd *x, const struct arguments *a, struct cq_err *err)
{
    char *run = path_format("%s/run", a->dir), *leases = path_format("%s/leases", run),
         *pid = path_format("%s/execd.pid", run);
    x->dir = a->dir;
    x->key = a->key;
    x->ready_fd = (int)a->ready_fd;
    x->agent_fd = -1;
    x->agent_options = (char **)a->more;
    x->bin_dir = own_directory();
    int failed = dir_make(leases, 0700, err) != 0 || file_lock_pid(pid, err) < 0;
    x->leases_fd = failed ? -1 : open(leases, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    x->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    free(run);
    free(leases);
    free(pid);
    if (failed)
        return -1;
    x->signal_fd = make_signals();
    if (x->leases_fd < 0 || x->null_fd < 0 || x->signal_fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot open what execd needs");
    if (x->ready_fd >= 0)
        (void)fcntl(x->ready_fd, F_SETFD, FD_CLOEXEC);
    raise_files();
    open_groups(x);
    x->keeper = isolate_probe(group_root_has(&x->slots.root, GROUP_TREE));
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    log_info("execd.start pid=%ld keeper=%s group=%s", (long)getpid(), keeper_text(x->keeper),
             group_root_has(&x->slots.root, GROUP_TREE) ? "yes" : "no");
    return 0;
}

static void reap(struct execd *x)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == x->agent_pid)
            agent_process_ended(x, status, clock_mono_us());
        else
            (void)shepherds_ended(x, pid, status);
    }
    shepherds_tell(x);
}

static void on_signals(struct execd *x)
{
    struct signalfd_siginfo info;
    while (read(x->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            x->is_stopping = true;
        if (info.ssi_signo == SIGHUP && x->agent_pid > 0) {
            x->is_restart_wanted = true;
            (void)kill(x->agent_pid, SIGTERM);
        }
    }
    reap(x);
}

static void turn(struct execd *x)
{
    int64_t now_us = clock_mono_us();
    if (x->agent_pid == 0 && now_us >= x->agent_restart_at_us)
        agent_process_start(x);
    struct pollfd p[] = {{x->signal_fd, POLLIN, 0}, {x->agent_fd, POLLIN, 0}};
    int64_t wait_us = x->agent_restart_at_us - now_us;
    int ms = x->agent_pid > 0 ? -1 : (int)(wait_us > 0 ? wait_us / 1000 + 1 : 0);
    if (poll(p, 2, ms) <= 0)
        return;
    if (p[1].revents)
        agent_process_read(x);
    if (p[0].revents)
        on_signals(x);
}

/* Serves the agent until it has ended or the time is over. */
static void await_agent(struct execd *x, int64_t until_us)
{
    for (int64_t left_us; x->agent_pid > 0 && (left_us = until_us - clock_mono_us()) > 0;) {
        struct pollfd p[] = {{x->signal_fd, POLLIN, 0}, {x->agent_fd, POLLIN, 0}};
        (void)poll(p, 2, (int)(left_us / 1000) + 1);
        if (p[1].revents)
            agent_process_read(x);
        if (p[0].revents)
            on_signals(x);
    }
}

/* Jobs first, while the agent can still tell the scheduler that they were stopped on purpose; it
 * ends by itself when that is on disk. What it cannot tell is in the journals. */
static void stop_all(struct execd *x)
{
    struct execd_event stopping = {.version = EXECD_PROTO_VERSION, .type = EXECD_STOPPING};
    agent_process_send(x, &stopping);
    shepherds_stop_all(x);
    shepherds_tell(x);
    await_agent(x, clock_mono_us() + INT64_C(1000) * AGENT_TELL_MS);
    if (x->agent_pid > 0)
        (void)kill(x->agent_pid, SIGTERM);
    await_agent(x, clock_mono_us() + INT64_C(1000) * AGENT_STOP_MS);
    if (x->agent_pid > 0) {
        (void)kill(x->agent_pid, SIGKILL);
        (void)waitpid(x->agent_pid, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    struct argp parser = {option_list,
                          on_option,
                          "[-- CHIPQ-WORKER-OPTION...]",
                          "chipq-execd: parent of chipq-worker and of the shepherds",
                          NULL,
                          NULL,
                          NULL};
    static struct arguments a = {.ready_fd = -1};
    static struct execd x;
    struct cq_err err;
    (void)argp_parse(&parser, argc, argv, 0, NULL, &a);
    if (a.dir == NULL || a.dir[0] != '/') {
        fprintf(stderr, "chipq-execd: --dir DIR is needed, an absolute path\n");
        return 2;
    }
    if (set_up(&x, &a, &err) != 0) {
        fprintf(stderr, "chipq-execd: %s\n", err.text);
        return cq_code_exit_status(err.code);
    }
    while (!x.is_stopping && x.refused_status == 0)
        turn(&x);
    if (x.refused_status == 0)
        stop_all(&x);
    else
        log_warn("execd.stop why=\"chipq-worker cannot work with these options or this "
                 "configuration: see above\"");
    slots_close(&x.slots);
    return x.refused_status;
}
