/* The processes of a fleet, and the memory that they share. */
#include "bench/crew.h"
#include "bench/bench.h"
#include "common/base/pure/mem.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DESCRIPTORS_EACH = 2, DESCRIPTORS_WANTED = 65536 };

struct process {
    pid_t pid; /* 0: not started, or over */
    int wake_fd;
};

struct fleet {
    struct fleet_shared *shared;
    struct process *crews;
    size_t n;
};

/* How many workers one process can have. */
static size_t most_workers(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    rlim_t want = r.rlim_max < DESCRIPTORS_WANTED ? r.rlim_max : DESCRIPTORS_WANTED;
    if (r.rlim_cur < want) {
        r.rlim_cur = want;
        (void)setrlimit(RLIMIT_NOFILE, &r);
        (void)getrlimit(RLIMIT_NOFILE, &r);
    }
    return r.rlim_cur > CREW_OTHER_DESCRIPTORS
               ? (size_t)(r.rlim_cur - CREW_OTHER_DESCRIPTORS) / DESCRIPTORS_EACH
               : 0;
}

static struct fleet_shared *share(void)
{
    struct fleet_shared *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;
    if (s == MAP_FAILED)
        return NULL;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return s;
}

/* In the new process. What it inherits of the parent's sessions it never touches. */
static CQ_NORETURN void be_crew(struct fleet *f, const struct fleet_options *o, size_t first,
                                size_t count)
{
    struct cq_err err = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (crew_run(f->shared, f->crews[f->n].wake_fd, o, first, count, &err) == 0)
        _exit(0);
    pthread_mutex_lock(&f->shared->lock);
    (void)cq_copy_text(f->shared->error, sizeof f->shared->error, err.text);
    pthread_mutex_unlock(&f->shared->lock);
    _exit(1);
}

static int start_crew(struct fleet *f, const struct fleet_options *o, size_t first, size_t count,
                      struct cq_err *err)
{
    struct process *p = &f->crews[f->n];
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->pid = p->wake_fd >= 0 ? fork() : -1;
    if (p->pid == 0)
        be_crew(f, o, first, count);
    f->n++;
    return p->pid > 0 ? 0 : cq_fail_errno(err, CQ_E_IO, errno, "cannot start virtual workers");
}

struct fleet *fleet_start(const struct fleet_options *o, struct cq_err *err)
{
    size_t most = most_workers();
    if (most == 0) {
        cq_fail(err, CQ_E_LIMIT, "this process may open too few files; raise it: ulimit -n");
        return NULL;
    }
    size_t n = (o->count + most - 1) / most;
    struct fleet *f = CQ_NEW(struct fleet);
    f->crews = cq_calloc(n, sizeof *f->crews);
    f->shared = share();
    int rc = f->shared ? 0 : cq_fail_errno(err, CQ_E_IO, errno, "cannot share memory");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t first = o->count * i / n, end = o->count * (i + 1) / n;
        rc = start_crew(f, o, first, end - first, err);
    }
    if (rc == 0)
        return f;
    fleet_stop(f);
    return NULL;
}

static void wake(const struct fleet *f)
{
    uint64_t one = 1;
    for (size_t i = 0; i < f->n; i++)
        if (f->crews[i].wake_fd >= 0
            && write(f->crews[i].wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
            abort(); /* an eventfd is never full of ones */
}

void fleet_stop(struct fleet *f)
{
    if (f == NULL)
        return;
    if (f->shared) {
        f->shared->must_stop = true;
        wake(f);
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->crews[i].pid > 0)
            (void)waitpid(f->crews[i].pid, NULL, 0);
        if (f->crews[i].wake_fd >= 0)
            close(f->crews[i].wake_fd);
    }
    if (f->shared)
        (void)munmap(f->shared, sizeof *f->shared);
    free(f->crews);
    free(f);
}

bool fleet_is_whole(const struct fleet *f)
{
    siginfo_t over;
    for (size_t i = 0; i < f->n; i++) {
        over.si_pid = 0;
        if (waitid(P_PID, (id_t)f->crews[i].pid, &over, WEXITED | WNOHANG | WNOWAIT) != 0
            || over.si_pid != 0)
            return false;
    }
    return true;
}

int64_t fleet_cpu_us(const struct fleet *f)
{
    int64_t us = 0;
    for (size_t i = 0; i < f->n; i++)
        us += process_cpu_us(f->crews[i].pid);
    return us;
}

/* ---- orders and questions ---- */

const struct fleet_counts *fleet_counts(const struct fleet *f)
{
    return &f->shared->counts;
}

void fleet_set_run_us(struct fleet *f, int64_t run_us)
{
    f->shared->run_us = run_us;
    wake(f);
}

void fleet_hold(struct fleet *f, bool is_held)
{
    f->shared->is_held = is_held;
    wake(f);
}

void fleet_last_error(struct fleet *f, char *text, size_t bytes)
{
    pthread_mutex_lock(&f->shared->lock);
    (void)cq_copy_text(text, bytes, f->shared->error);
    pthread_mutex_unlock(&f->shared->lock);
}

size_t fleet_take_gaps(struct fleet *f, int64_t *us, size_t max)
{
    struct fleet_shared *s = f->shared;
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_gaps < max ? s->n_gaps : max;
    if (n > 0)
        memcpy(us, s->gaps, n * sizeof *us);
    s->n_gaps = 0;
    pthread_mutex_unlock(&s->lock);
    return n;
}
