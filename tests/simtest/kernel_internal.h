/* What the files of the simulated kernel share. */
#ifndef SIMTEST_KERNEL_INTERNAL_H
#define SIMTEST_KERNEL_INTERNAL_H

#include "tests/simtest/kernel.h"

enum handle_kind {
    HANDLE_FILE,
    HANDLE_DIR,
    HANDLE_SOCKET,
    HANDLE_LISTENER,
    HANDLE_MEMORY,
    HANDLE_PROCESS,
    HANDLE_EVENT,
    HANDLE_TIMER,
    HANDLE_OTHER,
};

enum { PASSED_MAX = 3, BACKLOG_MAX = 8, FD_FIRST = 100, FDS_MAX = 1 << 14 };

struct packet {
    struct packet *next;
    size_t bytes, n_passed;
    struct handle *passed[PASSED_MAX];
    char data[];
};

/* An open file description; descriptors and packets in flight hold it. */
struct handle {
    enum handle_kind kind;
    unsigned refs;
    struct proc *owner; /* who is woken when it becomes ready */
    bool is_ready;      /* EVENT */
    /* FILE */
    struct file *file;
    char *data; /* MEMORY, and texts of /proc */
    size_t len, read_at;
    bool appends;
    /* SOCKET, LISTENER */
    struct handle *peer;
    struct packet *first, **last;
    size_t n_packets;
    struct handle *pending[BACKLOG_MAX];
    size_t n_pending;
    struct file *name; /* of a listener */
    /* PROCESS, DIR, TIMER */
    struct proc *process;
    struct machine *machine;
    int64_t at_us; /* the owner's clock */
};

struct file {
    char name[48];
    char *data;
    size_t len, cap, synced;
    struct handle *lock, *listener;
    unsigned refs; /* handles, and one for its name */
    bool is_linked;
    struct file *next;
};

struct handle *handle_new(enum handle_kind kind);
void handle_unref(struct handle *h);
int fd_new(struct handle *h);     /* takes the reference; belongs to the process that runs */
struct handle *fd_handle(int fd); /* NULL when it is none */
int no_fd(int why);               /* errno, -1 */
struct file *file_find(struct machine *m, const char *name);
struct file *file_make(struct machine *m, const char *name);
void file_unref(struct file *f);
void socket_closed(struct handle *h);
void kernel_may_end(void); /* perhaps it does not return */
short handle_ready(const struct handle *h);

#endif
