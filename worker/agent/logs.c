/* Output that somebody reads through the scheduler, or follows while it is written. */
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"
#include "worker/agent/logwatch.h"
#include "worker/lease/log_gap.h"
#include "worker/lease/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_MAX = 262144, WAITERS_MAX = 1024, GONE_MAX = 8 };

struct log_waiter {
    struct agent *agent;
    uint64_t request, attempt, offset, max;
    char *place, *path;
    struct log_sub *sub;
};

static void answer(struct agent *a, uint64_t request, const struct msg_log_chunk *chunk)
{
    struct msg m = {.code = MSG_LOG_CHUNK, .request = request, .u.log_chunk = *chunk};
    (void)session_send(a, &m); /* lost with the session: the reader asks again */
}

static void answer_error(struct agent *a, uint64_t request, uint64_t offset, const char *text)
{
    answer(a, request, &(struct msg_log_chunk){.offset = offset, .at_end = true, .error = text});
}

static bool is_live(struct agent *a, const char *place, uint64_t attempt)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value)) {
        const struct lease *l = value;
        for (size_t i = 0; i < l->n_attempts; i++)
            if (attempt_is_place(l->attempts[i], place, attempt))
                return l->attempts[i]->state != ATTEMPT_ENDED;
    }
    return false;
}

/* False: an error was answered. *fd < 0: there is no file yet. */
static bool open_output(const struct log_waiter *w, bool may_grow, int *fd)
{
    struct stat st;
    /* A job can put anything in its file's place, a pipe too: nothing may block on it. */
    *fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd >= 0 && (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(*fd);
        answer_error(w->agent, w->request, w->offset, "the output is not a regular file");
        return false;
    }
    if (*fd < 0 && !may_grow) {
        answer_error(w->agent, w->request, w->offset,
                     errno == ENOENT ? "this attempt has no output here"
                                     : "the output cannot be opened");
        return false;
    }
    return true;
}

/* A piece of output: `at` is where the job wrote it, `n` < 0 an error. */
struct piece {
    uint64_t at, size; /* size: of the output, as far as it is known */
    ssize_t n;
    bool is_told; /* it is our own word, not the job's */
};

/* Who reads on from within what is missing by now was too slow to see the line in front of it. */
static struct piece tell_gap(const struct log_gap *g, uint64_t offset, uint64_t size, char *buf)
{
    char text[32];
    int n = snprintf(buf, CHUNK_MAX, "\nchipq: output limit reached; dropped here: %s\n",
                     format_size_bytes(g->to - offset, text, sizeof text));
    return (struct piece){.at = g->to - (uint64_t)n, .size = size, .n = n, .is_told = true};
}

static struct piece read_piece(int fd, uint64_t offset, size_t max, char *buf)
{
    struct stat st = {0};
    if (fstat(fd, &st) != 0)
        return (struct piece){.at = offset, .n = -1};
    const struct log_gap g = log_gap_find(fd, (uint64_t)st.st_size);
    uint64_t moved = g.is_closed ? g.to - g.from : 0, size = (uint64_t)st.st_size + moved;
    bool is_behind = g.to > 0 && offset > g.from && offset < g.to;
    if (is_behind)
        return tell_gap(&g, offset, size, buf);
    if (g.to > 0 && offset < g.from && max > g.from - offset)
        max = (size_t)(g.from - offset);
    offset = g.to > 0 && offset == g.from ? g.to : offset;
    return (struct piece){
        .at = offset,
        .size = size,
        .n = pread(fd, buf, max, (off_t)(offset >= g.to ? offset - moved : offset))};
}

/* What was read may have become part of the gap meanwhile, and then it was zeros. */
static bool is_gone(int fd, const struct piece *p)
{
    struct stat st;
    struct log_gap g = {0};
    if (!p->is_told && fstat(fd, &st) == 0)
        g = log_gap_find(fd, (uint64_t)st.st_size);
    return !g.is_closed && p->at < g.to && p->at + (uint64_t)(p->n > 0 ? p->n : 0) > g.from;
}

static struct piece read_what_is_there(int fd, uint64_t offset, size_t max, char *buf)
{
    struct piece p = read_piece(fd, offset, max, buf);
    for (int i = 0; i < GONE_MAX && is_gone(fd, &p); i++)
        p = read_piece(fd, offset, max, buf);
    return p;
}

