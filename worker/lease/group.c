/* Groups of slots: made, emptied, removed; the same steps in each hierarchy. */
#include "worker/lease/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_FD = 64, NAME_BYTES = 128 };

static const char *const kind_texts[] = {
#define X(name, text) text,
    GROUP_KINDS(X)
#undef X
};

const char *group_kind_text(enum group_kind kind)
{
    return kind_texts[kind];
}

int group_write(int dir_fd, const char *file, const char *text)
{
    int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int why = errno;
    close(fd);
    errno = why;
    return n < 0 ? -1 : 0;
}

int group_read(int dir_fd, const char *file, char *to, size_t size)
{
    int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, to, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    to[n > 0 ? n : 0] = '\0';
    return (int)n;
}

/* A process that moves by "cgroup.procs" holds up the kernel until all processors have passed a
 * grace period of RCU: 7 to 30 ms on an idle machine. A thread that moves itself by the "tasks" of
 * v1 waits for nothing (cgroup_procs_write_start in the kernel). */
int group_join(int dir_fd)
{
    if (dir_fd < 0)
        return -1;
    return group_write(dir_fd, "tasks", "0") == 0 ? 0 : group_write(dir_fd, "cgroup.procs", "0");
}

static void slot_name(const struct group_root *root, uint32_t slot, char to[NAME_BYTES])
{
    snprintf(to, NAME_BYTES, "%s-slot-%u", root->prefix, slot);
}

static bool has_nobody(int dir_fd)
{
    char text[64];
    return dir_fd < 0 || group_read(dir_fd, "cgroup.procs", text, sizeof text) <= 0;
}

/* High, to be clear of what a shepherd is started with. */
static int open_high(int at_fd, const char *name)
{
    int low = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = low >= 0 ? fcntl(low, F_DUPFD_CLOEXEC, FIRST_FD) : -1;
    if (low >= 0)
        close(low);
    return fd;
}

enum group_made group_make(const struct group_root *root, uint32_t slot, struct group *out)
{
    struct group g = {.slot = slot};
    char name[NAME_BYTES];
    bool is_any = false, is_used = false;
    slot_name(root, slot, name);
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++) {
        int at = root->at[k].fd;
        bool is_there = at >= 0 && (mkdirat(at, name, 0755) == 0 || errno == EEXIST);
        g.fd[k] = is_there ? open_high(at, name) : -1;
        is_any |= g.fd[k] >= 0;
        is_used |= !has_nobody(g.fd[k]);
    }
    if (is_any && !is_used) {
        *out = g;
        return GROUP_MADE;
    }
    group_close(&g);
    return is_used ? GROUP_IN_USE : GROUP_FAILED;
}

void group_close(struct group *g)
{
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++) {
        if (g->fd[k] >= 0)
            close(g->fd[k]);
        g->fd[k] = -1;
    }
}

int group_born_fd(const struct group_root *root, const struct group *g)
{
    const struct group_place *at = root->at;
    bool is_plain_tree = at[GROUP_TREE].is_v2 && !at[GROUP_MEMORY].is_v2 && !at[GROUP_PIDS].is_v2;
    return is_plain_tree ? g->fd[GROUP_TREE] : -1;
}

bool group_is_empty(const struct group *g)
{
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
        if (!has_nobody(g->fd[k]))
            return false;
    return true;
}

uint64_t group_memory_bytes(const struct group *g)
{
    char text[32] = "";
    int fd = g->fd[GROUP_MEMORY];
    if (fd >= 0 && group_read(fd, "memory.current", text, sizeof text) <= 0)
        (void)group_read(fd, "memory.usage_in_bytes", text, sizeof text);
    return strtoull(text, NULL, 10);
}

void group_remove(const struct group_root *root, uint32_t slot)
{
    char name[NAME_BYTES];
    slot_name(root, slot, name);
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
        if (root->at[k].fd >= 0)
            (void)unlinkat(root->at[k].fd, name, AT_REMOVEDIR);
}

void group_each(int procs_fd, void (*fn)(void *arg, pid_t pid), void *arg)
{
    char text[8192];
    size_t kept = 0;
    if (lseek(procs_fd, 0, SEEK_SET) != 0)
        return;
    for (;;) {
        ssize_t n = read(procs_fd, text + kept, sizeof text - 1 - kept);
        if (n <= 0)
            return;
        text[kept + (size_t)n] = '\0';
        char *p = text;
        for (char *end = strchr(p, '\n'); end; p = end + 1, end = strchr(p, '\n')) {
            pid_t pid = (pid_t)strtol(p, NULL, 10);
            if (pid > 0)
                fn(arg, pid);
        }
        kept = strlen(p);
        memmove(text, p, kept);
    }
}

static void note_caller(void *has, pid_t pid)
{
    *(bool *)has |= pid == getpid();
}

bool group_has_caller(int dir_fd)
{
    int fd = dir_fd >= 0 ? openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC) : -1;
    bool has = false;
    if (fd < 0)
        return false;
    group_each(fd, note_caller, &has);
    close(fd);
    return has;
}

static void kill_other(void *arg, pid_t pid)
{
    size_t *killed = arg;
    *killed += pid != getpid() && kill(pid, SIGKILL) == 0;
}

size_t group_kill_others(int procs_fd)
{
    size_t killed = 0;
    group_each(procs_fd, kill_other, &killed);
    return killed;
}

bool group_kill(const struct group_root *root, uint32_t slot)
{
    char name[NAME_BYTES];
    slot_name(root, slot, name);
    int at = root->at[GROUP_TREE].fd;
    int dir = at >= 0 ? openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool was_there = !has_nobody(dir);
    if (was_there && group_write(dir, "cgroup.kill", "1") != 0) { /* v1, or before Linux 5.14 */
        int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)group_kill_others(fd);
            close(fd);
        }
    }
    if (dir >= 0)
        close(dir);
    return was_there;
}

void group_sweep(const char *path, const char *prefix)
{
    DIR *dir = opendir(path);
    char start[80];
    snprintf(start, sizeof start, "%s-", prefix);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (cq_str_starts(e->d_name, start))
            (void)unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR); /* one in use refuses */
    if (dir)
        closedir(dir);
}
