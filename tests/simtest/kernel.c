/* Descriptors, processes, signals, timers, clocks and sealed memory of the simulated kernel. */
#include "tests/simtest/kernel_internal.h"

#include "common/base/pure/err.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "tests/simtest/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>

struct descriptor {
    struct handle *handle;
    struct proc *owner;
};
static struct descriptor table[FDS_MAX];
static int n_used;

void kernel_reset(void)
{
    memset(table, 0, sizeof table[0] * (size_t)n_used);
    n_used = 0;
}

int no_fd(int why)
{
    errno = why;
    return -1;
}

/* ---- handles and descriptors ---- */

struct handle *handle_new(enum handle_kind kind)
{
    struct heap *old = heap_enter(&sim.world);
    struct handle *h = CQ_NEW(struct handle);
    heap_leave(old);
    h->kind = kind;
    h->refs = 1;
    h->owner = sim.current;
    h->at_us = NEVER_US;
    return h;
}

void handle_unref(struct handle *h)
{
    if (h == NULL || --h->refs > 0)
        return;
    if (h->kind == HANDLE_SOCKET || h->kind == HANDLE_LISTENER)
        socket_closed(h);
    if (h->file) {
        if (h->file->lock == h)
            h->file->lock = NULL;
        file_unref(h->file);
    }
    free(h->data);
    free(h);
}

/* Numbers are given out from below, as a kernel does. */
static int place_of(struct handle *h, struct proc *owner)
{
    int i = 0;
    while (i < n_used && table[i].handle)
        i++;
    if (i == FDS_MAX)
        abort();
    if (i == n_used)
        n_used++;
    table[i] = (struct descriptor){h, owner};
    h->owner = owner;
    return FD_FIRST + i;
}

int fd_new(struct handle *h)
{
    return place_of(h, sim.current);
}

static struct descriptor *find(int fd)
{
    if (fd >= 0 && fd < ALIASES && sim.current)
        fd = sim.current->alias[fd];
    fd -= FD_FIRST;
    return fd >= 0 && fd < n_used && table[fd].handle ? &table[fd] : NULL;
}

struct handle *fd_handle(int fd)
{
    struct descriptor *d = find(fd);
    return d ? d->handle : NULL;
}

int sim_close(int fd)
{
    struct descriptor *d = find(fd);
    if (d == NULL)
        return no_fd(EBADF);
    struct handle *h = d->handle;
    *d = (struct descriptor){0};
    if (fd < ALIASES)
        sim.current->alias[fd] = 0;
    handle_unref(h);
    return 0;
}

void kernel_close_all(struct proc *p)
{
    for (int i = 0; i < n_used; i++)
        if (table[i].handle && table[i].owner == p) {
            struct handle *h = table[i].handle;
            table[i] = (struct descriptor){0};
            handle_unref(h);
        }
}

int kernel_give(struct proc *to, int fd)
{
    struct handle *h = fd_handle(fd);
    if (h == NULL)
        return -1;
    h->refs++;
    return place_of(h, to);
}

void kernel_alias(struct proc *p, int number, int fd)
{
    p->alias[number] = fd;
}

int sim_fcntl(int fd, int cmd, ...)
{
    (void)cmd;
    return fd_handle(fd) ? 0 : no_fd(EBADF);
}

/* ---- readiness ---- */

short handle_ready(const struct handle *h)
{
    bool is_in = h->is_ready, is_out = true;
    if (h->kind == HANDLE_SOCKET) {
        is_in = h->first != NULL || h->peer == NULL;
        is_out = h->peer == NULL || h->peer->n_packets < 32;
    } else if (h->kind == HANDLE_LISTENER) {
        is_in = h->n_pending > 0;
    } else if (h->kind == HANDLE_PROCESS) {
        is_in = !h->process->is_alive;
    } else if (h->kind == HANDLE_TIMER) {
        is_in = h->at_us != NEVER_US && h->owner && clock_local_us(h->owner->clock) >= h->at_us;
    }
    return (short)((is_in ? POLLIN : 0) | (is_out ? POLLOUT : 0));
}

bool kernel_is_ready(int fd, short events)
{
    const struct handle *h = fd_handle(fd);
    return h && (handle_ready(h) & events);
}

void kernel_set_ready(int fd, bool is_ready)
{
    struct handle *h = fd_handle(fd);
    if (h == NULL)
        return;
    h->is_ready = is_ready;
    if (is_ready && h->owner)
        proc_wake_soon(h->owner);
}

int sim_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    int n_ready = 0;
    (void)timeout_ms;
    for (nfds_t i = 0; i < n; i++) {
        const struct handle *h = fd_handle(fds[i].fd);
        fds[i].revents = h ? (short)(handle_ready(h) & fds[i].events) : 0;
        n_ready += fds[i].revents != 0;
    }
    return n_ready;
}

int kernel_new_eventfd(void)
{
    return fd_new(handle_new(HANDLE_EVENT));
}

ssize_t sim_read(int fd, void *to, size_t bytes)
{
    struct handle *h = fd_handle(fd);
    if (h == NULL)
        return no_fd(EBADF);
    if (h->data) { /* a text of /proc */
        size_t n = h->len - h->read_at < bytes ? h->len - h->read_at : bytes;
        memcpy(to, h->data + h->read_at, n);
        h->read_at += n;
        return (ssize_t)n;
    }
    if (!(handle_ready(h) & POLLIN))
        return no_fd(EAGAIN);
    h->is_ready = false;
    memset(to, 0, bytes);
    if (h->kind == HANDLE_TIMER)
        h->at_us = NEVER_US;
    return (ssize_t)bytes;
}

/* ---- processes and signals ---- */

