/* The simulated kernel: what the agent, the shepherds and chipqd ask of theirs. Each function does
 * what the call without `sim_` does, as far as chipq relies on it: files that forget at power loss
 * what was not synced, locks, SEQPACKET sockets that carry descriptors, pidfds, signals. One set of
 * descriptors for all; they belong to the process that runs. Kept in the world's heap. */
#ifndef SIMTEST_KERNEL_H
#define SIMTEST_KERNEL_H

#include "tests/simtest/sim.h"
#include "worker/lease/proto.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

struct cq_err;
struct cq_str;
struct file;

/* One host. What is on its disk is in `files`. */
struct machine {
    size_t index;
    char name[16];
    struct clock clock;
    struct cq_uuid boot_id;
    struct file *files;
    uint64_t cores, mem_mib;
    struct proc *execd, *agent; /* NULL: none runs */
    bool is_on;
    int64_t frozen_until_us;
};

/* For the simulation itself. */
void kernel_reset(void); /* before a run */
void kernel_close_all(struct proc *p);
int kernel_give(struct proc *to, int fd);     /* a descriptor of the same thing for `to` */
bool kernel_is_ready(int fd, short events);   /* as poll sees it */
void kernel_set_ready(int fd, bool is_ready); /* of an eventfd or signalfd */
void kernel_child_ended(struct proc *parent); /* SIGCHLD */
void kernel_process_ended(struct proc *p);    /* pidfds become readable */
void kernel_lose_power(struct machine *m);    /* its files lose what was not synced */
size_t kernel_n_files(const struct machine *m);
const char *kernel_file_name(const struct machine *m); /* of the newest; "": none */
int kernel_new_eventfd(void);
void kernel_alias(struct proc *p, int number, int fd);
struct proc *kernel_process(uint64_t pid); /* NULL: gone */

/* files and directories */
int sim_open(const char *path, int flags, ...);
int sim_openat(int dir, const char *name, int flags, ...);
int sim_close(int fd);
int sim_flock(int fd, int how);
ssize_t sim_pread(int fd, void *to, size_t bytes, off_t at);
ssize_t sim_pwrite(int fd, const void *from, size_t bytes, off_t at);
ssize_t sim_read(int fd, void *to, size_t bytes);
int sim_fdatasync(int fd);
int sim_fstat(int fd, struct stat *st);
int sim_ftruncate(int fd, off_t length);
int sim_unlink(const char *path);
int sim_unlinkat(int dir, const char *name, int flags);
int sim_rename(const char *from, const char *to);
DIR *sim_fdopendir(int fd);
struct dirent *sim_readdir(DIR *dir);
int sim_closedir(DIR *dir);
int sim_fcntl(int fd, int cmd, ...);
int sim_munmap(void *at, size_t bytes);
int sim_write_all(int fd, const void *data, size_t bytes);
int sim_dir_make(const char *path, mode_t mode, struct cq_err *err);
int sim_dir_remove(const char *path, struct cq_err *err);
int sim_file_lock_pid(const char *path, struct cq_err *err);
char *sim_path_format(const char *fmt, ...) CQ_PRINTF(1, 2);

/* sockets */
int sim_socket(int domain, int type, int protocol);
int sim_socketpair(int domain, int type, int protocol, int fds[2]);
int sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int sim_bind(int fd, const struct sockaddr *at, socklen_t size);
int sim_listen(int fd, int backlog);
int sim_accept4(int fd, struct sockaddr *from, socklen_t *size, int flags);
int sim_connect(int fd, const struct sockaddr *to, socklen_t size);
ssize_t sim_send(int fd, const void *data, size_t bytes, int flags);
ssize_t sim_recv(int fd, void *to, size_t bytes, int flags);
ssize_t sim_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t sim_recvmsg(int fd, struct msghdr *m, int flags);
int sim_poll(struct pollfd *fds, nfds_t n, int timeout_ms); /* never waits */

/* processes, signals, timers */
long sim_syscall(long number, ...);
int sim_kill(pid_t pid, int signal_number);
pid_t sim_wait4(pid_t pid, int *status, int options, struct rusage *usage);
int sim_sigaction(int number, const struct sigaction *now, struct sigaction *old);
int sim_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int sim_signalfd(int fd, const sigset_t *set, int flags);
int sim_timerfd_create(int clock, int flags);
int sim_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int sim_inotify_init1(int flags);
void sim_tree_kill(enum keeper keeper, int group_fd);
pid_t sim_getpid(void);
_Noreturn void sim_exit(int status);
int sim_getrlimit(int resource, struct rlimit *r);
int sim_setrlimit(int resource, const struct rlimit *r);
int sim_gethostname(char *to, size_t size);
ssize_t sim_readlink(const char *path, char *to, size_t size);

/* memory, clocks, chance */
int sim_sealed_memory_make(const char *name, const void *data, size_t bytes, struct cq_err *err);
const void *sim_sealed_memory_map(int fd, size_t max_bytes, size_t *bytes, struct cq_err *err);
struct now sim_clock_now(void);
int64_t sim_clock_mono_us(void);
struct cq_uuid sim_clock_boot_id(void);
void sim_randombytes_buf(void *to, size_t bytes);
int sim_malloc_trim(size_t pad);

#endif
