/* The process of an attempt: directories, environment, and a vfork-like start. */
#include "worker/shepherd/shepherd.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/lease/clone.h"
#include "worker/lease/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum failed_step { STEP_NONE, STEP_DIR, STEP_EXEC, STEP_SETUP };

struct child {
    char **argv, **env;
    const char *cwd, *search; /* search: the job's own PATH */
    int null_fd, log_fd;
    const struct shepherd *shepherd;
    bool dies_with_us;
    int errnum; /* written by the child, whose memory is ours */
    enum failed_step step;
};

static char *argv_texts[ORDER_ARGV_MAX + 1];
static char *env_texts[ORDER_ENV_MAX + ORDER_ENV_ADDED + 1];
static char added_texts[ORDER_ENV_ADDED][PATH_MAX + 32];

CQ_NO_ASAN static int child_fail(struct child *c, enum failed_step step)
{
    c->errnum = errno;
    c->step = step;
    _exit(127);
}

/* As execvp, with the job's PATH instead of ours, and never through a shell. */
static void exec_searched(const struct child *c)
{
    char path[PATH_MAX];
    int seen = ENOENT;
    for (const char *p = c->search; p; p = *p ? p + 1 : NULL) {
        size_t len = strcspn(p, ":");
        int n = snprintf(path, sizeof path, "%.*s%s%s", (int)len, p, len ? "/" : "", c->argv[0]);
        p += len;
        if (n <= 0 || n >= (int)sizeof path)
            continue;
        (void)execve(path, c->argv, c->env);
        if (errno != ENOENT && errno != ENOTDIR)
            seen = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    errno = seen;
}

CQ_NO_ASAN static int child_main(void *arg)
{
    struct child *c = arg;
    sigset_t none;
    sigemptyset(&none);
    (void)setsid();
    if (c->dies_with_us)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (dup2(c->null_fd, 0) < 0 || dup2(c->log_fd, 1) < 0 || dup2(c->log_fd, 2) < 0
        || close_range(3, ~0U, 0) != 0 || !confine_child(c->shepherd))
        return child_fail(c, STEP_SETUP);
    if (chdir(c->cwd) != 0)
        return child_fail(c, STEP_DIR);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (strchr(c->argv[0], '/'))
        (void)execve(c->argv[0], c->argv, c->env);
    else
        exec_searched(c);
    return child_fail(c, STEP_EXEC);
}

static int child_error(const struct child *c, struct cq_err *err)
{
    switch (c->step) {
    case STEP_DIR:
        return cq_fail_errno(err, CQ_E_NOT_FOUND, c->errnum, "cannot enter the directory %s",
                             c->cwd);
    case STEP_SETUP:
        return cq_fail_errno(err, CQ_E_IO, c->errnum,
                             "cannot set up the job's descriptors and limits");
    case STEP_EXEC:
    case STEP_NONE:
        break;
    }
    if (c->errnum == ENOEXEC)
        return cq_fail(
            err, CQ_E_INVALID,
            "cannot run '%s': not a program (does the script lack its '#!' line?) (in %s)",
            c->argv[0], c->cwd);
    return cq_fail(err, CQ_E_NOT_FOUND, "cannot run '%s': %s (in %s)", c->argv[0],
                   strerror(c->errnum), c->cwd);
}

static int make_dir(const char *path, struct cq_err *err)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return 0;
    if (errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return cq_fail_errno(err, CQ_E_IO, errno, "cannot make directory %s", path);
}

static int make_below(const char *dir, const char *name, struct cq_err *err)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return make_dir(path, err);
}

