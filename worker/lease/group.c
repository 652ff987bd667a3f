/* Control groups of leases, cgroup v2 only. */
#include "worker/lease/group.h"
#include "common/base/pure/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mount point of the cgroup2 hierarchy, from /proc/self/mounts. */
static bool find_mount(char *to, size_t size)
{
    FILE *f = fopen("/proc/self/mounts", "re");
    char line[1024], point[512], type[32];
    bool is_found = false;
    while (f && !is_found && fgets(line, sizeof line, f))
        is_found = sscanf(line, "%*s %511s %31s", point, type) == 2 && strcmp(type, "cgroup2") == 0
                   && cq_copy_text(to, size, point);
    if (f)
        (void)fclose(f);
    return is_found;
}

/* Our own group, from the line "0::/path" of /proc/self/cgroup. */
static bool find_own(char *to, size_t size)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[1024];
    bool is_found = false;
    while (f && !is_found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        is_found = cq_str_starts(line, "0::/") && cq_copy_text(to, size, line + 3);
    }
    if (f)
        (void)fclose(f);
    return is_found;
}

void group_root_open(struct group_root *root, const char *tag)
{
    char mount_point[512], own[512], path[PATH_MAX];
    root->fd = -1;
    snprintf(root->prefix, sizeof root->prefix, "chipq-%s", tag);
    if (!find_mount(mount_point, sizeof mount_point) || !find_own(own, sizeof own))
        return;
    snprintf(path, sizeof path, "%s%s", mount_point, own);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    /* Moving a process needs the right to write here as well, not only in the group below. */
    if (faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) == 0 && faccessat(fd, ".", W_OK, 0) == 0)
        root->fd = fd;
    else
        close(fd);
}

void group_root_close(struct group_root *root)
{
    if (root->fd >= 0)
        close(root->fd);
    root->fd = -1;
}

static void group_name(const struct group_root *root, uint64_t lease, const char *file, char *to,
                       size_t size)
{
    snprintf(to, size, "%s-lease-%llu%s", root->prefix, (unsigned long long)lease, file);
}

int group_make(const struct group_root *root, uint64_t lease)
{
    char name[128];
    if (root->fd < 0)
        return -1;
    group_name(root, lease, "", name, sizeof name);
    if (mkdirat(root->fd, name, 0755) != 0 && errno != EEXIST)
        return -1;
    return openat(root->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int group_join(int group_fd)
{
    int fd = group_fd >= 0 ? openat(group_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? write(fd, "0", 1) : -1;
    if (fd >= 0)
        close(fd);
    return n == 1 ? 0 : -1;
}

size_t group_kill_others(int procs_fd)
{
    char text[8192];
    size_t killed = 0, kept = 0;
    if (lseek(procs_fd, 0, SEEK_SET) != 0)
        return 0;
    for (;;) {
        ssize_t n = read(procs_fd, text + kept, sizeof text - 1 - kept);
        if (n <= 0)
            return killed;
        text[kept + (size_t)n] = '\0';
        char *p = text;
        for (char *end = strchr(p, '\n'); end; p = end + 1, end = strchr(p, '\n')) {
            pid_t pid = (pid_t)strtol(p, NULL, 10);
            if (pid > 0 && pid != getpid() && kill(pid, SIGKILL) == 0)
                killed++;
        }
        kept = strlen(p);
        memmove(text, p, kept);
    }
}

void group_kill(const struct group_root *root, uint64_t lease)
{
    char name[160];
    if (root->fd < 0)
        return;
    group_name(root, lease, "/cgroup.kill", name, sizeof name);
    int fd = openat(root->fd, name, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? write(fd, "1", 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n == 1)
        return;
    group_name(root, lease, "/cgroup.procs", name, sizeof name); /* before Linux 5.14 */
    fd = openat(root->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)group_kill_others(fd);
    close(fd);
}

bool group_is_empty(const struct group_root *root, uint64_t lease)
{
    char name[160], text[256];
    if (root->fd < 0)
        return true;
    group_name(root, lease, "/cgroup.events", name, sizeof name);
    int fd = openat(root->fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "populated 1") == NULL;
}

void group_remove(const struct group_root *root, uint64_t lease)
{
    char name[128];
    if (root->fd < 0)
        return;
    group_name(root, lease, "", name, sizeof name);
    (void)unlinkat(root->fd, name, AT_REMOVEDIR);
}

void group_sweep(const struct group_root *root)
{
    int copy = root->fd >= 0 ? openat(root->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    char start[80];
    snprintf(start, sizeof start, "%s-lease-", root->prefix);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (cq_str_starts(e->d_name, start))
            (void)unlinkat(root->fd, e->d_name, AT_REMOVEDIR); /* one in use refuses */
    if (dir)
        closedir(dir);
}
