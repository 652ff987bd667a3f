/* Namespaces of a shepherd, set up between clone and exec: no process of ours is ever half inside.
 */
#include "common/base/sys/failpoint.h"
#include "worker/execd/execd.h"
#include "worker/lease/clone.h"
#include "worker/lease/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMESPACES = CLONE_NEWPID | CLONE_NEWNS };

struct start {
    const struct isolated *i;
    bool is_probe;
    uid_t uid;
    gid_t gid;
    volatile int errnum; /* set by the child, whose memory is ours */
};

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    return n < 0 ? -1 : 0;
}

/* The account keeps its number inside, and is the only one there is. */
static int map_account(uid_t uid, gid_t gid)
{
    char text[64];
    if (write_text("/proc/self/setgroups", "deny") != 0)
        return -1;
    snprintf(text, sizeof text, "%u %u 1", (unsigned)uid, (unsigned)uid);
    if (write_text("/proc/self/uid_map", text) != 0)
        return -1;
    snprintf(text, sizeof text, "%u %u 1", (unsigned)gid, (unsigned)gid);
    return write_text("/proc/self/gid_map", text);
}

/* A /proc that agrees with getpid(). Where it may not be mounted (inside some containers) the old
 * one stays: jobs run, but see the machine's process numbers. */
static void mount_proc(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
        (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static int enter(const struct start *s)
{
    if (s->i->keeper == KEEPER_USER_NAMESPACE && map_account(s->uid, s->gid) != 0)
        return -1;
    if (s->i->keeper == KEEPER_USER_NAMESPACE || s->i->keeper == KEEPER_PID_NAMESPACE)
        mount_proc();
    return 0;
}

static int place_descriptors(const struct isolated *i)
{
    if (dup2(i->null_fd, 0) < 0 || dup2(i->null_fd, 1) < 0 || dup2(i->fds[0], SHEPHERD_FD_SPEC) < 0
        || dup2(i->fds[1], SHEPHERD_FD_AGENT) < 0 || dup2(i->fds[2], SHEPHERD_FD_JOURNAL) < 0)
        return -1;
    for (int k = 0; k < GROUP_KIND_COUNT; k++) {
        int to = SHEPHERD_FD_GROUPS + k;
        if (i->group_fds[k] < 0)
            (void)close(to);
        else if (dup2(i->group_fds[k], to) < 0)
            return -1;
    }
    return close_range(SHEPHERD_FD_GROUPS + GROUP_KIND_COUNT, ~0U, 0);
}

CQ_NO_ASAN static int child_main(void *arg)
{
    struct start *s = arg;
    sigset_t none;
    sigemptyset(&none);
    if (enter(s) != 0) {
        s->errnum = errno;
        _exit(1);
    }
    if (s->is_probe)
        _exit(0);
    (void)setsid();
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (fchdir(s->i->leases_fd) == 0 && place_descriptors(s->i) == 0) {
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execve(s->i->program, s->i->argv, s->i->env);
    }
    s->errnum = errno;
    _exit(127);
}

static int flags_of(enum keeper keeper)
{
    switch (keeper) {
    case KEEPER_PID_NAMESPACE:
        return NAMESPACES;
    case KEEPER_USER_NAMESPACE:
        return NAMESPACES | CLONE_NEWUSER;
    case KEEPER_NONE:
    case KEEPER_CONTROL_GROUP:
    case KEEPER_SUBREAPER:
    case KEEPER_COUNT:
        break;
    }
    return 0;
}

static bool works(enum keeper keeper)
{
    struct isolated i = {.keeper = keeper};
    struct start s = {.i = &i, .is_probe = true, .uid = geteuid(), .gid = getegid()};
    pid_t pid = clone_vfork(child_main, &s, flags_of(keeper), CLONE_NO_GROUP);
    int status = 1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && status == 0;
}

enum keeper isolate_probe(bool has_group)
{
    const char *forced = getenv("CHIPQ_KEEPER"); /* tests of the weaker ones */
    for (uint32_t k = KEEPER_PID_NAMESPACE; forced && k < KEEPER_COUNT; k++)
        if (strcmp(forced, keeper_text(k)) == 0)
            return (enum keeper)k;
    if (geteuid() == 0 && works(KEEPER_PID_NAMESPACE))
        return KEEPER_PID_NAMESPACE;
    if (works(KEEPER_USER_NAMESPACE))
        return KEEPER_USER_NAMESPACE;
    return has_group ? KEEPER_CONTROL_GROUP : KEEPER_SUBREAPER;
}

pid_t isolate_start(const struct isolated *i)
{
    struct start s = {.i = i, .uid = geteuid(), .gid = getegid()};
    (void)CQ_FP("worker.order.before_fork");
    pid_t pid = clone_vfork(child_main, &s, flags_of(i->keeper), i->born_fd);
    (void)CQ_FP("worker.order.after_fork");
    if (pid > 0 && s.errnum == 0)
        return pid;
    int why = pid > 0 ? s.errnum : errno;
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    errno = why;
    return -1;
}