/* What lies there already was put by a job before us, to lead us astray: it goes. */
static int make_task_file(int dir_fd)
{
    (void)unlinkat(dir_fd, "task.json", 0);
    return openat(dir_fd, "task.json",
                  O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int write_task(const struct running *r, struct cq_err *err)
{
    const char *text = r->job->order.task_json;
    int dir_fd = open(r->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir_fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot enter %s", r->work);
    int fd = text[0] ? make_task_file(dir_fd) : -1;
    int failed = text[0] && (fd < 0 || write_all(fd, text, strlen(text)) != 0);
    int why = errno;
    if (fd >= 0)
        close(fd);
    close(dir_fd);
    return failed ? cq_fail_errno(err, CQ_E_IO, why, "cannot write %s/task.json", r->work) : 0;
}

static int make_private(struct shepherd *s, struct running *r, struct cq_err *err)
{
    const struct lease_record *rec = &r->record;
    if (!place_work(s->spec.dir, rec->place, rec->attempt, r->work)
        || strlen(r->work) + 16 > sizeof r->tmp)
        return cq_fail(err, CQ_E_LIMIT, "the path of the work directory is too long");
    if (mkdir(r->work, 0700) != 0 && errno == ENOENT
        && (place_make_parents(r->work, err) != 0 || make_dir(r->work, err) != 0))
        return -1;
    snprintf(r->tmp, sizeof r->tmp, "%.*s/tmp", (int)(sizeof r->tmp - 8), r->work);
    if (make_dir(r->work, err) != 0 || make_below(r->work, "out", err) != 0
        || make_dir(r->tmp, err) != 0)
        return -1;
    return write_task(r, err);
}

/* Attempts in the caller's directory share the lease's tmp, one after the other, emptied between.
 */
static int make_shared_tmp(struct shepherd *s, struct running *r, struct cq_err *err)
{
    r->work[0] = '\0';
    int n = snprintf(r->tmp, sizeof r->tmp, "%s/run/leases/%s.tmp", s->spec.dir, s->name);
    if (n >= (int)sizeof r->tmp)
        return cq_fail(err, CQ_E_LIMIT, "the path of TMPDIR is too long");
    if (!s->has_tmp && make_dir(r->tmp, err) != 0)
        return -1;
    s->has_tmp = true;
    return 0;
}

static void build_texts(const struct running *r, struct child *c)
{
    const struct order *o = &r->job->order;
    const struct lease_record *rec = &r->record;
    order_fill(o, argv_texts, env_texts);
    size_t n = o->n_env, size = sizeof added_texts[0];
    const unsigned long long task = rec->task, attempt = rec->attempt;
    snprintf(added_texts[0], size, "CHIPQ_TASK=%llu", task);
    snprintf(added_texts[1], size, "CHIPQ_SEED=%llu", task);
    snprintf(added_texts[2], size, "CHIPQ_ATTEMPT=%llu", attempt);
    snprintf(added_texts[3], size, "TMPDIR=%s", r->tmp);
    snprintf(added_texts[4], size, "CHIPQ_OUT=%s/out", r->work);
    for (size_t i = 0; i < (r->work[0] ? 5U : 4U); i++)
        env_texts[n++] = added_texts[i];
    env_texts[n] = NULL;
    c->search = "/usr/local/bin:/usr/bin:/bin";
    for (size_t i = 0; i < o->n_env; i++)
        if (cq_str_starts(env_texts[i], "PATH="))
            c->search = env_texts[i] + 5;
}

int spawn_attempt(struct shepherd *s, struct running *r, struct cq_err *err)
{
    const struct order *o = &r->job->order;
    bool is_private = (o->flags & LEASE_F_PRIVATE) != 0;
    if ((is_private ? make_private(s, r, err) : make_shared_tmp(s, r, err)) != 0)
        return -1;
    struct child c = {.argv = argv_texts,
                      .env = env_texts,
                      .cwd = o->cwd[0] ? o->cwd : r->work,
                      .null_fd = s->null_fd,
                      .log_fd = r->log_fd,
                      .shepherd = s,
                      .dies_with_us = getpid() != 1};
    build_texts(r, &c);
    (void)CQ_FP("shepherd.exec.before");
    pid_t pid = clone_vfork(child_main, &c, 0, CLONE_NO_GROUP);
    (void)CQ_FP("shepherd.exec.after");
    if (pid < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot start a process");
    r->pid = pid; /* it is reaped like any other, even when the exec failed */
    return c.step == STEP_NONE ? 0 : child_error(&c, err);
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;
    while (dir && n < 3 && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n < 3; /* "." and ".." */
}

void spawn_clean(struct shepherd *s, struct running *r)
{
    if (r->tmp[0] == '\0' || (r->work[0] == '\0' && is_empty(r->tmp)))
        return;
    if (dir_remove(r->tmp, NULL) != 0)
        log_warn("shepherd.clean lease=%llu left=%s", (unsigned long long)s->spec.lease, r->tmp);
    if (r->work[0] == '\0')
        s->has_tmp = false;
}