/* Answers if there is something to say. False: nothing yet, and more may come. */
static bool try_answer(const struct log_waiter *w, bool must_answer)
{
    static char buf[CHUNK_MAX];
    bool may_grow = is_live(w->agent, w->place, w->attempt);
    size_t max = w->max && w->max < CHUNK_MAX ? (size_t)w->max : CHUNK_MAX;
    struct piece p = {.at = w->offset};
    int fd;
    if (!open_output(w, may_grow, &fd))
        return true;
    if (fd >= 0) {
        p = read_what_is_there(fd, w->offset, max, buf);
        close(fd);
    }
    if (p.n < 0) {
        answer_error(w->agent, w->request, w->offset, "the output cannot be read");
        return true;
    }
    bool is_end = !may_grow && fd >= 0 && p.at + (uint64_t)p.n >= p.size;
    if (p.n == 0 && !is_end && !must_answer)
        return false;
    answer(w->agent, w->request,
           &(struct msg_log_chunk){.offset = p.at, .data = {buf, (size_t)p.n}, .at_end = is_end});
    return true;
}

static void waiter_free(struct log_waiter *w)
{
    logwatch_remove(w->sub);
    free(w->place);
    free(w->path);
    free(w);
}

static void waiter_remove_at(struct agent *a, size_t i)
{
    struct log_waiter *w = a->log_waiters[i];
    a->log_waiters[i] = a->log_waiters[--a->n_log_waiters];
    waiter_free(w);
}

static void waiter_remove(const struct log_waiter *w)
{
    struct agent *a = w->agent;
    for (size_t i = 0; i < a->n_log_waiters; i++)
        if (a->log_waiters[i] == w) {
            waiter_remove_at(a, i);
            return;
        }
}

static void on_growth(void *arg)
{
    struct log_waiter *w = arg;
    /* Armed first: growth after the look fires again. */
    (void)logwatch_arm(w->sub);
    if (try_answer(w, false))
        waiter_remove(w);
}

static void keep(struct log_waiter *w)
{
    struct agent *a = w->agent;
    if (a->n_log_waiters == WAITERS_MAX) { /* the oldest is told to ask again */
        (void)try_answer(a->log_waiters[0], true);
        waiter_remove_at(a, 0);
    }
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&a->log_waiters, &a->log_waiters_cap, a->n_log_waiters);
    a->log_waiters[a->n_log_waiters++] = w;
    w->sub = logwatch_add(a, w->path, on_growth, w);
    on_growth(w);
}

void logs_read(struct agent *a, const struct msg_log_read *m, uint64_t request)
{
    char path[PATH_MAX], place[PLACE_BYTES];
    int n = is_name(m->enterprise)
                ? snprintf(place, sizeof place, "%s/%llu/%llu", m->enterprise,
                           (unsigned long long)m->number, (unsigned long long)m->task)
                : -1;
    if (n < 0 || n >= (int)sizeof place || !place_log(a->options.dir, place, m->attempt, path)
        || m->offset > INT64_MAX) {
        answer_error(a, request, m->offset, "there is no such output");
        return;
    }
    struct log_waiter *w = CQ_NEW(struct log_waiter);
    *w = (struct log_waiter){.agent = a,
                             .request = request,
                             .attempt = m->attempt,
                             .offset = m->offset,
                             .max = m->max,
                             .place = cq_strdup(place),
                             .path = cq_strdup(path)};
    if (try_answer(w, !m->follow))
        waiter_free(w);
    else
        keep(w);
}

void logs_attempt_changed(struct agent *a, const struct attempt *t)
{
    for (size_t i = 0; i < a->n_log_waiters;) {
        struct log_waiter *w = a->log_waiters[i];
        if (!attempt_is_place(t, w->place, w->attempt)) {
            i++;
            continue;
        }
        (void)logwatch_arm(w->sub);
        if (try_answer(w, false))
            waiter_remove_at(a, i); /* the last one takes its place */
        else
            i++;
    }
}

void logs_forget_all(struct agent *a)
{
    for (size_t i = 0; i < a->n_log_waiters; i++)
        waiter_free(a->log_waiters[i]);
    a->n_log_waiters = 0;
}
