/* The wish to stop, told by a signal. */
#include "plugins/sdk/stop.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
    bool ready;
    int fd;
    int signal_number;
    sigset_t old_mask;
} stop;

int stop_init(struct cq_err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, &stop.old_mask))
        return cq_fail_errno(err, CQ_E_IO, errno, "sigprocmask");
    stop.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (stop.fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "signalfd");
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) || sigaction(SIGXFSZ, &ignore, NULL))
        return cq_fail_errno(err, CQ_E_IO, errno, "sigaction");
    stop.ready = true;
    return 0;
}

int stop_fd(void)
{
    return stop.ready ? stop.fd : -1;
}

int stop_take(void)
{
    struct signalfd_siginfo info;
    if (!stop.ready || read(stop.fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    if (stop.signal_number == 0)
        stop.signal_number = (int)info.ssi_signo;
    return (int)info.ssi_signo;
}

int stop_signal(void)
{
    return stop.signal_number;
}

const char *stop_name(int signal_number)
{
    static _Thread_local char text[32];
    const char *name = sigabbrev_np(signal_number);
    if (name)
        (void)snprintf(text, sizeof text, "SIG%s", name);
    else
        (void)snprintf(text, sizeof text, "signal %d", signal_number);
    return text;
}

const sigset_t *stop_old_mask(void)
{
    if (!stop.ready)
        (void)sigprocmask(SIG_BLOCK, NULL, &stop.old_mask);
    return &stop.old_mask;
}

void stop_default_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGPIPE);
    (void)sigaddset(set, SIGXFSZ);
}
