/* Ending a tree: by namespace, by control group, or by walking /proc. */
#include "worker/lease/tree.h"
#include "worker/lease/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { PROCESSES_MAX = 65536 };

static struct process {
    pid_t pid, parent;
    bool is_ours;
} processes[PROCESSES_MAX];

static const char *const keeper_texts[] = {
#define X(name, text) text,
    KEEPERS(X)
#undef X
};

const char *keeper_text(uint32_t keeper)
{
    return keeper < KEEPER_COUNT ? keeper_texts[keeper] : "?";
}

enum keeper tree_keeper(bool is_user_namespace, int group_fd)
{
    if (getpid() == 1)
        return is_user_namespace ? KEEPER_USER_NAMESPACE : KEEPER_PID_NAMESPACE;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    return group_fd >= 0 ? KEEPER_CONTROL_GROUP : KEEPER_SUBREAPER;
}

static pid_t parent_of(int proc_fd, const char *pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "%s/stat", pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    if (p == NULL || strlen(p) < 5 || p[2] == 'Z' || p[2] == 'X')
        return 0; /* dead, and only not reaped yet */
    return (pid_t)strtol(p + 4, NULL, 10);
}

static size_t list_processes(void)
{
    DIR *proc = opendir("/proc");
    size_t n = 0;
    for (struct dirent *e = proc ? readdir(proc) : NULL; e && n < PROCESSES_MAX;
         e = readdir(proc)) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid > 0)
            processes[n++] = (struct process){pid, parent_of(dirfd(proc), e->d_name), false};
    }
    if (proc)
        closedir(proc);
    return n;
}

static bool is_parent_ours(size_t n, pid_t parent)
{
    if (parent == getpid())
        return true;
    for (size_t i = 0; i < n; i++)
        if (processes[i].pid == parent)
            return processes[i].is_ours;
    return false;
}

static bool is_spared(pid_t pid, const pid_t *spare, size_t n_spare)
{
    for (size_t i = 0; i < n_spare; i++)
        if (spare[i] == pid)
            return true;
    return false;
}

/* Marks the descendants, and tells each to fn when it is found. Returns how many. */
static size_t each_descendant(const pid_t *spare, size_t n_spare, void (*fn)(void *arg, pid_t pid),
                              void *arg)
{
    size_t n = list_processes(), found = 0;
    bool is_changed = true;
    while (is_changed) {
        is_changed = false;
        for (size_t i = 0; i < n; i++) {
            struct process *p = &processes[i];
            if (p->is_ours || is_spared(p->pid, spare, n_spare) || !is_parent_ours(n, p->parent))
                continue;
            p->is_ours = is_changed = true;
            fn(arg, p->pid);
            found++;
        }
    }
    return found;
}

static void kill_one(CQ_UNUSED void *arg, pid_t pid)
{
    (void)kill(pid, SIGKILL);
}

size_t tree_kill_descendants(const pid_t *spare, size_t n_spare)
{
    return each_descendant(spare, n_spare, kill_one, NULL);
}

/* Where it could not be mounted anew it has other numbers. */
static bool is_proc_ours(void)
{
    char text[32] = "";
    ssize_t n = readlink("/proc/self", text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return strtol(text, NULL, 10) == getpid();
}

void tree_each(int group_fd, void (*fn)(void *arg, pid_t pid), void *arg)
{
    if (!is_proc_ours())
        return;
    if (group_fd >= 0) {
        group_each(group_fd, fn, arg);
        return;
    }
    fn(arg, getpid());
    (void)each_descendant(NULL, 0, fn, arg);
}

void tree_kill(enum keeper keeper, int group_fd)
{
    switch (keeper) {
    case KEEPER_PID_NAMESPACE:
    case KEEPER_USER_NAMESPACE:
        (void)kill(-1, SIGKILL);
        break;
    case KEEPER_CONTROL_GROUP:
        (void)group_kill_others(group_fd);
        break;
    case KEEPER_NONE:
    case KEEPER_SUBREAPER:
    case KEEPER_COUNT:
        (void)tree_kill_descendants(NULL, 0);
        break;
    }
}
