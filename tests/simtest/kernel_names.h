/* Included before all else in the files of chipq that run inside chipq-simtest: what they would ask
 * of the kernel, of clocks and of chance goes to the simulated machine (kernel.h). The headers that
 * declare the true calls come first, so that the new names touch no declaration. */
#ifndef SIMTEST_KERNEL_NAMES_H
#define SIMTEST_KERNEL_NAMES_H

#include "tests/simtest/heap_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/simtest/kernel.h"

/* files and directories */
#define open(...)     sim_open(__VA_ARGS__)
#define openat(...)   sim_openat(__VA_ARGS__)
#define close         sim_close
#define flock         sim_flock
#define pread         sim_pread
#define pwrite        sim_pwrite
#define read          sim_read
#define fdatasync     sim_fdatasync
#define fstat         sim_fstat
#define ftruncate     sim_ftruncate
#define unlink        sim_unlink
#define unlinkat      sim_unlinkat
#define rename        sim_rename
#define fdopendir     sim_fdopendir
#define readdir       sim_readdir
#define closedir      sim_closedir
#define fcntl(...)    sim_fcntl(__VA_ARGS__)
#define munmap        sim_munmap
#define write_all     sim_write_all
#define dir_make      sim_dir_make
#define dir_remove    sim_dir_remove
#define file_lock_pid sim_file_lock_pid
#define path_format   sim_path_format

/* sockets */
#define socket     sim_socket
#define socketpair sim_socketpair
#define setsockopt sim_setsockopt
#define getsockopt sim_getsockopt
#define bind       sim_bind
#define listen     sim_listen
#define accept4    sim_accept4
#define connect    sim_connect
#define send       sim_send
#define recv       sim_recv
#define sendmsg    sim_sendmsg
#define recvmsg    sim_recvmsg
#define poll       sim_poll

/* processes, signals, timers */
#define syscall(...)    sim_syscall(__VA_ARGS__)
#define kill            sim_kill
#define wait4           sim_wait4
#define sigaction(...)  sim_sigaction(__VA_ARGS__)
#define sigprocmask     sim_sigprocmask
#define signalfd        sim_signalfd
#define timerfd_create  sim_timerfd_create
#define timerfd_settime sim_timerfd_settime
#define inotify_init1   sim_inotify_init1
#define tree_kill       sim_tree_kill
#define getpid          sim_getpid
#define exit            sim_exit
#define getrlimit       sim_getrlimit
#define setrlimit       sim_setrlimit
#define gethostname     sim_gethostname
#define readlink        sim_readlink

/* memory that is sealed and passed on, clocks, chance */
#ifndef SIMTEST_HAS_TRUE_MEMORY /* lease_spec.c defines them */
#define sealed_memory_make sim_sealed_memory_make
#define sealed_memory_map  sim_sealed_memory_map
#endif
#define clock_now       sim_clock_now
#define clock_mono_us   sim_clock_mono_us
#define clock_thread_us sim_clock_mono_us
#define clock_boot_id   sim_clock_boot_id
#define curve_key_read  sim_curve_key_read
#define randombytes_buf sim_randombytes_buf
#define malloc_trim     sim_malloc_trim

#endif