/* A process may be killed at any call that changes something. */
void kernel_may_end(void)
{
    struct proc *p = sim.current;
    if (p == NULL || p->failpoint_ppm == 0 || dice_roll(1000000) >= p->failpoint_ppm)
        return;
    note("killed.in.call", p->kind, p->pid, 0, 0);
    proc_kill(p);
}

struct proc *kernel_process(uint64_t pid)
{
    struct proc *p = sim.procs;
    while (p && (p->pid != pid || !p->is_alive))
        p = p->next;
    return p;
}

long sim_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    long pid = va_arg(args, int);
    va_end(args);
    struct proc *p = number == SYS_pidfd_open ? kernel_process((uint64_t)pid) : NULL;
    if (p == NULL)
        return no_fd(ESRCH);
    struct handle *h = handle_new(HANDLE_PROCESS);
    h->process = p;
    return fd_new(h);
}

void kernel_process_ended(struct proc *p)
{
    for (int i = 0; i < n_used; i++)
        if (table[i].handle && table[i].handle->kind == HANDLE_PROCESS
            && table[i].handle->process == p && table[i].owner)
            proc_wake_soon(table[i].owner);
}

/* The one signalfd of a process; is_ready is kept by its kind. */
void kernel_child_ended(struct proc *parent)
{
    for (int i = 0; i < n_used; i++)
        if (table[i].handle && table[i].owner == parent && table[i].handle->kind == HANDLE_EVENT) {
            table[i].handle->is_ready = true;
            proc_wake_soon(parent);
        }
}

int sim_signalfd(int fd, const sigset_t *set, int flags)
{
    (void)fd;
    (void)set;
    (void)flags;
    return kernel_new_eventfd();
}

int sim_sigaction(int number, const struct sigaction *now, struct sigaction *old)
{
    (void)number;
    (void)now;
    (void)old;
    return 0;
}

int sim_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how;
    (void)set;
    (void)old;
    return 0;
}

int sim_kill(pid_t pid, int signal_number)
{
    return jobs_signal(sim.current, pid < 0 ? (uint64_t)-pid : (uint64_t)pid, signal_number);
}

void sim_tree_kill(enum keeper keeper, int group_fd)
{
    (void)keeper;
    (void)group_fd;
    jobs_kill_all_of(sim.current);
}

pid_t sim_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    (void)pid;
    (void)options;
    memset(usage, 0, sizeof *usage);
    return jobs_reap(sim.current, status);
}

pid_t sim_getpid(void)
{
    return sim.current ? (pid_t)sim.current->pid : 1;
}

void sim_exit(int status)
{
    sim_fail("exit", "%s gave up with status %d", sim.current->name, status);
    proc_kill(sim.current);
    abort(); /* not reached: the process that runs does not come back */
}

int sim_getrlimit(int resource, struct rlimit *r)
{
    (void)resource;
    *r = (struct rlimit){.rlim_cur = 65536, .rlim_max = 65536};
    return 0;
}

int sim_setrlimit(int resource, const struct rlimit *r)
{
    (void)resource;
    (void)r;
    return 0;
}

int sim_gethostname(char *to, size_t size)
{
    (void)cq_copy_text(to, size, sim.current->machine ? sim.current->machine->name : "head");
    return 0;
}

ssize_t sim_readlink(const char *path, char *to, size_t size)
{
    (void)path;
    (void)cq_copy_text(to, size, "/opt/chipq/bin/chipq-worker");
    return (ssize_t)strlen("/opt/chipq/bin/chipq-worker");
}

/* ---- timers and clocks ---- */

int sim_timerfd_create(int clock, int flags)
{
    (void)clock;
    (void)flags;
    return fd_new(handle_new(HANDLE_TIMER));
}

int sim_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
    struct handle *h = fd_handle(fd);
    (void)flags;
    (void)old;
    if (h == NULL)
        return no_fd(EBADF);
    h->at_us = (int64_t)at->it_value.tv_sec * US_PER_S + at->it_value.tv_nsec / 1000;
    proc_wake_local(sim.current, h->at_us);
    return 0;
}

int sim_inotify_init1(int flags)
{
    (void)flags;
    return fd_new(handle_new(HANDLE_OTHER));
}

static struct clock *clock_here(void)
{
    return sim.current->clock;
}

int64_t sim_clock_mono_us(void)
{
    return clock_local_us(clock_here());
}

struct now sim_clock_now(void)
{
    int64_t mono_us = sim_clock_mono_us();
    return (struct now){.mono_us = mono_us, .wall_us = clock_here()->wall_us + mono_us};
}

struct cq_uuid sim_clock_boot_id(void)
{
    return sim.current->machine->boot_id;
}

void sim_randombytes_buf(void *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)to)[i] = (uint8_t)dice_roll(256);
}

int sim_malloc_trim(size_t pad)
{
    (void)pad;
    return 0;
}

/* ---- sealed memory ---- */

int sim_sealed_memory_make(const char *name, const void *data, size_t bytes, struct cq_err *err)
{
    (void)name;
    (void)err;
    struct handle *h = handle_new(HANDLE_MEMORY);
    struct heap *old = heap_enter(&sim.world);
    h->data = cq_memdup(data, bytes);
    heap_leave(old);
    h->len = bytes;
    return fd_new(h);
}

const void *sim_sealed_memory_map(int fd, size_t max_bytes, size_t *bytes, struct cq_err *err)
{
    const struct handle *h = fd_handle(fd);
    if (h == NULL || h->kind != HANDLE_MEMORY || h->len > max_bytes) {
        (void)cq_fail(err, CQ_E_IO, "no sealed memory");
        return NULL;
    }
    *bytes = h->len;
    return cq_memdup(h->data, h->len);
}

int sim_munmap(void *at, size_t bytes)
{
    (void)bytes;
    free(at);
    return 0;
}
