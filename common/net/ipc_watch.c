/* One inotify descriptor on the socket's directory. */
#include "common/net/ipc_watch.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SCHEME "ipc://"

enum { EVENTS_BYTES = 4096 };

struct ipc_watch {
    struct loop_fd *watcher;
    int fd;
    char *name; /* in its directory */
    ipc_watch_fn fn;
    void *arg;
};

static bool has_appeared(const struct ipc_watch *w)
{
    char bytes[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool has = false;
    ssize_t n;
    while ((n = read(w->fd, bytes, sizeof bytes)) > 0)
        for (const char *at = bytes; at < bytes + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)at;
            has |= e->len > 0 && strcmp(e->name, w->name) == 0;
            at += sizeof *e + e->len;
        }
    return has;
}

static void on_readable(void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    struct ipc_watch *w = arg;
    if (has_appeared(w))
        w->fn(w->arg);
}

static int watch_directory(const char *directory)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, directory, IN_CREATE | IN_MOVED_TO) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

struct ipc_watch *ipc_watch_new(struct loop *l, const char *endpoint, ipc_watch_fn fn, void *arg)
{
    const char *slash = strrchr(endpoint, '/');
    if (strncmp(endpoint, SCHEME, strlen(SCHEME)) != 0 || slash < endpoint + strlen(SCHEME))
        return NULL;
    CQ_CLEANUP(cq_free_ptr)
    char *directory =
        cq_strndup(endpoint + strlen(SCHEME), (size_t)(slash - endpoint) - strlen(SCHEME));
    int fd = watch_directory(*directory ? directory : "/");
    if (fd < 0)
        return NULL;
    struct ipc_watch *w = CQ_NEW(struct ipc_watch);
    *w = (struct ipc_watch){.fd = fd, .name = cq_strdup(slash + 1), .fn = fn, .arg = arg};
    w->watcher = loop_fd_new(l, fd, LOOP_READ, on_readable, w);
    return w;
}

void ipc_watch_close(struct ipc_watch *w)
{
    if (w == NULL)
        return;
    loop_fd_close(w->watcher);
    close(w->fd);
    free(w->name);
    free(w);
}
