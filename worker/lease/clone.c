/* vfork-like clone3 with a stack of its own, so that no frame of ours is shared with the child. */
#include "worker/lease/clone.h"
#include "worker/lease/group.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) /* gcc's name; below, clang's */
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
/* The last child never returned, so its frames' guards are still up. */
#define FORGET_FRAMES(stack) __asan_unpoison_memory_region((stack), sizeof(stack))
#else
#define FORGET_FRAMES(stack) (void)0
#endif

enum { STACK_BYTES = 64 * 1024 };
static _Alignas(64) char child_stack[STACK_BYTES];

#if defined(__x86_64__)
#define HAVE_RAW_CLONE3 1
static long raw_clone3(const struct clone_args *a, int (*fn)(void *), void *arg)
{
    long ret = SYS_clone3;
    register int (*fn_reg)(void *) __asm__("r8") = fn;
    register void *arg_reg __asm__("r9") = arg;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t" /* the child: its first frame */
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "+a"(ret)
                     : "D"(a), "S"(sizeof *a), "r"(fn_reg), "r"(arg_reg)
                     : "rcx", "r11", "memory", "cc");
    return ret;
}
#else
#define HAVE_RAW_CLONE3 0
static long raw_clone3(CQ_UNUSED const struct clone_args *a, CQ_UNUSED int (*fn)(void *),
                       CQ_UNUSED void *arg)
{
    return -ENOSYS;
}
#endif

struct joined {
    int (*fn)(void *);
    void *arg;
    int group_fd;
};

static int join_and_run(void *arg)
{
    struct joined *j = arg;
    (void)group_join(j->group_fd); /* without the group the namespace still holds all */
    return j->fn(j->arg);
}

static pid_t clone_plain(int (*fn)(void *), void *arg, int flags, int group_fd)
{
    struct joined j = {.fn = fn, .arg = arg, .group_fd = group_fd};
    return clone(join_and_run, child_stack + STACK_BYTES, flags | CLONE_VM | CLONE_VFORK | SIGCHLD,
                 &j);
}

static pid_t clone_now(int (*fn)(void *), void *arg, int flags, int group_fd)
{
    struct clone_args a = {
        .flags = (uint64_t)(unsigned)flags | CLONE_VM | CLONE_VFORK,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)child_stack,
        .stack_size = STACK_BYTES,
    };
    if (group_fd >= 0) {
        a.flags |= CLONE_INTO_CGROUP;
        a.cgroup = (unsigned)group_fd;
    }
    long ret = HAVE_RAW_CLONE3 ? raw_clone3(&a, fn, arg) : -ENOSYS;
    if (ret == -ENOSYS || ret == -E2BIG) /* an old kernel, or a filter of system calls */
        return clone_plain(fn, arg, flags, group_fd);
    if (ret < 0) {
        errno = (int)-ret;
        return -1;
    }
    return (pid_t)ret;
}

pid_t clone_vfork(int (*fn)(void *arg), void *arg, int flags, int group_fd)
{
    sigset_t all, old;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    FORGET_FRAMES(child_stack);
    pid_t pid = clone_now(fn, arg, flags, group_fd);
    int why = errno;
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    errno = why;
    return pid;
}
