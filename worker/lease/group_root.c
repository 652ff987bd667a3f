/* Where groups can be made: the hierarchies as they are mounted, and our own place in each. */
#include "worker/lease/group.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 };

/* One line of /proc/self/mountinfo, as far as it matters here. */
struct mount_line {
    char root[PATH_MAX], point[PATH_MAX], type[32], options[512];
};

static bool parse_mount(char *line, struct mount_line *m)
{
    char *dash = strstr(line, " - ");
    return dash && sscanf(line, "%*s %*s %*s %4095s %4095s", m->root, m->point) == 2
           && sscanf(dash + 3, "%31s %*s %511s", m->type, m->options) == 2;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p; p = (p = strchr(p, ',')) ? p + 1 : NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0' || p[n] == ':'))
            return true;
    return false;
}

/* The mount that holds `controller` in v1, or cgroup2 when it is NULL. */
static bool find_mount(const char *controller, struct mount_line *m)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[LINE_BYTES_MAX];
    bool is_found = false;
    while (f && !is_found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        is_found = parse_mount(line, m) && strcmp(m->type, controller ? "cgroup" : "cgroup2") == 0
                   && (controller == NULL || has_word(m->options, controller));
    }
    if (f)
        (void)fclose(f);
    return is_found;
}

/* Our own group, from a line like "4:memory:/path" or "0::/path" of /proc/self/cgroup. */
static bool find_own(const char *controller, char *to, size_t size)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[LINE_BYTES_MAX];
    bool is_found = false;
    while (f && !is_found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        names++;
        is_found = (controller ? *names && has_word(names, controller) : *names == '\0')
                   && cq_copy_text(to, size, path);
    }
    if (f)
        (void)fclose(f);
    return is_found;
}

/* Where our own group is in the file system. In a container only a part of the hierarchy is
 * mounted: the mount's root is taken off, and where we are outside of it, it is our place. */
static bool own_path(const char *controller, char *to, size_t size)
{
    static struct mount_line m;
    char own[PATH_MAX];
    if (!find_mount(controller, &m) || !find_own(controller, own, sizeof own))
        return false;
    size_t n = strcmp(m.root, "/") == 0 ? 0 : strlen(m.root);
    bool is_below = strncmp(own, m.root, n) == 0 && (own[n] == '/' || own[n] == '\0');
    const char *rest = is_below && strcmp(own + n, "/") != 0 ? own + n : "";
    int len = snprintf(to, size, "%s%s", m.point, rest);
    return len > 0 && (size_t)len < size;
}

/* Moving a process needs the right to write here as well, not only in the group below. */
static int open_place(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) == 0
        && faccessat(fd, ".", W_OK, AT_EACCESS) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}

static void note_lost(struct group_root *root, enum group_kind kind, const char *path, int errnum)
{
    size_t n = strlen(root->lost);
    snprintf(root->lost + n, sizeof root->lost - n, "%s%s: %s%s%s", n ? "; " : "",
             group_kind_text(kind), path, *path ? ": " : "", strerror(errnum));
}

static void take(struct group_root *root, enum group_kind kind, int fd, bool is_v2,
                 const char *path)
{
    struct group_place *p = &root->at[kind];
    p->fd = fd;
    p->is_v2 = is_v2;
    (void)cq_copy_text(p->path, sizeof p->path, path);
}

static bool lists(int dir_fd, const char *file, const char *controller)
{
    char text[512], *p = text;
    size_t n = strlen(controller);
    if (group_read(dir_fd, file, text, sizeof text) <= 0)
        return false;
    while ((p = strstr(p, controller)) != NULL) {
        if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || p[n] == '\0'))
            return true;
        p += n;
    }
    return false;
}

static void enable_all(int dir_fd)
{
    for (size_t k = GROUP_MEMORY; k < GROUP_KIND_COUNT; k++) {
        char text[16];
        snprintf(text, sizeof text, "+%s", group_kind_text((enum group_kind)k));
        (void)group_write(dir_fd, "cgroup.subtree_control", text);
    }
}

static bool is_chipq(pid_t pid)
{
    char path[64], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *base = strrchr(target, '/');
    return base && cq_str_starts(base + 1, "chipq");
}

/* We, and what was started together with us: chipqd, and the command that starts both. */
static void move_ours(int from_fd, int to_fd)
{
    char text[4096];
    (void)group_join(to_fd);
    (void)group_read(from_fd, "cgroup.procs", text, sizeof text);
    for (char *p = text, *end = strchr(p, '\n'); end; p = end + 1, end = strchr(p, '\n')) {
        *end = '\0';
        if (is_chipq((pid_t)strtol(p, NULL, 10)))
            (void)group_write(to_fd, "cgroup.procs", p);
    }
}

/* v2: a group whose children have limits holds no process itself. So we move below, and hand the
 * controllers down; the kernel refuses while anybody else is here. */
