/* One inotify descriptor for all files that somebody follows. */
#include "worker/agent/logwatch.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

struct log_sub {
    struct agent *agent;
    char *path;
    log_sub_fn fn;
    void *arg;
    int wd; /* -1 = not armed */
    bool is_fired;
};

struct logwatch {
    int fd;
    struct loop_fd *watch;
    struct log_sub **subs;
    size_t n, cap;
};

/* Callbacks may add and remove: so first mark, then call the marked ones, looking anew each time.
 */
static void call_fired(struct logwatch *w)
{
    for (size_t i = 0; i < w->n;) {
        struct log_sub *s = w->subs[i];
        if (!s->is_fired) {
            i++;
            continue;
        }
        s->is_fired = false;
        s->fn(s->arg);
        i = 0;
    }
}

static void mark_fired(struct logwatch *w, const struct inotify_event *e)
{
    for (size_t i = 0; i < w->n; i++) {
        struct log_sub *s = w->subs[i];
        if (s->wd < 0 || (s->wd != e->wd && !(e->mask & IN_Q_OVERFLOW)))
            continue;
        s->wd = -1;
        s->is_fired = true;
    }
}

static void on_events(void *arg, int fd, CQ_UNUSED unsigned events)
{
    struct logwatch *w = arg;
    _Alignas(struct inotify_event) char buf[4096];
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;) {
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)p;
            mark_fired(w, e);
            p += sizeof *e + e->len;
        }
    }
    call_fired(w);
}

void logwatch_init(struct agent *a)
{
    struct logwatch *w = CQ_NEW(struct logwatch);
    a->watch = w;
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->fd >= 0)
        w->watch = loop_fd_new(a->loop, w->fd, LOOP_READ, on_events, w);
    else
        log_error("agent.watch error=\"%s\"", strerror(errno));
}

void logwatch_fini(struct agent *a)
{
    struct logwatch *w = a->watch;
    if (w == NULL)
        return;
    loop_fd_close(w->watch);
    if (w->fd >= 0)
        close(w->fd);
    free(w->subs);
    free(w);
    a->watch = NULL;
}

struct log_sub *logwatch_add(struct agent *a, const char *path, log_sub_fn fn, void *arg)
{
    struct logwatch *w = a->watch;
    struct log_sub *s = CQ_NEW(struct log_sub);
    *s = (struct log_sub){.agent = a, .path = cq_strdup(path), .fn = fn, .arg = arg, .wd = -1};
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&w->subs, &w->cap, w->n);
    w->subs[w->n++] = s;
    return s;
}

bool logwatch_arm(struct log_sub *s)
{
    if (s->wd < 0)
        s->wd = inotify_add_watch(s->agent->watch->fd, s->path, IN_MODIFY | IN_ONESHOT);
    return s->wd >= 0;
}

void logwatch_remove(struct log_sub *s)
{
    if (s == NULL)
        return;
    struct logwatch *w = s->agent->watch;
    bool is_shared = false;
    for (size_t i = 0; i < w->n; i++) {
        is_shared |= w->subs[i] != s && w->subs[i]->wd == s->wd;
        if (w->subs[i] == s)
            w->subs[i--] = w->subs[--w->n];
    }
    if (s->wd >= 0 && !is_shared)
        (void)inotify_rm_watch(w->fd, s->wd);
    free(s->path);
    free(s);
}
