/* The newest `chipq-progress:` line of a running tool: read only when its log grew, at most twice a
 * second. */
#include "common/base/pure/mem.h"
#include "worker/agent/logwatch.h"
#include "worker/lease/place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVERY_US = 500 * 1000, LOOK_BYTES = 64 * 1024, TEXT_MAX = 127 };

static const char mark[] = "chipq-progress:";

struct progress {
    struct attempt *attempt;
    struct log_sub *sub;
    struct loop_timer *timer;
    char *path;
    off_t at; /* start of the first line that was not looked at */
    int64_t looked_us;
    char told[TEXT_MAX + 1];
};

static void tell(struct progress *p, const char *text, size_t bytes)
{
    struct attempt *t = p->attempt;
    char line[TEXT_MAX + 1];
    while (bytes && *text == ' ') {
        text++;
        bytes--;
    }
    bytes = bytes > TEXT_MAX ? TEXT_MAX : bytes;
    while (bytes && !cq_is_utf8(text, bytes))
        bytes--;
    memcpy(line, text, bytes);
    line[bytes] = '\0';
    if (bytes == 0 || strcmp(line, p->told) == 0)
        return;
    memcpy(p->told, line, bytes + 1);
    struct msg m = {.code = MSG_PROGRESS,
                    .u.progress = {.lease = t->lease->id,
                                   .job = t->job,
                                   .task = t->task,
                                   .attempt = t->attempt,
                                   .text = line}};
    (void)session_send(t->lease->agent, &m); /* the next line replaces a lost one */
}

/* Looks at whole new lines; the last one that carries the mark counts. */
static void look(struct progress *p)
{
    static char buf[LOOK_BYTES];
    struct stat st;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) { /* the job put something else there */
        close(fd);
        return;
    }
    if (st.st_size - p->at > LOOK_BYTES)
        p->at = st.st_size - LOOK_BYTES;
    ssize_t n = pread(fd, buf, sizeof buf, p->at);
    close(fd);
    const char *found = NULL, *line = buf;
    size_t found_bytes = 0;
    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] != '\n')
            continue;
        size_t bytes = (size_t)(&buf[i] - line);
        if (bytes >= sizeof mark - 1 && memcmp(line, mark, sizeof mark - 1) == 0) {
            found = line + sizeof mark - 1;
            found_bytes = bytes - (sizeof mark - 1);
        }
        line = &buf[i] + 1;
    }
    p->at += line - buf;
    if (found)
        tell(p, found, found_bytes);
}

static void look_later(void *arg)
{
    struct progress *p = arg;
    int64_t now_us = loop_now(p->attempt->lease->agent->loop).mono_us;
    int64_t at_us = p->looked_us + EVERY_US;
    loop_timer_set(p->timer, at_us > now_us ? at_us : now_us);
}

static void on_due(void *arg)
{
    struct progress *p = arg;
    struct stat before, after;
    p->looked_us = loop_now(p->attempt->lease->agent->loop).mono_us;
    bool is_there = stat(p->path, &before) == 0;
    look(p);
    if (!logwatch_arm(p->sub)
        || (is_there && stat(p->path, &after) == 0 && after.st_size != before.st_size))
        look_later(p);
}

void progress_start(struct attempt *t)
{
    char path[PATH_MAX];
    struct agent *a = t->lease->agent;
    if (t->progress || t->place == NULL || !place_log(a->options.dir, t->place, t->attempt, path))
        return;
    struct progress *p = CQ_NEW(struct progress);
    *p = (struct progress){.attempt = t, .path = cq_strdup(path)};
    t->progress = p;
    p->timer = loop_timer_new(a->loop, on_due, p);
    p->sub = logwatch_add(a, path, look_later, p);
    look_later(p);
}

void progress_stop(struct attempt *t)
{
    struct progress *p = t->progress;
    if (p == NULL)
        return;
    logwatch_remove(p->sub);
    loop_timer_close(p->timer);
    free(p->path);
    free(p);
    t->progress = NULL;
}