static bool hand_down(const struct group_root *root, int dir_fd)
{
    char name[96];
    if (lists(dir_fd, "cgroup.subtree_control", "memory"))
        return true;
    if (!lists(dir_fd, "cgroup.controllers", "memory"))
        return false;
    snprintf(name, sizeof name, "%s-worker", root->prefix);
    if (mkdirat(dir_fd, name, 0755) != 0 && errno != EEXIST)
        return false;
    int below = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (below < 0)
        return false;
    move_ours(dir_fd, below);
    enable_all(dir_fd);
    bool is_done = lists(dir_fd, "cgroup.subtree_control", "memory");
    if (!is_done)
        move_ours(below, dir_fd);
    close(below);
    if (!is_done)
        (void)unlinkat(dir_fd, name, AT_REMOVEDIR);
    return is_done;
}

static void take_v2_limits(struct group_root *root, int fd, const char *path)
{
    for (size_t k = GROUP_MEMORY; k < GROUP_KIND_COUNT; k++)
        if (root->at[k].fd < 0
            && lists(fd, "cgroup.subtree_control", group_kind_text((enum group_kind)k)))
            take(root, (enum group_kind)k, fcntl(fd, F_DUPFD_CLOEXEC, 0), true, path);
}

/* Below our own group; for root, where somebody else is in that too, below the hierarchy's own
 * root, which may hold processes and limits. */
static void open_v2(struct group_root *root, bool has_limits)
{
    static struct mount_line m;
    char path[PATH_MAX];
    if (!own_path(NULL, path, sizeof path))
        return;
    int fd = open_place(path);
    if (has_limits && (fd < 0 || !hand_down(root, fd)) && geteuid() == 0 && find_mount(NULL, &m)) {
        int top = open_place(m.point);
        if (top >= 0 && lists(top, "cgroup.subtree_control", "memory")) {
            if (fd >= 0)
                close(fd);
            fd = top;
            (void)cq_copy_text(path, sizeof path, m.point);
        } else if (top >= 0) {
            close(top);
        }
    }
    if (fd < 0)
        return;
    take(root, GROUP_TREE, fd, true, path);
    if (has_limits)
        take_v2_limits(root, fd, path);
}

static void open_v1(struct group_root *root, enum group_kind kind)
{
    char path[PATH_MAX] = "";
    errno = ENOENT;
    bool is_mounted = own_path(group_kind_text(kind), path, sizeof path);
    int fd = is_mounted ? open_place(path) : -1;
    if (fd >= 0)
        take(root, kind, fd, false, path);
    else
        note_lost(root, kind, path, is_mounted ? errno : ENODEV);
}

void group_root_open(struct group_root *root, const char *tag, bool has_limits)
{
    *root = (struct group_root){.lost = ""};
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++)
        root->at[k].fd = -1;
    snprintf(root->prefix, sizeof root->prefix, "chipq-%s", tag);
    open_v2(root, has_limits);
    for (size_t k = GROUP_MEMORY; has_limits && k < GROUP_KIND_COUNT; k++)
        if (root->at[k].fd < 0)
            open_v1(root, (enum group_kind)k);
    if (root->at[GROUP_TREE].fd < 0 && root->at[GROUP_PIDS].fd >= 0) /* v1 alone lists as well */
        take(root, GROUP_TREE, fcntl(root->at[GROUP_PIDS].fd, F_DUPFD_CLOEXEC, 0), false,
             root->at[GROUP_PIDS].path);
}

void group_root_close(struct group_root *root)
{
    for (size_t k = 0; k < GROUP_KIND_COUNT; k++) {
        if (root->at[k].fd >= 0)
            close(root->at[k].fd);
        root->at[k].fd = -1;
    }
}

bool group_root_has(const struct group_root *root, enum group_kind kind)
{
    return root->at[kind].fd >= 0;
}

void group_root_describe(const struct group_root *root, char *to, size_t size)
{
    bool is_v1 = false, is_v2 = false;
    for (size_t k = GROUP_MEMORY; k < GROUP_KIND_COUNT; k++) {
        is_v1 |= root->at[k].fd >= 0 && !root->at[k].is_v2;
        is_v2 |= root->at[k].fd >= 0 && root->at[k].is_v2;
    }
    snprintf(to, size, "%s", is_v1 && is_v2 ? "mixed" : is_v1 ? "v1" : "v2");
    char separator = ':';
    for (size_t k = GROUP_MEMORY; k < GROUP_KIND_COUNT; k++) {
        size_t n = strlen(to);
        if (root->at[k].fd < 0)
            continue;
        snprintf(to + n, size - n, "%c%s", separator, group_kind_text((enum group_kind)k));
        separator = '+';
    }
    if (!is_v1 && !is_v2)
        snprintf(to, size, "none");
}
