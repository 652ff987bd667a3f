/* chipq-shepherd: keeps one lease. Started by chipq-execd as the first process of a PID namespace
 * where that is possible; runs the lease's attempts one after the other and outlives the agent. */
#include "worker/shepherd/shepherd.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/lease/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { POLL_MAX_MS = 3600 * 1000 };

static struct shepherd the_shepherd;

static void read_spec(struct shepherd *s)
{
    struct cq_err err;
    size_t bytes;
    const void *map = sealed_memory_map(SHEPHERD_FD_SPEC, LEASE_SPEC_MAX, &bytes, &err);
    if (map == NULL || lease_spec_decode(map, bytes, &s->spec, &err) != 0) {
        log_error("shepherd.start error=\"%s\"", err.text);
        exit(70);
    }
    (void)munmap((void *)map, bytes);
    close(SHEPHERD_FD_SPEC);
    snprintf(s->name, sizeof s->name, "lease-%llu", (unsigned long long)s->spec.lease);
}

/* Every disposition to its default (a job must not inherit an ignored SIGPIPE), SIGCHLD by
 * descriptor. */
static void set_signals(struct shepherd *s)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &plain, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static void open_groups(struct shepherd *s)
{
    int dirs[GROUP_KIND_COUNT];
    for (int k = 0; k < GROUP_KIND_COUNT; k++)
        dirs[k] = is_open(SHEPHERD_FD_GROUPS + k) ? SHEPHERD_FD_GROUPS + k : -1;
    limits_open(&s->limits, dirs);
    int tree = dirs[GROUP_TREE];
    s->group_fd = tree >= 0 ? openat(tree, "cgroup.procs", O_RDONLY | O_CLOEXEC) : -1;
}

static void set_up(struct shepherd *s, bool is_user_namespace)
{
    (void)CQ_FP("shepherd.setup.before");
    if (!is_open(SHEPHERD_FD_JOURNAL)) {
        log_error("shepherd.start error=\"no journal\"");
        exit(70);
    }
    s->journal_fd = SHEPHERD_FD_JOURNAL;
    s->agent_fd = is_open(SHEPHERD_FD_AGENT) ? SHEPHERD_FD_AGENT : -1;
    open_groups(s);
    s->flush_at_us = INT64_MAX;
    read_spec(s);
    s->keeper = tree_keeper(is_user_namespace, s->group_fd);
    s->now_running.log_fd = -1;
    s->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    s->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    set_signals(s);
    link_listen(s);
    confine(s);
    if (s->null_fd < 0 || s->timer_fd < 0 || s->signal_fd < 0) {
        log_error("shepherd.start error=\"%s\"", strerror(errno));
        exit(70);
    }
    s->until_us = s->spec.until_us;
    struct itimerspec at = {.it_value = {.tv_sec = s->until_us / US_PER_S,
                                         .tv_nsec = s->until_us % US_PER_S * 1000 + 1}};
    (void)timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    (void)CQ_FP("shepherd.setup.after");
}

/* The lease ran out: the scheduler may give its resources away from now on. */
static void expire(struct shepherd *s)
{
    s->is_expired = true;
    s->queue_head = s->queue_tail;
    (void)CQ_FP("shepherd.lease.before_kill");
    attempt_kill(s, LIMIT_LEASE, "the lease ran out: no word from the scheduler for too long");
    (void)CQ_FP("shepherd.lease.after_kill");
}

static void act(struct shepherd *s, int64_t now_us)
{
    if (!s->is_expired && now_us >= s->until_us)
        expire(s);
    if (s->is_dropped && !s->is_expired) {
        s->is_expired = true;
        s->queue_head = s->queue_tail;
        attempt_kill(s, LIMIT_NONE, "the scheduler does not know this lease");
    }
    attempt_on_time(s, now_us);
    struct waiting w;
    while (!s->now_running.is_on && s->n_ended < SHEPHERD_ENDED_MAX && queue_pop(s, &w))
        attempt_start(s, &w);
    if (now_us >= s->flush_at_us)
        link_flush(s);
}

static bool is_over(const struct shepherd *s)
{
    if (s->now_running.is_on)
        return false;
    return s->is_expired || (s->is_closed && s->queue_head == s->queue_tail && s->n_ended == 0);
}

static int poll_ms(const struct shepherd *s, int64_t now_us)
{
    int64_t at = attempt_wake_at_us(s);
    at = s->flush_at_us < at ? s->flush_at_us : at;
    if (at == INT64_MAX)
        return -1;
    int64_t ms = at <= now_us ? 0 : (at - now_us + 999) / 1000;
    return ms > POLL_MAX_MS ? POLL_MAX_MS : (int)ms;
}

static void wait_and_read(struct shepherd *s)
{
    enum { P_SIGNAL, P_LISTEN, P_AGENT, P_TIMER, P_INOTIFY, P_COUNT };
    short agent_events = (short)(POLLIN | (s->is_link_full ? POLLOUT : 0));
    struct pollfd p[P_COUNT] = {[P_SIGNAL] = {s->signal_fd, POLLIN, 0},
                                [P_LISTEN] = {s->listen_fd, POLLIN, 0},
                                [P_AGENT] = {s->agent_fd, agent_events, 0},
                                [P_TIMER] = {s->timer_fd, POLLIN, 0},
                                [P_INOTIFY] = {s->inotify_fd, POLLIN, 0}};
    if (poll(p, P_COUNT, poll_ms(s, clock_mono_us())) <= 0)
        return;
    if (p[P_SIGNAL].revents) {
        struct signalfd_siginfo info;
        while (read(s->signal_fd, &info, sizeof info) > 0)
            ;
        attempt_reap(s);
    }
    if (p[P_AGENT].revents & (POLLIN | POLLHUP | POLLERR))
        link_read(s);
    if (p[P_AGENT].revents & POLLOUT) {
        s->is_link_full = false;
        link_soon(s, 0);
    }
    if (p[P_LISTEN].revents)
        link_accept(s);
    if (p[P_TIMER].revents) {
        uint64_t times;
        ssize_t n = read(s->timer_fd, &times, sizeof times);
        (void)n; /* act() looks at the clock */
    }
    if (p[P_INOTIFY].revents)
        output_on_event(s, clock_mono_us());
}

/* The journal stays when somebody may still want to know an end. */
static void leave(struct shepherd *s)
{
    char path[PATH_MAX + 64];
    link_flush(s);
    snprintf(path, sizeof path, "%s/run/leases/%s.tmp", s->spec.dir, s->name);
    if (s->has_tmp && dir_remove(path, NULL) != 0)
        log_warn("shepherd.leave lease=%llu left=%s", (unsigned long long)s->spec.lease, path);
    snprintf(path, sizeof path, "%s.sock", s->name);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s.journal", s->name);
    if (s->is_dropped || (s->is_closed && s->n_ended == 0))
        (void)unlink(path);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list-failpoints") == 0) {
        failpoint_list(stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("chipq-shepherd %s\n", CHIPQ_VERSION);
        return 0;
    }
    struct shepherd *s = &the_shepherd;
    set_up(s, argc > 1 && strcmp(argv[1], "--user-namespace") == 0);
    for (;;) {
        act(s, clock_mono_us());
        if (is_over(s))
            break;
        wait_and_read(s);
    }
    leave(s);
    return 0;
}
